package admin

import (
	"context"

	"harken/admin/auth"
)

// customRole is the CustomRole object of the published API.
type customRole struct {
	Name             string   `json:"name"`
	BaseRole         string   `json:"baseRole"`
	APICollectionsID []int32  `json:"apiCollectionsId"`
	DefaultInvite    bool     `json:"defaultInviteRole"`
	Threats          bool     `json:"threatProtectionEnabled"`
	Features         []string `json:"allowedFeaturesForUser"`
}

type customRolesResponse struct {
	Roles []customRole `json:"roles"`
}

// getCustomRoles lists the custom roles of the account.
func (a *API) getCustomRoles(ctx context.Context, c *auth.Caller, _ none) (customRolesResponse, error) {
	out := customRolesResponse{Roles: []customRole{}}
	t, err := a.cfg.Users.Team(ctx, c.Account)
	if err != nil {
		return out, err
	}
	for i := range t.Roles {
		r := &t.Roles[i]
		role := customRole{
			Name: r.Name, BaseRole: string(r.Base), APICollectionsID: []int32{}, DefaultInvite: r.DefaultInvite,
			Threats: r.Threats, Features: append([]string{}, r.Features...),
		}
		for _, id := range r.Collections {
			if c.Sees(id) { // an id may tell a host: it is the hash of its name
				role.APICollectionsID = append(role.APICollectionsID, id)
			}
		}
		out.Roles = append(out.Roles, role)
	}
	return out, nil
}

type customRoleRequest struct {
	RoleName         string  `json:"roleName" api:"required"`
	BaseRole         string  `json:"baseRole" api:"required"`
	APICollectionIDs Ints    `json:"apiCollectionIds"`
	DefaultInvite    Bool    `json:"defaultInviteRole"`
	Features         Strings `json:"allowedFeaturesForUser"`
	Threats          Bool    `json:"threatProtectionEnabled"`
}

func (in *customRoleRequest) role(ctx context.Context, c *auth.Caller) (auth.CustomRole, error) {
	r, err := auth.NewCustomRole(c.Account, in.RoleName, in.BaseRole, in.Features)
	if err != nil {
		return r, err
	}
	r.DefaultInvite, r.Threats = in.DefaultInvite.B, in.Threats.B
	all, err := c.Store.Collections(ctx)
	if err != nil {
		return r, err
	}
	r.Collections, err = knownCollections(all, "apiCollectionIds", in.APICollectionIDs)
	return r, err
}

// createCustomRole makes a role that is a built-in one limited to some collections
// and features.
func (a *API) createCustomRole(ctx context.Context, c *auth.Caller, in customRoleRequest) (none, error) {
	r, err := in.role(ctx, c)
	if err != nil {
		return none{}, err
	}
	return none{}, a.cfg.Users.EditTeam(ctx, c.Account, func(t *auth.Team) error { return t.AddRole(c, &r) })
}

// updateCustomRole changes a custom role; lists that are absent stay as they are,
// for what restricts people must not go because a client left it out.
func (a *API) updateCustomRole(ctx context.Context, c *auth.Caller, in customRoleRequest) (none, error) {
	r, err := in.role(ctx, c)
	if err != nil {
		return none{}, err
	}
	return none{}, a.cfg.Users.EditTeam(ctx, c.Account, func(t *auth.Team) error {
		return t.ChangeRole(c, &r, in.APICollectionIDs == nil, in.Features == nil)
	})
}

type deleteCustomRoleRequest struct {
	RoleName string `json:"roleName" api:"required"`
}

// deleteCustomRole removes a custom role that nobody has.
func (a *API) deleteCustomRole(ctx context.Context, c *auth.Caller, in deleteCustomRoleRequest) (none, error) {
	now := a.cfg.Now()
	return none{}, a.cfg.Users.EditTeam(ctx, c.Account, func(t *auth.Team) error { return t.DeleteRole(c, in.RoleName, now) })
}
