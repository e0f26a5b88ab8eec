package auth

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"harken/inventory"
	"harken/inventory/fault"
)

// spy is a store that notes which collections it is asked for, and has two hosts.
type spy struct {
	inventory.FullStore // nil: what is not below must not be reached
	asked               []int32
}

func (s *spy) Collections(context.Context) ([]inventory.Collection, error) {
	return []inventory.Collection{{ID: 1, HostName: "one"}, {ID: 2, HostName: "two"}}, nil
}

func (s *spy) Changes(_ context.Context, f inventory.ChangeFilter, _, _ int) ([]inventory.Change, int, error) {
	s.asked = append(s.asked, f.Collections...)
	return nil, 0, nil
}

func (s *spy) CollectionTraffic(_ context.Context, ids []int32) ([]inventory.TrafficCount, error) {
	s.asked = append(s.asked, ids...)
	return nil, nil
}

func (s *spy) Drops(context.Context) ([]inventory.Drop, error) {
	return []inventory.Drop{{Host: "one"}, {Host: "two"}, {Host: ""}}, nil
}

func (s *spy) SensitiveOverrides(_ context.Context, ids []int32) ([]inventory.SensitiveOverride, error) {
	s.asked = append(s.asked, ids...)
	return nil, nil
}

func (s *spy) EditCollections(_ context.Context, ids []int32, _ func(*inventory.Collection) (bool, error)) ([]inventory.Collection, error) {
	s.asked = append(s.asked, ids...)
	return nil, nil
}

func (s *spy) DeleteCollections(_ context.Context, ids []int32) (int, error) {
	s.asked = append(s.asked, ids...)
	return 0, nil
}

func (s *spy) DropSamples(_ context.Context, ids []int32) error {
	s.asked = append(s.asked, ids...)
	return nil
}

func (s *spy) DropRedactable(_ context.Context, ids []int32) error {
	s.asked = append(s.asked, ids...)
	return nil
}

func (s *spy) DropSamplesOf(_ context.Context, keys []inventory.EndpointKey) error {
	for _, k := range keys {
		s.asked = append(s.asked, k.Collection)
	}
	return nil
}

func (s *spy) EditEndpoints(_ context.Context, keys []inventory.EndpointKey, _ func(*inventory.Endpoint) (bool, error)) (int, error) {
	for _, k := range keys {
		s.asked = append(s.asked, k.Collection)
	}
	return 0, nil
}

// Memberships says that /shared is in the groups 1 and 3.
func (s *spy) Memberships(_ context.Context, k inventory.EndpointKey) ([]int32, error) {
	if k.URL == "/shared" {
		return []int32{1, 3}, nil
	}
	return nil, nil
}

func (s *spy) Endpoint(_ context.Context, k inventory.EndpointKey) (inventory.Endpoint, error) {
	return inventory.Endpoint{EndpointKey: k, Groups: []int32{1, 3}}, nil
}

func (s *spy) Keys(_ context.Context, id int32, yield func(inventory.EndpointKey) error) error {
	s.asked = append(s.asked, id)
	return yield(inventory.EndpointKey{Collection: 2, URL: "/shared"})
}

func (s *spy) File(context.Context, string) (inventory.StoredFile, error) {
	return inventory.StoredFile{Collection: 2}, nil
}

func (s *spy) Files(context.Context) ([]inventory.StoredFile, error) {
	return []inventory.StoredFile{{Collection: 1}, {Collection: 2}}, nil
}

func (s *spy) Recompute(_ context.Context, ids []int32) error {
	s.asked = append(s.asked, ids...)
	return nil
}

func (s *spy) Regroup(_ context.Context, ids []int32) error {
	s.asked = append(s.asked, ids...)
	return nil
}

func (s *spy) AddCollection(_ context.Context, c inventory.Collection) (inventory.Collection, error) {
	return c, nil
}

func (s *spy) DeleteEndpoints(ctx context.Context, keys []inventory.EndpointKey) (int, error) {
	return s.EditEndpoints(ctx, keys, nil)
}

