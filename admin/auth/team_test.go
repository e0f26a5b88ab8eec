package auth_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"harken/admin/auth"
	"harken/inventory/fault"
)

// newTeam has a member for each role name, whose id is its place and whose
// address is <name>@example.com, and the custom roles that are given.
func newTeam(roles []auth.CustomRole, names ...string) *auth.Team {
	t := &auth.Team{Account: 1, Roles: roles}
	for i, name := range names {
		t.Members = append(t.Members, auth.Teammate{
			ID: int32(i), Email: strings.ToLower(name) + "@example.com", Grant: auth.Grant{User: int32(i), Account: 1, Role: name},
		})
	}
	return t
}

func as(id int32) *auth.Caller {
	return &auth.Caller{User: auth.User{ID: id}, Account: 1, Scope: auth.ScopeAPI}
}

func wantFault(t *testing.T, err error, kind fault.Kind, part string) {
	t.Helper()
	if k, msg := fault.Of(err); err == nil || k != kind || !strings.Contains(msg, part) {
		t.Errorf("error %v has kind %v, want %v and %q", err, k, kind, part)
	}
}

func TestCustomFeatures(t *testing.T) {
	f := func(base auth.Role, features []string, p auth.Permission, want bool) {
		t.Helper()
		r, err := auth.NewCustomRole(1, "x", string(base), features)
		if err != nil {
			t.Fatal(err)
		}
		c := auth.Caller{Role: r.Base, Custom: &r, Scope: auth.ScopeAPI}
		if err := c.Check(p); (err == nil) != want {
			t.Errorf("%s with %v: %v = %v, want ok %v", base, features, p, err, want)
		}
	}
	read, write := auth.Read, auth.ReadWrite
	f(auth.Member, nil, auth.Permission{Feature: auth.SampleData, Access: write}, true)
	f(auth.Member, []string{"pii_data"}, auth.Permission{Feature: auth.SampleData, Access: write}, true)
	f(auth.Member, []string{"PII_DATA"}, auth.Permission{Feature: auth.APICollections, Access: read}, false)
	f(auth.Member, []string{"Sample_Data"}, auth.Permission{Feature: auth.SampleData, Access: read}, true)
	f(auth.Member, []string{"SAMPLE_DATA"}, auth.Permission{Feature: auth.SensitiveData, Access: read}, false)
	f(auth.Guest, []string{"INVENTORY"}, auth.Permission{Feature: auth.APICollections, Access: write}, false)
	f(auth.Guest, []string{"PII_DATA"}, auth.Permission{Feature: auth.SampleData, Access: read}, false)
	f(auth.Member, []string{"TESTING"}, auth.Permission{Feature: auth.UserActions, Access: write}, true)
	f(auth.Member, []string{"TESTING"}, auth.Permission{Feature: auth.SignedIn}, true)
	f(auth.Member, []string{"TESTING"}, auth.Permission{Feature: auth.APICollections, Access: read}, false)
	f(auth.Admin, []string{"INVENTORY"}, auth.Permission{Feature: auth.AdminActions, Access: read}, false)
	f(auth.Admin, []string{"ADMIN"}, auth.Permission{Feature: auth.AdminActions, Access: write}, true)
	f(auth.Admin, []string{"admin_actions"}, auth.Permission{Feature: auth.AdminActions, Access: write}, true)
	f(auth.Member, []string{"ADMIN"}, auth.Permission{Feature: auth.AdminActions, Access: write}, false)
	f(auth.Member, []string{"-"}, auth.Permission{Feature: "NEW", Access: read}, false)
	f(auth.Admin, []string{"-"}, auth.Permission{Feature: auth.Billing, Access: read}, false)
}

func TestCustomGrant(t *testing.T) {
	roles := []auth.CustomRole{{Name: "BOSS", Base: auth.Admin}, {Name: "ODD", Base: "SOMETHING"}}
	f := func(role, scope string, want auth.Role) {
		t.Helper()
		g := auth.Grant{Role: role}
		if scope != "" {
			g = auth.Grant{Scopes: map[string]string{scope: role}}
		}
		if got := g.In(auth.ScopeAPI, roles...); got != want {
			t.Errorf("%s in %q is %s, want %s", role, scope, got, want)
		}
	}
	f("boss", "", auth.Admin)
	f(" Boss ", "API", auth.Admin)
	f("BOSS", "DAST", auth.NoAccess)
	f("ODD", "", auth.Guest)
	f("GONE", "API", auth.Guest)
}

