package ingest_test

import (
	"bytes"
	"testing"
	"time"

	"harken/ingest"
)

func benchData() []byte {
	e := entry()
	e.Response.Content.Body = bytes.Repeat([]byte(`{"id":48213,"ok":true}`), 60)
	return ingest.NewRecord(e, time.Unix(1, 0)).Data
}

func BenchmarkParseHAR(b *testing.B) {
	data := benchData()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var r ingest.Record
	for b.Loop() {
		if err := r.Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseAkto(b *testing.B) {
	b.SetBytes(int64(len(aktoExample)))
	b.ReportAllocs()
	var r ingest.Record
	for b.Loop() {
		if err := r.Parse([]byte(aktoExample)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendAkto(b *testing.B) {
	r := ingest.NewRecord(entry(), time.Unix(1, 0))
	b.SetBytes(int64(len(r.Data)))
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		var err error
		if buf, err = ingest.AppendAkto(buf[:0], r); err != nil {
			b.Fatal(err)
		}
	}
}

// What an answer with samples costs for each.
func BenchmarkAppendStored(b *testing.B) {
	data := benchData()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var enc ingest.AktoEncoder
	var buf []byte
	for b.Loop() {
		var err error
		if buf, err = enc.AppendStored(buf[:0], data, time.Unix(1, 0)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewID(b *testing.B) {
	b.ReportAllocs()
	now := time.Now()
	for b.Loop() {
		_ = ingest.NewID(now)
	}
}
