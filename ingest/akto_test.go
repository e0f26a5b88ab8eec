package ingest_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/har"
	"harken/ingest"
)

func entry() *har.Entry {
	return &har.Entry{
		Started: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Request: har.Request{
			Method: "POST", URL: "https://API.example:8443/a/b?x=1", HTTPVersion: "HTTP/2.0",
			Headers: []har.Header{
				{Name: ":authority", Value: "api.example:8443"},
				{Name: ":path", Value: "/a/b?x=1"},
				{Name: "Cookie", Value: "a=1"},
				{Name: "cookie", Value: "b=2"},
				{Name: "Accept", Value: "x/y"},
				{Name: "accept", Value: "z/z"},
				{Name: "bad name", Value: "v"},
			},
			PostData: &har.PostData{MimeType: "application/json", Body: []byte(`{"a":"\u00fc"}`)},
		},
		Response: har.Response{
			Status: 201, StatusText: "Created", HTTPVersion: "HTTP/2.0",
			Headers: []har.Header{{Name: "Set-Cookie", Value: "a=1"}, {Name: "Set-Cookie", Value: "b=2"}},
			Content: har.Content{Size: 3, MimeType: "text/plain", Body: []byte("ok\n")},
		},
		Harken: &har.Meta{
			Account: "42", Collection: 9, Source: "MIRRORING", Direction: "1", Client: "10.0.0.1:5000", Server: "10.0.0.2:8443",
			Tags: map[string]string{"b": "2", "a": "1"}, Flags: []string{har.FlagGap},
		},
	}
}

func akto(tb testing.TB, e *har.Entry) map[string]string {
	tb.Helper()
	b, err := ingest.AppendAkto(nil, ingest.NewRecord(e, time.Unix(1, 0)))
	if err != nil {
		tb.Fatal(err)
	}
	var m map[string]string
	if err := json.Unmarshal(b, &m); err != nil {
		tb.Fatalf("%v: %s", err, b)
	}
	return m
}

