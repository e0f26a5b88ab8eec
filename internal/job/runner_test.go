package job_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"harken/internal/job"
)

// memory is a job.Store.
type memory struct {
	mu   sync.Mutex
	jobs []job.Job
	fail error // of TakeJob and EndJob
}

var _ job.Store = (*memory)(nil)

func (m *memory) AddJob(_ context.Context, j job.Job) (job.Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.jobs {
		if o.State == job.Queued && o.Account == j.Account && o.Kind == j.Kind && bytes.Equal(o.Args, j.Args) {
			return o, nil
		}
	}
	j.ID = int64(len(m.jobs) + 1)
	m.jobs = append(m.jobs, j)
	return j, nil
}

func (m *memory) TakeJob(_ context.Context, at int64) (job.Job, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return job.Job{}, false, m.fail
	}
	for i := range m.jobs {
		j := &m.jobs[i]
		busy := func(o job.Job) bool { return o.State == job.Running && o.Account == j.Account && o.Kind == j.Kind }
		if j.State == job.Queued && !slices.ContainsFunc(m.jobs, busy) {
			j.State, j.Started = job.Running, at
			j.Tries++
			return *j, true, nil
		}
	}
	return job.Job{}, false, nil
}

func (m *memory) EndJob(_ context.Context, id int64, state job.State, at int64, text string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	j := &m.jobs[id-1]
	switch {
	case m.fail != nil:
		return m.fail
	case j.State != job.Running:
		return errors.New("not running")
	case state == job.Queued:
		j.State, j.Started = state, 0
		j.Tries--
	default:
		j.State, j.Finished, j.Error = state, at, text
	}
	return nil
}

func (m *memory) RecoverJobs(_ context.Context, tries int, at int64, text string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.jobs {
		switch j := &m.jobs[i]; {
		case j.State != job.Running:
		case j.Tries >= tries:
			j.State, j.Finished, j.Error = job.Failed, at, text
		default:
			j.State = job.Queued
		}
	}
	return nil
}

func (m *memory) PruneJobs(context.Context, int64) error { return nil }

func (m *memory) Job(_ context.Context, _ int32, id int64) (job.Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.jobs[id-1], nil
}

func (m *memory) Jobs(context.Context, job.Filter, int, int) ([]job.Job, int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(slices.Values(m.jobs), func(a, b job.Job) int { return cmp.Compare(b.ID, a.ID) }), len(m.jobs), nil
}

func (m *memory) breakBy(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// begin runs a Runner until the test ends, or stop is called, which waits for it.
func begin(t *testing.T, cfg job.Config) (r *job.Runner, stop func()) {
	t.Helper()
	r, err := job.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(stop)
	return r, stop
}

func start(t *testing.T, r *job.Runner, account int32, kind string, args any) job.Job {
	t.Helper()
	j, err := r.Start(t.Context(), account, kind, args)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func wait(t *testing.T, r *job.Runner, j job.Job, want job.State) job.Job {
	t.Helper()
	got, err := r.Wait(t.Context(), j.Account, j.ID)
	if err != nil || got.State != want {
		t.Fatalf("job %d: %s (%s), %v, want %s", j.ID, got.State, got.Error, err, want)
	}
	return got
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		var failed []string
		var got string
		r, stop := begin(t, job.Config{
			Store: &memory{}, Workers: 1, Registerer: reg,
			OnFailure: func(_ context.Context, j job.Job) { failed = append(failed, j.Kind+": "+j.Error) },
			Kinds: map[string]job.Func{
				"ok": func(_ context.Context, account int32, args json.RawMessage) error {
					if account != 7 {
						return errors.New("other account")
					}
					got = string(args)
					return nil
				},
				"bad":   func(context.Context, int32, json.RawMessage) error { return errors.New(strings.Repeat("x", 2000)) },
				"panic": func(context.Context, int32, json.RawMessage) error { panic("boom") },
				"slow": func(ctx context.Context, _ int32, _ json.RawMessage) error {
					<-ctx.Done()
					return ctx.Err()
				},
			},
		})
		ok := start(t, r, 7, "ok", map[string]int{"a": 1})
		bad, pan, slow := start(t, r, 7, "bad", nil), start(t, r, 7, "panic", nil), start(t, r, 7, "slow", nil)
		wait(t, r, ok, job.Succeeded)
		if got != `{"a":1}` {
			t.Errorf("args = %s", got)
		}
		if j := wait(t, r, bad, job.Failed); len(j.Error) != 1000 {
			t.Errorf("error of %d bytes is kept", len(j.Error))
		}
		if j := wait(t, r, pan, job.Failed); j.Error != "panic: boom" {
			t.Errorf("error %q", j.Error)
		}
		if j := wait(t, r, slow, job.Failed); !strings.Contains(j.Error, "not done after 1h0m0s") || j.Finished-j.Started != 3600 {
			t.Errorf("job %+v", j)
		}
		if _, err := r.Start(t.Context(), 7, "other", nil); err == nil {
			t.Error("a kind that does not exist was started")
		}
		stop()
		if len(failed) != 3 {
			t.Errorf("OnFailure was told of %d jobs", len(failed))
		}
		if n, err := testutil.GatherAndCount(reg, "jobs_ended_total"); err != nil || n != 4 {
			t.Errorf("jobs_ended_total has %d series, %v", n, err)
		}
	})
}

