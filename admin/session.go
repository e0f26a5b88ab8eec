package admin

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"harken/admin/auth"
	"harken/inventory/fault"
)

// sessionCookie is the cookie that holds the id of a login session.
const sessionCookie = "harken_session"

// touchAfter is how stale the stored last use of a session may get, in seconds:
// the page asks every few seconds, and each write would wait for the learner's.
const touchAfter = 60

// caller finds out who is asking: by API key when one is presented, else by
// access token, else by the cookie of a login session. What is presented and no
// good is fault.Denied, whatever comes with it, as is who presents nothing.
func (a *API) caller(r *http.Request, name string) (*auth.Caller, error) {
	scope := auth.Scope(r.Header.Get("x-context-source"))
	if keys := r.Header.Values("X-API-KEY"); len(keys) > 0 {
		return a.keyCaller(r.Context(), keys, name, scope)
	}
	if token, ok := accessToken(r); ok {
		return a.tokenCaller(r, token, scope)
	}
	k, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil, fault.New(fault.Denied, "a credential is needed: the header X-API-KEY or access-token, or a login")
	}
	if err := a.sameOrigin(r); err != nil {
		return nil, err
	}
	return a.sessionCaller(r, k.Value, scope)
}

func (a *API) keyCaller(ctx context.Context, keys []string, name, scope string) (*auth.Caller, error) {
	unknown := fault.New(fault.Denied, "the API key is not known")
	if len(keys) != 1 {
		return nil, unknown
	}
	hash := auth.HashToken(strings.TrimSpace(keys[0]))
	k, err := a.cfg.Users.Key(ctx, hash)
	if kind, _ := fault.Of(err); err != nil && kind != fault.NotFound {
		return nil, err
	}
	if err != nil || !k.Hash.Equal(hash) {
		return nil, unknown
	}
	if !k.Utility.Reaches(name) {
		return nil, fault.New(fault.Denied, "an API key for %s may not call %s", k.Utility, name)
	}
	if a.keyBlocked(name) {
		return nil, fault.New(fault.Denied, "an API key may not call %s", name)
	}
	c, err := auth.NewCaller(ctx, a.cfg.Users, a.cfg.Stores, k.Owner, k.Account, scope)
	if err != nil {
		return nil, err
	}
	c.Key = &k
	return c, nil
}

// keyBlocked names what no API key may call, and, when the reference's rule is
// asked for, what it forbids besides.
func (a *API) keyBlocked(name string) bool {
	switch name {
	case "getPostmanCredential":
		return true
	case "inviteUsers", "logout", "addApiToken", "deleteApiToken", "fetchApiTokens":
		return a.cfg.StrictKeyBlocklist
	default:
		return strings.HasPrefix(name, "/dashboard")
	}
}

func (a *API) sessionCaller(r *http.Request, id, scope string) (*auth.Caller, error) {
	ctx := r.Context()
	expired := fault.New(fault.Denied, "the session has expired; sign in again")
	hash := auth.HashToken(id)
	s, err := a.cfg.Users.Session(ctx, hash)
	if kind, _ := fault.Of(err); err != nil && kind != fault.NotFound {
		return nil, err
	}
	if err != nil || !s.ID.Equal(hash) {
		return nil, expired
	}
	now := a.cfg.Now().Unix()
	// The session of an idle cookie stays for its tokens, until a login cleans up.
	if now-s.LastUsed > int64(a.cfg.SessionIdle.Seconds()) {
		return nil, expired
	}
	if now-s.LastUsed >= min(touchAfter, int64(a.cfg.SessionIdle.Seconds())/2) {
		if err := a.cfg.Users.TouchSession(ctx, s.SID, now); err != nil {
			return nil, err
		}
	}
	return a.memberCaller(r, &s, s.Account, scope)
}

// sameOrigin refuses calls that another site's page made with our cookie. Unlike
// CrossOriginProtection alone it covers GET too, and refuses a call that says
// nothing about where it came from: every browser that has our cookie does,
// though over plain HTTP some say it only by Referer.
func (a *API) sameOrigin(r *http.Request) error {
	denied := fault.New(fault.Denied, "a call with the session cookie must come from the page itself")
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	switch {
	case site == "" && origin == "":
		if u, err := url.Parse(r.Header.Get("Referer")); err != nil || u.Host == "" || u.Host != r.Host ||
			r.Method != http.MethodGet && r.Method != http.MethodHead {
			return denied
		}
		return nil
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		// CrossOriginProtection lets safe methods pass, so they are checked here by
		// what it would say of a POST.
		r = &http.Request{Method: http.MethodPost, Header: r.Header, Host: r.Host, URL: r.URL}
	}
	if a.guard.Check(r) != nil {
		return denied
	}
	return nil
}

// secure says whether the client came over HTTPS: here, at a proxy we trust, or to
// the public address when that is one of HTTPS.
func (a *API) secure(r *http.Request) bool {
	if r.TLS != nil || a.trusted(peerAddr(r)) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return true
	}
	public, err := url.Parse(a.cfg.PublicURL)
	return err == nil && public.Scheme == "https" && strings.EqualFold(public.Host, r.Host)
}

func peerAddr(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, _ := netip.ParseAddr(host)
	return addr.Unmap().WithZone("")
}

func (a *API) trusted(addr netip.Addr) bool {
	for _, p := range a.cfg.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// clientAddr is the address that limits count by: the peer's, or the last one in
// X-Forwarded-For that a trusted proxy vouches for. An IPv6 client owns a whole
// /64, so that counts as one.
func (a *API) clientAddr(r *http.Request) netip.Addr {
	addr := peerAddr(r)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && a.trusted(addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next.Unmap().WithZone("")
	}
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			addr = p.Addr()
		}
	}
	return addr
}
