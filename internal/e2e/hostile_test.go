package e2e

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// descriptors is the number of files and sockets that a process has open.
func (p *process) descriptors(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// goroutines asks /metrics.
func (c *control) goroutines(t *testing.T) int {
	t.Helper()
	res, err := http.Get("http://" + hostOf(c.Control) + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			var n int
			fmt.Sscan(rest, &n)
			return n
		}
	}
	t.Fatal("no go_goroutines in /metrics")
	return 0
}

// Whatever bytes come, the proxy goes on: no panic, and what it held returns.
func TestHostileInput(t *testing.T) {
	up := newUpstream(t)
	c := startControl(t, t.TempDir(), "-upstream-ca", up.caFile)
	normal := func() error {
		client := c.client(t, false)
		defer client.CloseIdleConnections()
		res, err := client.Get(up.url(true) + "/shop/orders/1")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	if err := normal(); err != nil {
		t.Fatal(err)
	}
	fds, routines := c.descriptors(t), c.goroutines(t)

	t.Run("random", func(t *testing.T) { randomStreams(t, hostOf(c.Proxy), up.url(true)) })
	t.Run("headers", func(t *testing.T) { headerBombs(t, hostOf(c.Proxy), up.url(false)) })
	t.Run("framing", func(t *testing.T) { framingConflicts(t, hostOf(c.Proxy), up) })
	t.Run("bomb", func(t *testing.T) { decompressionBomb(t, c) })
	t.Run("slow", func(t *testing.T) { slowClients(t, hostOf(c.Proxy), normal) })

	eventually(t, func() error {
		if f, g := c.descriptors(t), c.goroutines(t); f > fds+20 || g > routines+40 {
			return fmt.Errorf("%d descriptors (%d before), %d goroutines (%d before)", f, fds, g, routines)
		}
		return nil
	})
	if err := normal(); err != nil {
		t.Errorf("a normal request afterwards: %v", err)
	}
	if out := c.output(); strings.Contains(out, "panic") || strings.Contains(out, "goroutine ") {
		t.Errorf("panic: %s", tail(out, 3000))
	}
	if rss := c.status(t, "VmRSS"); rss > 200<<20 {
		t.Errorf("RSS is %d MB afterwards", rss>>20)
	}
}

// randomStreams sends 5,000 streams: pure noise, noise behind a CONNECT, cut
// ClientHellos, cut requests.
func randomStreams(t *testing.T, proxy, secure string) {
	t.Helper()
	hello := clientHello(t)
	target := strings.TrimPrefix(secure, "https://")
	connect := []byte(fmt.Sprintf("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target))
	get := []byte(fmt.Sprintf("GET http://%s/shop/orders/1 HTTP/1.1\r\nHost: %s\r\nX: y\r\n\r\n", target, target))
	work := make(chan int)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for i := range work {
				noise := make([]byte, mrand.IntN(2000))
				rand.Read(noise)
				var b []byte
				switch i % 5 {
				case 0:
					b = noise
				case 1:
					b = append(bytes.Clone(connect), noise...)
				case 2:
					b = append(bytes.Clone(connect), hello[:mrand.IntN(len(hello))]...)
				case 3:
					b = get[:mrand.IntN(len(get))]
				case 4:
					b = bytes.Clone(append(bytes.Clone(connect), hello...))
					for range 5 {
						b[mrand.IntN(len(b))] ^= byte(1 + mrand.IntN(255))
					}
				}
				conn, err := net.Dial("tcp", proxy)
				if err != nil {
					t.Error(err)
					return
				}
				conn.SetDeadline(time.Now().Add(5 * time.Second))
				conn.Write(b)
				if i%2 == 0 {
					conn.(*net.TCPConn).CloseWrite()
					io.Copy(io.Discard, conn)
				}
				conn.Close()
			}
		})
	}
	for i := range 5000 {
		work <- i
	}
	close(work)
	wg.Wait()
}

