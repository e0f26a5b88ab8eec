// Package learn is the learner: it takes records from a source, drops those that
// do not count, merges what the others teach into observations of endpoints, and
// hands these to a store together with how far each log was read, so that every
// record counts exactly once. It follows the settings and definitions of accounts,
// and has look-alike paths merged. It does not know how records travel or how a
// store keeps things; which paths look alike is decided by pathtmpl.
package learn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"harken/ingest"
	"harken/inventory"
)

// The defaults of Config.
const (
	DefaultFlushEvery   = 500 * time.Millisecond
	DefaultFlushRecords = 32 << 10
	DefaultCacheBytes   = 72 << 20
	DefaultReloadEvery  = 2 * time.Second
	DefaultMergeEvery   = 3 * time.Second
	DefaultCompactEvery = time.Hour
	DefaultRegroupEvery = 2 * time.Second
)

// finalFlush is how long the last flush may take after the context is done.
const finalFlush = 5 * time.Second

// A Config says where a Learner takes records and where it puts what it learned.
type Config struct {
	Source ingest.Source
	Stores inventory.Stores

	Log        *slog.Logger          // nil discards
	Now        func() time.Time      // nil is time.Now
	Registerer prometheus.Registerer // nil keeps the metrics to itself

	// CacheBytes bounds, approximately, what is kept in memory: known paths of
	// the collections in use, observations not stored yet. Zero is
	// DefaultCacheBytes.
	CacheBytes int64
	// FlushEvery is how long a record waits at most before it is stored, 5 s at
	// most; zero is DefaultFlushEvery. FlushRecords is how many records are
	// stored in one update at most; zero is DefaultFlushRecords.
	FlushEvery   time.Duration
	FlushRecords int

	// ReloadEvery is how long settings are believed, 10 s at most; zero is
	// DefaultReloadEvery. See Reload.
	ReloadEvery time.Duration
	// MergeEvery is how long after an update with new static URLs look-alikes are
	// looked for, 10 s at most; zero is DefaultMergeEvery.
	MergeEvery time.Duration
	// CompactEvery is how often the store is asked to remove what the settings keep
	// no longer, the first time after a sixth of it; zero is DefaultCompactEvery.
	CompactEvery time.Duration
	// RegroupEvery is how often the store is asked to settle who is in groups that
	// were edited, which nearly always is nothing; zero is DefaultRegroupEvery.
	RegroupEvery time.Duration
	// NoWords learns without the list of English words: for measuring what that is
	// worth.
	NoWords bool
}

// A Learner learns from one source until its context is done.
type Learner struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics

	// Of the goroutine of Run.
	accounts accounts
	work     worker
	waiting  *pending
	now      *aggregate    // the part of waiting that takes the record
	passed   time.Time     // when look-alikes were looked for last
	aloft    *flight       // the update that is on its way to the store
	landed   chan *landing // its outcome
	budget   int           // the work that one update may make; see adapt
	next     func()        // starts the update that follows it, if that is made already
	outboxes [2]outbox     // of both
	turn     int           // which outbox was used last
	pool     buffers
	panics   int
	configs  map[int32]*accountConfig
	dirty    []*collection             // those with mergeAt
	left     []inventory.CollectionKey // due since before Run
	relist   bool                      // left is to be read again
	jobs     []*mergeJob               // that the store is at; the goroutine of a flush has them while it flies
	slice    int                       // URLs that one transaction absorbs; as jobs

	mu      sync.Mutex
	stored  map[inventory.Mark]int64
	waiters map[*waiter]struct{}
	poke    chan struct{} // a waiter came
	stale   chan struct{} // Forget was called
	settle  chan chan struct{}
}

// New checks the configuration and makes a Learner.
func New(cfg Config) (*Learner, error) {
	switch {
	case cfg.Source == nil:
		return nil, errors.New("learn: no source")
	case cfg.Stores == nil:
		return nil, errors.New("learn: no stores")
	case cfg.FlushEvery < 0 || cfg.FlushEvery > 5*time.Second:
		return nil, fmt.Errorf("learn: flush every %s: want at most 5s", cfg.FlushEvery)
	case cfg.FlushRecords < 0:
		return nil, fmt.Errorf("learn: flush after %d records: want a positive number", cfg.FlushRecords)
	case cfg.ReloadEvery < 0 || cfg.ReloadEvery > 10*time.Second:
		return nil, fmt.Errorf("learn: reload every %s: want at most 10s", cfg.ReloadEvery)
	case cfg.MergeEvery < 0 || cfg.MergeEvery > 10*time.Second:
		return nil, fmt.Errorf("learn: merge every %s: want at most 10s", cfg.MergeEvery)
	case cfg.CompactEvery < 0:
		return nil, fmt.Errorf("learn: compact every %s: want a positive time", cfg.CompactEvery)
	case cfg.RegroupEvery < 0:
		return nil, fmt.Errorf("learn: regroup every %s: want a positive time", cfg.RegroupEvery)
	case cfg.CacheBytes < 0:
		return nil, fmt.Errorf("learn: cache of %d bytes: want a positive number", cfg.CacheBytes)
	}
	cfg.setDefaults()
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("learn: %w", err)
	}
	return &Learner{
		cfg: cfg, log: cfg.Log, metrics: m,
		accounts: newAccounts(&cfg),
		waiting:  newPending(),
		configs:  map[int32]*accountConfig{},
		landed:   make(chan *landing, 1),
		budget:   startBudget, slice: startSlice,
		stored:  map[inventory.Mark]int64{},
		waiters: map[*waiter]struct{}{},
		poke:    make(chan struct{}, 1),
		stale:   make(chan struct{}, 1), settle: make(chan chan struct{}),
	}, nil
}

