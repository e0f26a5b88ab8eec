package storetest

import (
	"errors"
	"slices"
	"sync"

	"github.com/google/go-cmp/cmp"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
)

// join adds a user with a grant and returns the id.
func (k team) join(email string, g auth.Grant) int32 {
	k.t.Helper()
	u, err := k.s.AddUser(k.t.Context(), auth.User{ID: boss, Email: email, Name: "n", Accounts: []auth.Membership{{Account: account}}})
	k.ok(err)
	g.User, g.Account = u.ID, account
	k.ok(k.s.PutGrant(k.t.Context(), g))
	return u.ID
}

// edit is EditTeam, which must succeed.
func (k team) edit(f func(*auth.Team)) {
	k.t.Helper()
	k.ok(k.s.EditTeam(k.t.Context(), account, func(t *auth.Team) error {
		f(t)
		return nil
	}))
}

func (k team) team() *auth.Team {
	k.t.Helper()
	t, err := k.s.Team(k.t.Context(), account)
	k.ok(err)
	return t
}

func looker() auth.CustomRole {
	return auth.CustomRole{
		Account: account, Name: "LOOKER", Base: auth.Guest, Collections: []int32{-5, 7}, Features: []string{"INVENTORY"},
		DefaultInvite: true, Threats: true,
	}
}

func (k team) standing() {
	t, ctx := k.t, k.t.Context()
	id := k.join("a@example.com", auth.Grant{Scopes: map[string]string{"API": "LOOKER", "DAST": "GUEST"}, Collections: []int32{3}})
	other := looker()
	other.Name = "OTHER"
	k.edit(func(t *auth.Team) { t.Roles = append(t.Roles, looker(), other) })
	got, err := k.s.Standing(ctx, id, account)
	k.ok(err)
	want := auth.Standing{
		User: got.User, Roles: []auth.CustomRole{looker()},
		Grant: auth.Grant{User: id, Account: account, Scopes: map[string]string{"API": "LOOKER", "DAST": "GUEST"}, Collections: []int32{3}},
	}
	if d := cmp.Diff(want, got); d != "" || got.User.Email != "a@example.com" || !got.User.In(account) {
		t.Errorf("Standing (-want +got):\n%s", d)
	}
	got, err = k.s.Standing(ctx, id, 2000000)
	if d := cmp.Diff(auth.Grant{User: id, Account: 2000000}, got.Grant); err != nil || d != "" || got.Roles != nil {
		t.Errorf("Standing in another account = %+v, %v", got, err)
	}
	_, err = k.s.Standing(ctx, 5, account)
	k.want(err, fault.NotFound)
}

func (k team) editTeam() {
	t, s, ctx := k.t, k.s, k.t.Context()
	id := k.join("a@example.com", auth.Grant{Role: "GUEST"})
	k.ok(s.PutInvitation(ctx, invitation("1", "x@example.com")))
	k.ok(s.PutInvitation(ctx, invitation("2", "y@example.com")))
	gone := looker()
	gone.Name = "GONE"
	k.edit(func(t *auth.Team) { t.Roles = append(t.Roles, looker(), gone) })
	before := k.team()
	if len(before.Members) != 2 || len(before.Roles) != 2 || len(before.Invitations) != 2 {
		t.Fatalf("Team = %+v", before)
	}
	// All at once, and an invitation that takes the place of another one.
	third := invitation("3", "x@example.com")
	third.Collections, third.Restricted = []int32{7}, true
	changed := looker()
	changed.Collections, changed.Restricted, changed.Features, changed.Base = nil, true, nil, auth.Member
	k.edit(func(t *auth.Team) {
		t.Members[1].Grant.Scopes = map[string]string{"API": "LOOKER"}
		t.Members[1].Grant.Collections, t.Members[1].Grant.Restricted = []int32{9}, true
		t.Roles = []auth.CustomRole{changed}
		t.Invitations = []auth.Invitation{third}
	})
	want := &auth.Team{Account: account, Roles: []auth.CustomRole{changed}, Invitations: []auth.Invitation{third}, Members: []auth.Teammate{
		before.Members[0],
		{ID: id, Email: "a@example.com", Name: "n", Grant: auth.Grant{
			User: id, Account: account, Role: "GUEST", Scopes: map[string]string{"API": "LOOKER"}, Collections: []int32{9}, Restricted: true,
		}},
	}}
	if d := cmp.Diff(want, k.team()); d != "" {
		t.Errorf("edited team (-want +got):\n%s", d)
	}
	// An error leaves everything as it was.
	sorry := errors.New("sorry")
	err := s.EditTeam(ctx, account, func(t *auth.Team) error {
		t.Members, t.Roles, t.Invitations[0].Role = nil, nil, "ADMIN"
		return sorry
	})
	if !errors.Is(err, sorry) {
		t.Errorf("EditTeam = %v, want the error of edit", err)
	}
	if err := s.EditTeam(ctx, account, func(t *auth.Team) error {
		t.Members = append(t.Members, auth.Teammate{ID: 5})
		return nil
	}); err == nil {
		t.Error("a member was added")
	}
	if d := cmp.Diff(want, k.team()); d != "" {
		t.Errorf("team after an error (-want +got):\n%s", d)
	}
	if other, err := s.Team(ctx, 2000000); err != nil || len(other.Members)+len(other.Roles)+len(other.Invitations) != 0 {
		t.Errorf("Team of another account = %+v, %v", other, err)
	}
}

