package mitm

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

const tlsHandshake = 0x16 // the record type of a ClientHello

// refusalTime is how soon after the handshake a client that pins hangs up.
// Browsers keep the connections that they open in advance for longer.
const refusalTime = time.Second

// connect answers a CONNECT and finds out what the client speaks in the tunnel:
// TLS is ended here, HTTP is served, anything else is relayed.
func (s *session) connect(w http.ResponseWriter, r *http.Request, cc *clientConn) {
	if !s.auth.allows(r.Header) {
		s.metrics.refusals.WithLabelValues("auth").Inc()
		s.auth.challenge(w)
		return
	}
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil || host == "" || port == "" || strings.ContainsAny(host, "|/@ ") {
		s.refuse(w, http.StatusBadRequest, "CONNECT needs a host and a port.")
		return
	}
	cc.authority = r.Host
	cc.target = upstreamHost("", host, port)
	var up *upstreamConn
	if s.tunnels.Match(host) {
		// Only here can a failure still be told.
		if up = s.dialTunnel(r.Context(), w, cc); up == nil {
			return
		}
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		up.discard()
		s.log.Error("hijack failed", "err", err)
		panic(http.ErrAbortHandler)
	}
	// What the client sent in one segment with the CONNECT.
	if n := buffered.Reader.Buffered(); n > 0 {
		early, _ := buffered.Peek(n)
		cc.ahead = append(append([]byte(nil), early...), cc.ahead...)
	}
	if !cc.occupy() {
		up.discard()
		_ = conn.Close()
		return
	}
	// Hijack ends with the handler; what is served from here on is the server's
	// again, or closed by the tunnel.
	_ = cc.SetDeadline(time.Now().Add(s.cfg.HandshakeTimeout))
	if _, err := io.WriteString(cc, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		up.discard()
		_ = cc.Close()
		return
	}
	if up != nil {
		s.relay(stopContext(r.Context()), cc, up, "host")
		return
	}
	s.sniff(stopContext(r.Context()), cc, host, port)
}

// stopContext is the context of Serve, which ends when a shutdown begins: what
// is relayed has no request to be canceled with.
func stopContext(ctx context.Context) context.Context {
	if stop, ok := ctx.Value(stopKey{}).(context.Context); ok {
		return stop
	}
	return ctx
}

// sniff looks at the first bytes in a tunnel. It ends with the connection served,
// relayed or closed.
func (s *session) sniff(ctx context.Context, cc *clientConn, host, port string) {
	if port != "443" {
		// Where a server speaks first (SMTP, SSH, MySQL), the client is silent.
		_ = cc.SetReadDeadline(time.Now().Add(s.cfg.SniffTimeout))
	}
	first, err := cc.peek(1)
	switch {
	case port != "443" && isTimeout(err):
		s.relay(ctx, cc, nil, "protocol")
		return
	case err != nil:
		_ = cc.Close()
		return
	}
	_ = cc.SetReadDeadline(time.Now().Add(s.cfg.HandshakeTimeout))
	switch {
	case first[0] == tlsHandshake:
		if s.pinned.tunneled(cc) {
			s.relay(ctx, cc, nil, "pinned")
			return
		}
		s.endTLS(ctx, cc, host, port)
	case s.speaksHTTP(cc):
		_ = cc.SetDeadline(time.Time{})
		cc.busy.Store(false)
		s.queue.put(cc)
	default:
		s.relay(ctx, cc, nil, "protocol")
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// speaksHTTP reports whether the connection begins with an HTTP/1 request: a
// token and a space, and then a path or an absolute URL, or with the preface of
// HTTP/2 (RFC 9113, section 3.4), which looks alike.
func (s *session) speaksHTTP(cc *clientConn) bool {
	const longest = 32
	for n := 1; n <= longest; n++ {
		b, err := cc.peek(n)
		if err != nil {
			return false
		}
		c := b[n-1]
		if c == ' ' {
			b, err := cc.peek(n + 1)
			return n > 1 && err == nil && (b[n] == '/' || b[n] == 'h' || b[n] == '*')
		}
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' {
			return false
		}
	}
	return false
}

// clientTLS is the configuration of all TLS connections from clients. It is one,
// so that sessions can be resumed.
func (p *Proxy) clientTLS() *tls.Config {
	return &tls.Config{
		NextProtos:                  []string{"h2", "http/1.1"},
		MinVersion:                  tls.VersionTLS12,
		KeyLogWriter:                p.cfg.KeyLog,
		DynamicRecordSizingDisabled: true,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			name := hello.ServerName
			if cc := clientConnOf(hello.Conn); cc != nil {
				cc.offered = true
				if name == "" {
					name, _, _ = net.SplitHostPort(cc.authority)
				}
			}
			return p.cfg.Issuer.Leaf(hello.Context(), name)
		},
	}
}

