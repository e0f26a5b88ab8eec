package spool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"harken/ingest"
	"harken/ingest/spool"
)

const crashDir = "HARKEN_TEST_CRASH_DIR"

// TestMain turns the test binary into the writer that TestKill kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := writeUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeUntilKilled puts records whose host is their number and reports each
// number on stdout once Put has returned.
func writeUntilKilled(dir string) error {
	l, err := spool.Open(spool.Config{Dir: dir, SegmentBytes: 32 << 10})
	if err != nil {
		return err
	}
	for n := int(l.Stats().Last) + 1; ; n++ {
		r := record(n)
		r.Host = strconv.Itoa(n)
		if err := l.Put(context.Background(), r); err != nil {
			return err
		}
		if _, err := fmt.Println(n); err != nil {
			return err
		}
	}
}

// Whatever Put has acknowledged is there exactly once after kill -9, across 25
// deaths of the writer in one directory.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var acknowledged int
	for round := range 25 {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), crashDir+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		killAt := 1 + rand.IntN(400)
		for i := 0; lines.Scan(); i++ {
			if acknowledged, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
			if i == killAt {
				_ = cmd.Process.Kill() // the rest of the pipe is read too
			}
		}
		_ = cmd.Wait()
		if acknowledged < killAt {
			t.Fatalf("round %d: %d acknowledged", round, acknowledged)
		}
	}
	l := open(t, spool.Config{Dir: dir})
	l.Seal()
	got := drain(t, reader(t, l, "a"))
	seen := map[ingest.Origin]bool{}
	for i, r := range got {
		if r.Host != strconv.Itoa(i+1) || string(r.Data) != string(record(i+1).Data) {
			t.Fatalf("record %d is %s", i+1, r.Host)
		}
		if seen[r.Origin] {
			t.Fatalf("origin %v twice", r.Origin)
		}
		seen[r.Origin] = true
	}
	if len(got) < acknowledged {
		t.Errorf("%d records, want at least the %d acknowledged", len(got), acknowledged)
	}
}

// fill makes a log of n records in dir and returns its segment files. It is not
// closed cleanly, as after a crash.
func fill(tb testing.TB, n int, segment int64) (dir string, segments []string) {
	tb.Helper()
	src := tb.TempDir()
	l := open(tb, spool.Config{Dir: src, SegmentBytes: segment})
	for i := range n {
		put(tb, l, record(i))
	}
	dir = filepath.Join(tb.TempDir(), "log")
	if err := os.CopyFS(dir, os.DirFS(src)); err != nil {
		tb.Fatal(err)
	}
	segments, _ = filepath.Glob(filepath.Join(dir, "*.log"))
	return dir, segments
}

// isRecord reports whether r is one of fill's, and which.
func isRecord(r *ingest.Record) (int, bool) {
	var n int
	if _, err := fmt.Sscanf(string(r.Data), `{"n":%d,`, &n); err != nil {
		return 0, false
	}
	return n, string(r.Data) == string(record(n).Data)
}

