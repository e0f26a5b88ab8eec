package mitm_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"harken/capture/mitm"
	"harken/ingest"
)

// connect opens a tunnel by hand; early goes out in one segment with the request.
func (e *env) connect(tb testing.TB, target, early string, lines ...string) (net.Conn, *bufio.Reader) {
	tb.Helper()
	c, err := net.Dial("tcp", e.addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	head := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n"
	for _, l := range lines {
		head += l + "\r\n"
	}
	_, _ = io.WriteString(c, head+"\r\n"+early)
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect}) //nolint:bodyclose // the tunnel is no body
	if err != nil {
		tb.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		tb.Fatalf("CONNECT %s: %s", target, resp.Status)
	}
	return c, br
}

// firstWith sends prefix together with the first bytes that are written.
type firstWith struct {
	net.Conn
	prefix []byte
	skip   func() error // reads the answer to prefix
}

func (c *firstWith) Write(b []byte) (int, error) {
	n := len(b)
	if c.prefix != nil {
		b = append(c.prefix, b...)
		c.prefix = nil
	}
	if _, err := c.Conn.Write(b); err != nil {
		return 0, err
	}
	return n, nil
}

func (c *firstWith) Read(b []byte) (int, error) {
	if c.skip != nil {
		if err := c.skip(); err != nil {
			return 0, err
		}
		c.skip = nil
	}
	return c.Conn.Read(b)
}

func TestClientHelloInOneSegmentWithConnect(t *testing.T) {
	e := start(t, nil)
	u := e.origin(t, true, true, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok") })
	raw, err := net.Dial("tcp", e.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	c := &firstWith{Conn: raw, prefix: []byte("CONNECT " + u.Host + " HTTP/1.1\r\nHost: " + u.Host + "\r\n\r\n")}
	c.skip = func() error {
		b := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
		_, err := io.ReadFull(raw, b)
		return err
	}
	tc := tls.Client(c, &tls.Config{RootCAs: e.ca.pool, ServerName: "api.test"})
	_, _ = io.WriteString(tc, "GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(tc), nil)
	if got := read(t, resp, err); got != "ok" {
		t.Errorf("body = %q", got)
	}
}

func TestCertificateNames(t *testing.T) {
	e := start(t, nil)
	u := e.origin(t, true, true, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) })
	for _, c := range []struct{ target, sni, want string }{
		{"api.test", "api.test", "api.test"},
		{"api.test", "", "api.test"},
		{"127.0.0.1", "", "127.0.0.1"},
		{"127.0.0.1", "by-name.test", "by-name.test"}, // resolved by the client
	} {
		conn, _ := e.connect(t, net.JoinHostPort(c.target, u.Port()), "")
		cfg := &tls.Config{RootCAs: e.ca.pool, ServerName: c.want}
		if c.sni == "" { // no name in the hello, but verify all the same
			cfg = &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
				_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: e.ca.pool, DNSName: c.want})
				return err
			}}
		}
		tc := tls.Client(conn, cfg)
		_, err := io.WriteString(tc, "GET / HTTP/1.1\r\nHost: asked.test\r\nConnection: close\r\n\r\n")
		if err != nil {
			t.Errorf("%v: %v", c, err)
			continue
		}
		resp, err := http.ReadResponse(bufio.NewReader(tc), nil)
		if got := read(t, resp, err); got != "asked.test" {
			t.Errorf("%v: upstream saw the host %q", c, got)
		}
		if ex := e.rec.next(t); ex.TLS.SNI != c.want && c.want != "127.0.0.1" {
			t.Errorf("%v: SNI to upstream %q", c, ex.TLS.SNI)
		}
	}
}

