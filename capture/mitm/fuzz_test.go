package mitm

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The target of every request that net/http accepts goes out as it came in,
// byte for byte, except that a path of two slashes is escaped as a URL has to be.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"/", "/a%2Fb?c=d", "//a//b", "/{x}|\\^", "/\xc3\xa9?\xff", "/?", "/a?b?c#d", "http://h/a", "http://h?q", "http://u:p@h//x", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n")))
		if err != nil {
			return
		}
		raw := rawTarget(r)
		if raw != "*" && !strings.HasPrefix(raw, "/") {
			if strings.HasPrefix(target, "/") {
				t.Fatalf("target %q became %q", target, raw)
			}
			return // of another scheme; refused
		}
		r.URL.Scheme, r.URL.Host = "http", "upstream"
		setTarget(r, raw)
		got := r.URL.RequestURI()
		if got != raw && !strings.HasPrefix(raw, "//") {
			t.Errorf("target %q is sent as %q", raw, got)
		}
		if r.URL.Host != "upstream" || !strings.HasSuffix(target, got) && strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "//") {
			t.Errorf("target %q is sent as %q to %q", target, got, r.URL.Host)
		}
	})
}

// Looking at a connection's first bytes takes none of them away, whatever they
// are and however they arrive.
func FuzzSniff(f *testing.F) {
	f.Add([]byte("\x16\x03\x01\x00\x04\x01\x00\x00\x00rest"), uint8(3))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint8(1))
	f.Add([]byte("OPTIONS * HTTP/1.1\r\n\r\n"), uint8(200))
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		in := &scriptedConn{rest: b, step: int(step) + 1}
		cc := &clientConn{Conn: in}
		if _, err := cc.peek(1); err == nil {
			_ = (&session{}).speaksHTTP(cc)
			_ = readHello(t.Context(), cc)
		}
		got, err := io.ReadAll(cc)
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("after sniffing the connection gives %q, %v; want %q", got, err, b)
		}
	})
}

// A scriptedConn gives its bytes in steps.
type scriptedConn struct {
	net.Conn
	rest []byte
	step int
}

func (c *scriptedConn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.step)], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *scriptedConn) Write([]byte) (int, error)        { return 0, io.ErrClosedPipe }
func (c *scriptedConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptedConn) Close() error                     { return nil }
func (c *scriptedConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *scriptedConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *scriptedConn) SetWriteDeadline(time.Time) error { return nil }
