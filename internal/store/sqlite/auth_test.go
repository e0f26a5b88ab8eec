package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/admin/auth"
	"harken/internal/store/sqlite"
	"harken/internal/store/storetest"
	"harken/inventory"
	"harken/inventory/fault"
)

func openAuth(t *testing.T) *sqlite.DB {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "a b?.db"))
}

func wantKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if kind, _ := fault.Of(err); err == nil || kind != want {
		t.Errorf("error %v has kind %v, want %v", err, kind, want)
	}
}

func TestBootstrap(t *testing.T) {
	db, ctx := openAuth(t), t.Context()
	first, made, err := auth.Bootstrap(ctx, db, auth.BootstrapConfig{Now: 1700000000})
	if err != nil || !made {
		t.Fatalf("Bootstrap = %v, %v", made, err)
	}
	if first.Email != auth.DefaultEmail || len(first.APIKey) != auth.TokenLen || auth.CheckPassword(first.Password) != nil {
		t.Errorf("Bootstrap made %d characters of password and %d of key for %s", len(first.Password), len(first.APIKey), first.Email)
	}
	if again, made, err := auth.Bootstrap(ctx, db, auth.BootstrapConfig{Now: 1700000001}); err != nil || made || again != (auth.FirstRun{}) {
		t.Errorf("second Bootstrap = %v, %v, want nothing", made, err)
	}

	u, err := db.UserByEmail(ctx, "Admin@Harken.LOCAL")
	if err != nil {
		t.Fatal(err)
	}
	want := auth.User{
		ID: 1700000000, Email: auth.DefaultEmail, Name: "admin", PasswordHash: u.PasswordHash, Created: 1700000000,
		Accounts: []auth.Membership{{Account: inventory.DefaultAccount, Name: auth.DefaultAccountName, Default: true}},
	}
	if diff := cmp.Diff(want, u); diff != "" {
		t.Error(diff)
	}
	if ok, err := auth.NewHasher(1).Verify(ctx, first.Password, u.PasswordHash); err != nil || !ok {
		t.Errorf("Verify = %v, %v", ok, err)
	}
	k, err := db.Key(ctx, auth.HashToken(first.APIKey))
	if err != nil || k.Owner != u.ID || k.Account != inventory.DefaultAccount || k.Prefix != first.APIKey[:auth.PrefixLen] || k.Utility != auth.ExternalAPI {
		t.Errorf("Key = %+v, %v", k, err)
	}
	g, err := db.Grant(ctx, u.ID, inventory.DefaultAccount)
	if err != nil || g.In("API") != auth.Admin || g.In("MCP") != auth.NoAccess {
		t.Errorf("Grant = %+v, %v", g, err)
	}
	if o, err := db.Organization(ctx, inventory.DefaultAccount); err != nil || o.AdminEmail != auth.DefaultEmail || len(o.ID) != 36 {
		t.Errorf("Organization = %+v, %v", o, err)
	}
}

func TestUsers(t *testing.T) {
	db, ctx := openAuth(t), t.Context()
	if _, _, err := auth.Bootstrap(ctx, db, auth.BootstrapConfig{Now: 100, Email: "a@b.c", Password: "password1", APIKey: "0123456789abcdef"}); err != nil {
		t.Fatal(err)
	}
	u, err := db.AddUser(ctx, auth.User{ID: 100, Email: "x@y.z", Name: "x", Accounts: []auth.Membership{{Account: inventory.DefaultAccount}}})
	if err != nil || u.ID != 101 || u.Accounts[0].Name != auth.DefaultAccountName {
		t.Fatalf("AddUser = %+v, %v; want the next free id", u, err)
	}
	_, err = db.AddUser(ctx, auth.User{ID: 5, Email: "X@Y.z"})
	wantKind(t, err, fault.Conflict)
	_, err = db.Grant(ctx, u.ID, inventory.DefaultAccount)
	wantKind(t, err, fault.NotFound)
	g := auth.Grant{User: u.ID, Account: inventory.DefaultAccount, Role: "GUEST", Collections: []int32{-5, 7}}
	for range 2 {
		if err := db.PutGrant(ctx, g); err != nil {
			t.Fatal(err)
		}
		got, err := db.Grant(ctx, u.ID, inventory.DefaultAccount)
		if diff := cmp.Diff(g, got); err != nil || diff != "" {
			t.Error(err, diff)
		}
		g.Role = "MEMBER"
	}
	if err := db.RecordLogin(ctx, u.ID, 9); err != nil {
		t.Error(err)
	}
	if err := db.SetPassword(ctx, u.ID, "h"); err != nil {
		t.Error(err)
	}
	if got, err := db.User(ctx, u.ID); err != nil || got.LastLogin != 9 || got.PasswordHash != "h" {
		t.Errorf("User = %+v, %v", got, err)
	}
	wantKind(t, db.SetPassword(ctx, 1, "h"), fault.NotFound)
	_, err = db.User(ctx, 1)
	wantKind(t, err, fault.NotFound)
	_, err = db.UserByEmail(ctx, "nobody@y.z")
	wantKind(t, err, fault.NotFound)
	_, err = db.Organization(ctx, 1)
	wantKind(t, err, fault.NotFound)
}

func TestKeys(t *testing.T) {
	db, ctx := openAuth(t), t.Context()
	if _, _, err := auth.Bootstrap(ctx, db, auth.BootstrapConfig{Now: 100}); err != nil {
		t.Fatal(err)
	}
	k, err := db.AddKey(ctx, auth.NewAPIKey("token-2", 100, inventory.DefaultAccount, auth.Burp, 100))
	if err != nil || k.ID != 101 {
		t.Errorf("AddKey = %+v, %v, want the next free id", k, err)
	}
	if got, err := db.Key(ctx, k.Hash); err != nil || got != k {
		t.Errorf("Key = %+v, %v, want %+v", got, err, k)
	}
	_, err = db.Key(ctx, auth.HashToken("other"))
	wantKind(t, err, fault.NotFound)
}

func TestTeam(t *testing.T) {
	storetest.RunTeam(t, func(t *testing.T) storetest.Both {
		t.Helper()
		return openAuth(t)
	})
}

func TestIdentity(t *testing.T) {
	storetest.RunIdentity(t, func(t *testing.T) storetest.Both {
		t.Helper()
		return openAuth(t)
	})
}
