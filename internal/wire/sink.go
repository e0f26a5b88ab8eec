package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"harken/har"
	"harken/ingest"
	"harken/ingest/kafka"
	"harken/ingest/spool"
)

// SinkURLs says what -sink accepts.
const SinkURLs = "kafka://host:port/topic, https://control/, har:FILE, ndjson:FILE or ndjson:-"

// A NamedSink is a sink and how its progress in the spool is named.
type NamedSink struct {
	Name  string
	Sink  ingest.Sink
	Close func() error
}

// Sinks open sinks by URL.
type Sinks struct {
	Kafka   KafkaFlags
	APIKey  string // for https:// sinks
	Stdout  io.Writer
	Creator har.Head
}

// Open opens the sink that raw names.
func (o *Sinks) Open(d Deps, raw string) (NamedSink, error) {
	kind, rest, _ := strings.Cut(raw, ":")
	switch kind {
	case "kafka":
		cfg, err := o.Kafka.Config("sink", raw, d)
		if err != nil {
			return NamedSink{}, err
		}
		s, err := kafka.NewSink(cfg)
		if err != nil {
			return NamedSink{}, Bad("sink", raw, SinkURLs, err)
		}
		return NamedSink{raw, s, func() error { s.Close(); return nil }}, nil
	case "har":
		if rest == "" {
			return NamedSink{}, Bad("sink", raw, "har:FILE", nil)
		}
		f, err := ingest.OpenHARFile(rest, o.Creator)
		if err != nil {
			return NamedSink{}, err
		}
		return NamedSink{raw, f, f.Close}, nil
	case "ndjson":
		return o.ndjson(raw, rest)
	case "http", "https":
		s, err := ingest.NewHTTP(ingest.HTTPConfig{URL: raw, APIKey: o.APIKey})
		if err != nil {
			return NamedSink{}, Bad("sink", raw, SinkURLs, err)
		}
		return NamedSink{raw, s, func() error { return nil }}, nil
	}
	return NamedSink{}, Bad("sink", raw, SinkURLs, nil)
}

func (o *Sinks) ndjson(raw, path string) (NamedSink, error) {
	switch path {
	case "":
		return NamedSink{}, Bad("sink", raw, "ndjson:FILE or ndjson:-", nil)
	case "-":
		return NamedSink{raw, ingest.NewLineFile(o.Stdout), func() error { return nil }}, nil
	}
	f, err := ingest.OpenLineFile(path)
	if err != nil {
		return NamedSink{}, err
	}
	return NamedSink{raw, f, f.Close}, nil
}

// A Delivery moves records from a log to sinks, each at its own pace.
type Delivery struct {
	log   *spool.Log
	pumps []*ingest.Pump
	sinks []NamedSink
}

// NewDelivery opens a reader of log for each sink.
func NewDelivery(d Deps, log *spool.Log, sinks []NamedSink) (*Delivery, error) {
	del := &Delivery{log: log, sinks: sinks}
	for _, s := range sinks {
		r, err := log.Reader(s.Name)
		if err != nil {
			return nil, fmt.Errorf("reader for %s: %w", s.Name, err)
		}
		p, err := ingest.NewPump(ingest.PumpConfig{Source: r, Sink: s.Sink, Log: d.Log, Registerer: d.Registry, Name: s.Name})
		if err != nil {
			return nil, err
		}
		del.pumps = append(del.pumps, p)
	}
	return del, nil
}

// Run moves records until ctx is done, and then on until the log is empty or a
// few seconds have passed; what is left stays in the log. It closes the sinks.
func (del *Delivery) Run(ctx context.Context) error {
	pumpCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done := make(chan error, len(del.pumps))
	for _, p := range del.pumps {
		go func() { done <- p.Run(pumpCtx) }()
	}
	var errs []error
	running := len(del.pumps)
	select {
	case <-ctx.Done():
		del.drain()
	case err := <-done:
		running--
		errs = append(errs, err)
	}
	stop()
	for range running {
		errs = append(errs, <-done)
	}
	for _, s := range del.sinks {
		errs = append(errs, s.Close())
	}
	err := errors.Join(errs...)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// drain waits until every reader has acknowledged all that the log holds.
func (del *Delivery) drain() {
	deadline := time.NewTimer(drainTime)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if del.Unsent() == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return
		}
	}
}

// Unsent is the number of records that some sink has not taken yet.
func (del *Delivery) Unsent() int64 { return del.log.Stats().Unsent }
