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
	Grant   Grant
	Scope   string
	Key     *APIKey  // nil for a session
	Session *Session // nil for an API key
	// Store is the inventory of the account, limited to the collections that the
	// caller may see: what is not theirs does not exist there.
	Store inventory.FullStore
}

// Check returns nil when the caller has a permission.
func (c *Caller) Check(p Permission) error {
	if p.Feature == SignedIn {
		return nil
	}
	if c.Role == NoAccess {
		return fault.New(fault.Denied, "no access to this account in the scope %s", c.Scope)
	}
	return c.Role.Check(p)
}

// Restricted says whether the caller sees some collections only.
func (c *Caller) Restricted() bool { return c.Role != Admin && len(c.Grant.Collections) > 0 }

// Sees says whether a collection id is one that the caller may see, if it exists.
func (c *Caller) Sees(collection int32) bool {
	return !c.Restricted() || slices.Contains(c.Grant.Collections, collection)
}

// Give lets a caller who sees some collections only see one more: in what they may
// do, which is not stored by it, and in the store for the rest of the request.
func (c *Caller) Give(collection int32) {
	c.Grant.Collections = append(c.Grant.Collections, collection)
	if l, ok := c.Store.(*limited); ok {
		l.seen = append(slices.Clone(l.seen), collection)
	}
}

// NewCaller returns the caller that a user is in an account, with the view of
// the stores that goes with it. A user who does not belong to the account is
// fault.Denied.
func NewCaller(ctx context.Context, users UserStore, stores inventory.Stores, user, account int32, scope string) (*Caller, error) {
	u, err := users.User(ctx, user)
	if kind, _ := fault.Of(err); err != nil && kind == fault.NotFound {
		return nil, fault.New(fault.Denied, "the user no longer exists")
	} else if err != nil {
		return nil, err
	}
	if !u.In(account) {
		return nil, fault.New(fault.Denied, "the user does not belong to the account %d", account)
	}
	g, err := users.Grant(ctx, user, account)
	if kind, _ := fault.Of(err); err != nil && kind == fault.NotFound {
		g = Grant{User: user, Account: account}
	} else if err != nil {
		return nil, err
	}
	c := &Caller{User: u, Account: account, Role: g.In(scope), Grant: g, Scope: scope}
	c.Store = stores.Full(account)
	if c.Restricted() {
		c.Store = &limited{all: c.Store, seen: g.Collections}
	}
	return c, nil
}
