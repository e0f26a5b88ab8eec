package learn_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"harken/har"
	"harken/ingest"
	"harken/ingest/learn"
	"harken/inventory"
)

// TestHostileBodies learns bodies that were made to be large or deep, each on both
// sides of an endpoint of its own, redacted or not: every record counts, and what
// is kept of them is bounded.
func TestHostileBodies(t *testing.T) {
	if raceEnabled {
		t.Skip("it allocates much")
	}
	const deep, many = 100_000, 200_000
	var members, attributes strings.Builder
	for i := range many {
		fmt.Fprintf(&members, `,"k%d":1`, i)
		fmt.Fprintf(&attributes, " k%d='1'", i)
	}
	bodies := []struct{ name, contentType, body string }{
		{"large", "application/json", `{"a":"` + strings.Repeat("x", 20<<20) + `"}`},
		{"deep", "application/json", strings.Repeat(`{"a":`, deep) + "1" + strings.Repeat("}", deep)},
		{"members", "application/json", "{" + members.String()[1:] + "}"},
		{"elements", "text/xml", "<r>" + strings.Repeat("<k>1</k>", many) + "</r>"},
		{"attributes", "text/xml", "<r" + attributes.String() + "/>"},
		{"deepxml", "text/xml", strings.Repeat("<a>", deep) + strings.Repeat("</a>", deep)},
		{"entities", "text/xml", `<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><r>&b;</r>`},
		{"form", "application/x-www-form-urlencoded", strings.Repeat("a=1&", many)},
		{"parts", "multipart/form-data; boundary=X", strings.Repeat("--X\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n", deep) + "--X--"},
		{"fields", "application/grpc", "\x00\x00\x06\x1a\x80" + strings.Repeat("\x08\x01", many)},
		{"lines", "application/x-ndjson", strings.Repeat("{\"a\":1}\n", many)},
		{"events", "text/event-stream", strings.Repeat("data: {\"a\":1}\n\n", many)},
		{"graphql", "application/graphql", strings.Repeat("{a", deep) + strings.Repeat("}", deep)},
		{"rpc", "application/json", "[" + strings.Repeat(`{"jsonrpc":"2.0"},`, many) + `{}]`},
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, redacted := range []bool{false, true} {
		db := openStore(t)
		configure(t, db, inventory.Settings{RedactPayload: redacted})
		src := newNotingSource()
		_, stop := start(t, learn.Config{Source: src, Stores: db})
		before := heap()
		for i, b := range bodies {
			path := map[string]string{"graphql": "/graphql", "rpc": "/mcp"}[b.name]
			if path == "" {
				path = "/x/" + b.name
			}
			e := har.Entry{
				Request: har.Request{
					Method: "POST", URL: "https://h.com" + path, Headers: []har.Header{{Name: "Content-Type", Value: b.contentType}},
					PostData: &har.PostData{MimeType: b.contentType, Body: []byte(b.body)},
				},
				Response: har.Response{Status: 200, Content: har.Content{MimeType: b.contentType, Body: []byte(b.body)}},
			}
			r := &ingest.Record{Source: "MIRRORING", Origin: ingest.Origin{Log: logID, Seq: int64(i + 1)}, Data: har.AppendEntry(nil, &e)}
			e = har.Entry{}
			src.give([]*ingest.Record{r})
		}
		stop()
		if grown := heap() - before; grown > 256<<20 {
			t.Errorf("redacted %t: the heap grew by %d MB", redacted, grown>>20)
		}
		got := urls(t, db)
		if len(got) != len(bodies) {
			t.Errorf("redacted %t: learned %q, want %d endpoints", redacted, got, len(bodies))
		}
		for _, e := range inventoryOf(t, db, account) {
			if len(e.Params) > 2*1000+10 {
				t.Errorf("%s has %d parameters", e.URL, len(e.Params))
			}
		}
	}
}
