package redact_test

import (
	"bytes"
	"strings"
	"testing"

	"harken/har"
	"harken/har/redact"
)

var contentTypes = []string{
	"application/json", "", "application/x-ndjson", "text/event-stream", "application/x-www-form-urlencoded",
	"multipart/form-data; boundary=X", "text/xml", "application/grpc", "application/graphql", "text/plain",
}

// fuzz redacts a body on both sides and as a message, and checks what holds for
// any: redacting twice is redacting once, JSON keeps its structure, and what is
// hidden everywhere does not depend on the secrets.
func fuzz(t *testing.T, r *redact.Redactor, contentType string, body []byte) *har.Entry {
	t.Helper()
	e := &har.Entry{
		Request:           har.Request{URL: "https://h/graph/x?" + string(bytes.ToValidUTF8(body, nil)), PostData: &har.PostData{MimeType: contentType, Body: bytes.Clone(body)}},
		Response:          har.Response{Headers: []har.Header{{Name: "content-type", Value: contentType}, {Name: "link", Value: string(body)}}, Content: har.Content{Body: bytes.Clone(body)}},
		WebSocketMessages: []har.WebSocketMessage{{Opcode: 1, Data: bytes.Clone(body)}},
	}
	e.Request.Headers = []har.Header{{Name: "Cookie", Value: string(body)}}
	r.Entry(e, "/graph/STRING")
	once := har.AppendEntry(nil, e)
	clean := bytes.TrimSpace(body)
	if strings.HasSuffix(contentType, "/json") || len(clean) > 0 && (clean[0] == '{' || clean[0] == '[') {
		checkShape(t, body, e.Request.PostData.Body)
		checkShape(t, body, e.Response.Content.Body)
	}
	r.Entry(e, "/graph/STRING")
	if twice := har.AppendEntry(nil, e); !bytes.Equal(once, twice) {
		t.Fatalf("%q of %q: not the same the second time:\n%s\n%s", contentType, body, once, twice)
	}
	return e
}

func seed(f *testing.F) {
	f.Helper()
	for i, s := range []string{
		` {"a" : [1.50, true,null , "x\"\u0041"], "b":{}}`, "\uFEFF[{\"a\":1}]", "{\"a\":1}\r\n[2]\n{\"b\"", ": c\nevent: x\ndata: {\"a\":\rdata: 1}\r\n\ndata: hi\n\n", "a=1&b=%7B%22c%22:1%7D&c&=x",
		"--X\r\nContent-Disposition: form-data; name=\"a\"; filename=b\r\nContent-Type: text/xml\r\n\r\n<a>b</a>\r\n--X--\r\n",
		`<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "b">]><r k='1&amp;2'> t<![CDATA[u]]><!-- v --> w <i/><y>5</y> </r>`,
		"\x00\x00\x00\x00\x0c\x08\x05\x12\x08\x0a\x06a@b.de", `query Q($a: [In!]! = [5]) @d(x: 1) { me: user(o: {k: """b""", l: [null]}) { ...F ... on A { b } } } # c`, `cb({"a":1});`,
	} {
		f.Add(uint8(i), []byte(s))
	}
	f.Add(uint8(0), []byte(`{"query":"{a(b:\"x\")}","body":"{\"a\":1}"}`))
	f.Add(uint8(1), []byte(`42["a",{"b":1}]`))
}

func FuzzAll(f *testing.F) {
	seed(f)
	plain := must(f, redact.Config{All: true})
	keyed := must(f, redact.Config{All: true, Key: []byte("0123456789abcdef")})
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		contentType := contentTypes[int(n)%len(contentTypes)]
		fuzz(t, keyed, contentType, body)
		fuzz(t, plain, contentType, body)
	})
}

// A value that is asked for is gone, also if the body is not valid.
func FuzzTypes(f *testing.F) {
	seed(f)
	types := func(_, v string) bool { return strings.Contains(v, "b") || strings.HasPrefix(v, "1") }
	plain := must(f, redact.Config{Types: types, Paths: []string{"$..a", "user.k"}, Query: []string{"c"}, Headers: []string{"cookie"}})
	keyed := must(f, redact.Config{Types: func(_, v string) bool { return len(v) == 3 }, Paths: []string{"$..a"}, Key: []byte("0123456789abcdef")})
	nothing := must(f, redact.Config{Types: func(_, _ string) bool { return false }})
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		contentType := contentTypes[int(n)%len(contentTypes)]
		fuzz(t, plain, contentType, body)
		fuzz(t, keyed, contentType, body)
		fuzz(t, nothing, contentType, body)
	})
}
