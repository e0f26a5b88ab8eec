package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"harken/har"
	"harken/ingest"
	"harken/ingest/kafka"
	"harken/ingest/spool"
)

// pipelineRecords is how many records one round moves.
const pipelineRecords = 200_000

// benchPipeline measures the way of a record behind the recorder: into the log,
// and out of it into a sink.
func benchPipeline(ctx context.Context, o options) error {
	rec := sampleRecord()
	fmt.Printf("pipeline, records of %d bytes, medians of %d rounds\n", len(rec.Data), o.rounds)
	null := ingest.SinkFunc(func(context.Context, ...*ingest.Record) error { return nil })
	if err := benchPump(ctx, o, rec, "append + pump to a null sink", null); err != nil {
		return err
	}
	if o.kafka == "" {
		return nil
	}
	for _, codec := range []string{"lz4", "snappy", "zstd", "none"} {
		sink, err := kafka.NewSink(kafka.Config{Brokers: []string{o.kafka}, Topic: "bench-" + codec, Compression: codec})
		if err != nil {
			return err
		}
		if err := benchPump(ctx, o, rec, "append + pump to kafka, "+codec, sink); err != nil {
			return err
		}
		sink.Close()
	}
	return nil
}

func benchPump(ctx context.Context, o options, rec *ingest.Record, name string, sink ingest.Sink) error {
	var rates, allocs []float64
	for range o.rounds {
		rate, perRecord, err := pumpOnce(ctx, rec, sink)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		rates, allocs = append(rates, rate), append(allocs, perRecord)
	}
	slices.Sort(rates)
	slices.Sort(allocs)
	fmt.Printf("  %-32s %8.0f records/s  %.3f allocations/record\n", name, rates[len(rates)/2], allocs[len(allocs)/2])
	return nil
}

// pumpOnce appends records in the batches that a busy recorder makes while a pump
// takes them out again.
func pumpOnce(ctx context.Context, rec *ingest.Record, sink ingest.Sink) (rate, allocs float64, err error) {
	dir, err := os.MkdirTemp("", "harken-bench-")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	log, err := spool.Open(spool.Config{Dir: filepath.Join(dir, "akto.api.logs")})
	if err != nil {
		return 0, 0, err
	}
	defer log.Close()
	reader, err := log.Reader("bench")
	if err != nil {
		return 0, 0, err
	}
	pump, err := ingest.NewPump(ingest.PumpConfig{Source: reader, Sink: sink})
	if err != nil {
		return 0, 0, err
	}
	batch := make([]*ingest.Record, 64)
	for i := range batch {
		batch[i] = rec
	}
	done := make(chan error, 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	go func() { done <- pump.Run(ctx) }()
	for i := 0; i < pipelineRecords; i += len(batch) {
		if err := log.Put(ctx, batch...); err != nil {
			return 0, 0, err
		}
	}
	log.Seal()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		return 0, 0, err
	}
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	return pipelineRecords / took.Seconds(), float64(after.Mallocs-before.Mallocs) / pipelineRecords, nil
}

// sampleRecord is an ordinary JSON exchange, about 2 KB as it is encoded.
func sampleRecord() *ingest.Record {
	body := []byte(`{"id":48213,"buyer":{"email":"jo.lee@example.com","name":"Jo Lee"},"paid":true,"lines":[{"sku":"A-1","qty":2,"price":12.5},{"sku":"B-7","qty":1,"price":99}],"note":"`)
	for range 12 {
		body = append(body, "leave it at the door, please; "...)
	}
	body = append(body, `"}`...)
	h := func(pairs ...string) (hs []har.Header) {
		for i := 0; i < len(pairs); i += 2 {
			hs = append(hs, har.Header{Name: pairs[i], Value: pairs[i+1]})
		}
		return hs
	}
	e := &har.Entry{
		Started: time.Now(), Time: 12 * time.Millisecond, ServerIPAddress: "127.0.0.1", Connection: "17",
		Request: har.Request{
			Method: "GET", URL: "https://api.shop.example/shop/orders/48213?expand=items", HTTPVersion: "HTTP/1.1", HeadersSize: -1,
			Headers: h("Host", "api.shop.example", "User-Agent", "bench/1.0", "Accept", "application/json", "Authorization", "Bearer q7-demo"),
		},
		Response: har.Response{
			Status: 200, StatusText: "OK", HTTPVersion: "HTTP/1.1", HeadersSize: -1, BodySize: int64(len(body)),
			Headers: h("Content-Type", "application/json", "Date", "Sun, 22 Nov 2026 00:00:00 GMT", "Server", "envoy", "Cache-Control", "no-store"),
			Content: har.Content{Size: int64(len(body)), MimeType: "application/json", Body: body},
		},
		Harken: &har.Meta{Account: "1000000", Source: "MIRRORING", Direction: "1", Client: "127.0.0.1:50000", Server: "127.0.0.1:443"},
	}
	return ingest.NewRecord(e, time.Now())
}
