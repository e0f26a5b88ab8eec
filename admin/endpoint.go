package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"runtime/debug"
	"strconv"
	"sync"

	"harken/admin/auth"
	"harken/ingest"
	"harken/inventory/fault"
)

// An endpoint is what a route does, and what its documentation says of it.
type endpoint struct {
	verb    string
	uploads bool   // takes bodies up to Config.MaxUpload
	sparse  bool   // is audited once a minute: see sparsely
	plan    string // label of auth that the plan must grant; empty is none
	// limiter counts tries by client address; nil does not.
	limiter func(*API) *limiter
	in, out reflect.Type
	serve   func(a *API, c *call) error
	cached  bool // may be answered with 304
}

// A call is one request on its way through an endpoint.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	route  *route
	caller *auth.Caller // nil at endpoints that are open
}

// post is an endpoint with a JSON answer: its request is decoded into In, and
// the Out of f is the reply.
func post[In, Out any](f func(*API, context.Context, *auth.Caller, In) (Out, error)) endpoint {
	return endpoint{
		verb: http.MethodPost, in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](),
		serve: func(a *API, c *call) error {
			var in In
			release, err := a.decodeBody(c, &in)
			defer release()
			if err != nil {
				return err
			}
			out, err := f(a, c.r.Context(), c.caller, in)
			if err != nil {
				return err
			}
			a.audit(c.r.Context(), c, in)
			a.reply(c, out)
			return nil
		},
	}
}

// get is post with the request in the query.
func get[In, Out any](f func(*API, context.Context, *auth.Caller, In) (Out, error)) endpoint {
	e := post(f)
	e.verb = http.MethodGet
	e.serve = func(a *API, c *call) error {
		var in In
		if err := decodeQuery(c.r, &in); err != nil {
			return err
		}
		out, err := f(a, c.r.Context(), c.caller, in)
		if err != nil {
			return err
		}
		a.reply(c, out)
		return nil
	}
	return e
}

// download is get with an answer that is not JSON but a file, written as it is made.
func download[In any](f func(*API, context.Context, *auth.Caller, In) (*file, error)) endpoint {
	return endpoint{
		verb: http.MethodGet, in: reflect.TypeFor[In](), out: reflect.TypeFor[file](),
		serve: func(a *API, c *call) error {
			var in In
			if err := decodeQuery(c.r, &in); err != nil {
				return err
			}
			out, err := f(a, c.r.Context(), c.caller, in)
			if err != nil {
				return err
			}
			out.send(a, c)
			return nil
		},
	}
}

// upload lets an endpoint take large bodies.
func upload(e endpoint) endpoint {
	e.uploads = true
	return e
}

// limited counts the calls of an endpoint by client address, together with those
// of the others that name the same limiter.
func limited(by func(*API) *limiter, e endpoint) endpoint {
	e.limiter = by
	return e
}

// sparsely has an endpoint that agents call all the time audited once a minute for
// each caller: what it takes is counted elsewhere.
func sparsely(e endpoint) endpoint {
	e.sparse = true
	return e
}

// serve answers one request: credential, role, plan, rate limit, body, in this order,
// so that a stranger cannot make us read anything.
func (a *API) serve(rt *route, w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, route: rt}
	defer a.recover(c)
	a.commonHeaders(c)
	if err := a.admit(c); err != nil {
		a.fail(c.r.Context(), c, err)
		return
	}
	if err := rt.serve(a, c); err != nil {
		a.fail(c.r.Context(), c, err)
	}
}

func (a *API) admit(c *call) error {
	if c.route.needs.Feature != auth.Open {
		caller, err := a.caller(c.r, c.route.path)
		if err != nil {
			return err
		}
		if err := caller.Check(c.route.needs); err != nil {
			if caller.Role == auth.NoAccess {
				c.w.Header().Set("X-No-Access-Error", "true")
			}
			return err
		}
		c.caller = caller
		if c.route.plan != "" {
			if err := a.checkPlan(c.r.Context(), caller.Account, c.route.plan); err != nil {
				return err
			}
		}
	}
	if c.route.limiter != nil {
		return c.route.limiter(a).try(a.clientAddr(c.r))
	}
	return nil
}

