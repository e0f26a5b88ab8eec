package auth

import (
	"context"
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

func (s *spy) EditEndpoints(_ context.Context, keys []inventory.EndpointKey, _ func(*inventory.Endpoint) (bool, error)) (int, error) {
	for _, k := range keys {
		s.asked = append(s.asked, k.Collection)
	}
	return 0, nil
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
	_, _ = l.EditEndpoints(ctx, keys, nil)
	_, _ = l.DeleteEndpoints(ctx, keys)
	if !slices.Equal(s.asked, []int32{1, 1, 1, 1}) {
		t.Errorf("edits reach the collections %v", s.asked)
	}
	if keys[1].Collection != 2 {
		t.Error("the caller's list of keys was changed")
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