func (cfg *Config) setDefaults() {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.FlushEvery = cmp.Or(cfg.FlushEvery, DefaultFlushEvery)
	cfg.FlushRecords = cmp.Or(cfg.FlushRecords, DefaultFlushRecords)
	cfg.CacheBytes = cmp.Or(cfg.CacheBytes, DefaultCacheBytes)
	cfg.ReloadEvery = cmp.Or(cfg.ReloadEvery, DefaultReloadEvery)
	cfg.MergeEvery = cmp.Or(cfg.MergeEvery, DefaultMergeEvery)
	cfg.CompactEvery = cmp.Or(cfg.CompactEvery, DefaultCompactEvery)
	cfg.RegroupEvery = cmp.Or(cfg.RegroupEvery, DefaultRegroupEvery)
}

// Reload makes the learner read settings, definitions, collections and their
// endpoints again before it learns more, at once instead of after
// Config.ReloadEvery. It may be called from any goroutine.
func (l *Learner) Reload() { l.Forget() }

// Settle is Reload that waits: when it returns nil, what was learned before is
// stored, and everything later is learned by what the store says. It must be
// called while Run runs; the error is that of ctx.
func (l *Learner) Settle(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case l.settle <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settled stores what was learned and forgets by what; false if ctx ended first.
func (l *Learner) settled(flushCtx context.Context) bool {
	if l.landAll() != nil || l.flyAll(flushCtx) != nil {
		return false
	}
	l.expire()
	l.forgetAll()
	return true
}

// Forget makes the learner read collections and their endpoints again before it
// learns more: for what changed other than by learning, as when a collection was
// deactivated, redacted or deleted. It may be called from any goroutine.
func (l *Learner) Forget() {
	select {
	case l.stale <- struct{}{}:
	default:
	}
}

// Run learns until ctx is done, then stores what it has, waiting a few seconds at
// most, and returns nil; so it does at the end of a source that ends (io.EOF). It
// returns an error if the source fails, or if the last
// records could not be stored: they were not acknowledged and come again. An
// outage of the store is waited for. Run is called once.
func (l *Learner) Run(ctx context.Context) error {
	marks, err := l.loadMarks(ctx)
	if err != nil {
		return err
	}
	l.waiting.start(marks)
	l.mu.Lock()
	maps.Copy(l.stored, marks)
	l.mu.Unlock()
	l.notify()
	if l.left, err = l.cfg.Stores.MergeDue(ctx); err != nil {
		l.log.Warn("collections to merge cannot be listed", "err", err)
	}

	// Updates outlive ctx by a grace, so that what was read is stored.
	flushCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(finalFlush, cancel) })()

	f := fetcher{source: l.cfg.Source, batches: make(chan ingest.Batch), done: make(chan struct{})}
	fetchCtx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var fetchErr error
	wg.Go(func() { fetchErr = f.run(fetchCtx) })
	// A process that never lives long has to remove what is too old as well.
	wg.Go(func() { l.every(fetchCtx, l.cfg.CompactEvery/6, l.cfg.CompactEvery, "compact", l.compact) })
	// Groups are settled also of what a former process left.
	wg.Go(func() {
		l.every(fetchCtx, l.cfg.RegroupEvery, l.cfg.RegroupEvery, "settle groups", l.cfg.Stores.Regroup)
	})
	l.loop(ctx, flushCtx, &f)
	stop()
	wg.Wait()

	if err := l.drain(flushCtx); err != nil {
		return err
	}
	if fetchErr != nil && ctx.Err() == nil && !errors.Is(fetchErr, io.EOF) {
		return fmt.Errorf("learn: %w", fetchErr)
	}
	return nil
}

// every calls f after a time, and then again and again after another.
func (l *Learner) every(ctx context.Context, first, period time.Duration, work string, f func(context.Context) error) {
	t := time.NewTimer(first)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := f(ctx); err != nil && ctx.Err() == nil {
			l.metrics.storeErrors.Inc()
			l.log.Warn("work on the store failed", "work", work, "err", err)
		}
		t.Reset(period)
	}
}

// compact has the store remove what is too old.
func (l *Learner) compact(ctx context.Context) error {
	return l.cfg.Stores.Compact(ctx, l.cfg.Now().Unix())
}

// A fetcher calls Next in a goroutine of its own, so that time can pass while it
// blocks. It does not call Next again before the records of the last batch were
// learned, as they are valid only until then.
type fetcher struct {
	source  ingest.Source
	batches chan ingest.Batch // closed at the end
	done    chan struct{}     // the batch was learned
}

