package admin

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"harken/admin/auth"
	"harken/inventory/fault"
)

// askTime is how long asking for a reset takes, whether or not the user exists:
// far longer than what is done for one who does.
const askTime = 250 * time.Millisecond

type resetUserRequest struct {
	Email string `json:"userEmail" api:"required"`
}

type resetUserResponse struct {
	Token string `json:"passwordResetToken"`
	URL   string `json:"passwordResetUrl"`
}

// resetUserPassword lets an administrator hand a user of the account a link to a
// new password. It does not change the password, and tells no other user's token.
func (a *API) resetUserPassword(ctx context.Context, c *call, in resetUserRequest) (resetUserResponse, error) {
	if strings.TrimSpace(in.Email) == "" {
		return resetUserResponse{}, fault.New(fault.Invalid, "userEmail: is required")
	}
	unknown := fault.New(fault.NotFound, "userEmail: no user of this account has the e-mail address %s", clip(in.Email))
	email, err := auth.NormalizeEmail(in.Email)
	if err != nil {
		return resetUserResponse{}, unknown
	}
	user, err := a.cfg.Users.UserByEmail(ctx, email)
	if err := orInternal(err); err != nil {
		return resetUserResponse{}, err
	}
	if err != nil || !user.In(c.caller.Account) {
		return resetUserResponse{}, unknown
	}
	token, pending, err := a.newReset(ctx, user.ID, true)
	if err != nil {
		return resetUserResponse{}, err
	}
	if token == "" {
		left := time.Unix(pending.Created, 0).Add(a.cfg.ResetTokenLifetime).Sub(a.cfg.Now())
		return resetUserResponse{}, fault.New(fault.Invalid, "userEmail: a reset is pending; the next one can be made in %d minutes",
			minutes(left))
	}
	return resetUserResponse{token, a.baseURL(c.r) + resetPath(token)}, nil
}

// newReset returns the token of a new reset for a user, or none and the one that
// is too young to be replaced.
func (a *API) newReset(ctx context.Context, user int32, byAdmin bool) (string, auth.Reset, error) {
	now, token := a.cfg.Now(), auth.NewResetToken()
	r := auth.Reset{
		Hash: auth.HashToken(token), User: user, ByAdmin: byAdmin, Created: now.Unix(), Expires: now.Add(a.cfg.ResetTokenLifetime).Unix(),
	}
	r, added, err := a.cfg.Users.AddReset(ctx, r, now.Add(-a.cfg.ResetTokenLifetime).Unix())
	if err != nil || !added {
		return "", r, err
	}
	return token, r, nil
}

// minutes rounds up, to one at least.
func minutes(d time.Duration) int { return max(1, int((d+time.Minute-1)/time.Minute)) }

func resetPath(token string) string { return "/login?token=" + token }

// baseURL is the address of this site in links.
func (a *API) baseURL(r *http.Request) string {
	if a.cfg.PublicURL != "" {
		return strings.TrimRight(a.cfg.PublicURL, "/")
	}
	scheme := "http"
	if a.secure(r) {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

type forgotRequest struct {
	Email string `json:"forgotPasswordEmail" api:"required"`
}

// sendPasswordResetLink mails a link to a user who forgot the password. The
// answer, and its time, are the same for everybody.
func (a *API) sendPasswordResetLink(ctx context.Context, c *call, in forgotRequest) (none, error) {
	begun := time.NewTimer(askTime)
	defer begun.Stop()
	err := a.mailReset(ctx, c, in.Email)
	select {
	case <-begun.C:
	case <-ctx.Done():
	}
	return none{}, err
}

func (a *API) mailReset(ctx context.Context, c *call, text string) error {
	email, err := auth.NormalizeEmail(text)
	if err != nil || a.cfg.Mailer == nil {
		return nil //nolint:nilerr // an address that cannot be one belongs to nobody
	}
	user, err := a.cfg.Users.UserByEmail(ctx, email)
	if err != nil {
		return orInternal(err)
	}
	token, r, err := a.newReset(ctx, user.ID, false)
	if err != nil || token == "" {
		return err // the link that was mailed before still works
	}
	link := a.mailLink(c.r, a.baseURL(c.r), resetPath(token))
	err = a.cfg.Mailer.Send(ctx, Mail{
		To: user.Email, Subject: "Set a new password for Harken",
		Text: "Somebody, perhaps you, asked for a new password for " + user.Email + ". To set it, open within " +
			strconv.Itoa(minutes(a.cfg.ResetTokenLifetime)) + " minutes:\n\n" + link + "\n\nIf it was not you, there is nothing to do: the password stays as it is.\n",
	})
	if err != nil {
		// Nobody has the link, so it must not be in the way of the next one.
		r.Hash, r.Created, r.Expires = auth.HashToken(auth.NewResetToken()), 0, 0
		_, _, _ = a.cfg.Users.AddReset(ctx, r, a.cfg.Now().Unix())
	}
	return err
}

// mailLink is a path of this site as a link in a message. The host of a request is
// what its client says it is: a link to it would bring a stranger who asks for
// another's reset the token, and lets who invites send others anywhere in our name.
func (a *API) mailLink(r *http.Request, base, path string) string {
	if a.cfg.PublicURL != "" || localHost(r) {
		return base + path
	}
	return path + "\n\n(a path on the address where you use Harken: it was not given by -public-url)"
}

// localHost says whether the host that a request names is the address it came in
// at, or this machine: then it is nobody else's.
func localHost(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return addr.IsLoopback()
	}
	at, err := netip.ParseAddrPort(local.String())
	return addr.IsLoopback() || err == nil && at.Addr().Unmap() == addr.Unmap()
}

type resetPasswordRequest struct {
	Token    string `json:"resetPasswordToken" api:"required"`
	Password string `json:"newPassword" api:"required"`
}

// resetPassword sets the password that a reset token is for, and ends every
// session of the user.
func (a *API) resetPassword(ctx context.Context, _ *auth.Caller, in resetPasswordRequest) (none, error) {
	bad := fault.New(fault.Invalid, "resetPasswordToken: is not valid, or was used or is over; ask for another one")
	if err := checkPassword("newPassword", in.Password); err != nil {
		return none{}, err
	}
	hash, now := auth.HashToken(in.Token), a.cfg.Now().Unix()
	// Looked up first: hashing a password is dear, and strangers may ask for it.
	if _, err := a.cfg.Users.Reset(ctx, hash, now); err != nil {
		return none{}, orFault(err, bad)
	}
	password, err := a.hasher.Hash(ctx, in.Password)
	if err != nil {
		return none{}, err
	}
	_, err = a.cfg.Users.UseReset(ctx, hash, now, password)
	return none{}, orFault(err, bad)
}

// orFault returns err if it is ours or nil, and else instead.
func orFault(err, instead error) error {
	if err == nil {
		return nil
	}
	if err := orInternal(err); err != nil {
		return err
	}
	return instead
}

// checkPassword is auth.CheckPassword for a field of another name.
func checkPassword(field, password string) error {
	err := auth.CheckPassword(password)
	if err == nil {
		return nil
	}
	_, msg := fault.Of(err)
	return fault.New(fault.Invalid, "%s:%s", field, strings.TrimPrefix(msg, "password:"))
}
