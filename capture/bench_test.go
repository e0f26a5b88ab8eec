package capture_test

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"harken/capture"
	"harken/har"
	"harken/ingest"
)

var (
	benchRequest = headers("Host", "api.example.com", "User-Agent", "bench/1", "Accept", "*/*", "Authorization", "Bearer q7-demo",
		"Content-Type", "application/json", "Cookie", "session=abc; theme=dark", "Accept-Encoding", "gzip, br")
	benchResponse = headers("Content-Type", "application/json; charset=utf-8", "Content-Length", "1024", "Date", "Wed, 04 Mar 2026 12:00:00 GMT",
		"Server", "envoy", "X-Request-Id", "3f1c", "Cache-Control", "no-store")
)

// benchExchange is what the proxy makes of one exchange.
func benchExchange(r *capture.Recorder, header []har.Header, body []byte) *capture.Exchange {
	x := &capture.Exchange{
		Started: noon, Total: 3 * time.Millisecond, Timings: har.Timings{Blocked: -1, DNS: -1, Connect: -1, SSL: -1, Wait: time.Millisecond},
		Client: netip.MustParseAddrPort("127.0.0.1:51000"), Server: netip.MustParseAddrPort("127.0.0.1:8443"), Connection: "c17",
		Scheme: "https", Host: "api.example.com", Method: "GET", Target: "/shop/orders/48213?expand=items&limit=20", Status: 200, StatusText: "OK",
		Request:  capture.Message{Proto: "HTTP/1.1", Header: benchRequest, HeaderSize: 300},
		Response: capture.Message{Proto: "HTTP/1.1", Header: header, HeaderSize: 200, Body: r.Body()},
	}
	_, _ = x.Response.Body.Write(body)
	return x
}

func benchmarkRecord(b *testing.B, header []har.Header, body []byte) {
	b.Helper()
	// Without tokens the loop would outrun the worker and measure dropping.
	tokens := make(chan struct{}, 256)
	r := recorder(b, capture.Config{QueueBytes: 512 << 20, Sink: ingest.SinkFunc(func(_ context.Context, recs ...*ingest.Record) error {
		for range recs {
			<-tokens
		}
		return nil
	})})
	stop := start(b, r)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		tokens <- struct{}{}
		r.Observe(benchExchange(r, header, body))
	}
	if err := stop(); err != nil {
		b.Fatal(err)
	}
	if s := r.Stats(); s.Put != s.Seen || s.BodiesDropped > 0 {
		b.Fatalf("not all was recorded: %+v", s)
	}
}

// The whole cost of recording: Body, Observe, entry, encode, put to nothing.
// Both sides run on their own core, so CPU per record is what -cpu 1 shows.
func BenchmarkRecord1K(b *testing.B) {
	benchmarkRecord(b, benchResponse, []byte(`{"items":[`+strings.Repeat(`{"id":48213,"name":"x"},`, 42)+`0]}`))
}

func BenchmarkRecord1KGzip(b *testing.B) {
	plain := `{"items":[` + strings.Repeat(`{"id":48213,"name":"x"},`, 42) + `0]}`
	benchmarkRecord(b, append(headers("Content-Encoding", "gzip"), benchResponse...), []byte(zipped(b, plain)))
}

func BenchmarkRecord1M(b *testing.B) {
	benchmarkRecord(b, benchResponse, bytes.Repeat([]byte("0123456789abcdef"), 1<<16))
}

// What the traffic's own path pays.
func BenchmarkObserve(b *testing.B) {
	r := recorder(b, capture.Config{Sink: &keeper{}, Hosts: []string{"*.example.com"}, SkipHosts: []string{"cdn.*"}, QueueBytes: 1 << 20})
	body := make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		r.Observe(benchExchange(r, benchResponse, body))
	}
}

func BenchmarkParseClientHello(b *testing.B) {
	hello := clientHello(b, "api.example.com", "h2", "http/1.1")
	b.ReportAllocs()
	b.SetBytes(int64(len(hello)))
	for b.Loop() {
		if _, _, err := capture.ParseClientHello(hello); err != nil {
			b.Fatal(err)
		}
	}
}
