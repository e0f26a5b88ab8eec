package extract_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"harken/har"
	"harken/inventory/extract"
)

// fuzzBody reads the body on both sides and checks what holds for any body.
func fuzzBody(t *testing.T, contentType string, body []byte) (n int) {
	t.Helper()
	var x extract.Extractor
	e := request(contentType, string(body))
	e.Response = response(contentType, string(body)).Response
	var first []extract.Param
	read := func(yield func(extract.Param)) {
		x.Entry(e, "", func(p extract.Param) {
			if p.Place == extract.RequestBody || p.Place == extract.ResponseBody {
				yield(p)
			}
		})
	}
	read(func(p extract.Param) {
		if p.Name == "" || len(p.Name) > extract.MaxName || len(p.Value) > extract.MaxValue || !utf8.ValidString(p.Name+p.Value) {
			t.Fatalf("parameter %q of %d bytes", p.Name, len(p.Value))
		}
		first = append(first, p)
		if p.Place == extract.ResponseBody {
			n++
		}
	})
	// An Extractor gives the same the second time.
	i := 0
	read(func(p extract.Param) {
		if i >= len(first) || p != first[i] {
			t.Fatalf("second time: parameter %d is %v", i, p)
		}
		i++
	})
	if i != len(first) {
		t.Fatalf("%d parameters, then %d", len(first), i)
	}
	return n
}

// The tokenizer and encoding/json accept the same documents, and find the same
// number of values.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,{"b":null}],"c":{},"d":[]}`, `[1,-0.5e+3,true]`, `{"\u0061":"\ud83d\ude00"}`, `{"a":1`, "[\"\xff\"]",
		`{"a":01}`, `{"":"\x"}`, `{} x`, `[[[]]]`, "\uFEFF{}", ` { "a" : [ ] } `, `{"a":1,}`, `[1.]`, `[-]`, `[1e]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got := fuzzBody(t, "application/json", body)
		clean := strings.TrimSpace(strings.TrimPrefix(strings.ToValidUTF8(string(body), "\uFFFD"), "\uFEFF"))
		if clean == "" || clean[0] != '{' && clean[0] != '[' || len(body) > 200 {
			return
		}
		if strings.IndexByte(clean, '\n') > 0 && !json.Valid([]byte(clean)) {
			return // it may be NDJSON
		}
		want := 0
		if json.Valid([]byte(clean)) {
			dec := json.NewDecoder(bytes.NewReader([]byte(clean)))
			want = values(t, dec, true)
		}
		if got != want {
			t.Fatalf("%q: %d values, want %d", body, got, want)
		}
	})
}

// values counts the scalars and the empty objects below the root.
func values(t *testing.T, dec *json.Decoder, root bool) (n int) {
	t.Helper()
	dec.UseNumber()
	tok, err := dec.Token()
	if err != nil {
		t.Fatal(err)
	}
	open, ok := tok.(json.Delim)
	if !ok {
		return 1
	}
	members := 0
	for dec.More() {
		members++
		if open == '{' {
			if _, err := dec.Token(); err != nil {
				t.Fatal(err)
			}
		}
		n += values(t, dec, false)
	}
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	if open == '{' && members == 0 && !root {
		n++
	}
	return n
}

func FuzzForm(f *testing.F) {
	f.Add([]byte("a=1&b=hello%20there&a=%zz&=x&c"))
	f.Add([]byte("q=x%26y%3Dz&%ff=%fe"))
	f.Fuzz(func(t *testing.T, body []byte) { fuzzBody(t, "application/x-www-form-urlencoded", body) })
}

func FuzzMultipart(f *testing.F) {
	f.Add([]byte("--X\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--X\r\nContent-Disposition: form-data; name=b; filename=c\r\n\r\n\xff\r\n--X--\r\n"))
	f.Add([]byte("a=1"))
	f.Fuzz(func(t *testing.T, body []byte) { fuzzBody(t, "multipart/form-data; boundary=X", body) })
}

func FuzzXML(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0"?><e:Envelope xmlns:e="u"><e:Body><id n="1">7</id><id/></e:Body></e:Envelope>`))
	f.Add([]byte(`<!DOCTYPE r [<!ENTITY a "b">]><r><i>&a;&amp;</i></r>`))
	f.Fuzz(func(t *testing.T, body []byte) { fuzzBody(t, "text/xml", body) })
}

func FuzzGRPC(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x09\x08\x96\x01\x12\x04ping"))
	f.Add([]byte("AAAAAAkIlgESBHBpbmc="))
	f.Add(frame("\x0a\x02\x08\x07\x0a\x02\x08\x09\x15\x00\x00\x80\x3f\x19\x00\x00\x00\x00\x00\x00\x00\x40"))
	f.Fuzz(func(t *testing.T, body []byte) { fuzzBody(t, "application/grpc", body) })
}

