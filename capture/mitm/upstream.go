package mitm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"harken/har"
)

// upstream sends requests on. Its transports share the dialer: pooled speaks
// HTTP/2 where ALPN agrees on it; knowing speaks HTTP/2 without TLS to servers
// whose clients know that they do (RFC 9113, section 3.3); upgrading speaks
// HTTP/1.1 only, because the standard transport cannot send an extended CONNECT,
// and an Upgrade means nothing on HTTP/2.
type upstream struct {
	pooled    *http.Transport
	knowing   *http.Transport
	upgrading *http.Transport

	cfg    *Config
	dialer func(ctx context.Context, network, addr string) (net.Conn, error)
	tls    *tls.Config
	isSelf func(local, remote net.Addr) bool
}

// An upstreamConn is a connection to an upstream and what its set-up took.
type upstreamConn struct {
	net.Conn
	server            netip.AddrPort
	dns, connect, ssl time.Duration // -1 if there was none
	tls               *har.TLS      // nil without TLS
	pooled            bool          // for HTTP/1.1: the peer's end is the end of both directions

	writing sync.Mutex
	reset   bool // a write was told that the peer reset the connection
}

// Read implements net.Conn. The kernel tells of a reset once, to whoever reads or
// writes first; to a reader who comes later it looks like the peer's end.
func (c *upstreamConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.pooled && errors.Is(err, io.EOF) && c.endWriting() {
		err = syscall.ECONNRESET
	}
	return n, err
}

// Write implements net.Conn.
func (c *upstreamConn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	n, err := c.Conn.Write(b)
	c.reset = c.reset || errors.Is(err, syscall.ECONNRESET)
	if c.pooled && errors.Is(err, os.ErrDeadlineExceeded) {
		err = syscall.EPIPE // the end of writing is ours; see endWriting
	}
	return n, err
}

// endWriting reports whether a write was told of a reset. It calls off the one that
// is under way.
func (c *upstreamConn) endWriting() (reset bool) {
	_ = c.SetWriteDeadline(time.Unix(1, 0))
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.reset
}

// discard closes c if there is one.
func (c *upstreamConn) discard() {
	if c != nil {
		_ = c.Close()
	}
}

// CloseWrite ends the sending side.
func (c *upstreamConn) CloseWrite() error { return closeWrite(c.Conn) }

var errLoop = errors.New("the target is this proxy")

func newUpstream(cfg *Config, isSelf func(local, remote net.Addr) bool) (*upstream, error) {
	u := &upstream{
		cfg:    cfg,
		isSelf: isSelf,
		tls: &tls.Config{
			RootCAs:            cfg.UpstreamRoots,
			InsecureSkipVerify: cfg.UpstreamInsecure, //nolint:gosec // only when the user asked for it
			ClientSessionCache: tls.NewLRUClientSessionCache(1024),
			MinVersion:         tls.VersionTLS12,
			KeyLogWriter:       cfg.KeyLog,
			// Small records are for browsers that render while they load; here they
			// cost a system call each.
			DynamicRecordSizingDisabled: true,
		},
	}
	if cfg.ClientCert != nil {
		u.tls.Certificates = []tls.Certificate{*cfg.ClientCert}
	}
	u.dialer = cfg.DialContext
	if u.dialer == nil {
		u.dialer = new(net.Dialer).DialContext
	}
	if cfg.UpstreamProxy != nil {
		chained, err := chain(cfg.UpstreamProxy, u.dialer, u.tls)
		if err != nil {
			return nil, err
		}
		u.dialer = chained
	}
	var http1, both, http2 http.Protocols
	http1.SetHTTP1(true)
	both.SetHTTP1(true)
	both.SetHTTP2(true)
	http2.SetUnencryptedHTTP2(true)
	u.pooled = u.transport(&both)
	u.pooled.DialContext, u.pooled.DialTLSContext = patient(u.pooled.DialContext), patient(u.pooled.DialTLSContext)
	u.knowing = u.transport(&http2)
	u.upgrading = u.transport(&http1)
	return u, nil
}

