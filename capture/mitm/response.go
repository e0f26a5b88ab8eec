package mitm

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"harken/capture"
)

const copySize = 64 << 10

// headerDelay is how long a header of known length waits to be sent together
// with its body. It saves a system call for nearly every response.
const headerDelay = 2 * time.Millisecond

// buffers are shared by all copying.
//
//nolint:gochecknoglobals // a pool is a cache, not state
var buffers = sync.Pool{New: func() any { return new([copySize]byte) }}

func buffer() *[copySize]byte {
	b, ok := buffers.Get().(*[copySize]byte)
	if !ok {
		return new([copySize]byte)
	}
	return b
}

// A requestBody passes a request's body to the transport and copies it. After
// the exchange was observed it only passes.
type requestBody struct {
	body    io.Reader
	ex      *exchange
	kept    *capture.Body // nil if it is not recorded
	trailer http.Header   // the outgoing request's
	closed  atomic.Bool

	ended  bool // read to its end; guarded by ex.mu as the next is
	failed bool // the client gave up
}

// Read implements io.Reader.
func (b *requestBody) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.body.Read(p)
	if b.kept == nil && err == nil {
		return n, nil
	}
	b.ex.mu.Lock()
	defer b.ex.mu.Unlock()
	if n > 0 && b.kept != nil && !b.ex.observed {
		_, _ = b.kept.Write(p[:n])
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.end()
	case !b.closed.Load():
		b.failed = true
	}
	return n, err
}

// Close implements io.Closer. The client's body is not closed: the server does
// that after the response is sent. Closing it reads what is left of it, and the
// client may wait for the response before it sends that (Expect: 100-continue).
func (b *requestBody) Close() error {
	b.closed.Store(true)
	return nil
}

// end takes the trailers over. Those that were not announced net/http gives only
// now, and to the client's request only.
func (b *requestBody) end() {
	b.ended = true
	if b.trailer == nil {
		return
	}
	for k, v := range b.ex.in.Trailer {
		switch k {
		case "Content-Length", "Host", "Trailer", "Transfer-Encoding":
		default:
			b.trailer[k] = v
		}
	}
}

// A responseBody passes a response's body to the client, copies it, and ends the
// exchange with it.
type responseBody struct {
	io.ReadCloser
	ex     *exchange
	resp   *http.Response
	kept   *capture.Body // nil if it is not recorded
	length int64         // -1 if unknown; 0 also where none is allowed
}

// Read implements io.Reader.
func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 && b.kept != nil {
		_, _ = b.kept.Write(p[:n])
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		// An upstream that is told of the client's leaving may still answer, and its
		// answer be read before the connection is closed. All of a body of known
		// length has reached the client if its end comes by itself.
		if b.ex.in.Context().Err() != nil && (n > 0 || b.length <= 0) {
			b.ex.finish(b.resp, errClientGone)
		} else {
			b.ex.finish(b.resp, nil)
		}
	default:
		b.ex.finish(b.resp, err)
	}
	return n, err
}

// Close implements io.Closer. A body that is closed before its end was given up
// by the client.
func (b *responseBody) Close() error {
	err := b.ReadCloser.Close()
	b.ex.finish(b.resp, errClientGone)
	return err
}

var errClientGone = errors.New("the client went away before the response ended")

// WriteTo implements io.WriterTo, so that goproxy's copying is ours: nothing that
// the upstream sent is held back. A body of unknown length is flushed after the
// header and after each part. One of known length is flushed after each part but
// the last, which the server sends anyway, and its header when the body keeps it
// waiting.
func (b *responseBody) WriteTo(w io.Writer) (written int64, err error) {
	if b.length == 0 {
		n, err := b.Read(make([]byte, 1)) // sees the end, and trailers
		if n > 0 {
			err = errors.New("body in a response that has none")
		} else if errors.Is(err, io.EOF) {
			err = nil
		}
		return 0, err
	}
	out := b.ex.writer
	if b.length < 0 {
		out.Flush()
	} else {
		out.flushAfter(headerDelay)
		defer out.settle()
	}
	buf := buffer()
	defer buffers.Put(buf)
	for {
		n, readErr := b.Read(buf[:])
		if written == 0 {
			out.settle()
		}
		if n > 0 {
			m, err := w.Write(buf[:n])
			written += int64(m)
			if err != nil {
				return written, err
			}
			if written != b.length {
				out.Flush()
			}
		}
		if errors.Is(readErr, io.EOF) {
			return written, nil
		}
		if readErr != nil {
			out.Flush()
			return written, readErr
		}
	}
}

// A responseWriter is the server's, with what goproxy does not do: it passes
// informational responses, sends no header that the upstream did not send, and
// can flush a header whose body is late.
type responseWriter struct {
	http.ResponseWriter
	chunks bool // HTTP/1.1 to the client
	// header is sent beside what is in Header: goproxy would copy it value by
	// value.
	header   http.Header
	flushers *flushers
	late     *flusher // nil unless flushAfter has to be called off

	mu     sync.Mutex
	closed bool // no further informational responses
}

// Unwrap is for http.ResponseController.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher.
func (w *responseWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// WriteHeader implements http.ResponseWriter. The server is kept from adding a
// date and a guessed type.
func (w *responseWriter) WriteHeader(status int) {
	h := w.Header()
	maps.Copy(h, w.header)
	for _, k := range [...]string{"Date", "Content-Type"} {
		if _, ok := h[k]; !ok {
			h[k] = nil
		}
	}
	if w.chunks && len(h["Trailer"]) > 0 {
		// HTTP/2 allows trailers beside a length; HTTP/1.1 has them in chunked
		// messages only (RFC 9112, section 7.1.2).
		delete(h, "Content-Length")
	}
	w.ResponseWriter.WriteHeader(status)
}

// informational sends a 1xx response, unless the final one has come. It is called
// from the transport's goroutines.
func (w *responseWriter) informational(status int, header http.Header) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	h := w.Header()
	maps.Copy(h, header)
	w.ResponseWriter.WriteHeader(status)
	clear(h)
}

func (w *responseWriter) endInformational() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

// flushAfter flushes after d unless settle comes first.
func (w *responseWriter) flushAfter(d time.Duration) { w.late = w.flushers.start(w, d) }

// settle calls off flushAfter. After it the writer is the caller's alone.
func (w *responseWriter) settle() {
	if w.late != nil {
		w.flushers.stop(w.late)
		w.late = nil
	}
}

// end is called when the handler returns.
func (w *responseWriter) end() {
	w.endInformational()
	w.settle()
}

// flushers are the timers of flushAfter that nobody waits for: nearly every
// response needs one, and nearly none lets it come to its end.
type flushers struct{ idle sync.Pool }

// A flusher flushes one writer when its timer ends. A timer that ends just when
// it is stopped may flush the next writer early, which costs a system call.
type flusher struct {
	timer *time.Timer

	mu     sync.Mutex
	writer *responseWriter // nil when it was called off
}

func (fs *flushers) start(w *responseWriter, d time.Duration) *flusher {
	f, ok := fs.idle.Get().(*flusher)
	if !ok {
		f = &flusher{writer: w}
		f.timer = time.AfterFunc(d, f.flush)
		return f
	}
	f.mu.Lock()
	f.writer = w
	f.mu.Unlock()
	f.timer.Reset(d)
	return f
}

// stop returns when f no longer touches its writer.
func (fs *flushers) stop(f *flusher) {
	f.timer.Stop()
	f.mu.Lock()
	f.writer = nil
	f.mu.Unlock()
	fs.idle.Put(f)
}

func (f *flusher) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writer != nil {
		f.writer.Flush()
	}
}
