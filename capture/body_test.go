package capture

import (
	"bytes"
	"sync"
	"testing"
)

func TestBody(t *testing.T) {
	plain := text(10_000)
	f := func(limit int64, chunk int, wantKept int, wantCap int64) {
		t.Helper()
		m := &memory{limit: 1 << 20}
		b := &Body{limit: limit, memory: m}
		for rest := plain; len(rest) > 0; {
			n := min(chunk, len(rest))
			if got, err := b.Write(rest[:n]); got != n || err != nil {
				t.Fatalf("Write = %d, %v, want %d", got, err, n)
			}
			rest = rest[n:]
		}
		if b.Size() != int64(len(plain)) || !bytes.Equal(b.Bytes(), plain[:wantKept]) || m.used.Load() != wantCap {
			t.Errorf("limit %d: size %d, kept %d, takes %d; want %d, %d, %d", limit, b.Size(), len(b.Bytes()), m.used.Load(), len(plain), wantKept, wantCap)
		}
		b.freeze()
		_, _ = b.Write(plain)
		if b.Size() != int64(len(plain)) {
			t.Errorf("limit %d: a late write changed the size to %d", limit, b.Size())
		}
		b.Discard()
		b.Discard()
		if m.used.Load() != 0 {
			t.Errorf("limit %d: %d bytes in use after Discard", limit, m.used.Load())
		}
	}
	f(1<<20, 10_000, 10_000, 16<<10)
	f(1<<20, 7, 10_000, 16<<10)
	f(1000, 10_000, 1000, 1<<10)
	f(1000, 999, 1000, 1<<10)
	f(0, 100, 0, 0)
}

// A body of known length gets its buffer at once, if what came of it warrants
// that and the queue has it.
func TestBodyExpect(t *testing.T) {
	f := func(expect, limit, queue int64, first int, wantCap int64) {
		t.Helper()
		m := &memory{limit: queue}
		b := &Body{limit: limit, memory: m}
		b.Expect(expect)
		_, _ = b.Write(make([]byte, first))
		if m.used.Load() != wantCap || len(b.Bytes()) != first {
			t.Errorf("%d of %d bytes: takes %d and keeps %d, want %d", first, expect, m.used.Load(), len(b.Bytes()), wantCap)
		}
		b.Discard()
		if m.used.Load() != 0 {
			t.Errorf("%d of %d bytes: %d in use after Discard", first, expect, m.used.Load())
		}
	}
	f(64<<10, 1<<20, 1<<30, 16<<10, 64<<10)
	f(64<<10, 32<<10, 1<<30, 16<<10, 32<<10)
	f(64<<10, 1<<20, 64<<10, 16<<10, 16<<10)
	f(1<<40, 1<<20, 1<<30, 100, 1<<10)
	f(1<<40, 1<<20, 1<<30, 1000, 8<<10)
	f(10, 1<<20, 1<<30, 3000, 4<<10)
	f(-1, 1<<20, 1<<30, 3000, 4<<10)
}

// A body that met a full queue keeps its beginning and never gets a hole, also
// when there is room again.
func TestBodyStarved(t *testing.T) {
	m := &memory{limit: 4 << 10}
	b, other := &Body{limit: 1 << 20, memory: m}, &Body{limit: 1 << 20, memory: m}
	_, _ = other.Write(make([]byte, 1500))
	_, _ = b.Write([]byte("beginning"))
	_, _ = b.Write(make([]byte, 2000))
	other.Discard()
	_, _ = b.Write([]byte("end"))
	if got := string(b.Bytes()); got != "beginning" || b.Size() != 2012 || !b.freeze() {
		t.Errorf("kept %q of %d", got, b.Size())
	}
}

func TestBodyConcurrent(t *testing.T) {
	m := &memory{limit: 1 << 30}
	var wg sync.WaitGroup
	b := &Body{limit: 1 << 16, memory: m}
	for range 8 {
		wg.Go(func() {
			for range 100 {
				_, _ = b.Write(make([]byte, 333))
				_ = b.Size()
			}
		})
	}
	wg.Wait()
	if b.Size() != 8*100*333 || len(b.Bytes()) != 1<<16 {
		t.Errorf("size %d, kept %d", b.Size(), len(b.Bytes()))
	}
	wg.Go(func() { _, _ = b.Write([]byte("late")) })
	b.Discard()
	wg.Wait()
}