// What was let in by an old role is refused by the present one.
func TestTeamAuthority(t *testing.T) {
	team := newTeam(nil, "ADMIN", "GUEST")
	stale := as(1)
	stale.Role = auth.Admin
	wantFault(t, team.SetRole(stale, "admin@example.com", "GUEST", nil), fault.Denied, "GUEST has no")
	wantFault(t, team.Remove(as(7), "admin@example.com"), fault.Denied, "does not belong")
	other := as(0)
	other.Account = 2
	wantFault(t, team.Remove(other, "guest@example.com"), fault.Denied, "does not belong")
	wantFault(t, team.Invite(stale, &auth.Invitation{Email: "a@b.co", Role: "GUEST"}, time.Now(), ""), fault.Denied, "INVITE_MEMBERS")
	dast := as(0)
	dast.Scope = auth.ScopeDAST
	team.Members[0].Grant.Scopes = map[string]string{auth.ScopeAPI: "ADMIN"}
	wantFault(t, team.Remove(dast, "guest@example.com"), fault.Denied, "")
}

func TestLastAdmin(t *testing.T) {
	boss, err := auth.NewCustomRole(1, "boss", "ADMIN", nil)
	if err != nil {
		t.Fatal(err)
	}
	roles := []auth.CustomRole{boss, {Name: "ALMOST", Base: auth.Admin, Features: []string{"INVENTORY"}}}
	last := "last ADMIN"

	// A custom role that cannot administer does not count.
	team := newTeam(roles, "ADMIN", "ALMOST", "MEMBER")
	wantFault(t, team.SetScopes(as(0), "admin@example.com", map[string]string{"API": "MEMBER"}), fault.Invalid, last)
	team = newTeam(roles, "ADMIN", "BOSS")
	if err := team.SetScopes(as(0), "admin@example.com", map[string]string{"API": "MEMBER"}); err != nil {
		t.Errorf("with another administrator: %v", err)
	}
	// A role may be what makes its holder the last.
	less := boss
	less.Base = auth.Member
	wantFault(t, newTeam([]auth.CustomRole{boss}, "BOSS").ChangeRole(as(0), &less, true, true), fault.Invalid, last)
	less = boss
	less.Features = []string{"INVENTORY"}
	wantFault(t, newTeam([]auth.CustomRole{boss}, "BOSS").ChangeRole(as(0), &less, true, false), fault.Invalid, last)

	// Who administers another scope only cannot take away the one of this.
	dast := as(1)
	dast.Scope = auth.ScopeDAST
	for _, f := range []func(*auth.Team) error{
		func(team *auth.Team) error { return team.Remove(dast, "admin@example.com") },
		func(team *auth.Team) error { return team.SetRole(dast, "admin@example.com", "GUEST", nil) },
	} {
		team := newTeam(nil, "ADMIN", "GUEST")
		team.Members[1].Grant.Scopes = map[string]string{"DAST": "ADMIN"}
		wantFault(t, f(team), fault.Invalid, last)
	}
}

func TestSetRoleMapping(t *testing.T) {
	team := newTeam(nil, "ADMIN", "GUEST")
	m := &team.Members[1].Grant
	m.Scopes = map[string]string{"API": "MEMBER", "DAST": "member", "ENDPOINT": "GUEST"}
	if err := team.SetRole(as(0), "guest@example.com", "developer", nil); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"API": "DEVELOPER", "DAST": "DEVELOPER", "ENDPOINT": "GUEST"}
	if !maps.Equal(m.Scopes, want) || m.Role != "DEVELOPER" {
		t.Errorf("grant = %+v, want the mapping %v", m, want)
	}
}

