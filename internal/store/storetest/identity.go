package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/admin/auth"
	"harken/inventory/fault"
)

// RunIdentity runs the suite of sessions, tokens, passwords and accounts. open
// returns an empty store, which it closes when t ends.
func RunIdentity(t *testing.T, open func(*testing.T) Both) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(team)
	}{
		{"sessions", team.sessions},
		{"idleSessions", team.idleSessions},
		{"refreshTokens", team.refreshTokens},
		{"secrets", team.secrets},
		{"addAccount", team.addAccount},
		{"addTenant", team.addTenant},
		{"acceptInvitation", team.acceptInvitation},
		{"acceptOnce", team.acceptOnce},
		{"rename", team.rename},
		{"resets", team.resets},
		{"useResetOnce", team.useResetOnce},
		{"replacePassword", team.replacePassword},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := team{t: t, s: open(t)}
			k.install()
			c.run(k)
		})
	}
}

func session(sid string) auth.Session {
	return auth.Session{
		SID: sid, ID: auth.HashToken("cookie " + sid), User: boss, Account: account, Address: "192.0.2.1", Created: 10, LastUsed: 10, KeepUntil: 100,
	}
}

func refresh(text, sid string) auth.RefreshToken {
	return auth.RefreshToken{Hash: auth.HashToken(text), User: boss, Session: sid, Created: 10, Expires: 1000}
}

// there says whether a session and its cookie are known.
func (k team) there(s auth.Session, want bool) {
	k.t.Helper()
	_, byCookie := k.s.Session(k.t.Context(), s.ID)
	_, byName := k.s.SessionNamed(k.t.Context(), s.SID)
	for _, err := range []error{byCookie, byName} {
		if want && err != nil || !want && kind(err) != fault.NotFound {
			k.t.Errorf("session %s: %v, want it there: %v", s.SID, err, want)
		}
	}
}

func (k team) refreshable(text string, want bool) {
	k.t.Helper()
	_, err := k.s.RefreshToken(k.t.Context(), auth.HashToken(text))
	if want && err != nil || !want && kind(err) != fault.NotFound {
		k.t.Errorf("refresh token %s: %v, want it there: %v", text, err, want)
	}
}

func (k team) sessions() {
	t, s, ctx := k.t, k.s, k.t.Context()
	a, b := session("a"), session("b")
	k.ok(s.AddSession(ctx, a))
	k.ok(s.AddSession(ctx, b))
	if s.AddSession(ctx, a) == nil {
		t.Error("two sessions have one name")
	}
	got, err := s.Session(ctx, a.ID)
	if d := cmp.Diff(a, got); err != nil || d != "" {
		t.Errorf("Session: %v (-want +got):\n%s", err, d)
	}
	k.ok(s.TouchSession(ctx, "a", 50))
	k.ok(s.TouchSession(ctx, "a", 20)) // late
	a.LastUsed = 50
	got, err = s.SessionNamed(ctx, "a")
	if d := cmp.Diff(a, got); err != nil || d != "" {
		t.Errorf("SessionNamed: %v (-want +got):\n%s", err, d)
	}
	k.ok(s.KeepSession(ctx, "b", 300))
	k.ok(s.KeepSession(ctx, "b", 200))
	if got, err := s.SessionNamed(ctx, "b"); err != nil || got.KeepUntil != 300 {
		t.Errorf("kept session: %+v, %v", got, err)
	}
	former := a.ID
	a.ID, a.Account, a.LastUsed, a.KeepUntil = auth.HashToken("new"), 2000000, 60, 700
	k.ok(s.MoveSession(ctx, a))
	got, err = s.Session(ctx, a.ID)
	if d := cmp.Diff(a, got); err != nil || d != "" {
		t.Errorf("moved session: %v (-want +got):\n%s", err, d)
	}
	_, err = s.Session(ctx, former)
	k.want(err, fault.NotFound)
	k.want(s.MoveSession(ctx, session("c")), fault.NotFound)
	for addr, want := range map[string]bool{"192.0.2.1": true, "192.0.2.2": false} {
		if got, err := s.KnownAddress(ctx, boss, addr); got != want || err != nil {
			t.Errorf("KnownAddress(%s) = %v, %v", addr, got, err)
		}
	}
	if known, err := s.KnownAddress(ctx, boss+1, "192.0.2.1"); known || err != nil {
		t.Errorf("KnownAddress of another user = %v, %v", known, err)
	}
	k.ok(s.DeleteSession(ctx, "a"))
	k.ok(s.DeleteSession(ctx, "a"))
	k.there(a, false)
	k.there(b, true)
	k.ok(s.DeleteSessionsOf(ctx, boss+1))
	k.there(b, true)
	k.ok(s.DeleteSessionsOf(ctx, boss))
	k.there(b, false)
}

