package extract_test

import (
	"testing"

	"harken/har"
)

func TestLines(t *testing.T) {
	nd := func(name, contentType, body string, want ...string) {
		t.Helper()
		testBody(t, name, response(contentType, body), want...)
	}
	nd("values united", "application/x-ndjson", "{\"a\":1}\n\n{\"a\":\"x\",\"b\":{}}\r\n[{\"c\":2}]\n7\n",
		"a INTEGER_32 1", "a GENERIC x", "b OTHER ", "json#$#c INTEGER_32 2")
	nd("bad lines", "application/jsonl", "{\"a\":1}\n{\"b\":\n{\"c\":1,}\n{\"d\":2}\n{\"e\":", "a INTEGER_32 1", "d INTEGER_32 2")
	nd("RFC 7464", "application/json-seq", "\x1e{\"a\":1}\n\x1e{\"a\":2}\n", "a INTEGER_32 1", "a INTEGER_32 2")
	nd("bulk request", "application/json", "{\"index\":{}}\n{\"email\":\"a@b.de\"}\n", "index OTHER ", "email EMAIL a@b.de")
	nd("JSON that is cut is not NDJSON", "application/json", "{\n\"a\":1,\n\"b\":{\"c\":2}\n")

	e := response("application/x-ndjson", "{\"a\":1}\n{\"a\":2}\n{\"a\":3,\"b")
	e.Harken = &har.Meta{Flags: []string{har.FlagResponseTruncated}}
	testBody(t, "cut", e, "a INTEGER_32 1", "a INTEGER_32 2")
	e.Harken.Flags[0] = har.FlagGap
	testBody(t, "gap", e)
}

func TestEvents(t *testing.T) {
	sse := func(name, contentType, body string, want ...string) {
		t.Helper()
		testBody(t, name, response(contentType, body), want...)
	}
	sse("events", "text/event-stream; charset=utf-8", ": hi\nevent: add\ndata: {\"a\":1}\n\ndata:{\"a\":\ndata: 2}\r\rid: 3\r\ndata: [DONE]\r\n\r\ndata: [{\"b\":true}]",
		"a INTEGER_32 1", "a INTEGER_32 2", "json#$#b TRUE true")
	sse("no content type", "", "event: x\ndata: {\"a\":1}\n\n", "a INTEGER_32 1")
	e := response("text/event-stream", "data: {\"a\":1}\n\ndata: {\"a\":2")
	e.Harken = &har.Meta{Flags: []string{har.FlagResponseTruncated}}
	testBody(t, "cut", e, "a INTEGER_32 1")
}

func TestMessages(t *testing.T) {
	e := &har.Entry{Response: har.Response{Status: 101}}
	for _, m := range []struct{ direction, data string }{
		{"send", `{"q":1}`},
		{"receive", `{"email":"a@b.de"}`},
		{"receive", `42["msg",{"id":7}]`},
		{"send", "plain"},
		{"receive", "{\"type\":1}\x1e{\"type\":6}\x1e"},
		{"receive", "\xff\xfe"},
		{"send", `{"q":`},
		{"send", `{"q":2}`},
		{"receive", "2"},
	} {
		e.WebSocketMessages = append(e.WebSocketMessages, har.WebSocketMessage{Type: m.direction, Opcode: 1, Data: []byte(m.data)})
	}
	testBody(t, "messages", e, "q INTEGER_32 1", "q INTEGER_32 2",
		"email EMAIL a@b.de", "json#$ GENERIC msg", "json#$#id INTEGER_32 7", "type INTEGER_32 1", "type INTEGER_32 6")
}

func TestNestedJSON(t *testing.T) {
	testBody(t, "in a form", request("application/x-www-form-urlencoded", `payload=%7B%22a%22%3A%5B1%5D%7D&p={"b":2}&p=[3]&bad={"c"&t={x}`),
		`payload GENERIC {"a":[1]}`, "payload#a#$ INTEGER_32 1", `p#$ GENERIC {"b":2}`, "p#$#b INTEGER_32 2", "p#$ GENERIC [3]", "p#$#$ INTEGER_32 3", `bad GENERIC {"c"`, "t GENERIC {x}")
	part := func(head, body string) string {
		return "--XX\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + body + "\r\n--XX--\r\n"
	}
	testBody(t, "in a multipart field", request("multipart/form-data; boundary=XX", part("name=m", `{"a":1}`)), `m GENERIC {"a":1}`, "m#a INTEGER_32 1")
	testBody(t, "in a blob", request("multipart/form-data; boundary=XX", part("name=m; filename=blob\r\nContent-Type: application/json", `{"a":1}`)),
		"m#filename GENERIC blob", "m#contentType GENERIC application/json", "m#content GENERIC eyJhIjoxfQ==", "m#a INTEGER_32 1")
	testBody(t, "anti-XSSI prefix", response("application/json", ")]}',\n{\"a\":1}"), "a INTEGER_32 1")
	testBody(t, "any content type", response("text/html", ` {"a":1}`), "a INTEGER_32 1")
	testBody(t, "octets", response("application/octet-stream", `[1]`), "json#$ INTEGER_32 1")
}
