package har_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"harken/har"
)

// count reads a document to its end and returns how many entries it has.
func count(t *testing.T, path string) int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rd := har.NewReader(f)
	for n := 0; ; n++ {
		raw, err := rd.Next()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if !json.Valid(raw) {
			t.Fatalf("entry %d is not JSON: %.200s", rd.Index(), raw)
		}
	}
}

func open(t *testing.T, path string) *har.File {
	t.Helper()
	f, err := har.OpenFile(path, har.Head{Version: "1.0", Comment: "a \"comment\""})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFileValidAfterEachAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.har")
	f := open(t, path)
	if n := count(t, path); n != 0 {
		t.Errorf("a new file has %d entries", n)
	}
	entry := har.AppendEntry(nil, full())
	for want := 2; want <= 6; want += 2 {
		if err := f.Append(entry, entry); err != nil {
			t.Fatal(err)
		}
		if n := count(t, path); n != want {
			t.Errorf("%d entries, want %d", n, want)
		}
	}
	if err := errors.Join(f.Append(), f.Sync(), f.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if err := f.Append(entry); err == nil {
		t.Error("Append after Close succeeded")
	}
	f = open(t, path)
	if err := errors.Join(f.Append(entry), f.Close()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, path); n != 7 {
		t.Errorf("%d entries after reopening, want 7", n)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	sum, problems, err := har.Summarize(bytes.NewReader(read(t, path)))
	if err != nil || len(problems) > 0 || sum.Entries != 7 || sum.Log.Comment != `a "comment"` || sum.Log.Creator != "Harken" {
		t.Errorf("Summarize = %+v, %v, %v", sum, problems, err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAppendRefusesWhatIsNoEntry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.har")
	f := open(t, path)
	defer f.Close()
	before := read(t, path)
	for _, bad := range []string{"", "{}", "[1,2,3,4]", "{\"a\":\n1}", `{"a":1`} {
		if err := f.Append([]byte(`{"good":1}`), []byte(bad)); err == nil {
			t.Errorf("Append(%q) succeeded", bad)
		}
	}
	if !bytes.Equal(before, read(t, path)) {
		t.Error("a refused append changed the file")
	}
}

func TestFileConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.har")
	f := open(t, path)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if err := f.Append([]byte(`{"request":{"method":"GET"}}`), []byte(`{"a":"]}}"}`)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, path); n != 800 {
		t.Errorf("%d entries, want 800", n)
	}
}

// A file cut at any byte keeps all of its whole entries, and can be written on.
func TestReopenCutAnywhere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.har")
	f := open(t, path)
	entries := [][]byte{[]byte(`{"a":"]}}\""}`), []byte(`{"b":[{"c":{}}]}`), []byte(`{"d":"é\\"}`)}
	ends := []int{}
	for _, e := range entries {
		if err := f.Append(e); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, len(read(t, path))-len("\n]}}\n"))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	whole := read(t, path)
	for cut := range whole {
		want := 0
		for _, end := range ends {
			if cut >= end {
				want++
			}
		}
		torn := filepath.Join(dir, fmt.Sprintf("%d.har", cut))
		if err := os.WriteFile(torn, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		f := open(t, torn)
		if err := errors.Join(f.Append(entries[0]), f.Close()); err != nil {
			t.Fatal(err)
		}
		if n := count(t, torn); n != want+1 {
			t.Fatalf("cut at %d: %d entries, want %d", cut, n, want+1)
		}
	}
}

// The first bytes of an append can be all that reached the file, in front of the
// rest of the old trailer.
func TestReopenTornOverTrailer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.har")
	f := open(t, path)
	if err := errors.Join(f.Append([]byte(`{"a":1}`)), f.Close()); err != nil {
		t.Fatal(err)
	}
	whole := read(t, path)
	next := ",\n{\"b\":[2]}\n]}}\n"
	end := len(whole) - len("\n]}}\n")
	for k := range len(next) {
		b := append(bytes.Clone(whole[:end]), next[:k]...)
		if k < 5 {
			b = append(b, whole[end+k:]...)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		want := 1
		if k >= len(next)-len("\n]}}\n") {
			want = 2
		}
		if err := open(t, path).Close(); err != nil {
			t.Fatal(err)
		}
		if n := count(t, path); n != want {
			t.Errorf("%d bytes written: %d entries, want %d", k, n, want)
		}
	}
}

func TestOpenFileRefusesForeignFiles(t *testing.T) {
	ours := `{"log":{"version":"1.2","creator":{"name":"Harken","version":"1"},"entries":[`
	f := func(content, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "a.har")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := har.OpenFile(path, har.Head{})
		if err == nil {
			t.Errorf("OpenFile(%q) succeeded", content)
			h.Close()
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("OpenFile(%q) = %v, want %q", content, err, want)
		}
		if got := string(read(t, path)); got != content {
			t.Errorf("OpenFile(%q) changed the file to %q", content, got)
		}
	}
	f("notes\n", "not a HAR file that Harken wrote")
	f(`{"log":{"version":"1.2","creator":{"name":"Firefox","version":"1"},"entries":[`+"\n]}}\n", "not a HAR file that Harken wrote")
	f(ours+"\n{\"a\":1},\n{\"b\" 2\n{\"c\":3}\n,{\"d\":[}]}}", "damaged at byte")
	f(ours+"\n{\"a\":1},\n{\"b\": [,\n{\"c\":3},\n{\"d\":3}\n]}}\n\n", "damaged at byte")
	f(ours+"\n{\"a\":1}],\"comment\":\"mine\"}}", "members behind its entries")
	dir := t.TempDir()
	if _, err := har.OpenFile(dir, har.Head{}); err == nil {
		t.Error("OpenFile(directory) succeeded")
	}
}

func TestOpenFileLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.har")
	f := open(t, path)
	if _, err := har.OpenFile(path, har.Head{}); !errors.Is(err, har.ErrLocked) {
		t.Errorf("second OpenFile = %v, want ErrLocked", err)
	}
	if _, err := har.Repair(path); !errors.Is(err, har.ErrLocked) {
		t.Errorf("Repair of an open file = %v, want ErrLocked", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if rep, err := har.Repair(path); err != nil || rep.Changed {
		t.Errorf("Repair of a whole file = %+v, %v", rep, err)
	}
}

func TestWriterRejectsAndCarriesOn(t *testing.T) {
	var b bytes.Buffer
	w := har.NewWriter(&b, har.Head{Version: "1"})
	w.SetComment("stored samples only")
	if err := w.Write([]byte("{")); err == nil {
		t.Error("Write of half an entry succeeded")
	}
	if err := errors.Join(w.Write([]byte(`{"a":1}`)), w.Write([]byte(`{"a":2}`), []byte(`{"a":3}`)), w.Close()); err != nil {
		t.Fatal(err)
	}
	want := `{"log":{"version":"1.2","creator":{"name":"Harken","version":"1"},"comment":"stored samples only","entries":[` +
		"\n{\"a\":1},\n{\"a\":2},\n{\"a\":3}\n]}}\n"
	if b.String() != want {
		t.Errorf("document = %s, want %s", b.String(), want)
	}
	broken := har.NewWriter(failing{}, har.Head{})
	if err := broken.Write(); err == nil || broken.Close() == nil {
		t.Error("errors of the writer are lost")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("gone") }

// kill -9 in the middle of appends: what was acknowledged is there.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	path := filepath.Join(t.TempDir(), "a.har")
	before := 0
	for range 6 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKillChild$")
		cmd.Env = append(os.Environ(), "HARKEN_TEST_HAR="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acked := bytes.Count(readSome(t, out), []byte("."))
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(out)
		acked += bytes.Count(rest, []byte("."))
		_ = cmd.Wait()
		if err := open(t, path).Close(); err != nil {
			t.Fatal(err)
		}
		n := count(t, path)
		if n < before+acked || n > before+acked+1 {
			t.Errorf("%d entries after the kill, want %d or one more", n, before+acked)
		}
		before = n
	}
}

func readSome(t *testing.T, r io.Reader) []byte {
	t.Helper()
	b := make([]byte, 60)
	n, err := io.ReadFull(r, b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// TestKillChild is the process that TestKill kills.
func TestKillChild(t *testing.T) {
	path := os.Getenv("HARKEN_TEST_HAR")
	if path == "" {
		t.Skip("only as the child of TestKill")
	}
	f := open(t, path)
	e := full()
	e.Response.Content.Body = bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	entry := har.AppendEntry(nil, e)
	for {
		if err := f.Append(entry); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stdout.WriteString("."); err != nil {
			return
		}
	}
}
