package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

const gigabyte = 1 << 30

// maxRSS is what control, proxy included, may take while bodies stream past.
const maxRSS = 100 << 20

// protocols runs f over both versions of HTTP on the client's side.
func protocols(t *testing.T, f func(t *testing.T, h2 bool)) {
	t.Helper()
	t.Run("HTTP1", func(t *testing.T) { f(t, false) })
	t.Run("HTTP2", func(t *testing.T) { f(t, true) })
}

// curl downloads and uploads a gigabyte through either binary; memory stays flat
// and no byte changes.
func TestGigabytes(t *testing.T) {
	up := newUpstream(t)
	want := sha256.New()
	if _, err := io.Copy(want, newPattern(gigabyte)); err != nil {
		t.Fatal(err)
	}
	sum := hex.EncodeToString(want.Sum(nil))
	file := filepath.Join(t.TempDir(), "gigabyte")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(f, newPattern(gigabyte)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	stream := func(t *testing.T, p *process, proxy, ca string) {
		t.Helper()
		protocols(t, func(t *testing.T, h2 bool) {
			version := map[bool]string{false: "--http1.1", true: "--http2"}[h2]
			curl := []string{"-sS", version, "--noproxy", "", "--proxy", "http://" + hostOf(proxy), "--cacert", ca}
			got := must(t, t.TempDir(), cleanEnv(), "sh", "-c", fmt.Sprintf("curl %s '%s/big?n=%d' | sha256sum", strings.Join(quote(curl), " "), up.url(true), gigabyte))
			if !strings.HasPrefix(got, sum) {
				t.Errorf("download has SHA-256 %s, want %s", got, sum)
			}
			got = must(t, t.TempDir(), cleanEnv(), "curl", append(curl, "-T", file, "-X", "POST", "-H", "Expect:", up.url(true)+"/big")...)
			var in struct{ SHA256 string }
			if err := json.Unmarshal([]byte(got), &in); err != nil || in.SHA256 != sum {
				t.Errorf("upload answered %s (%v), want SHA-256 %s", got, err, sum)
			}
		})
		peak := p.status(t, "VmHWM")
		t.Logf("peak RSS %d MB", peak>>20)
		if peak > maxRSS {
			t.Errorf("peak RSS is %d MB, limit %d", peak>>20, maxRSS>>20)
		}
	}
	t.Run("control", func(t *testing.T) {
		c := startControl(t, t.TempDir(), "-upstream-ca", up.caFile)
		stream(t, c.process, c.Proxy, c.CA)
	})
	t.Run("proxy", func(t *testing.T) {
		r := startProxy(t, nil, "-upstream-ca", up.caFile, "-sink", "har:"+filepath.Join(t.TempDir(), "x.har"))
		stream(t, r.process, r.addr, r.ca)
	})
}

func quote(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = "'" + a + "'"
	}
	return out
}

// tries is how often something that takes its time may be late: a stall of the
// machine passes, a body that is held back is late each time.
const tries = 5

// Lines written at 0, 300 and 600 ms arrive within 100 ms.
func TestSlowBodies(t *testing.T) {
	up := newUpstream(t)
	c := startControl(t, t.TempDir(), "-upstream-ca", up.caFile)
	for _, path := range []string{"/sse", "/ndjson", "/known-length"} {
		for _, secure := range []bool{false, true} {
			protocols(t, func(t *testing.T, h2 bool) {
				client := c.client(t, h2)
				warm, err := client.Get(up.url(secure) + "/shop/orders")
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, warm.Body)
				warm.Body.Close()
				var late string
				for range tries {
					if late = slowBody(t, client, up.url(secure)+path); late == "" {
						return
					}
				}
				t.Errorf("%s secure=%v: %s", path, secure, late)
			})
		}
	}
}

// slowBody reads three lines and says which came over 100 ms off their time.
func slowBody(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	began := time.Now()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out []string
	late := func(what string, want time.Duration) {
		if d := time.Since(began) - want; d < -20*time.Millisecond || d > 100*time.Millisecond {
			out = append(out, fmt.Sprintf("%s came %v off its time", what, d))
		}
	}
	late("header", 0)
	lines := bufio.NewScanner(res.Body)
	n := 0
	for lines.Scan() {
		if lines.Text() == "" {
			continue
		}
		late(lines.Text(), time.Duration(n)*300*time.Millisecond)
		n++
	}
	if n != 3 || lines.Err() != nil {
		t.Errorf("%d lines, %v; want 3", n, lines.Err())
	}
	return strings.Join(out, ", ")
}