func (k team) removeMember() {
	t, s, ctx := k.t, k.s, k.t.Context()
	id := k.join("a@example.com", auth.Grant{Role: "ADMIN"})
	key, err := s.AddKey(ctx, auth.NewAPIKey("a-key", id, account, auth.Burp, 1))
	k.ok(err)
	i := invitation("1", "x@example.com")
	i.Issuer = id
	k.ok(s.PutInvitation(ctx, i))
	k.edit(func(t *auth.Team) { t.Members = t.Members[:1] })
	u, err := s.User(ctx, id)
	if err != nil || u.In(account) {
		t.Errorf("User = %+v, %v, want one without the account", u, err)
	}
	_, err = s.Grant(ctx, id, account)
	k.want(err, fault.NotFound)
	_, err = s.Key(ctx, key.Hash)
	k.want(err, fault.NotFound)
	_, err = s.Invitation(ctx, account, "x@example.com")
	k.want(err, fault.NotFound)
	_, err = s.AddKey(ctx, auth.NewAPIKey("late", id, account, auth.Burp, 1))
	k.want(err, fault.Denied)
	if _, err := s.Key(ctx, auth.HashToken("boss-key")); err != nil {
		t.Errorf("the key of another user: %v", err)
	}
}

// editTeamAtOnce: of many who take away a role from each other at once, each
// sees what those before did.
func (k team) editTeamAtOnce() {
	k.join("a@example.com", auth.Grant{Role: "ADMIN"})
	k.join("b@example.com", auth.Grant{Role: "ADMIN"})
	var wg sync.WaitGroup
	for i := range 9 {
		wg.Go(func() {
			_ = k.s.EditTeam(k.t.Context(), account, func(t *auth.Team) error {
				admins := 0
				for j := range t.Members {
					if t.Members[j].Grant.In("API") == auth.Admin {
						admins++
					}
				}
				if admins < 2 {
					return errors.New("the last one")
				}
				t.Members[i%3].Grant.Role = "GUEST"
				return nil
			})
		})
	}
	wg.Wait()
	team, admins := k.team(), 0
	for i := range team.Members {
		if team.Members[i].Grant.In("API") == auth.Admin {
			admins++
		}
	}
	if admins != 1 {
		k.t.Errorf("%d administrators are left, want 1", admins)
	}
}

// deletedCollections: a list that restricts does so also when it is empty.
func (k team) deletedCollections() {
	t, s, ctx := k.t, k.s, k.t.Context()
	st := s.Full(account)
	for _, id := range []int32{7, 8, 9} {
		_, err := st.AddCollection(ctx, inventory.Collection{ID: id, Name: string('a' + id)})
		k.ok(err)
	}
	some := k.join("some@example.com", auth.Grant{Role: "GUEST", Collections: []int32{0, 7, 9}})
	last := k.join("last@example.com", auth.Grant{Role: "LOOKER", Collections: []int32{8, 7}})
	free := k.join("free@example.com", auth.Grant{Role: "GUEST"})
	r := looker()
	r.Collections = []int32{7}
	i := invitation("1", "x@example.com")
	i.Collections = []int32{7}
	k.ok(s.PutInvitation(ctx, i))
	k.edit(func(t *auth.Team) { t.Roles = []auth.CustomRole{r} })
	_, err := st.DeleteCollections(ctx, []int32{7, 8, 0})
	k.ok(err)
	got := k.team()
	grants := map[int32]auth.Grant{}
	for _, m := range got.Members {
		grants[m.ID] = m.Grant
	}
	if g := grants[some]; !slices.Equal(g.Collections, []int32{0, 9}) || !g.Restricts() {
		t.Errorf("a list of which one is left = %+v", g)
	}
	if g := grants[last]; len(g.Collections) != 0 || !g.Restricts() {
		t.Errorf("a list of which nothing is left = %+v, want it to restrict", g)
	}
	if g := grants[free]; len(g.Collections) != 0 || g.Restricts() {
		t.Errorf("an empty list = %+v, want it not to restrict", g)
	}
	if r := &got.Roles[0]; len(r.Collections) != 0 || !r.Restricts() {
		t.Errorf("the role = %+v, want it to restrict", r)
	}
	if i := &got.Invitations[0]; len(i.Collections) != 0 || !i.Restricted {
		t.Errorf("the invitation = %+v, want it to restrict", i)
	}
	c, err := auth.NewCaller(ctx, s, s, last, account, "API")
	k.ok(err)
	all, err := c.Store.Collections(ctx)
	if !c.Restricted() || err != nil || len(all) != 0 {
		t.Errorf("who had a list of deleted collections sees %v, %v", all, err)
	}
}