// A session stays while something valid names it, though its cookie be idle.
func (k team) idleSessions() {
	t, s, ctx := k.t, k.s, k.t.Context()
	idle, named, used := session("idle"), session("named"), session("used")
	used.LastUsed = 150
	for _, x := range []auth.Session{idle, named, used} {
		k.ok(s.AddSession(ctx, x))
	}
	k.ok(s.AddRefreshToken(ctx, refresh("r", "named")))
	clean := func(lastUsed, now, want int64) {
		t.Helper()
		if n, err := s.DeleteIdleSessions(ctx, lastUsed, now); err != nil || n != want {
			t.Errorf("DeleteIdleSessions(%d, %d) = %d, %v, want %d", lastUsed, now, n, err, want)
		}
	}
	clean(10, 5000, 0)  // not idle
	clean(150, 100, 0)  // access tokens
	clean(150, 101, 1)  // refresh token
	clean(150, 1000, 1) // used
	k.there(idle, false)
	k.there(named, false)
	k.there(used, true)
	k.refreshable("r", false)
}

func (k team) refreshTokens() {
	t, s, ctx := k.t, k.s, k.t.Context()
	k.ok(s.AddSession(ctx, session("a")))
	k.ok(s.AddSession(ctx, session("b")))
	name := func(i int) string { return fmt.Sprint("r", i) }
	for i := range auth.KeptRefreshTokens + 2 {
		k.ok(s.AddRefreshToken(ctx, refresh(name(i), "a"))) // all of one second
	}
	for i := range auth.KeptRefreshTokens + 2 {
		k.refreshable(name(i), i >= 2)
	}
	got, err := s.RefreshToken(ctx, auth.HashToken(name(5)))
	if d := cmp.Diff(refresh(name(5), "a"), got); err != nil || d != "" {
		t.Errorf("RefreshToken: %v (-want +got):\n%s", err, d)
	}
	k.replacing(name(5))
	k.ok(s.DeleteRefreshTokensOf(ctx, boss+1))
	k.refreshable(name(5), true)
	k.ok(s.DeleteRefreshTokensOf(ctx, boss))
	k.refreshable(name(5), false)
	k.there(session("a"), true)
	k.ok(s.AddRefreshToken(ctx, refresh("x", "a")))
	k.ok(s.AddRefreshToken(ctx, refresh("y", "b")))
	k.ok(s.DeleteSession(ctx, "a"))
	k.refreshable("x", false)
	k.refreshable("y", true)
	for _, c := range []struct {
		sid  string
		user int32
		want bool
	}{{"c", boss, false}, {"b", boss + 1, false}, {"b", boss, true}, {"b", boss, false}} {
		k.ok(s.AddSession(ctx, session("c"+fmt.Sprint(c)))) // with no refresh token
		if ended, err := s.EndReplayed(ctx, c.sid, c.user); err != nil || ended != c.want {
			t.Errorf("EndReplayed(%s, %d) = %v, %v", c.sid, c.user, ended, err)
		}
	}
	k.refreshable("y", false)
	k.there(session("b"), false)
}

