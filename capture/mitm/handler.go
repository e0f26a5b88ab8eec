package mitm

import (
	"net/http"
	"runtime/debug"
	"strings"
)

// ServeHTTP implements http.Handler for the proxy's own port and for what comes
// out of CONNECT.
func (s *session) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.leave()
	defer s.recoverPanic(r)
	cc, ok := r.Context().Value(clientConnKey{}).(*clientConn)
	if !ok {
		panic("mitm: request without its connection")
	}
	cc.active.Store(true)
	if cc.authority != "" && !cc.proven.Swap(true) {
		s.pinned.succeeded(cc)
	}
	switch {
	case r.ProtoMajor == 2 && cc.authority == "":
		s.refuse(w, http.StatusBadRequest, "This port speaks HTTP/1.1.")
	case r.Method == http.MethodConnect && r.ProtoMajor == 2 && r.Header.Get(":protocol") != "":
		s.extendedConnect(w, r, cc)
	case r.Method == http.MethodConnect && cc.authority == "":
		s.connect(w, r, cc)
	case r.Method == http.MethodConnect:
		s.refuse(w, http.StatusMethodNotAllowed, "CONNECT within CONNECT is not supported.")
	default:
		s.forward(w, r, cc)
	}
}

// recoverPanic counts a handler's panic and lets the server end the response as
// aborted, which is also how an upstream's abort reaches the client.
func (s *session) recoverPanic(r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v != http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
		s.metrics.panics.Inc()
		s.log.Error("handler panicked", "host", r.Host, "panic", v, "stack", string(debug.Stack()))
	}
	panic(http.ErrAbortHandler)
}

func (s *session) refuse(w http.ResponseWriter, status int, text string) {
	s.metrics.refusals.WithLabelValues("request").Inc()
	http.Error(w, text, status)
}

// forward sends a request on, or serves it itself if it is for the proxy.
func (s *session) forward(w http.ResponseWriter, r *http.Request, cc *clientConn) {
	raw := rawTarget(r)
	if cc.authority == "" {
		if r.URL.Scheme == "" {
			s.cfg.LocalHandler.ServeHTTP(w, r)
			return
		}
		if !s.auth.allows(r.Header) {
			s.metrics.refusals.WithLabelValues("auth").Inc()
			s.auth.challenge(w)
			return
		}
		if r.URL.Scheme != "http" && r.URL.Scheme != "https" || r.URL.Host == "" {
			s.refuse(w, http.StatusBadRequest, "The proxy sends http and https requests only.")
			return
		}
	} else {
		r.URL.Scheme = cc.scheme
		r.URL.Host = cc.target
		if r.Host == "" {
			r.Host = cc.authority
		}
	}
	if isLocalHost(r.Host) {
		removeHopHeaders(r.Header)
		s.cfg.LocalHandler.ServeHTTP(w, r)
		return
	}
	s.metrics.requests.Inc()
	ex := s.newExchange(w, r, cc, raw)
	if isUpgrade(r) {
		s.upgrade(r.Context(), ex, raw)
		return
	}
	defer ex.close()
	out := ex.outgoing(r, raw)
	removeHopHeaders(out.Header)
	s.handler.ServeHTTP(ex.writer, out)
	if ex.aborted() {
		panic(http.ErrAbortHandler)
	}
}

// isLocalHost reports whether host is a name that the proxy itself answers for.
func isLocalHost(host string) bool {
	switch len(host) {
	case len("harken.proxy"), len("harken.proxy:80"), len("harken.proxy:443"), len("mitm.it"), len("mitm.it:80"), len("mitm.it:443"):
	default:
		return false // the common case costs no more
	}
	name, port, ok := strings.Cut(strings.ToLower(host), ":")
	return (name == "harken.proxy" || name == "mitm.it") && (!ok || port == "80" || port == "443")
}

// isUpgrade reports whether r asks to leave HTTP. To leave it for HTTP/2 without
// TLS does not count: the request is then sent as an ordinary one, as a server
// may do too (RFC 9110, section 7.8), and stays visible.
func isUpgrade(r *http.Request) bool {
	up := r.Header["Upgrade"]
	if len(up) == 0 || r.ProtoMajor != 1 || !hasToken(r.Header["Connection"], "upgrade") {
		return false
	}
	return !hasToken(up, "h2c")
}