// What takes collections is cut to the visible ones, "all" included.
func TestLimitedLists(t *testing.T) {
	ctx := t.Context()
	keys := []inventory.EndpointKey{{Collection: 1}, {Collection: 2}}
	for name, call := range map[string]func(l *limited, ids []int32) error{
		"Changes": func(l *limited, ids []int32) error {
			_, _, err := l.Changes(ctx, inventory.ChangeFilter{Collections: ids}, 0, 1)
			return err
		},
		"CollectionTraffic": func(l *limited, ids []int32) error {
			_, err := l.CollectionTraffic(ctx, ids)
			return err
		},
		"SensitiveOverrides": func(l *limited, ids []int32) error {
			_, err := l.SensitiveOverrides(ctx, ids)
			return err
		},
		"EditCollections": func(l *limited, ids []int32) error {
			_, err := l.EditCollections(ctx, ids, nil)
			return err
		},
	} {
		for _, c := range []struct{ ids, want []int32 }{
			{nil, []int32{1}}, {[]int32{1, 2}, []int32{1}}, {[]int32{2}, nil}, {[]int32{}, nil},
		} {
			s := &spy{}
			if err := call(&limited{all: s, seen: []int32{1}}, c.ids); err != nil || !slices.Equal(s.asked, c.want) {
				t.Errorf("%s of %v asks for %v (%v), want %v", name, c.ids, s.asked, err, c.want)
			}
		}
	}
	s := &spy{}
	l := &limited{all: s, seen: []int32{1}}
	_, _ = l.DeleteCollections(ctx, nil) // is none, not all
	_, _ = l.DeleteCollections(ctx, []int32{1, 2})
	_ = l.DropSamples(ctx, []int32{1, 2})
	_ = l.DropRedactable(ctx, []int32{1, 2})
	_, _ = l.EditEndpoints(ctx, keys, nil)
	_, _ = l.DeleteEndpoints(ctx, keys)
	_ = l.DropSamplesOf(ctx, keys)
	if !slices.Equal(s.asked, []int32{1, 1, 1, 1, 1, 1}) {
		t.Errorf("edits reach the collections %v", s.asked)
	}
	if keys[1].Collection != 2 {
		t.Error("the caller's list of keys was changed")
	}
	if files, err := l.Files(ctx); err != nil || len(files) != 1 || files[0].Collection != 1 {
		t.Errorf("Files = %v, %v", files, err)
	}
	drops, err := l.Drops(ctx)
	if err != nil || len(drops) != 1 || drops[0].Host != "one" {
		t.Errorf("Drops = %v, %v", drops, err)
	}
}

// What names a hidden collection does not find it, and what is for the whole
// account is refused: nothing of it reaches the store.
func TestLimitedHides(t *testing.T) {
	ctx := t.Context()
	l := &limited{all: &spy{}, seen: []int32{1}}
	k := inventory.EndpointKey{Collection: 2}
	for name, c := range map[string]struct {
		want fault.Kind
		call func() error
	}{
		"TemplateState": {fault.NotFound, func() error { _, err := l.TemplateState(ctx, 2); return err }},
		"PutTemplateState": {fault.NotFound, func() error {
			_, err := l.PutTemplateState(ctx, 2, inventory.TemplateState{})
			return err
		}},
		"Absorb":           {fault.NotFound, func() error { return l.Absorb(ctx, inventory.Absorption{Collection: 2}) }},
		"Endpoint":         {fault.NotFound, func() error { _, err := l.Endpoint(ctx, k); return err }},
		"Endpoints":        {fault.NotFound, func() error { _, err := l.Endpoints(ctx, 2, 0, 1); return err }},
		"Samples":          {fault.NotFound, func() error { _, err := l.Samples(ctx, k); return err }},
		"Sampled":          {fault.NotFound, func() error { _, _, err := l.Sampled(ctx, k); return err }},
		"PutFile":          {fault.NotFound, func() error { _, err := l.PutFile(ctx, inventory.StoredFile{Collection: 2}); return err }},
		"File":             {fault.NotFound, func() error { _, err := l.File(ctx, "x"); return err }},
		"Traffic":          {fault.NotFound, func() error { _, err := l.Traffic(ctx, k); return err }},
		"SensitiveSamples": {fault.NotFound, func() error { _, err := l.SensitiveSamples(ctx, k); return err }},
		"PutSensitiveOverride": {fault.NotFound, func() error {
			return l.PutSensitiveOverride(ctx, inventory.SensitiveOverride{EndpointKey: k})
		}},
		"DeleteSensitiveOverride": {fault.NotFound, func() error {
			return l.DeleteSensitiveOverride(ctx, inventory.SensitiveOverride{EndpointKey: k})
		}},
		"PutSettings":      {fault.Denied, func() error { _, err := l.PutSettings(ctx, inventory.Settings{}); return err }},
		"PutDefinition":    {fault.Denied, func() error { return l.PutDefinition(ctx, inventory.Definition{}) }},
		"DeleteDefinition": {fault.Denied, func() error { return l.DeleteDefinition(ctx, "", "") }},
	} {
		if kind, _ := fault.Of(c.call()); kind != c.want {
			t.Errorf("%s is of kind %v, want %v", name, kind, c.want)
		}
	}
}

