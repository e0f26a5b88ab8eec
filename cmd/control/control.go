package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"harken/admin"
	"harken/har"
	"harken/ingest"
	"harken/ingest/kafka"
	"harken/ingest/learn"
	"harken/ingest/spool"
	"harken/internal/obs"
	"harken/internal/store/sqlite"
	"harken/internal/wire"
	"harken/inventory"
)

// shutdownGrace is how long requests in flight have at the end.
const shutdownGrace = 5 * time.Second

// A control is the whole control plane: every part open, none running.
type control struct {
	deps     wire.Deps
	health   *obs.Health
	store    *sqlite.DB
	log      *spool.Log     // the embedded topic, or what waits for Kafka
	reader   *spool.Reader  // of the learner; nil with a Kafka source
	kafka    *kafka.Source  // nil with the embedded log
	delivery *wire.Delivery // from log to Kafka; nil with the embedded log
	learner  *learn.Learner
	forward  *wire.Forward // nil without -proxy
	ln       net.Listener
	api      *admin.API
	opsWait  func() error
	parts    []func() error // closes what was opened, last first
}

// open opens all parts. Whatever is wrong with flags, files or ports is found
// here.
func open(ctx context.Context, o *options) (*control, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	log, err := obs.NewLogger(os.Stderr, o.log.Level, o.log.Format)
	if err != nil {
		return nil, err
	}
	c := &control{deps: wire.Deps{Log: log, Registry: obs.NewRegistry(version)}, health: &obs.Health{}}
	if err := c.open(ctx, o); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *control) open(ctx context.Context, o *options) error {
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return fmt.Errorf("-data %s: %w", o.data, err)
	}
	sink, err := c.openLog(o)
	if err != nil {
		return err
	}
	if err := c.openStore(ctx, o); err != nil {
		return err
	}
	if err := c.openLearner(ctx, o); err != nil {
		return err
	}
	if o.proxy != "" {
		if c.forward, err = o.rec.NewForward(ctx, c.deps, "proxy", o.proxy, filepath.Join(o.data, "ca"), sink); err != nil {
			return err
		}
		c.parts = append(c.parts, c.forward.Close)
	}
	if c.ln, err = wire.Listen(ctx, "listen", o.listen); err != nil {
		return err
	}
	c.parts = append(c.parts, func() error {
		if err := c.ln.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	if err := c.openAPI(ctx, o, sink); err != nil {
		return err
	}
	return c.welcome(ctx, o)
}

func (c *control) close() error {
	var errs []error
	for _, end := range slices.Backward(c.parts) {
		errs = append(errs, end())
	}
	c.parts = nil
	return errors.Join(errs...)
}

// openLog opens the log and returns the sink of imports and the recorder. With a
// Kafka sink the log is what waits for Kafka: so every record has an origin.
func (c *control) openLog(o *options) (ingest.Sink, error) {
	dir, keep := filepath.Join(o.data, "log", wire.Topic), o.logKeep
	if o.sink != "log:" {
		dir, keep = filepath.Join(o.data, "outbox-log", wire.Topic), 0
	}
	var err error
	c.log, err = spool.Open(spool.Config{Dir: dir, MaxBytes: o.rec.SpoolMax, KeepBytes: keep, Log: c.deps.Log, Registerer: c.deps.Registry})
	if err != nil {
		return nil, fmt.Errorf("-data %s: %w", o.data, err)
	}
	c.parts = append(c.parts, c.log.Close)
	if o.sink == "log:" {
		return c.log, nil
	}
	o.sinks.Creator = har.Head{Version: version}
	if !strings.HasPrefix(o.sink, "kafka://") {
		return nil, wire.Bad("sink", o.sink, "log: or kafka://host:port/topic", nil)
	}
	s, err := o.sinks.Open(c.deps, o.sink)
	if err != nil {
		return nil, err
	}
	c.delivery, err = wire.NewDelivery(c.deps, c.log, []wire.NamedSink{s})
	return c.log, err
}

func (c *control) openStore(ctx context.Context, o *options) error {
	path, err := storeFile(o.store, o.data)
	if err != nil {
		return err
	}
	if c.store, err = sqlite.Open(ctx, path); err != nil {
		return err
	}
	c.parts = append(c.parts, c.store.Close)
	c.health.Add("store", func(ctx context.Context) error {
		_, err := c.store.HasUsers(ctx)
		return err
	})
	return nil
}

// storeFile is the file of the embedded store.
func storeFile(url, data string) (string, error) {
	path, ok := strings.CutPrefix(url, "sqlite:")
	if !ok {
		return "", wire.Bad("store", url, "sqlite: or sqlite:FILE", nil)
	}
	if path == "" {
		path = filepath.Join(data, "harken.db")
	}
	return path, nil
}

func (c *control) openLearner(ctx context.Context, o *options) error {
	var src ingest.Source
	var err error
	if o.source == "log:" {
		if c.reader, err = c.log.Reader("learner"); err != nil {
			return err
		}
		if err := c.rewind(ctx); err != nil {
			return err
		}
		src = c.reader
	} else {
		cfg, err := o.sinks.Kafka.Config("source", o.source, c.deps)
		if err != nil {
			return err
		}
		if c.kafka, err = kafka.NewSource(cfg); err != nil {
			return wire.Bad("source", o.source, sourceURLs, err)
		}
		src = c.kafka
	}
	c.learner, err = learn.New(learn.Config{Source: src, Stores: c.store, Log: c.deps.Log, Registerer: c.deps.Registry})
	return err
}

// rewind has the learner read again what it acknowledged and the store has not: a
// power loss may take the last commits of the store, or someone its file.
func (c *control) rewind(ctx context.Context) error {
	marks, err := c.store.Marks(ctx)
	if err != nil {
		return err
	}
	stored := c.log.Stats().First - 1 // what the log has no longer cannot be read again
	for _, id := range c.log.IDs() {
		stored = max(stored, marks[inventory.Mark{Log: id, Partition: "0"}])
	}
	if acked := c.reader.Acked(); stored < acked {
		if _, err := c.reader.Rewind(stored); err != nil {
			return err
		}
		c.deps.Log.Warn("the store is behind the log, learning again", "records", acked-stored)
	}
	return nil
}

func (c *control) openAPI(ctx context.Context, o *options, sink ingest.Sink) error {
	ops := obs.Handler(obs.HandlerConfig{Registry: c.deps.Registry, Health: c.health, Log: c.deps.Log})
	cfg := admin.Config{
		Stores: c.store, Users: c.store, Sink: sink, Healthz: ops, Readyz: ops, Metrics: ops, Log: c.deps.Log, Version: version,
		MaxUpload: o.maxUpload, MaxHAR: o.maxHAR, SessionIdle: o.sessionIdle, LimitLogin: o.limitLogin,
		Invites: o.invites, StrictKeyBlocklist: o.strictKeys, Origins: o.corsOrigins, TrustedProxies: o.trusted,
	}
	if err := c.openIdentity(ctx, o, &cfg); err != nil {
		return err
	}
	cfg.Jobs, cfg.Registerer = c.store, c.deps.Registry
	cfg.Learner = reloader{c.learner}
	if c.forward != nil {
		cfg.CAPage, cfg.Proxy = c.forward.InstallPage(), wire.Reach(c.forward.Addr)
	}
	if c.reader != nil {
		cfg.Records, cfg.Learned = c.log, c.learned
	}
	var err error
	c.api, err = admin.New(cfg)
	return err
}

// A reloader has the learner follow what people change.
type reloader struct{ learner *learn.Learner }

// Reload implements admin.Learner. The learner reads all accounts again: changes
// by people are rare, and reading is cheap.
func (r reloader) Reload(ctx context.Context, _ int32) error { return r.learner.Settle(ctx) }

// learned waits until the learner has stored all that the log holds now.
func (c *control) learned(ctx context.Context) error {
	last := c.log.Stats().Last
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for c.reader.Acked() < last {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// run runs all parts until ctx is done or one of them fails. They end in the
// order of a record's way: listeners, recorder, learner, store.
func (c *control) run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	later, stopLater := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLater()

	var front, back []<-chan error
	begin := func(list *[]<-chan error, what string, ctx context.Context, f func(context.Context) error) {
		done := make(chan error, 1)
		*list = append(*list, done)
		go func() {
			err := f(ctx)
			if err != nil {
				err = fmt.Errorf("%s: %w", what, err)
				fail(err)
			}
			done <- err
		}()
	}
	begin(&back, "learner", later, c.learner.Run)
	if c.kafka != nil {
		begin(&back, "kafka source", later, c.kafka.Run)
	}
	if c.delivery != nil {
		begin(&back, "delivery", later, c.delivery.Run)
	}
	begin(&front, "control listener", ctx, c.serve)
	begin(&front, "jobs", ctx, c.api.Run)
	if c.forward != nil {
		begin(&front, "proxy", ctx, c.forward.Run)
	}
	var errs []error
	for _, done := range front {
		errs = append(errs, <-done)
	}
	stopLater()
	for _, done := range back {
		errs = append(errs, <-done)
	}
	if c.opsWait != nil {
		errs = append(errs, c.opsWait())
	}
	return errors.Join(append(errs, c.close())...)
}

// serve serves the API until ctx is done, then lets requests in flight finish.
func (c *control) serve(ctx context.Context) error {
	srv := &http.Server{
		Handler:           c.api.Handler(), //nolint:contextcheck // each request brings its own
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(c.deps.Log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(c.ln) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	c.health.Drain()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		_ = srv.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
