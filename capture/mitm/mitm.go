// Package mitm is the intercepting forward proxy: it accepts proxy requests and
// CONNECT, ends TLS with leaf certificates of its own, sends each request on with
// its own round tripper, and observes the exchange there. Traffic never waits
// for recording and is not changed by it.
//
// It leaves out what is recorded of an exchange (package capture), the
// certificates (package certs) and the listening socket, which the caller gives.
package mitm

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
	"sync"
	"sync/atomic"
	"time"

	"github.com/elazarl/goproxy"
	"github.com/prometheus/client_golang/prometheus"

	"harken/capture"
	"harken/capture/mitm/xconnect"
)

// extendedConnect also undoes, once net/http has read it, what package xconnect
// did to the environment.
var _ = xconnect.Restore()

// A Recorder takes what the proxy saw. All methods are safe for concurrent use
// and do not block.
type Recorder interface {
	// Body returns an empty body that keeps as much as the recorder wants.
	Body() *capture.Body
	// Wanted reports whether exchanges with host, an authority as in
	// capture.Exchange, are recorded at all.
	Wanted(host string) bool
	// Observe takes an exchange, which is not changed afterward.
	Observe(ex *capture.Exchange)
}

// An Issuer gives the leaf certificate for a host name or an IP address. It is
// safe for concurrent use; the certificate is not changed by either side.
type Issuer interface {
	Leaf(ctx context.Context, host string) (*tls.Certificate, error)
}

// Config configures a Proxy. Zero values mean the defaults that are named.
type Config struct {
	Issuer       Issuer       // required
	Recorder     Recorder     // nil records nothing
	LocalHandler http.Handler // serves http://harken.proxy/, http://mitm.it/ and direct requests; nil answers 404

	UpstreamRoots    *x509.CertPool   // nil means the system's
	UpstreamInsecure bool             // accept any upstream certificate
	ClientCert       *tls.Certificate // shown to upstreams that ask for one
	UpstreamProxy    *url.URL         // http, https or socks5; nil connects directly
	KeyLog           io.Writer        // takes TLS session keys in NSS key log format

	// TunnelHosts are globs of host names (* for any run of characters) whose TLS
	// is never ended here.
	TunnelHosts []string
	// AutoTunnelAfter is after how many handshakes in a row that one client address
	// refused for one host, or hung up on within a second of their end, the host is
	// tunneled for that address; 0 means 2, negative never.
	// A request that came through in the same window prevents it, so that one curl without
	// --cacert does not turn interception off for the browser beside it.
	AutoTunnelAfter int
	AutoTunnelFor   time.Duration // 0 means 10 minutes

	// User and Password, if either is set, are required from clients (RFC 9110,
	// section 11.7, scheme Basic).
	User, Password string

	// DialContext replaces the dialer of upstream connections; it is given host:port.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	MaxHeaderBytes    int           // of a request's header; 0 means 1 MiB
	MaxConnections    int           // at a time, further ones wait in the listener; 0 means no limit
	ReadHeaderTimeout time.Duration // for a request's header; 0 means 30 s
	IdleTimeout       time.Duration // of client connections between requests; 0 means 3 minutes
	HandshakeTimeout  time.Duration // of TLS on either side; 0 means 10 s
	DialTimeout       time.Duration // of upstream connections; 0 means 15 s
	ResponseTimeout   time.Duration // from request to response header; 0 means none: long polls are legitimate
	ContinueTimeout   time.Duration // how long a body waits for an upstream's 100 Continue; 0 means 1 s
	SniffTimeout      time.Duration // for a tunnel's first byte before the server is let speak first; 0 means 2 s
	ShutdownGrace     time.Duration // for exchanges in flight; 0 means 5 s

	Log        *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil registers no metrics
	Now        func() time.Time      // nil means time.Now
}

