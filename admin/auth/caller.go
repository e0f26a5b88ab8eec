package auth

import (
	"context"
	"slices"

	"harken/inventory"
	"harken/inventory/fault"
)

// A Caller is who is asking, what they may do, and the part of the inventory
// they may do it in. It lives as long as one request.
type Caller struct {
	User    User
	Account int32
	Role    Role
	Custom  *CustomRole // that limits Role; nil for a built-in role
	Grant   Grant
	Scope   string
	Key     *APIKey  // nil for a session
	Session *Session // nil for an API key
	// Store is the inventory of the account, limited to the collections that the
	// caller may see: what is not theirs does not exist there.
	Store inventory.FullStore

	view *limited // Store, when it is limited
}

// Check returns nil when the caller has a permission.
func (c *Caller) Check(p Permission) error {
	if p.Feature == SignedIn {
		return nil
	}
	if c.Role == NoAccess {
		return fault.New(fault.Denied, "no access to this account in the scope %s", c.Scope)
	}
	return holding{c.Role, c.Custom}.check(p)
}

// Restricted says whether the caller sees some collections only.
func (c *Caller) Restricted() bool { return c.view != nil }

// Sees says whether a collection id is one that the caller may see, if it exists.
func (c *Caller) Sees(collection int32) bool {
	return c.view == nil || slices.Contains(c.view.seen, collection)
}

// A Standing is who a user is and what they may do in an account, all of one
// moment.
type Standing struct {
	User  User
	Grant Grant        // what is stored, or that of a user without an entry
	Roles []CustomRole // those that Grant names and that exist
}

// NewCaller returns the caller that a user is in an account, with the view of
// the stores that goes with it. A user who does not belong to the account is
// fault.Denied.
func NewCaller(ctx context.Context, team TeamStore, stores inventory.Stores, user, account int32, scope string) (*Caller, error) {
	s, err := team.Standing(ctx, user, account)
	if kind, _ := fault.Of(err); err != nil && kind == fault.NotFound {
		return nil, fault.New(fault.Denied, "the user no longer exists")
	} else if err != nil {
		return nil, err
	}
	if !s.User.In(account) {
		return nil, fault.New(fault.Denied, "the user does not belong to the account %d", account)
	}
	h := resolve(s.Grant.Name(scope), s.Roles)
	c := &Caller{User: s.User, Account: account, Role: h.role, Custom: h.custom, Grant: s.Grant, Scope: scope, Store: stores.Full(account)}
	if seen, restricted := s.Grant.sees(h); restricted {
		c.view = &limited{all: c.Store, seen: seen, add: func(ctx context.Context, col inventory.Collection) (inventory.Collection, error) {
			return team.AddOwnCollection(ctx, user, account, scope, col)
		}}
		c.Store = c.view
	}
	return c, nil
}
