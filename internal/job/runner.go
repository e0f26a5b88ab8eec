package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Defaults of Config.
const (
	DefaultWorkers = 2
	DefaultTimeout = time.Hour
	DefaultGrace   = 5 * time.Second
	DefaultKeep    = 30 * 24 * time.Hour
)

const (
	maxTries   = 3           // a job that ended the process that often is not tried again
	maxError   = 1000        // bytes of Job.Error
	storeRetry = time.Second // between tries of a store that fails
	pruneEvery = time.Hour
)

// A Config says what a Runner runs. Zero values of numbers mean the defaults above.
type Config struct {
	Store Store
	Kinds map[string]Func
	// OnFailure, unless nil, is told of every job that failed, by the goroutine that
	// ran it.
	OnFailure func(ctx context.Context, j Job)

	Workers int           // jobs that run at the same time
	Timeout time.Duration // of one job
	Grace   time.Duration // that running jobs have when the process stops
	Keep    time.Duration // for which finished jobs are kept

	Log        *slog.Logger // nil discards
	Registerer prometheus.Registerer
	Now        func() time.Time
}

// A Runner runs jobs. It is safe for concurrent use.
type Runner struct {
	cfg     Config
	wake    chan struct{}
	ended   *prometheus.CounterVec
	seconds *prometheus.HistogramVec

	mu   sync.Mutex
	turn chan struct{} // closed and replaced whenever a job ends
}

// errStopping is why jobs are cut off at the end of the process.
var errStopping = errors.New("the process stops")

// New checks cfg and returns a Runner. It starts nothing.
func New(cfg Config) (*Runner, error) {
	if cfg.Store == nil {
		return nil, errors.New("job: Config needs a Store")
	}
	if cfg.Workers < 0 || cfg.Timeout < 0 || cfg.Grace < 0 || cfg.Keep < 0 {
		return nil, errors.New("job: a number of Config is negative")
	}
	cfg.Kinds = maps.Clone(cfg.Kinds)
	if cfg.Workers == 0 {
		cfg.Workers = DefaultWorkers
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Grace == 0 {
		cfg.Grace = DefaultGrace
	}
	if cfg.Keep == 0 {
		cfg.Keep = DefaultKeep
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Runner{
		cfg: cfg, wake: make(chan struct{}, cfg.Workers), turn: make(chan struct{}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jobs_ended_total", Help: "Background jobs that ended, by kind and result.",
		}, []string{"kind", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "job_seconds", Help: "Time that background jobs took, by kind.", Buckets: prometheus.ExponentialBuckets(0.01, 4, 9),
		}, []string{"kind"}),
	}
	if cfg.Registerer != nil {
		if err := errors.Join(cfg.Registerer.Register(r.ended), cfg.Registerer.Register(r.seconds)); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return r, nil
}

// Start has a job of a kind run for an account, with args, whose JSON it gets (nil
// is none), and returns it once it is stored. A job that waits already and is the
// same is returned in its place; one that runs already does not count, for it may
// have passed what the caller changed. Jobs of one kind and account run one after
// the other.
func (r *Runner) Start(ctx context.Context, account int32, kind string, args any) (Job, error) {
	if r.cfg.Kinds[kind] == nil {
		return Job{}, fmt.Errorf("job %q: there is no such kind", kind)
	}
	j := Job{Account: account, Kind: kind, State: Queued, Queued: r.cfg.Now().Unix()}
	if args != nil {
		b, err := json.Marshal(args)
		if err != nil {
			return Job{}, fmt.Errorf("job %q: %w", kind, err)
		}
		j.Args = b
	}
	j, err := r.cfg.Store.AddJob(ctx, j)
	if err != nil {
		return Job{}, fmt.Errorf("job %q: %w", kind, err)
	}
	select {
	case r.wake <- struct{}{}:
	default: // all workers are to wake already
	}
	return j, nil
}

// Wait returns a job once it is finished, or the error of ctx. It sees jobs that
// this Runner ends.
func (r *Runner) Wait(ctx context.Context, account int32, id int64) (Job, error) {
	for {
		r.mu.Lock()
		turn := r.turn
		r.mu.Unlock()
		j, err := r.cfg.Store.Job(ctx, account, id)
		if err != nil || j.State.Finished() {
			return j, err
		}
		select {
		case <-turn:
		case <-ctx.Done():
			return j, ctx.Err()
		}
	}
}

// Run runs jobs until ctx is done: first those that a former process left open.
// Then no further job is begun, and those that run have Config.Grace to end; what
// is cut off stays open and runs again after the next start. Run is called once.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.recover(ctx); err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // stopped before it began
		}
		return fmt.Errorf("recover jobs: %w", err)
	}
	work, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	var wg sync.WaitGroup
	for range r.cfg.Workers {
		wg.Go(func() { r.worker(ctx, work) })
	}
	wg.Go(func() { r.prune(ctx) })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		wg.Wait()
	}()
	<-ctx.Done()
	grace := time.NewTimer(r.cfg.Grace)
	defer grace.Stop()
	select {
	case <-ended:
	case <-grace.C:
		cut(errStopping)
		<-ended
	}
	return nil
}