// replacing puts tokens in the place of one, of which the latest two stay known, and
// in the end that one again.
func (k team) replacing(first string) {
	t, s, ctx := k.t, k.s, k.t.Context()
	replace := func(old, next string, at int64, want bool) {
		t.Helper()
		if ok, err := s.ReplaceRefreshToken(ctx, auth.HashToken(old), auth.HashToken(next), at, at-5); err != nil || ok != want {
			t.Errorf("ReplaceRefreshToken(%s, %s) = %v, %v", old, next, ok, err)
		}
	}
	replace("none", "r", 20, false)
	replace(first, "second", 20, true)
	replace(first, "other", 20, false)
	for text, replaced := range map[string]int64{first: 20, "second": 0} {
		want := refresh(text, "a")
		want.Replaced = replaced
		got, err := s.RefreshToken(ctx, want.Hash)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("RefreshToken %s: %v (-want +got):\n%s", text, err, d)
		}
	}
	replace("second", "third", 25, false)
	replace("second", "third", 26, true)
	k.refreshable(first, false)
	k.refreshable("second", true)
	replace("third", first, 40, true)
}

func (k team) secrets() {
	t, s, ctx := k.t, k.s, k.t.Context()
	_, err := s.Secret(ctx, "n")
	k.want(err, fault.NotFound)
	swap := func(old, sealed, want string) {
		t.Helper()
		var was []byte
		if old != "" {
			was = []byte(old)
		}
		if got, err := s.SwapSecret(ctx, "n", was, []byte(sealed)); err != nil || string(got) != want {
			t.Errorf("SwapSecret(%q, %q) = %q, %v, want %q", old, sealed, got, err, want)
		}
	}
	swap("", "one", "one")
	swap("", "two", "one")
	swap("other", "two", "one")
	swap("one", "two", "two")
	if got, err := s.Secret(ctx, "n"); err != nil || string(got) != "two" {
		t.Errorf("Secret = %q, %v", got, err)
	}
}

func (k team) addAccount() {
	t, s, ctx := k.t, k.s, k.t.Context()
	a := auth.Account{ID: 3_000_000, Name: "second", Organization: "o", Created: 7}
	g := auth.Grant{User: boss, Role: "ADMIN", Scopes: auth.AllScopes("ADMIN")}
	for i := range int32(auth.AccountTries) {
		got, err := s.AddAccount(ctx, a, g)
		if err != nil || got.ID != a.ID-i*auth.AccountStep {
			t.Fatalf("AddAccount = %+v, %v", got, err)
		}
		grant, err := s.Grant(ctx, boss, got.ID)
		if err != nil || grant.Role != "ADMIN" || len(grant.Scopes) != 4 {
			t.Errorf("Grant = %+v, %v", grant, err)
		}
		if o, err := s.Organization(ctx, got.ID); err != nil || o.ID != "o" {
			t.Errorf("Organization = %+v, %v", o, err)
		}
	}
	_, err := s.AddAccount(ctx, a, g)
	k.want(err, fault.Conflict)
	u, err := s.User(ctx, boss)
	if home, _ := u.HomeAccount(); err != nil || len(u.Accounts) != auth.AccountTries+1 || home != account {
		t.Errorf("the user is in %+v (%v)", u.Accounts, err)
	}
}

func (k team) addTenant() {
	t, s, ctx := k.t, k.s, k.t.Context()
	in := auth.NewTenant("new@example.com", boss)
	u, err := s.AddTenant(ctx, in)
	if err != nil || u.ID != boss+1 || len(u.Accounts) != 1 || u.Accounts[0].Account != account-auth.AccountStep {
		t.Fatalf("AddTenant = %+v, %v", u, err)
	}
	if g, err := s.Grant(ctx, u.ID, u.Accounts[0].Account); err != nil || g.In("API") != auth.Admin {
		t.Errorf("Grant = %+v, %v", g, err)
	}
	if o, err := s.Organization(ctx, u.Accounts[0].Account); err != nil || o.ID != in.Organization.ID {
		t.Errorf("Organization = %+v, %v", o, err)
	}
	_, err = s.AddTenant(ctx, auth.NewTenant("New@example.com", boss))
	k.want(err, fault.Conflict)
	_, err = s.UserByEmail(ctx, "new@example.com")
	k.ok(err)
}

