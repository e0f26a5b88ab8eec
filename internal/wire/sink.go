package wire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// NewDelivery opens a reader of log for each sink. A sink that is new goes on
// where the sinks stood that are named no more: what they did not take is its
// to take. Beside others it begins with what is recorded from now on.
func NewDelivery(d Deps, log *spool.Log, sinks []NamedSink) (*Delivery, error) {
	if err := takeOver(d, log, sinks); err != nil {
		return nil, err
	}
	del := &Delivery{log: log, sinks: sinks}
	for _, s := range sinks {
		r, err := log.Reader(readerName(s.Name))
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

// takeOver gives new sinks their place in the log and forgets those that are
// named no more.
func takeOver(d Deps, log *spool.Log, sinks []NamedSink) error {
	named := map[string]bool{}
	for _, s := range sinks {
		named[readerName(s.Name)] = true
	}
	last := log.Stats().Last
	from := last
	positions := log.Positions()
	for name, acked := range positions {
		if !named[name] {
			from = min(from, acked)
		}
	}
	for name := range named {
		if _, known := positions[name]; !known && len(positions) > 0 {
			if err := log.Begin(name, from); err != nil {
				return err
			}
		}
	}
	for name, acked := range positions {
		if named[name] {
			continue
		}
		if acked < last {
			d.Log.Warn("a former sink is forgotten; what it did not take goes to the sinks named now", "reader", name, "records", last-acked)
		}
		if err := log.Forget(name); err != nil {
			return err
		}
	}
	return nil
}

// readerName names a sink's progress in the log: the same URL goes on where it
// was.
func readerName(url string) string {
	kind, _, _ := strings.Cut(url, ":")
	sum := sha256.Sum256([]byte(url))
	return kind + "-" + hex.EncodeToString(sum[:8])
}

// Run moves records until ctx is done, and then on until the log is empty or a
// few seconds have passed; what is left stays in the log, which takes no more
// records then. It closes the sinks.
func (del *Delivery) Run(ctx context.Context) error {
	pumpCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	release := context.AfterFunc(ctx, func() {
		del.log.Seal()
		time.AfterFunc(drainTime, stop)
	})
	defer release()
	done := make(chan error, len(del.pumps))
	for _, p := range del.pumps {
		go func() { done <- p.Run(pumpCtx) }()
	}
	var errs []error
	for range del.pumps {
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, err)
			stop()
		}
	}
	for _, s := range del.sinks {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// Unsent is the number of records that some sink has not taken yet.
func (del *Delivery) Unsent() int64 { return del.log.Stats().Unsent }
