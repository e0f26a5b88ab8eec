package harfile_test

import (
	"bytes"
	"strings"
	"testing"

	"harken/har"
	"harken/ingest/importer"
	"harken/ingest/importer/harfile"
	"harken/inventory/fault"
)

// Every operation gives an entry or a fatal problem, in order; an imported entry
// survives the wire; and what the user is told is never an internal error.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"log":{"entries":[{"request":{"method":"get","url":"/a#b","headers":[{"name":"a b"},{"name":":authority","value":"h"}]}},7,{}]}}`))
	f.Add([]byte(`{"log":{"entries":[{"response":{"content":{"text":"!","encoding":"base64","mimeType":"t/x"}},"request":{"method":"POST","url":"h"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		last := 0
		err := harfile.Parse(t.Context(), bytes.NewReader(b), func(e *har.Entry, ps []importer.Problem) error {
			if (e == nil) != importer.Fatal(ps) {
				t.Fatalf("entry %v with problems %v", e, ps)
			}
			last++
			for _, p := range ps {
				if p.Index != last || p.Msg == "" || strings.ContainsRune(p.String(), '\n') {
					t.Fatalf("problem %+v of entry %d", p, last)
				}
			}
			if e == nil {
				return nil
			}
			if e.Request.URL == "" && len(ps) == 0 || e.Harken == nil || e.Harken.Account != "" || e.Harken.ID != "" {
				t.Fatalf("entry %+v", e)
			}
			var again har.Entry
			if err := har.DecodeEntry(har.AppendEntry(nil, e), &again); err != nil || again.Request.Method != e.Request.Method {
				t.Fatalf("decode what was encoded: %v", err)
			}
			return nil
		})
		if kind, _ := fault.Of(err); err != nil && kind != fault.Malformed {
			t.Fatalf("error %v of kind %d", err, kind)
		}
	})
}