func TestAkto(t *testing.T) {
	e := entry()
	e.Harken.Flags = nil
	got := akto(t, e)
	if _, err := ingest.ParseID(got["x_id"]); err != nil {
		t.Error(err)
	}
	delete(got, "x_id")
	want := map[string]string{
		"path": "/a/b?x=1", "method": "POST", "type": "HTTP/2.0",
		"requestHeaders":          `{"cookie":"a=1; b=2","accept":"x/y, z/z","host":"api.example:8443","content-type":"application/json"}`,
		"requestPayload":          `{"a":"\u00fc"}`,
		"responseHeaders":         `{"set-cookie":"b=2","content-type":"text/plain"}`,
		"responsePayload":         "ok\n",
		"statusCode":              "201",
		"status":                  "201 Created",
		"time":                    "1767225600",
		"ip":                      "10.0.0.1:5000",
		"destIp":                  "10.0.0.2:8443",
		"direction":               "1",
		"akto_account_id":         "42",
		"akto_vxlan_id":           "9",
		"is_pending":              "false",
		"source":                  "MIRRORING",
		"tag":                     `{"a":"1","b":"2"}`,
		"x_scheme":                "https",
		"x_authority":             "API.example:8443",
		"x_requestHeaders_multi":  `{"cookie":["a=1","b=2"],"accept":["x/y","z/z"]}`,
		"x_responseHeaders_multi": `{"set-cookie":["a=1","b=2"]}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestAktoCases(t *testing.T) {
	f := func(change func(*har.Entry), want ...string) {
		t.Helper()
		e := entry()
		e.Harken.Flags = nil
		change(e)
		got := akto(t, e)
		for i := 0; i < len(want); i += 2 {
			if got[want[i]] != want[i+1] {
				t.Errorf("%s = %q, want %q", want[i], got[want[i]], want[i+1])
			}
		}
	}
	f(func(e *har.Entry) { e.Harken.Source = "HAR" }, "path", "https://API.example:8443/a/b?x=1", "status", "Created", "source", "HAR")
	f(func(e *har.Entry) { e.Harken.Source = "BURP" }, "source", "OTHER", "x_source", "BURP")
	f(func(e *har.Entry) { e.Request.URL = "http://h" }, "path", "/")
	f(func(e *har.Entry) { e.Request.URL = "http://h?q" }, "path", "/?q")
	f(func(e *har.Entry) { e.Response.StatusText = "" }, "status", "201")
	f(func(e *har.Entry) { e.Response.Content.Body = []byte{0xff, 0} }, "responsePayload", "/wA=", "x_responseEncoding", "base64")
	f(func(e *har.Entry) {
		e.Request.Headers = []har.Header{{Name: "Content-Type", Value: "application/grpc+proto"}}
		e.Request.PostData.Body = []byte("\x00\x00\x00\x00\x02hi")
	}, "requestPayload", "AAAAAAJoaQ==", "x_requestEncoding", "")
	f(func(e *har.Entry) {
		e.Request.Headers = []har.Header{{Name: "Content-Type", Value: "multipart/form-data; boundary=b"}}
		e.Request.PostData.Body = []byte("--b\r\n\r\n\xff\xc3\xbc")
	}, "requestPayload", "--b\r\n\r\n\u00ff\u00c3\u00bc")
	f(func(e *har.Entry) {
		e.Harken.Flags, e.Harken.ResponseBytes = []string{har.FlagResponseTruncated}, 5000
	}, "responsePayload", "", "requestPayload", `{"a":"\u00fc"}`, "x_truncated", "true", "x_responseBytes", "5000", "x_requestBytes", "")
	f(func(e *har.Entry) { e.Harken.Flags = []string{har.FlagPending} }, "is_pending", "true")
	f(func(e *har.Entry) { e.Harken = &har.Meta{} }, "ip", "null", "destIp", "", "akto_account_id", "1000000", "akto_vxlan_id", "0", "source", "OTHER", "direction", "1")
	f(func(e *har.Entry) { e.Response = har.Response{} }, "statusCode", "0", "responseHeaders", "{}", "responsePayload", "")
	f(func(e *har.Entry) {
		e.Response.Status, e.Response.Headers = 101, []har.Header{{Name: "Upgrade", Value: "WebSocket"}}
	}, "type", "WEBSOCKET")
}

// canonical is what har -> akto -> har must keep.
type canonical struct {
	Method, URL, Text string
	Status            int
	Request, Response map[string][]string
	Bodies            [2]string
	Flags             []string
}

func canon(e *har.Entry) canonical {
	headers := func(hs []har.Header) map[string][]string {
		m := map[string][]string{}
		for _, h := range hs {
			n := strings.ToLower(h.Name)
			if n != "host" && n != "content-type" && n != "" && n[0] != ':' && !strings.ContainsAny(n, " \t") {
				m[n] = append(m[n], h.Value)
			}
		}
		return m
	}
	c := canonical{
		Method: e.Request.Method, URL: e.Request.URL, Status: e.Response.Status, Text: e.Response.StatusText,
		Request: headers(e.Request.Headers), Response: headers(e.Response.Headers), Flags: e.Harken.Flags,
	}
	if p := e.Request.PostData; p != nil {
		c.Bodies[0] = string(p.Body)
	}
	c.Bodies[1] = string(e.Response.Content.Body)
	return c
}

func TestAktoRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(s ...string) string { return s[rng.IntN(len(s))] }
	headers := func() (hs []har.Header) {
		for range rng.IntN(6) {
			hs = append(hs, har.Header{Name: pick("A", "a", "Cookie", "Set-Cookie", "X-\"q\""), Value: pick("", "1", "a, b", "ü\\\"\n", "x; y")})
		}
		return hs
	}
	body := func() []byte {
		return []byte(pick("", "plain", `{"a":[1,2]}`, "\xff\x00\x10", "ü\u2028\x01", "null"))
	}
	for range 2000 {
		e := entry()
		e.Harken.Flags = nil
		e.Harken.Source = pick("MIRRORING", "HAR", "BURP", "SDK")
		e.Request.Method = pick("GET", "POST", "CONNECT", "WEIRD-1")
		e.Request.URL = pick("http", "https") + "://" + pick("h", "H.example:81", "[::1]:8080") + pick("/", "/a?b=c&d", "/%zz?ü", "/a://b")
		e.Request.Headers, e.Response.Headers = headers(), headers()
		typ := pick("text/plain", "application/grpc", "multipart/form-data; boundary=x", "application/json")
		e.Request.PostData = &har.PostData{MimeType: typ, Body: body()}
		e.Response.Content = har.Content{MimeType: pick("text/plain", "application/grpc-web", "application/json"), Body: body()}
		e.Response.Status, e.Response.StatusText = rng.IntN(600), pick("", "OK", "Not Found", "200 OK")
		r := ingest.NewRecord(e, time.Unix(1, 0))
		b, err := ingest.AppendAkto(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ingest.ParseRecord(b)
		if err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		got, err := back.Entry()
		if err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		want := canon(e)
		if strings.HasPrefix(want.Text, "200 ") && e.Response.Status == 200 {
			continue // imports write the text alone, and it looks like the other form
		}
		if d := cmp.Diff(want, canon(got)); d != "" {
			t.Fatalf("(-want +got)\n%s\n%s", d, b)
		}
		if back.Host != r.Host || back.ID != r.ID || back.Source != r.Source || back.Account != r.Account {
			t.Fatalf("record %+v, want %+v", back, r)
		}
		if !slices.Equal(back.Data, b) {
			t.Fatal("Data is not what was parsed")
		}
	}
}
