package admin_test

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"harken/inventory"
	"harken/inventory/fault"
)

// fullStores adds what the sqlite store lacks, in memory.
type fullStores struct {
	inventory.Stores
	mu   sync.Mutex
	full map[int32]*fullStore
}

func (f *fullStores) Account(id int32) inventory.Store {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.full[id] == nil {
		f.full[id] = &fullStore{
			Store: f.Stores.Account(id), cols: map[int32]*inventory.Collection{}, eps: map[inventory.EndpointKey]*inventory.Endpoint{},
			traffic: map[inventory.EndpointKey][]inventory.TrafficCount{}, sens: map[inventory.EndpointKey][]inventory.SensitiveSample{},
			templates: map[int32]inventory.TemplateState{}, noSamples: map[int32]bool{},
		}
	}
	return f.full[id]
}

type fullStore struct {
	inventory.Store
	mu        sync.Mutex
	cols      map[int32]*inventory.Collection // nil: deleted
	eps       map[inventory.EndpointKey]*inventory.Endpoint
	noSamples map[int32]bool
	settings  inventory.Settings
	config    int64
	defs      []inventory.Definition
	templates map[int32]inventory.TemplateState
	changes   []inventory.Change
	traffic   map[inventory.EndpointKey][]inventory.TrafficCount
	drops     []inventory.Drop
	sens      map[inventory.EndpointKey][]inventory.SensitiveSample
	overrides []inventory.SensitiveOverride
}

var gone = fault.New(fault.NotFound, "does not exist")

