package admin

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
)

// userEmail normalizes the e-mail address of a field.
func userEmail(field, s string) (string, error) {
	email, err := auth.NormalizeEmail(s)
	if err != nil {
		return "", fault.New(fault.Invalid, "%s: not an e-mail address", field)
	}
	return email, nil
}

// teammate is a member of a team, or who is invited to be one.
type teammate struct {
	ID               int32             `json:"id"` // of the issuer, in an invitation
	Login            string            `json:"login"`
	Name             string            `json:"name"`
	Role             string            `json:"role"`
	ScopeRoleMapping map[string]string `json:"scopeRoleMapping,omitempty"`
	IsInvitation     bool              `json:"isInvitation,omitempty"`
}

// getTeamData lists the users of the account and the invitations that are pending.
func (a *API) getTeamData(ctx context.Context, c *auth.Caller, _ none) ([]teammate, error) {
	t, err := a.cfg.Users.Team(ctx, c.Account)
	if err != nil {
		return nil, err
	}
	out := []teammate{}
	for i := range t.Members {
		m := &t.Members[i]
		out = append(out, teammate{ID: m.ID, Login: m.Email, Name: m.Name, Role: m.Grant.Name(c.Scope), ScopeRoleMapping: m.Grant.Scopes})
	}
	now := a.cfg.Now().UnixMilli()
	for i := range t.Invitations {
		if v := &t.Invitations[i]; v.Expiry > now {
			out = append(out, teammate{
				ID: v.Issuer, Login: v.Email, Name: "-", Role: "Invitation sent for " + invitedAs(v),
				ScopeRoleMapping: v.Scopes, IsInvitation: true,
			})
		}
	}
	return out, nil
}

// invitedAs says in words what an invitation gives.
func invitedAs(v *auth.Invitation) string {
	g := v.Grant(0)
	var roles []string
	for _, scope := range auth.Scopes() {
		if name := g.Name(scope); name != string(auth.NoAccess) && !slices.Contains(roles, name) {
			roles = append(roles, name)
		}
	}
	if len(roles) == 0 {
		return string(auth.NoAccess)
	}
	return strings.Join(roles, ", ")
}

type removeUserRequest struct {
	Email string `json:"email" api:"required"`
}

// removeUser takes a user out of the account.
func (a *API) removeUser(ctx context.Context, c *auth.Caller, in removeUserRequest) (none, error) {
	email, err := userEmail("email", in.Email)
	if err != nil {
		return none{}, err
	}
	return none{}, a.cfg.Users.EditTeam(ctx, c.Account, func(t *auth.Team) error { return t.Remove(c, email) })
}

// getRoleHierarchy lists the roles that the caller may give and take.
func (a *API) getRoleHierarchy(ctx context.Context, c *auth.Caller, _ none) ([]string, error) {
	t, err := a.cfg.Users.Team(ctx, c.Account)
	if err != nil {
		return nil, err
	}
	return t.Manageable(c.Role), nil
}

// Roles is a mapping of product scopes to names of roles.
type Roles map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (v *Roles) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return textTo(b, v.setText)
	}
	var m map[string]*string
	if json.Unmarshal(b, &m) != nil {
		return errors.New("must be an object of scopes and names of roles")
	}
	*v = make(Roles, len(m))
	for scope, name := range m {
		if name == nil {
			return errors.New("must name a role for each scope")
		}
		(*v)[scope] = *name
	}
	return nil
}

func (v *Roles) setText(s string) error {
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	if s[0] != '{' || !json.Valid([]byte(s)) {
		return errors.New("must be an object of scopes and names of roles")
	}
	return v.UnmarshalJSON([]byte(s))
}

type makeAdminRequest struct {
	Email            string `json:"email" api:"required"`
	UserRole         string `json:"userRole" api:"required"`
	ScopeRoleMapping Roles  `json:"scopeRoleMapping"`
}

// makeAdmin gives a user another role.
func (a *API) makeAdmin(ctx context.Context, c *auth.Caller, in makeAdminRequest) (none, error) {
	email, err := userEmail("email", in.Email)
	if err != nil {
		return none{}, err
	}
	return none{}, a.cfg.Users.EditTeam(ctx, c.Account, func(t *auth.Team) error {
		return t.SetRole(c, email, in.UserRole, in.ScopeRoleMapping)
	})
}

