package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// PumpConfig says what a Pump moves, and where to.
type PumpConfig struct {
	Source Source
	Sink   Sink
	// Name tells the pumps of a process apart in the log and in metrics.
	Name string
	// MinBackoff and MaxBackoff bound the pause before a failed step is tried
	// again; it doubles from one to the other and varies by half. 0 is 100 ms and
	// 30 s.
	MinBackoff, MaxBackoff time.Duration

	Log        *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil keeps the metrics to itself
}

// A Pump moves the batches of a Source to a Sink. It copies the records' bytes
// nowhere and allocates nothing for a record.
type Pump struct {
	cfg      PumpConfig
	log      *slog.Logger
	records  prometheus.Counter
	bytes    prometheus.Counter
	retries  prometheus.Counter
	rejected prometheus.Counter
	stalled  prometheus.Gauge
}

// NewPump returns a Pump that has not started.
func NewPump(cfg PumpConfig) (*Pump, error) {
	if cfg.Source == nil || cfg.Sink == nil {
		return nil, errors.New("a pump needs a source and a sink")
	}
	if cfg.MinBackoff <= 0 {
		cfg.MinBackoff = 100 * time.Millisecond
	}
	if cfg.MaxBackoff <= 0 {
		cfg.MaxBackoff = 30 * time.Second
	}
	cfg.MaxBackoff = max(cfg.MaxBackoff, cfg.MinBackoff)
	p := &Pump{cfg: cfg, log: cfg.Log}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	counter := func(name, help string) (prometheus.Counter, error) {
		v, err := register(cfg.Registerer, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"pump"}))
		if err != nil {
			return nil, err
		}
		return v.WithLabelValues(cfg.Name), nil
	}
	var errs [5]error
	p.records, errs[0] = counter("pump_records_total", "Records that the sink took.")
	p.bytes, errs[1] = counter("pump_bytes_total", "Bytes of the records that the sink took.")
	p.retries, errs[2] = counter("pump_retries_total", "Steps that failed and were tried again.")
	if dropped, err := DroppedCounter(cfg.Registerer); err != nil {
		errs[3] = err
	} else {
		p.rejected = dropped.WithLabelValues("rejected")
	}
	if v, err := register(cfg.Registerer, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "pump_stalled", Help: "1 while the pump waits to try a failed step again.",
	}, []string{"pump"})); err != nil {
		errs[4] = err
	} else {
		p.stalled = v.WithLabelValues(cfg.Name)
	}
	return p, errors.Join(errs[:]...)
}

// Run moves batches until ctx is done or the Source ends with io.EOF, and returns
// nil then. It acknowledges a batch once the Sink has answered for it, tries
// every failed step again for ever, and passes over records that the Sink
// rejects, counting them.
func (p *Pump) Run(ctx context.Context) error {
	for {
		b, ok := p.next(ctx)
		ok = ok && p.retry(ctx, putFailed, func() error { return p.put(ctx, b.Records) })
		ok = ok && (b.Ack == nil || p.retry(ctx, ackFailed, func() error { return b.Ack(ctx) }))
		if !ok {
			return nil
		}
	}
}

// next returns the next batch; false if there is none any more.
func (p *Pump) next(ctx context.Context) (b Batch, ok bool) {
	ended := false
	ok = p.retry(ctx, nextFailed, func() (err error) {
		if b, err = p.cfg.Source.Next(ctx); errors.Is(err, io.EOF) {
			ended, err = true, nil
		}
		return err
	})
	return b, ok && !ended
}

func (p *Pump) put(ctx context.Context, recs []*Record) error {
	err := p.cfg.Sink.Put(ctx, recs...)
	taken := len(recs)
	if r, ok := errors.AsType[*RejectedError](err); ok {
		n := len(r.Records)
		taken -= n
		p.rejected.Add(float64(n))
		p.log.Warn("records rejected", "pump", p.cfg.Name, "records", n, "err", r)
	} else if err != nil {
		return err
	}
	var size int
	for _, r := range recs {
		size += len(r.Data)
	}
	p.records.Add(float64(max(taken, 0)))
	p.bytes.Add(float64(size))
	return nil
}

// What can fail, as it is logged.
const (
	nextFailed = "records not read"
	putFailed  = "records not delivered"
	ackFailed  = "records not acknowledged"
)

// retry calls step until it succeeds; it returns false once ctx is done.
func (p *Pump) retry(ctx context.Context, failure string, step func() error) bool {
	pause := p.cfg.MinBackoff
	for failed := false; ; failed = true {
		err := step()
		if err == nil {
			if failed {
				p.stalled.Set(0)
				p.log.Info("recovered", "pump", p.cfg.Name)
			}
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		p.retries.Inc()
		p.stalled.Set(1)
		wait := pause/2 + rand.N(pause/2+1) //nolint:gosec // spreads retries, keeps no secret
		if busy, ok := errors.AsType[*BusyError](err); ok && busy.After > 0 {
			wait = busy.After
		}
		p.log.Warn(failure, "pump", p.cfg.Name, "err", err, "retry_in", wait) //nolint:sloglint // one of three constants
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return false
		}
		pause = min(pause*2, p.cfg.MaxBackoff)
	}
}
