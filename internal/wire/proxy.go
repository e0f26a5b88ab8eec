package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"harken/capture"
	"harken/capture/mitm"
	"harken/certs"
	"harken/ingest"
)

// Deps are what every part is given.
type Deps struct {
	Log      *slog.Logger
	Registry *prometheus.Registry
}

// A Forward is the forward proxy with its recorder, ready to run.
type Forward struct {
	CA    *certs.CA
	Addr  net.Addr
	proxy *mitm.Proxy
	rec   *capture.Recorder
	ln    net.Listener
	page  certs.PageConfig
	close []io.Closer
}

// NewForward opens the listener at addr (named by flag in errors) and builds the
// proxy whose records go to sink.
func (f *ProxyFlags) NewForward(ctx context.Context, d Deps, flag, addr, caDir string, sink ingest.Sink) (*Forward, error) {
	user, password, err := f.credentials(flag, addr)
	if err != nil {
		return nil, err
	}
	fw := &Forward{}
	if fw.CA, err = certs.LoadOrCreate(caDir); err != nil {
		return nil, err
	}
	issuer, err := certs.NewIssuer(certs.IssuerConfig{CA: fw.CA})
	if err != nil {
		return nil, err
	}
	if fw.rec, err = f.recorder(d, sink); err != nil {
		return nil, err
	}
	cfg := mitm.Config{
		Issuer: issuer, Recorder: fw.rec, User: user, Password: password, TunnelHosts: f.TunnelHosts,
		UpstreamInsecure: f.UpstreamInsecure, Log: d.Log, Registerer: d.Registry,
	}
	if err := fw.upstream(f, &cfg); err != nil {
		return nil, errors.Join(err, fw.Close())
	}
	if fw.ln, err = Listen(ctx, flag, addr); err != nil {
		return nil, errors.Join(err, fw.Close())
	}
	fw.close = append(fw.close, fw.ln)
	fw.Addr = fw.ln.Addr()
	fw.page = certs.PageConfig{Proxy: fw.Addr.String(), Dir: shownDir(caDir)}
	cfg.LocalHandler = fw.InstallPage()
	if fw.proxy, err = mitm.New(cfg); err != nil { //nolint:contextcheck // a handshake brings its own
		return nil, errors.Join(err, fw.Close())
	}
	return fw, nil
}

// Close closes what was opened; Run has done it when it returns.
func (fw *Forward) Close() error {
	var errs []error
	for _, c := range fw.close {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	fw.close = nil
	return errors.Join(errs...)
}

// InstallPage is the page from which people install the CA.
func (fw *Forward) InstallPage() http.Handler {
	return fw.CA.InstallPage(fw.page)
}

// shownDir is a directory as a page that everyone reads may tell it: where in
// the file system, and in whose home, is nobody else's business.
func shownDir(dir string) string {
	config, err := os.UserConfigDir()
	switch {
	case err == nil && dir == filepath.Join(config, "harken"):
		return "" // where the command looks by itself
	case filepath.IsLocal(dir) && !strings.ContainsAny(dir, " \t'\"\\$"):
		return dir
	}
	return "DIRECTORY"
}

// Run serves until ctx is done, then finishes what is in flight, and returns
// when every exchange that was seen has been put into the sink.
func (fw *Forward) Run(ctx context.Context) error {
	recCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	recorded := make(chan error, 1)
	go func() { recorded <- fw.rec.Run(recCtx) }()
	err := fw.proxy.Serve(ctx, fw.ln)
	stop()
	return errors.Join(err, <-recorded, fw.Close())
}

// Stats says what became of the exchanges that were seen.
func (fw *Forward) Stats() capture.Stats { return fw.rec.Stats() }

func (f *ProxyFlags) credentials(flag, addr string) (user, password string, err error) {
	if f.Auth != "" {
		var ok bool
		if user, password, ok = strings.Cut(f.Auth, ":"); !ok || user == "" || password == "" {
			return "", "", Bad("auth", "****", "user:password", nil)
		}
	} else if !f.AllowOpen && !Loopback(addr) {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return "", "", Bad(flag, addr, "host:port", nil)
		}
		return "", "", Bad(flag, addr, "a loopback address, or -auth, or -allow-open", errors.New("anyone who reaches this address could use the proxy"))
	}
	return user, password, nil
}

func (f *ProxyFlags) recorder(d Deps, sink ingest.Sink) (*capture.Recorder, error) {
	tags := map[string]string{}
	for _, t := range f.Tags {
		k, v, ok := strings.Cut(t, "=")
		if !ok || k == "" {
			return nil, Bad("tags", t, "key=value", nil)
		}
		tags[k] = v
	}
	if f.Account < 1 || f.Account > 1<<31-1 {
		return nil, Bad("account", strconv.Itoa(f.Account), "a number from 1 to 2147483647", nil)
	}
	if f.Collection < -1<<31 || f.Collection > 1<<31-1 {
		return nil, Bad("collection", strconv.Itoa(f.Collection), "a 32-bit number", nil)
	}
	return capture.NewRecorder(capture.Config{
		Sink: sink, BodyMax: f.BodyMax, Account: strconv.Itoa(f.Account), Collection: int32(f.Collection), Tags: tags,
		Hosts: f.Hosts, SkipHosts: f.SkipHosts, Registerer: d.Registry, Log: d.Log,
	})
}

// upstream fills the part of cfg that is about upstream servers.
func (fw *Forward) upstream(f *ProxyFlags, cfg *mitm.Config) error {
	if f.UpstreamCA != "" {
		pem, err := os.ReadFile(f.UpstreamCA)
		if err != nil {
			return fmt.Errorf("-upstream-ca: %w", err)
		}
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM(pem) {
			return Bad("upstream-ca", f.UpstreamCA, "a PEM file of certificates", nil)
		}
		cfg.UpstreamRoots = roots
	}
	if f.ClientCert != "" {
		cert, err := tls.LoadX509KeyPair(f.ClientCert, f.ClientCert)
		if err != nil {
			return Bad("client-cert", f.ClientCert, "a PEM file of a certificate and its key", err)
		}
		cfg.ClientCert = &cert
	}
	if f.UpstreamProxy != "" {
		u, err := url.Parse(f.UpstreamProxy)
		if err != nil || u.Host == "" {
			return Bad("upstream-proxy", redactURL(u), "http://host:port, https://host:port or socks5://host:port", nil)
		}
		cfg.UpstreamProxy = u
	}
	if f.KeyLog != "" {
		file, err := os.OpenFile(f.KeyLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("-keylog: %w", err)
		}
		cfg.KeyLog = file
		fw.close = append(fw.close, file)
	}
	return nil
}

// redactURL is a URL as it may be told: without its password.
func redactURL(u *url.URL) string {
	if u == nil {
		return "the URL"
	}
	return u.Redacted()
}

// drainTime is how long a command waits at its end for records to reach sinks.
const drainTime = 5 * time.Second
