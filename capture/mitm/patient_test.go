package mitm_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"

	"harken/ingest"
)

// rude starts a server that reads no more than the head of a request, gives the
// connection to answer, and closes it.
func (e *env) rude(t *testing.T, secure bool, answer func(c net.Conn)) (addr string) {
	t.Helper()
	leaf, err := e.upstreamCA.Leaf(t.Context(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return serveEach(t, func(c net.Conn) {
		if secure {
			c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*leaf}})
			defer c.Close()
		}
		if _, err := http.ReadRequest(bufio.NewReaderSize(c, 16)); err == nil {
			answer(c)
		}
	})
}

// upload sends a request with a body of size zero bytes to addr and returns the
// response, for which it does not wait until the body is sent.
func (e *env) upload(t *testing.T, addr string, secure, chunked bool, size int64) (status int, body string, err error) {
	t.Helper()
	c, _ := e.connect(t, addr, "")
	defer c.Close()
	scheme := "http"
	if secure {
		scheme, c = "https", tlsTo(t, c, &tls.Config{RootCAs: e.ca.pool}, "127.0.0.1", "http/1.1")
	}
	req, err := http.NewRequest(http.MethodPost, scheme+"://"+addr+"/", io.LimitReader(forever{}, size))
	if err != nil {
		t.Fatal(err)
	}
	if !chunked {
		req.ContentLength = size
	}
	go func() { _ = req.Write(c) }()
	resp, err := http.ReadResponse(bufio.NewReader(c), req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// forever gives zero bytes.
type forever struct{}

func (forever) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// earlyCases runs f with and without TLS, for bodies of known length and not.
func earlyCases(t *testing.T, f func(t *testing.T, secure, chunked bool)) {
	t.Helper()
	for _, v := range []struct {
		name            string
		secure, chunked bool
	}{
		{"plain, length", false, false},
		{"plain, chunked", false, true},
		{"TLS, length", true, false},
		{"TLS, chunked", true, true},
	} {
		t.Run(v.name, func(t *testing.T) { f(t, v.secure, v.chunked) })
	}
}

// An upstream that wants no such body answers and closes, which resets the
// connection while the body is on its way. The client gets the answer, and no other
// request gets the connection, though the answer does not say that it is closed.
func TestAnswerBeforeReset(t *testing.T) {
	before := runtime.NumGoroutine()
	earlyCases(t, func(t *testing.T, secure, chunked bool) {
		t.Helper()
		e := start(t, nil)
		for size, header := range map[int64]string{
			1 << 20:  "Connection: close\r\n", // buffers may take all of it
			64 << 20: "",
		} {
			addr := e.rude(t, secure, func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\n"+header+"Content-Length: 4\r\n\r\nless")
			})
			for range 10 {
				if status, body, err := e.upload(t, addr, secure, chunked, size); status != http.StatusRequestEntityTooLarge || body != "less" || err != nil {
					t.Fatalf("got %d %q, %v", status, body, err)
				}
				ex := e.rec.next(t)
				if ex.Status != http.StatusRequestEntityTooLarge || ex.Err != nil || ex.Response.Body.Size() != 4 {
					t.Fatalf("recorded %+v", ex)
				}
				if sent := ex.Request.Body.Size(); sent < size && ex.Flags != ingest.RequestTruncated {
					t.Fatalf("flags %b with %d of %d bytes of the body", ex.Flags, sent, size)
				}
			}
		}
	})
	eventually(t, "the end of all goroutines", func() bool { return runtime.NumGoroutine() <= before+1 })
}

// A reset without an answer is an error, and so is one within an answer, also where
// the answer ends with the connection.
func TestResetIsNoEnd(t *testing.T) {
	earlyCases(t, func(t *testing.T, secure, chunked bool) {
		t.Helper()
		e := start(t, nil)
		for answer, want := range map[string]int{
			"":                           http.StatusBadGateway,
			"HTTP/1.1 413 Too Large\r\n": http.StatusBadGateway,
			"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nless": http.StatusRequestEntityTooLarge,
			"HTTP/1.1 413 Too Large\r\n\r\nless":                      http.StatusRequestEntityTooLarge,
		} {
			addr := e.rude(t, secure, func(c net.Conn) {
				_, _ = io.WriteString(c, answer)
				if s, ok := c.(*tls.Conn); ok {
					c = s.NetConn() // it says no goodbye
				}
				_ = c.(*net.TCPConn).SetLinger(0)
				_ = c.Close()
			})
			for range 5 {
				status, body, err := e.upload(t, addr, secure, chunked, 16<<20)
				if status != want || want != http.StatusBadGateway && (body != "less" || err == nil) {
					t.Errorf("after %q: got %d %q, %v", answer, status, body, err)
				}
				if ex := e.rec.next(t); ex.Err == nil {
					t.Errorf("after %q: recorded %+v", answer, ex)
				}
			}
		}
	})
}

// What ends with the connection has ended when the upstream says so, though it takes
// no more of the request.
func TestEndIsNoReset(t *testing.T) {
	earlyCases(t, func(t *testing.T, secure, chunked bool) {
		t.Helper()
		e := start(t, nil)
		over := make(chan struct{})
		defer close(over)
		addr := e.rude(t, secure, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\n\r\nless")
			if s, ok := c.(*tls.Conn); ok {
				c = s.NetConn()
			}
			_ = c.(*net.TCPConn).CloseWrite()
			<-over
		})
		if status, body, err := e.upload(t, addr, secure, chunked, 64<<20); status != http.StatusRequestEntityTooLarge || body != "less" || err != nil {
			t.Errorf("got %d %q, %v", status, body, err)
		}
		if ex := e.rec.next(t); ex.Err != nil || ex.Flags != ingest.RequestTruncated {
			t.Errorf("recorded %+v", ex)
		}
	})
}

// A request that meets an idle connection whose upstream has left goes out again on
// another.
func TestUpstreamResetsIdleConnections(t *testing.T) {
	for _, secure := range []bool{false, true} {
		e := start(t, nil)
		addr := e.rude(t, secure, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			if s, ok := c.(*tls.Conn); ok {
				c = s.NetConn()
			}
			_ = c.(*net.TCPConn).SetLinger(0)
		})
		c := e.client(t, false)
		for range 100 {
			resp, err := c.Get(map[bool]string{false: "http://", true: "https://"}[secure] + addr)
			if got := read(t, resp, err); got != "ok" || resp.StatusCode != http.StatusOK {
				t.Fatalf("%d %q", resp.StatusCode, got)
			}
			if ex := e.rec.next(t); ex.Status != http.StatusOK || ex.Err != nil {
				t.Fatalf("recorded %+v", ex)
			}
		}
	}
}
