package kafka

import (
	"context"
	"net"
	"sync"
)

// A dialer makes the connections of a consumer group and can end them: kafka-go
// waits for a group's answers without a context, a join for up to 35 seconds.
type dialer struct {
	mu     sync.Mutex
	closed bool
	next   int
	stops  map[int]func() // ends a connection or the attempt to make one
}

// dial connects, unless the dialer was closed.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	id, err := d.add(cancel)
	if err != nil {
		return nil, err
	}
	var nd net.Dialer
	c, err := nd.DialContext(ctx, network, address)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.stops, id)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		_ = c.Close()
		return nil, ctx.Err()
	}
	d.stops[id] = func() { _ = c.Close() }
	return &groupConn{Conn: c, closed: func() { d.remove(id) }}, nil
}

func (d *dialer) add(stop func()) (id int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return 0, net.ErrClosed
	}
	if d.stops == nil {
		d.stops = map[int]func(){}
	}
	d.next++
	d.stops[d.next] = stop
	return d.next, nil
}

func (d *dialer) remove(id int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.stops, id)
}

// cut ends the connections that there are. New ones can be made.
func (d *dialer) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, stop := range d.stops {
		stop()
	}
}

// close ends all connections; there are no new ones.
func (d *dialer) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.cut()
}

// A groupConn tells when it is closed.
type groupConn struct {
	net.Conn
	closed func()
}

// Close closes the connection.
func (c *groupConn) Close() error {
	c.closed()
	return c.Conn.Close()
}