func (k team) acceptInvitation() {
	t, s, ctx := k.t, k.s, k.t.Context()
	other, err := s.AddAccount(ctx, auth.Account{ID: 2_000_000, Name: "other", Organization: "o"}, auth.Grant{User: boss, Role: "ADMIN"})
	k.ok(err)
	g := auth.Grant{Role: "GUEST", Scopes: map[string]string{"API": "GUEST"}}
	k.ok(s.PutInvitation(ctx, invitation("1", "new@example.com")))
	u, err := s.AcceptInvitation(ctx, "1", auth.User{Email: "new@example.com", Name: "new", PasswordHash: "h"}, g, boss)
	if err != nil || u.ID != boss+1 || !u.In(account) || u.Accounts[0].Name != "first" || u.PasswordHash != "h" {
		t.Fatalf("AcceptInvitation = %+v, %v", u, err)
	}
	got, err := s.Grant(ctx, u.ID, account)
	if err != nil || got.In("API") != auth.Guest || got.In("DAST") != auth.NoAccess {
		t.Errorf("Grant = %+v, %v", got, err)
	}
	_, err = s.AcceptInvitation(ctx, "1", u, g, boss)
	k.want(err, fault.NotFound)

	// Who has an account gets another one, and keeps what they may do in the first.
	i := invitation("2", "new@example.com")
	i.Account = other.ID
	k.ok(s.PutInvitation(ctx, i))
	k.ok(s.PutInvitation(ctx, invitation("3", "new@example.com")))
	g.Role, g.Scopes = "ADMIN", nil
	for _, id := range []string{"2", "3"} {
		u, err = s.AcceptInvitation(ctx, id, u, g, boss)
		if err != nil || u.ID != boss+1 || !u.In(other.ID) || len(u.Accounts) != 2 {
			t.Fatalf("AcceptInvitation(%s) = %+v, %v", id, u, err)
		}
	}
	for id, want := range map[int32]auth.Role{account: auth.Guest, other.ID: auth.Admin} {
		if got, err := s.Grant(ctx, u.ID, id); err != nil || got.In("API") != want {
			t.Errorf("Grant in %d = %+v, %v, want %s", id, got, err, want)
		}
	}

	// A name that is taken leaves the invitation where it is.
	k.ok(s.PutInvitation(ctx, invitation("4", "boss@example.com")))
	_, err = s.AcceptInvitation(ctx, "4", auth.User{Email: "Boss@example.com"}, g, boss)
	k.want(err, fault.Conflict)
	_, err = s.Invitation(ctx, account, "boss@example.com")
	k.ok(err)
}