func TestPlainHTTPInTunnel(t *testing.T) {
	e := start(t, nil)
	u := e.origin(t, false, false, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) })
	for _, early := range []bool{true, false} {
		request := "GET /in?a HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n"
		var c net.Conn
		var br *bufio.Reader
		if early {
			_, br = e.connect(t, u.Host, request)
		} else {
			c, br = e.connect(t, u.Host, "")
			_, _ = io.WriteString(c, request)
		}
		resp, err := http.ReadResponse(br, nil)
		if got := read(t, resp, err); got != "/in?a" {
			t.Errorf("body = %q", got)
		}
		if ex := e.rec.next(t); ex.Scheme != "http" || ex.Host != "plain.test" || ex.Target != "/in?a" {
			t.Errorf("exchange = %+v", ex)
		}
	}
}

// echo listens, greets if it is to speak first, and sends everything back.
func echo(t *testing.T, greeting string) string {
	t.Helper()
	return serveEach(t, func(c net.Conn) {
		_, _ = io.WriteString(c, greeting)
		_, _ = io.Copy(c, c)
	})
}

// serveEach listens, gives every connection to serve, and closes it.
func serveEach(t *testing.T, serve func(net.Conn)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return ln.Addr().String()
}

func TestRawTunnel(t *testing.T) {
	e := start(t, func(c *mitm.Config) { c.SniffTimeout = 20 * time.Millisecond })
	for _, greeting := range []string{"", "220 hello\r\n"} {
		addr := echo(t, greeting)
		early := ""
		if greeting == "" {
			early = "\x00\x01binary"
		}
		c, br := e.connect(t, addr, early)
		if greeting != "" {
			if got, err := br.ReadString('\n'); got != greeting {
				t.Fatalf("greeting = %q, %v", got, err)
			}
		}
		_, _ = io.WriteString(c, "more")
		_ = c.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(br)
		if string(got) != early+"more" || err != nil {
			t.Errorf("echo = %q, %v", got, err)
		}
		ex := e.rec.next(t)
		if ex.Flags != ingest.Passthrough || ex.Method != http.MethodConnect || ex.Host != addr || ex.Err != nil {
			t.Errorf("exchange = %+v", ex)
		}
		if ex.Request.Body.Size() != int64(len(early)+4) || ex.Response.Body.Size() != int64(len(greeting)+len(early)+4) {
			t.Errorf("sizes = %d, %d", ex.Request.Body.Size(), ex.Response.Body.Size())
		}
	}
}

func TestTunnelHosts(t *testing.T) {
	e := start(t, func(c *mitm.Config) { c.TunnelHosts = []string{"*.PINNED.test"} })
	u := e.origin(t, true, true, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "real") })
	_, err := e.client(t, false).Get("https://down.pinned.test:1/") //nolint:bodyclose // it fails
	if err == nil || !strings.Contains(err.Error(), "Bad Gateway") {
		t.Errorf("a tunnel to nowhere: %v", err)
	}
	if ex := e.rec.next(t); ex.Flags&ingest.Passthrough == 0 || ex.Err == nil || ex.Status != 0 {
		t.Errorf("exchange = %+v", ex)
	}
	for _, target := range []string{"app.pinned.test", "127.0.0.1"} { // the second by SNI
		conn, _ := e.connect(t, net.JoinHostPort(target, u.Port()), "")
		tc := tls.Client(conn, &tls.Config{RootCAs: e.upstreamCA.pool, ServerName: "app.pinned.test", NextProtos: []string{"http/1.1"}})
		_, _ = io.WriteString(tc, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(tc), nil)
		if got := read(t, resp, err); got != "real" {
			t.Errorf("body = %q", got)
		}
		_ = tc.Close()
		ex := e.rec.next(t)
		if ex.Flags&ingest.Passthrough == 0 || ex.TLS == nil || ex.TLS.SNI != "app.pinned.test" || ex.TLS.ALPN != "http/1.1" {
			t.Errorf("exchange = %+v, TLS %+v", ex, ex.TLS)
		}
		if ex.Request.Body.Size() < 100 || ex.Response.Body.Size() < 100 || ex.Total <= 0 {
			t.Errorf("sizes %d, %d", ex.Request.Body.Size(), ex.Response.Body.Size())
		}
	}
}

