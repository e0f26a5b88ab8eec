package auth

import (
	"slices"
	"strings"
)

// The scopes that a mapping of roles may have.
const (
	ScopeAPI      = "API"
	ScopeAgentic  = "AGENTIC"
	ScopeEndpoint = "ENDPOINT"
	ScopeDAST     = "DAST"
)

// Scopes are all scopes that a mapping of roles may have, which are those that
// are enabled.
func Scopes() []string { return []string{ScopeAPI, ScopeAgentic, ScopeEndpoint, ScopeDAST} }

// A Grant is what a user may do in an account.
type Grant struct {
	User, Account int32
	Role          string            // "" is MEMBER
	Scopes        map[string]string // product scope to role; not empty replaces Role
	Collections   []int32           // not empty restricts the user to these
	// Restricted says that Collections restricts also while it is empty: all that
	// were in it are deleted, which must not open everything else.
	Restricted bool
}

// Restricts says whether the user's own list shows some collections only.
func (g *Grant) Restricts() bool { return g.Restricted || len(g.Collections) > 0 }

// Name returns the name, in upper case, of the built-in or custom role that a
// grant gives in a product scope. A scope that a mapping leaves out gives NO_ACCESS.
func (g *Grant) Name(scope string) string {
	name := g.Role
	if len(g.Scopes) > 0 {
		var ok bool
		if name, ok = g.Scopes[scope]; !ok {
			return string(NoAccess)
		}
	}
	if name = strings.ToUpper(strings.TrimSpace(name)); name == "" {
		return string(Member)
	}
	return name
}

// names are all roles that a grant names.
func (g *Grant) names() []string {
	if len(g.Scopes) == 0 {
		return []string{g.Name(DefaultScope)}
	}
	var all []string
	for scope := range g.Scopes {
		all = append(all, g.Name(scope))
	}
	return all
}

// CustomNames are the roles that a grant names and that are not built in.
func (g *Grant) CustomNames() []string {
	return slices.DeleteFunc(g.names(), func(name string) bool {
		_, ok := BuiltIn(name)
		return ok
	})
}

// In returns the built-in role that a grant gives in a product scope; custom are
// the custom roles of the account.
func (g *Grant) In(scope string, custom ...CustomRole) Role {
	return resolve(g.Name(scope), custom).role
}

// resolve returns what the holder of a name has. A name that is no role is
// GUEST: what cannot be understood must not give more.
func resolve(name string, custom []CustomRole) holding {
	if r, ok := BuiltIn(name); ok {
		return holding{role: r}
	}
	i := slices.IndexFunc(custom, func(r CustomRole) bool { return r.Name == name })
	if i < 0 {
		return holding{role: Guest}
	}
	c := custom[i]
	if c.Base != Admin && c.Base != Member && c.Base != Guest {
		return holding{role: Guest, custom: &c}
	}
	return holding{c.Base, &c}
}

// sees returns the collections that a grant shows in a scope, and whether it
// shows only these: the user's own and those of the custom role.
func (g *Grant) sees(h holding) (ids []int32, restricted bool) {
	if h.role == Admin {
		return nil, false
	}
	ids, restricted = slices.Clone(g.Collections), g.Restricts()
	if h.custom != nil {
		ids, restricted = append(ids, h.custom.Collections...), restricted || h.custom.Restricts()
	}
	slices.Sort(ids)
	return slices.Compact(ids), restricted
}
