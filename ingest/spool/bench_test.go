package spool_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"harken/ingest"
	"harken/ingest/spool"
)

func benchRecord() *ingest.Record {
	r := record(1)
	r.Data = append(append([]byte(`{"pad":"`), bytes.Repeat([]byte("x"), 2<<10)...), `"}`...)
	return r
}

func benchLog(b *testing.B) *spool.Log {
	b.Helper()
	return open(b, spool.Config{Dir: b.TempDir(), MaxBytes: 1 << 30})
}

func BenchmarkPut(b *testing.B) {
	l, r := benchLog(b), benchRecord()
	b.SetBytes(int64(len(r.Data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Put(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPut100(b *testing.B) {
	l, r := benchLog(b), benchRecord()
	recs := make([]*ingest.Record, 100)
	for i := range recs {
		recs[i] = r
	}
	b.SetBytes(int64(100 * len(r.Data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Put(b.Context(), recs...); err != nil {
			b.Fatal(err)
		}
	}
}

// One iteration is one record: put, read, pumped to a sink that drops it, and
// acknowledged, with the writer and the pump running side by side.
func BenchmarkPutAndPump(b *testing.B) {
	l, r := benchLog(b), benchRecord()
	var got int64
	null := ingest.SinkFunc(func(_ context.Context, recs ...*ingest.Record) error {
		got += int64(len(recs))
		return nil
	})
	p, err := ingest.NewPump(ingest.PumpConfig{Source: reader(b, l, "p"), Sink: null})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- p.Run(b.Context()) }()
	b.SetBytes(int64(len(r.Data)))
	b.ReportAllocs()
	start := time.Now()
	var put int64
	for b.Loop() {
		if err := l.Put(b.Context(), r); err != nil {
			b.Fatal(err)
		}
		put++
	}
	l.Seal()
	if err := <-done; err != nil || got != put {
		b.Fatalf("%v: %d of %d records", err, got, put)
	}
	b.ReportMetric(float64(put)/time.Since(start).Seconds(), "records/s")
}

func BenchmarkReader(b *testing.B) {
	l, r := benchLog(b), benchRecord()
	recs := make([]*ingest.Record, 100)
	for i := range recs {
		recs[i] = r
	}
	for range 500 {
		put(b, l, recs...)
	}
	rd := reader(b, l, "r")
	b.SetBytes(int64(len(r.Data)))
	b.ReportAllocs()
	left, i := 0, 0
	for b.Loop() {
		if left == 0 {
			if i == 50000 { // from the start again
				_ = rd.Close()
				rd, i = reader(b, l, "r"), 0
			}
			batch, err := rd.Next(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			left = len(batch.Records)
			i += left
		}
		left--
	}
}