func TestPinnedClient(t *testing.T) {
	var now struct{ offset time.Duration }
	e := start(t, func(c *mitm.Config) {
		c.Now = func() time.Time { return time.Unix(1e9, 0).Add(now.offset) }
	})
	u := e.origin(t, true, true, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok") })
	get := func(host string, roots *x509.CertPool) error {
		tr := e.transport(false)
		tr.TLSClientConfig = &tls.Config{RootCAs: roots}
		defer tr.CloseIdleConnections()
		resp, err := tr.RoundTrip(&http.Request{Method: http.MethodGet, Header: http.Header{}, URL: &url.URL{Scheme: "https", Host: host + ":" + u.Port(), Path: "/"}})
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	// A client that trusts only the real authority: refused twice, then let through.
	for i := range 2 {
		if get("pinned.test", e.upstreamCA.pool) == nil {
			t.Fatalf("attempt %d was not intercepted", i)
		}
	}
	// The proxy hears of a refusal after the client has said it.
	eventually(t, "the tunneling after two refusals", func() bool { return get("pinned.test", e.upstreamCA.pool) == nil })
	if get("other.test", e.upstreamCA.pool) == nil {
		t.Error("another host was not intercepted")
	}
	// A success keeps a host intercepted.
	if err := get("mixed.test", e.ca.pool); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if get("mixed.test", e.upstreamCA.pool) == nil {
			t.Error("a host with a trusting client was not intercepted")
		}
	}
}

func TestAuth(t *testing.T) {
	e := start(t, func(c *mitm.Config) { c.User, c.Password = "user", "secret" })
	var seen http.Header
	for _, secure := range []bool{false, true} {
		u := e.origin(t, secure, false, func(w http.ResponseWriter, r *http.Request) { seen = r.Header.Clone() })
		for password, want := range map[string]int{"wrong": 407, "": 407, "secret": 200} {
			tr := e.transport(false)
			tr.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: e.addr, User: url.UserPassword("user", password)})
			resp, err := (&http.Client{Transport: tr}).Get(u.String())
			switch {
			case err == nil:
				if resp.StatusCode != want {
					t.Errorf("password %q: %d, want %d", password, resp.StatusCode, want)
				}
				_ = resp.Body.Close()
			case want != 407:
				t.Errorf("password %q: %v", password, err)
			}
			tr.CloseIdleConnections()
		}
		if seen.Get("Proxy-Authorization") != "" {
			t.Error("credentials were sent upstream")
		}
		ex := e.rec.next(t)
		for _, h := range ex.Request.Header {
			if strings.Contains(h.Value, base64.StdEncoding.EncodeToString([]byte("user:secret"))) {
				t.Errorf("credentials were recorded: %v", h)
			}
		}
		e.rec.none(t)
	}
}

func TestLocalAndLoops(t *testing.T) {
	e := start(t, nil)
	c := e.client(t, false)
	port := e.addr[strings.LastIndexByte(e.addr, ':')+1:]
	for _, tt := range []struct {
		url    string
		status int
		body   string
	}{
		{"http://harken.proxy/ca.pem", 200, "local /ca.pem"},
		{"http://mitm.it/", 200, "local /"},
		{"https://harken.proxy/x", 200, "local /x"},
		{"http://" + e.addr + "/", http.StatusLoopDetected, "this proxy"},
		{"http://loop.test:" + port + "/", http.StatusLoopDetected, "this proxy"},
	} {
		resp, err := c.Get(tt.url)
		if got := read(t, resp, err); resp.StatusCode != tt.status || !strings.Contains(got, tt.body) {
			t.Errorf("%s: %d %q", tt.url, resp.StatusCode, got)
		}
	}
	resp, err := http.Get("http://" + e.addr + "/direct") // without a proxy
	if got := read(t, resp, err); got != "local /direct" {
		t.Errorf("direct request: %q", got)
	}
}

