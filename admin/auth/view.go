package auth

import (
	"context"
	"slices"

	"harken/inventory"
	"harken/inventory/fault"
)

// limited is the store of an account with most collections hidden.
type limited struct {
	all  inventory.FullStore
	seen []int32
	// add stores a collection and lets the caller see it from now on.
	add func(context.Context, inventory.Collection) (inventory.Collection, error)
}

var _ inventory.FullStore = (*limited)(nil)

func (l *limited) check(id int32) error {
	if slices.Contains(l.seen, id) {
		return nil
	}
	return fault.New(fault.NotFound, "collection %d does not exist", id)
}

// among returns those of collections, nil being all, that are visible; never nil.
func (l *limited) among(collections []int32) []int32 {
	seen := append([]int32{}, l.seen...)
	if collections == nil {
		return seen
	}
	return slices.DeleteFunc(seen, func(id int32) bool { return !slices.Contains(collections, id) })
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
// it in the same step.
func (l *limited) AddCollection(ctx context.Context, c inventory.Collection) (inventory.Collection, error) {
	c, err := l.add(ctx, c)
	if err == nil {
		l.seen = append(slices.Clip(l.seen), c.ID)
	}
	return c, err
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
	seen := l.among(collections)
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
