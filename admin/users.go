package admin

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"harken/admin/auth"
	"harken/inventory/fault"
)

type none struct{}

type loginRequest struct {
	Username string `json:"username" api:"required"`
	Password string `json:"password" api:"required"`
}

type loginResponse struct {
	LoginResult none `json:"loginResult"`
	session     string
}

func (r loginResponse) cookies() []*http.Cookie { return []*http.Cookie{newCookie(r.session, 0)} }

// newCookie is the session cookie; maxAge as in http.Cookie.
func newCookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure is set when the answer is written: only then is it known
		Name: sessionCookie, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: maxAge,
	}
}

// login signs in with e-mail address and password and sets the session cookie.
func (a *API) login(ctx context.Context, _ *auth.Caller, in loginRequest) (loginResponse, error) {
	wrong := fault.New(fault.Unauthorized, "the e-mail address or the password is wrong")
	// A user who does not exist costs as much time as a wrong password.
	var user auth.User
	email, err := auth.NormalizeEmail(in.Username)
	if err == nil {
		user, err = a.cfg.Users.UserByEmail(ctx, email)
	}
	if kind, _ := fault.Of(err); err != nil && kind == fault.Internal {
		return loginResponse{}, err
	}
	ok, err := a.hasher.Verify(ctx, in.Password, user.PasswordHash)
	if err != nil {
		return loginResponse{}, err
	}
	account, member := user.HomeAccount()
	if !ok || !member {
		return loginResponse{}, wrong
	}
	now := a.cfg.Now().Unix()
	if _, err := a.cfg.Users.DeleteIdleSessions(ctx, now-int64(a.cfg.SessionIdle.Seconds())); err != nil {
		return loginResponse{}, err
	}
	if err := a.cfg.Users.RecordLogin(ctx, user.ID, now); err != nil {
		return loginResponse{}, err
	}
	id := auth.NewSessionID()
	err = a.cfg.Users.AddSession(ctx, auth.Session{ID: auth.HashToken(id), User: user.ID, Account: account, Created: now, LastUsed: now})
	return loginResponse{session: id}, err
}

type logoutRequest struct {
	RedirectURL string `json:"redirectUrl"`
}

type logoutResponse struct {
	LogoutURL   string `json:"logoutUrl"`
	RedirectURL string `json:"redirectUrl,omitempty"`
}

func (logoutResponse) cookies() []*http.Cookie { return []*http.Cookie{newCookie("", -1)} }

// logout ends the session and clears its cookie.
func (a *API) logout(ctx context.Context, c *auth.Caller, in logoutRequest) (logoutResponse, error) {
	out := logoutResponse{LogoutURL: "/login", RedirectURL: in.RedirectURL}
	if localPath(in.RedirectURL) {
		out.LogoutURL = in.RedirectURL
	}
	if c.Session == nil {
		return out, nil // an API key has no session to end
	}
	return out, a.cfg.Users.DeleteSession(ctx, c.Session.ID)
}

// localPath says whether a URL leads to this site and nowhere else: browsers take
// //host and /\host for other hosts, and drop control characters first.
func localPath(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '\\' })
}

type meResponse struct {
	Username      string                `json:"username"`
	Name          string                `json:"name"`
	Accounts      map[string]membership `json:"accounts"`
	ActiveAccount int32                 `json:"activeAccount"`
	Role          auth.Role             `json:"role"`
	Organization  organization          `json:"organization"`
	Subscription  bool                  `json:"subscription"`
}

type membership struct {
	AccountID int32  `json:"accountId"`
	Name      string `json:"name"`
	IsDefault bool   `json:"isDefault"`
}

type organization struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	AdminEmail string `json:"adminEmail"`
}

// me says who asks: the user, the accounts, and the role in the active one.
func (a *API) me(ctx context.Context, c *auth.Caller, _ none) (meResponse, error) {
	org, err := a.cfg.Users.Organization(ctx, c.Account)
	if err != nil {
		return meResponse{}, err
	}
	out := meResponse{
		Username: c.User.Email, Name: c.User.Name, Accounts: map[string]membership{}, ActiveAccount: c.Account, Role: c.Role,
		Organization: organization{org.ID, org.Name, org.AdminEmail},
	}
	for _, m := range c.User.Accounts {
		out.Accounts[strconv.Itoa(int(m.Account))] = membership{m.Account, m.Name, m.Default}
	}
	return out, nil
}

type healthResponse struct {
	Status  string `json:"status"`
	Version string `json:"version,omitempty"`
	Proxy   string `json:"proxy,omitempty"` // address of the recorder
}

// health says that the control plane runs, its version, and where its recording
// proxy listens.
func (a *API) health(context.Context, *auth.Caller, none) (healthResponse, error) {
	return healthResponse{"ok", a.cfg.Version, a.cfg.Proxy}, nil
}