// Every method of the store has a view of its own: none comes by embedding.
func TestLimitedIsWhole(t *testing.T) {
	typ := reflect.TypeFor[*limited]()
	for f := range typ.Elem().Fields() {
		if f.Anonymous {
			t.Errorf("limited embeds %s", f.Type)
		}
	}
}

// What a visible group has is visible, whatever collection it is of; the groups and
// the collections around it are not.
func TestLimitedSeesThroughGroups(t *testing.T) {
	ctx := t.Context()
	s := &spy{}
	l := &limited{all: s, seen: []int32{1}}
	shared, other := inventory.EndpointKey{Collection: 2, URL: "/shared"}, inventory.EndpointKey{Collection: 2, URL: "/other"}
	e, err := l.Endpoint(ctx, shared)
	if err != nil || !slices.Equal(e.Groups, []int32{1}) {
		t.Errorf("Endpoint = %+v, %v; want it in the visible group only", e, err)
	}
	if _, err := l.Endpoint(ctx, other); !inventory.NotFound(err) {
		t.Errorf("a hidden endpoint beside it: %v", err)
	}
	if ids, err := l.Memberships(ctx, shared); err != nil || !slices.Equal(ids, []int32{1}) {
		t.Errorf("Memberships = %v, %v", ids, err)
	}
	if n, err := l.EditEndpoints(ctx, []inventory.EndpointKey{shared, other}, nil); err != nil || n != 0 || !slices.Equal(s.asked, []int32{2}) {
		t.Errorf("EditEndpoints reaches %v, %v; want one endpoint", s.asked, err)
	}
	var keys []inventory.EndpointKey
	collect := func(k inventory.EndpointKey) error { keys = append(keys, k); return nil }
	if err := l.Keys(ctx, 2, collect); err != nil || !slices.Equal(keys, []inventory.EndpointKey{shared}) {
		t.Errorf("Keys of a hidden collection = %v, %v; want what a visible group has of it", keys, err)
	}
	if err := l.Keys(ctx, 4, collect); !inventory.NotFound(err) {
		t.Errorf("Keys of a collection of which nothing is visible: %v", err)
	}
	s.asked = nil
	if err := errors.Join(l.Recompute(ctx, []int32{1, 2}), l.Regroup(ctx, []int32{1, 2}), l.Regroup(ctx, nil)); err != nil || !slices.Equal(s.asked, []int32{1, 1, 1}) {
		t.Errorf("groups %v are settled, %v", s.asked, err)
	}
}

// A group that a limited caller makes or edits must not show them more than before.
func TestLimitedGroups(t *testing.T) {
	ctx := t.Context()
	s := &spy{}
	l := &limited{all: s, seen: []int32{1}, add: s.AddCollection}
	c, err := l.AddCollection(ctx, inventory.Collection{Type: inventory.TypeGroup})
	if err != nil || !slices.Equal(c.Within, []int32{1}) {
		t.Errorf("a new group is bound to %v, %v", c.Within, err)
	}
	if c, err = l.AddCollection(ctx, inventory.Collection{}); err != nil || c.Within != nil {
		t.Errorf("a new collection is bound to %v, %v", c.Within, err)
	}
	edited := func(edit func(*inventory.Collection)) []int32 {
		g := inventory.Collection{Type: inventory.TypeGroup}
		store := &editSpy{g: &g}
		l := &limited{all: store, seen: []int32{1}}
		if _, err := l.EditCollections(ctx, []int32{1}, func(c *inventory.Collection) (bool, error) { edit(c); return true, nil }); err != nil {
			t.Fatal(err)
		}
		return g.Within
	}
	if got := edited(func(c *inventory.Collection) {
		c.Conditions = []inventory.Condition{{Type: inventory.ByRegex, Operator: inventory.Or, Regex: "."}}
	}); !slices.Equal(got, []int32{1}) {
		t.Errorf("a group with a new rule is bound to %v", got)
	}
	if got := edited(func(c *inventory.Collection) {
		c.Conditions = []inventory.Condition{{Type: inventory.ByList, Operator: inventory.Or}}
		c.Description = "d"
	}); got != nil {
		t.Errorf("a group with a new list is bound to %v", got)
	}
}

// editSpy edits one group.
type editSpy struct {
	spy
	g *inventory.Collection
}

func (s *editSpy) EditCollections(_ context.Context, _ []int32, edit func(*inventory.Collection) (bool, error)) ([]inventory.Collection, error) {
	_, err := edit(s.g)
	return nil, err
}
