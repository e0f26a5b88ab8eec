package har_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/har"
)

func TestSummarize(t *testing.T) {
	doc := `{"log":{"version":1.3,"creator":{"name":"n"},"entries":[` +
		string(har.AppendEntry(nil, full())) + `,
		{"startedDateTime":"2015-02-10T07:33:17.146","time":-5,"request":{"method":"GET","url":"http://H/","headers":{},"cookies":[{"name":"a","expires":""}],"queryString":[7],"postData":{"text":3}},
		 "response":{"status":"200","content":{"size":"0"}},"cache":null,"timings":{"send":0,"wait":-1,"receive":"x"}},
		{"request":4}]}}`
	sum, problems, err := har.Summarize(strings.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.String())
	}
	want := []string{
		"entry 2: startedDateTime: \"2015-02-10T07:33:17.146\" is not a date of RFC 3339",
		"entry 2: time: -5 is negative",
		"entry 2: request.headers: want an array, found an object",
		"entry 2: request.cookies[0].value: missing",
		"entry 2: request.queryString[0]: want an object, found a number",
		"entry 2: request.postData.text: want a string, found a number",
		"entry 2: request.postData.mimeType: missing",
		"entry 2: request.httpVersion: missing",
		"entry 2: request.headersSize: missing",
		"entry 2: request.bodySize: missing",
		"entry 2: response.status: want a number, found a string",
		"entry 2: response.content.size: want a number, found a string",
		"entry 2: response.content.mimeType: missing",
		"entry 2: response.statusText: missing",
		"entry 2: response.httpVersion: missing",
		"entry 2: response.cookies: missing",
		"entry 2: response.headers: missing",
		"entry 2: response.redirectURL: missing",
		"entry 2: response.headersSize: missing",
		"entry 2: response.bodySize: missing",
		"entry 2: cache: want an object, found null",
		"entry 2: timings.receive: want a number, found a string",
	}
	if d := cmp.Diff(want, got[:min(len(want), len(got))]); d != "" {
		t.Error(d)
	}
	rest := strings.Join(got[len(want):], "\n")
	if !strings.HasPrefix(rest, "entry 3: request: want an object, found a number at byte ") ||
		!strings.Contains(rest, "log.version: \"1.3\" is neither 1.1 nor 1.2") || !strings.Contains(rest, "log.creator.version: missing") {
		t.Errorf("then: %s", rest)
	}
	if sum.Entries != 3 || sum.Unreadable != 1 || sum.Problems != len(problems) || sum.Messages != 3 || sum.Flags[har.FlagGap] != 1 || sum.ResponseBytes != 6 {
		t.Errorf("summary = %+v", sum)
	}
	if d := cmp.Diff([]string{"api.example.com", "h"}, har.SortedKeys(sum.Hosts)); d != "" {
		t.Error(d)
	}
	if sum.First.Year() != 2015 || sum.Last.Year() != 2026 {
		t.Errorf("from %v to %v", sum.First, sum.Last)
	}
	if _, _, err := har.Summarize(strings.NewReader("[]")); err == nil {
		t.Error("Summarize([]) succeeded")
	}
	if ps, err := har.Validate(strings.NewReader(`{"log":{"version":"1.2","creator":{"name":"n","version":"1"},"entries":[]}}`)); err != nil || len(ps) > 0 {
		t.Errorf("Validate = %v, %v", ps, err)
	}
}

// Whatever other tools wrote, what we make of it is HAR without a fault, and
// decodes to the same.
func TestCasesReencode(t *testing.T) {
	dir := os.Getenv("HARKEN_CASES")
	if dir == "" {
		t.Skip("HARKEN_CASES is not set")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "har", "*", "*.har"))
	if len(files) == 0 {
		t.Fatal("no HAR files in", dir)
	}
	for _, path := range files {
		if strings.Contains(path, "broken") {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) { reencode(t, path) })
	}
}

func reencode(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var doc strings.Builder
	w := har.NewWriter(&doc, har.Head{Version: "1"})
	rd := har.NewReader(f)
	var e, again har.Entry
	for rd.Read(&e) == nil {
		b := har.AppendEntry(nil, &e)
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := har.DecodeEntry(b, &again); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e.Request.Headers, again.Request.Headers); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(e.Response.Content, again.Response.Content); d != "" {
			t.Error(d)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sum, problems, err := har.Summarize(strings.NewReader(doc.String()))
	if err != nil || sum.Entries != rd.Index() || sum.Entries == 0 {
		t.Errorf("%d of %d entries, %v", sum.Entries, rd.Index(), err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}
