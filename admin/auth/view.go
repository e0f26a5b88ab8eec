package auth

import (
	"context"
	"slices"

	"harken/inventory"
	"harken/inventory/fault"
)

// limited is the store of an account with most collections hidden. What a visible
// group has in it is visible too, though the collection that it is of may not be.
type limited struct {
	all  inventory.FullStore
	seen []int32 // collections and groups
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

// checkEndpoint returns nil for an endpoint whose collection, or one of whose
// groups, is visible.
func (l *limited) checkEndpoint(ctx context.Context, k inventory.EndpointKey) error {
	if slices.Contains(l.seen, k.Collection) {
		return nil
	}
	groups, err := l.all.Memberships(ctx, k)
	if err != nil || slices.ContainsFunc(groups, func(id int32) bool { return slices.Contains(l.seen, id) }) {
		return err
	}
	return fault.New(fault.NotFound, "%s %s does not exist in collection %d", k.Method, k.URL, k.Collection)
}

// cut leaves those of groups that are visible.
func (l *limited) cut(groups []int32) []int32 {
	return slices.DeleteFunc(groups, func(id int32) bool { return !slices.Contains(l.seen, id) })
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
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(c inventory.Collection) bool { return !slices.Contains(l.seen, c.ID) })
	return all, l.cutLists(ctx, all)
}

func (l *limited) Collection(ctx context.Context, id int32) (inventory.Collection, error) {
	if err := l.check(id); err != nil {
		return inventory.Collection{}, err
	}
	c, err := l.all.Collection(ctx, id)
	if err != nil {
		return c, err
	}
	one := []inventory.Collection{c}
	err = l.cutLists(ctx, one)
	return one[0], err
}

// AddCollection is open to a limited caller: whoever makes a collection is given
// it in the same step. A group that they make finds what they see and nothing else.
func (l *limited) AddCollection(ctx context.Context, c inventory.Collection) (inventory.Collection, error) {
	if c.Type == inventory.TypeGroup {
		c.Within = l.among(nil)
	}
	c, err := l.add(ctx, c)
	if err == nil {
		l.seen = append(slices.Clip(l.seen), c.ID)
	}
	return c, err
}

// HostCollection, EnsureCollection and LabelCollection do what the learner needs; a
// caller with a limit has no business there.
func (l *limited) HostCollection(context.Context, string, int64) (inventory.Collection, error) {
	return inventory.Collection{}, fault.New(fault.Denied, "collections of hosts are made by traffic")
}

func (l *limited) EnsureCollection(ctx context.Context, id int32, now int64) (inventory.Collection, error) {
	if err := l.check(id); err != nil {
		return inventory.Collection{}, err
	}
	return l.all.EnsureCollection(ctx, id, now)
}

func (l *limited) LabelCollection(context.Context, int32, string, map[string]string, int64) (inventory.Collection, error) {
	return inventory.Collection{}, fault.New(fault.Denied, "labels of collections are learned from traffic")
}

func (l *limited) Endpoint(ctx context.Context, k inventory.EndpointKey) (inventory.Endpoint, error) {
	if err := l.checkEndpoint(ctx, k); err != nil {
		return inventory.Endpoint{}, err
	}
	e, err := l.all.Endpoint(ctx, k)
	e.Groups = l.cut(e.Groups)
	return e, err
}

func (l *limited) Endpoints(ctx context.Context, collection int32, skip, limit int) ([]inventory.Endpoint, error) {
	if err := l.check(collection); err != nil {
		return nil, err
	}
	page, err := l.all.Endpoints(ctx, collection, skip, limit)
	for i := range page {
		page[i].Groups = l.cut(page[i].Groups)
	}
	return page, err
}

// Keys of a hidden collection are those that visible groups have of it.
func (l *limited) Keys(ctx context.Context, collection int32, yield func(inventory.EndpointKey) error) error {
	if slices.Contains(l.seen, collection) {
		return l.all.Keys(ctx, collection, yield)
	}
	found := map[inventory.EndpointKey]bool{}
	for _, id := range l.seen {
		err := l.all.Keys(ctx, id, func(k inventory.EndpointKey) error {
			if k.Collection != collection || found[k] {
				return nil
			}
			found[k] = true
			return yield(k)
		})
		if err != nil {
			return err
		}
	}
	if len(found) == 0 {
		return l.check(collection)
	}
	return nil
}

func (l *limited) WithTypes(ctx context.Context, collections []int32, types []string, yield func(*inventory.Endpoint) error) error {
	seen := l.among(collections)
	if len(seen) == 0 {
		return nil
	}
	return l.all.WithTypes(ctx, seen, types, func(e *inventory.Endpoint) error {
		e.Groups = l.cut(e.Groups)
		return yield(e)
	})
}

func (l *limited) Sampled(ctx context.Context, k inventory.EndpointKey) (inventory.Endpoint, []inventory.Sample, error) {
	if err := l.checkEndpoint(ctx, k); err != nil {
		return inventory.Endpoint{}, nil, err
	}
	e, samples, err := l.all.Sampled(ctx, k)
	e.Groups = l.cut(e.Groups)
	return e, samples, err
}

func (l *limited) Samples(ctx context.Context, k inventory.EndpointKey) ([]inventory.Sample, error) {
	if err := l.checkEndpoint(ctx, k); err != nil {
		return nil, err
	}
	return l.all.Samples(ctx, k)
}