func (f *fetcher) run(ctx context.Context) error {
	defer close(f.batches)
	for {
		b, err := f.source.Next(ctx)
		if err != nil {
			return err
		}
		select {
		case f.batches <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// loop learns batches and starts flushes until ctx or the source ends.
func (l *Learner) loop(ctx, flushCtx context.Context, f *fetcher) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	merge := time.NewTicker(max(l.cfg.MergeEvery/4, time.Millisecond))
	defer merge.Stop()
	for {
		switch {
		case l.aloft != nil:
		case l.mustFly():
			l.depart(ctx, flushCtx)
		case len(l.jobs) > 0:
			l.fly(flushCtx, true)
		}
		if oldest := l.waiting.oldest(); l.aloft != nil || oldest.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(l.cfg.FlushEvery - time.Since(oldest))
		}
		select {
		case b, ok := <-f.batches:
			if !ok {
				return
			}
			select {
			case <-l.stale: // came first, though select chose the batch
				l.expire()
				l.forgetAll()
			default:
			}
			if !l.learnBatch(ctx, flushCtx, &b) {
				return
			}
			select {
			case f.done <- struct{}{}:
			case <-ctx.Done():
				return
			}
		case <-timer.C:
		case r := <-l.landed:
			l.land(r)
		case <-l.poke:
		case <-l.stale:
			l.expire()
			l.forgetAll()
		case done := <-l.settle:
			if !l.settled(flushCtx) {
				return
			}
			close(done)
		case <-merge.C:
			if l.aloft == nil && l.lookAlikes(ctx) {
				l.fly(flushCtx, true)
			}
		case <-ctx.Done():
			return
		}
	}
}

// mustFly reports whether something is to be stored now.
func (l *Learner) mustFly() bool {
	oldest := l.waiting.oldest()
	return !oldest.IsZero() && time.Since(oldest) >= l.cfg.FlushEvery || l.full() || l.awaited()
}

// depart starts the next flush. Look-alikes are looked for before, if it is time:
// the moments without a flush are rare when there is much to store.
func (l *Learner) depart(ctx, flushCtx context.Context) {
	if l.passDue() {
		l.lookAlikes(ctx)
	}
	l.fly(flushCtx, false)
}

func (l *Learner) passDue() bool { return time.Since(l.passed) >= l.cfg.MergeEvery/4 }

// lookAlikes merges look-alikes where that is due, after what was learned before;
// it reports whether there is work for the store. Nothing is on its way.
func (l *Learner) lookAlikes(ctx context.Context) bool {
	if len(l.jobs) > 0 {
		return false
	}
	l.passed = time.Now()
	l.leftDue(ctx)
	l.jobs = l.mergePass(ctx, false)
	return len(l.jobs) > 0
}

// forgetAll drops what is known of collections. It waits for the update on its
// way: what that changes must be read. What a template is still to absorb is found
// again, as the collection is due in the store.
func (l *Learner) forgetAll() {
	_ = l.landAll() // what was not stored in the end comes again, after the next start
	l.accounts.forget()
	l.waiting.trim(0)
	l.dirty, l.jobs, l.relist = nil, nil, true
}

// learnBatch learns the records of a batch, waiting for the store when there is
// more than one update may hold. It reports false when ctx ended on the way; the
// rest of the batch then comes again.
func (l *Learner) learnBatch(ctx, flushCtx context.Context, b *ingest.Batch) bool {
	start := time.Now()
	for l.late(start) {
		if !l.rotate(ctx, flushCtx) {
			return false
		}
	}
	l.waiting.batch++
	for _, r := range b.Records {
		if l.full() && !l.rotate(ctx, flushCtx) {
			return false
		}
		if !l.learnRecord(ctx, b.Partition, r) {
			return false
		}
	}
	if b.Ack != nil {
		l.waiting.acks = append(l.waiting.acks, heldAck{l.waiting.batch, b.Partition, b.Ack})
		l.waiting.waits()
	}
	l.metrics.batch.Observe(time.Since(start).Seconds())
	return true
}

// rotate starts a flush when no more can be learned before, after the one before it.
func (l *Learner) rotate(ctx, flushCtx context.Context) bool {
	if l.aloft != nil {
		l.queue(flushCtx)
		select {
		case r := <-l.landed:
			l.land(r)
		case <-ctx.Done():
			return false
		}
	}
	if l.aloft != nil {
		return true
	}
	l.depart(ctx, flushCtx)
	return true
}

// maxWait is how long anything should wait for the store: of a slow one more is not
// learned meanwhile, though there would be room.
const maxWait = 3 * time.Second

// late reports whether something waits for too long.
func (l *Learner) late(now time.Time) bool {
	oldest := l.waiting.oldest()
	return !oldest.IsZero() && now.Sub(oldest) > maxWait
}

// full reports whether something has to be stored before more is learned.
func (l *Learner) full() bool {
	if l.waiting.urgent != nil {
		return true
	}
	limit := l.cfg.CacheBytes - l.accounts.limit
	if l.waiting.held < limit {
		return false
	}
	l.waiting.trim(limit * 3 / 4)
	return l.waiting.held >= limit
}
