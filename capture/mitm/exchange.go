package mitm

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"harken/capture"
	"harken/har"
	"harken/ingest"
)

// An exchange is a request on its way and what is recorded of it. The transport
// calls its trace from other goroutines, also after the response has ended.
type exchange struct {
	proxy  *Proxy
	conn   *clientConn
	writer *responseWriter
	in     *http.Request // the client's
	trace  httptrace.ClientTrace
	begun  time.Time // monotonic, unlike Config.Now in tests

	mu       sync.Mutex
	record   *capture.Exchange // nil if it is not recorded
	body     *requestBody      // nil if there is none
	times    times
	server   *upstreamConn
	reused   bool
	cut      bool // the response did not end as it should have
	observed bool

	// The parts that an ordinary exchange needs: one allocation instead of four.
	ownWriter  responseWriter
	ownRequest requestBody
	ownBody    responseBody
}

// times are durations since the exchange began; zero means not yet.
type times struct {
	connected, wrote, first time.Duration
}

type exchangeKey struct{}

// lingerTime is how long a client may take to send the rest of a body that
// nobody waits for.
const lingerTime = 5 * time.Second

// lingerBytes is how much of it is read for the sake of the connection, as net/http
// does.
const lingerBytes = 256 << 10

// newExchange begins the exchange of r, whose URL already names the upstream.
func (p *Proxy) newExchange(w http.ResponseWriter, r *http.Request, cc *clientConn, raw string) *exchange {
	ex := &exchange{proxy: p, conn: cc, in: r, begun: time.Now()}
	ex.ownWriter = responseWriter{ResponseWriter: w, chunks: r.ProtoAtLeast(1, 1) && r.ProtoMajor == 1, flushers: &p.flushers}
	ex.writer = &ex.ownWriter
	host := recordedHost(r.Host, r.URL.Scheme)
	if p.cfg.Recorder == nil || !p.cfg.Recorder.Wanted(host) {
		return ex
	}
	ex.record = &capture.Exchange{
		Started:    p.now(),
		Client:     cc.addr,
		Connection: cc.id,
		Scheme:     r.URL.Scheme,
		Host:       host,
		Method:     r.Method,
		Target:     raw,
		Request:    capture.Message{Proto: r.Proto, Header: requestHeaders(r), HeaderSize: -1},
		Response:   capture.Message{HeaderSize: -1},
	}
	if r.ContentLength != 0 {
		ex.record.Request.Body = p.cfg.Recorder.Body()
		ex.record.Request.Body.Expect(r.ContentLength)
	}
	return ex
}

// outgoing returns r as it is to be sent on. Headers are left to the caller.
func (ex *exchange) outgoing(r *http.Request, raw string) *http.Request {
	ex.trace.Got1xxResponse = ex.got1xx
	if ex.record != nil {
		ex.trace.GotConn = ex.gotConn
		ex.trace.WroteRequest = ex.wroteRequest
		ex.trace.GotFirstResponseByte = ex.gotFirstByte
	}
	ctx := context.WithValue(r.Context(), exchangeKey{}, ex)
	out := r.WithContext(httptrace.WithClientTrace(ctx, &ex.trace))
	setTarget(out, raw)
	out.RequestURI = ""
	out.Close = false
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil // or the transport sends its own
	}
	if r.ContentLength == 0 {
		// An HTTP/2 request without a body still has a reader for it.
		out.Body = http.NoBody
		return out
	}
	if r.ContentLength < 0 && out.Trailer == nil {
		out.Trailer = make(http.Header) // unannounced ones; see requestBody.end
	}
	ex.body = &ex.ownRequest
	ex.body.body, ex.body.ex, ex.body.trailer = r.Body, ex, out.Trailer
	if ex.record != nil {
		ex.body.kept = ex.record.Request.Body
	}
	out.Body = ex.body
	if r.ProtoMajor == 1 {
		// A response may begin, and end, before the request has ended.
		_ = http.NewResponseController(ex.writer).EnableFullDuplex()
	}
	return out
}

// close ends the exchange with the handler. The transport may still be about to
// read the request's body, which must not be touched any more.
func (ex *exchange) close() {
	ex.writer.end()
	ex.finish(nil, context.Canceled)
	if ex.body == nil {
		return
	}
	_ = ex.body.Close()
	ex.mu.Lock()
	ended := ex.body.ended
	ex.mu.Unlock()
	if ended || ex.in.ProtoMajor != 1 {
		return
	}
	// The server reads the rest when the handler has returned, which may never come.
	// Where that is all of it, the server panics in full-duplex mode ("invalid
	// concurrent Body.Read call") and the client loses its connection, so we read it.
	rc := http.NewResponseController(ex.writer)
	_ = rc.SetReadDeadline(time.Now().Add(lingerTime))
	if ex.in.Header.Get("Expect") == "" && rc.Flush() == nil {
		_, _ = io.CopyN(io.Discard, ex.in.Body, lingerBytes)
	}
}

func (ex *exchange) aborted() bool {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	return ex.cut
}

// roundTrip is the proxy's RoundTripper: it never fails, as the client is to get
// a response in any case. Requests are those of exchange.outgoing.
func (p *Proxy) roundTrip(req *http.Request, transport http.RoundTripper) (*http.Response, error) {
	ex := exchangeOf(req)
	if ex == nil {
		return nil, errors.New("request without its exchange")
	}
	resp, err := transport.RoundTrip(req)
	ex.writer.endInformational()
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols && transport != http.RoundTripper(p.upstream.upgrading) {
		_ = resp.Body.Close()
		err = errors.New("upstream switched protocols without being asked")
	}
	if err != nil {
		return ex.failed(req, err), nil
	}
	ex.receive(resp)
	return resp, nil
}

