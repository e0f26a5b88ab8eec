package mitm

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
)

// upgrade sends a request that asks to leave HTTP/1.1 and, if the upstream
// agrees, relays what both say then. A refusal is an ordinary response.
func (s *session) upgrade(ctx context.Context, ex *exchange, raw string) {
	defer ex.close()
	out := ex.outgoing(ex.in, raw)
	protocols := out.Header["Upgrade"]
	removeHopHeaders(out.Header)
	out.Header["Connection"] = []string{"Upgrade"}
	out.Header["Upgrade"] = protocols
	resp, err := s.roundTrip(out, s.upstream.upgrading)
	if err != nil {
		panic(err) // roundTrip gives a response for every request of ours
	}
	defer resp.Body.Close()
	up, ok := resp.Body.(io.ReadWriteCloser)
	if resp.StatusCode != http.StatusSwitchingProtocols || !ok {
		s.respond(ex, resp)
		return
	}
	client, err := s.takeOver(ex, resp)
	if err != nil {
		ex.finish(resp, err)
		panic(http.ErrAbortHandler)
	}
	defer client.Close()
	s.pipeUpgraded(stopContext(ctx), ex, resp, client, up)
}

// takeOver sends the 101 and returns the client's connection as it is then.
func (s *session) takeOver(ex *exchange, resp *http.Response) (io.ReadWriteCloser, error) {
	if !ex.conn.occupy() {
		return nil, http.ErrServerClosed
	}
	conn, buffered, err := http.NewResponseController(ex.writer).Hijack()
	if err != nil {
		return nil, err
	}
	protocols := resp.Header["Upgrade"]
	removeHopHeaders(resp.Header)
	resp.Header["Connection"] = []string{"Upgrade"}
	resp.Header["Upgrade"] = protocols
	head := buffered.Writer
	_, _ = head.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = resp.Header.Write(head)
	_, _ = head.WriteString("\r\n")
	if err := head.Flush(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &hijacked{Conn: conn, reader: buffered.Reader}, nil
}

// A hijacked connection first gives what the server had read of it.
type hijacked struct {
	net.Conn
	reader *bufio.Reader
}

// Read implements io.Reader.
func (h *hijacked) Read(p []byte) (int, error) {
	if h.reader != nil {
		if n := h.reader.Buffered(); n > 0 {
			return h.reader.Read(p[:min(n, len(p))])
		}
		h.reader = nil
	}
	return h.Conn.Read(p)
}

// CloseWrite ends the sending side.
func (h *hijacked) CloseWrite() error { return closeWrite(h.Conn) }

// pipeUpgraded relays until both sides have ended, or the proxy shuts down, and
// ends the exchange.
func (s *session) pipeUpgraded(ctx context.Context, ex *exchange, resp *http.Response, client, up io.ReadWriteCloser) {
	s.metrics.upgrades.Inc()
	stop := context.AfterFunc(ctx, func() { _ = up.Close(); _ = client.Close() })
	defer stop()
	var sent, received atomic.Int64
	// The messages of a WebSocket are to be seen here.
	tap := func(fromClient bool, b []byte) {
		if fromClient {
			sent.Add(int64(len(b)))
		} else {
			received.Add(int64(len(b)))
		}
	}
	_, _, err := pipe(client, up, tap)
	if ex.record != nil {
		ex.record.Request.Body = countedBody(sent.Load())
		ex.record.Response.Body = countedBody(received.Load())
	}
	if err != nil && (errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed)) {
		err = nil // one side was gone when the other was told
	}
	ex.finish(resp, err)
}

// respond copies an ordinary response to the client.
func (s *session) respond(ex *exchange, resp *http.Response) {
	h := ex.writer.Header()
	maps.Copy(h, resp.Header)
	ex.writer.WriteHeader(resp.StatusCode)
	if _, err := io.Copy(ex.writer, resp.Body); err != nil || ex.aborted() {
		panic(http.ErrAbortHandler)
	}
	for k, vs := range resp.Trailer {
		h[http.TrailerPrefix+k] = vs
	}
}

// extendedConnect relays what a client sends in an HTTP/2 stream (RFC 8441) to an
// HTTP/1.1 upstream that it upgrades.
func (s *session) extendedConnect(w http.ResponseWriter, r *http.Request, cc *clientConn) {
	protocol := r.Header.Get(":protocol")
	r.URL.Scheme = cc.scheme
	r.URL.Host = cc.target
	raw := rawTarget(r)
	s.metrics.requests.Inc()
	ex := s.newExchange(w, r, cc, raw)
	defer ex.close()
	if ex.record != nil {
		ex.record.Request.Body = nil
	}
	out := ex.outgoing(r, raw)
	delete(out.Header, ":protocol")
	removeHopHeaders(out.Header)
	out.Method = http.MethodGet
	out.Body, out.ContentLength, out.Trailer = http.NoBody, 0, nil
	ex.body = nil // the stream's bytes are no body, they come after the upgrade
	out.Header["Connection"] = []string{"Upgrade"}
	out.Header["Upgrade"] = []string{protocol}
	if strings.EqualFold(protocol, "websocket") {
		out.Header["Sec-Websocket-Key"] = []string{webSocketKey()}
	}
	resp, err := s.roundTrip(out, s.upstream.upgrading)
	if err != nil {
		panic(err) // roundTrip gives a response for every request of ours
	}
	defer resp.Body.Close()
	up, ok := resp.Body.(io.ReadWriteCloser)
	if resp.StatusCode != http.StatusSwitchingProtocols || !ok {
		if resp.StatusCode/100 == 2 {
			// To the client it would mean that the stream is a WebSocket.
			resp.StatusCode = http.StatusBadGateway
		}
		s.respond(ex, resp)
		return
	}
	removeHopHeaders(resp.Header)
	h := w.Header()
	for k, v := range resp.Header {
		if k != "Sec-Websocket-Accept" && k != "Content-Length" {
			h[k] = v
		}
	}
	ex.writer.WriteHeader(http.StatusOK)
	ex.writer.Flush()
	s.pipeUpgraded(stopContext(r.Context()), ex, resp, &stream{responseWriter: ex.writer, body: r.Body}, up)
}

// webSocketKey is a nonce as RFC 6455, section 4.1, wants it.
func webSocketKey() string {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// A stream is an HTTP/2 stream as a connection.
type stream struct {
	*responseWriter
	body io.ReadCloser
	over atomic.Bool
}

// Read implements io.Reader.
func (st *stream) Read(p []byte) (int, error) {
	n, err := st.body.Read(p)
	if err != nil && st.over.Load() {
		err = io.EOF
	}
	return n, err
}

// CloseWrite ends both directions: the stream's sending side ends with the
// handler, which must not wait for a client that waits for it.
func (st *stream) CloseWrite() error { return st.Close() }

// Close gives the stream up.
func (st *stream) Close() error {
	st.over.Store(true)
	return st.body.Close()
}
