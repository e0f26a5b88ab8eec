package admin

import (
	"context"
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
	"time"

	"harken/admin/auth"
	"harken/inventory/fault"
)

const (
	// accessHeader is the header that holds an access token, both ways.
	accessHeader = "access-token"
	// refreshCookie is the cookie that holds a refresh token, and refreshPath where
	// it is sent.
	refreshCookie = "refreshToken"
	refreshPath   = "/dashboard"
)

// withCall is post for endpoints that work on the request and the answer
// themselves: cookies, headers, the client's address.
func withCall[In, Out any](f func(*API, context.Context, *call, In) (Out, error)) endpoint {
	with := func(c *call) endpoint {
		return post(func(a *API, ctx context.Context, _ *auth.Caller, in In) (Out, error) { return f(a, ctx, c, in) })
	}
	e := with(nil)
	e.serve = func(a *API, c *call) error { return with(c).serve(a, c) }
	return e
}

// accessToken returns the access token of a request; a header that is empty, as
// pages that have none yet send it, is none.
func accessToken(r *http.Request) (string, bool) {
	token := strings.TrimSpace(strings.Join(r.Header.Values(accessHeader), ","))
	return token, token != ""
}

// tokenCaller is who an access token names. The token alone is enough; a session
// cookie beside it must be of the same user, or the page and its script disagree
// about who is there.
func (a *API) tokenCaller(r *http.Request, token, scope string) (*auth.Caller, error) {
	ctx := r.Context()
	claims, err := a.cfg.Tokens.Verify(auth.LoginSubject, token, a.cfg.Now())
	if err != nil {
		return nil, err
	}
	s, err := a.cfg.Users.SessionNamed(ctx, claims.Session)
	if err := orInternal(err); err != nil {
		return nil, err
	}
	if err != nil || s.User != claims.User {
		return nil, fault.New(fault.Denied, "the access token is not valid; sign in again")
	}
	if k, err := r.Cookie(sessionCookie); err == nil {
		beside, err := a.cfg.Users.Session(ctx, auth.HashToken(k.Value))
		if err := orInternal(err); err != nil {
			return nil, err
		}
		if err == nil && beside.User != s.User {
			return nil, fault.New(fault.Denied, "the access token and the session are of different users")
		}
	}
	return a.memberCaller(r, &s, claims.Account, scope)
}

// orInternal returns err if it is ours, and nil if it says something of the input.
func orInternal(err error) error {
	if kind, _ := fault.Of(err); err == nil || kind != fault.Internal {
		return nil
	}
	return err
}

// memberCaller is the caller of a session in an account. When there is none, 0,
// the header account picks one. Named beside another one it changes nothing, but
// must be one of the user's: a call that means a foreign account is no mistake to
// pass over.
func (a *API) memberCaller(r *http.Request, s *auth.Session, account int32, scope string) (*auth.Caller, error) {
	var named int32
	if h := strings.TrimSpace(r.Header.Get("account")); h != "" {
		n, err := strconv.ParseInt(h, 10, 32)
		if err != nil || n == 0 {
			return nil, fault.New(fault.Denied, "the header account names none of your accounts")
		}
		named = int32(n)
	}
	if account == 0 {
		if account = named; account == 0 {
			return nil, fault.New(fault.Denied, "no account is selected; name one in the header account")
		}
	}
	c, err := auth.NewCaller(r.Context(), a.cfg.Users, a.cfg.Stores, s.User, account, scope)
	if err != nil {
		return nil, err
	}
	if named != 0 && !c.User.In(named) {
		return nil, fault.New(fault.Denied, "the header account names none of your accounts")
	}
	c.Session = s
	return c, nil
}

