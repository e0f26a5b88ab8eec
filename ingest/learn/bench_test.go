package learn_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"harken/ingest"
	"harken/ingest/learn"
	"harken/inventory"
)

// serviceTraffic makes n records of about 2 KB over a hundred endpoints, as a
// JSON service behind a browser has them.
func serviceTraffic(n int) []*ingest.Record {
	r := rand.New(rand.NewPCG(3, 3))
	var rs []*ingest.Record
	for i := range n {
		var lines []string
		for range 4 {
			lines = append(lines, fmt.Sprintf(`{"sku":"A-%d","qty":%d,"price":%d.%02d,"title":"a thing of some use"}`,
				r.IntN(5000), r.IntN(9), r.IntN(900), r.IntN(99)))
		}
		x := exchange{
			method: "POST", url: fmt.Sprintf("https://api.shop.com/shop%c/orders%c/%d?expand=items&page=%d", 'a'+r.IntN(10), 'a'+r.IntN(10), r.IntN(1e6), r.IntN(20)),
			headers: []string{
				"Host: api.shop.com", "Content-Type: application/json", "Authorization: Bearer q7-demo-" + fmt.Sprint(r.IntN(50)),
				"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "Accept: application/json", "Accept-Language: en-US,en;q=0.9",
				"Accept-Encoding: gzip, deflate, br", "X-Request-Id: " + fmt.Sprintf("%08x-9a4d-4e6f-8b7a-2c1d0e9f8a7b", r.Uint32()),
				"Cookie: sid=" + fmt.Sprint(r.IntN(1e9)) + "; theme=dark",
			},
			body:   `{"coupon":"SPRING","lines":[` + strings.Join(lines, ",") + `]}`,
			status: 200, responseType: "application/json; charset=utf-8",
			response: fmt.Sprintf(`{"id":%d,"buyer":{"email":"jo.lee%d@example.com","name":"Jo Lee"},"paid":true,"total":%d.5,"note":null}`,
				r.IntN(1e6), r.IntN(1000), r.IntN(1000)),
			responseHeads: []string{"Server: envoy", "Date: Thu, 01 Jan 2026 00:00:00 GMT", "Cache-Control: no-store"},
		}
		rs = append(rs, x.record(int64(i+1)))
	}
	return rs
}

// endless gives the same records over and over, numbered anew.
type endless struct {
	rs   []*ingest.Record
	left int
	seq  int64
	done chan struct{}
}

func (s *endless) Next(ctx context.Context) (ingest.Batch, error) {
	if s.left <= 0 {
		close(s.done)
		<-ctx.Done()
		return ingest.Batch{}, ctx.Err()
	}
	from := int(s.seq) % len(s.rs)
	batch := s.rs[from:min(from+500, len(s.rs), from+s.left)]
	for _, r := range batch {
		s.seq++
		r.Origin.Seq = s.seq
	}
	s.left -= len(batch)
	return ingest.Batch{Partition: "p", Records: batch, Ack: func(context.Context) error { return nil }}, nil
}

func benchmarkLearner(b *testing.B, s inventory.Stores) {
	rs := serviceTraffic(5000)
	var size int
	for _, r := range rs {
		size += len(r.Data)
	}
	b.ReportMetric(float64(size)/float64(len(rs)), "B/record")
	b.ReportAllocs()
	b.SetBytes(int64(size / len(rs)))
	src := &endless{rs: rs, left: b.N, done: make(chan struct{})}
	l, err := learn.New(learn.Config{Source: src, Stores: s})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	b.ResetTimer()
	from := time.Now()
	go func() { done <- l.Run(ctx) }()
	<-src.done
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/time.Since(from).Seconds(), "records/s")
	b.StopTimer()
}

func BenchmarkLearnerNull(b *testing.B)   { benchmarkLearner(b, newMemory()) }
func BenchmarkLearnerSQLite(b *testing.B) { benchmarkLearner(b, openStore(b)) }
