package mitm

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"harken/capture"
	"harken/har"
	"harken/ingest"
)

// dialTunnel connects to what the client of cc asked for, or answers why it
// cannot and returns nil.
func (s *session) dialTunnel(ctx context.Context, w http.ResponseWriter, cc *clientConn) *upstreamConn {
	begun := time.Now()
	up, err := s.upstream.dial(ctx, "tcp", cc.target)
	if err == nil {
		return up
	}
	f := s.tunnelFailed(cc, s.tunnelExchange(cc), begun, err)
	cc.authority, cc.target = "", "" // the client may try another
	http.Error(w, f.text, f.status)
	return nil
}

func (s *session) tunnelFailed(cc *clientConn, ex *capture.Exchange, begun time.Time, err error) failure {
	f := failureOf(err)
	s.metrics.upstreamErrors.WithLabelValues(f.reason).Inc()
	s.log.Debug("tunnel failed", "host", cc.authority, "err", err)
	s.observeTunnel(ex, begun, 0, 0, err)
	return f
}

// relay connects cc with up, or if that is nil with what its client asked for,
// and copies bytes until both sides have ended. It is recorded as one exchange
// without content.
func (s *session) relay(ctx context.Context, cc *clientConn, up *upstreamConn, reason string) {
	defer cc.Close()
	s.metrics.tunnels.WithLabelValues(reason).Inc()
	begun := time.Now()
	ex := s.tunnelExchange(cc)
	if ex != nil && reason != "protocol" {
		ex.TLS = s.helloFacts(ctx, cc)
	}
	_ = cc.SetDeadline(time.Time{})
	if up == nil {
		var err error
		if up, err = s.upstream.dial(ctx, "tcp", cc.target); err != nil {
			s.tunnelFailed(cc, ex, begun, err)
			return
		}
	}
	if ex != nil {
		ex.Server = up.server
		ex.Timings.DNS, ex.Timings.Connect = up.dns, up.connect
	}
	stop := context.AfterFunc(ctx, func() { _ = up.Close(); _ = cc.Close() })
	defer stop()
	sent, received, err := pipe(cc, up, nil)
	_ = up.Close()
	s.observeTunnel(ex, begun, sent, received, err)
}

// helloFacts is what the ClientHello of a tunnel tells; nil if there is none.
func (s *session) helloFacts(ctx context.Context, cc *clientConn) *har.TLS {
	_ = cc.SetReadDeadline(time.Now().Add(s.cfg.SniffTimeout))
	if first, err := cc.peek(1); err != nil || first[0] != tlsHandshake {
		return nil
	}
	hello := readHello(ctx, cc)
	if hello == nil {
		return nil
	}
	facts := &har.TLS{SNI: hello.ServerName}
	if len(hello.SupportedProtos) > 0 {
		facts.ALPN = hello.SupportedProtos[0]
	}
	return facts
}

// tunnelExchange returns the exchange of a tunnel, or nil if it is not recorded.
func (s *session) tunnelExchange(cc *clientConn) *capture.Exchange {
	host := recordedHost(cc.authority, "https")
	if s.cfg.Recorder == nil || !s.cfg.Recorder.Wanted(host) {
		return nil
	}
	return &capture.Exchange{
		Started:    s.now(),
		Timings:    har.Timings{Blocked: -1, DNS: -1, Connect: -1, SSL: -1, Send: -1, Wait: -1, Receive: -1},
		Client:     cc.addr,
		Connection: cc.id,
		Scheme:     "https",
		Host:       host,
		Method:     http.MethodConnect,
		Target:     "/",
		Request:    capture.Message{Proto: "HTTP/1.1", HeaderSize: -1},
		Response:   capture.Message{Proto: "HTTP/1.1", HeaderSize: -1},
		Flags:      ingest.Passthrough,
	}
}

func (s *session) observeTunnel(ex *capture.Exchange, begun time.Time, sent, received int64, err error) {
	if ex == nil {
		return
	}
	ex.Total = time.Since(begun)
	if ex.Server.IsValid() {
		ex.Status, ex.StatusText = http.StatusOK, "Connection established"
	}
	ex.Request.Body, ex.Response.Body = countedBody(sent), countedBody(received)
	if err != nil {
		ex.Err = err
		ex.Flags |= ingest.Aborted
	}
	s.cfg.Recorder.Observe(ex)
}

// countedBody returns a body of which only the size is known.
func countedBody(n int64) *capture.Body {
	b := capture.NewBody(0)
	var nothing [copySize]byte
	for ; n > 0; n -= copySize {
		_, _ = b.Write(nothing[:min(n, copySize)])
	}
	return b
}

// pipe copies both ways until both sides have ended: the end of one side's bytes
// is passed on, its error ends both. The tap, if any, sees the bytes first; a
// direction is true for the client's. The error is the first that was not an end.
func pipe(client, server io.ReadWriteCloser, tap func(fromClient bool, b []byte)) (sent, received int64, err error) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error
	)
	direction := func(dst, src io.ReadWriteCloser, n *int64, fromClient bool) {
		var err error
		*n, err = transfer(dst, src, tap, fromClient)
		if err == nil {
			err = closeWrite(dst)
		}
		if err != nil {
			_ = dst.Close()
			_ = src.Close()
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = err
			}
		}
	}
	wg.Go(func() { direction(server, client, &sent, true) })
	direction(client, server, &received, false)
	wg.Wait()
	return sent, received, first
}

// transfer copies src to dst; between sockets, by the kernel where that is
// possible.
func transfer(dst io.Writer, src io.Reader, tap func(bool, []byte), fromClient bool) (int64, error) {
	if tap == nil {
		to, toOK := tcpOf(dst)
		from, fromOK := tcpOf(src)
		if toOK && fromOK {
			return splice(to, from, src)
		}
	}
	buf := buffer()
	defer buffers.Put(buf)
	var written int64
	for {
		n, readErr := src.Read(buf[:])
		if n > 0 {
			if tap != nil {
				tap(fromClient, buf[:n])
			}
			m, err := dst.Write(buf[:n])
			written += int64(m)
			if err != nil {
				return written, err
			}
			if f, ok := dst.(http.Flusher); ok {
				f.Flush()
			}
		}
		if readErr == io.EOF {
			return written, nil
		}
		if readErr != nil {
			return written, readErr
		}
	}
}

// splice copies between two TCP sockets, after what was read ahead from src.
func splice(to, from *net.TCPConn, src io.Reader) (n int64, err error) {
	if cc, isClient := src.(*clientConn); isClient && len(cc.ahead) > 0 {
		m, err := to.Write(cc.ahead)
		cc.ahead = nil
		if n = int64(m); err != nil {
			return n, err
		}
	}
	m, err := to.ReadFrom(from)
	return n + m, err
}

func tcpOf(c any) (*net.TCPConn, bool) {
	switch c := c.(type) {
	case *clientConn:
		return tcpOf(c.Conn)
	case *upstreamConn:
		return tcpOf(c.Conn)
	case *net.TCPConn:
		return c, true
	}
	return nil, false
}
