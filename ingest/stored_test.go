package ingest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/har"
	"harken/ingest"
)

var update = flag.Bool("update", false, "rewrite golden files")

const storedFile = "testdata/stored.txt"

// Each part is a title, a stored record, and what people see of it.
func TestAppendStored(t *testing.T) {
	golden, err := os.ReadFile(storedFile)
	if err != nil {
		t.Fatal(err)
	}
	var enc ingest.AktoEncoder
	var out bytes.Buffer
	for part := range strings.SplitSeq(strings.TrimPrefix(string(golden), "-- "), "\n-- ") {
		lines := strings.Split(strings.TrimSuffix(part, "\n"), "\n")
		title, data := lines[0], []byte(lines[1])
		text, err := enc.AppendStored(nil, data, time.Unix(1700000000, 0))
		if err != nil {
			t.Errorf("%s %v", title, err)
		}
		if again, err := ingest.ParseRecord(text); err != nil || again.Form != ingest.FormAkto {
			t.Errorf("%s gives what cannot be read: %v\n%s", title, err, text)
		}
		for _, s := range []string{"-- ", title, "\n", string(data), "\n", string(text), "\n"} {
			out.WriteString(s)
		}
	}
	if *update {
		if err := os.WriteFile(storedFile, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !*update && out.String() != string(golden) {
		t.Errorf("the texts are not those of %s; rewrite it with -update, and read the difference:\n%s",
			storedFile, cmp.Diff(string(golden), out.String()))
	}
}

func TestAppendStoredRefuses(t *testing.T) {
	f := func(data, want string) {
		t.Helper()
		got, err := new(ingest.AktoEncoder).AppendStored([]byte("x"), []byte(data), time.Time{})
		if err == nil || !strings.Contains(err.Error(), want) || string(got) != "x" {
			t.Errorf("AppendStored(%s) = %q, %v; want an error with %q", data, got, err, want)
		}
	}
	f(``, "not a JSON object")
	f(`{"request":{"method":"GET","url":"/"`, "not JSON")
	f(`{"request":{"method":"GET","url":"/"},"response":{"status":200},"_harken":{"source":"X"}}`, "source")
	f(`{"request":{"method":"GET","url":"/"},"response":{"status":200},"_harken":{"account":"a"}}`, "account")
	f(`{"path":"/"}`, "method")
}

// sameStored checks that a stored record is shown as the one that ParseRecord makes
// of it is sent, whatever the encoder wrote before.
func sameStored(tb testing.TB, enc *ingest.AktoEncoder, data []byte) {
	tb.Helper()
	r, err := ingest.ParseRecord(data)
	if err != nil {
		return
	}
	var e har.Entry
	if r.Form == ingest.FormHAR && har.DecodeEntry(data, &e) == nil && e.Harken != nil &&
		(max(e.Harken.Collection, 0) != r.Collection || ingest.ParseFlags(e.Harken.Flags) != r.Flags) {
		return // a fraction as the collection, or members that are there twice
	}
	want, wantErr := ingest.AppendAkto(nil, r)
	got, err := enc.AppendStored(nil, data, r.Time)
	if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
		tb.Fatalf("AppendStored(%s)\n= %s, %v\nwant %s, %v", data, got, err, want, wantErr)
	}
	var m map[string]any
	if err == nil && json.Unmarshal(got, &m) != nil {
		tb.Fatalf("AppendStored(%s)\n= %s, which is not a JSON object", data, got)
	}
}

func FuzzAppendStored(f *testing.F) {
	golden, err := os.ReadFile(storedFile)
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.Lines(golden) {
		f.Add(bytes.TrimSpace(line), bytes.TrimSpace(line))
	}
	f.Fuzz(func(t *testing.T, before, b []byte) {
		var enc ingest.AktoEncoder
		_, _ = enc.AppendStored(nil, before, time.Unix(1, 0))
		sameStored(t, &enc, b)
	})
}

func TestAppendStoredCases(t *testing.T) {
	dir := os.Getenv("HARKEN_CASES")
	if dir == "" {
		t.Skip("HARKEN_CASES is not set")
	}
	var enc ingest.AktoEncoder
	err := filepath.WalkDir(filepath.Join(dir, "har"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".har" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for r := har.NewReader(bytes.NewReader(b)); ; {
			raw, err := r.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Log(path, err)
				}
				return nil
			}
			sameStored(t, &enc, raw)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
