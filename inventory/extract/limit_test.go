package extract_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"harken/har"
	"harken/inventory/extract"
)

// allocated runs f and fails if it allocates more than a small multiple of size,
// whether or not it gives it back.
func allocated(t *testing.T, size int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 3*int64(size)+64<<20 {
		t.Errorf("%d bytes were allocated for %d", grown, size)
	}
}

// count reads a response body and gives the number of parameters, and what
// limits left out. It fails if that takes much memory.
func count(t *testing.T, contentType, body string) (n int, skipped uint64) {
	t.Helper()
	e := response(contentType, body)
	var x extract.Extractor
	names := map[string]bool{}
	allocated(t, len(body), func() {
		x.Entry(e, "", func(p extract.Param) {
			if p.Place == extract.ResponseBody {
				n++
				names[p.Name] = true
				if len(p.Name) > extract.MaxName || len(p.Value) > extract.MaxValue {
					t.Fatalf("a name of %d bytes with a value of %d", len(p.Name), len(p.Value))
				}
			}
		})
	})
	if len(names) > extract.MaxParams {
		t.Errorf("%d distinct names", len(names))
	}
	return n, x.Skipped()
}

func TestLimits(t *testing.T) {
	f := func(name, contentType, body string, wantN int, wantSkipped uint64) {
		t.Helper()
		if n, skipped := count(t, contentType, body); n != wantN || skipped != wantSkipped {
			t.Errorf("%s: %d parameters and %d skipped, want %d and %d", name, n, skipped, wantN, wantSkipped)
		}
	}
	const deep = 100_000
	f("deep arrays", "", strings.Repeat("[", deep)+strings.Repeat("]", deep), 0, 1)
	f("deep arrays, open", "", strings.Repeat("[", deep), 0, 1)
	f("deep objects", "", strings.Repeat(`{"a":`, deep)+"1"+strings.Repeat("}", deep), 0, 1)
	f("as deep as may be", "", strings.Repeat(`{"a":`, 512)+"1"+strings.Repeat("}", 512), 1, 0)
	f("deep XML", "text/xml", strings.Repeat("<a>", deep)+strings.Repeat("</a>", deep), 0, 1)
	f("long name", "", `{"`+strings.Repeat("k", 2000)+`":{"x":[1,{}]},"b":1}`, 1, 2)
	f("long value", "", `{"a":"`+strings.Repeat("é", 1<<20)+`","b":"`+strings.Repeat(`\n`, 1<<20)+`"}`, 2, 0)

	var b strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	f("a million keys", "", "{"+b.String()[1:]+"}", 1000, 999_000)
	f("many values", "", "["+strings.Repeat("1,", 100_000)+"1]", 10_000, 90_001)
	f("large", "", `{"a":"`+strings.Repeat("x", 20<<20)+`","b":[`+strings.Repeat("true,", 1<<20)+"true]}", 10_000, 1<<20+2-10_000)
	f("50 MB", "", `{"a":"`+strings.Repeat("x", 50<<20)+`"}`, 0, 1)
	f("form", "application/x-www-form-urlencoded", strings.Repeat("a=1&", 1<<20), 10_000, 1<<20-10_000)
	f("form of many keys", "application/x-www-form-urlencoded", strings.NewReplacer(`,"`, "&", `":`, "=").Replace(b.String()), 1000, 999_000)
}

