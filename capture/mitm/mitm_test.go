package mitm_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"harken/capture"
	"harken/capture/mitm"
)

// authority is a certificate authority with one key for all leaves.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "test authority"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{key: key, cert: cert, pool: pool, leaves: map[string]*tls.Certificate{}}
}

func (a *authority) Leaf(_ context.Context, host string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, ok := a.leaves[host]; ok {
		return c, nil
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(a.leaves) + 2)),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
	a.leaves[host] = c
	return c, nil
}

// patience is how long a test waits for what has to happen. It is for machines that
// are slow or busy; nothing waits that long when it works.
const patience = time.Minute

// verifyBy verifies a leaf by a.
func verifyBy(a *authority) x509.VerifyOptions { return x509.VerifyOptions{Roots: a.pool} }

// recorder keeps what it observes.
type recorder struct {
	limit int64
	seen  chan *capture.Exchange
}

func (r *recorder) Body() *capture.Body          { return capture.NewBody(r.limit) }
func (r *recorder) Wanted(string) bool           { return true }
func (r *recorder) Observe(ex *capture.Exchange) { r.seen <- ex }

// next returns the next exchange.
func (r *recorder) next(tb testing.TB) *capture.Exchange {
	tb.Helper()
	select {
	case ex := <-r.seen:
		return ex
	case <-time.After(patience):
		tb.Fatal("no exchange was observed")
		return nil
	}
}

// none fails if something more was observed.
func (r *recorder) none(tb testing.TB) {
	tb.Helper()
	select {
	case ex := <-r.seen:
		tb.Errorf("observed a further exchange: %s %s %d %v", ex.Method, ex.Target, ex.Status, ex.Err)
	default:
	}
}

// env is a running proxy with everything around it. Names resolve to loopback.
type env struct {
	ca, upstreamCA *authority
	rec            *recorder
	addr           string
	stop           func()
	proxy          *mitm.Proxy
}

func start(tb testing.TB, change func(*mitm.Config)) *env {
	tb.Helper()
	e := &env{
		ca:         newAuthority(tb),
		upstreamCA: newAuthority(tb),
		rec:        &recorder{limit: 1 << 20, seen: make(chan *capture.Exchange, 100_000)},
	}
	cfg := mitm.Config{
		Issuer:        e.ca,
		Recorder:      e.rec,
		UpstreamRoots: e.upstreamCA.pool,
		LocalHandler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "local "+r.URL.Path)
		}),
		DialContext:   dialLoopback,
		ShutdownGrace: 2 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	p, err := mitm.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, ln) }()
	e.proxy, e.addr = p, ln.Addr().String()
	e.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				tb.Errorf("Serve: %v", err)
			}
		case <-time.After(patience):
			tb.Error("Serve did not return")
		}
	})
	tb.Cleanup(e.stop)
	return e
}

// dialLoopback dials any name at loopback, and no address elsewhere.
func dialLoopback(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if net.ParseIP(host) == nil {
		host = "127.0.0.1"
	}
	return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(host, port))
}

// origin starts a server: plain, or with TLS and the given protocols.
func (e *env) origin(tb testing.TB, secure, h2 bool, h http.HandlerFunc, change ...func(*tls.Config)) *url.URL {
	tb.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	if secure {
		byAddress, err := e.upstreamCA.Leaf(tb.Context(), "127.0.0.1")
		if err != nil {
			tb.Fatal(err)
		}
		s.TLS = &tls.Config{
			Certificates: []tls.Certificate{*byAddress}, // without a name in the hello
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				return e.upstreamCA.Leaf(hello.Context(), hello.ServerName)
			},
		}
		for _, f := range change {
			f(s.TLS)
		}
		s.EnableHTTP2 = h2
		s.StartTLS()
	} else {
		s.Start()
	}
	tb.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	u, err := url.Parse(s.URL)
	if err != nil {
		tb.Fatal(err)
	}
	if secure {
		u.Host = "api.test:" + u.Port()
	}
	return u
}

// client returns a client that uses the proxy, with HTTP/2 or without.
func (e *env) client(tb testing.TB, h2 bool) *http.Client {
	tb.Helper()
	tr := e.transport(h2)
	tb.Cleanup(tr.CloseIdleConnections)
	return &http.Client{
		Transport:     tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (e *env) transport(h2 bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(h2)
	return &http.Transport{
		Proxy:               http.ProxyURL(&url.URL{Scheme: "http", Host: e.addr}),
		TLSClientConfig:     &tls.Config{RootCAs: e.ca.pool},
		ForceAttemptHTTP2:   h2,
		Protocols:           protocols,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 256,
	}
}

// variants runs f for each way in which client and upstream can speak.
func variants(t *testing.T, f func(t *testing.T, e *env, c *http.Client, secure, h2 bool)) {
	t.Helper()
	for _, v := range []struct {
		name               string
		secure, h2, client bool
	}{
		{"plain", false, false, false},
		{"h1 to h1", true, false, false},
		{"h2 to h2", true, true, true},
		{"h1 to h2", true, true, false},
		{"h2 to h1", true, false, true},
	} {
		t.Run(v.name, func(t *testing.T) {
			e := start(t, nil)
			f(t, e, e.client(t, v.client), v.secure, v.h2)
		})
	}
}

func read(tb testing.TB, resp *http.Response, err error) string {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

func TestForward(t *testing.T) {
	variants(t, func(t *testing.T, e *env, c *http.Client, secure, h2 bool) {
		t.Helper()
		u := e.origin(t, secure, h2, func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			w.Header()["X-Twice"] = []string{"b", "a"}
			w.Header().Set("X-Proto", r.Proto)
			_, _ = io.WriteString(w, r.Method+" "+r.RequestURI+" "+r.Host+" "+string(b))
		})
		resp, err := c.Post(u.String()+"/a?q=1", "text/plain", strings.NewReader("hello"))
		want := "POST /a?q=1 " + u.Host + " hello"
		if got := read(t, resp, err); got != want {
			t.Errorf("body = %q, want %q", got, want)
		}
		if got, want := resp.Header.Get("X-Proto"), map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}[h2]; got != want {
			t.Errorf("upstream saw %s, want %s", got, want)
		}
		ex := e.rec.next(t)
		if ex.Err != nil || ex.Status != 200 || ex.Target != "/a?q=1" || ex.Host != u.Host || ex.Flags != 0 {
			t.Errorf("exchange = %+v", ex)
		}
		if got := ex.Request.Body.Size(); got != 5 {
			t.Errorf("request body %d bytes, want 5", got)
		}
		if got := ex.Response.Body.Size(); got != int64(len(want)) {
			t.Errorf("response body %d bytes, want %d", got, len(want))
		}
		if !ex.Server.IsValid() || !ex.Client.IsValid() || ex.Connection == "" || (ex.TLS != nil) != secure {
			t.Errorf("exchange lacks facts: %+v", ex)
		}
		if ex.Request.Header[0].Name != "Host" || ex.Request.Header[0].Value != u.Host {
			t.Errorf("first request header = %v", ex.Request.Header[0])
		}
		e.rec.none(t)
	})
}
