package capture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"harken/har"
	"harken/ingest"
)

const (
	batchRecords = 64
	// batchBytes is what a worker encodes before it puts. It holds up to this and
	// one record on top of the queue's memory.
	batchBytes = 1 << 20
	firstDelay = 50 * time.Millisecond
	lastDelay  = 5 * time.Second
	// pace is the least time between two puts of small batches. A put costs a
	// system call, and waking a worker another; with one of both for each exchange
	// they took more time than encoding.
	pace = time.Millisecond
)

// A worker encodes exchanges and puts them, a batch at a time. All its memory is
// used again.
type worker struct {
	r     *Recorder
	maker maker
	taken []*Exchange
	buf   []byte // the encoded entries of the batch, one after the other
	ends  []int
	recs  []ingest.Record
	ptrs  []*ingest.Record
	tags  map[string]string
	timer *time.Timer
}

func newWorker(r *Recorder) *worker {
	w := &worker{
		r: r, taken: make([]*Exchange, 0, batchRecords),
		recs: make([]ingest.Record, 0, batchRecords), ptrs: make([]*ingest.Record, 0, batchRecords),
	}
	if len(r.cfg.Tags) > 0 {
		w.tags = maps.Clone(r.cfg.Tags)
	}
	return w
}

// run works until the Recorder drains and its queue is empty. Once ctx is done it
// drops what it takes.
func (w *worker) run(ctx context.Context) {
	for {
		w.taken = w.r.take(w.taken[:0], batchRecords)
		if len(w.taken) == 0 {
			return
		}
		for i, x := range w.taken {
			w.taken[i] = nil
			w.add(ctx, x)
			if len(w.buf) >= batchBytes {
				w.flush(ctx)
			}
		}
		if small := w.flush(ctx); small {
			w.rest(ctx)
		}
	}
}

// rest lets exchanges gather in the queue.
func (w *worker) rest(ctx context.Context) {
	if w.timer == nil {
		w.timer = time.NewTimer(pace)
	} else {
		w.timer.Reset(pace)
	}
	select {
	case <-ctx.Done():
	case <-w.timer.C:
	}
}

// add encodes x into the batch and gives its memory back.
func (w *worker) add(ctx context.Context, x *Exchange) {
	why := droppedShutdown
	if ctx.Err() == nil {
		why = w.encode(x)
	}
	w.r.release(x)
	if why != notDropped {
		w.r.settle(1, why)
	}
}

// encode appends x to the batch. What comes from the network must not end the
// worker: a panic costs the one exchange.
func (w *worker) encode(x *Exchange) (why dropReason) {
	start := len(w.buf)
	defer func() {
		if v := recover(); v != nil {
			w.buf = w.buf[:start]
			w.maker = maker{} // what it was in the middle of is unknown
			w.r.first(droppedPanic, "making an entry panicked", fmt.Errorf("panic: %v", v))
			why = droppedPanic
		}
	}()
	rec := ingest.Record{
		Account: w.r.cfg.Account, Collection: w.r.cfg.Collection,
		Host: recordHost(x), Time: x.Started, Form: ingest.FormHAR,
	}
	if rec.Time.IsZero() {
		rec.Time = w.r.cfg.Now()
		x.Started = rec.Time
	}
	rec.ID = ingest.NewID(rec.Time)
	e, flags := w.maker.entry(x)
	m := e.Harken
	rec.Source, rec.Direction = m.Source, m.Direction
	m.ID, m.Account, m.Collection, m.Tags = rec.ID.String(), rec.Account, rec.Collection, w.tags
	w.buf = har.AppendEntry(w.buf, e)
	for int64(len(w.buf)-start) > w.r.cfg.RecordMax {
		w.buf = w.buf[:start]
		if !w.maker.dropLarger() {
			return droppedSize
		}
		flags = w.maker.flags
		w.buf = har.AppendEntry(w.buf, e)
	}
	rec.Flags = flags
	w.recs = append(w.recs, rec)
	w.ends = append(w.ends, len(w.buf))
	return notDropped
}

// flush puts the batch, again and again until the sink takes it or ctx is done.
// It reports whether the batch was a small one.
func (w *worker) flush(ctx context.Context) (small bool) {
	small = len(w.recs) < batchRecords/2 && len(w.buf) < batchBytes/4
	if len(w.recs) == 0 {
		return small
	}
	start := 0
	w.ptrs = w.ptrs[:0]
	for i, end := range w.ends {
		w.recs[i].Data = w.buf[start:end:end]
		w.ptrs = append(w.ptrs, &w.recs[i])
		start = end
	}
	put, rest := 0, droppedRejected
	for delay := firstDelay; ; delay = min(2*delay, lastDelay) {
		err := w.put(ctx)
		if rejected, ok := errors.AsType[*ingest.RejectedError](err); ok {
			put = max(0, len(w.recs)-len(rejected.Records))
			w.r.first(droppedRejected, "sink rejected a record", rejected)
			err = nil
		} else if err == nil {
			put = len(w.recs)
		}
		w.r.putResult(err)
		if err == nil {
			break
		}
		if !wait(ctx, delay) {
			rest = droppedShutdown
			break
		}
	}
	w.r.settle(put, notDropped)
	w.r.settle(len(w.recs)-put, rest)
	clear(w.recs)
	w.recs, w.ends, w.buf = w.recs[:0], w.ends[:0], w.buf[:0]
	if cap(w.buf) > 4*batchBytes {
		w.buf = nil
	}
	return small
}

// put calls the sink. A panic of a sink is its error: the queue's bound holds
// while it lasts.
func (w *worker) put(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("sink panicked: %v", v)
		}
	}()
	return w.r.cfg.Sink.Put(ctx, w.ptrs...)
}

// wait waits for d. It reports false if ctx was done first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// putResult counts the outcome of a Put and logs when it differs from the last.
func (r *Recorder) putResult(err error) {
	r.mu.Lock()
	changed := r.failing != (err != nil)
	r.failing = err != nil
	if err != nil {
		r.count.putErrors++
	}
	r.mu.Unlock()
	switch {
	case changed && err != nil:
		r.cfg.Log.Warn("sink takes no records, trying again", "err", err)
	case changed:
		r.cfg.Log.Info("sink takes records again")
	}
}

// first logs the first drop of its kind; the metric counts them all.
func (r *Recorder) first(why dropReason, what string, err error) {
	r.mu.Lock()
	first := r.count.dropped[why] == 0
	r.mu.Unlock()
	if first {
		r.cfg.Log.Error("exchange dropped, later ones are only counted", "reason", why.String(), "what", what, "err", err)
	}
}
