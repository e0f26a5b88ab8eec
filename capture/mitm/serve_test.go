package mitm_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"harken/capture/mitm"
)

// tlsTo does a handshake over conn and checks what ALPN agreed on.
func tlsTo(tb testing.TB, conn net.Conn, cfg *tls.Config, name, proto string) *tls.Conn {
	tb.Helper()
	cfg = cfg.Clone()
	cfg.ServerName = name
	cfg.NextProtos = []string{proto}
	c := tls.Client(conn, cfg)
	if err := c.HandshakeContext(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	if got := c.ConnectionState().NegotiatedProtocol; got != proto {
		tb.Fatalf("ALPN gave %q, want %q", got, proto)
	}
	return c
}

// eventually waits for ok.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			buf := make([]byte, 1<<20)
			tb.Fatalf("%s did not happen\n%s", what, buf[:runtime.Stack(buf, true)])
		}
	}
}

func descriptors() int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(d)
}

func TestShutdownFinishesExchanges(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		e := start(t, nil)
		arrived, release := make(chan struct{}), make(chan struct{})
		u := e.origin(t, true, h2, func(w http.ResponseWriter, r *http.Request) {
			close(arrived)
			<-release
			_, _ = io.WriteString(w, "finished")
		})
		got := make(chan string, 1)
		go func() {
			resp, err := e.client(t, h2).Get(u.String())
			if err != nil {
				got <- err.Error()
				return
			}
			b, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			got <- string(b)
		}()
		<-arrived
		stopped := make(chan struct{})
		go func() { e.stop(); close(stopped) }()
		eventually(t, "the end of accepting", func() bool {
			c, err := net.Dial("tcp", e.addr)
			if err == nil {
				_ = c.Close()
			}
			return err != nil
		})
		close(release)
		if s := <-got; s != "finished" {
			t.Errorf("the exchange in flight gave %q", s)
		}
		<-stopped
	}
}

func TestShutdownCutsAfterGrace(t *testing.T) {
	e := start(t, func(c *mitm.Config) { c.ShutdownGrace = 50 * time.Millisecond })
	arrived := make(chan struct{})
	u := e.origin(t, false, false, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	failed := make(chan error, 1)
	go func() {
		resp, err := e.client(t, false).Get(u.String())
		if err == nil {
			_ = resp.Body.Close()
		}
		failed <- err
	}()
	<-arrived
	e.stop()
	if <-failed == nil {
		t.Error("the exchange was not cut")
	}
}

// Everything that a connection took is given back, whatever became of it.
func TestNothingIsLeftBehind(t *testing.T) {
	before, files := runtime.NumGoroutine(), descriptors()
	t.Run("traffic", func(t *testing.T) {
		e := start(t, nil)
		u := e.origin(t, true, true, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok") })
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				c := e.client(t, i%2 == 0)
				for range 10 {
					resp, err := c.Get(u.String())
					if err != nil {
						t.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				c.CloseIdleConnections()
			})
		}
		wg.Wait()
		for range 20 { // tunnels that are left open
			e.connect(t, u.Host, "")
		}
	})
	eventually(t, "the end of all goroutines", func() bool { return runtime.NumGoroutine() <= before+1 })
	eventually(t, "the closing of all files", func() bool { return descriptors() <= files+2 })
}

func TestSlowClients(t *testing.T) {
	e := start(t, func(c *mitm.Config) {
		// As short as they can be for the ordinary client on a busy machine.
		c.ReadHeaderTimeout = 3 * time.Second
		c.HandshakeTimeout = 3 * time.Second
	})
	u := e.origin(t, true, true, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok") })
	before := runtime.NumGoroutine()
	conns := make([]net.Conn, 500)
	for i := range conns {
		c, err := net.Dial("tcp", e.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, []string{"", "GET http://h/ HTTP/1.1\r\nHost", "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n", "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n\x16\x03\x01"}[i%4])
		conns[i] = c
	}
	resp, err := e.client(t, true).Get(u.String())
	if got := read(t, resp, err); got != "ok" {
		t.Errorf("a client beside the slow ones got %q", got)
	}
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatal("a slow client was not disconnected")
		}
	}
	eventually(t, "the end of their goroutines", func() bool { return runtime.NumGoroutine() < before+20 })
}

