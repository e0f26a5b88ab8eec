package auth

import (
	"context"
	"maps"
	"slices"

	"harken/inventory"
)

// unseen returns the endpoints in the lists of a visible group that the caller does
// not see: they are of hidden collections, and not in the group now. An endpoint can
// be listed and not be in the group, because its collection is deactivated, because
// the group has other conditions too, or because it is no more.
func (l *limited) unseen(ctx context.Context, group *inventory.Collection) (map[inventory.EndpointKey]bool, error) {
	hidden := map[inventory.EndpointKey]bool{}
	for i := range group.Conditions {
		for _, k := range group.Conditions[i].APIs {
			if !slices.Contains(l.seen, k.Collection) {
				hidden[k] = true
			}
		}
	}
	if len(hidden) == 0 {
		return nil, nil
	}
	err := l.all.Keys(ctx, group.ID, func(k inventory.EndpointKey) error {
		delete(hidden, k)
		return nil
	})
	return hidden, err
}

// without leaves the endpoints out of lists that hidden has.
func without(conditions []inventory.Condition, hidden map[inventory.EndpointKey]bool) []inventory.Condition {
	conditions, _ = inventory.Replace(conditions, func(k inventory.EndpointKey) bool { return hidden[k] }, nil)
	return conditions
}

// cutLists leaves in the lists of visible groups what the caller sees.
func (l *limited) cutLists(ctx context.Context, cols []inventory.Collection) error {
	for i := range cols {
		hidden, err := l.unseen(ctx, &cols[i])
		if err != nil {
			return err
		}
		if len(hidden) > 0 {
			cols[i].Conditions = without(cols[i].Conditions, hidden)
		}
	}
	return nil
}

// restore puts what the editor of a group did not see back into the lists that are
// left of it.
func restore(before, after []inventory.Condition, hidden map[inventory.EndpointKey]bool) []inventory.Condition {
	after = slices.Clone(after)
	for i := range before {
		kept := slices.DeleteFunc(slices.Clone(before[i].APIs), func(k inventory.EndpointKey) bool { return !hidden[k] })
		at := slices.IndexFunc(after, func(c inventory.Condition) bool {
			return c.Type == inventory.ByList && c.Operator == before[i].Operator
		})
		if len(kept) == 0 || at < 0 {
			continue
		}
		list := slices.Concat(after[at].APIs, kept)
		slices.SortFunc(list, inventory.EndpointKey.Compare)
		after[at].APIs = slices.Compact(list)
	}
	return after
}

// EditCollections shows edit the collections as the caller sees them.
func (l *limited) EditCollections(ctx context.Context, ids []int32, edit func(*inventory.Collection) (bool, error)) ([]inventory.Collection, error) {
	seen := l.among(ids)
	if len(seen) == 0 {
		return nil, nil
	}
	hidden, err := l.unseenIn(ctx, seen)
	if err != nil {
		return nil, err
	}
	cols, err := l.all.EditCollections(ctx, seen, func(c *inventory.Collection) (bool, error) {
		stored := c.Conditions
		c.Conditions = without(stored, hidden)
		before := c.Conditions
		changed, err := edit(c)
		// Else a group would show its editor what they do not see. That lists name
		// nothing hidden is up to who looks the endpoints up, in this view.
		if changed && !inventory.SameButLists(before, c.Conditions) {
			c.Within = l.among(nil)
		}
		c.Conditions = restore(stored, c.Conditions, hidden)
		return changed, err
	})
	if err != nil {
		return nil, err
	}
	return cols, l.cutLists(ctx, cols)
}

// unseenIn is unseen for several collections.
func (l *limited) unseenIn(ctx context.Context, ids []int32) (map[inventory.EndpointKey]bool, error) {
	all := map[inventory.EndpointKey]bool{}
	cols, err := l.all.Collections(ctx)
	if err != nil {
		return nil, err
	}
	for i := range cols {
		if len(cols[i].Conditions) == 0 || !slices.Contains(ids, cols[i].ID) {
			continue
		}
		hidden, err := l.unseen(ctx, &cols[i])
		if err != nil {
			return nil, err
		}
		maps.Copy(all, hidden)
	}
	return all, nil
}
