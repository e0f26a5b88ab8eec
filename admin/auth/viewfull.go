package auth

import (
	"context"
	"slices"

	"harken/inventory"
	"harken/inventory/fault"
)

// errWhole says that a rule for the whole account is not for a caller who sees a
// part of it: it would change what they cannot see.
var errWhole = fault.New(fault.Denied, "this is for the whole account, of which only some collections are visible")

// Settings are those of the account: they name hosts and addresses at most.
func (l *limited) Settings(ctx context.Context) (inventory.Settings, error) {
	return l.all.Settings(ctx)
}

func (l *limited) PutSettings(context.Context, inventory.Settings) (inventory.Settings, error) {
	return inventory.Settings{}, errWhole
}

func (l *limited) ConfigVersion(ctx context.Context) (int64, error) { return l.all.ConfigVersion(ctx) }

// Definitions are read by all: types of values are named in every listing.
func (l *limited) Definitions(ctx context.Context, kind string) ([]inventory.Definition, error) {
	return l.all.Definitions(ctx, kind)
}

func (l *limited) PutDefinition(context.Context, inventory.Definition) error { return errWhole }

func (l *limited) DeleteDefinition(context.Context, string, string) error { return errWhole }

func (l *limited) TemplateState(ctx context.Context, collection int32) (inventory.TemplateState, error) {
	if err := l.check(collection); err != nil {
		return inventory.TemplateState{}, err
	}
	return l.all.TemplateState(ctx, collection)
}

func (l *limited) PutTemplateState(ctx context.Context, collection int32, s inventory.TemplateState) (int64, error) {
	if err := l.check(collection); err != nil {
		return 0, err
	}
	return l.all.PutTemplateState(ctx, collection, s)
}

func (l *limited) Absorb(ctx context.Context, a inventory.Absorption) error {
	if err := l.check(a.Collection); err != nil {
		return err
	}
	return l.all.Absorb(ctx, a)
}

func (l *limited) Changes(ctx context.Context, f inventory.ChangeFilter, skip, limit int) ([]inventory.Change, int, error) {
	if f.Collections = l.among(f.Collections); len(f.Collections) == 0 {
		return nil, 0, nil
	}
	return l.all.Changes(ctx, f, skip, limit)
}

func (l *limited) Traffic(ctx context.Context, k inventory.EndpointKey) ([]inventory.TrafficCount, error) {
	if err := l.checkEndpoint(ctx, k); err != nil {
		return nil, err
	}
	return l.all.Traffic(ctx, k)
}

func (l *limited) CollectionTraffic(ctx context.Context, collections []int32) ([]inventory.TrafficCount, error) {
	seen := l.among(collections)
	if len(seen) == 0 {
		return nil, nil
	}
	return l.all.CollectionTraffic(ctx, seen)
}

// Drops are those of hosts whose collections are visible.
func (l *limited) Drops(ctx context.Context) ([]inventory.Drop, error) {
	cols, err := l.Collections(ctx)
	if err != nil {
		return nil, err
	}
	hosts := map[string]bool{}
	for i := range cols {
		hosts[cols[i].HostName] = true
	}
	delete(hosts, "")
	drops, err := l.all.Drops(ctx)
	return slices.DeleteFunc(drops, func(d inventory.Drop) bool { return !hosts[d.Host] }), err
}

func (l *limited) SensitiveSamples(ctx context.Context, k inventory.EndpointKey) ([]inventory.SensitiveSample, error) {
	if err := l.checkEndpoint(ctx, k); err != nil {
		return nil, err
	}
	return l.all.SensitiveSamples(ctx, k)
}

func (l *limited) SensitiveOverrides(ctx context.Context, collections []int32) ([]inventory.SensitiveOverride, error) {
	seen := l.among(collections)
	if len(seen) == 0 {
		return nil, nil
	}
	all, err := l.all.SensitiveOverrides(ctx, seen)
	for i := range all {
		all[i].Groups = l.cut(all[i].Groups)
	}
	return all, err
}

func (l *limited) PutSensitiveOverride(ctx context.Context, o inventory.SensitiveOverride) error {
	if err := l.checkEndpoint(ctx, o.EndpointKey); err != nil {
		return err
	}
	return l.all.PutSensitiveOverride(ctx, o)
}

func (l *limited) DeleteSensitiveOverride(ctx context.Context, o inventory.SensitiveOverride) error {
	if err := l.checkEndpoint(ctx, o.EndpointKey); err != nil {
		return err
	}
	return l.all.DeleteSensitiveOverride(ctx, o)
}

func (l *limited) DeleteCollections(ctx context.Context, ids []int32) (int, error) {
	return l.all.DeleteCollections(ctx, l.listed(ids))
}

func (l *limited) DropSamples(ctx context.Context, ids []int32) error {
	return l.all.DropSamples(ctx, l.listed(ids))
}

func (l *limited) DropRedactable(ctx context.Context, ids []int32) error {
	return l.all.DropRedactable(ctx, l.listed(ids))
}

// listed is among for methods that know no "all".
func (l *limited) listed(ids []int32) []int32 {
	return l.among(append([]int32{}, ids...))
}

func (l *limited) EditEndpoints(ctx context.Context, keys []inventory.EndpointKey, edit func(*inventory.Endpoint) (bool, error)) (int, error) {
	keys, err := l.keys(ctx, keys)
	if err != nil {
		return 0, err
	}
	return l.all.EditEndpoints(ctx, keys, edit)
}

func (l *limited) DeleteEndpoints(ctx context.Context, keys []inventory.EndpointKey) (int, error) {
	keys, err := l.keys(ctx, keys)
	if err != nil {
		return 0, err
	}
	return l.all.DeleteEndpoints(ctx, keys)
}

func (l *limited) DropSamplesOf(ctx context.Context, keys []inventory.EndpointKey) error {
	keys, err := l.keys(ctx, keys)
	if err != nil {
		return err
	}
	return l.all.DropSamplesOf(ctx, keys)
}

// keys leaves the visible ones.
func (l *limited) keys(ctx context.Context, keys []inventory.EndpointKey) ([]inventory.EndpointKey, error) {
	var seen []inventory.EndpointKey
	for _, k := range keys {
		err := l.checkEndpoint(ctx, k)
		if inventory.NotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		seen = append(seen, k)
	}
	return seen, nil
}

func (l *limited) Memberships(ctx context.Context, k inventory.EndpointKey) ([]int32, error) {
	groups, err := l.all.Memberships(ctx, k)
	groups = l.cut(groups)
	return groups, err
}

func (l *limited) PutFile(ctx context.Context, f inventory.StoredFile) (string, error) {
	if err := l.check(f.Collection); err != nil {
		return "", err
	}
	return l.all.PutFile(ctx, f)
}

func (l *limited) Files(ctx context.Context) ([]inventory.StoredFile, error) {
	all, err := l.all.Files(ctx)
	return slices.DeleteFunc(all, func(f inventory.StoredFile) bool { return !slices.Contains(l.seen, f.Collection) }), err
}

func (l *limited) File(ctx context.Context, id string) (inventory.StoredFile, error) {
	f, err := l.all.File(ctx, id)
	if err != nil || slices.Contains(l.seen, f.Collection) {
		return f, err
	}
	return inventory.StoredFile{}, fault.New(fault.NotFound, "there is no file %q", id)
}

func (l *limited) Recompute(ctx context.Context, groups []int32) error {
	return l.all.Recompute(ctx, l.listed(groups))
}

func (l *limited) Regroup(ctx context.Context, ids []int32) error {
	return l.all.Regroup(ctx, l.among(ids))
}