func TestTruncationAnywhere(t *testing.T) {
	dir, segs := fill(t, 5, 0)
	whole, err := os.ReadFile(segs[0])
	if err != nil {
		t.Fatal(err)
	}
	last := -1
	for size := 0; size <= len(whole); size++ {
		names, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, n := range names {
			if err := os.Remove(n); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(segs[0], whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := spool.Open(spool.Config{Dir: dir})
		if err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
		put(t, l, record(99)) // the log can be written to
		l.Seal()
		got := drain(t, reader(t, l, "a"))
		for i, r := range got[:len(got)-1] {
			if n, ok := isRecord(r); !ok || n != i || r.Origin.Seq != int64(i+1) {
				t.Fatalf("size %d: record %d is %s", size, i, r.Data)
			}
		}
		if n, ok := isRecord(got[len(got)-1]); !ok || n != 99 {
			t.Fatalf("size %d: the new record is %s", size, got[len(got)-1].Data)
		}
		if len(got) < last {
			t.Fatalf("size %d: %d records, fewer than at a smaller size", size, len(got))
		}
		last = len(got)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if last != 6 {
		t.Errorf("%d records of the whole file, want 6", last)
	}
}

// Damage anywhere costs the damaged records and no others, and is counted.
func TestDamage(t *testing.T) {
	const all = 60
	dir, segs := fill(t, all, 2<<10)
	clean := filepath.Join(t.TempDir(), "clean")
	if err := os.CopyFS(clean, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	for round := range 200 {
		rng := rand.New(rand.NewPCG(1, uint64(round)))
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(dir, os.DirFS(clean)); err != nil {
			t.Fatal(err)
		}
		path := segs[rng.IntN(len(segs))]
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := rng.IntN(len(b))
		length := min(1+rng.IntN(200), len(b)-at)
		for i := range length {
			b[at+i] ^= byte(1 + rng.IntN(255))
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		// Frames are over 140 bytes long.
		checkDamaged(t, fmt.Sprintf("round %d: %s at %d, %d bytes", round, filepath.Base(path), at, length), dir, all, 2+length/140)
	}
}

func checkDamaged(t *testing.T, what, dir string, all, mayLose int) {
	t.Helper()
	var log strings.Builder
	l := open(t, spool.Config{Dir: dir, Log: textLog(&log)})
	put(t, l, record(all))
	l.Seal()
	got := drain(t, reader(t, l, "a"))
	next := 0
	for _, r := range got {
		n, ok := isRecord(r)
		if !ok || n < next {
			t.Fatalf("%s: record %s after %d", what, r.Data, next-1)
		}
		next = n + 1
	}
	if next != all+1 || len(got) < all+1-mayLose {
		t.Fatalf("%s: %d records up to %d", what, len(got), next-1)
	}
	if len(got) < all+1 && log.Len() == 0 {
		t.Fatalf("%s: %d records lost in silence", what, all+1-len(got))
	}
	_ = l.Close()
}

// A crash of the machine may take the end of the log while positions and marks
// survive: numbers that were given before must not be given again.
func TestLostTailIsNotNumberedAgain(t *testing.T) {
	src := t.TempDir()
	l := open(t, spool.Config{Dir: src, SyncEvery: 1})
	for i := range 5 {
		put(t, l, record(i))
	}
	size := l.Stats().Bytes
	for i := range 5 {
		put(t, l, record(5+i))
	}
	b, err := reader(t, l, "a").Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	old := b.Records[0].Origin.Log
	dir := filepath.Join(t.TempDir(), "log")
	if err := os.CopyFS(dir, os.DirFS(src)); err != nil {
		t.Fatal(err)
	}
	segs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	if err := os.Truncate(segs[0], size); err != nil {
		t.Fatal(err)
	}
	l = open(t, spool.Config{Dir: dir, KeepBytes: 1 << 20})
	put(t, l, record(99))
	l.Seal()
	got := drain(t, reader(t, l, "a"))
	if len(got) != 1 || got[0].Origin.Seq != 11 || got[0].Origin.Log == old {
		t.Errorf("after the loss: %d records, first %v; log before %s", len(got), got[0].Origin, old)
	}
	if got := drain(t, reader(t, l, "b")); len(got) != 6 {
		t.Errorf("a new reader has %d records, want 6", len(got))
	}
}

// A segment that someone removed is counted, and reading goes on behind it.
func TestRemovedSegment(t *testing.T) {
	dir := t.TempDir()
	reg := prometheus.NewRegistry()
	l := open(t, spool.Config{Dir: dir, SegmentBytes: 4 << 10, Registerer: reg})
	for i := range 100 {
		put(t, l, record(i))
	}
	segs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	if err := os.Remove(segs[1]); err != nil {
		t.Fatal(err)
	}
	l.Seal()
	got := drain(t, reader(t, l, "a"))
	lost := metric(t, reg, "records_dropped_total", "missing")
	if lost == 0 || len(got)+int(lost) != 100 {
		t.Errorf("%d records and %v lost, want 100", len(got), lost)
	}
}

func TestSealWakesReaders(t *testing.T) {
	l := open(t, spool.Config{Dir: t.TempDir()})
	r := reader(t, l, "a")
	got := make(chan error)
	go func() {
		_, err := r.Next(t.Context())
		got <- err
	}()
	l.Seal()
	if err := <-got; !errors.Is(err, io.EOF) {
		t.Errorf("Next = %v, want io.EOF", err)
	}
}