// commonHeaders sets what every answer of the API has, errors included.
func (a *API) commonHeaders(c *call) {
	h := c.w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	a.allowOrigin(c.w, c.r)
}

func (a *API) reply(c *call, out any) {
	a.write(c.r.Context(), c, http.StatusOK, out)
}

func (a *API) write(ctx context.Context, c *call, status int, body any) {
	buf := a.replies.take()
	b, err := appendReply(*buf, body)
	if err != nil { // a reply type that cannot be encoded is our mistake
		a.log.ErrorContext(ctx, "reply not encoded", "path", c.route.url(), "err", err)
		status, b = http.StatusInternalServerError, append(*buf, `{"actionErrors":["internal error"]}`...)
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(b))) // else what is longer than a buffer goes in chunks
	c.w.WriteHeader(status)
	_, _ = c.w.Write(b) // the client is gone
	a.replies.giveBack(buf, b)
}

// A replyPool has the memory in which replies are encoded. It is safe for concurrent
// use.
type replyPool struct{ free sync.Pool }

// keptReply is how large a rare reply may be without its memory being kept.
const keptReply = 256 << 10

func (p *replyPool) take() *[]byte {
	if buf, ok := p.free.Get().(*[]byte); ok {
		return buf
	}
	return new([]byte)
}

// giveBack ends the use of buf and of what was appended to it.
func (p *replyPool) giveBack(buf *[]byte, b []byte) {
	if cap(b) <= keptReply {
		*buf = b[:0]
		p.free.Put(buf)
	}
}

// An appender is a reply that writes itself, byte for byte as encoding/json does:
// where reflection takes a good part of the time of a call that is made often.
type appender interface {
	appendJSON(dst []byte) []byte
}

// appendReply is json.Marshal without escapes for HTML: a link must be whole when it is
// copied from the terminal. No browser takes the answer for a page, because its type
// is JSON and X-Content-Type-Options says so.
func appendReply(dst []byte, v any) ([]byte, error) {
	if v, ok := v.(appender); ok {
		return v.appendJSON(dst), nil
	}
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

type errorBody struct {
	ActionErrors []string `json:"actionErrors"`
}

func status(k fault.Kind) int {
	switch k {
	case fault.Malformed:
		return http.StatusBadRequest
	case fault.Invalid, fault.NotFound, fault.Conflict:
		// NotFound is what the request names; a path that is unknown is 404.
		return http.StatusUnprocessableEntity
	case fault.Unauthorized:
		return http.StatusUnauthorized
	case fault.Denied:
		return http.StatusForbidden
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Busy:
		return http.StatusTooManyRequests
	default:
		return http.StatusInternalServerError
	}
}

func (a *API) fail(ctx context.Context, c *call, err error) {
	kind, msg := fault.Of(err)
	if busy, ok := errors.AsType[*ingest.BusyError](err); ok {
		if kind != fault.Busy {
			kind, msg = fault.Busy, "the record log is busy; try again later"
		}
		c.w.Header().Set("Retry-After", strconv.Itoa(max(1, int((busy.After.Milliseconds()+999)/1000))))
	} else if kind == fault.Busy {
		c.w.Header().Set("Retry-After", "1")
	}
	if kind == fault.Internal {
		if ctx.Err() != nil {
			return // the client has gone, and what failed for it is no news
		}
		a.log.ErrorContext(ctx, "request failed", "path", c.route.url(), "err", err)
	}
	a.write(ctx, c, status(kind), errorBody{[]string{msg}})
}

// recover turns a panic into a 500, or, when the answer has begun, into a broken
// connection: a client must not take half an answer for a whole one.
func (a *API) recover(c *call) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
		panic(v)
	}
	a.log.ErrorContext(c.r.Context(), "panic", "path", c.route.url(), "value", v, "stack", string(debug.Stack()))
	if w, ok := c.w.(interface{ Written() bool }); ok && w.Written() {
		panic(http.ErrAbortHandler)
	}
	a.write(c.r.Context(), c, http.StatusInternalServerError, errorBody{[]string{"internal error"}})
}
