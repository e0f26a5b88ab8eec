package capture_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/capture"
	"harken/har"
	"harken/ingest"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func headers(pairs ...string) []har.Header {
	var hs []har.Header
	for p := range slices.Chunk(pairs, 2) {
		hs = append(hs, har.Header{Name: p[0], Value: p[1]})
	}
	return hs
}

func body(limit int64, text string) *capture.Body {
	b := capture.NewBody(limit)
	_, _ = b.Write([]byte(text))
	return b
}

func zipped(tb testing.TB, plain string) string {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(plain))
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

// exchange returns a plain POST and its answer.
func exchange() *capture.Exchange {
	return &capture.Exchange{
		Started: noon, Total: 30 * time.Millisecond,
		Timings: har.Timings{Blocked: -1, DNS: -1, Connect: -1, SSL: -1, Send: 1, Wait: 2, Receive: 3},
		Client:  netip.MustParseAddrPort("[::ffff:10.0.0.7]:51000"), Server: netip.MustParseAddrPort("10.0.0.9:8443"),
		Connection: "17", Scheme: "https", Host: "api.example.com:8443", Method: "POST", Target: "/a/b?x=1&y=%20z&x=2",
		Request: capture.Message{
			Proto:      "HTTP/1.1",
			Header:     headers("Host", "api.example.com:8443", "content-type", "application/json", "Cookie", "s=1; t=2", "X-A", "1", "X-A", "2"),
			HeaderSize: 120, Body: body(100, `{"n":1}`),
		},
		Response: capture.Message{
			Proto:      "HTTP/1.1",
			Header:     headers("Content-Type", "text/plain", "Location", "/c", "Set-Cookie", "s=3; Path=/"),
			Trailer:    headers("Grpc-Status", "0"),
			HeaderSize: 90, Body: body(100, "moved"),
		},
		Status: 302, StatusText: "Found", TLS: &har.TLS{Version: "1.3", SNI: "api.example.com"},
	}
}

func TestEntry(t *testing.T) {
	got, flags := exchange().Entry()
	want := &har.Entry{
		Started: noon, Time: 30 * time.Millisecond,
		Timings: har.Timings{Blocked: -1, DNS: -1, Connect: -1, SSL: -1, Send: 1, Wait: 2, Receive: 3},
		Request: har.Request{
			Method: "POST", URL: "https://api.example.com:8443/a/b?x=1&y=%20z&x=2", HTTPVersion: "HTTP/1.1",
			Headers:     headers("Host", "api.example.com:8443", "content-type", "application/json", "Cookie", "s=1; t=2", "X-A", "1", "X-A", "2"),
			QueryString: headers("x", "1", "y", " z", "x", "2"),
			Cookies:     []har.Cookie{{Name: "s", Value: "1"}, {Name: "t", Value: "2"}},
			PostData:    &har.PostData{MimeType: "application/json", Body: []byte(`{"n":1}`)},
			HeadersSize: 120, BodySize: 7,
		},
		Response: har.Response{
			Status: 302, StatusText: "Found", HTTPVersion: "HTTP/1.1",
			Headers: headers("Content-Type", "text/plain", "Location", "/c", "Set-Cookie", "s=3; Path=/", "Grpc-Status", "0"),
			Cookies: []har.Cookie{{Name: "s", Value: "3", Path: "/"}},
			Content: har.Content{Size: 5, MimeType: "text/plain", Body: []byte("moved")}, RedirectURL: "/c",
			HeadersSize: 90, BodySize: 5,
		},
		ServerIPAddress: "10.0.0.9", Connection: "17",
		Harken: &har.Meta{
			Source: "MIRRORING", Direction: "1", Client: "10.0.0.7:51000", Server: "10.0.0.9:8443",
			TLS: &har.TLS{Version: "1.3", SNI: "api.example.com"},
		},
	}
	if d := cmp.Diff(want, got); d != "" || flags != 0 {
		t.Errorf("Entry, flags %v (-want +got):\n%s", flags, d)
	}
}

func TestEntryURL(t *testing.T) {
	f := func(scheme, host, target, want string) {
		t.Helper()
		x := &capture.Exchange{Scheme: scheme, Host: host, Target: target}
		if e, _ := x.Entry(); e.Request.URL != want {
			t.Errorf("URL of %s %s %s = %q, want %q", scheme, host, target, e.Request.URL, want)
		}
	}
	f("http", "h", "/", "http://h/")
	f("http", "h", "", "http://h/")
	f("http", "h", "?a=1", "http://h/?a=1")
	f("http", "h", "*", "http://h/")
	f("https", "[::1]:8443", "/a%2Fb", "https://[::1]:8443/a%2Fb")
	f("http", "h", "/a#b#c", "http://h/a%23b%23c")
}

