package har_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"harken/har"
)

// What was decoded and encoded once is one line of UTF-8 and JSON, and stays the
// same ever after.
func FuzzDecodeEntry(f *testing.F) {
	f.Add(har.AppendEntry(nil, full()))
	f.Add([]byte(`{"request":{"method":null,"headers":[{"name":"\u00e9\ud800","value":1e400}]},"time":-3,"_harken":{"tags":{"é":"1"}}}`))
	f.Add([]byte(`{"_webSocketMessages":[{"time":1e99,"opcode":2,"data":"!"},{"time":-1.5}],"startedDateTime":"2020-13-01T00:00:00"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.Clone(b)
		var e har.Entry
		err := har.DecodeEntry(b, &e)
		if !bytes.Equal(in, b) {
			t.Fatal("input changed")
		}
		if err != nil {
			return
		}
		once := har.AppendEntry(nil, &e)
		if !utf8.Valid(once) || !json.Valid(once) || bytes.IndexByte(once, '\n') >= 0 {
			t.Fatalf("not one line of JSON: %q", once)
		}
		var again, third har.Entry
		if err := har.DecodeEntry(once, &again); err != nil {
			t.Fatalf("decode %s: %v", once, err)
		}
		if twice := har.AppendEntry(nil, &again); !bytes.Equal(once, twice) {
			t.Fatalf("not a fixed point:\n%s\n%s", once, twice)
		}
		if err := har.DecodeEntry(once, &third); err != nil || !cmp.Equal(again, third) {
			t.Fatalf("decoding is not deterministic: %v", err)
		}
	})
}

// result is all that a Reader says of a document, as text.
func result(r io.Reader) string {
	var out bytes.Buffer
	rd := har.NewReader(r)
	rd.MaxEntry = 1 << 10
	for {
		raw, err := rd.Next()
		out.Write(raw)
		out.WriteByte('\n')
		if err != nil {
			out.WriteString(err.Error())
			if _, ok := errors.AsType[*har.EntryError](err); !ok {
				return out.String()
			}
			continue
		}
		var e har.Entry
		if err := rd.Decode(&e); err != nil {
			out.WriteString(err.Error())
		}
	}
}

// Splitting the input anywhere changes nothing.
func FuzzReader(f *testing.F) {
	var doc bytes.Buffer
	w := har.NewWriter(&doc, har.Head{Version: "1", Comment: "c"})
	if err := errors.Join(w.Write(har.AppendEntry(nil, full()), []byte(`{"request":"\\\""}`)), w.Close()); err != nil {
		f.Fatal(err)
	}
	f.Add(doc.Bytes(), uint16(7))
	f.Add([]byte("\xef\xbb\xbf{\"a\":[1],\"log\":{\"entries\":[1 , null,\"\\\"]\" , {}],\"version\":\"1.2\"}} "), uint16(1))
	f.Add([]byte(`{"log":[2,1,3] "request:"}`), uint16(3))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		whole := result(bytes.NewReader(b))
		cut := min(int(n), len(b))
		if got := result(io.MultiReader(bytes.NewReader(b[:cut]), bytes.NewReader(b[cut:]))); got != whole {
			t.Fatalf("cut at %d:\n%s\nwhole:\n%s", cut, got, whole)
		}
		if got := result(iotest.OneByteReader(bytes.NewReader(b))); got != whole {
			t.Fatalf("byte by byte:\n%s\nwhole:\n%s", got, whole)
		}
	})
}

// Whatever stands in the file: Repair leaves it alone, or leaves a HAR file that
// starts with what was there, and then changes it no more.
func FuzzRepair(f *testing.F) {
	var doc bytes.Buffer
	w := har.NewWriter(&doc, har.Head{Version: "1"})
	if err := errors.Join(w.Write([]byte(`{"a":"}\""}`), []byte(`{"b":[1,{}]}`), []byte(`{"c":0}`)), w.Close()); err != nil {
		f.Fatal(err)
	}
	f.Add(doc.Bytes(), uint16(3), []byte{})
	f.Add(doc.Bytes(), uint16(30), []byte("\x00\x00"))
	f.Add(doc.Bytes(), uint16(0), []byte("x"))
	f.Fuzz(func(t *testing.T, b []byte, cut uint16, tail []byte) {
		content := append(bytes.Clone(b[:max(0, len(b)-int(cut))]), tail...)
		path := filepath.Join(t.TempDir(), "f.har")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		rep, err := har.Repair(path)
		got, readErr := os.ReadFile(path)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if err != nil {
			if !bytes.Equal(got, content) {
				t.Fatalf("refused (%v), but changed:\n%q\n%q", err, content, got)
			}
			return
		}
		rd := har.NewReader(bytes.NewReader(got))
		n := 0
		for ; err == nil; n++ {
			_, err = rd.Next()
		}
		if !errors.Is(err, io.EOF) || n-1 != rep.Entries {
			t.Fatalf("repaired file has %d entries and ends with %v, want %d: %q", n-1, err, rep.Entries, got)
		}
		if rep, err := har.Repair(path); err != nil || rep.Changed {
			t.Fatalf("second Repair: %+v, %v", rep, err)
		}
	})
}
