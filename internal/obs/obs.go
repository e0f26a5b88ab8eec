// Package obs is what operators see of a process: its log, its metrics, its
// health and, when asked for, its profiles. It decides nothing about what is
// logged or counted; the packages that do the work own that.
package obs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A HandlerConfig configures Handler.
type HandlerConfig struct {
	// Registry holds what /metrics shows; nil means that there is no /metrics.
	Registry *prometheus.Registry
	// Health holds the checks of /readyz; nil means always ready.
	Health *Health
	// Pprof adds /debug/pprof/, which shows memory contents and can slow the
	// process down: never on a listener that strangers reach.
	Pprof bool
	// Log hears of metrics that could not be collected; nil discards.
	Log *slog.Logger
}

// Handler serves /metrics, /healthz, /readyz and, if asked, /debug/pprof/
// without cmdline: arguments can be secrets.
// Methods other than GET and HEAD (and POST for pprof's symbol look-up) are
// answered by 405, other paths by 404.
func Handler(cfg HandlerConfig) http.Handler {
	if cfg.Health == nil {
		cfg.Health = &Health{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	if cfg.Registry != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(cfg.Registry, promhttp.HandlerOpts{
			ErrorLog: scrapeLog{cfg.Log},
			// One broken collector must not hide all others.
			ErrorHandling:       promhttp.ContinueOnError,
			MaxRequestsInFlight: 8,
			Timeout:             30 * time.Second,
		}))
	}
	mux.Handle("GET /healthz", cfg.Health.Live())
	mux.Handle("GET /readyz", cfg.Health.Ready())
	if cfg.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		mux.ServeHTTP(w, r)
	})
}

// scrapeLog makes promhttp log through slog.
type scrapeLog struct{ log *slog.Logger }

func (l scrapeLog) Println(v ...any) { l.log.Warn("metrics incomplete", "err", fmt.Sprint(v...)) }

const (
	// Profiles and traces of up to two minutes.
	writeTimeout = 150 * time.Second
	drainTimeout = 3 * time.Second
)

// Serve serves h on addr (host:port; port 0 picks one) until ctx is done, and
// returns at once with the address that it is bound to. The caller calls wait,
// which returns when everything has ended: nil after ctx was done and requests
// in flight had three seconds to finish, else why serving stopped.
func Serve(ctx context.Context, addr string, h http.Handler) (bound net.Addr, wait func() error, err error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("operations listener: %w", err)
	}
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	ended := make(chan error, 1)
	go func() { ended <- drain(ctx, srv, served) }()
	return ln.Addr(), func() error {
		err := <-ended
		ended <- err // for the next caller of wait
		return err
	}, nil
}

func drain(ctx context.Context, srv *http.Server, served <-chan error) error {
	select {
	case err := <-served:
		return fmt.Errorf("operations listener: %w", err)
	case <-ctx.Done():
	}
	// ctx is done already: what is in flight gets a time of its own.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		// A profile still running is no reason to stay.
		_ = srv.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("operations listener: %w", err)
	}
	return nil
}