// A Proxy is an intercepting forward proxy. It is safe for concurrent use.
type Proxy struct {
	cfg      Config
	log      *slog.Logger
	now      func() time.Time
	metrics  *metrics
	auth     *authenticator
	upstream *upstream
	tunnels  capture.HostGlobs
	pinned   *pinnedHosts
	handler  *goproxy.ProxyHttpServer
	tls      *tls.Config // to clients

	flushers    flushers
	connections atomic.Uint64 // numbers client connections

	mu    sync.Mutex
	self  []net.Addr // own listening addresses
	conns map[*clientConn]struct{}
	ended bool // shutting down: no further connections
}

// New returns a Proxy. It starts nothing.
func New(cfg Config) (*Proxy, error) {
	if cfg.Issuer == nil {
		return nil, errors.New("mitm: Config.Issuer is nil: there is no default certificate authority")
	}
	setDefaults(&cfg)
	p := &Proxy{
		cfg:    cfg,
		log:    cfg.Log,
		now:    cfg.Now,
		pinned: newPinnedHosts(cfg.AutoTunnelAfter, cfg.AutoTunnelFor, cfg.Now),
		conns:  make(map[*clientConn]struct{}),
	}
	var err error
	if p.tunnels, err = capture.ParseHostGlobs(cfg.TunnelHosts); err != nil {
		return nil, err
	}
	if p.upstream, err = newUpstream(&p.cfg, p.isSelf); err != nil {
		return nil, err
	}
	if p.metrics, err = newMetrics(cfg.Registerer); err != nil {
		return nil, fmt.Errorf("register proxy metrics: %w", err)
	}
	p.auth = newAuthenticator(cfg.User, cfg.Password)
	p.tls = p.clientTLS()
	p.handler = p.newHandler()
	return p, nil
}

func setDefaults(cfg *Config) {
	if cfg.LocalHandler == nil {
		cfg.LocalHandler = http.NotFoundHandler()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxHeaderBytes == 0 {
		cfg.MaxHeaderBytes = 1 << 20
	}
	if cfg.AutoTunnelAfter == 0 {
		cfg.AutoTunnelAfter = 2
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&cfg.AutoTunnelFor, 10 * time.Minute},
		{&cfg.ReadHeaderTimeout, 30 * time.Second},
		{&cfg.IdleTimeout, 3 * time.Minute},
		{&cfg.HandshakeTimeout, 10 * time.Second},
		{&cfg.DialTimeout, 15 * time.Second},
		{&cfg.ContinueTimeout, time.Second},
		{&cfg.SniffTimeout, 2 * time.Second},
		{&cfg.ShutdownGrace, 5 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
}

// newHandler returns goproxy as the handler of every request that is to be sent
// on, with our round tripper and none of its own defaults: its certificate
// authority is public, its transport verifies nothing and reads the environment.
// Upgrades and CONNECT never reach it; see ServeHTTP.
func (p *Proxy) newHandler() *goproxy.ProxyHttpServer {
	h := goproxy.NewProxyHttpServer()
	h.Tr = p.upstream.pooled
	h.ConnectDial = nil
	h.ConnectDialWithReq = nil
	h.Logger = printer{p.log}
	h.KeepAcceptEncoding = true
	h.KeepHeader = true // we have removed what it would remove, and more
	h.NonproxyHandler = p.cfg.LocalHandler
	h.OnRequest().HandleConnect(goproxy.AlwaysReject)
	trip := goproxy.RoundTripperFunc(func(req *http.Request, _ *goproxy.ProxyCtx) (*http.Response, error) {
		resp, err := p.roundTrip(req, p.upstream.of(req))
		if err == nil {
			// goproxy copies a header value by value; the writer takes it as it is.
			exchangeOf(req).writer.header, resp.Header = resp.Header, nil
		}
		return resp, err
	})
	h.OnRequest().DoFunc(func(req *http.Request, ctx *goproxy.ProxyCtx) (*http.Request, *http.Response) {
		ctx.RoundTripper = trip
		return req, nil
	})
	return h
}

// printer is goproxy's logger. Its warnings concern one connection each.
type printer struct{ log *slog.Logger }

// Printf implements goproxy.Logger.
func (l printer) Printf(format string, args ...any) {
	l.log.Debug("goproxy", "text", fmt.Sprintf(format, args...))
}