// endTLS does the handshake with the client and gives the connection back to the
// server.
func (s *session) endTLS(ctx context.Context, cc *clientConn, host, port string) {
	if !s.tunnels.Empty() && net.ParseIP(host) != nil {
		// The client resolved the name itself; the rules are about names.
		if hello := readHello(ctx, cc); hello != nil && s.tunnels.Match(hello.ServerName) {
			s.relay(ctx, cc, nil, "host")
			return
		}
	}
	_ = cc.SetDeadline(time.Now().Add(s.cfg.HandshakeTimeout))
	t := tls.Server(cc, s.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		_ = cc.Close()
		s.metrics.handshakeFails.Inc()
		s.log.Debug("client handshake failed", "host", cc.authority, "client", cc.addr, "err", err)
		if cc.offered && refusedLeaf(err) {
			s.noteRefusal(cc)
		}
		return
	}
	_ = cc.SetDeadline(time.Time{})
	name := t.ConnectionState().ServerName
	cc.scheme = "https"
	cc.target = upstreamHost(name, host, port)
	cc.secured = time.Now()
	cc.busy.Store(false)
	s.queue.put(t)
}

func (s *session) noteRefusal(cc *clientConn) {
	if s.pinned.refused(cc) {
		s.log.Warn("client refuses our certificate, its connections to the host are tunneled for a while",
			"host", cc.authority, "client", cc.addr.Addr(), "period", s.cfg.AutoTunnelFor)
	}
}

// noteUnused looks at a connection that was closed. A client may check a pinned
// certificate only after the handshake, and hang up then without a word.
func (s *session) noteUnused(cc *clientConn) {
	if cc.scheme != "https" || cc.proven.Load() || time.Since(cc.secured) > refusalTime {
		return
	}
	s.Proxy.mu.Lock()
	ended := s.ended
	s.Proxy.mu.Unlock()
	if !ended {
		s.noteRefusal(cc)
	}
}

// refusedLeaf reports whether a handshake failed because the client did not want
// our certificate: it said so (RFC 8446, section 6.2), or it hung up on it, as
// clients do that pin. crypto/tls does not export its alerts.
func refusedLeaf(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return true
	}
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return false
	}
	text := op.Err.Error()
	for _, alert := range []string{"bad certificate", "unknown certificate", "expired certificate", "revoked certificate", "access denied"} {
		if strings.Contains(text, alert) {
			return true
		}
	}
	return false
}

var errHelloRead = errors.New("client hello was read")

// readHello parses the ClientHello at the beginning of cc without taking it from
// it. It returns nil if there is none that is valid.
func readHello(ctx context.Context, cc *clientConn) *tls.ClientHelloInfo {
	rec := &recordingConn{Conn: cc.Conn, ahead: cc.ahead}
	var hello *tls.ClientHelloInfo
	_ = tls.Server(rec, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			hello = h
			return nil, errHelloRead
		},
	}).HandshakeContext(ctx)
	cc.ahead = rec.seen
	if len(rec.ahead) > 0 {
		cc.ahead = append(cc.ahead, rec.ahead...)
	}
	return hello
}

// A recordingConn keeps what is read from it, and sends nothing.
type recordingConn struct {
	net.Conn
	ahead []byte // to be read before the connection
	seen  []byte
}

// Read implements net.Conn.
func (c *recordingConn) Read(b []byte) (n int, err error) {
	if len(c.ahead) > 0 {
		n = copy(b, c.ahead)
		c.ahead = c.ahead[n:]
	} else {
		n, err = c.Conn.Read(b)
	}
	c.seen = append(c.seen, b[:n]...)
	return n, err
}

// Write implements net.Conn.
func (*recordingConn) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// Close implements net.Conn.
func (*recordingConn) Close() error { return nil }