// Nobody gives what they do not have.
func TestInviteLimits(t *testing.T) {
	role := func(name string, base auth.Role, features ...string) auth.CustomRole {
		return auth.CustomRole{Name: name, Base: base, Features: features}
	}
	sees := func(r auth.CustomRole, ids ...int32) auth.CustomRole {
		r.Collections = ids
		return r
	}
	roles := []auth.CustomRole{
		role("HOST", auth.Member, "INVITE_MEMBERS", "INVENTORY"), role("FULLHOST", auth.Admin, "INVITE_MEMBERS"),
		role("SHOP", auth.Guest, "INVENTORY"), role("PII", auth.Member, "PII_DATA"), role("BOSS", auth.Admin),
		sees(role("SEVEN", auth.Guest), 7), sees(role("EIGHT", auth.Guest), 8),
	}
	now := time.Unix(1000, 0)
	f := func(inviter, given string, want bool) {
		t.Helper()
		team := newTeam(roles, "ADMIN", inviter)
		if inviter == "RESTRICTED" {
			team.Members[1].Grant = auth.Grant{Role: "MEMBER", Collections: []int32{7}}
		}
		i := auth.Invitation{ID: "1", Email: "a@b.co", Scopes: map[string]string{"API": given}, Expiry: now.UnixMilli() + 1}
		err := team.Invite(as(1), &i, now, "")
		if (err == nil) != want {
			t.Errorf("%s invites %s: %v, want ok %v", inviter, given, err, want)
		}
		if err != nil {
			wantFault(t, err, fault.Invalid, "scopeRoleMapping: you may not give the role "+given)
			return
		}
		if got := team.Invitations[0]; got.Issuer != 1 || got.Account != 1 || got.Restricted != (inviter == "RESTRICTED") {
			t.Errorf("%s invites %s: %+v", inviter, given, got)
		}
	}
	f("ADMIN", "ADMIN", true)
	f("ADMIN", "BOSS", true)
	f("MEMBER", "ADMIN", false)
	f("MEMBER", "BOSS", false)
	f("MEMBER", "MEMBER", true)
	f("MEMBER", "THREAT_ENGINEER", false)
	f("THREAT_ENGINEER", "MEMBER", true)
	f("THREAT_VIEWER", "THREAT_ENGINEER", false)
	f("HOST", "MEMBER", false)
	f("HOST", "GUEST", false)
	f("HOST", "SHOP", true)
	f("HOST", "PII", false)
	f("HOST", "HOST", true)
	f("FULLHOST", "ADMIN", false)
	f("FULLHOST", "BOSS", false)
	f("RESTRICTED", "MEMBER", true)
	f("RESTRICTED", "SEVEN", true)
	f("RESTRICTED", "EIGHT", false)
	f("MEMBER", "NO_ACCESS", true)
}

// A role beside a mapping is one that may be given too.
func TestInviteRoleBesideMapping(t *testing.T) {
	for role, want := range map[string]string{
		"": "", "member": "", "ADMIN": "inviteeRole: you may not give the role ADMIN", "NOPE": "inviteeRole: no role NOPE", "NO_ACCESS": "inviteeRole: no role NO_ACCESS",
	} {
		i := auth.Invitation{ID: "1", Email: "a@b.co", Role: role, Scopes: map[string]string{"API": "GUEST"}, Expiry: 1e6}
		err := newTeam(nil, "ADMIN", "MEMBER").Invite(as(1), &i, time.Unix(1, 0), "")
		if want != "" {
			wantFault(t, err, fault.Invalid, want)
		} else if err != nil {
			t.Errorf("%q beside a mapping: %v", role, err)
		}
	}
}

// The guest of who sees some collections sees no more.
func TestInvitationGrant(t *testing.T) {
	team := newTeam(nil, "ADMIN", "MEMBER")
	team.Members[1].Grant.Collections = []int32{7}
	i := auth.Invitation{ID: "1", Email: "a@b.co", Role: "guest", Expiry: 2000}
	if err := team.Invite(as(1), &i, time.Unix(1, 0), ""); err != nil {
		t.Fatal(err)
	}
	g := i.Grant(9)
	if g.User != 9 || g.In(auth.ScopeAPI) != auth.Guest || g.In(auth.ScopeDAST) != auth.NoAccess || len(g.Collections) != 1 || !g.Restricts() {
		t.Errorf("Grant = %+v", g)
	}
	plain := auth.Invitation{Account: 1, Role: "MEMBER"}
	if g := plain.Grant(9); g.In(auth.ScopeAPI) != auth.Member || g.In(auth.ScopeDAST) != auth.NoAccess || g.Restricts() {
		t.Errorf("Grant of a role alone = %+v", g)
	}
}