type updateScopesRequest struct {
	Email            string `json:"email" api:"required"`
	ScopeRoleMapping Roles  `json:"scopeRoleMapping"`
}

// updateScopes sets the roles of a user by product scope.
func (a *API) updateScopes(ctx context.Context, c *auth.Caller, in updateScopesRequest) (none, error) {
	email, err := userEmail("email", in.Email)
	if err != nil {
		return none{}, err
	}
	return none{}, a.cfg.Users.EditTeam(ctx, c.Account, func(t *auth.Team) error {
		return t.SetScopes(c, email, in.ScopeRoleMapping)
	})
}

// getUsersCollections lists the collections that each user sees, by the id of the
// user, with null for who sees everything.
func (a *API) getUsersCollections(ctx context.Context, c *auth.Caller, _ none) (map[string][]int32, error) {
	t, err := a.cfg.Users.Team(ctx, c.Account)
	if err != nil {
		return nil, err
	}
	out := map[string][]int32{}
	for i := range t.Members {
		m := &t.Members[i]
		ids, restricted := t.Sees(m, c.Scope)
		if !restricted {
			ids = nil
		} else if ids == nil {
			ids = []int32{}
		}
		out[strconv.Itoa(int(m.ID))] = ids
	}
	return out, nil
}

// IDLists are lists of ids by the id of a user.
type IDLists map[int32]Ints

// UnmarshalJSON implements json.Unmarshaler.
func (v *IDLists) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return textTo(b, v.setText)
	}
	var m map[string]Ints
	if err := json.Unmarshal(b, &m); err != nil {
		return errors.New("must be an object of user ids and lists of collection ids")
	}
	*v = make(IDLists, len(m))
	for key, ids := range m {
		id, err := strconv.ParseInt(strings.TrimSpace(key), 10, 32)
		if err != nil {
			return errors.New("must have ids of users as names")
		}
		if _, twice := (*v)[int32(id)]; twice {
			return errors.New("names a user twice")
		}
		(*v)[int32(id)] = ids
	}
	return nil
}

func (v *IDLists) setText(s string) error {
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	if s[0] != '{' || !json.Valid([]byte(s)) {
		return errors.New("must be an object of user ids and lists of collection ids")
	}
	return v.UnmarshalJSON([]byte(s))
}

// list is the mapping as scope=role texts, by scope.
func (v Roles) list() []string {
	var all []string
	for _, scope := range slices.Sorted(maps.Keys(v)) {
		all = append(all, scope+"="+v[scope])
	}
	return all
}

var (
	_ lenient = (*Roles)(nil)
	_ lenient = (*IDLists)(nil)
)

type updateUserCollectionsRequest struct {
	UserCollectionMap IDLists `json:"userCollectionMap" api:"required"`
}

// updateUserCollections sets which collections users see.
func (a *API) updateUserCollections(ctx context.Context, c *auth.Caller, in updateUserCollectionsRequest) (none, error) {
	all, err := c.Store.Collections(ctx)
	if err != nil {
		return none{}, err
	}
	lists := map[int32][]int32{}
	for user, ids := range in.UserCollectionMap {
		known, err := knownCollections(all, "userCollectionMap", ids)
		if err != nil {
			return none{}, err
		}
		lists[user] = known
	}
	return none{}, a.cfg.Users.EditTeam(ctx, c.Account, func(t *auth.Team) error { return t.SetCollections(c, lists) })
}

// knownCollections returns the ids of a list that are of collections. A list that
// has some, none of which is known, is refused: it must not become an empty one,
// which restricts nothing.
func knownCollections(all []inventory.Collection, field string, ids Ints) ([]int32, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	asked := map[int64]bool{}
	for _, id := range ids {
		asked[id] = true
	}
	var known []int32
	for i := range all {
		if asked[int64(all[i].ID)] {
			known = append(known, all[i].ID)
		}
	}
	if len(known) == 0 {
		return nil, fault.New(fault.NotFound, "%s: no collection with an id of %v", field, ids[:min(len(ids), 10)])
	}
	return known, nil
}
