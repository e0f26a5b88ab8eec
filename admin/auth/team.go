package auth

import (
	"context"
	"slices"

	"harken/inventory"
	"harken/inventory/fault"
)

// A Team is who belongs to an account, which roles it made, and who is invited.
type Team struct {
	Account     int32
	Members     []Teammate   // by id
	Roles       []CustomRole // by name
	Invitations []Invitation // by e-mail address
}

// A Teammate is a user of an account and what they may do there.
type Teammate struct {
	ID    int32
	Email string
	Name  string
	Grant Grant // that of a user without an entry is empty but for the ids
}

// A TeamStore keeps who belongs to accounts and what they may do. What is not
// there is fault.NotFound. It is safe for concurrent use.
type TeamStore interface {
	// Standing returns who a user is and what they may do in an account, read at one
	// moment: what is changed in between must not mix.
	Standing(ctx context.Context, user, account int32) (Standing, error)
	// Team returns the team of an account, read at one moment.
	Team(ctx context.Context, account int32) (*Team, error)
	// EditTeam has edit change the team of an account, and stores what it changed:
	// grants, roles, invitations, and members that edit took out, who lose their
	// grant, sessions and API keys of the account. Nothing else changes the team in
	// between, and an error of edit, which is returned, leaves all as it was. Edit
	// may be called more than once, must not use the store, and adds no members.
	EditTeam(ctx context.Context, account int32, edit func(*Team) error) error
	// AddOwnCollection is AddCollection of inventory.Store; in the same step the
	// collection is added to the user's own list, if in this scope they see some
	// collections only.
	AddOwnCollection(ctx context.Context, user, account int32, scope string, c inventory.Collection) (inventory.Collection, error)
}

// Member returns the member with an e-mail address, which must be normalized.
func (t *Team) Member(email string) (*Teammate, error) {
	for i := range t.Members {
		if t.Members[i].Email == email {
			return &t.Members[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, "email: no user %s in this account", email)
}

func (t *Team) member(id int32) *Teammate {
	for i := range t.Members {
		if t.Members[i].ID == id {
			return &t.Members[i]
		}
	}
	return nil
}

// role returns the index of a custom role, -1 when there is none.
func (t *Team) role(name string) int {
	return slices.IndexFunc(t.Roles, func(r CustomRole) bool { return r.Name == name })
}

// Sees returns the collections that a member sees in a scope, and whether these
// are all that they see.
func (t *Team) Sees(m *Teammate, scope string) (ids []int32, restricted bool) {
	return m.Grant.sees(t.holding(m, scope))
}

func (t *Team) holding(m *Teammate, scope string) holding {
	return resolve(m.Grant.Name(scope), t.Roles)
}

// Manageable returns the names of the roles that holders of a role may give:
// built-in ones, then custom ones.
func (t *Team) Manageable(r Role) []string {
	all := []string{}
	for _, m := range r.Manages() {
		all = append(all, string(m))
	}
	for i := range t.Roles {
		if r.manages(t.Roles[i].Base) {
			all = append(all, t.Roles[i].Name)
		}
	}
	return all
}

// named returns what the holder of a role would have, and whether there is such
// a role. The error names the field.
func (t *Team) named(field, name string) (holding, error) {
	_, ok := BuiltIn(name)
	if !ok && t.role(name) < 0 {
		return holding{}, fault.New(fault.NotFound, "%s: no role %s", field, name)
	}
	return resolve(name, t.Roles), nil
}

// authority returns what a caller has in this team now: it may be less than when
// the request was let in, when somebody else was faster.
func (t *Team) authority(by *Caller, p Permission) (holding, error) {
	m := t.member(by.User.ID)
	if m == nil || t.Account != by.Account {
		return holding{}, fault.New(fault.Denied, "the user does not belong to the account %d", by.Account)
	}
	h := t.holding(m, by.Scope)
	return h, h.check(p)
}

// administrators is how many could set right everything else in the scope of
// requests that name none.
func (t *Team) administrators() int {
	n := 0
	for i := range t.Members {
		if t.holding(&t.Members[i], DefaultScope).administers() {
			n++
		}
	}
	return n
}

// administer changes the team as an administrator asks, and refuses to leave it
// without one; field is what the refusal names.
func (t *Team) administer(by *Caller, field string, change func(holding) error) error {
	h, err := t.authority(by, Permission{AdminActions, ReadWrite})
	if err != nil {
		return err
	}
	before := t.administrators()
	if err := change(h); err != nil {
		return err
	}
	if before > 0 && t.administrators() == 0 {
		return fault.New(fault.Invalid, "%s: this would take away the account's last ADMIN", field)
	}
	t.withdraw()
	return nil
}

// withdraw takes back the invitations of those who no longer belong to the team
// or may no longer give such a role: who is let go must not come back by them.
func (t *Team) withdraw() {
	t.Invitations = slices.DeleteFunc(t.Invitations, func(i Invitation) bool {
		m := t.member(i.Issuer)
		if m == nil {
			return true
		}
		return !slices.ContainsFunc(m.Grant.names(), func(name string) bool {
			h := resolve(name, t.Roles)
			for _, given := range i.names() {
				g := resolve(given, t.Roles)
				if g.role != NoAccess && !h.role.manages(g.role) {
					return false
				}
			}
			return h.check(Permission{InviteMembers, ReadWrite}) == nil
		})
	})
}
