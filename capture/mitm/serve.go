package mitm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A session is one run of Serve. A single net/http server serves the proxy's own
// port and everything inside of CONNECT: it speaks what ALPN agreed on connections
// whose TLS was ended here, and on plain ones HTTP/1.1, or HTTP/2 if the client
// begins with it.
type session struct {
	*Proxy
	queue  *queue
	server *http.Server
	slots  chan struct{} // nil without a limit on connections

	mu   sync.Mutex
	work int  // handlers and connections that are being served
	over bool // no further work
	idle chan struct{}
}

type stopKey struct{}

// Serve accepts proxy clients from ln until ctx is done. It then stops accepting,
// closes tunnels and upgraded connections, lets exchanges in flight finish for up
// to Config.ShutdownGrace, and returns nil when everything it started has ended.
// It closes ln. It may be called once.
func (p *Proxy) Serve(ctx context.Context, ln net.Listener) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s := &session{Proxy: p, queue: newQueue(ln.Addr()), idle: make(chan struct{})}
	if n := p.cfg.MaxConnections; n > 0 {
		s.slots = make(chan struct{}, n)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true) // gRPC without TLS, within CONNECT
	s.server = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: p.cfg.ReadHeaderTimeout,
		IdleTimeout:       p.cfg.IdleTimeout,
		MaxHeaderBytes:    p.cfg.MaxHeaderBytes,
		Protocols:         protocols,
		HTTP2:             http2Config(),
		ConnContext:       connContext,
		ConnState:         s.connState,
		BaseContext:       func(net.Listener) context.Context { return context.WithValue(run, stopKey{}, ctx) },
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
		// OPTIONS * is for the upstream to answer.
		DisableGeneralOptionsHandler: true,
	}
	p.mu.Lock()
	p.self = append(p.self, ln.Addr())
	p.mu.Unlock()

	var wg sync.WaitGroup
	failed := make(chan error, 2)
	wg.Go(func() { failed <- s.accept(ctx, ln) })
	wg.Go(func() { failed <- s.server.Serve(s.queue) })
	p.log.Info("proxy started", "address", ln.Addr().String())
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.shutdown(ctx, ln)
	cancel()
	wg.Wait()
	s.finish()
	p.upstream.close()
	p.log.Info("proxy stopped", "address", ln.Addr().String())
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve proxy: %w", err)
	}
	return nil
}

// http2Config allows large flow-control windows, or one stream is limited to a
// window per round trip, and closes connections whose peer is gone.
func http2Config() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          250,
		MaxReceiveBufferPerStream:     1 << 20,
		MaxReceiveBufferPerConnection: 4<<20 - 1,
		MaxReadFrameSize:              64 << 10,
		SendPingTimeout:               time.Minute,
	}
}

// accept takes connections from ln and hands them to the server. What else than
// HTTP is to be spoken on this port is to be recognized in here.
func (s *session) accept(ctx context.Context, ln net.Listener) error {
	var pause time.Duration
	for {
		if s.slots != nil {
			select {
			case s.slots <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
		}
		c, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return err
			}
			// Out of descriptors, mostly: it passes when connections end.
			s.release()
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log.Warn("accept failed", "err", err)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return nil
			}
			continue
		}
		pause = 0
		if cc := s.newClientConn(c, s.release); cc == nil || !s.queue.put(cc) {
			return nil
		}
	}
}

func (s *session) release() {
	if s.slots != nil {
		<-s.slots
	}
}

func (s *session) shutdown(ctx context.Context, ln net.Listener) {
	_ = ln.Close()
	s.Proxy.mu.Lock()
	s.ended = true
	s.Proxy.mu.Unlock()
	s.closeConns(func(c *clientConn) bool { return c.busy.Load() || !c.active.Load() })
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownGrace)
	defer cancel()
	if err := s.server.Shutdown(grace); err != nil {
		s.log.Warn("exchanges cut by shutdown", "err", err)
	}
	_ = s.server.Close()
	_ = s.queue.Close()
}

// finish closes what is left and waits for its end. Nothing accepts any more.
func (s *session) finish() {
	s.closeConns(func(*clientConn) bool { return true })
	s.mu.Lock()
	s.over = true
	if s.work == 0 {
		close(s.idle)
	}
	s.mu.Unlock()
	<-s.idle
}

func (s *session) closeConns(which func(*clientConn) bool) {
	s.Proxy.mu.Lock()
	var closing []*clientConn
	for c := range s.conns {
		if which(c) {
			closing = append(closing, c)
		}
	}
	s.Proxy.mu.Unlock()
	for _, c := range closing {
		_ = c.Close()
	}
}

// enter counts a piece of work that Serve waits for; it reports false if there
// is to be no more. A call of leave has to follow.
func (s *session) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.work++
	return true
}

func (s *session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.work--; s.work == 0 && s.over {
		close(s.idle)
	}
}

// connState is the server's ConnState hook.
func (s *session) connState(c net.Conn, state http.ConnState) {
	cc := clientConnOf(c)
	switch state {
	case http.StateNew:
		s.mu.Lock() // over cannot be set yet: the server is still accepting
		s.work++
		s.mu.Unlock()
	case http.StateActive:
		if cc != nil {
			cc.active.Store(true)
		}
	case http.StateIdle:
		if cc != nil {
			cc.active.Store(false)
		}
	case http.StateHijacked:
		s.leave()
	case http.StateClosed:
		if cc != nil {
			s.noteUnused(cc)
		}
		s.leave()
	}
}

// A queue is the listener of the server inside: it gives the connections that
// were put.
type queue struct {
	addr   net.Addr
	ch     chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newQueue(addr net.Addr) *queue {
	return &queue{addr: addr, ch: make(chan net.Conn), closed: make(chan struct{})}
}

// put hands c to the server, or closes it and reports false.
func (q *queue) put(c net.Conn) bool {
	select {
	case q.ch <- c:
		return true
	case <-q.closed:
		_ = c.Close()
		return false
	}
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.ch:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

// Addr implements net.Listener.
func (q *queue) Addr() net.Addr { return q.addr }

// isSelf reports whether a connection from local to remote would end at the
// proxy's own port.
func (p *Proxy) isSelf(local, remote net.Addr) bool {
	l, r := addrPort(local), addrPort(remote)
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.self, func(a net.Addr) bool {
		self := addrPort(a)
		if !self.IsValid() || self.Port() != r.Port() {
			return false
		}
		// Listening on all addresses, every address of this machine is the proxy's;
		// a connection within the machine has the same address, or a loopback one,
		// at both ends.
		if self.Addr().IsUnspecified() {
			return r.Addr() == l.Addr() || r.Addr().IsLoopback()
		}
		return self.Addr() == r.Addr()
	})
}