// A start while the same job runs has it run once more, however many starts those
// are; one with other args is a job of its own; never do two of a kind run at once.
func TestCoalesce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var ran []string
		running, most := 0, 0
		release := make(chan struct{})
		r, _ := begin(t, job.Config{Store: &memory{}, Workers: 8, Kinds: map[string]job.Func{
			"k": func(_ context.Context, _ int32, args json.RawMessage) error {
				mu.Lock()
				ran = append(ran, string(args))
				running++
				most = max(most, running)
				mu.Unlock()
				<-release
				mu.Lock()
				defer mu.Unlock()
				running--
				return nil
			},
		}})
		first := start(t, r, 1, "k", nil)
		synctest.Wait()
		again := start(t, r, 1, "k", nil)
		if again.ID == first.ID {
			t.Error("a running job was taken for one that waits")
		}
		for range 100 {
			if j := start(t, r, 1, "k", nil); j.ID != again.ID {
				t.Fatalf("job %d, want the waiting one, %d", j.ID, again.ID)
			}
		}
		other := start(t, r, 1, "k", "x")
		close(release)
		wait(t, r, first, job.Succeeded)
		wait(t, r, again, job.Succeeded)
		wait(t, r, other, job.Succeeded)
		if want := []string{"", "", `"x"`}; !slices.Equal(ran, want) || most != 1 {
			t.Errorf("ran %q, %d at once, want %q one by one", ran, most, want)
		}
	})
}

// Accounts and kinds do not wait for each other, within the number of workers.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		f := func(context.Context, int32, json.RawMessage) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		}
		r, _ := begin(t, job.Config{Store: &memory{}, Workers: 3, Kinds: map[string]job.Func{"a": f, "b": f}})
		var all []job.Job
		for account := range int32(4) {
			all = append(all, start(t, r, account, "a", nil), start(t, r, account, "b", nil))
		}
		for _, j := range all {
			wait(t, r, j, job.Succeeded)
		}
		if most != 3 {
			t.Errorf("%d at once, want 3", most)
		}
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		sleep := func(ctx context.Context, _ int32, args json.RawMessage) error {
			d, err := time.ParseDuration(strings.Trim(string(args), `"`))
			if err != nil {
				return err
			}
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		cfg := job.Config{Store: m, Kinds: map[string]job.Func{"a": sleep, "b": sleep}}
		r, stop := begin(t, cfg)
		short, long := start(t, r, 1, "a", "2s"), start(t, r, 1, "b", "1m")
		synctest.Wait()
		waiting := start(t, r, 1, "a", "1ms")
		at := time.Now()
		stop()
		if d := time.Since(at); d != job.DefaultGrace {
			t.Errorf("draining took %s", d)
		}
		f := func(j job.Job, want job.State, tries int) {
			t.Helper()
			if got, _ := m.Job(t.Context(), 1, j.ID); got.State != want || got.Tries != tries {
				t.Errorf("job %d is %s after %d tries, want %s after %d", j.ID, got.State, got.Tries, want, tries)
			}
		}
		f(short, job.Succeeded, 1)
		f(long, job.Queued, 0)
		f(waiting, job.Queued, 0)

		// The next process goes on.
		r, _ = begin(t, cfg)
		wait(t, r, waiting, job.Succeeded)
		wait(t, r, long, job.Succeeded)
	})
}

