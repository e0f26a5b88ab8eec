package har_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/har"
)

// full has every member.
func full() *har.Entry {
	at := time.Date(2026, 3, 4, 5, 6, 7, 123456000, time.UTC)
	return &har.Entry{
		Started: at,
		Time:    12345678 * time.Microsecond,
		Request: har.Request{
			Method: "POST", URL: "https://api.example.com/a?x=1&x=2", HTTPVersion: "HTTP/2.0",
			Headers:     []har.Header{{"content-type", "application/json"}, {"x-odd", "quote \" back \\ tab \t é"}, {"x-odd", "again"}},
			QueryString: []har.Header{{"x", "1"}, {"x", "2"}},
			Cookies:     []har.Cookie{{Name: "sid", Value: "1"}},
			PostData:    &har.PostData{MimeType: "application/json", Body: []byte("{\"a\":\"\u2028\\n\"}"), Params: []har.Param{{Name: "p", Value: "v", FileName: "f", ContentType: "text/plain"}}},
			HeadersSize: 120, BodySize: 17,
		},
		Response: har.Response{
			Status: 200, StatusText: "OK", HTTPVersion: "HTTP/2.0",
			Headers:     []har.Header{{"content-type", "image/png"}},
			Cookies:     []har.Cookie{{Name: "a", Value: "b", Path: "/", Domain: "example.com", Expires: at, HTTPOnly: true, Secure: true, SameSite: "Lax"}},
			Content:     har.Content{Size: 300, MimeType: "image/png", Body: []byte("\x89PNG\x00\xff")},
			RedirectURL: "https://example.com/", HeadersSize: 90, BodySize: 100,
		},
		Timings:         har.Timings{Blocked: time.Millisecond, DNS: 2 * time.Millisecond, Connect: 3 * time.Millisecond, SSL: time.Microsecond, Send: 0, Wait: 5 * time.Second, Receive: 1500 * time.Microsecond},
		ServerIPAddress: "192.0.2.1", Connection: "443", Comment: "c",
		WebSocketMessages: []har.WebSocketMessage{
			{Type: "send", Time: at, Opcode: 1, Data: []byte("hi")},
			{Type: "receive", Time: at, Opcode: 2, Data: []byte{0, 1, 255}},
			{Type: "receive", Time: at, Opcode: 1, Data: []byte{0xff}},
		},
		Harken: &har.Meta{
			ID: "0190", Account: "1000000", Collection: -7, Source: "HAR", Direction: "2", Client: "127.0.0.1:1", Server: "[::1]:2",
			Tags: map[string]string{"b": "2", "a": "1"}, TLS: &har.TLS{Version: "TLS 1.3", SNI: "example.com"},
			RequestBytes: 1, ResponseBytes: 1 << 40, Flags: []string{har.FlagGap, har.FlagPending}, Error: "reset",
		},
	}
}

func TestEntryRoundTrip(t *testing.T) {
	want := full()
	b := har.AppendEntry(nil, want)
	if !json.Valid(b) || strings.ContainsRune(string(b), '\n') {
		t.Fatalf("AppendEntry is not one line of JSON: %s", b)
	}
	var got har.Entry
	if err := har.DecodeEntry(b, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, &got); d != "" {
		t.Errorf("DecodeEntry(AppendEntry(e)) differs (-want +got):\n%s", d)
	}
}

// Every member that HAR 1.2 requires is there in the emptiest of entries, and
// none that it does not.
func TestAppendEntryZero(t *testing.T) {
	got := string(har.AppendEntry(nil, &har.Entry{Time: -1, Timings: har.Timings{-1, -1, -1, -1, -1, -1, -1}, Harken: &har.Meta{TLS: &har.TLS{}}}))
	want := `{"startedDateTime":"0001-01-01T00:00:00.000000Z","time":-1,` +
		`"request":{"method":"","url":"","httpVersion":"","cookies":[],"headers":[],"queryString":[],"headersSize":0,"bodySize":0},` +
		`"response":{"status":0,"statusText":"","httpVersion":"","cookies":[],"headers":[],"content":{"size":0,"mimeType":""},"redirectURL":"","headersSize":0,"bodySize":0},` +
		`"cache":{},"timings":{"send":-1,"wait":-1,"receive":-1},"_harken":{"v":1}}`
	if got != want {
		t.Errorf("AppendEntry(zero) = %s\nwant %s", got, want)
	}
}

func TestAppendEntryText(t *testing.T) {
	f := func(value, want string) {
		t.Helper()
		b := har.AppendEntry(nil, &har.Entry{Comment: value})
		_, got, _ := strings.Cut(string(b), `"comment":`)
		if got != want+"}" {
			t.Errorf("AppendEntry(%q) = %s, want %s", value, got, want)
		}
		if !json.Valid(b) {
			t.Errorf("AppendEntry(%q) is not JSON", value)
		}
	}
	f("a/b<&>", `"a/b<&>"`)
	f("\x00\x1f\x7f", "\"\\u0000\\u001f\x7f\"")
	f("caf\xe9 \"x\"", `"café \"x\""`)
	f("\xc3\xa9", `"é"`)
	f("\xed\xa0\x80", "\"í\u00a0\u0080\"") // a surrogate half is not UTF-8
	f("\U0001f600", `"😀"`)
}

func decode(t *testing.T, s string) har.Entry {
	t.Helper()
	var e har.Entry
	if err := har.DecodeEntry([]byte(s), &e); err != nil {
		t.Fatalf("DecodeEntry(%s): %v", s, err)
	}
	return e
}