// exchangeOf returns the exchange of a request of exchange.outgoing.
func exchangeOf(req *http.Request) *exchange {
	ex, _ := req.Context().Value(exchangeKey{}).(*exchange)
	return ex
}

// failed records that the upstream gave no response and returns one instead.
func (ex *exchange) failed(req *http.Request, err error) *http.Response {
	f := failureOf(err)
	ex.proxy.metrics.upstreamErrors.WithLabelValues(f.reason).Inc()
	ex.proxy.log.Debug("upstream failed", "host", req.Host, "reason", f.reason, "err", err)
	ex.finish(nil, err)
	return f.response(req)
}

// receive takes the head of the response and puts itself between its body and
// the reader.
func (ex *exchange) receive(resp *http.Response) {
	body := &ex.ownBody
	body.ReadCloser, body.ex, body.resp = resp.Body, ex, resp
	if ex.in.Method != http.MethodHead && resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusNotModified {
		body.length = resp.ContentLength
	}
	if rec := ex.record; rec != nil {
		rec.Status = resp.StatusCode
		if resp.ProtoMajor == 1 {
			_, rec.StatusText, _ = strings.Cut(resp.Status, " ")
		}
		rec.Response.Proto = resp.Proto
		rec.Response.Header = responseHeaders(resp)
		if body.length != 0 {
			rec.Response.Body = ex.proxy.cfg.Recorder.Body()
			rec.Response.Body.Expect(body.length)
			body.kept = rec.Response.Body
		}
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		removeHopHeaders(resp.Header)
		resp.Body = body
	}
}

// finish freezes the record and hands it over, once. A nil error is a response
// that ended as it should; resp is nil if there was none.
func (ex *exchange) finish(resp *http.Response, err error) {
	ex.mu.Lock()
	if ex.observed {
		ex.mu.Unlock()
		return
	}
	ex.observed = true
	if err != nil {
		ex.cut = resp != nil
	}
	rec := ex.record
	if rec == nil {
		ex.mu.Unlock()
		return
	}
	rec.Total = time.Since(ex.begun)
	rec.Timings = ex.timings(rec.Total)
	if ex.server != nil {
		rec.Server = ex.server.server
		rec.TLS = ex.server.tls
	}
	if ex.body != nil {
		if ex.body.ended {
			rec.Request.Trailer = trailers(ex.body.trailer)
		} else if err == nil && (ex.in.ContentLength < 0 || rec.Request.Body.Size() < ex.in.ContentLength) {
			// The upstream answered without waiting for all of the body.
			rec.Flags |= ingest.RequestTruncated
		}
	}
	if resp != nil {
		rec.Response.Trailer = trailers(resp.Trailer)
	}
	if err != nil {
		rec.Err = err
		if resp != nil || errors.Is(err, context.Canceled) || (ex.body != nil && ex.body.failed) {
			rec.Flags |= ingest.Aborted
		}
	}
	ex.mu.Unlock()
	ex.proxy.cfg.Recorder.Observe(rec)
}

// timings are HAR's phases, which add up to the total. Setting up a connection
// counts for the request that waited for all of it, not for those that reuse it or
// got what was dialed for another; what the request waited before counts as blocked.
func (ex *exchange) timings(total time.Duration) har.Timings {
	t := har.Timings{DNS: -1, Connect: -1, SSL: -1, Send: -1, Wait: -1, Receive: -1, Blocked: -1}
	tm := ex.times
	if tm.connected == 0 {
		return t
	}
	t.Blocked = tm.connected
	if s := ex.server; s != nil && !ex.reused {
		if setUp := max(s.dns, 0) + max(s.connect, 0) + max(s.ssl, 0); setUp <= tm.connected {
			t.DNS, t.Connect, t.SSL = s.dns, s.connect, s.ssl
			if t.SSL >= 0 { // HAR 1.2: the time of ssl is part of connect
				t.Connect = max(t.Connect, 0) + t.SSL
			}
			t.Blocked -= setUp
		}
	}
	if tm.wrote == 0 || (tm.first != 0 && tm.wrote > tm.first) {
		tm.wrote = tm.first // the response came while the request was being sent
	}
	if tm.wrote == 0 {
		return t
	}
	t.Send = max(tm.wrote-tm.connected, 0)
	if tm.first == 0 {
		t.Wait = max(total-tm.wrote, 0)
		return t
	}
	t.Wait = tm.first - tm.wrote
	t.Receive = max(total-tm.first, 0)
	return t
}

func (ex *exchange) gotConn(info httptrace.GotConnInfo) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.times.connected = time.Since(ex.begun)
	ex.server = upstreamConnOf(info.Conn)
	ex.reused = info.Reused
}

func (ex *exchange) wroteRequest(httptrace.WroteRequestInfo) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.times.wrote = time.Since(ex.begun)
}

func (ex *exchange) gotFirstByte() {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.times.first = time.Since(ex.begun)
}

// got1xx passes an informational response on. The client gets its 100 Continue
// from the server when the transport begins to read the body. HTTP/1.0 knows no
// such thing (RFC 9110, section 15.2).
func (ex *exchange) got1xx(code int, header textproto.MIMEHeader) error {
	if code != http.StatusContinue && ex.in.ProtoAtLeast(1, 1) {
		ex.writer.informational(code, http.Header(header))
	}
	return nil
}