func TestInviteAddress(t *testing.T) {
	f := func(email, domain string, want bool) {
		t.Helper()
		team := newTeam(nil, "ADMIN")
		i := auth.Invitation{Email: email, Role: "GUEST", Expiry: 2000}
		err := team.Invite(as(0), &i, time.Unix(1, 0), domain)
		if (err == nil) != want {
			t.Errorf("Invite(%s) for the domain %q = %v, want ok %v", email, domain, err, want)
		}
		if err != nil {
			wantFault(t, err, fault.Invalid, "inviteeEmail: ")
		}
	}
	f("a@b.co", "", true)
	f("a@b.c.d.museum", "", true)
	f("a@b.xn--p1ai", "", true)
	f("a@b", "", false)
	f("a@b.c", "", false)
	f("a@b.c0", "", false)
	f("a@10.0.0.1", "", false)
	f("a@b..co", "", false)
	f("a@b.co", "b.co", true)
	f("a@x.b.co", "b.co", false)
}

// Who is let go, or may do less, does not come back by an invitation.
func TestInvitationsOfTheDemoted(t *testing.T) {
	invited := func() *auth.Team {
		team := newTeam(nil, "ADMIN", "MEMBER")
		for email, role := range map[string]string{"m@b.co": "MEMBER", "g@b.co": "GUEST"} {
			i := auth.Invitation{ID: email, Email: email, Role: role, Expiry: 1e6}
			if err := team.Invite(as(1), &i, time.Unix(1, 0), ""); err != nil {
				t.Fatal(err)
			}
		}
		i := auth.Invitation{ID: "a", Email: "a@b.co", Role: "ADMIN", Expiry: 1e6}
		if err := team.Invite(as(0), &i, time.Unix(1, 0), ""); err != nil {
			t.Fatal(err)
		}
		return team
	}
	left := func(team *auth.Team, want int) {
		t.Helper()
		if n := len(team.Invitations); n != want {
			t.Errorf("%d invitations are left, want %d", n, want)
		}
	}
	team := invited()
	if err := team.Remove(as(0), "member@example.com"); err != nil {
		t.Fatal(err)
	}
	left(team, 1)
	team = invited()
	if err := team.SetRole(as(0), "member@example.com", "GUEST", nil); err != nil {
		t.Fatal(err)
	}
	left(team, 1)
	team = invited()
	if err := team.SetRole(as(0), "member@example.com", "THREAT_ENGINEER", nil); err != nil {
		t.Fatal(err)
	}
	left(team, 3)
	// Those that expired are pending no more.
	wantFault(t, team.Withdraw(as(0), "a@b.co", time.Unix(1e6, 0)), fault.NotFound, "no invitation")
	left(team, 0)
}

func TestRevealKey(t *testing.T) {
	one, err1 := auth.NewSealer([]byte(strings.Repeat("1", 32)))
	two, err2 := auth.NewSealer([]byte(strings.Repeat("2", 32)))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	k, other := auth.NewAPIKey("token-of-k", 1, 1, auth.Burp, 1), auth.NewAPIKey("token-of-other", 1, 1, auth.Burp, 1)
	if _, ok := k.Reveal(one); ok {
		t.Error("a key that was not sealed is revealed")
	}
	k.Seal(one, "token-of-k")
	if strings.Contains(k.Sealed, "token") {
		t.Error("the sealed key is readable")
	}
	if got, ok := k.Reveal(one); !ok || got != "token-of-k" {
		t.Errorf("Reveal = %q, %v", got, ok)
	}
	if _, ok := k.Reveal(two); ok {
		t.Error("another secret key opens it")
	}
	if _, ok := k.Reveal(nil); ok {
		t.Error("no secret key opens it")
	}
	other.Sealed = k.Sealed
	if _, ok := other.Reveal(one); ok {
		t.Error("what is sealed for one key opens for another")
	}
}