func (k team) ownCollection() {
	t, s, ctx := k.t, k.s, k.t.Context()
	k.edit(func(t *auth.Team) { t.Roles = append(t.Roles, looker()) })
	f := func(email string, g auth.Grant, restricted bool) {
		t.Helper()
		id := k.join(email, g)
		c, err := s.AddOwnCollection(k.t.Context(), id, account, "API", inventory.Collection{ID: 50, Name: email})
		k.ok(err)
		got, err := s.Grant(k.t.Context(), id, account)
		k.ok(err)
		want := slices.Clone(g.Collections)
		if restricted {
			want = append(want, c.ID)
		}
		if !slices.Equal(got.Collections, want) || got.Role != g.Role {
			t.Errorf("%s has %+v after adding %d, want the list %v", email, got, c.ID, want)
		}
	}
	f("all@example.com", auth.Grant{Role: "MEMBER"}, false)
	f("admin@example.com", auth.Grant{Role: "ADMIN", Collections: []int32{7}}, false)
	f("some@example.com", auth.Grant{Role: "MEMBER", Collections: []int32{7}}, true)
	f("none@example.com", auth.Grant{Role: "MEMBER", Restricted: true}, true)
	f("custom@example.com", auth.Grant{Role: "LOOKER"}, true)
	f("elsewhere@example.com", auth.Grant{Scopes: map[string]string{"API": "MEMBER", "DAST": "LOOKER"}}, false)
	// A name that is taken gives nobody anything.
	id := k.join("late@example.com", auth.Grant{Role: "MEMBER", Collections: []int32{7}})
	_, err := s.AddOwnCollection(ctx, id, account, "API", inventory.Collection{ID: 50, Name: "SOME@example.com"})
	k.want(err, fault.Conflict)
	if g, err := s.Grant(ctx, id, account); err != nil || !slices.Equal(g.Collections, []int32{7}) {
		t.Errorf("Grant = %+v, %v", g, err)
	}
}

func (k team) keys() {
	t, s, ctx := k.t, k.s, k.t.Context()
	id := k.join("a@example.com", auth.Grant{})
	one, err := s.AddKey(ctx, auth.NewAPIKey("one", id, account, auth.Burp, 1))
	k.ok(err)
	two, err := s.AddKey(ctx, auth.NewAPIKey("two", id, account, auth.CICD, 1))
	k.ok(err)
	all, err := s.Keys(ctx, id, account)
	if d := cmp.Diff([]auth.APIKey{one, two}, all); err != nil || d != "" {
		t.Errorf("Keys: %v (-want +got):\n%s", err, d)
	}
	if all, err := s.Keys(ctx, id, 2000000); err != nil || len(all) != 0 {
		t.Errorf("Keys in another account = %v, %v", all, err)
	}
	f := func(id, owner, account int32, want bool) {
		t.Helper()
		if got, err := s.DeleteKey(ctx, id, owner, account); err != nil || got != want {
			t.Errorf("DeleteKey(%d, %d, %d) = %v, %v, want %v", id, owner, account, got, err, want)
		}
	}
	f(one.ID, boss, account, false)
	f(one.ID, id, 2000000, false)
	f(5, id, account, false)
	f(one.ID, id, account, true)
	f(one.ID, id, account, false)
	_, err = s.Key(ctx, one.Hash)
	k.want(err, fault.NotFound)
	if _, err := s.Key(ctx, two.Hash); err != nil {
		t.Errorf("the other key: %v", err)
	}
}