func TestUpstreamProxy(t *testing.T) {
	outer := start(t, func(c *mitm.Config) { c.User, c.Password = "a", "b" })
	u := outer.origin(t, false, false, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, "far ", r.Header.Get("Proxy-Authorization"))
	})
	secure := outer.origin(t, true, true, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "far tls") })
	for password, status := range map[string]int{"b": 200, "c": 502} {
		e := start(t, func(c *mitm.Config) {
			c.UpstreamProxy = &url.URL{Scheme: "http", Host: outer.addr, User: url.UserPassword("a", password)}
			c.UpstreamRoots = outer.ca.pool
		})
		for _, target := range []*url.URL{u, secure} {
			resp, err := e.client(t, false).Get(target.String())
			if got := read(t, resp, err); resp.StatusCode != status || status == 200 && !strings.HasPrefix(got, "far ") {
				t.Errorf("%s: %d %q", target, resp.StatusCode, got)
			}
		}
	}
}

func TestExtraordinaryTargets(t *testing.T) {
	e := start(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	lines := make(chan string, 1)
	go func() { // a server that shows the request as it came
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			br := bufio.NewReader(c)
			line, _ := br.ReadString('\n')
			for {
				l, err := br.ReadString('\n')
				if err != nil || l == "\r\n" {
					break
				}
			}
			lines <- strings.TrimSuffix(line, "\r\n")
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			_ = c.Close()
		}
	}()
	for _, target := range []string{
		"/", "/a%2Fb", "//double//slash", "/semi;colon;x=1", "/sp%20ace", "/%ff%FE", "/\xc3\xa9", "/{braces}|^`\"<>", "/a?", "/a?b=c?d&e=%zz&;f=\xff",
		"/a#fragment?q", "/.././..%2f", "/a+b", "/?", "/%7euser", "/a\\b",
	} {
		for _, form := range []string{"http://" + ln.Addr().String() + target, target} {
			var c net.Conn
			var br *bufio.Reader
			if form == target {
				c, br = e.connect(t, ln.Addr().String(), "")
			} else {
				if c, err = net.Dial("tcp", e.addr); err != nil {
					t.Fatal(err)
				}
				br = bufio.NewReader(c)
			}
			_, _ = io.WriteString(c, "ODD-Method "+form+" HTTP/1.1\r\nHost: "+ln.Addr().String()+"\r\n\r\n")
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatalf("%q: %v", form, err)
			}
			_ = resp.Body.Close()
			_ = c.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%q: %s", form, resp.Status)
				continue
			}
			want := "ODD-Method " + target + " HTTP/1.1"
			if got := <-lines; got != want {
				t.Errorf("%q: upstream saw %q", form, got)
			}
			if ex := e.rec.next(t); ex.Target != target || ex.Method != "ODD-Method" {
				t.Errorf("%q: recorded %s %q", form, ex.Method, ex.Target)
			}
		}
	}
}

func TestMalformedRequests(t *testing.T) {
	e := start(t, nil)
	u := e.origin(t, false, false, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%d %q %q", r.ContentLength, r.TransferEncoding, b)
	})
	for _, tt := range []struct{ request, want string }{
		{"GET http://h/ HTTP/1.1\r\n\r\n", "400"},
		{"GET http://h/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
		{"GET http://h/ HTTP/1.1\r\nHost: h\r\nBad Name: x\r\n\r\n", "400"},
		{"GET http://h/ HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n", "400"},
		{"GET http://h/%zz HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
		{"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
		{"GET http:/// HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
		{"CONNECT h HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
		{"POST " + u.String() + " HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400"},
		{"POST " + u.String() + " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
		{"GET http://h/ HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("a", 2<<20) + "\r\n\r\n", "431"},
		{"\x16\x03\x01\x00\x05hello\r\n\r\n", "400"},
		{
			"POST " + u.String() + " HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
			"200 -1 [\"chunked\"] \"hello\"",
		},
	} {
		c, err := net.Dial("tcp", e.addr)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(c, tt.request) }()
		_ = c.SetReadDeadline(time.Now().Add(patience))
		br := bufio.NewReader(c)
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Errorf("%.60q: %v", tt.request, err)
			continue
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if got := fmt.Sprintf("%d %s", resp.StatusCode, b); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%.60q: %q, want %q", tt.request, got, tt.want)
		}
		_ = c.Close()
	}
}
