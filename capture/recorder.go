package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"harken/har"
	"harken/ingest"
)

// Config configures a Recorder. Only Sink is required.
type Config struct {
	// Sink takes the records. An ingest.RejectedError drops the records that it
	// names; any other error means that the sink cannot take records now, and the
	// Recorder tries again until it does.
	Sink ingest.Sink
	// QueueBytes bounds the memory of all exchanges from their first byte until
	// they are encoded, bodies in flight included. Three quarters of it may be
	// bodies. Default 32 MiB, at least 64 KiB.
	QueueBytes int64
	// BodyMax is how many bytes of each body are kept, before and after decoding.
	// Default 1 MiB.
	BodyMax int64
	// RecordMax bounds the encoded entry. A larger one loses its larger body
	// first, flagged, then the other; then it is dropped. Default 16 MiB.
	RecordMax int64
	// Account, Collection and Tags are put into every record. The default account
	// is "1000000".
	Account    string
	Collection int32
	Tags       map[string]string
	// Hosts and SkipHosts are globs (see HostGlobs) of the hosts to record; no
	// Hosts means all. SkipHosts wins.
	Hosts, SkipHosts []string
	// Workers is the number of encoders. With more than one, records may leave in
	// another order than their exchanges came. Default 1.
	Workers int
	// Grace is how long Run goes on after its context is done to put what is
	// queued. Default 5 s.
	Grace time.Duration
	// Registerer takes the metrics; nil means none.
	Registerer prometheus.Registerer
	// Log takes changes of state; nil discards.
	Log *slog.Logger
	// Now tells the time for exchanges without one. Default time.Now.
	Now func() time.Time
}

// A Recorder decides what of the traffic is kept, and turns it into records for
// a Sink. Traffic never waits for it: what does not fit its queue is dropped and
// counted, bodies first and then exchanges. Its methods are safe for concurrent
// use.
type Recorder struct {
	cfg         Config
	hosts, skip HostGlobs
	memory      memory

	mu    sync.Mutex
	wake  sync.Cond // on mu: there is something to take, or draining began
	queue ring
	state state
	count counts
	// failing says that the last Put failed, so that the log has one line a change.
	failing bool
}

// A state is how far a Recorder is in its life. It only rises.
type state int

const (
	idle state = iota // Run was not called; exchanges wait
	running
	draining // Run's context is done
	stopped  // Run has returned
)