func TestMaxConnections(t *testing.T) {
	e := start(t, func(c *mitm.Config) { c.MaxConnections = 2 })
	u := e.origin(t, false, false, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok") })
	first, _ := net.Dial("tcp", e.addr)
	second, _ := net.Dial("tcp", e.addr)
	defer second.Close()
	got := make(chan string, 1)
	go func() {
		resp, err := e.client(t, false).Get(u.String())
		if err != nil {
			got <- err.Error()
			return
		}
		_ = resp.Body.Close()
		got <- resp.Status
	}()
	_ = first.Close()
	if s := <-got; s != "200 OK" {
		t.Errorf("the third client got %s", s)
	}
}

// Whatever bytes come in, the proxy goes on and gives everything back.
func TestHostileBytes(t *testing.T) {
	reg := prometheus.NewRegistry()
	e := start(t, func(c *mitm.Config) {
		c.Registerer = reg
		c.AutoTunnelAfter = -1 // or hanging up on our certificate makes it a tunnel
		c.ReadHeaderTimeout = 3 * time.Second
		c.HandshakeTimeout = 3 * time.Second
		c.SniffTimeout = 10 * time.Millisecond
	})
	u := e.origin(t, true, true, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok") })
	before := runtime.NumGoroutine()
	hello := clientHello(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	noise := func() []byte {
		b := make([]byte, rnd.IntN(200))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	inputs := make([][]byte, 0, 3000)
	connect := "CONNECT " + u.Host + " HTTP/1.1\r\nHost: " + u.Host + "\r\n\r\n"
	request := "POST " + "http://" + u.Host + "/ HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n0123456789"
	for i := range 3000 {
		var b []byte
		switch i % 6 {
		case 0:
			b = noise()
		case 1:
			b = append([]byte(connect), noise()...)
		case 2:
			b = append([]byte(connect), hello[:rnd.IntN(len(hello))]...)
		case 3:
			b = append([]byte(connect), bytes.Clone(hello)...)
			b[len(connect)+rnd.IntN(len(hello))] ^= byte(1 + rnd.IntN(255))
		case 4:
			b = []byte(request)
			b[rnd.IntN(len(b))] = byte(rnd.Uint32())
		case 5:
			b = append([]byte(connect), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"...)
			b = append(b, noise()...)
		}
		inputs = append(inputs, b)
	}
	work := make(chan []byte)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for b := range work {
				c, err := net.Dial("tcp", e.addr)
				if err != nil {
					t.Error(err)
					continue
				}
				_, _ = c.Write(b)
				if len(b)%2 == 0 {
					_ = c.(*net.TCPConn).CloseWrite()
					_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
					_, _ = io.Copy(io.Discard, c)
				}
				_ = c.Close()
			}
		})
	}
	for _, b := range inputs {
		work <- b
	}
	close(work)
	wg.Wait()
	resp, err := e.client(t, true).Get(u.String())
	if got := read(t, resp, err); got != "ok" {
		t.Errorf("an ordinary request then got %q", got)
	}
	eventually(t, "the end of their goroutines", func() bool { return runtime.NumGoroutine() < before+30 })
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "proxy_panics_total" && f.GetMetric()[0].GetCounter().GetValue() != 0 {
			t.Error("a handler panicked")
		}
	}
}

// clientHello returns the first flight of a client.
func clientHello(t *testing.T) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		_ = tls.Client(theirs, &tls.Config{ServerName: "api.test"}).HandshakeContext(t.Context())
		_ = theirs.Close()
	}()
	br := bufio.NewReaderSize(ours, 1<<14)
	head, err := br.Peek(5)
	if err != nil {
		t.Fatal(err)
	}
	b, err := br.Peek(5 + int(head[3])<<8 + int(head[4]))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(b)
}

func TestNewChecksConfig(t *testing.T) {
	if _, err := mitm.New(mitm.Config{}); err == nil {
		t.Error("New without an issuer gave no error")
	}
	if _, err := mitm.New(mitm.Config{Issuer: newAuthority(t), TunnelHosts: []string{"a/b"}}); err == nil {
		t.Error("New with a bad glob gave no error")
	}
}

// A request whose body nobody took because the upstream is away does not cost its
// client the connection.
func TestUnreachableKeepsConnection(t *testing.T) {
	e := start(t, nil)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := gone.Addr().String()
	_ = gone.Close()
	conn, err := net.Dial("tcp", e.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	br := bufio.NewReader(conn)
	for _, body := range []string{"{}", strings.Repeat("x", 100<<10), ""} {
		if _, err := io.WriteString(conn, "PUT http://"+host+"/a HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("after a body of %d bytes: %v", len(body), err)
		}
		read(t, resp, nil)
		if resp.StatusCode != http.StatusBadGateway || resp.Close {
			t.Errorf("a body of %d bytes: status %d, close %v", len(body), resp.StatusCode, resp.Close)
		}
	}
}
