package admin

import (
	"context"
	"strconv"

	"harken/admin/auth"
)

type none struct{}

type meResponse struct {
	Username      string                `json:"username"`
	Name          string                `json:"name"`
	Accounts      map[string]membership `json:"accounts"`
	ActiveAccount int32                 `json:"activeAccount"`
	Role          auth.Role             `json:"role"`
	Organization  organization          `json:"organization"`
	Subscription  bool                  `json:"subscription"`
	PushKey       string                `json:"pushKey,omitempty"` // to subscribe to web push with
}

type membership struct {
	AccountID int32  `json:"accountId"`
	Name      string `json:"name"`
	IsDefault bool   `json:"isDefault"`
}

type organization struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	AdminEmail string `json:"adminEmail"`
}

// me says who asks: the user, the accounts, and the role in the active one.
func (a *API) me(ctx context.Context, c *auth.Caller, _ none) (meResponse, error) {
	org, err := a.cfg.Users.Organization(ctx, c.Account)
	if err != nil {
		return meResponse{}, err
	}
	out := meResponse{
		Username: c.User.Email, Name: c.User.Name, Accounts: map[string]membership{}, ActiveAccount: c.Account, Role: c.Role,
		Organization: organization{org.ID, org.Name, org.AdminEmail},
	}
	for _, m := range c.User.Accounts {
		out.Accounts[strconv.Itoa(int(m.Account))] = membership{m.Account, m.Name, m.Default}
	}
	if a.cfg.Push != nil {
		out.PushKey = a.cfg.Push.PublicKey()
	}
	out.Subscription, err = a.cfg.Users.Subscribed(ctx, c.User.ID)
	return out, err
}

type healthResponse struct {
	Status  string `json:"status"`
	Version string `json:"version,omitempty"`
	Proxy   string `json:"proxy,omitempty"` // address of the recorder
}

// health says that the control plane runs, its version, and where its recording
// proxy listens.
func (a *API) health(context.Context, *auth.Caller, none) (healthResponse, error) {
	return healthResponse{"ok", a.cfg.Version, a.cfg.Proxy}, nil
}
