package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"harken/internal/outbound"
)

// names is a Resolver; a host with several answers gives them one look-up after
// the other, the last for ever.
type names struct {
	mu   sync.Mutex
	have map[string][]string // each a list with commas
	n    int
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.n++
	answers := n.have[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(answers) > 1 {
		n.have[host] = answers[1:]
	}
	var out []netip.Addr
	for s := range strings.SplitSeq(answers[0], ",") {
		out = append(out, netip.MustParseAddr(s))
	}
	return out, nil
}

// network is a Dial that notes what is dialed and leads to a server.
type network struct {
	mu     sync.Mutex
	dialed []string
	to     string
}

func (n *network) dial(ctx context.Context, netw, addr string) (net.Conn, error) {
	n.mu.Lock()
	n.dialed = append(n.dialed, addr)
	n.mu.Unlock()
	return (&net.Dialer{}).DialContext(ctx, netw, n.to)
}

func serve(t *testing.T, h http.HandlerFunc) *network {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &network{to: srv.Listener.Addr().String()}
}

func client(t *testing.T, cfg outbound.Config) *outbound.Client {
	t.Helper()
	c, err := outbound.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

func get(t *testing.T, c *outbound.Client, url string) (*outbound.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-KEY", "secret")
	return c.Do(req)
}

func refused(err error) bool {
	_, ok := errors.AsType[*outbound.RefusedError](err)
	return ok
}

// A name that was public when it was looked at and private when it is dialed gains
// nothing: there is one look-up per connection, and what it says is dialed.
func TestRebinding(t *testing.T) {
	n := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, "hello")
	})
	dns := &names{have: map[string][]string{"turns.example": {"8.8.8.8", "127.0.0.1"}, "both.example": {"10.0.0.1,9.9.9.9"}}}
	c := client(t, outbound.Config{Resolver: dns, Dial: n.dial})
	if res, err := get(t, c, "http://turns.example/"); err != nil || string(res.Body) != "hello" {
		t.Fatalf("first = %+v, %v", res, err)
	}
	if _, err := get(t, c, "http://turns.example/"); !refused(err) || !strings.Contains(err.Error(), "127.0.0.1 is loopback") {
		t.Errorf("second = %v, want it refused", err)
	}
	if _, err := get(t, c, "http://both.example/"); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(n.dialed, dns.n); got != "[8.8.8.8:80 9.9.9.9:80] 3" {
		t.Errorf("dialed, look-ups = %s", got)
	}
}

func TestRedirects(t *testing.T) {
	var seen []string
	n := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Host+" "+r.Header.Get("X-Api-Key"))
		switch r.URL.Path {
		case "/in":
			http.Redirect(w, r, "http://inside.example/", http.StatusFound)
		case "/meta":
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/other":
			http.Redirect(w, r, "http://other.example/", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		}
	})
	dns := &names{have: map[string][]string{"a.example": {"8.8.8.8"}, "other.example": {"9.9.9.9"}, "inside.example": {"10.0.0.7"}}}
	c := client(t, outbound.Config{Resolver: dns, Dial: n.dial, Redirects: 3})
	for _, path := range []string{"/in", "/meta", "/file"} {
		if _, err := get(t, c, "http://a.example"+path); !refused(err) {
			t.Errorf("%s = %v, want it refused", path, err)
		}
	}
	if _, err := get(t, c, "http://a.example/loop?key=secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a loop = %v", err)
	}
	seen = nil
	if res, err := get(t, c, "http://a.example/other"); err != nil || res.Status != 200 {
		t.Errorf("%+v, %v", res, err)
	}
	if got := strings.Join(seen, "; "); got != "a.example secret; other.example " {
		t.Errorf("a secret went along: %q", got)
	}
	c = client(t, outbound.Config{Resolver: dns, Dial: n.dial})
	if res, err := get(t, c, "http://a.example/in"); err != nil || res.Status != http.StatusFound {
		t.Errorf("without redirects: %+v, %v", res, err)
	}
}

func TestSize(t *testing.T) {
	n := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", len(r.URL.Path)))
	})
	dns := &names{have: map[string][]string{"a.example": {"8.8.8.8"}}}
	c := client(t, outbound.Config{Resolver: dns, Dial: n.dial, MaxBody: 10})
	for size, want := range map[int]bool{9: false, 10: false, 11: true, 100: true} {
		res, err := get(t, c, "http://a.example/"+strings.Repeat("p", size-1))
		if err != nil || res.Truncated != want || len(res.Body) != min(size, 10) {
			t.Errorf("%d bytes = %d, truncated %v, %v", size, len(res.Body), res.Truncated, err)
		}
	}
}

// Variables of the environment that name a proxy change nothing.
func TestNoProxy(t *testing.T) {
	n := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "direct") })
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	c := client(t, outbound.Config{Dial: n.dial, Resolver: &names{have: map[string][]string{"a.example": {"8.8.8.8"}}}})
	if res, err := get(t, c, "http://a.example/"); err != nil || string(res.Body) != "direct" {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestAllowed(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.UserAgent()) }))
	defer srv.Close()
	if _, err := get(t, client(t, outbound.Config{}), srv.URL); !refused(err) || !strings.Contains(err.Error(), "-allow-targets") {
		t.Errorf("loopback = %v, want it refused", err)
	}
	c := client(t, outbound.Config{Guard: guard(t, "127.0.0.0/8"), UserAgent: "harken/1"})
	if res, err := get(t, c, srv.URL); err != nil || string(res.Body) != "harken/1" {
		t.Errorf("%+v, %v", res, err)
	}
	if _, err := get(t, c, "http://nobody.invalid/?key=secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("unknown host = %v", err)
	}
}

// Connecting and a stream that never ends are given up in time.
func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dns := &names{have: map[string][]string{"a.example": {"8.8.8.8,9.9.9.9"}}}
		c := client(t, outbound.Config{Resolver: dns, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		at := time.Now()
		if _, err := get(t, c, "http://a.example/"); err == nil || time.Since(at) != outbound.DefaultConnectTimeout {
			t.Errorf("nobody there: %v after %s", err, time.Since(at))
		}
		c = client(t, outbound.Config{Resolver: dns, Dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() {
				buf := make([]byte, 4096)
				_, _ = far.Read(buf)
				_, _ = io.WriteString(far, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
			}()
			return near, nil
		}})
		at = time.Now()
		res, err := get(t, c, "http://a.example/")
		if err != nil || !res.Truncated || string(res.Body) != "data: 1\n\n" || time.Since(at) != 20*time.Second {
			t.Errorf("a stream: %+v, %v after %s", res, err, time.Since(at))
		}
	})
}
