package auth_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"harken/admin/auth"
	"harken/inventory/fault"
)

func TestCheckPassword(t *testing.T) {
	f := func(password string, want bool) {
		t.Helper()
		if err := auth.CheckPassword(password); (err == nil) != want {
			t.Errorf("CheckPassword(%q) = %v, want ok %v", password, err, want)
		}
	}
	f("abcdefg1", true)
	f("abcdef1", false)
	f(strings.Repeat("a", 38)+"1", true)
	f(strings.Repeat("a", 39)+"1", false)
	f("abcdefgh", false)
	f("12345678", false)
	f("a1+@*#$%&/()=?^![]{}-_:;><|,.", true)
	f("abcdefg1 ", false)
	f("abcdefg1ä", false)
	f("abcdefg1'", false)
	for range 100 {
		f(auth.NewPassword(), true)
	}
}

func TestHasher(t *testing.T) {
	h, ctx := auth.NewHasher(2), t.Context()
	hash, err := h.Hash(ctx, "abcdefg1")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("Hash = %q, %v", hash, err)
	}
	again, err := h.Hash(ctx, "abcdefg1")
	if err != nil || again == hash {
		t.Errorf("two hashes of one password are equal: %v", err)
	}
	f := func(password, hash string, want bool) {
		t.Helper()
		if ok, err := h.Verify(ctx, password, hash); ok != want || err != nil {
			t.Errorf("Verify(%q) = %v, %v, want %v", password, ok, err, want)
		}
	}
	f("abcdefg1", hash, true)
	f("abcdefg2", hash, false)
	f("abcdefg1", "", false)
	for _, bad := range []string{
		"x", "$argon2i$v=19$m=1,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=99999999,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=1,t=0,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=1,t=1,p=1$AAAA$A",
	} {
		if _, err := h.Verify(ctx, "abcdefg1", bad); err == nil {
			t.Errorf("Verify with the hash %q has no error", bad)
		}
	}
}

func TestTokens(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		s := auth.NewToken()
		if len(s) != auth.TokenLen || seen[s] {
			t.Fatalf("NewToken() = %q", s)
		}
		seen[s] = true
	}
	k := auth.NewAPIKey("abcdefghij", 1, 2, auth.Burp, 3)
	if k.Prefix != "abcdef" || !k.Hash.Equal(auth.HashToken("abcdefghij")) || k.Hash.Equal(auth.HashToken("abcdefghik")) {
		t.Errorf("NewAPIKey = %+v", k)
	}
	secrets := []slog.LogValuer{k, auth.FirstRun{Email: "a@b.c", Password: "hunter22", APIKey: "abcdefghij"}}
	for _, v := range secrets {
		if s := fmt.Sprint(v.LogValue()); strings.Contains(s, "abcdefghij") || strings.Contains(s, "hunter22") {
			t.Errorf("LogValue shows a secret: %s", s)
		}
	}
}

// The access table of the published API.
func TestAccess(t *testing.T) {
	features := []auth.Feature{
		auth.APICollections, auth.SampleData, auth.Billing, auth.APITokens, auth.InviteMembers, auth.AdminActions, auth.UserActions,
	}
	for role, want := range map[auth.Role]string{
		auth.Admin:          "WWWWWWW",
		auth.Member:         "WWRWW-W",
		auth.ThreatEngineer: "WWRWW-W",
		auth.ThreatViewer:   "WWRWW-W",
		auth.Developer:      "R-WWR-W",
		auth.Guest:          "R-RRR-W",
		auth.NoAccess:       "-------",
		"SOMETHING":         "-------",
	} {
		var got strings.Builder
		for _, f := range features {
			got.WriteByte("-RW"[role.Access(f)])
		}
		if got.String() != want {
			t.Errorf("%s has %s, want %s", role, got.String(), want)
		}
	}
	err := auth.Member.Check(auth.Permission{Feature: auth.Billing, Access: auth.ReadWrite})
	if kind, msg := fault.Of(err); kind != fault.Denied || !strings.Contains(msg, "SECURITY ENGINEER") {
		t.Errorf("Check = %v", err)
	}
	if auth.Guest.Check(auth.Permission{Feature: "NEW", Access: auth.Read}) == nil || auth.Guest.Check(auth.Permission{Feature: auth.Billing}) == nil {
		t.Error("a feature that is not in the table, or no access word, is not refused")
	}
}

func TestGrant(t *testing.T) {
	f := func(g auth.Grant, scope string, want auth.Role) {
		t.Helper()
		if got := g.In(auth.Scope(scope)); got != want {
			t.Errorf("%+v in %s is %s, want %s", g, scope, got, want)
		}
	}
	f(auth.Grant{}, "", auth.Member)
	f(auth.Grant{Role: "guest"}, "api", auth.Guest)
	f(auth.Grant{Role: "ADMIN"}, "something", auth.Admin)
	f(auth.Grant{Role: "no such role"}, "API", auth.Guest)
	f(auth.Grant{Role: "ADMIN", Scopes: map[string]string{"API": "GUEST"}}, "API", auth.Guest)
	f(auth.Grant{Role: "ADMIN", Scopes: map[string]string{"API": "GUEST"}}, " dast ", auth.NoAccess)
	f(auth.Grant{Scopes: map[string]string{"API": ""}}, "API", auth.Member)
}

func TestUser(t *testing.T) {
	u := auth.User{Accounts: []auth.Membership{{Account: 9}, {Account: 4}, {Account: 7}}}
	if id, ok := u.HomeAccount(); id != 4 || !ok {
		t.Errorf("HomeAccount = %d, %v, want the lowest", id, ok)
	}
	u.Accounts[2].Default = true
	if id, ok := u.HomeAccount(); id != 7 || !ok || !u.In(9) || u.In(8) {
		t.Errorf("HomeAccount = %d, %v, want the default", id, ok)
	}
	if _, ok := new(auth.User).HomeAccount(); ok {
		t.Error("a user without accounts has a home")
	}
	for in, want := range map[string]string{
		" A.b+c@Example.COM ": "a.b+c@example.com", "a@b": "a@b", "a": "", "@b": "", "a@": "", "a@b@c": "", "a b@c": "", "a@b.": "", "<a@b>": "",
	} {
		if got, err := auth.NormalizeEmail(in); got != want || (err == nil) != (want != "") {
			t.Errorf("NormalizeEmail(%q) = %q, %v", in, got, err)
		}
	}
}
