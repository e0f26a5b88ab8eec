package admin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"harken/admin"
	"harken/admin/auth"
)

// raw makes a request whose target, host and headers are what a client that is not
// a browser can send.
func (w *world) raw(t *testing.T, method, target, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	u, err := url.Parse("http://127.0.0.1" + target)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.URL, r.RequestURI, r.Host = u, target, "127.0.0.1"
	if change != nil {
		change(r)
	}
	rec := httptest.NewRecorder()
	w.srv.Config.Handler.ServeHTTP(rec, r)
	return rec
}

func hardened(t *testing.T, what string, h http.Header) {
	t.Helper()
	if h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s may be sniffed: %v", what, h)
	}
	if p := h.Get("Content-Security-Policy"); !strings.Contains(p, "frame-ancestors 'none'") || strings.Contains(p, "'unsafe-eval'") {
		t.Errorf("%s has the policy %q", what, p)
	}
	if h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Access-Control-Allow-Origin") == "*" {
		t.Errorf("%s may be read by other sites: %v", what, h)
	}
}

// Every answer of every row, be it an error, says what browsers may do with it.
func TestHeadersOfAllRows(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.Origins, c.LimitLogin = []string{"*"}, 1 })
	answer := func(what, method, path, who, body string, headers ...string) {
		t.Helper()
		res, _ := w.do(t, who, method, path, strings.NewReader(body), append(headers, "Origin: https://evil.example")...)
		hardened(t, what, res.Header)
		cached := path == "/api/openapi.json" && res.StatusCode < 300
		if c := res.Header.Get("Cache-Control"); c != "no-store" && !cached || cached && !strings.Contains(c, "private") && !strings.Contains(c, "no-") {
			t.Errorf("%s (%d) may be cached: %q", what, res.StatusCode, c)
		}
		if kind := res.Header.Get("Content-Type"); res.StatusCode >= 400 && kind != "application/json; charset=utf-8" {
			t.Errorf("%s (%d) is %q", what, res.StatusCode, kind)
		}
	}
	for _, r := range admin.RouteInfos() {
		answer(r.URL, r.Verb, r.URL, "admin", "")
		answer(r.URL+" for nobody", r.Verb, r.URL, "", "")
		answer(r.URL+" malformed", r.Verb, r.URL, "admin", "{")
		answer(r.URL+" by DELETE", http.MethodDelete, r.URL, "admin", "")
		answer(r.URL+" too large", r.Verb, r.URL, "admin", strings.Repeat(" ", 1<<20+1))
	}
	answer("an unknown path", http.MethodGet, "/nothing", "", "")
	answer("an unknown endpoint", http.MethodPost, "/api/nothing", "admin", "")
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	answer("a failure", http.MethodPost, "/api/me", "admin", "")
	for _, path := range []string{"/", "/login", "/docs", "/ui/app.js", "/healthz", "/metrics"} {
		res, _ := w.do(t, "", http.MethodGet, path, nil)
		if res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s may be sniffed: %v", path, res.Header)
		}
		if strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
			hardened(t, path, res.Header)
			if p := res.Header.Get("Content-Security-Policy"); strings.Contains(strings.SplitN(p, "style-src", 2)[0], "unsafe") {
				t.Errorf("%s has the policy %q", path, p)
			}
		}
	}
}

// Other sites' scripts are let in by their origin alone, and never with cookies.
func TestOrigins(t *testing.T) {
	for _, c := range []struct{ allowed, origin, want string }{
		{"", "https://a.example", ""},
		{"https://a.example", "https://a.example", "https://a.example"},
		{"https://a.example", "https://a.example.evil.example", ""},
		{"https://a.example", "http://a.example", ""},
		{"https://a.example", "https://a.example:444", ""},
		{"https://a.example", "null", ""},
		{"*", "https://b.example", "https://b.example"},
		{"*", "", ""},
	} {
		w := start(t, func(cfg *admin.Config) {
			if c.allowed != "" {
				cfg.Origins = []string{c.allowed}
			}
		})
		for _, method := range []string{http.MethodPost, http.MethodOptions} {
			res, _ := w.do(t, "admin", method, "/api/me", nil, "Origin: "+c.origin, "Access-Control-Request-Method: POST")
			if h := res.Header; h.Get("Access-Control-Allow-Origin") != c.want || h.Get("Access-Control-Allow-Credentials") != "" ||
				c.allowed != "" && h.Get("Vary") != "Origin" {
				t.Errorf("%s from %q, allowed %q: %v", method, c.origin, c.allowed, h)
			}
		}
		cookies, _ := w.signIn(t, "admin@example.com", password)
		w.want(t, 403, "", http.MethodPost, "/api/me", nil, "Origin: "+c.origin+"x", "Cookie: "+cookies["harken_session"])
	}
}

