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
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/ingest"
	"harken/ingest/learn"
	"harken/ingest/spool"
	"harken/internal/store/sqlite"
	"harken/inventory"
)

const (
	killDir     = "HARKEN_TEST_KILL_DIR"  // set: this process is the learner to be killed
	killUpTo    = "HARKEN_TEST_KILL_UPTO" // the record with which it ends, or waits to be killed
	killRecords = 2000
	killChains  = 4
	killsEach   = 25
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

// places are words under which look-alikes come one after the other, so that
// templates are made and URLs absorbed all the time.
var places = strings.Fields(`vendors shops roads rivers cities streets houses gardens trees flowers
	birds animals engines wheels bridges boats trains planes tables chairs`)

// numbered is the record with a number.
func numbered(n int64) *ingest.Record {
	r := rand.New(rand.NewPCG(uint64(n), 5))
	x := random(r, 1)[0]
	if r.IntN(2) == 0 {
		x = get("https://api.shop.com/" + places[int(n)*len(places)/(killRecords+1)] + "/" + opaque(r.IntN(60)) + "/stats")
		x.responseType, x.response = "application/json", `{"mail":"jo@example.com","n":[1]}`
	}
	rec := x.record(n)
	rec.Origin = ingest.Origin{}
	return rec
}

// A teller says on standard output what is being done: the moments at which a
// process is killed.
type teller struct{ inventory.Stores }

func (s teller) Full(account int32) inventory.FullStore {
	return tellerAccount{s.Stores.Full(account)}
}

func (s teller) Apply(ctx context.Context, u *inventory.Update) error {
	fmt.Println("apply")
	return s.Stores.Apply(ctx, u)
}

type tellerAccount struct{ inventory.FullStore }

func (s tellerAccount) Absorb(ctx context.Context, a inventory.Absorption) error {
	fmt.Println("absorb")
	return s.FullStore.Absorb(ctx, a)
}

func (s tellerAccount) PutTemplateState(ctx context.Context, id int32, t inventory.TemplateState) (int64, error) {
	fmt.Println("state")
	return s.FullStore.PutTemplateState(ctx, id, t)
}

// A tellingSource says how far a log was acknowledged, and calls all at the end.
type tellingSource struct {
	*spool.Reader
	all func()
}

func (s tellingSource) Next(ctx context.Context) (ingest.Batch, error) {
	b, err := s.Reader.Next(ctx)
	if ack := b.Ack; ack != nil {
		b.Ack = func(ctx context.Context) error {
			err := ack(ctx)
			fmt.Println("acked", s.Acked())
			if s.Acked() >= killRecords {
				s.all()
			}
			return err
		}
	}
	return b, err
}

// victim records the rest of the records into a log, and learns them from there.
func victim(dir string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	db, err := sqlite.Open(ctx, filepath.Join(dir, "h.db"))
	if err != nil {
		return err
	}
	log, err := spool.Open(spool.Config{Dir: filepath.Join(dir, "log"), BatchRecords: 20})
	if err != nil {
		return err
	}
	reader, err := log.Reader("learner")
	if err != nil {
		return err
	}
	all := make(chan struct{})
	src := tellingSource{reader, sync.OnceFunc(func() { close(all) })}
	if reader.Acked() >= killRecords {
		src.all()
	}
	l, err := learn.New(learn.Config{Source: src, Stores: teller{db}, FlushRecords: 40, FlushEvery: 5 * time.Millisecond, MergeEvery: 4 * time.Millisecond})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	upTo, err := strconv.ParseInt(os.Getenv(killUpTo), 10, 64)
	if err != nil {
		return err
	}
	for n := log.Stats().Last + 1; n <= upTo; n++ {
		if err := log.Put(ctx, numbered(n)); err != nil {
			return err
		}
	}
	<-all
	for due := []inventory.CollectionKey{{}}; len(due) > 0; {
		if due, err = db.MergeDue(ctx); err != nil {
			return err
		}
	}
	cancel()
	return errors.Join(<-done, reader.Close(), log.Close(), db.Close())
}

// opaque makes a name that is no word and no number.
func opaque(n int) string {
	const letters = "bcdfghjklmnpqrstvwxz"
	return string([]byte{letters[n%20], letters[n/20%20], 'q', letters[n/400%20], 'z', 'x'})
}

// TestKill kills learners a hundred times, at random moments of an update, a look
// for look-alikes, an absorption or an acknowledgment: what is learned in the end
// is what an undisturbed one learns. The learners are child processes with a store
// and a log on disk; these have no race detector, which takes nine tenths of the
// time.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if raceEnabled {
		program = filepath.Join(t.TempDir(), "victim")
		if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, ".").CombinedOutput(); err != nil {
			t.Fatalf("go test -c: %v: %s", err, out)
		}
	}
	want := killed(t, program, 0)
	var merged bool
	for _, w := range want {
		merged = merged || w.URL == "/"+places[0]+"/STRING/stats"
	}
	if !merged {
		t.Error("the undisturbed learner merged nothing")
	}
	for range killChains {
		t.Run("chain", func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(want, killed(t, program, killsEach)); d != "" {
				t.Errorf("another inventory (-undisturbed +killed):\n%s", d)
			}
		})
	}
}

// killed learns in processes that are killed, and in a last one that is not; it
// returns what is stored.
func killed(t *testing.T, program string, kills int) []whole {
	t.Helper()
	dir := t.TempDir()
	moments := map[string]int{}
	for i := 0; i <= kills; {
		cmd := exec.CommandContext(t.Context(), program)
		upTo := (i + 1) * killRecords / (kills + 1)
		cmd.Env = append(os.Environ(), killDir+"="+dir, killUpTo+"="+strconv.Itoa(upTo))
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := func() { _ = cmd.Process.Kill() } // SIGKILL
		killing, armed, moment, skip := false, false, []string{"apply", "absorb", "state", "acked"}[i%4], rand.IntN(3)
		lines := bufio.NewScanner(out)
		for i < kills && !killing && lines.Scan() {
			what, n, _ := strings.Cut(lines.Text(), " ")
			if what == moment {
				skip--
			}
			if what == moment && (skip < 0 || armed) {
				if killing = true; rand.IntN(2) == 0 {
					time.Sleep(rand.N(2 * time.Millisecond))
				}
				kill()
				moments[what]++
			} else if n == strconv.Itoa(upTo) { // look-alikes may still be looked for
				armed = true
				time.AfterFunc(rand.N(60*time.Millisecond), kill)
			}
		}
		if armed && !killing {
			killing = true
			moments["later"]++
		}
		for lines.Scan() { // what was still in the pipe
			continue
		}
		if err := cmd.Wait(); killing == (err == nil) {
			t.Fatalf("process %d: killed: %v, ended with %v: %s", i, killing, err, stderr.String())
		}
		i++
	}
	t.Logf("%d kills at %v", kills, moments)
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "h.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return wholeOf(t, db)
}
