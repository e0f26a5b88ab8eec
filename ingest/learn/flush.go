package learn

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"harken/inventory"
)

// An update should keep the writer of the store for at most this long, so that
// writes of the API come in between.
const maxTransaction = 50 * time.Millisecond

// Bounds of the work in one update; see aggregate.work. What waits of one shard may
// be minPart in any case: much less of it would cost more a record.
const (
	startBudget = 1500
	minBudget   = 300
	maxBudget   = 10_000
	minPart     = 1500
)

const (
	firstBackoff = 50 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// A landing is the outcome of a flush.
type landing struct {
	from *flight
	took time.Duration // of the transaction
	// Endpoints that may become part of a template and whose parameters changed.
	reshaped []accountKey
	err      error // the grace after the end was over
}

// fly starts to store some of what waits, or only of what jobs wait for, and to go on
// with jobs.
func (l *Learner) fly(ctx context.Context, only bool) { l.launch(ctx, l.load(only)) }

// load makes the next update.
func (l *Learner) load(only bool) *flight {
	f := l.waiting.board(l.awaits, only, l.budget, l.cfg.FlushRecords)
	l.turn = 1 - l.turn
	f.box = &l.outboxes[l.turn]
	f.load()
	return f
}

func (l *Learner) launch(ctx context.Context, f *flight) {
	l.aloft = f
	go func() { l.landed <- l.flush(ctx, f) }() // drain waits for it
}

// queue makes the update that follows the one on its way, so that the store need not
// wait for it. Not while there are jobs, or look-alikes are to be looked for: both want
// that nothing else is on its way.
func (l *Learner) queue(ctx context.Context) {
	if l.next != nil || len(l.jobs) > 0 || l.passDue() {
		return
	}
	f := l.load(false)
	l.next = func() { l.launch(ctx, f) }
}

// land takes the outcome of a flush, and starts the one that follows, which is for
// nothing unless this one is stored.
func (l *Learner) land(r *landing) {
	l.aloft = nil
	if r.err == nil {
		l.adapt(r)
	}
	l.merged()
	next := l.next
	if l.next = nil; next != nil && r.err == nil {
		next()
	}
	l.touch(r.reshaped)
	r.from.box.empty()
	l.waiting.land(r.from, &l.pool)
}

// adapt keeps updates near maxTransaction, whatever the machine and the store.
func (l *Learner) adapt(r *landing) {
	switch {
	case r.took > maxTransaction:
		l.budget = max(minBudget, int(float64(l.budget)*0.8*float64(maxTransaction)/float64(r.took)))
	case r.took < maxTransaction/2 && r.from.work() >= l.budget/2:
		l.budget = min(maxBudget, l.budget+l.budget/4)
	}
}

// flush stores a flight and acknowledges its batches, then has some of the
// paths merged for which passes found a template.
func (l *Learner) flush(ctx context.Context, f *flight) *landing {
	start := time.Now()
	out, u := &landing{from: f}, f.update
	u.Reshaped = func(account int32, k inventory.EndpointKey) bool { // again when Apply is tried again
		if !mergeable(k) {
			return false
		}
		out.reshaped = append(out.reshaped, accountKey{account, k})
		return true
	}
	if out.took, out.err = l.apply(ctx, u); out.err != nil {
		return out
	}
	if len(f.parts) > 0 {
		l.metrics.flush.Observe(time.Since(start).Seconds())
	}
	l.mu.Lock()
	for m, seq := range u.Marks {
		l.stored[m] = max(l.stored[m], seq)
	}
	l.mu.Unlock()
	l.notify()
	for partition, ack := range f.acks {
		// A batch that is not acknowledged comes again, and its mark says that
		// it was learned: nothing is lost or doubled.
		if err := ack(ctx); err != nil && ctx.Err() == nil {
			l.log.Warn("batch not acknowledged", "partition", partition, "err", err)
		}
	}
	if err := l.absorb(ctx, out.reshaped); err != nil {
		// The grace after the end is over: the collections are still due.
		l.log.Info("paths are merged after the next start", "err", err)
	}
	return out
}

// apply tries until the store takes the update. After an error it asks the store
// whether it has the update nevertheless: an answer may be lost on its way.
func (l *Learner) apply(ctx context.Context, u *inventory.Update) (took time.Duration, err error) {
	if len(u.Accounts) == 0 && len(u.Marks) == 0 {
		return 0, nil // repeats only
	}
	delay := firstBackoff
	for tries := 1; ; tries++ {
		start := time.Now()
		err := l.cfg.Stores.Apply(ctx, u)
		if err == nil || l.isStored(ctx, u) {
			if tries > 1 {
				l.log.Info("store took the update", "tries", tries)
			}
			return time.Since(start), nil
		}
		l.metrics.storeErrors.Inc()
		if tries == 1 || delay == maxBackoff {
			l.log.Warn("store refused the update, trying again", "tries", tries, "err", err)
		}
		if !pause(ctx, delay) {
			return 0, fmt.Errorf("learn: the last records were not stored and come again: %w", err)
		}
		delay = min(2*delay, maxBackoff)
	}
}

func (l *Learner) isStored(ctx context.Context, u *inventory.Update) bool {
	if len(u.Marks) == 0 {
		return false
	}
	have, err := l.cfg.Stores.Marks(ctx)
	if err != nil {
		return false
	}
	for m, seq := range u.Marks {
		if at, ok := have[m]; !ok || at < seq {
			return false
		}
	}
	return true
}

// pause waits about d; false if ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d/2 + rand.N(d/2)) //nolint:gosec // not a secret
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// drain stores what was learned when no more comes.
func (l *Learner) drain(ctx context.Context) error {
	if err := l.landAll(); err != nil {
		return err
	}
	if err := l.flyAll(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if len(l.jobs) == 0 {
			if l.jobs = l.mergePass(ctx, true); len(l.jobs) == 0 {
				break
			}
		}
		if err := l.flyAndLand(ctx); err != nil {
			return err
		}
	}
	return nil
}

// landAll waits for what is on its way.
func (l *Learner) landAll() error {
	for l.aloft != nil {
		r := <-l.landed
		l.land(r)
		if r.err != nil {
			return r.err
		}
	}
	return nil
}

// flyAll stores all that waits. Nothing is on its way.
func (l *Learner) flyAll(ctx context.Context) error {
	for l.waiting.waiting() {
		if err := l.flyAndLand(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l *Learner) flyAndLand(ctx context.Context) error {
	l.fly(ctx, false)
	r := <-l.landed
	l.land(r)
	return r.err
}

// loadMarks reads how far the logs were learned, waiting for the store.
func (l *Learner) loadMarks(ctx context.Context) (map[inventory.Mark]int64, error) {
	for delay := firstBackoff; ; delay = min(2*delay, maxBackoff) {
		marks, err := l.cfg.Stores.Marks(ctx)
		if err == nil {
			return maps.Clone(marks), nil
		}
		l.metrics.storeErrors.Inc()
		l.log.Warn("store cannot be read, trying again", "err", err)
		if !pause(ctx, delay) {
			return nil, fmt.Errorf("learn: read marks: %w", err)
		}
	}
}

// A waiter waits for a mark.
type waiter struct {
	mark inventory.Mark
	seq  int64
	done chan struct{}
}

// WaitFor returns when the store has the record with a sequence, or a later one,
// of a log and partition; or ctx.Err(). It makes the learner store that record as
// soon as it has seen it. The record need not be in the log yet.
func (l *Learner) WaitFor(ctx context.Context, mark inventory.Mark, seq int64) error {
	w := &waiter{mark: mark, seq: seq, done: make(chan struct{})}
	l.mu.Lock()
	if at, ok := l.stored[mark]; ok && at >= seq {
		l.mu.Unlock()
		return nil
	}
	l.waiters[w] = struct{}{}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.waiters, w)
		l.mu.Unlock()
	}()
	select {
	case l.poke <- struct{}{}:
	default:
	}
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// notify ends the waits for what is stored.
func (l *Learner) notify() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := range l.waiters {
		if at, ok := l.stored[w.mark]; ok && at >= w.seq {
			delete(l.waiters, w)
			close(w.done)
		}
	}
}

// awaited reports whether someone waits for what was learned and is not stored.
func (l *Learner) awaited() bool {
	if !l.waiting.waiting() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := range l.waiters {
		if p := l.waiting.positions[w.mark]; p != nil && p.read >= w.seq {
			return true
		}
	}
	return false
}