// NewRecorder checks cfg and returns a Recorder. It records once Run is called;
// until then exchanges wait in its queue.
func NewRecorder(cfg Config) (*Recorder, error) {
	if cfg.Sink == nil {
		return nil, errors.New("recorder: no sink")
	}
	cfg.QueueBytes = cmp.Or(cfg.QueueBytes, 32<<20)
	cfg.BodyMax = cmp.Or(cfg.BodyMax, 1<<20)
	cfg.RecordMax = cmp.Or(cfg.RecordMax, 16<<20)
	cfg.Account = cmp.Or(cfg.Account, "1000000")
	cfg.Workers = cmp.Or(cfg.Workers, 1)
	cfg.Grace = cmp.Or(cfg.Grace, 5*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	switch {
	case cfg.QueueBytes < 64<<10:
		return nil, fmt.Errorf("recorder: queue of %d bytes, want at least %d", cfg.QueueBytes, 64<<10)
	case cfg.BodyMax < 0:
		return nil, fmt.Errorf("recorder: body limit of %d bytes, want a positive number", cfg.BodyMax)
	case cfg.RecordMax < 64<<10:
		return nil, fmt.Errorf("recorder: record limit of %d bytes, want at least %d", cfg.RecordMax, 64<<10)
	case cfg.Workers < 0:
		return nil, fmt.Errorf("recorder: %d workers, want at least 1", cfg.Workers)
	case cfg.Grace < 0:
		return nil, fmt.Errorf("recorder: grace of %v, want a positive duration", cfg.Grace)
	}
	r := &Recorder{cfg: cfg}
	r.memory.limit = cfg.QueueBytes
	r.wake.L = &r.mu
	var err error
	if r.hosts, err = ParseHostGlobs(cfg.Hosts); err != nil {
		return nil, fmt.Errorf("recorder: hosts: %w", err)
	}
	if r.skip, err = ParseHostGlobs(cfg.SkipHosts); err != nil {
		return nil, fmt.Errorf("recorder: skip hosts: %w", err)
	}
	if cfg.Registerer != nil {
		if err := cfg.Registerer.Register(newCollector(r)); err != nil {
			return nil, fmt.Errorf("recorder: register metrics: %w", err)
		}
	}
	return r, nil
}

// Body returns a Body that keeps at most BodyMax bytes and draws from the
// Recorder's queue. It must end in an observed exchange or be discarded.
func (r *Recorder) Body() *Body { return &Body{limit: r.cfg.BodyMax, memory: &r.memory} }

// Wanted reports whether exchanges with host, with or without a port, are
// recorded. Those that are not need not be observed; Observe drops them.
func (r *Recorder) Wanted(host string) bool {
	return (len(r.hosts.globs) == 0 || r.hosts.Match(host)) && !r.skip.Match(host)
}

// Observe takes x over: it ends its bodies and queues it. It never blocks. It is
// called once for an exchange, which the caller then leaves alone.
func (r *Recorder) Observe(x *Exchange) {
	starved := x.Request.Body.freeze()
	starved = x.Response.Body.freeze() || starved
	if !r.Wanted(x.Host) {
		r.refuse(x, droppedHosts)
		return
	}
	x.charged = x.headBytes()
	if !r.memory.take(x.charged, r.memory.limit) {
		// The bodies go first: an endpoint without its bodies is worth more than
		// none.
		starved = x.discardBodies() || starved
		if !r.memory.take(x.charged, r.memory.limit) {
			x.charged = 0
			r.refuse(x, droppedQueue)
			return
		}
	}
	r.mu.Lock()
	if r.state == stopped {
		r.mu.Unlock()
		r.release(x)
		r.refuse(x, droppedShutdown)
		return
	}
	r.count.seen++
	if starved {
		r.count.bodies++
	}
	r.count.queued++
	r.queue.push(x)
	r.mu.Unlock()
	r.wake.Signal()
}

// refuse counts x as seen and dropped, and gives its memory back.
func (r *Recorder) refuse(x *Exchange, why dropReason) {
	x.discardBodies()
	r.mu.Lock()
	r.count.seen++
	r.count.dropped[why]++
	r.mu.Unlock()
}

// release gives the memory of x back.
func (r *Recorder) release(x *Exchange) {
	x.discardBodies()
	r.memory.give(x.charged)
	x.charged = 0
}

// discardBodies reports whether any of the bodies was kept until now.
func (x *Exchange) discardBodies() (had bool) {
	had = x.Request.Body.drop()
	return x.Response.Body.drop() || had
}

// headBytes estimates the memory of an exchange without its bodies.
func (x *Exchange) headBytes() int64 {
	const fixed = 1 << 10 // the Exchange, two Bodies, its place in the queue
	n := fixed + len(x.Host) + len(x.Target) + len(x.StatusText)
	for _, hs := range [...][]har.Header{x.Request.Header, x.Request.Trailer, x.Response.Header, x.Response.Trailer} {
		for i := range hs {
			n += 32 + len(hs[i].Name) + len(hs[i].Value)
		}
	}
	for i := range x.WebSocket {
		n += 80 + len(x.WebSocket[i].Data)
	}
	return int64(n)
}

// Run encodes and puts what is observed until ctx is done; then it puts what is
// queued, for at most Grace, and returns. What it could not put is dropped and
// counted, as is what is observed later, and then the error says how many. Run
// is called once.
func (r *Recorder) Run(ctx context.Context) error {
	if !r.advance(idle, running) {
		return errors.New("recorder: run twice")
	}
	// Puts outlive ctx by the grace, so that its end does not cut one short.
	putCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var workers sync.WaitGroup
	for range r.cfg.Workers {
		workers.Go(func() { newWorker(r).run(putCtx) })
	}
	<-ctx.Done()
	r.advance(running, draining)
	r.wake.Broadcast()

	grace := time.AfterFunc(r.cfg.Grace, cancel)
	defer grace.Stop()
	workers.Wait()
	r.advance(draining, stopped)
	if lost := r.dropQueued(); lost > 0 {
		return fmt.Errorf("recorder: %d exchanges were not put within %v", lost, r.cfg.Grace)
	}
	return nil
}

// advance moves the state on, and reports whether it was from.
func (r *Recorder) advance(from, to state) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != from {
		return false
	}
	r.state = to
	return true
}

// dropQueued drops what came between the workers' last look and the stop, and
// returns how many exchanges the shutdown cost in all.
func (r *Recorder) dropQueued() uint64 {
	rest := r.take(nil, int(^uint(0)>>1))
	for _, x := range rest {
		r.release(x)
	}
	r.settle(len(rest), droppedShutdown)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count.dropped[droppedShutdown]
}

// take appends up to n queued exchanges to dst. It waits for one while the
// Recorder is running; it returns none once it is not and the queue is empty.
func (r *Recorder) take(dst []*Exchange, n int) []*Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.queue.len() == 0 && r.state == running {
		r.wake.Wait()
	}
	return r.queue.pop(dst, n)
}

// settle takes n exchanges out of the balance's queue: they were put, or dropped
// for a reason.
func (r *Recorder) settle(n int, why dropReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.queued -= uint64(n) //nolint:gosec // a length
	if why == notDropped {
		r.count.put += uint64(n) //nolint:gosec // a length
	} else {
		r.count.dropped[why] += uint64(n) //nolint:gosec // a length
	}
}

// A ring is a queue of exchanges. Its bound is the Recorder's memory: each
// exchange in it is charged at least a kilobyte.
type ring struct {
	slots []*Exchange
	head  int
	n     int
}

func (q *ring) len() int { return q.n }

func (q *ring) push(x *Exchange) {
	if q.n == len(q.slots) {
		grown := make([]*Exchange, max(256, 2*q.n))
		k := copy(grown, q.slots[q.head:])
		copy(grown[k:], q.slots[:q.head])
		q.slots, q.head = grown, 0
	}
	q.slots[(q.head+q.n)%len(q.slots)] = x
	q.n++
}

func (q *ring) pop(dst []*Exchange, n int) []*Exchange {
	for n = min(n, q.n); n > 0; n-- {
		dst = append(dst, q.slots[q.head])
		q.slots[q.head] = nil
		q.head = (q.head + 1) % len(q.slots)
		q.n--
	}
	return dst
}