// begin signs a user in: a session with a new id, whatever cookie came with the
// request, its cookies, and an access token.
func (a *API) begin(ctx context.Context, c *call, u *auth.User, account int32) error {
	now := a.cfg.Now()
	if _, err := a.cfg.Users.DeleteIdleSessions(ctx, now.Add(-a.cfg.SessionIdle).Unix(), now.Unix()); err != nil {
		return err
	}
	id := auth.NewSessionID()
	s := auth.Session{
		SID: rand.Text(), ID: auth.HashToken(id), User: u.ID, Account: account, Address: a.clientAddr(c.r).String(),
		Created: now.Unix(), LastUsed: now.Unix(), KeepUntil: now.Add(a.cfg.AccessTokenLifetime).Unix(),
	}
	access, err := a.cfg.Tokens.Sign(auth.LoginSubject, a.claims(u, &s, now, a.cfg.AccessTokenLifetime))
	if err != nil {
		return err
	}
	claims := a.claims(u, &s, now, a.cfg.RefreshTokenLifetime)
	refresh, err := a.cfg.Tokens.Sign(auth.RefreshSubject, claims)
	if err != nil {
		return err
	}
	if err := a.cfg.Users.AddSession(ctx, s); err != nil {
		return err
	}
	if err := a.cfg.Users.AddRefreshToken(ctx, auth.RefreshToken{
		Hash: auth.HashToken(refresh), User: u.ID, Session: s.SID, Created: now.Unix(), Expires: claims.Expires.Unix(),
	}); err != nil {
		return err
	}
	a.setCookie(c, newCookie(id, 0))
	a.setCookie(c, newRefreshCookie(refresh, int(a.cfg.RefreshTokenLifetime.Seconds())))
	c.w.Header().Set(accessHeader, access)
	return nil
}

// move switches the caller's session to another account and renews its cookie and
// access token. The accounts of tokens that are out already stay what they are.
// A caller by API key is given a session of their own: the key keeps its account.
func (a *API) move(ctx context.Context, c *call, account int32) error {
	if c.caller.Session == nil {
		return a.begin(ctx, c, &c.caller.User, account)
	}
	now := a.cfg.Now()
	s := *c.caller.Session
	s.Account, s.LastUsed, s.KeepUntil = account, now.Unix(), now.Add(a.cfg.AccessTokenLifetime).Unix()
	// The cookie that came keeps its text, so that calls of the page that are under
	// way still find the session; who has the access token alone is given a new one.
	var id string
	if k, err := c.r.Cookie(sessionCookie); err == nil && auth.HashToken(k.Value).Equal(s.ID) {
		id = k.Value
	} else {
		id = auth.NewSessionID()
		s.ID = auth.HashToken(id)
	}
	access, err := a.cfg.Tokens.Sign(auth.LoginSubject, a.claims(&c.caller.User, &s, now, a.cfg.AccessTokenLifetime))
	if err != nil {
		return err
	}
	if err := a.cfg.Users.MoveSession(ctx, s); err != nil {
		return err
	}
	a.setCookie(c, newCookie(id, 0))
	c.w.Header().Set(accessHeader, access)
	return nil
}

func (a *API) claims(u *auth.User, s *auth.Session, now time.Time, lifetime time.Duration) *auth.Claims {
	return &auth.Claims{
		User: u.ID, Email: u.Email, SignedUp: true, Account: s.Account, Session: s.SID, Issued: now, Expires: now.Add(lifetime),
	}
}

// refreshAccess gives a new access token for the cookie that holds a refresh token,
// and that cookie anew. A cookie that is no good is taken back.
func (a *API) refreshAccess(ctx context.Context, c *call, _ none) (none, error) {
	if len(c.r.Header.Values("X-API-KEY")) > 0 {
		return none{}, fault.New(fault.Denied, "an API key may not call %s", c.route.url())
	}
	k, err := c.r.Cookie(refreshCookie)
	if err == nil {
		if err := a.sameOrigin(c.r); err != nil {
			return none{}, err
		}
		if err = a.refresh(ctx, c, k.Value); err == nil {
			return none{}, nil
		}
		if err := orInternal(err); err != nil {
			return none{}, err
		}
	}
	a.setCookie(c, newRefreshCookie("", -1))
	return none{}, fault.New(fault.Unauthorized, "the refresh token is not valid; sign in again")
}

