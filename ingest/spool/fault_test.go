package spool

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"harken/ingest"
)

// A full disk fails the Put, leaves nothing behind, and is over when there is
// room again.
func TestDiskFull(t *testing.T) {
	l, err := Open(Config{Dir: t.TempDir(), SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	r, err := l.Reader("a")
	if err != nil {
		t.Fatal(err)
	}
	rec := &ingest.Record{Host: "h", Data: make([]byte, 1000)}
	room := 0
	full := func(f *os.File, b []byte, off int64) (int, error) {
		n := min(room, len(b))
		room -= n
		if n, err := f.WriteAt(b[:n], off); n < len(b) {
			return n, errors.Join(err, syscall.ENOSPC)
		}
		return n, nil
	}
	plain := l.writeAt
	good := 0
	for i := range 200 {
		l.writeAt = plain
		if i%3 == 1 {
			room, l.writeAt = i*7, full
		}
		err := l.Put(t.Context(), rec, rec)
		switch {
		case err == nil:
			good += 2
		case !errors.Is(err, syscall.ENOSPC):
			t.Fatal(err)
		}
	}
	l.Seal()
	got := 0
	for {
		b, err := r.Next(t.Context())
		if err != nil {
			break
		}
		got += len(b.Records)
	}
	if got != good || good < 200 {
		t.Errorf("%d records, want the %d that were put", got, good)
	}
}

// When the disk is full, records that everyone has are given up first.
func TestDiskFullRemovesKeptSegments(t *testing.T) {
	l, err := Open(Config{Dir: t.TempDir(), SegmentBytes: 4 << 10, KeepBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	r, err := l.Reader("a")
	if err != nil {
		t.Fatal(err)
	}
	rec := &ingest.Record{Data: make([]byte, 1000)}
	for range 20 {
		if err := l.Put(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	before := l.Stats()
	plain, fails := l.writeAt, 2
	l.writeAt = func(f *os.File, b []byte, off int64) (int, error) {
		if fails--; fails >= 0 {
			return 0, syscall.ENOSPC
		}
		return plain(f, b, off)
	}
	if err := l.Put(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	if after := l.Stats(); after.First <= before.First || after.Last != before.Last+1 {
		t.Errorf("before %+v, after %+v", before, after)
	}
}
