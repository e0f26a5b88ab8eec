package admin

import (
	"context"
	"fmt"
	"maps"
	"net/http"
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

func (i *Invites) check() error {
	if i.Limit == 0 {
		i.Limit = DefaultLimitInvite
	}
	if i.Lifetime == 0 {
		i.Lifetime = DefaultInviteLifetime
	}
	if i.Lifetime < time.Second {
		return fmt.Errorf("the lifetime of an invitation is %v, under a second", i.Lifetime)
	}
	return nil
}

// atSite is post for endpoints whose answer depends on the address under which
// the client reaches us: its scheme and host.
func atSite[In, Out any](f func(*API, context.Context, *auth.Caller, *url.URL, In) (Out, error)) endpoint {
	at := func(site *url.URL) endpoint {
		return post(func(a *API, ctx context.Context, c *auth.Caller, in In) (Out, error) { return f(a, ctx, c, site, in) })
	}
	e := at(nil)
	e.serve = func(a *API, c *call) error { return at(a.site(c.r)).serve(a, c) }
	return e
}

// site is the address of this server as links name it: what is configured, else
// what the client used.
func (a *API) site(r *http.Request) *url.URL {
	if a.publicURL != nil {
		return a.publicURL
	}
	u := &url.URL{Scheme: "http", Host: r.Host}
	if a.secure(r) {
		u.Scheme = "https"
	}
	return u
}

// CheckPublicURL says what is wrong with a Config.PublicURL.
func CheckPublicURL(s string) error {
	_, err := parsePublicURL(s)
	return err
}

// parsePublicURL reads the base of links.
func parsePublicURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // nothing is configured
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("the public URL %q is not of the form https://host/path", s)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}, nil
}

// linkBase is where links lead: to the address that the client asks for when it
// is this site's, else to the site as we know it. A link to another host in our
// name would be phishing.
func linkBase(asked string, site *url.URL) string {
	u, err := url.Parse(strings.TrimSpace(asked))
	same := err == nil && u.User == nil && (u.Scheme == "http" || u.Scheme == "https") && strings.EqualFold(u.Host, site.Host)
	if !same || site.Scheme == "https" && u.Scheme == "http" {
		return site.String()
	}
	base := url.URL{Scheme: u.Scheme, Host: site.Host, Path: site.Path}
	return base.String()
}

type inviteUsersRequest struct {
	InviteeEmail     string `json:"inviteeEmail" api:"required"`
	InviteeName      string `json:"inviteeName"`
	InviteeRole      string `json:"inviteeRole"`
	ScopeRoleMapping Roles  `json:"scopeRoleMapping"`
	WebsiteHostName  string `json:"websiteHostName"`
}

type inviteUsersResponse struct {
	FinalInviteCode  string            `json:"finalInviteCode"`
	InviteeRole      string            `json:"inviteeRole"`
	ScopeRoleMapping map[string]string `json:"scopeRoleMapping"`
}

func (a *API) inviteUsers(ctx context.Context, c *auth.Caller, site *url.URL, in inviteUsersRequest) (inviteUsersResponse, error) {
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
	link := linkBase(in.WebsiteHostName, site) + "/signup?signupInvitationCode=" + code +
		"&signupEmailId=" + strings.ReplaceAll(url.QueryEscape(email), "%40", "@")
	if err := a.mailInvitation(ctx, c, &stored, link); err != nil {
		// Nobody has the code, so nobody is invited.
		if _, rerr := a.cfg.Users.TakeInvitation(ctx, stored.ID); rerr != nil {
			return inviteUsersResponse{}, fmt.Errorf("%w (and take it back: %w)", err, rerr)
		}
		return inviteUsersResponse{}, err
	}
	return inviteUsersResponse{FinalInviteCode: link, InviteeRole: stored.Role, ScopeRoleMapping: stored.Scopes}, nil
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

func (a *API) removeInvitation(ctx context.Context, c *auth.Caller, in removeInvitationRequest) (none, error) {
	email, err := userEmail("email", in.Email)
	if err != nil {
		return none{}, err
	}
	now := a.cfg.Now()
	return none{}, a.cfg.Users.EditTeam(ctx, c.Account, func(t *auth.Team) error { return t.Withdraw(c, email, now) })
}
