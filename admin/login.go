package admin

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"harken/admin/auth"
	"harken/inventory/fault"
)

type loginRequest struct {
	Username string `json:"username" api:"required"`
	Password string `json:"password" api:"required"`
}

type loginResponse struct {
	LoginResult loginResult `json:"loginResult"`
}

type loginResult struct {
	Redirect string `json:"redirect,omitempty"` // where to start, when the inventory is empty
}

// login signs in with e-mail address and password: sets the session cookie and gives
// an access token.
func (a *API) login(ctx context.Context, c *call, in loginRequest) (loginResponse, error) {
	if err := a.ownForm(c.r); err != nil {
		return loginResponse{}, err
	}
	// A user who does not exist costs as much time as a wrong password.
	var user auth.User
	email, err := auth.NormalizeEmail(in.Username)
	if err == nil {
		user, err = a.cfg.Users.UserByEmail(ctx, email)
	}
	if err := orInternal(err); err != nil {
		return loginResponse{}, err
	}
	ok, err := a.passwordRight(ctx, c, strings.ToLower(in.Username), &user, in.Password)
	if err != nil {
		return loginResponse{}, err
	}
	account, member := user.HomeAccount()
	if !ok || !member {
		return loginResponse{}, fault.New(fault.Unauthorized, "the e-mail address or the password is wrong")
	}
	if err := a.cfg.Users.RecordLogin(ctx, user.ID, a.cfg.Now().Unix()); err != nil {
		return loginResponse{}, err
	}
	var out loginResponse
	if out.LoginResult.Redirect, err = a.firstPage(ctx, account); err != nil {
		return loginResponse{}, err
	}
	return out, a.begin(ctx, c, &user, account)
}

// passwordRight says whether a password is that of a user, who may be none. Too
// many wrong ones are answered by ingest.BusyError (see backoff).
func (a *API) passwordRight(ctx context.Context, c *call, email string, user *auth.User, password string) (bool, error) {
	addr := a.clientAddr(c.r)
	known, err := a.known(ctx, c.r, user.ID, addr)
	if err != nil {
		return false, err
	}
	key := newBackoffKey(strings.TrimSpace(email), addr)
	if !known {
		if err := a.guesses.try(key); err != nil {
			return false, err
		}
	}
	ok, err := a.hasher.Verify(ctx, password, user.PasswordHash)
	if ok && err == nil {
		a.guesses.clear(key)
	}
	return ok, err
}

// known says whether a request comes from where a user was signed in before: it
// has the cookie of one of their sessions, be it idle, or the address of one.
func (a *API) known(ctx context.Context, r *http.Request, user int32, addr netip.Addr) (bool, error) {
	if k, err := r.Cookie(sessionCookie); err == nil {
		s, err := a.cfg.Users.Session(ctx, auth.HashToken(k.Value))
		if err := orInternal(err); err != nil {
			return false, err
		}
		if err == nil && s.User == user {
			return true, nil
		}
	}
	if !addr.IsValid() {
		return false, nil // of a listener without addresses
	}
	return a.cfg.Users.KnownAddress(ctx, user, addr.String())
}

// ownForm refuses to sign a browser in because another site's page said so: its
// user would work in the attacker's account. Scripts of the origins that may call
// the API may do so; they are not given the cookies.
func (a *API) ownForm(r *http.Request) error {
	if a.guard.Check(r) == nil || slices.Contains(a.cfg.Origins, r.Header.Get("Origin")) || slices.Contains(a.cfg.Origins, "*") {
		return nil
	}
	return fault.New(fault.Denied, "a page of another site may not sign in here")
}

// firstPage is where a user starts whose inventory is empty.
func (a *API) firstPage(ctx context.Context, account int32) (string, error) {
	all, err := a.cfg.Stores.Full(account).Collections(ctx)
	if err != nil {
		return "", err
	}
	for i := range all {
		if all[i].URLsCount > 0 {
			return "", nil
		}
	}
	return "/", nil
}

type logoutRequest struct {
	RedirectURL string `json:"redirectUrl"`
}

type logoutResponse struct {
	LogoutURL   string `json:"logoutUrl"`
	RedirectURL string `json:"redirectUrl,omitempty"`
}

// logout ends the session, its access tokens and all refresh tokens of the user, and
// clears the cookies.
func (a *API) logout(ctx context.Context, c *call, in logoutRequest) (logoutResponse, error) {
	out := logoutResponse{LogoutURL: "/login", RedirectURL: in.RedirectURL}
	if a.ours(c.r, in.RedirectURL) {
		out.LogoutURL = in.RedirectURL
	}
	s := c.caller.Session
	if s == nil {
		return out, nil // an API key has no session to end
	}
	if err := a.cfg.Users.DeleteSession(ctx, s.SID); err != nil {
		return out, err
	}
	if err := a.cfg.Users.DeleteRefreshTokensOf(ctx, s.User); err != nil {
		return out, err
	}
	// Of a caller by access token the cookie may be of another session; it is
	// taken back, so that session is over too.
	if k, err := c.r.Cookie(sessionCookie); err == nil {
		beside, err := a.cfg.Users.Session(ctx, auth.HashToken(k.Value))
		if err == nil && beside.User == s.User {
			err = a.cfg.Users.DeleteSession(ctx, beside.SID)
		}
		if err := orInternal(err); err != nil {
			return out, err
		}
	}
	a.setCookie(c, newCookie("", -1))
	a.setCookie(c, newRefreshCookie("", -1))
	return out, nil
}

// ours says whether a URL leads to this site, or to one that the operator named,
// and to no other.
func (a *API) ours(r *http.Request, s string) bool {
	if localPath(s) {
		return true
	}
	if strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7f }) {
		return false
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return false
	}
	public, err := url.Parse(a.cfg.PublicURL)
	return u.Host == r.Host || err == nil && u.Host == public.Host || slices.Contains(a.cfg.Origins, u.Scheme+"://"+u.Host)
}

// localPath says whether a URL leads to this site and nowhere else: browsers take
// //host and /\host for other hosts, and drop control characters first.
func localPath(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '\\' })
}