// of returns the transport for an ordinary request.
func (u *upstream) of(r *http.Request) *http.Transport {
	if r.ProtoMajor == 2 && r.URL.Scheme == "http" {
		return u.knowing
	}
	return u.pooled
}

func (u *upstream) transport(protocols *http.Protocols) *http.Transport {
	h2 := protocols.HTTP2()
	limits := http2Config()
	// The transport's own limit of a connection is a gigabyte. With a small one a
	// few responses that nobody reads would hold up all others of the connection.
	limits.MaxReceiveBufferPerConnection = 0
	limits.MaxReadFrameSize = 256 << 10 // a tenth of the time of large bodies
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return u.dial(ctx, network, addr)
		},
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return u.dialTLS(ctx, network, addr, h2)
		},
		ForceAttemptHTTP2:      h2,
		Protocols:              protocols,
		HTTP2:                  limits,
		DisableCompression:     true, // or it asks for gzip on its own account
		MaxIdleConnsPerHost:    256,
		IdleConnTimeout:        90 * time.Second,
		ResponseHeaderTimeout:  u.cfg.ResponseTimeout,
		ExpectContinueTimeout:  u.cfg.ContinueTimeout,
		MaxResponseHeaderBytes: int64(u.cfg.MaxHeaderBytes),
		WriteBufferSize:        16 << 10,
		ReadBufferSize:         16 << 10,
	}
}

func (u *upstream) close() {
	u.pooled.CloseIdleConnections()
	u.knowing.CloseIdleConnections()
	u.upgrading.CloseIdleConnections()
}

// upstreamHost is the host of the URLs that are sent to port at host, with the
// server name name where that is another, as when a client resolved the name and
// asks to CONNECT to an address. The transport pools connections by it.
func upstreamHost(name, host, port string) string {
	if name != "" && !strings.EqualFold(name, host) {
		host = name + "|" + host
	}
	return net.JoinHostPort(host, port)
}

// splitUpstream undoes upstreamHost: the address to dial and the server name.
func splitUpstream(addr string) (dial, name string, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", "", err
	}
	if name, host, ok := strings.Cut(host, "|"); ok {
		return net.JoinHostPort(host, port), name, nil
	}
	return addr, host, nil
}

// dial connects to addr and measures it. Looking the name up is part of the
// dialer's work, so it is timed by the trace that the standard dialer honors.
func (u *upstream) dial(ctx context.Context, network, addr string) (*upstreamConn, error) {
	dialAddr, _, err := splitUpstream(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, u.cfg.DialTimeout, errDialTimeout)
	defer cancel()
	ctx, dns := traceDNS(ctx)
	start := time.Now()
	c, err := u.dialer(ctx, network, dialAddr)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
		return nil, err
	}
	if u.isSelf(c.LocalAddr(), c.RemoteAddr()) {
		_ = c.Close()
		return nil, errLoop
	}
	uc := &upstreamConn{Conn: c, server: addrPort(c.RemoteAddr()), dns: dns.taken(), ssl: -1}
	uc.connect = time.Since(start) - max(uc.dns, 0)
	return uc, nil
}

func (u *upstream) dialTLS(ctx context.Context, network, addr string, h2 bool) (net.Conn, error) {
	_, name, err := splitUpstream(addr)
	if err != nil {
		return nil, err
	}
	c, err := u.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	cfg := u.tls.Clone()
	cfg.ServerName = name
	cfg.NextProtos = []string{"http/1.1"}
	if h2 {
		cfg.NextProtos = []string{"h2", "http/1.1"}
	}
	start := time.Now()
	t := tls.Client(c, cfg)
	ctx, cancel := context.WithTimeoutCause(ctx, u.cfg.HandshakeTimeout, errDialTimeout)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
		return nil, &tlsError{err}
	}
	c.ssl = time.Since(start)
	state := t.ConnectionState()
	c.tls = &har.TLS{
		Version: tls.VersionName(state.Version),
		Cipher:  tls.CipherSuiteName(state.CipherSuite),
		SNI:     state.ServerName,
		ALPN:    state.NegotiatedProtocol,
	}
	return t, nil
}

