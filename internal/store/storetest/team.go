package storetest

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
)

// A Both keeps the inventory and who may see it.
type Both interface {
	inventory.Stores
	auth.Store
}

// RunTeam runs the suite of what a team is made of. open returns an empty store,
// which it closes when t ends.
func RunTeam(t *testing.T, open func(*testing.T) Both) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(team)
	}{
		{"invitations", team.invitations},
		{"takeInvitationOnce", team.takeInvitationOnce},
		{"standing", team.standing},
		{"editTeam", team.editTeam},
		{"removeMember", team.removeMember},
		{"editTeamAtOnce", team.editTeamAtOnce},
		{"deletedCollections", team.deletedCollections},
		{"ownCollection", team.ownCollection},
		{"keys", team.keys},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := team{t: t, s: open(t)}
			k.install()
			c.run(k)
		})
	}
}

// A team is one test on a store with an administrator.
type team struct {
	t *testing.T
	s Both
}

// boss is the id of the first administrator.
const boss = 100

func (k team) install() {
	k.t.Helper()
	in := auth.Installation{
		Organization: auth.Organization{ID: "o", Name: "o", AdminEmail: "boss@example.com"},
		Account:      auth.Account{ID: account, Name: "first", Organization: "o"},
		User:         auth.User{ID: boss, Email: "boss@example.com", Accounts: []auth.Membership{{Account: account, Default: true}}},
		Grant:        auth.Grant{User: boss, Account: account, Role: "ADMIN"},
		Key:          auth.NewAPIKey("boss-key", boss, account, auth.ExternalAPI, 1),
	}
	if made, err := k.s.Install(k.t.Context(), &in); err != nil || !made {
		k.t.Fatalf("Install = %v, %v", made, err)
	}
}

func (k team) want(err error, want fault.Kind) {
	k.t.Helper()
	if err == nil || kind(err) != want {
		k.t.Errorf("error %v, want kind %v", err, want)
	}
}

func (k team) ok(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

func invitation(id, email string) auth.Invitation {
	return auth.Invitation{
		ID: id, Account: account, Email: email, Name: "n", Hash: auth.HashToken("code-" + id), Issuer: boss, Expiry: 5000,
		Role: "MEMBER", Scopes: map[string]string{"API": "GUEST"},
	}
}

func (k team) invitations() {
	t, s, ctx := k.t, k.s, k.t.Context()
	b, a := invitation("1", "b@example.com"), invitation("2", "a@example.com")
	a.Scopes = nil
	k.ok(s.PutInvitation(ctx, b))
	k.ok(s.PutInvitation(ctx, a))
	all, err := s.Invitations(ctx, account)
	if d := cmp.Diff([]auth.Invitation{a, b}, all); err != nil || d != "" {
		t.Errorf("Invitations: %v (-want +got):\n%s", err, d)
	}
	again := invitation("3", "b@example.com")
	k.ok(s.PutInvitation(ctx, again))
	got, err := s.Invitation(ctx, account, "B@Example.com")
	if d := cmp.Diff(again, got); err != nil || d != "" {
		t.Errorf("Invitation: %v (-want +got):\n%s", err, d)
	}
	_, err = s.InvitationByCode(ctx, b.Hash)
	k.want(err, fault.NotFound) // its place was taken
	got, err = s.InvitationByCode(ctx, again.Hash)
	if d := cmp.Diff(again, got); err != nil || d != "" {
		t.Errorf("InvitationByCode: %v (-want +got):\n%s", err, d)
	}
	_, err = s.Invitation(ctx, 2000000, "b@example.com")
	k.want(err, fault.NotFound)
	if all, err := s.Invitations(ctx, 2000000); err != nil || len(all) != 0 {
		t.Errorf("Invitations of another account = %v, %v", all, err)
	}
	for i, want := range []bool{true, false} {
		if there, err := s.TakeInvitation(ctx, "3"); err != nil || there != want {
			t.Errorf("TakeInvitation number %d = %v, %v, want %v", i+1, there, err, want)
		}
	}
	_, err = s.Invitation(ctx, account, "b@example.com")
	k.want(err, fault.NotFound)
	all, err = s.Invitations(ctx, account)
	if ids := names(all, func(i auth.Invitation) string { return i.ID }); err != nil || !slices.Equal(ids, []string{"2"}) {
		t.Errorf("Invitations = %v, %v", ids, err)
	}
}

// names are what f gives for each of all.
func names[T, N any](all []T, f func(T) N) []N {
	var out []N
	for _, v := range all {
		out = append(out, f(v))
	}
	return out
}

// takeInvitationOnce: of many who take it at once, one gets it.
func (k team) takeInvitationOnce() {
	k.ok(k.s.PutInvitation(k.t.Context(), invitation("1", "b@example.com")))
	var wg sync.WaitGroup
	var taken atomic.Int32
	for range 8 {
		wg.Go(func() {
			there, err := k.s.TakeInvitation(k.t.Context(), "1")
			if err != nil {
				k.t.Error(err)
			}
			if there {
				taken.Add(1)
			}
		})
	}
	wg.Wait()
	if n := taken.Load(); n != 1 {
		k.t.Errorf("%d of 8 took the invitation", n)
	}
}