// atOnce runs f several times at once and returns how often it had no error.
func atOnce(f func() error) int32 {
	var n atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if f() == nil {
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return n.Load()
}

func (k team) acceptOnce() {
	k.ok(k.s.PutInvitation(k.t.Context(), invitation("1", "new@example.com")))
	if n := atOnce(func() error {
		_, err := k.s.AcceptInvitation(k.t.Context(), "1", auth.User{Email: "new@example.com"}, auth.Grant{}, boss)
		return err
	}); n != 1 {
		k.t.Errorf("an invitation was accepted %d times", n)
	}
}

func (k team) rename() {
	t, s, ctx := k.t, k.s, k.t.Context()
	k.ok(s.Rename(ctx, auth.Names{User: boss, Name: "one", At: 5}))
	k.ok(s.Rename(ctx, auth.Names{User: boss, Name: "two", Organization: "o", OrganizationName: "org", At: 6}))
	// All or nothing.
	k.want(s.Rename(ctx, auth.Names{User: boss, Name: "three", Organization: "no", OrganizationName: "x"}), fault.NotFound)
	k.want(s.Rename(ctx, auth.Names{User: 1, Name: "four"}), fault.NotFound)
	u, err := s.User(ctx, boss)
	o, oerr := s.Organization(ctx, account)
	if err != nil || oerr != nil || u.Name != "two" || o.Name != "org" || o.AdminEmail != "boss@example.com" {
		t.Errorf("user %q, %v; organization %+v, %v", u.Name, err, o, oerr)
	}
}

func (k team) resets() {
	t, s, ctx := k.t, k.s, k.t.Context()
	add := func(text string, byAdmin bool, at, since int64, want bool) {
		t.Helper()
		r := auth.Reset{Hash: auth.HashToken(text), User: boss, ByAdmin: byAdmin, Created: at, Expires: at + 100}
		got, added, err := s.AddReset(ctx, r, since)
		if err != nil || added != want || (got == r) != want {
			t.Errorf("AddReset(%s) = %+v, %v, %v, want it added: %v", text, got, added, err, want)
		}
	}
	add("one", false, 10, 0, true)
	add("two", false, 50, 9, false)
	add("three", true, 50, 9, true) // an administrator does not wait for strangers
	add("four", false, 60, 10, true)
	for text, want := range map[string]bool{"one": false, "two": false, "three": true, "four": true} {
		r, err := s.Reset(ctx, auth.HashToken(text), 100)
		if want && (err != nil || r.User != boss || r.ByAdmin != (text == "three")) || !want && kind(err) != fault.NotFound {
			t.Errorf("Reset(%s) = %+v, %v", text, r, err)
		}
	}
	_, err := s.Reset(ctx, auth.HashToken("four"), 160)
	k.want(err, fault.NotFound) // over
	_, err = s.UseReset(ctx, auth.HashToken("four"), 160, "h")
	k.want(err, fault.NotFound)
	if user, err := s.UseReset(ctx, auth.HashToken("four"), 159, "h"); err != nil || user != boss {
		t.Errorf("UseReset = %d, %v", user, err)
	}
	if u, err := s.User(ctx, boss); err != nil || u.PasswordHash != "h" {
		t.Errorf("User = %+v, %v", u, err)
	}
	_, err = s.Reset(ctx, auth.HashToken("three"), 100)
	k.want(err, fault.NotFound)
}

func (k team) useResetOnce() {
	ctx := k.t.Context()
	_, _, err := k.s.AddReset(ctx, auth.Reset{Hash: auth.HashToken("r"), User: boss, Created: 1, Expires: 100}, 0)
	k.ok(err)
	if n := atOnce(func() error { _, err := k.s.UseReset(ctx, auth.HashToken("r"), 2, "h"); return err }); n != 1 {
		k.t.Errorf("a reset was used %d times", n)
	}
}

func (k team) replacePassword() {
	s, ctx := k.s, k.t.Context()
	k.ok(s.AddSession(ctx, session("a")))
	k.ok(s.AddRefreshToken(ctx, refresh("r", "a")))
	_, _, err := s.AddReset(ctx, auth.Reset{Hash: auth.HashToken("x"), User: boss, Created: 1, Expires: 100}, 0)
	k.ok(err)
	k.ok(s.ReplacePassword(ctx, boss, "new"))
	k.there(session("a"), false)
	k.refreshable("r", false)
	_, err = s.Reset(ctx, auth.HashToken("x"), 2)
	k.want(err, fault.NotFound)
	if u, err := s.User(ctx, boss); err != nil || u.PasswordHash != "new" {
		k.t.Errorf("User = %+v, %v", u, err)
	}
	k.want(s.ReplacePassword(ctx, 1, "new"), fault.NotFound)
}
