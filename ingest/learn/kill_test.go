package learn_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/ingest"
	"harken/ingest/learn"
	"harken/internal/store/sqlite"
	"harken/inventory"
)

const (
	killDir     = "HARKEN_TEST_KILL_DIR" // set: this process is the learner to be killed
	killRecords = 4000
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A cursorSource makes records from their numbers and keeps how far it was
// acknowledged in a file, as a log does.
type cursorSource struct {
	path string
	at   int64
}

func (s *cursorSource) Next(ctx context.Context) (ingest.Batch, error) {
	if s.at >= killRecords {
		<-ctx.Done()
		return ingest.Batch{}, ctx.Err()
	}
	b := ingest.Batch{Partition: "p"}
	for range 40 {
		s.at++
		r := rand.New(rand.NewPCG(uint64(s.at), 5))
		x := random(r, 1)[0]
		if r.IntN(2) == 0 { // look-alikes, a few hundred of them
			x = vendor(opaque(r.IntN(300)), `{"mail":"jo@example.com","n":[1]}`)
		}
		b.Records = append(b.Records, x.record(s.at))
	}
	end := s.at
	b.Ack = func(context.Context) error {
		if err := os.WriteFile(s.path+".new", fmt.Append(nil, end), 0o600); err != nil {
			return err
		}
		if err := os.Rename(s.path+".new", s.path); err != nil {
			return err
		}
		_, err := fmt.Println(end)
		return err
	}
	return b, ctx.Err()
}

// victim learns everything that was not acknowledged.
func victim(dir string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	db, err := sqlite.Open(ctx, filepath.Join(dir, "h.db"))
	if err != nil {
		return err
	}
	src := &cursorSource{path: filepath.Join(dir, "cursor")}
	if b, err := os.ReadFile(src.path); err == nil {
		if src.at, err = strconv.ParseInt(string(b), 10, 64); err != nil {
			return err
		}
	}
	l, err := learn.New(learn.Config{Source: src, Stores: db, FlushRecords: 70, MergeEvery: 8 * time.Millisecond})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	if err := l.WaitFor(ctx, mark, killRecords); err != nil {
		return err
	}
	for due := []inventory.CollectionKey{{}}; len(due) > 0; {
		if due, err = db.MergeDue(ctx); err != nil {
			return err
		}
	}
	cancel()
	return errors.Join(<-done, db.Close())
}

// opaque makes a name that is no word and no number.
func opaque(n int) string {
	const letters = "bcdfghjklmnpqrstvwxz"
	return string([]byte{letters[n%20], letters[n/20%20], 'q', letters[n/400%20], 'z', 'x'})
}

// killTimes is how often a learner is killed; less where everything is slower.
func killTimes() int64 {
	if raceEnabled {
		return 15
	}
	return 100
}

// TestKill kills a learner at random moments of flush and merge: what is learned
// in the end is what an undisturbed one learns.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	want := killed(t, nil)
	killTimes := killTimes()
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	var at []int64
	for i := range killTimes {
		at = append(at, i*(killRecords-40)/killTimes+r.Int64N(killRecords/killTimes))
	}
	if d := cmp.Diff(want, killed(t, at)); d != "" {
		t.Errorf("killed at %v, another inventory (-undisturbed +killed):\n%s", at, d)
	}
}

// killed learns in processes that are killed a moment after the numbers of at
// were acknowledged, and in a last one that is not; it returns what is stored.
func killed(t *testing.T, at []int64) []whole {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i <= len(at); i++ {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), killDir+"="+dir)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			n, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if i < len(at) && n >= at[i] {
				time.Sleep(time.Duration(rand.Int64N(int64(4 * time.Millisecond))))
				_ = cmd.Process.Kill() // SIGKILL
				break
			}
		}
		for lines.Scan() { // what was still in the pipe
			continue
		}
		if err := cmd.Wait(); i == len(at) && err != nil {
			t.Fatalf("the last run: %v: %s", err, stderr.String())
		}
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "h.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	marks, err := db.Marks(t.Context())
	if err != nil || marks[mark] != killRecords {
		t.Errorf("marks = %v, %v; want %d", marks, err, killRecords)
	}
	return wholeOf(t, db)
}
