package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"harken/admin/auth"
	"harken/admin/ui"
	"harken/inventory/fault"
)

// Handler returns the API, the page, and what Config mounts beside them, as one
// HTTP handler.
func (a *API) Handler() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.RedirectTrailingSlash = false
	e.HandleMethodNotAllowed = true
	// A path has one spelling: what a proxy in front of us lets through or not must be
	// what we serve.
	e.UseRawPath = true
	verbs := map[string]string{}
	for i := range routes {
		rt := &routes[i]
		verbs[rt.url()] = rt.verb
		h := func(g *gin.Context) { a.serve(rt, g.Writer, g.Request) }
		e.Handle(rt.verb, rt.url(), h)
		if rt.verb == http.MethodGet {
			e.HEAD(rt.url(), h)
		}
	}
	mount := func(path string, h http.Handler) {
		if h == nil {
			return
		}
		verbs[path] = http.MethodGet
		f := func(g *gin.Context) { h.ServeHTTP(g.Writer, g.Request) }
		e.GET(path, f)
		e.HEAD(path, f)
	}
	mount("/healthz", orOK(a.cfg.Healthz))
	mount("/readyz", orOK(a.cfg.Readyz))
	if a.cfg.Metrics != nil {
		mount("/metrics", a.metrics())
	}
	if a.cfg.CAPage != nil {
		ca := http.StripPrefix("/ca", a.cfg.CAPage)
		mount("/ca", ca)
		mount("/ca/*file", ca)
	}
	page := ui.Handler()
	for _, path := range ui.Paths() {
		mount(path, page)
	}
	e.NoRoute(func(g *gin.Context) {
		a.refuse(g.Writer, g.Request, http.StatusNotFound, "no such path: "+clip(g.Request.URL.Path))
	})
	e.NoMethod(func(g *gin.Context) { a.noMethod(g.Writer, g.Request, verbs[g.Request.URL.Path]) })
	return e
}

// noMethod answers a known path with another verb: preflights of allowed origins,
// OPTIONS, and mistakes.
func (a *API) noMethod(w http.ResponseWriter, r *http.Request, verb string) {
	allow := "POST, OPTIONS"
	if verb != http.MethodPost {
		allow = "GET, HEAD, OPTIONS"
	}
	w.Header().Set("Allow", allow)
	if r.Method == http.MethodOptions {
		if a.allowOrigin(w, r) {
			h := w.Header()
			h.Set("Access-Control-Allow-Methods", allow)
			h.Set("Access-Control-Allow-Headers", "Content-Type, Content-Encoding, X-API-KEY, access-token, account, x-context-source")
			h.Set("Access-Control-Max-Age", "600")
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	a.refuse(w, r, http.StatusMethodNotAllowed, r.Method+" is not allowed here, only "+allow)
}

// refuse answers what reached no endpoint.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, status int, msg string) {
	c := &call{w: w, r: r, route: &route{path: "/"}}
	a.commonHeaders(c)
	a.write(c.r.Context(), c, status, errorBody{[]string{msg}})
}

func clip(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "") + "..."
	}
	return s
}

func orOK(h http.Handler) http.Handler {
	if h != nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write([]byte("ok\n"))
	})
}

// metrics are for a loopback client or an API key: they name hosts and counts.
// A request that came through a proxy on this machine is not from loopback.
func (a *API) metrics() http.Handler {
	rt := &route{path: "/metrics", needs: needs(auth.Metrics, auth.Read)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.serveMetrics(r.Context(), &call{w: w, r: r, route: rt})
	})
}

func (a *API) serveMetrics(ctx context.Context, c *call) {
	c.w.Header().Set("X-Content-Type-Options", "nosniff")
	// A page whose host name was rebound to this machine calls it by that name.
	near := peerAddr(c.r).IsLoopback() && localHost(c.r) && c.r.Header.Get("X-Forwarded-For") == "" && c.r.Header.Get("Forwarded") == ""
	if !near {
		caller, err := a.caller(c.r, c.route.path)
		if err == nil && caller.Key == nil {
			err = fault.New(fault.Denied, "metrics need an API key")
		}
		if err == nil {
			err = caller.Check(c.route.needs)
		}
		if err != nil {
			a.commonHeaders(c)
			a.fail(ctx, c, err)
			return
		}
	}
	a.cfg.Metrics.ServeHTTP(c.w, c.r)
}

// allowOrigin lets scripts of a configured origin read the answer. Cookies are
// never part of such a call: there is no Allow-Credentials.
func (a *API) allowOrigin(w http.ResponseWriter, r *http.Request) bool {
	if len(a.cfg.Origins) == 0 {
		return false
	}
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.Contains(a.cfg.Origins, origin) && !slices.Contains(a.cfg.Origins, "*") {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Expose-Headers", "access-token, account, Retry-After")
	return true
}
