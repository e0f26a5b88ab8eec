package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"harken/inventory"
	"harken/inventory/fault"
)

// EditCollections changes collections in one transaction.
func (s *store) EditCollections(ctx context.Context, ids []int32, edit func(*inventory.Collection) (bool, error)) ([]inventory.Collection, error) {
	return s.edit(ctx, ids, edit, s.changed)
}

// LabelCollection stores what a record tells.
func (s *store) LabelCollection(ctx context.Context, id int32, direction string, tags map[string]string, at int64) (inventory.Collection, error) {
	done, err := s.edit(ctx, []int32{id}, func(c *inventory.Collection) (bool, error) {
		l := inventory.Labels{AccessType: c.AccessType, Tags: c.AllTags()}
		if !l.Learn(direction, tags, at) {
			return false, nil
		}
		if c.AccessType = l.AccessType; !slices.Equal(c.AllTags(), l.Tags) {
			c.Tags = l.Tags
		}
		return true, nil
	}, func(context.Context, *sql.Tx) error { return nil })
	if err != nil {
		return inventory.Collection{}, err
	}
	if len(done) > 0 {
		return done[0], nil
	}
	return s.Collection(ctx, id)
}

// edit changes collections, and calls after if there was something to change.
func (s *store) edit(
	ctx context.Context, ids []int32, edit func(*inventory.Collection) (bool, error), after func(context.Context, *sql.Tx) error,
) ([]inventory.Collection, error) {
	if err := s.seed(ctx); err != nil {
		return nil, err
	}
	var done []inventory.Collection
	err := s.db.share(ctx, func(ctx context.Context, tx *sql.Tx) error {
		done = nil
		all, err := s.pick(ctx, tx, ids)
		if err != nil {
			return err
		}
		for _, c := range all {
			was := c
			c.Tags = slices.Clone(c.Tags)
			changed, err := edit(&c)
			if err != nil {
				return err
			}
			if !changed {
				continue
			}
			c.ID, c.HostName, c.VxlanID, c.URLsCount = was.ID, was.HostName, was.VxlanID, was.URLsCount
			if err := s.update(ctx, tx, &c, &was); err != nil {
				return err
			}
			done = append(done, c)
		}
		if len(done) == 0 {
			return nil
		}
		return after(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

// pick reads the collections of ids that exist, nil being all.
func (s *store) pick(ctx context.Context, tx *sql.Tx, ids []int32) ([]inventory.Collection, error) {
	if len(ids) == 1 {
		c, err := scanCollection(tx.StmtContext(ctx, s.db.points.oneCollection).QueryRowContext(ctx, s.account, ids[0]))
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil
		}
		return []inventory.Collection{c}, err
	}
	query, args := selectCollections, []any{s.account}
	if ids != nil {
		query += ` AND id IN (SELECT value FROM json_each(?))`
		args = append(args, jsonList(ids))
	}
	rows, err := tx.QueryContext(ctx, query+` ORDER BY id`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []inventory.Collection
	for rows.Next() {
		c, err := scanCollection(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

func (s *store) update(ctx context.Context, tx *sql.Tx, c, was *inventory.Collection) error {
	display := strings.ToLower(c.DisplayName())
	if display != strings.ToLower(was.DisplayName()) && display != "" {
		var n int
		if err := tx.StmtContext(ctx, s.db.points.countDisplay).QueryRowContext(ctx, s.account, display, c.ID).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return fault.New(fault.Conflict, "the collection name must be unique: there is a collection %q", c.DisplayName())
		}
	}
	_, err := tx.StmtContext(ctx, s.db.points.setCollection).ExecContext(ctx,
		c.Name, display, c.Description, c.StartTS, c.Redact, c.SampleCollectionsDropped,
		c.Deactivated, c.OutOfTestingScope, c.Automated, c.Type, tagsText(c), c.AccessType, conditionsText(c), s.account, c.ID)
	if err != nil {
		return err
	}
	return s.noteEdit(ctx, tx, c, was)
}

// tagsText is empty for tags that nobody edited.
func tagsText(c *inventory.Collection) string {
	if c.Tags == nil {
		return ""
	}
	return jsonList(c.Tags)
}

// editChunk is how many endpoints one transaction of a long change touches.
const editChunk = 100

// DeleteCollections removes collections, a few endpoints at a time; the row of the
// collection goes last, so that what was broken off can be done again.
func (s *store) DeleteCollections(ctx context.Context, ids []int32) (int, error) {
	total := 0
	for _, id := range ids {
		for {
			n, done, err := s.deleteSome(ctx, id)
			total += n
			if err != nil {
				return total, fmt.Errorf("delete collection %d: %w", id, err)
			}
			if done {
				break
			}
		}
	}
	return total, nil
}

func (s *store) deleteSome(ctx context.Context, id int32) (n int, done bool, err error) {
	err = s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		es, err := s.some(ctx, tx, id, 0, editChunk)
		if err != nil {
			return err
		}
		a := applier{account: s.account}
		if a.groups, err = s.grouper(ctx, tx); err != nil {
			return err
		}
		for i := range es {
			if err := a.deleteRows(ctx, tx, &es[i], true); err != nil {
				return err
			}
		}
		if err := a.groups.count(ctx); err != nil {
			return err
		}
		n = len(es)
		if _, err := tx.ExecContext(ctx, `UPDATE collections SET urls = max(0, urls - ?) WHERE account = ? AND id = ?`, n, s.account, id); err != nil {
			return err
		}
		if done = n < editChunk; !done {
			return nil
		}
		for _, q := range []string{
			`DELETE FROM templates WHERE account = ? AND collection = ?`,
			`DELETE FROM sensitive_params WHERE account = ? AND collection = ?`,
			`DELETE FROM regroup WHERE account = ? AND id = ?`,
			`DELETE FROM files WHERE account = ? AND collection = ?`,
			`DELETE FROM members WHERE account = ? AND grp = ?`,
			`DELETE FROM collections WHERE account = ? AND id = ? AND id <> 0`,
		} {
			if _, err := tx.ExecContext(ctx, q, s.account, id); err != nil {
				return err
			}
		}
		if err := a.groups.forget(ctx, id); err != nil {
			return err
		}
		if id != 0 {
			if err := forgetCollection(ctx, tx, s.account, id); err != nil {
				return err
			}
		}
		return s.changed(ctx, tx)
	})
	if err != nil {
		n = 0
	}
	return n, done, err
}

// Endpoints as they are stored: from a row id on, and one.
const (
	selectWhole = `SELECT id, url, method, sampled, facts, params, traffic FROM endpoints WHERE account = ? AND collection = ?`
	selectSome  = selectWhole + ` AND id > ? ORDER BY id LIMIT ?`
	selectOne   = selectWhole + ` AND url = ? AND method = ?`
)

// some reads endpoints of a collection whose row ids are above one.
func (s *store) some(ctx context.Context, tx *sql.Tx, collection int32, above int64, limit int) ([]storedEndpoint, error) {
	return s.read(ctx, tx, collection, selectSome, above, limit)
}

func (s *store) read(ctx context.Context, tx *sql.Tx, collection int32, query string, args ...any) ([]storedEndpoint, error) {
	rows, err := tx.QueryContext(ctx, query, append([]any{s.account, collection}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []storedEndpoint
	var facts, params, traffic sql.RawBytes
	for rows.Next() {
		e := storedEndpoint{Endpoint: inventory.Endpoint{EndpointKey: inventory.EndpointKey{Collection: collection}}}
		if err := rows.Scan(&e.id, &e.URL, &e.Method, &e.sampled, &facts, &params, &traffic); err != nil {
			return nil, err
		}
		if err := unpackAll(facts, params, traffic, &e.Endpoint); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

// EditEndpoints changes facts of endpoints in one transaction.
func (s *store) EditEndpoints(ctx context.Context, keys []inventory.EndpointKey, edit func(*inventory.Endpoint) (bool, error)) (int, error) {
	n := 0
	err := s.db.share(ctx, func(ctx context.Context, tx *sql.Tx) error {
		n = 0
		a := applier{statements: s.db.stmts.within(ctx, tx), account: s.account}
		var err error
		if a.groups, err = s.grouper(ctx, tx); err != nil {
			return err
		}
		for part := range slices.Chunk(keys, chunk) {
			if err := a.load(ctx, asEndpoints(part)); err != nil {
				return err
			}
			for i := range part {
				e := &a.stored[i]
				if e.id == 0 {
					continue
				}
				changed, err := editFacts(&e.Endpoint, edit)
				if err != nil {
					return err
				}
				if !changed {
					continue
				}
				if _, err := tx.StmtContext(ctx, s.db.points.setFacts).ExecContext(ctx, inventory.AppendFacts(nil, &e.Endpoint), e.id); err != nil {
					return err
				}
				if err := a.groups.settle(ctx, e.id, &e.Endpoint, false); err != nil {
					return err
				}
				n++
			}
		}
		return a.groups.count(ctx)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func asEndpoints(keys []inventory.EndpointKey) []inventory.Endpoint {
	es := make([]inventory.Endpoint, len(keys))
	for i := range keys {
		es[i].EndpointKey = keys[i]
	}
	return es
}

// editFacts takes over only what may change.
func editFacts(e *inventory.Endpoint, edit func(*inventory.Endpoint) (bool, error)) (bool, error) {
	c := *e
	c.Params, c.Traffic = nil, nil
	changed, err := edit(&c)
	if err != nil || !changed {
		return false, err
	}
	e.Description, e.AccessTypes = c.Description, slices.Compact(slices.Sorted(slices.Values(c.AccessTypes)))
	if !slices.EqualFunc(e.AuthTypes, c.AuthTypes, slices.Equal) {
		e.AuthTypes, e.AuthSeen = slices.SortedFunc(slices.Values(c.AuthTypes), slices.Compare), nil
	}
	return true, nil
}

// DeleteEndpoints removes endpoints, a few at a time.
func (s *store) DeleteEndpoints(ctx context.Context, keys []inventory.EndpointKey) (int, error) {
	total := 0
	for part := range slices.Chunk(keys, chunk) {
		n := 0
		err := s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			n = 0
			a := applier{statements: s.db.stmts.within(ctx, tx), account: s.account}
			var err error
			if a.groups, err = s.grouper(ctx, tx); err != nil {
				return err
			}
			if err := a.load(ctx, asEndpoints(part)); err != nil {
				return err
			}
			for i := range part {
				e := &a.stored[i]
				if e.id == 0 || slices.Contains(part[:i], part[i]) {
					continue
				}
				n++
				if err := a.deleteOne(ctx, tx, e); err != nil {
					return err
				}
			}
			if n == 0 {
				return nil
			}
			if err := a.groups.count(ctx); err != nil {
				return err
			}
			return s.changed(ctx, tx)
		})
		if err != nil {
			return total, fmt.Errorf("delete endpoints: %w", err)
		}
		total += n
	}
	return total, nil
}

func (a *applier) deleteOne(ctx context.Context, tx *sql.Tx, e *storedEndpoint) error {
	if err := a.deleteRows(ctx, tx, e, true); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM sensitive_params WHERE account = ? AND collection = ? AND url = ? AND method = ?`,
		a.account, e.Collection, e.URL, e.Method); err != nil {
		return err
	}
	_, err := a.countURL.ExecContext(ctx, -1, a.account, e.Collection)
	return err
}
