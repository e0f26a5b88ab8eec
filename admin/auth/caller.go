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
	Store inventory.Store
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
	c.Store = stores.Account(account)
	if c.Restricted() {
		c.Store = &limited{all: c.Store, seen: g.Collections}
	}
	return c, nil
}

// limited is the store of an account with most collections hidden.
type limited struct {
	all  inventory.Store
	seen []int32
}

var _ inventory.Store = (*limited)(nil)

func (l *limited) check(id int32) error {
	if slices.Contains(l.seen, id) {
		return nil
	}
	return fault.New(fault.NotFound, "collection %d does not exist", id)
}

// Dropped is a number of the whole account, which tells nothing of what is hidden.
func (l *limited) Dropped(ctx context.Context) (map[string]int64, error) { return l.all.Dropped(ctx) }

func (l *limited) Collections(ctx context.Context) ([]inventory.Collection, error) {
	all, err := l.all.Collections(ctx)
	return slices.DeleteFunc(all, func(c inventory.Collection) bool { return !slices.Contains(l.seen, c.ID) }), err
}

func (l *limited) Collection(ctx context.Context, id int32) (inventory.Collection, error) {
	if err := l.check(id); err != nil {
		return inventory.Collection{}, err
	}
	return l.all.Collection(ctx, id)
}

// AddCollection is open to a limited caller: whoever makes a collection is given
// it afterwards.
func (l *limited) AddCollection(ctx context.Context, c inventory.Collection) (inventory.Collection, error) {
	return l.all.AddCollection(ctx, c)
}

// HostCollection and EnsureCollection make what the learner needs; a caller with
// a limit has no business there.
func (l *limited) HostCollection(context.Context, string, int64) (inventory.Collection, error) {
	return inventory.Collection{}, fault.New(fault.Denied, "collections of hosts are made by traffic")
}

func (l *limited) EnsureCollection(ctx context.Context, id int32, now int64) (inventory.Collection, error) {
	if err := l.check(id); err != nil {
		return inventory.Collection{}, err
	}
	return l.all.EnsureCollection(ctx, id, now)
}

func (l *limited) Endpoint(ctx context.Context, k inventory.EndpointKey) (inventory.Endpoint, error) {
	if err := l.check(k.Collection); err != nil {
		return inventory.Endpoint{}, err
	}
	return l.all.Endpoint(ctx, k)
}

func (l *limited) Endpoints(ctx context.Context, collection int32, skip, limit int) ([]inventory.Endpoint, error) {
	if err := l.check(collection); err != nil {
		return nil, err
	}
	return l.all.Endpoints(ctx, collection, skip, limit)
}

func (l *limited) Keys(ctx context.Context, collection int32, yield func(inventory.EndpointKey) error) error {
	if err := l.check(collection); err != nil {
		return err
	}
	return l.all.Keys(ctx, collection, yield)
}

func (l *limited) WithTypes(ctx context.Context, collections []int32, types []string, yield func(*inventory.Endpoint) error) error {
	seen := slices.Clone(l.seen)
	if collections != nil {
		seen = slices.DeleteFunc(seen, func(id int32) bool { return !slices.Contains(collections, id) })
	}
	if len(seen) == 0 {
		return nil
	}
	return l.all.WithTypes(ctx, seen, types, yield)
}

func (l *limited) Samples(ctx context.Context, k inventory.EndpointKey) ([]inventory.Sample, error) {
	if err := l.check(k.Collection); err != nil {
		return nil, err
	}
	return l.all.Samples(ctx, k)
}
