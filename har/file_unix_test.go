//go:build unix && !solaris && !aix

package har_test

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"harken/har"
)

// A file system that is full in the middle of an append: the file stays what it
// was, and takes entries again when there is room.
func TestAppendWithoutRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.har")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAppendWithoutRoomChild$")
	cmd.Env = append(os.Environ(), "HARKEN_TEST_LIMIT="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := count(t, path); n != 3 {
		t.Errorf("%d entries, want 3", n)
	}
}

// TestAppendWithoutRoomChild runs in a process of its own, as the limit is the
// process's.
func TestAppendWithoutRoomChild(t *testing.T) {
	path := os.Getenv("HARKEN_TEST_LIMIT")
	if path == "" {
		t.Skip("only as the child of TestAppendWithoutRoom")
	}
	signal.Ignore(syscall.SIGXFSZ)
	f := open(t, path)
	small := []byte(`{"small":1}`)
	big := []byte(`{"big":"` + string(bytes.Repeat([]byte("x"), 8<<10)) + `"}`)
	if err := f.Append(small); err != nil {
		t.Fatal(err)
	}
	before := read(t, path)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	limit := old
	limit.Cur = 4 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Skip("no limit on file sizes here:", err)
	}
	if err := f.Append(big); err == nil {
		t.Error("an append beyond the limit succeeded")
	}
	if !bytes.Equal(before, read(t, path)) {
		t.Error("a failed append changed the file")
	}
	if err := f.Append(small); err != nil {
		t.Error(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := f.Append(big); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := har.Repair(path); err != nil {
		t.Error(err)
	}
}
