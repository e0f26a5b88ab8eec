package auth

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"harken/inventory/fault"
)

// An Invitation asks a person to join an account. Its code is sent to that
// person and never stored.
type Invitation struct {
	ID      string // opaque
	Account int32
	Email   string // of who is invited, normalized
	Name    string
	Hash    Hash  // of the code
	Issuer  int32 // user
	Expiry  int64 // Unix milliseconds, as published
	Role    string
	Scopes  map[string]string // scope to role; empty: Role in the scope API, or MEMBER in all
	// Collections and Restricted are those of Grant: who sees some collections only
	// lets nobody in who sees more.
	Collections []int32
	Restricted  bool
}

// Grant is what a user may do who accepts the invitation.
func (i *Invitation) Grant(user int32) Grant {
	g := Grant{
		User: user, Account: i.Account, Role: i.Role, Scopes: maps.Clone(i.Scopes),
		Collections: slices.Clone(i.Collections), Restricted: i.Restricted,
	}
	switch {
	case len(g.Scopes) > 0:
	case i.Role != "":
		g.Scopes = map[string]string{ScopeAPI: i.Role}
	default:
		g.Scopes = AllScopes(string(Member))
	}
	return g
}

// names are the names of all roles that the invitation gives.
func (i *Invitation) names() []string {
	g := i.Grant(0)
	return g.names()
}

// LogValue keeps the hash out of logs.
func (i Invitation) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", i.ID), slog.Int("account", int(i.Account)))
}

// An InvitationStore keeps pending invitations. What is not there is
// fault.NotFound. It is safe for concurrent use.
type InvitationStore interface {
	// PutInvitation stores i in place of what is pending for its account and
	// e-mail address.
	PutInvitation(ctx context.Context, i Invitation) error
	// Invitation returns what is pending for an e-mail address in an account.
	Invitation(ctx context.Context, account int32, email string) (Invitation, error)
	// InvitationByCode returns the invitation whose code has a hash.
	InvitationByCode(ctx context.Context, hash Hash) (Invitation, error)
	// Invitations returns what is pending in an account, by e-mail address.
	Invitations(ctx context.Context, account int32) ([]Invitation, error)
	// TakeInvitation removes an invitation and reports whether it was there: of two
	// who take it at once, one gets true.
	TakeInvitation(ctx context.Context, id string) (bool, error)
}

// Invite adds an invitation in place of the pending one of the same person, after
// checking that the caller may give what it gives. It sets account, issuer and
// what limits the caller themselves. With sameDomain the address must be of the
// domain that is given. Those that have expired are cleared away.
func (t *Team) Invite(by *Caller, i *Invitation, now time.Time, sameDomain string) error {
	h, err := t.authority(by, Permission{InviteMembers, ReadWrite})
	if err != nil {
		return err
	}
	if err := checkAddress(i.Email, sameDomain); err != nil {
		return err
	}
	if _, err := t.Member(i.Email); err == nil {
		return fault.New(fault.Conflict, "inviteeEmail: %s is a user of this account already", i.Email)
	}
	if i.Role = strings.ToUpper(strings.TrimSpace(i.Role)); i.Role == "" && len(i.Scopes) == 0 {
		return fault.New(fault.Invalid, "inviteeRole: a role or a scopeRoleMapping is required")
	}
	seen, restricted := t.Sees(t.member(by.User.ID), by.Scope)
	mayGive := func(field, name string) error {
		given := resolve(name, t.Roles)
		if given.role == NoAccess || h.role.manages(given.role) && h.covers(given) && (!restricted || given.within(seen)) {
			return nil
		}
		return fault.New(fault.Invalid, "%s: you may not give the role %s", field, name)
	}
	// Beside a mapping the role counts for nothing, but it is stored and told.
	if i.Role != "" {
		if _, err := t.named("inviteeRole", i.Role); err != nil || i.Role == string(NoAccess) {
			return fault.New(fault.Invalid, "inviteeRole: no role %s that could be given", i.Role)
		}
		if err := mayGive("inviteeRole", i.Role); err != nil {
			return err
		}
	}
	if len(i.Scopes) == 0 {
		i.Scopes = map[string]string{ScopeAPI: i.Role}
	}
	if i.Scopes, err = t.mapping(i.Scopes); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Values(i.Scopes)) {
		if err := mayGive("scopeRoleMapping", name); err != nil {
			return err
		}
	}
	i.Account, i.Issuer = t.Account, by.User.ID
	if restricted {
		i.Collections, i.Restricted = seen, true
	}
	t.prune(now)
	t.Invitations = slices.DeleteFunc(t.Invitations, func(o Invitation) bool { return o.Email == i.Email })
	t.Invitations = append(t.Invitations, *i)
	return nil
}

// within says whether all collections that a custom role itself shows are in a list.
func (h holding) within(seen []int32) bool {
	return h.custom == nil || !slices.ContainsFunc(h.custom.Collections, func(id int32) bool { return !slices.Contains(seen, id) })
}

// prune forgets invitations that have expired.
func (t *Team) prune(now time.Time) {
	t.Invitations = slices.DeleteFunc(t.Invitations, func(i Invitation) bool { return i.Expiry <= now.UnixMilli() })
}

// checkAddress checks a normalized e-mail address more closely: what is invited
// has to be able to get mail.
func checkAddress(email, domain string) error {
	_, host, _ := strings.Cut(email, "@")
	labels := strings.Split(host, ".")
	top := labels[len(labels)-1]
	if len(labels) < 2 || slices.Contains(labels, "") || len(top) < 2 ||
		strings.Trim(top, "abcdefghijklmnopqrstuvwxyz") != "" && !strings.HasPrefix(top, "xn--") {
		return fault.New(fault.Invalid, "inviteeEmail: must be of the form name@domain.tld")
	}
	if domain != "" && host != domain {
		return fault.New(fault.Invalid, "inviteeEmail: must be of the domain %s", domain)
	}
	return nil
}

// Withdraw removes a pending invitation, which its issuer and administrators may.
func (t *Team) Withdraw(by *Caller, email string, now time.Time) error {
	h, err := t.authority(by, Permission{InviteMembers, ReadWrite})
	if err != nil {
		return err
	}
	t.prune(now)
	i := slices.IndexFunc(t.Invitations, func(i Invitation) bool { return i.Email == email })
	if i < 0 {
		return fault.New(fault.NotFound, "email: no invitation of %s is pending", email)
	}
	if t.Invitations[i].Issuer != by.User.ID && !h.administers() {
		return fault.New(fault.Invalid, "email: only who sent the invitation, or an ADMIN, may remove it")
	}
	t.Invitations = slices.Delete(t.Invitations, i, i+1)
	return nil
}
