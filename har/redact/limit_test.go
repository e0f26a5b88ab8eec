package redact_test

import (
	"runtime"
	"strings"
	"sync"
	"testing"

	"harken/har"
	"harken/har/redact"
)

// Large and deep bodies take memory in proportion to their size.
func TestLimits(t *testing.T) {
	if testing.Short() {
		t.Skip("large bodies")
	}
	const n = 1_000_000 / slower
	big := map[string][2]string{
		"deep arrays":        {"application/json", strings.Repeat("[", n) + strings.Repeat("]", n)},
		"deep objects":       {"application/json", strings.Repeat(`{"a":`, n/10) + "1" + strings.Repeat("}", n/10)},
		"50 MB":              {"application/json", `{"a":"` + strings.Repeat("x", 50<<20/slower) + `"}`},
		"many members":       {"application/json", "{" + strings.Repeat(`"a":1,`, n) + `"b":2}`},
		"documents in text":  {"application/json", `["` + strings.Repeat(`[\"`, n) + `"]`},
		"lines":              {"application/x-ndjson", strings.Repeat("{\"a\":1}\n", n)},
		"open lines":         {"application/x-ndjson", strings.Repeat("{\"a\":\n", n)},
		"events":             {"text/event-stream", strings.Repeat("data: {\"a\":1}\n\n", n)},
		"an event":           {"text/event-stream", "data: [\n" + strings.Repeat("data: 1,\n", n) + "data: 1]\n\n"},
		"form":               {"application/x-www-form-urlencoded", strings.Repeat("a=1&", n)},
		"deep XML":           {"text/xml", strings.Repeat("<a>", n) + strings.Repeat("</a>", n)},
		"a text in pieces":   {"text/xml", "<a>" + strings.Repeat("b<!---->", n) + "</a>"},
		"attributes":         {"text/xml", "<a" + strings.Repeat(" b='1'", n) + "/>"},
		"open tags":          {"text/xml", strings.Repeat("<a b=", n)},
		"parts":              {"multipart/form-data; boundary=X", strings.Repeat("--X\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n", n/10) + "--X--"},
		"delimiters":         {"multipart/form-data; boundary=X", "--X\r\n" + strings.Repeat("--X", n)},
		"messages":           {"application/grpc", strings.Repeat("\x00\x00\x00\x00\x02\x08\x05", n)},
		"deep message":       {"application/grpc", "\x00\x00\x00\x10\x00" + strings.Repeat("\x0a\x7f", 0x800)},
		"GraphQL":            {"application/graphql", strings.Repeat("{a", n) + strings.Repeat("}", n)},
		"GraphQL of strings": {"application/graphql", "{a(b:[" + strings.Repeat(`"c",`, n/10) + "])}"},
	}
	hit := func(_, v string) bool { return v == "1" }
	for config, c := range map[string]redact.Config{"all": {All: true}, "types": {Types: hit, Paths: []string{"$..b", "a.*.c"}}} {
		r := must(t, c)
		for name, b := range big {
			e := &har.Entry{Request: har.Request{URL: "https://h/graph", PostData: &har.PostData{MimeType: b[0], Body: []byte(b[1])}}}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r.Entry(e, "")
			runtime.ReadMemStats(&after)
			grown := after.TotalAlloc - before.TotalAlloc
			if grown > 100*uint64(len(b[1]))+1<<20 { // most for deep XML
				t.Errorf("%s, %s: %d bytes were allocated for %d", config, name, grown, len(b[1]))
			}
			if got := len(e.Request.PostData.Body); got > 8*len(b[1])+100 {
				t.Errorf("%s, %s: %d bytes of %d", config, name, got, len(b[1]))
			}
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	r := must(t, redact.Config{All: true, Key: []byte("0123456789abcdef"), Paths: []string{"$..a"}})
	want := order()
	r.Entry(want, "/shop/orders/INTEGER")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				e := order()
				r.Entry(e, "/shop/orders/INTEGER")
				if string(e.Response.Content.Body) != string(want.Response.Content.Body) || e.Request.URL != want.Request.URL {
					t.Error("another result beside others")
				}
			}
		})
	}
	wg.Wait()
}