func FuzzPlain(f *testing.F) {
	f.Add([]byte(`cb({"ok":true});`))
	f.Add([]byte("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln"))
	f.Fuzz(func(t *testing.T, body []byte) { fuzzBody(t, "text/plain", body) })
}

// The values of NDJSON are those of its lines, each by itself.
func FuzzLines(f *testing.F) {
	f.Add([]byte("{\"a\":1}\n[2]\r\n\x1e{\"b\":{}}\n{\"c\":"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got := fuzzBody(t, "application/x-ndjson", body)
		if len(body) > 500 {
			return
		}
		want := 0
		clean := strings.TrimSpace(strings.TrimPrefix(strings.ToValidUTF8(string(body), "\uFFFD"), "\uFEFF"))
		for line := range strings.SplitSeq(clean, "\n") {
			line = strings.Trim(line, "\x1e \t\r")
			if line != "" && (line[0] == '{' || line[0] == '[') && json.Valid([]byte(line)) {
				want += values(t, json.NewDecoder(strings.NewReader(line)), true)
			}
		}
		if got != want {
			t.Fatalf("%q: %d values, want %d", body, got, want)
		}
	})
}

// An event stream has the same parameters whatever its lines end with.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(": hi\nevent: add\ndata: {\"a\":1}\n\ndata:{\"a\":\ndata: 2}\n\nid: 3\ndata: [DONE]"))
	f.Fuzz(func(t *testing.T, body []byte) {
		n := fuzzBody(t, "text/event-stream", body)
		if bytes.IndexByte(body, '\r') >= 0 {
			return
		}
		for _, end := range []string{"\r", "\r\n"} {
			if m := fuzzBody(t, "text/event-stream", bytes.ReplaceAll(body, []byte("\n"), []byte(end))); m != n {
				t.Fatalf("%d values, with %q %d", n, end, m)
			}
		}
	})
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte(`42["a",{"id":7}]`), []byte("{\"type\":1}\x1e{}"))
	f.Fuzz(func(t *testing.T, sent, received []byte) {
		e := &har.Entry{WebSocketMessages: []har.WebSocketMessage{{Type: "send", Data: sent}, {Type: "receive", Data: received}, {Type: "send", Data: sent}}}
		var x extract.Extractor
		n := map[extract.Place]int{}
		x.Entry(e, "", func(p extract.Param) {
			if n[p.Place]++; p.Name == "" || !utf8.ValidString(p.Name+p.Value) {
				t.Fatalf("parameter %v", p)
			}
		})
		if n[extract.RequestBody]%2 != 0 && x.Skipped() == 0 {
			t.Fatalf("two equal messages have %d values", n[extract.RequestBody])
		}
	})
}

// Whatever is split has parts whose URL begins with that of the entry, and
// parameters that are well formed.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{
		"query Q($a: [In!]! = [], $n: Int = 7) @d(x: 1) { me: user(id: $a, e: {k: [1.5, null]}) { ...F ... on A { b } } v } fragment F on U { email }",
		`mutation { a(b: """ x """, c: "\"\u0041", d: ENUM) }`, "{...F} fragment F on X {...F}", "subscription{a#x\n}",
	} {
		f.Add(s, `{"a":[{"email":"a@b.de"}]}`)
	}
	f.Fuzz(func(t *testing.T, document, variables string) {
		quoted, err := json.Marshal(document)
		if err != nil {
			t.Skip()
		}
		if !json.Valid([]byte(variables)) {
			variables = "null"
		}
		for _, body := range []string{
			document, `{"query":` + string(quoted) + `,"variables":` + variables + `}`,
			`[{"jsonrpc":"2.0","method":` + string(quoted) + `,"params":` + variables + `}]`,
		} {
			e := request("application/graphql", body)
			e.Request.URL = "https://h/graph/mcp?a=b"
			var x extract.Extractor
			ps := x.Split(e)
			if len(ps) > extract.MaxParts {
				t.Fatalf("%d parts", len(ps))
			}
			for i := range ps {
				if u := ps[i].URL; !strings.HasPrefix(u, "https://h/graph/mcp/") || !strings.HasSuffix(u, "?a=b") {
					t.Fatalf("URL %q", u)
				}
				x.Part(e, &ps[i], "", func(p extract.Param) {
					if p.Name == "" || len(p.Name) > extract.MaxName || !utf8.ValidString(p.Name+p.Value) {
						t.Fatalf("parameter %v", p)
					}
				})
			}
		}
	})
}
