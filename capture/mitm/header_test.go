package mitm_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/har"
)

// script starts a server that gives the head of each request, as it came, and
// answers it with the next of the responses. It reads the whole request before, as
// closing a connection with bytes unread resets it.
func script(t *testing.T, responses ...string) (addr string, heads <-chan string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	ch := make(chan string, 10)
	go func() {
		for _, response := range responses {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			br := bufio.NewReader(c)
			var head strings.Builder
			for {
				line, err := br.ReadString('\n')
				if err != nil || line == "\r\n" {
					break
				}
				head.WriteString(line)
			}
			ch <- head.String()
			req, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(head.String()+"\r\n"), br)))
			if err == nil {
				_, err = io.Copy(io.Discard, req.Body)
			}
			if err != nil {
				t.Errorf("the upstream could not read the request: %v", err)
			}
			_, _ = io.WriteString(c, response)
			_ = c.Close()
		}
	}()
	return ln.Addr().String(), ch
}

// exchange sends raw bytes to the proxy and returns all that comes back.
func (e *env) exchange(t *testing.T, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", e.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, request)
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func sortedLines(head string) []string {
	lines := strings.Split(strings.TrimSuffix(head, "\r\n"), "\r\n")
	slices.Sort(lines[1:])
	return lines
}

// Nothing is added on either side, and only what concerns one connection is
// taken away.
func TestHeadersAreKept(t *testing.T) {
	e := start(t, nil)
	addr, heads := script(t, "HTTP/1.1 200 Fine\r\nX-B: 2\r\nX-A: 1\r\nX-A: 0\r\nKeep-Alive: timeout=5\r\nConnection: X-Drop\r\nX-Drop: 1\r\n"+
		"Content-Length: 2\r\n\r\nok")
	got := e.exchange(t, "GET http://"+addr+"/ HTTP/1.1\r\nHost: ignored\r\nX-Many: b\r\nX-Many: a\r\nConnection: close, X-Hop, TE\r\nX-Hop: 1\r\n"+
		"Te: trailers, deflate\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic Zm9v\r\nKeep-Alive: 1\r\n\r\n")
	if diff := cmp.Diff([]string{"GET / HTTP/1.1", "Host: " + addr, "Te: trailers", "X-Many: a", "X-Many: b"}, sortedLines(<-heads)); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	head, body, _ := strings.Cut(got, "\r\n\r\n")
	want := []string{"HTTP/1.1 200 OK", "Connection: close", "Content-Length: 2", "X-A: 0", "X-A: 1", "X-B: 2"}
	if diff := cmp.Diff(want, sortedLines(head)); diff != "" || body != "ok" {
		t.Errorf("response (-want +got):\n%s%q", diff, body)
	}
	ex := e.rec.next(t)
	if diff := cmp.Diff([]har.Header{
		{Name: "Host", Value: addr},
		{Name: "Connection", Value: "close, X-Hop, TE"},
		{Name: "Keep-Alive", Value: "1"},
		{Name: "Te", Value: "trailers, deflate"},
		{Name: "X-Hop", Value: "1"},
		{Name: "X-Many", Value: "b"},
		{Name: "X-Many", Value: "a"},
	}, ex.Request.Header); diff != "" {
		t.Errorf("recorded request (-want +got):\n%s", diff)
	}
	if ex.StatusText != "Fine" || len(ex.Response.Header) != 7 {
		t.Errorf("recorded %q %v", ex.StatusText, ex.Response.Header)
	}
	tm := ex.Timings
	if tm.Connect <= 0 || tm.SSL != -1 || tm.DNS != -1 || tm.Send < 0 || tm.Wait <= 0 || tm.Receive < 0 || ex.Total < tm.Connect+tm.Send+tm.Wait+tm.Receive {
		t.Errorf("total %v, timings %+v", ex.Total, tm)
	}
}

func TestResponsesWithoutBody(t *testing.T) {
	for _, tt := range []struct{ method, response, header string }{
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "Content-Length: 1234"},
		{"GET", "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n", "X-A: 1"},
		{"GET", "HTTP/1.1 304 Not Modified\r\nEtag: \"x\"\r\nContent-Length: 99\r\n\r\n", "Etag: \"x\""},
		{"GET", "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", "Location: /elsewhere"},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", "Content-Encoding: gzip"},
	} {
		e := start(t, nil)
		addr, _ := script(t, tt.response)
		got := e.exchange(t, tt.method+" http://"+addr+"/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		head, body, _ := strings.Cut(got, "\r\n\r\n")
		if !strings.Contains(head, tt.header) || body != "" || strings.Contains(head, "Date:") || strings.Contains(head, "chunked") {
			t.Errorf("%s %.30q: %q", tt.method, tt.response, got)
		}
		if ex := e.rec.next(t); ex.Err != nil || ex.Response.Body != nil || ex.Flags != 0 {
			t.Errorf("%s %.30q: %+v", tt.method, tt.response, ex)
		}
		e.rec.none(t)
	}
}

func TestChunkedStaysChunked(t *testing.T) {
	e := start(t, nil)
	addr, heads := script(t, "HTTP/1.1 200 OK\r\nDate: then\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Late: 1\r\n\r\n")
	got := e.exchange(t, "POST http://"+addr+"/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\nUser-Agent: mine\r\nAccept-Encoding: br\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
	want := []string{"POST / HTTP/1.1", "Accept-Encoding: br", "Host: " + addr, "Transfer-Encoding: chunked", "User-Agent: mine"}
	if diff := cmp.Diff(want, sortedLines(<-heads)); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if strings.Count(got, "Date:") != 1 || !strings.HasSuffix(got, "\r\n\r\n2\r\nok\r\n0\r\nX-Late: 1\r\n\r\n") {
		t.Errorf("response = %q", got)
	}
	ex := e.rec.next(t)
	if diff := cmp.Diff([]har.Header{{Name: "X-Late", Value: "1"}}, ex.Response.Trailer); diff != "" || ex.Response.Body.Size() != 2 || ex.Request.Body.Size() != 2 {
		t.Errorf("recorded %+v\n%s", ex, diff)
	}
	if !slices.Contains(ex.Response.Header, har.Header{Name: "Transfer-Encoding", Value: "chunked"}) {
		t.Errorf("recorded %v", ex.Response.Header)
	}
}

// OPTIONS * is for the upstream (RFC 9110, section 9.3.7).
func TestOptionsAsterisk(t *testing.T) {
	e := start(t, nil)
	addr, heads := script(t, "HTTP/1.1 200 OK\r\nAllow: GET\r\nContent-Length: 0\r\n\r\n")
	e.exchange(t, "OPTIONS http://"+addr+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if got := <-heads; !strings.HasPrefix(got, "OPTIONS * HTTP/1.1\r\n") {
		t.Errorf("request = %q", got)
	}
}

// zeros gives n bytes of nothing.
type zeros struct{ n int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.n)
	z.n -= n
	return int(n), nil
}

// However much passes, memory stays flat.
func TestMemoryIsFlat(t *testing.T) {
	const size = 256 << 20
	inUse := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := inUse()
	e := start(t, nil)
	u := e.origin(t, true, false, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(w, r.Body)
	})
	req, _ := http.NewRequest(http.MethodPost, u.String(), &zeros{size})
	req.ContentLength = size
	resp, err := e.client(t, false).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var most uint64
	buf := make([]byte, 1<<20)
	var read int64
	for i := 0; ; i++ {
		n, err := io.ReadFull(resp.Body, buf)
		if read += int64(n); err != nil {
			break
		}
		if i%16 == 0 {
			most = max(most, inUse())
		}
	}
	if read != size {
		t.Errorf("%d bytes came back, want %d", read, size)
	}
	if most > before+32<<20 {
		t.Errorf("the heap grew from %d to %d MiB", before>>20, most>>20)
	}
	if ex := e.rec.next(t); ex.Request.Body.Size() != size || ex.Response.Body.Size() != size {
		t.Errorf("recorded sizes %d, %d", ex.Request.Body.Size(), ex.Response.Body.Size())
	}
}