func TestWebSocketEcho(t *testing.T) {
	up := newUpstream(t)
	c := startControl(t, t.TempDir(), "-upstream-ca", up.caFile)
	for _, secure := range []bool{false, true} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ws, res, err := websocket.Dial(ctx, strings.Replace(up.url(secure), "http", "ws", 1)+"/ws", &websocket.DialOptions{HTTPClient: c.client(t, false)})
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("status %d", res.StatusCode)
		}
		ws.SetReadLimit(1 << 24)
		for _, size := range []int{0, 1, 1000, 1 << 20} {
			msg := bytes.Repeat([]byte{'x'}, size)
			if err := ws.Write(ctx, websocket.MessageBinary, msg); err != nil {
				t.Fatal(err)
			}
			_, got, err := ws.Read(ctx)
			if err != nil || !bytes.Equal(got, msg) {
				t.Fatalf("echo of %d bytes: %d bytes, %v", size, len(got), err)
			}
		}
		ws.Close(websocket.StatusNormalClosure, "")
	}
	eventually(t, func() error {
		n := 0
		for _, e := range c.records(t, "").Log.Entries {
			if e.Response.Status == http.StatusSwitchingProtocols {
				n++
			}
		}
		if n != 2 {
			return fmt.Errorf("%d upgrades recorded, want 2", n)
		}
		return nil
	})
}

func TestTrailersAndInformational(t *testing.T) {
	up := newUpstream(t)
	c := startControl(t, t.TempDir(), "-upstream-ca", up.caFile)
	protocols(t, func(t *testing.T, h2 bool) {
		client := c.client(t, h2)
		res, err := client.Get(up.url(true) + "/trailers")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.Trailer.Get("X-Checksum") != "abc" || res.Trailer.Get("X-Late") != "late" {
			t.Errorf("trailers = %v", res.Trailer)
		}
		var hints []int
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, code)
			return nil
		}})
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, up.url(true)+"/hints", nil)
		if res, err = client.Do(req); err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if len(hints) != 1 || hints[0] != 103 {
			t.Errorf("informational responses = %v, want one 103", hints)
		}
	})
	// 100-continue: curl sends the body only after it, or after ten seconds and without it.
	out := must(t, t.TempDir(), cleanEnv(), "curl", "-sSv", "--http1.1", "--noproxy", "", "--proxy", "http://"+hostOf(c.Proxy), "--cacert", c.CA,
		"-H", "Expect: 100-continue", "--expect100-timeout", "10", "-H", "Content-Type: text/plain", "-d", "ping", up.url(true)+"/continue")
	if !strings.Contains(out, "100 Continue") || !strings.Contains(out, "ping") {
		t.Errorf("100-continue: %s", out)
	}
}

// A client that hangs up ends the upstream request within a second.
func TestHangUp(t *testing.T) {
	up := newUpstream(t)
	c := startControl(t, t.TempDir(), "-upstream-ca", up.caFile)
	for _, path := range []string{"/hang", "/hang?head=1"} {
		for _, secure := range []bool{false, true} {
			protocols(t, func(t *testing.T, h2 bool) {
				var held time.Duration
				for range tries {
					if held = hangUp(t, c.client(t, h2), up, up.url(secure)+path); held <= time.Second {
						return
					}
				}
				t.Errorf("%s secure=%v: upstream held for %v", path, secure, held)
			})
		}
	}
}

// hangUp gives up a request after 500 ms and returns how long upstream was held.
func hangUp(t *testing.T, client *http.Client, up *upstream, url string) time.Duration {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(500*time.Millisecond, cancel)
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	res, err := client.Do(req)
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	if err == nil {
		t.Fatal("the request ended by itself")
	}
	ended := time.Now()
	select {
	case <-up.aborted:
	case <-time.After(patience / 2):
		t.Fatalf("%s: upstream still held after %v", url, patience/2)
	}
	return time.Since(ended)
}

// A ClientHello in the CONNECT's own segment is not lost.
func TestHelloWithConnect(t *testing.T) {
	up := newUpstream(t)
	c := startControl(t, t.TempDir(), "-upstream-ca", up.caFile)
	conn, err := net.Dial("tcp", hostOf(c.Proxy))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	target := strings.TrimPrefix(up.url(true), "https://")
	head := fmt.Sprintf("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	early := &earlyConn{Conn: conn, head: []byte(head)}
	client := tlsClient(early, pool(t, c.CA))
	if err := client.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(client, "GET /shop/orders/1 HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(client)
	if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200") {
		t.Errorf("answer %q, %v", b, err)
	}
}

// An earlyConn sends a head in one segment with the first write, and takes the
// answer to it away from what is read.
type earlyConn struct {
	net.Conn
	head []byte
	r    *bufio.Reader
}

func (c *earlyConn) Write(b []byte) (int, error) {
	if c.head == nil {
		return c.Conn.Write(b)
	}
	_, err := c.Conn.Write(append(c.head, b...))
	c.head = nil
	return len(b), err
}

func (c *earlyConn) Read(b []byte) (int, error) {
	if c.r == nil {
		c.r = bufio.NewReader(c.Conn)
		res, err := http.ReadResponse(c.r, &http.Request{Method: http.MethodConnect})
		if err != nil {
			return 0, err
		}
		if res.StatusCode != 200 {
			return 0, fmt.Errorf("CONNECT: %s", res.Status)
		}
	}
	return c.r.Read(b)
}
