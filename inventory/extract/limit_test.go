package extract_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"harken/har"
	"harken/inventory/extract"
)

// count reads a response body and gives the number of parameters, and what
// limits left out. It fails if that takes long or much memory.
func count(t *testing.T, contentType, body string) (n int, skipped uint64) {
	t.Helper()
	e := response(contentType, body)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	var x extract.Extractor
	names := map[string]bool{}
	x.Entry(e, "", func(p extract.Param) {
		if p.Place == extract.ResponseBody {
			n++
			names[p.Name] = true
			if len(p.Name) > extract.MaxName || len(p.Value) > extract.MaxValue {
				t.Fatalf("a name of %d bytes with a value of %d", len(p.Name), len(p.Value))
			}
		}
	})
	if d := time.Since(start); d > time.Minute {
		t.Errorf("it took %v", d)
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 3*int64(len(body))+64<<20 {
		t.Errorf("it allocated %d bytes for a body of %d", grown, len(body))
	}
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
