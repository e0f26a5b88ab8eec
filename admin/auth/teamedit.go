package auth

import (
	"maps"
	"slices"
	"strings"
	"time"

	"harken/inventory/fault"
)

// SetRole gives a member another role, or, when scopes is not empty, a mapping
// of roles. Who has a mapping gets the role in the caller's scope and wherever
// they have the same role as there.
func (t *Team) SetRole(by *Caller, email, role string, scopes map[string]string) error {
	return t.administer(by, "email", func(h holding) error {
		m, err := t.Member(email)
		if err != nil {
			return err
		}
		if m.ID == by.User.ID {
			return fault.New(fault.Invalid, "email: one's own role is for another ADMIN to change")
		}
		role = strings.ToUpper(strings.TrimSpace(role))
		next, err := t.named("userRole", role)
		if err != nil {
			return err
		}
		if !h.role.manages(next.role) {
			return fault.New(fault.Invalid, "userRole: the role %s may not give the role %s", h.role.DisplayName(), role)
		}
		if now := t.holding(m, by.Scope).role; !h.role.manages(now) {
			return fault.New(fault.Invalid, "email: the role %s may not change a user with the role %s", h.role.DisplayName(), now.DisplayName())
		}
		if len(scopes) > 0 {
			m.Grant.Scopes, err = t.mapping(scopes)
			return err
		}
		m.Grant.setRole(by.Scope, role)
		return nil
	})
}

func (g *Grant) setRole(scope, role string) {
	g.Role = role
	if len(g.Scopes) == 0 {
		return
	}
	was := g.Name(scope)
	next := map[string]string{scope: role}
	for s, name := range g.Scopes {
		if s != scope && strings.EqualFold(strings.TrimSpace(name), was) {
			name = role
		}
		if s != scope {
			next[s] = name
		}
	}
	g.Scopes = next
}

// SetScopes replaces a member's mapping of roles; an empty one is the default,
// in all scopes the role for whom nobody gave one.
func (t *Team) SetScopes(by *Caller, email string, scopes map[string]string) error {
	return t.administer(by, "email", func(holding) error {
		m, err := t.Member(email)
		if err != nil {
			return err
		}
		if len(scopes) == 0 {
			scopes = t.DefaultScopes()
		}
		m.Grant.Scopes, err = t.mapping(scopes)
		return err
	})
}

// DefaultScopes is the mapping of whom nobody gave a role: the custom role that
// says so of itself, else MEMBER, in all scopes.
func (t *Team) DefaultScopes() map[string]string {
	name := string(Member)
	for i := range t.Roles {
		if t.Roles[i].DefaultInvite {
			name = t.Roles[i].Name
		}
	}
	return AllScopes(name)
}

// mapping checks a mapping of roles and returns it in upper case. NO_ACCESS, as
// it gives nothing, may also be said of scopes that are not enabled.
func (t *Team) mapping(in map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(in)) {
		scope, name := strings.ToUpper(strings.TrimSpace(key)), strings.ToUpper(strings.TrimSpace(in[key]))
		if _, twice := out[scope]; twice {
			return nil, fault.New(fault.Invalid, "scopeRoleMapping: %s is there twice", scope)
		}
		if !slices.Contains(Scopes(), scope) && (name != string(NoAccess) || Scope(scope) != scope) {
			return nil, fault.New(fault.Invalid, "scopeRoleMapping: invalid scope %q, must be one of %s", key, strings.Join(Scopes(), ", "))
		}
		if _, err := t.named("scopeRoleMapping", name); err != nil {
			return nil, fault.New(fault.Invalid, "scopeRoleMapping: invalid role %q in the scope %s", in[key], scope)
		}
		out[scope] = name
	}
	return out, nil
}

// Remove takes a member out of the team.
func (t *Team) Remove(by *Caller, email string) error {
	return t.administer(by, "email", func(holding) error {
		m, err := t.Member(email)
		if err != nil {
			return err
		}
		if m.ID == by.User.ID {
			return fault.New(fault.Invalid, "email: nobody removes themselves")
		}
		id := m.ID
		t.Members = slices.DeleteFunc(t.Members, func(m Teammate) bool { return m.ID == id })
		return nil
	})
}

// SetCollections replaces the own lists of members by user id. Of a list only
// what the member's custom role does not show is kept; an empty one restricts
// nothing.
func (t *Team) SetCollections(by *Caller, lists map[int32][]int32) error {
	return t.administer(by, "userCollectionMap", func(holding) error {
		for id, list := range lists {
			m := t.member(id)
			if m == nil {
				return fault.New(fault.NotFound, "userCollectionMap: no user %d in this account", id)
			}
			own := slices.Clone(list)
			if h := t.holding(m, by.Scope); h.custom != nil {
				own = slices.DeleteFunc(own, func(id int32) bool { return slices.Contains(h.custom.Collections, id) })
			}
			slices.Sort(own)
			m.Grant.Collections, m.Grant.Restricted = slices.Compact(own), false
		}
		return nil
	})
}

// AddRole adds a custom role.
func (t *Team) AddRole(by *Caller, r *CustomRole) error {
	return t.administer(by, "roleName", func(holding) error {
		if t.role(r.Name) >= 0 {
			return fault.New(fault.Conflict, "roleName: there is a role %s already", r.Name)
		}
		t.Roles = append(t.Roles, *r)
		t.defaultInvite(r)
		return nil
	})
}

// ChangeRole replaces the custom role of the same name, but for the lists that it
// is to keep.
func (t *Team) ChangeRole(by *Caller, r *CustomRole, keepCollections, keepFeatures bool) error {
	return t.administer(by, "baseRole", func(holding) error {
		i := t.role(r.Name)
		if i < 0 {
			return fault.New(fault.NotFound, "roleName: no role %s", r.Name)
		}
		next, was := *r, &t.Roles[i]
		if keepCollections {
			next.Collections, next.Restricted = was.Collections, was.Restricted
		}
		if keepFeatures {
			next.Features = was.Features
		}
		t.Roles[i] = next
		t.defaultInvite(r)
		return nil
	})
}

// defaultInvite keeps to one role that is the default: the latest that says so.
func (t *Team) defaultInvite(r *CustomRole) {
	for i := range t.Roles {
		if r.DefaultInvite && t.Roles[i].Name != r.Name {
			t.Roles[i].DefaultInvite = false
		}
	}
}

// DeleteRole removes a custom role that nobody has or is invited to.
func (t *Team) DeleteRole(by *Caller, name string, now time.Time) error {
	return t.administer(by, "roleName", func(holding) error {
		name = strings.ToUpper(strings.TrimSpace(name))
		t.prune(now)
		i := t.role(name)
		if i < 0 {
			return fault.New(fault.NotFound, "roleName: no role %s", name)
		}
		for j := range t.Members {
			g := &t.Members[j].Grant
			// Also the role behind a mapping: it counts again when the mapping goes.
			if strings.EqualFold(g.Role, name) || slices.Contains(g.names(), name) {
				return fault.New(fault.Invalid, "roleName: %s is assigned to %s", name, t.Members[j].Email)
			}
		}
		for j := range t.Invitations {
			if slices.Contains(t.Invitations[j].names(), name) {
				return fault.New(fault.Invalid, "roleName: %s is in the invitation of %s", name, t.Invitations[j].Email)
			}
		}
		t.Roles = slices.Delete(t.Roles, i, i+1)
		return nil
	})
}