// refreshGrace is how long a refresh token that was replaced is taken for a call
// that was under way with it, in seconds: it gives an access token, no successor. So
// long its successor has none either, for only the last two of a line are known.
const refreshGrace = 60

// refresh answers with a new access token for the text of a refresh token, and with
// the successor of that token, which ends when the first of its line would have. One
// that comes again after it was replaced has been in two hands (RFC 9700, section
// 4.14.2): nobody can say who of them is the thief, so the session is over for both.
func (a *API) refresh(ctx context.Context, c *call, text string) error {
	now := a.cfg.Now()
	claims, err := a.cfg.Tokens.Verify(auth.RefreshSubject, text, now)
	if err != nil {
		return err
	}
	t, err := a.cfg.Users.RefreshToken(ctx, auth.HashToken(text))
	if err := orInternal(err); err != nil {
		return err
	}
	if err != nil || t.Replaced != 0 && now.Unix()-t.Replaced > refreshGrace {
		return a.replayed(ctx, c, &claims)
	}
	if t.User != claims.User || t.Session != claims.Session || t.Expires <= now.Unix() {
		return fault.New(fault.Denied, "the refresh token is of another user or session")
	}
	s, err := a.cfg.Users.SessionNamed(ctx, t.Session)
	if err != nil {
		return err
	}
	u, err := a.cfg.Users.User(ctx, s.User)
	if err != nil {
		return err
	}
	if !u.In(s.Account) {
		s.Account = 0 // the header account picks another one
	}
	access, err := a.cfg.Tokens.Sign(auth.LoginSubject, a.claims(&u, &s, now, a.cfg.AccessTokenLifetime))
	if err != nil {
		return err
	}
	if err := a.cfg.Users.KeepSession(ctx, s.SID, now.Add(a.cfg.AccessTokenLifetime).Unix()); err != nil {
		return err
	}
	if t.Replaced == 0 {
		if err := a.succeed(ctx, c, &t, a.claims(&u, &s, now, time.Unix(t.Expires, 0).Sub(now))); err != nil {
			return err
		}
	}
	c.w.Header().Set(accessHeader, access)
	return nil
}

// succeed puts a new refresh token, with some claims, in the place of one, unless
// another call was faster, or that one is too new.
func (a *API) succeed(ctx context.Context, c *call, t *auth.RefreshToken, claims *auth.Claims) error {
	next, err := a.cfg.Tokens.Sign(auth.RefreshSubject, claims)
	if err != nil {
		return err
	}
	now := claims.Issued.Unix()
	replaced, err := a.cfg.Users.ReplaceRefreshToken(ctx, t.Hash, auth.HashToken(next), now, now-refreshGrace)
	if err == nil && replaced {
		a.setCookie(c, newRefreshCookie(next, int(t.Expires-now)))
	}
	return err
}

// replayed ends the session of a refresh token that we signed and no longer take, if
// that has been replaced, and not taken away.
func (a *API) replayed(ctx context.Context, c *call, claims *auth.Claims) error {
	ended, err := a.cfg.Users.EndReplayed(ctx, claims.Session, claims.User)
	if err != nil {
		return err
	}
	if ended {
		a.log.WarnContext(ctx, "a refresh token came again after it was replaced: its session is over", "user", claims.User, "address", peerAddr(c.r))
	}
	return fault.New(fault.Denied, "the refresh token is not taken")
}

// setCookie gives the client a cookie, for HTTPS only where that is spoken.
func (a *API) setCookie(c *call, k *http.Cookie) { //nolint:gosec // Secure is as the client's connection is
	k.Secure = a.secure(c.r) // the rest is newCookie's
	http.SetCookie(c.w, k)
}

// newCookie is the session cookie; maxAge as in http.Cookie.
func newCookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure is set when the answer is written: only then is it known
		Name: sessionCookie, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: maxAge,
	}
}

// newRefreshCookie is the cookie of a refresh token.
func newRefreshCookie(value string, maxAge int) *http.Cookie {
	k := newCookie(value, maxAge) //nolint:gosec // as newCookie
	k.Name, k.Path = refreshCookie, refreshPath
	return k
}
