package mitm

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"syscall"
)

// A patientConn is a connection of the pooled transport that speaks HTTP/1.1. A
// write to a peer that is gone fails only when the connection is closed. The
// transport would end the exchange with it at once, though the peer may have
// answered before it left, as servers do that take no body so large. So it is the
// reader who finds the answer, or the error, and the transport then closes the
// connection: it keeps none whose request is still being written.
type patientConn struct {
	net.Conn
	closing sync.Once
	closed  chan struct{}
}

// Write implements net.Conn.
func (c *patientConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		<-c.closed
	}
	return n, err
}

// Close implements net.Conn.
func (c *patientConn) Close() error {
	c.closing.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// patient makes dial give a patientConn, but for HTTP/2: it has streams that end by
// themselves, and the transport has to see the type of the connection.
func patient(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if t, ok := c.(*tls.Conn); ok && t.ConnectionState().NegotiatedProtocol == "h2" {
			return c, nil
		}
		upstreamConnOf(c).pooled = true
		return &patientConn{Conn: c, closed: make(chan struct{})}, nil
	}
}
