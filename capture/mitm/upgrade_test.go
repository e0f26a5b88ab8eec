package mitm_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"

	"harken/capture/mitm"
	"harken/ingest"
)

func echoWebSocket(t *testing.T) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refused" {
			http.Error(w, "no sockets here", http.StatusForbidden)
			return
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"chat"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = c.CloseNow() }()
		for {
			kind, b, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if err := c.Write(r.Context(), kind, append([]byte("echo "), b...)); err != nil {
				return
			}
		}
	}
}

func TestWebSocket(t *testing.T) {
	for _, secure := range []bool{false, true} {
		e := start(t, nil)
		u := e.origin(t, secure, true, echoWebSocket(t))
		opts := &websocket.DialOptions{HTTPClient: e.client(t, false), Subprotocols: []string{"chat"}}
		c, resp, err := websocket.Dial(t.Context(), u.String()+"/ws?x=1", opts) //nolint:bodyclose // the socket owns it
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusSwitchingProtocols || c.Subprotocol() != "chat" {
			t.Errorf("status %d, subprotocol %q", resp.StatusCode, c.Subprotocol())
		}
		for _, text := range []string{"one", strings.Repeat("long ", 5000)} {
			if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
				t.Fatal(err)
			}
			if _, b, err := c.Read(t.Context()); err != nil || string(b) != "echo "+text {
				t.Fatalf("got %d bytes, %v", len(b), err)
			}
			c.SetReadLimit(1 << 20)
		}
		if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		ex := e.rec.next(t)
		if ex.Status != 101 || ex.Target != "/ws?x=1" || ex.Request.Body.Size() < 25_000 || ex.Response.Body.Size() < 25_000 {
			t.Errorf("exchange = %+v, sizes %d, %d", ex, ex.Request.Body.Size(), ex.Response.Body.Size())
		}
		_, resp, err = websocket.Dial(t.Context(), u.String()+"/refused", opts) //nolint:bodyclose // it was read
		if err == nil || resp.StatusCode != http.StatusForbidden {
			t.Errorf("refused: %v", err)
		}
		if ex := e.rec.next(t); ex.Status != http.StatusForbidden || ex.Flags != 0 {
			t.Errorf("refused: %+v", ex)
		}
		e.rec.none(t)
	}
}

// An upgrade to something else, with bytes in the same segments as the heads,
// and each side closing its half by itself.
func TestOtherUpgrade(t *testing.T) {
	e := start(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		br := bufio.NewReader(c)
		r, err := http.ReadRequest(br)
		if err != nil || r.Header.Get("Upgrade") != "reverse/1" {
			t.Errorf("upstream got %v, %v", r, err)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: reverse/1\r\n\r\nhello ")
		b, _ := io.ReadAll(br) // until the client's half is closed
		_, _ = io.WriteString(c, "got "+string(b))
	}()
	c, err := net.Dial("tcp", e.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, "GET http://"+ln.Addr().String()+"/ HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: reverse/1\r\n\r\nearly")
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != "reverse/1" {
		t.Fatalf("%v, %v", resp, err)
	}
	_ = resp.Body.Close()
	_, _ = io.WriteString(c, " late")
	_ = c.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(br); string(b) != "hello got early late" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	if ex := e.rec.next(t); ex.Status != 101 || ex.Request.Body.Size() != 10 || ex.Flags != 0 {
		t.Errorf("exchange = %+v", ex)
	}
}

// A shutdown closes what was upgraded, which it does not wait for.
func TestUpgradeEndsWithShutdown(t *testing.T) {
	e := start(t, func(c *mitm.Config) { c.ShutdownGrace = time.Hour })
	u := e.origin(t, true, true, echoWebSocket(t))
	c, _, err := websocket.Dial(t.Context(), u.String(), &websocket.DialOptions{HTTPClient: e.client(t, false)}) //nolint:bodyclose // the socket owns it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	e.stop()
	if _, _, err := c.Read(t.Context()); err == nil {
		t.Error("the socket is still open")
	}
	if ex := e.rec.next(t); ex.Status != 101 {
		t.Errorf("status = %d", ex.Status)
	}
}

// HTTP/2 without TLS is not offered: the request is an ordinary one.
func TestUpgradeToHTTP2IsIgnored(t *testing.T) {
	e := start(t, nil)
	u := e.origin(t, false, false, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "upgrade "+r.Header.Get("Upgrade")+r.Header.Get("Http2-Settings"))
	})
	req, _ := http.NewRequest(http.MethodGet, u.String(), nil)
	req.Header = http.Header{"Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {"h2c"}, "Http2-Settings": {"AAMAAABk"}}
	resp, err := e.client(t, false).Do(req)
	if got := read(t, resp, err); got != "upgrade " {
		t.Errorf("body = %q", got)
	}
}

// RFC 8441: a WebSocket in a stream of an HTTP/2 connection.
func TestExtendedConnect(t *testing.T) {
	e := start(t, nil)
	u := e.origin(t, true, true, echoWebSocket(t))
	open := func(path string) (*http.Response, *io.PipeWriter) {
		t.Helper()
		h1 := e.transport(false)
		conn, _ := e.connect(t, u.Host, "")
		tr := &http2.Transport{}                                                          //nolint:staticcheck // net/http refuses to send the header :protocol
		cc, err := tr.NewClientConn(tlsTo(t, conn, h1.TLSClientConfig, "api.test", "h2")) //nolint:staticcheck // as above
		if err != nil {
			t.Fatal(err)
		}
		pr, pw := io.Pipe()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodConnect, u.String()+path, pr)
		req.Header[":protocol"] = []string{"websocket"}
		req.Header.Set("Sec-WebSocket-Version", "13")
		resp, err := cc.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp, pw
	}
	resp, pw := open("/ws")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Sec-WebSocket-Accept") != "" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	// A masked text frame "hi", by hand (RFC 6455, section 5.2), mask zero.
	_, _ = pw.Write([]byte{0x81, 0x82, 0, 0, 0, 0, 'h', 'i'})
	frame := make([]byte, 9)
	if _, err := io.ReadFull(resp.Body, frame); err != nil || string(frame[2:]) != "echo hi" {
		t.Errorf("frame = %q, %v", frame, err)
	}
	_, _ = pw.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8}) // close, 1000
	_ = pw.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	_ = resp.Body.Close()
	if ex := e.rec.next(t); ex.Status != 101 || ex.Method != http.MethodConnect || ex.Request.Body.Size() != 16 || ex.Flags&ingest.Aborted != 0 {
		t.Errorf("exchange = %+v, size %d", ex, ex.Request.Body.Size())
	}
	resp, pw = open("/refused")
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("status = %d", resp.StatusCode)
	}
	_ = pw.Close()
	_ = resp.Body.Close()
}

// What turned extended CONNECT on leaves no trace for child processes.
func TestEnvironmentIsRestored(t *testing.T) {
	if v := os.Getenv("GODEBUG"); strings.Contains(v, "http2xconnect") {
		t.Errorf("GODEBUG = %q", v)
	}
}
