package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"harken/har"
	"harken/ingest/spool"
	"harken/internal/flagenv"
	"harken/internal/obs"
	"harken/internal/wire"
)

const serveAbout = `Usage: harken-proxy [flags]
       harken-proxy run [flags] -- COMMAND ...   record what COMMAND does
       harken-proxy har FILE...                  validate and summarize HAR files
       harken-proxy ca [flags]                   print or install the CA
       harken-proxy version

Records the HTTP and HTTPS traffic that is sent through it.`

func serveDefaults() defaults {
	return defaults{
		listen: "127.0.0.1:8080", sinkUsage: "where records go, repeatable; har:harken.har on a terminal, else required",
		spool: defaultDir(os.UserCacheDir, "spool"), ops: "127.0.0.1:0",
	}
}

// serveCommand runs the proxy until ctx is done.
func serveCommand(ctx context.Context, args []string) error {
	set := flagenv.New(name, wire.Env(os.LookupEnv))
	set.About(serveAbout)
	var o options
	o.define(set, serveDefaults())
	if err := parse(set, args); err != nil {
		return err
	}
	if err := noArgs(set); err != nil {
		return err
	}
	if len(o.sink) == 0 {
		if !wire.Terminal(os.Stdout) {
			return wire.MisuseError("-sink is required when the output is not a terminal; want " + wire.SinkURLs)
		}
		o.sink = []string{"har:harken.har"}
	}
	r, err := newRecorder(ctx, &o)
	if err != nil {
		return err
	}
	ops, err := r.serveOps(ctx, o.ops)
	if err != nil {
		return errors.Join(err, r.close())
	}
	fmt.Fprintf(os.Stderr, "%s %s\n  proxy  http://%s\n  CA     %s   (or http://harken.proxy/ through the proxy)\n  ops    http://%s/metrics\n",
		name, version, r.forward.Addr, filepath.Join(o.caDir, "ca.pem"), ops)
	for _, s := range o.sink {
		fmt.Fprintf(os.Stderr, "  sink   %s\n", s)
	}
	err = r.run(ctx)
	if r.unsent > 0 {
		r.deps.Log.Warn("records wait in the spool for the next start", "records", r.unsent)
	}
	return err
}

// A recorder is everything that harken-proxy runs: proxy, spool, deliveries.
type recorder struct {
	deps     wire.Deps
	forward  *wire.Forward
	spool    *spool.Log
	sinks    []wire.NamedSink
	delivery *wire.Delivery
	opsWait  func() error
	unsent   int64 // records that some sink had not taken when run ended
}

// newRecorder opens all parts; nothing runs yet.
func newRecorder(ctx context.Context, o *options) (*recorder, error) {
	log, err := obs.NewLogger(os.Stderr, o.log.Level, o.log.Format)
	if err != nil {
		return nil, err
	}
	r := &recorder{deps: wire.Deps{Log: log, Registry: obs.NewRegistry(version)}}
	o.sinks.Stdout, o.sinks.Creator = os.Stdout, har.Head{Version: version}
	for _, raw := range o.sink {
		s, err := o.sinks.Open(r.deps, raw)
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		r.sinks = append(r.sinks, s)
	}
	r.spool, err = spool.Open(spool.Config{Dir: filepath.Join(o.spool, wire.Topic), MaxBytes: o.proxy.SpoolMax, Log: log, Registerer: r.deps.Registry})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("-spool %s: %w", o.spool, err), r.close())
	}
	if r.delivery, err = wire.NewDelivery(r.deps, r.spool, r.sinks); err != nil {
		return nil, errors.Join(err, r.close())
	}
	if r.forward, err = o.proxy.NewForward(ctx, r.deps, "listen", o.listen, o.caDir, r.spool); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// close closes what was opened, for a recorder that was never run.
func (r *recorder) close() error {
	var errs []error
	if r.forward != nil {
		errs = append(errs, r.forward.Close())
	}
	if r.spool != nil {
		errs = append(errs, r.spool.Close())
	}
	for _, s := range r.sinks {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

func (r *recorder) serveOps(ctx context.Context, addr string) (net.Addr, error) {
	health := &obs.Health{}
	health.Add("recorder", func(context.Context) error {
		if r.forward.Stats().Failing {
			return errors.New("records cannot be written to the spool")
		}
		return nil
	})
	bound, wait, err := wire.ServeOps(ctx, addr, obs.HandlerConfig{Registry: r.deps.Registry, Health: health, Pprof: true, Log: r.deps.Log})
	r.opsWait = wait
	return bound, err
}

// run records until ctx is done, and returns when all that was seen is in the
// spool and, if they take it within a few seconds, in the sinks.
func (r *recorder) run(ctx context.Context) error {
	delivering, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	delivered := make(chan error, 1)
	go func() {
		delivered <- r.delivery.Run(delivering)
		cancel() // a sink that fails for good ends the proxy: its records are not lost, but nobody takes them
	}()
	err := r.forward.Run(ctx)
	stop()
	err = errors.Join(err, <-delivered)
	if r.opsWait != nil {
		err = errors.Join(err, r.opsWait())
	}
	r.unsent = r.delivery.Unsent()
	return errors.Join(err, r.spool.Close())
}