// A service that makes names up does not fill the memory.
func TestNamesAreBounded(t *testing.T) {
	var x extract.Extractor
	run := func(from int) {
		for i := range 100 {
			var b strings.Builder
			for j := range 900 {
				fmt.Fprintf(&b, `,"k%d_%d_%d_%s":1`, from, i, j, strings.Repeat("x", 100))
			}
			x.Entry(response("", "{"+b.String()[1:]+"}"), "", func(extract.Param) {})
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	run(0)
	before := heap()
	run(1)
	if after := heap(); after > before+8<<20 {
		t.Errorf("the heap grew from %d to %d", before, after)
	}
	runtime.KeepAlive(&x)
}

func TestStreamLimits(t *testing.T) {
	f := func(name, contentType, body string, wantN int, wantSkipped uint64) {
		t.Helper()
		if n, skipped := count(t, contentType, body); n != wantN || skipped != wantSkipped {
			t.Errorf("%s: %d parameters and %d skipped, want %d and %d", name, n, skipped, wantN, wantSkipped)
		}
	}
	const lines = 1_000_000
	f("a million lines", "application/x-ndjson", strings.Repeat("{\"a\":1}\n", lines), 10_000, lines-10_000)
	f("a million lines that do not say so", "application/json", strings.Repeat("{\"a\":1}\n", lines), 10_000, lines-10_000)
	f("a million open lines", "application/x-ndjson", strings.Repeat("{\"a\":\n", lines), 0, 0)
	f("deep lines", "application/x-ndjson", strings.Repeat(strings.Repeat("[", 1000)+"\n", 1000), 0, 1000)
	f("a million events", "text/event-stream", strings.Repeat("data: {\"a\":1}\n\n", lines), 10_000, lines-10_000)
	f("an event of a million lines", "text/event-stream", "data: [\n"+strings.Repeat("data: 1,\n", lines)+"data: 1]\n\n", 10_000, lines+1-10_000)
	f("an event without end", "text/event-stream", strings.Repeat("data: [\n", lines), 0, 1)
	f("50 MB of events", "text/event-stream", strings.Repeat("data: {}\n\n", 5<<20), 0, 1)

	e := &har.Entry{Response: har.Response{Status: 101}}
	m := har.WebSocketMessage{Type: "receive", Opcode: 1, Data: []byte(`{"a":1}`)}
	for range lines {
		e.WebSocketMessages = append(e.WebSocketMessages, m)
	}
	var x extract.Extractor
	n := 0
	x.Entry(e, "", func(extract.Param) { n++ })
	if n != extract.MaxValues || x.Skipped() != lines-extract.MaxValues {
		t.Errorf("a million messages: %d parameters and %d skipped", n, x.Skipped())
	}
}

// frames makes a gRPC body of messages.
func frames(flag byte, messages ...[]byte) string {
	var b []byte
	for _, m := range messages {
		b = append(binary.BigEndian.AppendUint32(append(b, flag), uint32(len(m))), m...)
	}
	return string(b)
}

func TestStructuredLimits(t *testing.T) {
	f := func(name, contentType, body string, wantN int, wantSkipped uint64) {
		t.Helper()
		if n, skipped := count(t, contentType, body); n != wantN || skipped != wantSkipped {
			t.Errorf("%s: %d parameters and %d skipped, want %d and %d", name, n, skipped, wantN, wantSkipped)
		}
	}
	const million = 1_000_000
	var attributes, laughs strings.Builder
	for i := range million {
		fmt.Fprintf(&attributes, " a%d='%d'", i, i)
	}
	laughs.WriteString(`<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e0 "ha">`)
	for i := range 30 {
		fmt.Fprintf(&laughs, `<!ENTITY e%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&e%d;", i), 10))
	}
	laughs.WriteString(`]><r>&e30;</r>`)
	const xml = "text/xml"
	f("a million attributes", xml, "<r"+attributes.String()+"/>", 0, 1)
	f("a million attributes in a tag that is open", xml, "<r"+attributes.String(), 0, 1)
	f("a million attributes below", xml, "<r><k"+attributes.String()+"/></r>", 0, 1)
	f("attributes that look like more", xml, "<r a='"+strings.Repeat("=", million)+"'><!-- "+strings.Repeat("=", million)+" --></r>", 1, 0)
	f("a million elements", xml, "<r>"+strings.Repeat("<k>1</k>", million)+"</r>", 0, 1)
	f("entities within entities", xml, laughs.String(), 0, 0)
	f("an open tag", xml, strings.Repeat("<a b=", million), 0, 1)

	const parts = "multipart/form-data; boundary=X"
	f("100,000 parts", parts, strings.Repeat("--X\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n", 100_000)+"--X--", 10_000, 1)
	f("parts without end", parts, strings.Repeat("--X\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n", 100_000), 0, 0)
	f("a million delimiters", parts, strings.Repeat("--X\r\n", million)+"--X--", 0, 0)

	const grpc = "application/grpc"
	deep := []byte{8, 1}
	for range 5000 {
		deep = append(binary.AppendUvarint([]byte{0x0a}, uint64(len(deep))), deep...)
	}
	f("a deep message", grpc, frames(0, deep), 0, 0)
	f("a million fields", grpc, frames(0, bytes.Repeat([]byte{8, 1}, million)), 0, 1)
	f("a million messages", grpc, frames(0, make([][]byte, million)...), 0, million-1000)
	var packed bytes.Buffer
	zw := gzip.NewWriter(&packed)
	if _, err := zw.Write(append([]byte{0x0a, 0x80, 0x80, 0x80, 3}, bytes.Repeat([]byte{'x'}, 6<<20)...)); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	bombs := make([][]byte, 1000)
	for i := range bombs {
		bombs[i] = packed.Bytes()
	}
	e := response(grpc, frames(1, bombs...))
	e.Response.Headers = append(e.Response.Headers, har.Header{Name: "grpc-encoding", Value: "gzip"})
	var x extract.Extractor
	n := 0
	allocated(t, 4*extract.MaxBody, func() {
		x.Entry(e, "", func(p extract.Param) {
			if p.Place == extract.ResponseBody {
				n++
			}
		})
	})
	if n == 0 || n > 6 || x.Skipped() < 990 {
		t.Errorf("a thousand messages of 6 MB each when unpacked: %d parameters, %d skipped", n, x.Skipped())
	}
}

func TestSplitLimits(t *testing.T) {
	f := func(name, url, body string, wantParts, wantParams int) {
		t.Helper()
		e := request("application/json", body)
		e.Request.URL = url
		var x extract.Extractor
		parts, params := 0, 0
		allocated(t, 4*len(body), func() {
			ps := x.Split(e)
			parts = len(ps)
			for i := range ps {
				x.Part(e, &ps[i], "", func(p extract.Param) {
					if p.Place == extract.RequestBody {
						params++
					}
				})
			}
		})
		if parts != wantParts || params != wantParams {
			t.Errorf("%s: %d parts with %d parameters, want %d and %d (%d skipped)", name, parts, params, wantParts, wantParams, x.Skipped())
		}
	}
	query := func(document string) string {
		quoted, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		return `{"query":` + string(quoted) + `}`
	}
	const graph, deep = "https://h/graphql", 100_000
	f("100,000 levels", graph, query(strings.Repeat("{a", deep)+strings.Repeat("}", deep)), 0, 0)
	f("100,000 levels of a list", graph, query("{a(b:"+strings.Repeat("[", deep)+strings.Repeat("]", deep)+")}"), 0, 0)
	f("100,000 levels of a type", graph, query("query($v:"+strings.Repeat("[", deep)+"X"+strings.Repeat("]", deep)+"){a}"), 1, 1)
	var aliases, fragments strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&aliases, "a%d:user(id:%d){name} ", i, i)
	}
	f("aliases", graph, query("{"+aliases.String()+"}"), 0, 0)
	for i := range 40 {
		fmt.Fprintf(&fragments, "fragment F%d on X{...F%d ...F%d ...F%d} ", i, i+1, i+1, i+1)
	}
	fragments.WriteString("fragment F40 on X{a}")
	f("fragments of fragments", graph, query("{r{...F0}} "+fragments.String()), 1, 3985)
	f("a fragment of itself", graph, query("{r{...F}} fragment F on X{...F a{...F}}"), 1, 0)
	var members strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&members, `,"k%d":1`, i)
	}
	f("a million members", graph, `{"query":"{a}"`+members.String()+`}`, 1, 1000)
	f("a million variables", graph, `{"query":"query($k0:X){a(b:$k0)}","variables":{`+members.String()[1:]+`}}`, 1, 1000)
	f("a million calls", "https://h/mcp", "["+strings.Repeat(`{"jsonrpc":"2.0","method":"m"},`, 999_999)+`{"jsonrpc":"2.0","method":"m"}]`, 2, 4)
	f("a million numbers", "https://h/mcp", `[`+strings.Repeat("1,", 1_000_000)+`{"jsonrpc":"2.0","method":"m"}]`, 0, 0)
}