// upstreamConnOf returns what is known of a connection of our transports.
func upstreamConnOf(c net.Conn) *upstreamConn {
	if p, ok := c.(*patientConn); ok {
		c = p.Conn
	}
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	u, _ := c.(*upstreamConn)
	return u
}

var errDialTimeout = &timeoutError{}

// A timeoutError is the cause of a connection that took too long.
type timeoutError struct{}

func (*timeoutError) Error() string { return "timed out" }
func (*timeoutError) Timeout() bool { return true }

// A tlsError is a failed handshake with an upstream.
type tlsError struct{ err error }

func (e *tlsError) Error() string { return e.err.Error() }
func (e *tlsError) Unwrap() error { return e.err }

// A failure is why an upstream gave no response: the status for the client, a
// sentence without internals, and a label for metrics.
type failure struct {
	status int
	text   string
	reason string
}

// failureOf classifies err, which came from a transport or a dialer.
func failureOf(err error) failure {
	var (
		timeout  interface{ Timeout() bool }
		dns      *net.DNSError
		verify   *tls.CertificateVerificationError
		hand     *tlsError
		refused  *refusedError
		opErr    *net.OpError
		dialing  = errors.As(err, &opErr) && opErr.Op == "dial"
		timedOut = errors.As(err, &timeout) && timeout.Timeout()
	)
	switch {
	case errors.Is(err, errLoop):
		return failure{http.StatusLoopDetected, "The target of the request is this proxy.", "loop"}
	case errors.Is(err, context.Canceled):
		return failure{http.StatusBadGateway, "The request was canceled.", "canceled"}
	case errors.As(err, &refused):
		return failure{http.StatusBadGateway, "The upstream proxy refused the connection.", "proxy"}
	case errors.As(err, &verify):
		return failure{http.StatusBadGateway, "The upstream's certificate was not accepted: " + verifyReason(verify.Err), "certificate"}
	case timedOut && errors.As(err, &dns):
		return failure{http.StatusGatewayTimeout, "Looking up the upstream's name timed out.", "timeout"}
	case timedOut && (dialing || errors.Is(err, errDialTimeout)):
		return failure{http.StatusGatewayTimeout, "Connecting to the upstream timed out.", "timeout"}
	case timedOut:
		return failure{http.StatusGatewayTimeout, "The upstream did not respond in time.", "timeout"}
	case errors.As(err, &dns):
		return failure{http.StatusBadGateway, "The upstream's name could not be resolved.", "dns"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return failure{http.StatusBadGateway, "The upstream refused the connection.", "refused"}
	case errors.As(err, &hand):
		return failure{http.StatusBadGateway, "The TLS handshake with the upstream failed.", "handshake"}
	case dialing:
		return failure{http.StatusBadGateway, "The upstream could not be reached.", "unreachable"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return failure{http.StatusBadGateway, "The upstream closed the connection without a response.", "closed"}
	default:
		return failure{http.StatusBadGateway, "The upstream did not give a valid response.", "invalid"}
	}
}

func verifyReason(err error) string {
	var (
		unknown *x509.UnknownAuthorityError
		byValue x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &unknown), errors.As(err, &byValue):
		return "it is signed by an unknown authority."
	case errors.As(err, &host):
		return "it is for another host."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "it has expired or is not yet valid."
	default:
		return "it is not valid."
	}
}

// response is the failure as the client sees it.
func (f failure) response(req *http.Request) *http.Response {
	body := f.text + "\n"
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", f.status, http.StatusText(f.status)),
		StatusCode: f.status,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header: http.Header{
			"Content-Type":           {"text/plain; charset=utf-8"},
			"X-Content-Type-Options": {"nosniff"},
			"Content-Length":         {fmt.Sprint(len(body))},
		},
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(strings.NewReader(body)),
		Request:       req,
	}
}