func TestDecodeEntryLenient(t *testing.T) {
	e := decode(t, ` { "request" : {"method":"GET","method":"PUT","url":"http:\/\/h\/\ud83d\ude00\ud83d","headers":{},"httpVersion":null,
		"cookies":[null,{"name":"a","value":7,"expires":"Tue, 29 Oct 2030 16:56:32 GMT","httpOnly":"true"}],"bodySize":"12","postData":[]},
		"response":null,"timings":7,"time":"1.5e2","connection":443,"startedDateTime":"2020-01-02 03:04:05,5+0130","_x":[{"a":[1,-2.5e3,NaN]}],"_harken":3}`)
	if r := e.Request; r.Method != http.MethodPut || r.URL != "http://h/😀\ufffd" || r.BodySize != 12 || r.HeadersSize != -1 || r.Headers != nil || r.PostData != nil {
		t.Errorf("request = %+v", r)
	}
	wantCookies := []har.Cookie{{}, {Name: "a", Value: "7", Expires: time.Date(2030, 10, 29, 16, 56, 32, 0, time.UTC), HTTPOnly: true}}
	if d := cmp.Diff(wantCookies, e.Request.Cookies); d != "" {
		t.Error(d)
	}
	if want := time.Date(2020, 1, 2, 1, 34, 5, 5e8, time.UTC); !e.Started.Equal(want) || e.Time != 150*time.Millisecond || e.Connection != "443" || e.Harken != nil {
		t.Errorf("entry = %+v", e)
	}
	if e.Timings.Wait >= 0 || e.Response.Status != 0 || e.Response.BodySize != -1 {
		t.Errorf("timings = %+v, response = %+v", e.Timings, e.Response)
	}
}

func TestDecodeEntryBodies(t *testing.T) {
	f := func(content, want string, flagged bool) {
		t.Helper()
		e := decode(t, `{"response":{"content":`+content+`}}`)
		if got := string(e.Response.Content.Body); got != want || e.Response.Content.Size != int64(len(want)) {
			t.Errorf("content %s: body %q, size %d, want %q", content, got, e.Response.Content.Size, want)
		}
		if (e.Harken != nil) != flagged {
			t.Errorf("content %s: flagged %v, want %v", content, e.Harken, flagged)
		}
	}
	f(`{"text":"aGk=","encoding":"base64"}`, "hi", false)
	f(`{"encoding":"base64","text":"aG\nk"}`, "hi", false)
	f(`{"encoding":"base64","text":"__8"}`, "\xff\xff", false)
	f(`{"encoding":"base64","text":"not!"}`, "not!", true)
	f(`{"text":"\u0041"}`, "A", false)
	f(`{}`, "", false)
	f(`7`, "", false)
	if e := decode(t, `{"response":{"content":{"text":""}}}`); e.Response.Content.Body == nil {
		t.Error("an empty text is not nil")
	}
}

func TestDecodeEntryErrors(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		var e har.Entry
		if err := har.DecodeEntry([]byte(in), &e); err == nil || err.Error() != want {
			t.Errorf("DecodeEntry(%s) = %v, want %s", in, err, want)
		}
	}
	f(``, "ends where an object was expected at byte 0")
	f(`[]`, "want an object, found an array at byte 0")
	f(`{"request":"x"}`, "request: want an object, found a string at byte 11")
	f(`{"request":{"method":{}}}`, "request.method: want a string, found an object at byte 21")
	f(`{"request":{"headers":[{"name":"a"},{"name" 1}]}}`, "request.headers[1]: want ':', found a number at byte 44")
	f(`{"response":{"status":"x"}}`, "response.status: want a number at byte 22")
	f(`{"time":1.2.3}`, "time: invalid number at byte 8")
	f(`{"comment":"\x"}`, `comment: invalid escape 'x' at byte 12`)
	f(`{"a\nb":{"c":}}`, `"a\nb".c: want a value, found '}' at byte 13`)
	f(`{"comment":"`, "comment: string without end at byte 11")
	f(`{} {}`, "data after the entry at byte 3")
	f(`{"_x":`+strings.Repeat("[", 600)+`}`, "_x: nested too deeply at byte 518")
}

// The bytes of the caller stay as they are, and a body shares nothing with the
// strings beside it.
func TestDecodeEntryOwnsItsBytes(t *testing.T) {
	in := []byte(`{"request":{"method":"GET"},"response":{"content":{"text":"a\nb"}},"comment":"c\td"}`)
	before := string(in)
	var e har.Entry
	if err := har.DecodeEntry(in, &e); err != nil {
		t.Fatal(err)
	}
	if string(in) != before {
		t.Errorf("DecodeEntry changed its input to %s", in)
	}
	body := slices.Concat(e.Response.Content.Body, []byte("xxxxxxxx"))
	_ = append(e.Response.Content.Body, "yyyyyyyy"...)
	clear(in)
	clear(e.Response.Content.Body)
	if e.Comment != "c\td" || e.Request.Method != http.MethodGet || len(body) != 11 {
		t.Errorf("strings changed: %q, %q", e.Comment, e.Request.Method)
	}
}

func TestAppendEntryDoesNotAllocate(t *testing.T) {
	e := full()
	buf := har.AppendEntry(nil, e)
	if n := testing.AllocsPerRun(100, func() { buf = har.AppendEntry(buf[:0], e) }); n != 0 {
		t.Errorf("AppendEntry allocates %v times", n)
	}
}