func (f *fullStore) Collections(ctx context.Context) ([]inventory.Collection, error) {
	all, err := f.Store.Collections(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	out := all[:0]
	for _, c := range all {
		if e, ok := f.cols[c.ID]; ok && e == nil {
			continue
		} else if ok {
			n := c.URLsCount
			c = *e
			c.URLsCount = n
		}
		for k, e := range f.eps {
			if e == nil && k.Collection == c.ID {
				c.URLsCount--
			}
		}
		out = append(out, c)
	}
	return out, err
}

func (f *fullStore) Collection(ctx context.Context, id int32) (inventory.Collection, error) {
	all, err := f.Collections(ctx)
	for _, c := range all {
		if c.ID == id {
			return c, nil
		}
	}
	return inventory.Collection{}, cmp.Or(err, gone)
}

func (f *fullStore) EditCollections(ctx context.Context, ids []int32, edit func(*inventory.Collection) (bool, error)) ([]inventory.Collection, error) {
	all, err := f.Collections(ctx)
	if err != nil {
		return nil, err
	}
	var out []inventory.Collection
	for _, c := range all {
		if ids != nil && !slices.Contains(ids, c.ID) {
			continue
		}
		changed, err := edit(&c)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(o inventory.Collection) bool {
			return o.ID != c.ID && strings.EqualFold(o.DisplayName(), c.DisplayName())
		}) {
			return nil, fault.New(fault.Conflict, "the collection name must be unique")
		}
		if changed {
			out = append(out, c)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range out {
		f.cols[c.ID] = &c
	}
	return out, nil
}

func (f *fullStore) DeleteCollections(ctx context.Context, ids []int32) (int, error) {
	n := 0
	for _, id := range ids {
		_ = f.Store.Keys(ctx, id, func(k inventory.EndpointKey) error {
			f.eps[k] = nil
			n++
			return nil
		})
		if id != 0 {
			f.cols[id] = nil
		}
	}
	return n, nil
}

func (f *fullStore) DropSamples(ctx context.Context, ids []int32) error {
	for _, id := range ids {
		f.noSamples[id] = true
	}
	_, err := f.EditCollections(ctx, ids, func(c *inventory.Collection) (bool, error) {
		c.SampleCollectionsDropped = true
		return true, nil
	})
	return err
}

func (f *fullStore) Endpoint(ctx context.Context, k inventory.EndpointKey) (inventory.Endpoint, error) {
	e, err := f.Store.Endpoint(ctx, k)
	if o, ok := f.eps[k]; err == nil && ok {
		if o == nil {
			return e, gone
		}
		e.Description = o.Description
	}
	return e, err
}

func (f *fullStore) Endpoints(ctx context.Context, collection int32, skip, limit int) ([]inventory.Endpoint, error) {
	all, err := f.Store.Endpoints(ctx, collection, skip, limit)
	var out []inventory.Endpoint
	for _, e := range all {
		if o, ok := f.eps[e.EndpointKey]; ok && o == nil {
			continue
		} else if ok {
			e.Description = o.Description
		}
		out = append(out, e)
	}
	return out, err
}

func (f *fullStore) EditEndpoints(ctx context.Context, keys []inventory.EndpointKey, edit func(*inventory.Endpoint) (bool, error)) (int, error) {
	n := 0
	for _, k := range keys {
		e, err := f.Endpoint(ctx, k)
		if err != nil {
			continue
		}
		if changed, err := edit(&e); err != nil {
			return 0, err
		} else if changed {
			f.eps[k] = &e
			n++
		}
	}
	return n, nil
}

func (f *fullStore) DeleteEndpoints(ctx context.Context, keys []inventory.EndpointKey) (int, error) {
	n := 0
	for _, k := range keys {
		if _, err := f.Endpoint(ctx, k); err == nil {
			f.eps[k] = nil
			n++
		}
	}
	return n, nil
}

func (f *fullStore) Samples(ctx context.Context, k inventory.EndpointKey) ([]inventory.Sample, error) {
	if f.noSamples[k.Collection] {
		return nil, nil
	}
	return f.Store.Samples(ctx, k)
}

func (f *fullStore) Settings(context.Context) (inventory.Settings, error) { return f.settings, nil }

func (f *fullStore) PutSettings(_ context.Context, s inventory.Settings) (inventory.Settings, error) {
	if s.Version != f.settings.Version {
		return s, fault.New(fault.Conflict, "the settings changed meanwhile")
	}
	s.Version++
	f.settings = s
	return s, nil
}

func (f *fullStore) ConfigVersion(context.Context) (int64, error) { return f.config, nil }

func (f *fullStore) Definitions(_ context.Context, kind string) ([]inventory.Definition, error) {
	return slices.DeleteFunc(slices.Clone(f.defs), func(d inventory.Definition) bool { return d.Kind != kind }), nil
}

func (f *fullStore) PutDefinition(_ context.Context, d inventory.Definition) error {
	for i := range f.defs {
		if f.defs[i].Kind == d.Kind && f.defs[i].ID == d.ID {
			f.defs[i] = d
			return nil
		}
	}
	f.defs = append(f.defs, d)
	return nil
}

func (f *fullStore) DeleteDefinition(_ context.Context, kind, id string) error {
	n := len(f.defs)
	f.defs = slices.DeleteFunc(f.defs, func(d inventory.Definition) bool { return d.Kind == kind && d.ID == id })
	if len(f.defs) == n {
		return gone
	}
	return nil
}

func (f *fullStore) TemplateState(_ context.Context, c int32) (inventory.TemplateState, error) {
	return f.templates[c], nil
}

func (f *fullStore) PutTemplateState(_ context.Context, c int32, s inventory.TemplateState) (int64, error) {
	s.Version++
	f.templates[c] = s
	return s.Version, nil
}

func (f *fullStore) Absorb(context.Context, inventory.Absorption) error { return nil }

func (f *fullStore) Changes(_ context.Context, q inventory.ChangeFilter, skip, limit int) ([]inventory.Change, int, error) {
	var out []inventory.Change
	for _, c := range f.changes {
		if q.Collections != nil && !slices.Contains(q.Collections, c.Collection) || q.URL != "" && q.URL != c.URL ||
			q.Method != "" && q.Method != c.Method || q.Kinds != nil && !slices.Contains(q.Kinds, c.Kind) ||
			c.Time < q.From || q.To != 0 && c.Time >= q.To {
			continue
		}
		out = append(out, c)
	}
	n := len(out)
	out = out[min(skip, n):]
	return out[:min(limit, len(out))], n, nil
}

func (f *fullStore) Traffic(_ context.Context, k inventory.EndpointKey) ([]inventory.TrafficCount, error) {
	return f.traffic[k], nil
}

func (f *fullStore) CollectionTraffic(context.Context, []int32) ([]inventory.TrafficCount, error) {
	return nil, nil
}

func (f *fullStore) Drops(context.Context) ([]inventory.Drop, error) {
	return slices.Clone(f.drops), nil
}

func (f *fullStore) SensitiveSamples(_ context.Context, k inventory.EndpointKey) ([]inventory.SensitiveSample, error) {
	return f.sens[k], nil
}

func (f *fullStore) SensitiveOverrides(_ context.Context, collections []int32) ([]inventory.SensitiveOverride, error) {
	return slices.DeleteFunc(slices.Clone(f.overrides), func(o inventory.SensitiveOverride) bool {
		return collections != nil && !slices.Contains(collections, o.Collection)
	}), nil
}

func same(a, b inventory.SensitiveOverride) bool {
	return a.EndpointKey == b.EndpointKey && a.ResponseCode == b.ResponseCode && a.Header == b.Header && a.Param == b.Param
}

func (f *fullStore) PutSensitiveOverride(_ context.Context, o inventory.SensitiveOverride) error {
	for i := range f.overrides {
		if same(f.overrides[i], o) {
			f.overrides[i] = o
			return nil
		}
	}
	f.overrides = append(f.overrides, o)
	return nil
}

func (f *fullStore) DeleteSensitiveOverride(_ context.Context, o inventory.SensitiveOverride) error {
	n := len(f.overrides)
	f.overrides = slices.DeleteFunc(f.overrides, func(p inventory.SensitiveOverride) bool { return same(o, p) })
	if n == len(f.overrides) {
		return gone
	}
	return nil
}
