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

// Finding the next frame reads in windows; a frame across their edges, or larger
// than one, is found as well.
func TestResyncInSmallWindows(t *testing.T) {
	l, err := Open(Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var ends []int64
	for i := range 40 {
		if err := l.Put(t.Context(), &ingest.Record{Data: make([]byte, 1+i*i)}); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, l.Stats().Bytes)
	}
	for _, chunk := range []int{100, 256, 1000, 1 << 20} {
		c := cursor{table: l.table, chunk: chunk, limit: ends[39]}
		if err := c.open(l.active.path); err != nil {
			t.Fatal(err)
		}
		for i, end := range ends[:39] {
			start := int64(segmentHead)
			if i > 0 {
				start = ends[i-1]
			}
			c.seek(start)
			skipped, found, err := c.resync(1, 100)
			if err != nil || !found || c.off() != end || skipped != end-start {
				t.Fatalf("chunk %d, frame %d: at %d, want %d: %v %v", chunk, i, c.off(), end, found, err)
			}
		}
		c.seek(ends[38])
		if _, found, err := c.resync(1, 100); err != nil || found || c.off() != ends[39] {
			t.Errorf("chunk %d: a frame at %d behind the last: %v", chunk, c.off(), err)
		}
		c.close()
	}
}