// What was running when the process died runs again, but not for ever.
func TestRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{jobs: []job.Job{
			{ID: 1, Account: 1, Kind: "k", State: job.Running, Tries: 1},
			{ID: 2, Account: 1, Kind: "k", State: job.Running, Tries: 3},
			{ID: 3, Account: 1, Kind: "of another version", State: job.Queued},
		}}
		r, _ := begin(t, job.Config{Store: m, Kinds: map[string]job.Func{"k": func(context.Context, int32, json.RawMessage) error { return nil }}})
		wait(t, r, job.Job{ID: 1, Account: 1}, job.Succeeded)
		if j := wait(t, r, job.Job{ID: 2, Account: 1}, job.Failed); !strings.Contains(j.Error, "3 times") {
			t.Errorf("error %q", j.Error)
		}
		if j := wait(t, r, job.Job{ID: 3, Account: 1}, job.Failed); !strings.Contains(j.Error, "another version") {
			t.Errorf("error %q", j.Error)
		}
	})
}

// A store that fails for a while keeps jobs waiting and loses none.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		runs := 0
		r, _ := begin(t, job.Config{Store: m, Workers: 1, Kinds: map[string]job.Func{"k": func(context.Context, int32, json.RawMessage) error {
			runs++
			m.breakBy(errors.New("disk full"))
			return nil
		}}})
		m.breakBy(errors.New("disk full"))
		j := start(t, r, 1, "k", nil)
		time.Sleep(10 * time.Second)
		m.breakBy(nil)
		time.Sleep(10 * time.Second)
		m.breakBy(nil)
		wait(t, r, j, job.Succeeded)
		if runs != 1 {
			t.Errorf("ran %d times", runs)
		}
	})
}

func TestNew(t *testing.T) {
	for _, cfg := range []job.Config{{}, {Store: &memory{}, Workers: -1}, {Store: &memory{}, Grace: -1}} {
		if _, err := job.New(cfg); err == nil {
			t.Errorf("New(%+v) is accepted", cfg)
		}
	}
}

// Many starts from many goroutines: every one is followed by a whole run.
func TestNothingMissed(t *testing.T) {
	var mu sync.Mutex
	wanted, done := map[int32]int{}, map[int32]int{}
	r, _ := begin(t, job.Config{Store: &memory{}, Workers: 4, Kinds: map[string]job.Func{"k": func(_ context.Context, account int32, _ json.RawMessage) error {
		mu.Lock()
		defer mu.Unlock()
		done[account] = wanted[account]
		return nil
	}}})
	var wg sync.WaitGroup
	for g := range int32(8) {
		wg.Go(func() {
			for range 50 {
				account := g % 3
				mu.Lock()
				wanted[account]++
				mu.Unlock()
				j, err := r.Start(t.Context(), account, "k", nil)
				if err == nil {
					_, err = r.Wait(t.Context(), account, j.ID)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for account, n := range wanted {
		if done[account] != n {
			t.Errorf("account %d: %d of %d starts were followed by a run", account, done[account], n)
		}
	}
}