func (r *Runner) recover(ctx context.Context) error {
	return r.cfg.Store.RecoverJobs(ctx, maxTries, r.cfg.Now().Unix(), fmt.Sprintf("the process ended %d times while it ran", maxTries))
}

// worker takes jobs until ctx is done. work is the context of the jobs themselves.
func (r *Runner) worker(ctx, work context.Context) {
	for ctx.Err() == nil {
		j, ok, err := r.cfg.Store.TakeJob(ctx, r.cfg.Now().Unix())
		switch {
		case ok:
			r.work(work, &j)
		case err != nil && ctx.Err() == nil:
			r.cfg.Log.ErrorContext(ctx, "no job taken", "err", err)
			pause(ctx, storeRetry)
		default:
			select {
			case <-r.wake:
			case <-ctx.Done():
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// work runs one job and stores how it ended.
func (r *Runner) work(ctx context.Context, j *Job) {
	log := r.cfg.Log.With("job", j.ID, "kind", j.Kind, "account", j.Account)
	begin := r.cfg.Now()
	err := r.call(ctx, j, log)
	kind := j.Kind
	if r.cfg.Kinds[kind] == nil {
		kind = "unknown" // names of another version are no fixed set
	}
	r.seconds.WithLabelValues(kind).Observe(r.cfg.Now().Sub(begin).Seconds())
	switch {
	case err == nil:
		j.State = Succeeded
	case ctx.Err() != nil:
		j.State = Queued
		log.WarnContext(ctx, "job cut off, it runs again at the next start", "err", err)
	default:
		j.State, j.Error = Failed, clip(err.Error())
		log.ErrorContext(ctx, "job failed", "err", err)
	}
	r.ended.WithLabelValues(kind, strings.ToLower(string(j.State))).Inc()
	j.Finished = r.cfg.Now().Unix()
	r.end(context.WithoutCancel(ctx), j, log, ctx.Done())
	if j.State == Failed && r.cfg.OnFailure != nil {
		r.cfg.OnFailure(ctx, *j)
	}
}

// end stores how a job ended, trying until the process stops: a job that stayed
// Running would keep all others of its kind waiting.
func (r *Runner) end(ctx context.Context, j *Job, log *slog.Logger, stop <-chan struct{}) {
	defer r.next()
	for {
		err := r.cfg.Store.EndJob(ctx, j.ID, j.State, j.Finished, j.Error)
		if err == nil {
			return
		}
		log.ErrorContext(ctx, "end of job not stored", "err", err)
		t := time.NewTimer(storeRetry)
		select {
		case <-t.C:
		case <-stop:
			t.Stop()
			return
		}
	}
}

// next tells those who Wait that a job ended.
func (r *Runner) next() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.turn)
	r.turn = make(chan struct{})
}

// call runs the function of a job. A panic fails that job and no other.
func (r *Runner) call(ctx context.Context, j *Job, log *slog.Logger) (err error) {
	defer func() {
		if v := recover(); v != nil {
			log.ErrorContext(ctx, "job panicked", "value", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	f := r.cfg.Kinds[j.Kind]
	if f == nil {
		return fmt.Errorf("this version knows no job of kind %q", j.Kind)
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	if err := f(ctx, j.Account, j.Args); err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("not done after %s: %w", r.cfg.Timeout, err)
		}
		return err
	}
	return nil
}

func clip(s string) string {
	if len(s) > maxError {
		s = s[:maxError]
	}
	return strings.ToValidUTF8(s, "")
}

// prune removes old finished jobs now and then.
func (r *Runner) prune(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.cfg.Store.PruneJobs(ctx, r.cfg.Now().Add(-r.cfg.Keep).Unix()); err != nil && ctx.Err() == nil {
			r.cfg.Log.ErrorContext(ctx, "old jobs not removed", "err", err)
		}
		pause(ctx, pruneEvery)
	}
}
