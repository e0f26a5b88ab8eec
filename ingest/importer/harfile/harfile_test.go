package harfile_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"harken/har"
	"harken/ingest/importer"
	"harken/ingest/importer/harfile"
	"harken/inventory/fault"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// render writes what an import yields, for people to review.
func render(t *testing.T, doc string) string {
	t.Helper()
	var b strings.Builder
	err := harfile.Parse(t.Context(), strings.NewReader(doc), func(e *har.Entry, ps []importer.Problem) error {
		for _, p := range ps {
			fmt.Fprintf(&b, "! %s\n", p)
		}
		if (e == nil) != importer.Fatal(ps) {
			t.Errorf("entry %v with problems %v", e, ps)
		}
		if e == nil {
			return nil
		}
		fmt.Fprintf(&b, "%s %s %s\n", e.Request.Method, e.Request.URL, e.Request.HTTPVersion)
		pairs(&b, "> ", e.Request.Headers)
		if p := e.Request.PostData; p != nil {
			fmt.Fprintf(&b, "> body %q\n", p.Body)
		}
		fmt.Fprintf(&b, "< %d %s\n", e.Response.Status, e.Response.StatusText)
		pairs(&b, "< ", e.Response.Headers)
		fmt.Fprintf(&b, "< body %q\n", e.Response.Content.Body)
		fmt.Fprintf(&b, "at %s, server %q, %+v\n", e.Started.Format("2006-01-02T15:04:05.000Z07:00"), e.ServerIPAddress, *e.Harken)
		return nil
	})
	if err != nil {
		kind, msg := fault.Of(err)
		fmt.Fprintf(&b, "error of kind %d: %s\n", kind, msg)
	}
	return b.String()
}

func pairs(b *strings.Builder, prefix string, hs []har.Header) {
	for _, h := range hs {
		fmt.Fprintf(b, "%s%s: %s\n", prefix, h.Name, h.Value)
	}
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(ar.Files) == 1 {
				ar.Files = append(ar.Files, txtar.File{Name: "want"})
			}
			got := render(t, string(ar.Files[0].Data))
			if *update {
				ar.Files[1].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(string(ar.Files[1].Data), got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestParseStops(t *testing.T) {
	doc := `{"log":{"entries":[` + strings.Repeat(`{"request":{"method":"GET","url":"/"}},`, 3) + `{}]}}`
	stop := errors.New("stop")
	n := 0
	err := harfile.Parse(t.Context(), strings.NewReader(doc), func(*har.Entry, []importer.Problem) error {
		if n++; n == 2 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || n != 2 {
		t.Errorf("Parse = %v after %d entries, want the yield's error after 2", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	err = harfile.Parse(ctx, strings.NewReader(doc), func(*har.Entry, []importer.Problem) error { n++; cancel(); return nil })
	if !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("Parse = %v after %d entries, want canceled after 1", err, n)
	}
	gone := errors.New("connection lost")
	if err := harfile.Parse(t.Context(), iotest.ErrReader(gone), nil); !errors.Is(err, gone) {
		t.Errorf("Parse = %v, want %v", err, gone)
	}
}

// Files of other tools, with what is known of them; names with invalid, broken or
// not- must be refused with a reason.
func TestCases(t *testing.T) {
	dir := os.Getenv("HARKEN_CASES")
	if dir == "" {
		t.Skip("HARKEN_CASES is not set")
	}
	hars, _ := filepath.Glob(filepath.Join(dir, "har", "*", "*.har"))
	more, _ := filepath.Glob(filepath.Join(dir, "har", "*", "*.json"))
	if len(hars) == 0 {
		t.Fatal("no HAR files in", dir)
	}
	for _, path := range append(hars, more...) {
		t.Run(filepath.Base(path), func(t *testing.T) { testCase(t, path) })
	}
}

type expectation struct {
	Entries  *int
	Methods  map[string]int
	Statuses map[string]int
}

func testCase(t *testing.T, path string) {
	t.Helper()
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := expectation{Methods: map[string]int{}, Statuses: map[string]int{}}
	n := 0
	err = harfile.Parse(t.Context(), strings.NewReader(string(doc)), func(e *har.Entry, ps []importer.Problem) error {
		for _, p := range ps {
			t.Logf("%s", p)
		}
		if e == nil {
			return nil
		}
		n++
		got.Methods[e.Request.Method]++
		got.Statuses[fmt.Sprint(e.Response.Status)]++
		if e.Started.IsZero() && strings.Contains(string(doc), "startedDateTime") {
			t.Errorf("entry %d has no time", n)
		}
		return nil
	})
	base := filepath.Base(path)
	bad := strings.Contains(base, "invalid") || strings.Contains(base, "broken") || strings.Contains(base, "not-")
	if bad || !strings.Contains(string(doc), `"log"`) {
		if kind, msg := fault.Of(err); err == nil || kind != fault.Malformed || n > 0 {
			t.Errorf("gave %d entries and %v, want it refused", n, err)
		} else {
			t.Log(msg)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(filepath.Dir(path), "expected", base+".json"))
	if errors.Is(err, os.ErrNotExist) {
		if n == 0 {
			t.Error("no entries")
		}
		return
	}
	var want expectation
	if err := json.Unmarshal(b, &want); err != nil || want.Entries == nil {
		t.Fatal("unreadable expectation", err)
	}
	got.Entries = &n
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