func TestEntryBodies(t *testing.T) {
	plain := strings.Repeat("0123456789", 50)
	zip := zipped(t, plain)
	type want struct {
		body          string
		size, wire, m int64
		flags         ingest.Flags
	}
	f := func(name string, limit int64, encoding, sent string, w want) {
		t.Helper()
		x := exchange()
		x.Request.Header = append(x.Request.Header, har.Header{Name: "Content-Encoding", Value: encoding})
		x.Response.Header = append(x.Response.Header, har.Header{Name: "Content-Encoding", Value: encoding})
		x.Request.Body, x.Response.Body = body(limit, sent), body(limit, sent)
		e, flags := x.Entry()
		c := e.Response.Content
		got := want{string(c.Body), c.Size, e.Response.BodySize, e.Harken.ResponseBytes, flags}
		if d := cmp.Diff(w, got, cmp.AllowUnexported(want{})); d != "" {
			t.Errorf("%s: response (-want +got):\n%s", name, d)
		}
		if got := string(e.Request.PostData.Body); got != w.body || e.Request.BodySize != w.wire || e.Harken.RequestBytes != w.m {
			t.Errorf("%s: request %q, wire %d, true %d; want %q, %d, %d", name, got, e.Request.BodySize, e.Harken.RequestBytes, w.body, w.wire, w.m)
		}
		if (e.Harken.Error != "") != (w.flags&ingest.Undecoded != 0) {
			t.Errorf("%s: error %q with flags %v", name, e.Harken.Error, e.Harken.Flags)
		}
		if ingest.ParseFlags(e.Harken.Flags) != flags {
			t.Errorf("%s: flags %v and %v differ", name, e.Harken.Flags, flags.Texts())
		}
	}
	const cut = ingest.RequestTruncated | ingest.ResponseTruncated
	n := int64(len(zip))
	f("whole", 1000, "", plain, want{plain, 500, 500, 0, 0})
	f("cut", 100, "", plain, want{plain[:100], 500, 500, 500, cut})
	f("nothing kept", 0, "", plain, want{"", 500, 500, 500, cut})
	f("compressed", 1000, "gzip", zip, want{plain, 500, n, 0, 0})
	f("compressed, cut after decoding", 100, "gzip", zip, want{plain[:100], 500, n, 500, cut})
	f("compressed, cut on the wire", 10, "gzip", zip, want{"", 0, n, n, cut})
	f("undecoded", 1000, "gzip", plain, want{plain, 500, 500, 0, ingest.Undecoded})
	f("undecoded and cut", 100, "gzip", plain, want{plain[:100], 500, 500, 500, ingest.Undecoded | cut})
	f("unknown encoding", 1000, "exi", plain, want{plain, 500, 500, 0, ingest.Undecoded})
}

func TestEntryWithoutResponse(t *testing.T) {
	x := exchange()
	x.Status, x.StatusText, x.Response = 0, "", capture.Message{}
	x.Answered = 502
	x.Err = errors.New("dial tcp 10.0.0.9:8443: connection refused")
	e, flags := x.Entry()
	if e.Response.Status != 0 || e.Response.BodySize != -1 || e.Response.HeadersSize != -1 || flags != 0 {
		t.Errorf("response %+v, flags %v", e.Response, flags.Texts())
	}
	if e.Harken.Error != x.Err.Error() || !strings.Contains(e.Comment, "502") {
		t.Errorf("error %q, comment %q", e.Harken.Error, e.Comment)
	}
	x = exchange()
	x.Err = errors.New(strings.Repeat("connection reset ", 100))
	if e, flags = x.Entry(); flags != ingest.Aborted || len(e.Harken.Error) > 1024 {
		t.Errorf("response that was cut: flags %v, error of %d bytes", flags.Texts(), len(e.Harken.Error))
	}
}

func TestEntryPassthrough(t *testing.T) {
	x := &capture.Exchange{
		Started: noon, Total: time.Minute, Scheme: "https", Host: "pinned.example.com", Method: "CONNECT", Status: 200,
		Request: capture.Message{Body: body(0, "up")}, Response: capture.Message{Body: body(0, "down!")},
		TLS: &har.TLS{SNI: "pinned.example.com", ALPN: "h2"}, Flags: ingest.Passthrough,
	}
	e, flags := x.Entry()
	if e.Request.URL != "https://pinned.example.com:443/" || e.Request.BodySize != 2 || e.Response.BodySize != 5 || e.Request.PostData != nil {
		t.Errorf("passthrough entry: %+v, %+v", e.Request, e.Response)
	}
	if flags != ingest.Passthrough || e.Harken.RequestBytes != 0 || e.Harken.TLS.SNI != "pinned.example.com" {
		t.Errorf("passthrough flags %v, meta %+v", flags.Texts(), e.Harken)
	}
}

func TestHostGlobs(t *testing.T) {
	f := func(patterns, host string, want bool) {
		t.Helper()
		g, err := capture.ParseHostGlobs(strings.Split(patterns, " "))
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Match(host); got != want {
			t.Errorf("%q matches %q: %t, want %t", patterns, host, got, want)
		}
	}
	f("", "a", false)
	f("*", "a:1", true)
	f("*.example.com", "API.example.com:8443", true)
	f("*.Example.com", "api.example.com", true)
	f("*.example.com", "example.com", false)
	f("*.example.com", "x.example.com.evil.org", false)
	f("a b?", "bc", true)
	f("localhost:3000", "localhost:3000", true)
	f("localhost:3000", "localhost:3001", false)
	f("localhost", "localhost:3001", true)
	f("example.com:443", "example.com", true)
	f("[::1]", "[::1]:80", true)
	f("::1", "[::1]", true)
	f("[::1]:80", "[::1]:80", true)
	f("*a*a*a*a*a*b", strings.Repeat("a", 5000), false)
	if _, err := capture.ParseHostGlobs([]string{"https://x"}); err == nil || !strings.Contains(err.Error(), `"https://x"`) {
		t.Errorf("ParseHostGlobs of a URL: %v", err)
	}
}