// There is one way to write a path and a verb; every other one leads nowhere.
func TestPathTricks(t *testing.T) {
	w := start(t, nil)
	as := func(who string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("X-API-KEY", w.keys[who]) }
	}
	for _, target := range []string{
		"/api//me", "//api/me", "/api/me/", "/api/./me", "/api/../api/me", "/api/%2e/me", "/api/x/%2e%2e/me", "/api%2fme", "/api/%6de", "/%61pi/me", "/api/me%2f", "/api/me%00",
		"/api/me;x=1", "/API/me", "/api/ME", "/api/Me", "/api/me%20", "/api/me.json", "/ui/../api/me", "/ca/../api/me", "/ca/%2e%2e/api/me", "/api\\me",
		"/api/uploadHar/../fetchAdminSettings", "/api/uploadHar/%2e%2e/fetchAdminSettings", "/auth/login/../../api/me", "/auth/LOGIN", "/dashboard//accessToken",
	} {
		for _, who := range []string{"admin", "burp", "stranger"} {
			rec := w.raw(t, http.MethodPost, target, "{}", as(who))
			if rec.Code != http.StatusNotFound && rec.Code != http.StatusMethodNotAllowed {
				t.Errorf("POST %s as %s = %d %s", target, who, rec.Code, rec.Body)
			}
			if get := w.raw(t, http.MethodGet, target, "", as(who)); strings.Contains(get.Body.String(), "@example.com") || get.Code >= 500 || get.Code/100 == 3 {
				t.Errorf("GET %s as %s = %d %.200s", target, who, get.Code, get.Body)
			}
		}
	}
	// The verb is that of the request line.
	for _, h := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		override := func(verb string) func(*http.Request) {
			return func(r *http.Request) {
				as("admin")(r)
				r.Header.Set(h, verb)
			}
		}
		if rec := w.raw(t, http.MethodGet, "/api/me?_method=POST", "", override("POST")); rec.Code != http.StatusMethodNotAllowed {
			t.Errorf("GET with %s: POST = %d", h, rec.Code)
		}
		if rec := w.raw(t, http.MethodPost, "/api/me?_method=DELETE", "", override("DELETE")); rec.Code != http.StatusOK {
			t.Errorf("POST with %s: DELETE = %d", h, rec.Code)
		}
	}
	for _, verb := range []string{"TRACE", "CONNECT", "PROPFIND", "post", "HEAD"} {
		if rec := w.raw(t, verb, "/api/me", "", as("admin")); rec.Code != http.StatusMethodNotAllowed || strings.Contains(rec.Body.String(), "admin-key") {
			t.Errorf("%s = %d %s", verb, rec.Code, rec.Body)
		}
	}
	// Nor does a header that proxies set choose the path.
	for _, h := range []string{"X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix"} {
		rec := w.raw(t, http.MethodPost, "/api/uploadHar", "{}", func(r *http.Request) {
			as("burp")(r)
			r.Header.Set(h, "/api/fetchAdminSettings")
		})
		if rec.Code != http.StatusUnprocessableEntity {
			t.Errorf("with %s uploadHar = %d", h, rec.Code)
		}
	}
}

// A key counts in its header, once, and nowhere else.
func TestKeyPlaces(t *testing.T) {
	w := start(t, nil)
	key := w.keys["admin"]
	for _, r := range admin.RouteInfos() {
		if r.Needs.Feature == auth.Open {
			continue
		}
		for _, query := range []string{"?X-API-KEY=" + key, "?x-api-key=" + key + "&apiKey=" + key + "&api_key=" + key, "?access-token=" + key} {
			w.want(t, 403, "", r.Verb, r.URL+query, nil)
		}
	}
	for name, change := range map[string]func(h http.Header){
		"two":           func(h http.Header) { h["X-Api-Key"] = []string{key, key} },
		"two, one good": func(h http.Header) { h["X-Api-Key"] = []string{"x", key} },
		"a list":        func(h http.Header) { h.Set("X-API-KEY", key+", "+key) },
		"empty":         func(h http.Header) { h.Set("X-API-KEY", "") },
		"bearer":        func(h http.Header) { h.Set("Authorization", "Bearer "+key) },
		"basic":         func(h http.Header) { h.Set("Authorization", "Basic "+key) },
		"cookie":        func(h http.Header) { h.Set("Cookie", "X-API-KEY="+key) },
		"prefix":        func(h http.Header) { h.Set("X-API-KEY", key[:auth.PrefixLen]) },
		"hash":          func(h http.Header) { hash := auth.HashToken(key); h.Set("X-API-KEY", string(hash[:])) },
	} {
		rec := w.raw(t, http.MethodPost, "/api/me", "{}", func(r *http.Request) { change(r.Header) })
		if rec.Code != http.StatusForbidden || strings.Contains(rec.Body.String(), key) {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
	body := strings.NewReader(`{"X-API-KEY":"` + key + `","apiKey":"` + key + `"}`)
	w.want(t, 403, "", http.MethodPost, "/api/me", body)
}
