package spool_test

import (
	"errors"
	"testing"

	"harken/ingest/spool"
)

func TestRewind(t *testing.T) {
	l := open(t, spool.Config{Dir: t.TempDir(), SegmentBytes: 4096, KeepBytes: 1 << 20})
	r := reader(t, l, "learner")
	for i := range 100 {
		put(t, l, record(i))
	}
	read := func(to int64) {
		t.Helper()
		for last := int64(0); last < to; {
			b, err := r.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			last = b.Records[len(b.Records)-1].Origin.Seq
			if err := b.Ack(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	next := func(want int64) {
		t.Helper()
		b, err := r.Next(t.Context())
		if err != nil || b.Records[0].Origin.Seq != want {
			t.Fatalf("Next = %v, %v; want record %d first", b.Records, err, want)
		}
	}
	read(100)
	if gone, err := r.Rewind(100); err != nil || gone != 0 || r.Acked() != 100 {
		t.Errorf("Rewind to where it is = %d, %v, acknowledged %d", gone, err, r.Acked())
	}
	if gone, err := r.Rewind(40); err != nil || gone != 0 || r.Acked() != 40 {
		t.Errorf("Rewind(40) = %d, %v, acknowledged %d", gone, err, r.Acked())
	}
	next(41)
	if gone, err := r.Rewind(-5); err != nil || gone != 0 {
		t.Errorf("Rewind(-5) = %d, %v", gone, err)
	}
	next(1)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Rewind(0); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("Rewind of a closed reader = %v, want ErrClosed", err)
	}
	r = reader(t, l, "learner")
	next(1) // the position survives
	read(100)
}

func TestRewindBehindTheLog(t *testing.T) {
	l := open(t, spool.Config{Dir: t.TempDir(), SegmentBytes: 4096})
	r := reader(t, l, "learner")
	for i := range 300 {
		put(t, l, record(i))
	}
	for last := int64(0); last < 300; {
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		last = b.Records[len(b.Records)-1].Origin.Seq
		if err := b.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	gone, err := r.Rewind(10)
	if err != nil || gone <= 0 {
		t.Fatalf("Rewind = %d, %v; want that some records are gone", gone, err)
	}
	b, err := r.Next(t.Context())
	if err != nil || b.Records[0].Origin.Seq != 11+gone {
		t.Errorf("the first record is %d, %v; want %d", b.Records[0].Origin.Seq, err, 11+gone)
	}
}
