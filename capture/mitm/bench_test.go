package mitm_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/elazarl/goproxy"

	"harken/capture"
	"harken/capture/mitm"
)

// discard is a recorder that keeps nothing of what it is given.
type discard struct{}

func (discard) Body() *capture.Body       { return capture.NewBody(1 << 20) }
func (discard) Wanted(string) bool        { return true }
func (discard) Observe(*capture.Exchange) {}

// BenchmarkProxy measures a whole intercepted exchange with 32 clients, client
// and upstream in the same process. bare is net/http's server with a round trip
// and nothing else, stock is goproxy's own interception with a pooled transport:
// only ratios within one run mean anything.
func BenchmarkProxy(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 8 << 20} {
		for _, h2 := range []bool{false, true} {
			for _, kind := range []string{"direct", "bare", "stock", "null", "recording"} {
				if kind == "stock" && h2 {
					continue // it relays HTTP/2 frames without showing them
				}
				proto := map[bool]string{false: "h1", true: "h2"}[h2]
				b.Run(fmt.Sprintf("%s/%dK/%s", proto, size>>10, kind), func(b *testing.B) {
					benchmark(b, size, h2, kind)
				})
			}
		}
	}
}

func benchmark(b *testing.B, size int, h2 bool, kind string) {
	b.Helper()
	e := start(b, func(c *mitm.Config) {
		c.Recorder = nil
		if kind == "recording" {
			c.Recorder = discard{}
		}
	})
	content := make([]byte, size)
	u := e.origin(b, true, h2, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = w.Write(content)
	})
	tr := e.transport(h2)
	defer tr.CloseIdleConnections()
	switch kind {
	case "bare":
		tr.Proxy = nil
		tr.TLSClientConfig.ServerName = "api.test"
		u = bare(b, e, u, h2)
	case "stock":
		tr.Proxy = http.ProxyURL(stock(b, e))
	case "direct":
		tr.Proxy = nil
		tr.DialContext = dialLoopback
		tr.TLSClientConfig = &tls.Config{RootCAs: e.upstreamCA.pool}
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.SetParallelism(16) // of two cores: 32 clients
	get := func() error {
		req, err := http.NewRequest(http.MethodGet, u.String(), nil)
		if err != nil {
			return err
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != int64(size) {
			return fmt.Errorf("%d of %d bytes: %w", n, size, err)
		}
		return nil
	}
	if err := get(); err != nil {
		b.Fatal(err)
	}
	var from, to syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &from)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := get(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &to)
	cpu := time.Duration(to.Utime.Nano()+to.Stime.Nano()-from.Utime.Nano()-from.Stime.Nano()) / time.Duration(b.N)
	b.ReportMetric(float64(cpu.Microseconds()), "cpu-us/op")
}

// bare starts the least that could pass a request on.
func bare(b *testing.B, e *env, u *url.URL, h2 bool) *url.URL {
	b.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(h2)
	tr := &http.Transport{
		DialContext:         dialLoopback,
		TLSClientConfig:     &tls.Config{RootCAs: e.upstreamCA.pool},
		Protocols:           protocols,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 256,
	}
	b.Cleanup(tr.CloseIdleConnections)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RequestURI, r.URL.Scheme, r.URL.Host = "", "https", u.Host
		if r.ContentLength == 0 {
			r.Body = http.NoBody
		}
		resp, err := tr.RoundTrip(r)
		if err != nil {
			b.Error(err)
			return
		}
		defer resp.Body.Close()
		maps.Copy(w.Header(), resp.Header)
		_, _ = io.Copy(w, resp.Body)
	}))
	leaf, err := e.ca.Leaf(b.Context(), "api.test")
	if err != nil {
		b.Fatal(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{*leaf}}
	s.EnableHTTP2 = h2
	s.StartTLS()
	b.Cleanup(s.Close)
	to, _ := url.Parse(s.URL)
	return to
}

// stock starts goproxy as its documentation shows it, with a pooled transport.
func stock(b *testing.B, e *env) *url.URL {
	b.Helper()
	g := goproxy.NewProxyHttpServer()
	g.Tr = &http.Transport{
		DialContext:         dialLoopback,
		TLSClientConfig:     &tls.Config{RootCAs: e.upstreamCA.pool},
		MaxIdleConnsPerHost: 256,
	}
	g.OnRequest().HandleConnectFunc(func(host string, _ *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
		return &goproxy.ConnectAction{Action: goproxy.ConnectMitm, TLSConfig: func(host string, _ *goproxy.ProxyCtx) (*tls.Config, error) {
			name, _, _ := net.SplitHostPort(host)
			leaf, err := e.ca.Leaf(b.Context(), name)
			if err != nil {
				return nil, err
			}
			return &tls.Config{Certificates: []tls.Certificate{*leaf}}, nil
		}}, host
	})
	s := httptest.NewServer(g)
	b.Cleanup(s.Close)
	u, _ := url.Parse(s.URL)
	return u
}
