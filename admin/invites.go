package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"harken/admin/auth"
	"harken/inventory/fault"
)

// Defaults of Invites.
const (
	DefaultLimitInvite    = 10 // invitations per hour and address
	DefaultInviteLifetime = 7 * 24 * time.Hour
)

// maxInviteeName bounds the name of who is invited, in characters.
const maxInviteeName = 100

// Invites says how people are invited. Zero values mean the defaults above.
type Invites struct {
	Limit      int // negative: no limit
	Lifetime   time.Duration
	SameDomain bool // only addresses of the domain of the first administrator
}

func (i *Invites) defaults() error {
	i.Limit = cmp.Or(i.Limit, DefaultLimitInvite)
	i.Lifetime = cmp.Or(i.Lifetime, DefaultInviteLifetime)
	if i.Lifetime < time.Second {
		return errors.New("admin: the lifetime of invitations is under a second")
	}
	return nil
}

// linkBase is where links lead: to the scheme that the client asks for when the
// host is this site's, else to the site as we know it. A link to another host in
// our name would be phishing.
func linkBase(asked, base string) string {
	site, err := url.Parse(base)
	if err != nil {
		return base
	}
	u, err := url.Parse(strings.TrimSpace(asked))
	if err == nil && u.Scheme == "https" && u.User == nil && strings.EqualFold(u.Host, site.Host) {
		site.Scheme = u.Scheme // also when the TLS ends at a proxy that we do not trust
	}
	return site.String()
}

type inviteUsersRequest struct {
	InviteeEmail     string `json:"inviteeEmail" api:"required"`
	InviteeName      string `json:"inviteeName"`
	InviteeRole      string `json:"inviteeRole"` // in the scope API
	ScopeRoleMapping Roles  `json:"scopeRoleMapping"`
	WebsiteHostName  string `json:"websiteHostName"` // of this site; the link leads to no other one
}

type inviteUsersResponse struct {
	FinalInviteCode  string            `json:"finalInviteCode"`
	InviteeRole      string            `json:"inviteeRole"`
	ScopeRoleMapping map[string]string `json:"scopeRoleMapping"`
}

// inviteUsers invites somebody by e-mail address with a role, and gives the link.
func (a *API) inviteUsers(ctx context.Context, cl *call, in inviteUsersRequest) (inviteUsersResponse, error) {
	c := cl.caller
	email, err := userEmail("inviteeEmail", in.InviteeEmail)
	if err != nil {
		return inviteUsersResponse{}, err
	}
	name := strings.TrimSpace(in.InviteeName)
	if utf8.RuneCountInString(name) > maxInviteeName || strings.ContainsFunc(name, unicode.IsControl) {
		return inviteUsersResponse{}, fault.New(fault.Invalid, "inviteeName: must have at most %d characters, and no control characters", maxInviteeName)
	}
	domain := ""
	if a.cfg.Invites.SameDomain {
		org, err := a.cfg.Users.Organization(ctx, c.Account)
		if err != nil {
			return inviteUsersResponse{}, err
		}
		_, domain, _ = strings.Cut(org.AdminEmail, "@")
	}
	code, now := auth.NewToken(), a.cfg.Now()
	invitation := auth.Invitation{
		ID: auth.NewInvitationID(), Email: email, Name: name, Hash: auth.HashToken(code),
		Expiry: now.Add(a.cfg.Invites.Lifetime).UnixMilli(), Role: in.InviteeRole,
	}
	var stored auth.Invitation
	err = a.cfg.Users.EditTeam(ctx, c.Account, func(t *auth.Team) error {
		stored = invitation
		stored.Scopes = maps.Clone(in.ScopeRoleMapping)
		return t.Invite(c, &stored, now, domain)
	})
	if err != nil {
		return inviteUsersResponse{}, err
	}
	path := "/signup?signupInvitationCode=" + code + "&signupEmailId=" + strings.ReplaceAll(url.QueryEscape(email), "%40", "@")
	base := linkBase(in.WebsiteHostName, a.baseURL(cl.r))
	if err := a.mailInvitation(ctx, c, &stored, a.mailLink(cl.r, base, path)); err != nil {
		// Nobody has the code, so nobody is invited.
		if _, rerr := a.cfg.Users.TakeInvitation(ctx, stored.ID); rerr != nil {
			return inviteUsersResponse{}, fmt.Errorf("%w (and take it back: %w)", err, rerr)
		}
		return inviteUsersResponse{}, err
	}
	return inviteUsersResponse{FinalInviteCode: base + path, InviteeRole: stored.Role, ScopeRoleMapping: stored.Scopes}, nil
}

func (a *API) mailInvitation(ctx context.Context, c *auth.Caller, i *auth.Invitation, link string) error {
	if a.cfg.Mailer == nil {
		return nil // the reply has the link
	}
	account := ""
	for _, m := range c.User.Accounts {
		if m.Account == c.Account {
			account = m.Name
		}
	}
	hello := "Hello,"
	if i.Name != "" {
		hello = "Hello " + i.Name + ","
	}
	err := a.cfg.Mailer.Send(ctx, Mail{
		To: i.Email, Subject: "Invitation to Harken",
		Text: fmt.Sprintf("%s\n\n%s invites you to the account %q on Harken.\nOpen this link to join, until %s:\n\n%s\n",
			hello, c.User.Email, account, time.UnixMilli(i.Expiry).UTC().Format("2006-01-02 15:04 MST"), link),
	})
	if err != nil {
		return fmt.Errorf("mail the invitation: %w", err)
	}
	return nil
}

type removeInvitationRequest struct {
	Email string `json:"email" api:"required"`
}

// removeInvitation withdraws an invitation; its link is worth nothing any more.
func (a *API) removeInvitation(ctx context.Context, c *auth.Caller, in removeInvitationRequest) (none, error) {
	email, err := userEmail("email", in.Email)
	if err != nil {
		return none{}, err
	}
	now := a.cfg.Now()
	return none{}, a.cfg.Users.EditTeam(ctx, c.Account, func(t *auth.Team) error { return t.Withdraw(c, email, now) })
}