// clientHello is the first flight of a real TLS client.
func clientHello(t *testing.T) []byte {
	t.Helper()
	a, b := net.Pipe()
	go tls.Client(a, &tls.Config{ServerName: "localhost", NextProtos: []string{"h2", "http/1.1"}}).HandshakeContext(t.Context())
	buf := make([]byte, 1<<16)
	n, err := b.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	b.Close()
	return buf[:n]
}

// raw sends bytes and returns the beginning of the answer.
func raw(t *testing.T, addr string, b []byte) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	go conn.Write(b)
	out := make([]byte, 512)
	n, _ := io.ReadAtLeast(conn, out, 12)
	return string(out[:n])
}

func headerBombs(t *testing.T, proxy, plain string) {
	t.Helper()
	host := strings.TrimPrefix(plain, "http://")
	big := strings.Repeat("a", 2<<20)
	for _, head := range []string{"X-Big: " + big, strings.Repeat("X: y\r\n", 400_000) + "Z: z"} {
		got := raw(t, proxy, []byte(fmt.Sprintf("GET %s/shop/orders/1 HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", plain, host, head)))
		if got != "" && !strings.HasPrefix(got, "HTTP/1.1 4") {
			t.Errorf("header bomb: %.60q", got)
		}
	}
}

func framingConflicts(t *testing.T, proxy string, up *upstream) {
	t.Helper()
	plain := up.url(false)
	host := strings.TrimPrefix(plain, "http://")
	before := up.requests.Load()
	for _, h := range []string{
		"Content-Length: 4\r\nContent-Length: 5", "Content-Length: -1", "Content-Length: 0x4", "Transfer-Encoding: chunked, identity",
		"Transfer-Encoding: xchunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Content-Length : 4", "Bad Name: x",
	} {
		got := raw(t, proxy, []byte(fmt.Sprintf("POST %s/numbered/1 HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\nabcd", plain, host, h)))
		if got != "" && !strings.HasPrefix(got, "HTTP/1.1 4") && !strings.HasPrefix(got, "HTTP/1.1 501") {
			t.Errorf("%q: %.60q", h, got)
		}
	}
	if n := up.requests.Load() - before; n != 0 {
		t.Errorf("%d of the conflicting requests reached the upstream", n)
	}
	// Both a length and chunks: the chunks win (RFC 9112 6.3), one request reaches
	// the upstream and nothing is left over to be taken as a second.
	raw(t, proxy, []byte(fmt.Sprintf("POST %s/numbered/1 HTTP/1.1\r\nHost: %s\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET %s/numbered/2 HTTP/1.1\r\nHost: %s\r\n\r\n", plain, host, plain, host)))
	if n := up.requests.Load() - before; n > 1 {
		t.Errorf("a smuggled request reached the upstream: %d requests", n)
	}
}

// decompressionBomb is 1 MB that unpacks to 1 GB: it passes unchanged and does
// not grow the recorder.
func decompressionBomb(t *testing.T, c *control) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for range 1024 {
		z.Write(zeros)
	}
	z.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(b.Bytes())
	}))
	defer srv.Close()
	client := c.client(t, false)
	defer client.CloseIdleConnections()
	for range 20 {
		res, err := client.Get(srv.URL + "/bomb")
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if !bytes.Equal(got, b.Bytes()) {
			t.Fatalf("%d bytes of %d", len(got), b.Len())
		}
	}
}

// slowClients sends one byte at a time on 500 connections; others are served.
func slowClients(t *testing.T, proxy string, normal func() error) {
	t.Helper()
	var conns []net.Conn
	for range 500 {
		conn, err := net.Dial("tcp", proxy)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	head := "GET http://localhost/ HTTP/1.1\r\nHost: x\r\nX-Slow: yes"
	for i := range 10 {
		for _, conn := range conns {
			conn.Write([]byte{head[i]})
		}
		if err := normal(); err != nil {
			t.Errorf("normal request beside slow ones: %v", err)
		}
	}
	for _, conn := range conns {
		conn.Close()
	}
}
