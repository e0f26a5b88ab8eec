package mitm

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A clientConn is a client's connection and what is known of it. Reads first
// give the bytes that were read ahead of their turn.
type clientConn struct {
	net.Conn
	proxy  *Proxy
	id     string
	addr   netip.AddrPort
	ahead  []byte      // read ahead, still to be given
	busy   atomic.Bool // in TLS set-up, a tunnel or upgraded: nothing that a shutdown waits for
	active atomic.Bool // a request is being served
	proven atomic.Bool // a request was served on it

	// Set by a CONNECT before the connection is served.
	authority string // what the client asked for, host:port; "" on the proxy's own port
	scheme    string // "http" or "https"
	target    string // the URL host of the upstream; see upstreamHost

	offered bool      // the client got as far as our certificate
	secured time.Time // when TLS was set up

	closing sync.Once
	release func()
}

// newClientConn registers c; release is called when it is closed. It returns
// nil, and closes c, during a shutdown.
func (p *Proxy) newClientConn(c net.Conn, release func()) *clientConn {
	cc := &clientConn{
		Conn:   c,
		proxy:  p,
		id:     strconv.FormatUint(p.connections.Add(1), 10),
		addr:   addrPort(c.RemoteAddr()),
		scheme: "http",

		release: release,
	}
	p.mu.Lock()
	ended := p.ended
	if !ended {
		p.conns[cc] = struct{}{}
	}
	p.mu.Unlock()
	if ended {
		_ = c.Close()
		return nil
	}
	p.metrics.connections.Inc()
	return cc
}

// Read implements net.Conn.
func (c *clientConn) Read(b []byte) (int, error) {
	if len(c.ahead) > 0 {
		n := copy(b, c.ahead)
		if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {
			c.ahead = nil
		}
		return n, nil
	}
	return c.Conn.Read(b)
}

// Close implements net.Conn.
func (c *clientConn) Close() error {
	c.closing.Do(func() {
		c.proxy.mu.Lock()
		delete(c.proxy.conns, c)
		c.proxy.mu.Unlock()
		c.proxy.metrics.connections.Dec()
		c.release()
	})
	return c.Conn.Close()
}

// CloseWrite ends the sending side.
func (c *clientConn) CloseWrite() error { return closeWrite(c.Conn) }

// occupy marks c as busy, so that a shutdown closes it at once. It reports false
// if the shutdown has begun.
func (c *clientConn) occupy() bool {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	c.busy.Store(true)
	return !c.proxy.ended
}

// peek returns at least n bytes that the next reads will give too, or the error
// that came before them.
func (c *clientConn) peek(n int) ([]byte, error) {
	for len(c.ahead) < n {
		buf := make([]byte, 2048)
		m, err := c.Conn.Read(buf)
		c.ahead = append(c.ahead, buf[:m]...)
		if err != nil && len(c.ahead) < n {
			return c.ahead, err
		}
	}
	return c.ahead, nil
}

type clientConnKey struct{}

// connContext is the ConnContext of both servers: it lets a handler find its
// connection.
func connContext(ctx context.Context, c net.Conn) context.Context {
	if cc := clientConnOf(c); cc != nil {
		return context.WithValue(ctx, clientConnKey{}, cc)
	}
	return ctx
}

func clientConnOf(c net.Conn) *clientConn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	cc, _ := c.(*clientConn)
	return cc
}

// closeWrite ends the sending side of c, or c if it has no such thing.
func closeWrite(c any) error {
	switch c := c.(type) {
	case interface{ CloseWrite() error }:
		return c.CloseWrite()
	case net.Conn:
		return c.Close()
	}
	return nil
}

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	case nil:
		return netip.AddrPort{}
	default:
		ap, _ := netip.ParseAddrPort(a.String())
		return ap
	}
}
