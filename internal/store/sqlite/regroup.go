package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"harken/inventory"
)

// regroupChunk is how many endpoints one transaction of Regroup looks at.
const regroupChunk = 500

// Memberships returns the groups that an endpoint is in.
func (s *store) Memberships(ctx context.Context, k inventory.EndpointKey) ([]int32, error) {
	var groups sql.NullString
	err := s.db.r.QueryRowContext(ctx, `SELECT `+groupsOf+` FROM endpoints e WHERE account = ? AND collection = ? AND url = ? AND method = ?`,
		s.account, k.Collection, k.URL, k.Method).Scan(&groups)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read groups of %s %s: %w", k.Method, k.URL, err)
	}
	return parseGroups(groups.String), nil
}

// note has Regroup look through a group or a collection from its beginning.
func (s *store) note(ctx context.Context, tx *sql.Tx, id int32) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO regroup (account, id, next) VALUES (?, ?, 0) ON CONFLICT DO UPDATE SET next = 0`, s.account, id)
	return err
}

// noteEdit notes what an edit of a collection means for groups.
func (s *store) noteEdit(ctx context.Context, tx *sql.Tx, c, was *inventory.Collection) error {
	if c.Type == inventory.TypeGroup {
		if reflect.DeepEqual(c.Conditions, was.Conditions) && slices.Equal(c.Within, was.Within) && (c.Within == nil) == (was.Within == nil) {
			return nil
		}
		return s.note(ctx, tx, c.ID)
	}
	if c.Deactivated == was.Deactivated && slices.Equal(c.AllTags(), was.AllTags()) {
		return nil
	}
	_, err := tx.StmtContext(ctx, s.db.points.noteTags).ExecContext(ctx, s.account, c.ID)
	return err
}

// Recompute notes groups.
func (s *store) Recompute(ctx context.Context, groups []int32) error {
	err := s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO regroup (account, id, next) SELECT account, id, 0 FROM collections
			WHERE account = ? AND type = 'API_GROUP' AND id IN (SELECT value FROM json_each(?)) ON CONFLICT DO UPDATE SET next = 0`,
			s.account, jsonList(groups))
		return err
	})
	if err != nil {
		return fmt.Errorf("note groups: %w", err)
	}
	return nil
}

// Regroup settles what was noted of all accounts.
func (db *DB) Regroup(ctx context.Context) error {
	rows, err := db.r.QueryContext(ctx, `SELECT DISTINCT account FROM regroup`)
	if err != nil {
		return fmt.Errorf("list groups to settle: %w", err)
	}
	var accounts []int32
	for rows.Next() {
		var id int32
		if err := rows.Scan(&id); err != nil {
			return errors.Join(err, rows.Close())
		}
		accounts = append(accounts, id)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, id := range accounts {
		if err := (&store{db: db, account: id}).Regroup(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// Regroup settles what was noted.
func (s *store) Regroup(ctx context.Context, ids []int32) error {
	if ids == nil {
		noted, err := s.ids(ctx, `SELECT id FROM regroup WHERE account = ? ORDER BY id`, s.account)
		if err != nil {
			return fmt.Errorf("list groups to settle: %w", err)
		}
		for _, id := range noted {
			ids = append(ids, int32(id)) //nolint:gosec // ids of collections
		}
	}
	for _, id := range ids {
		for done := false; !done; {
			err := s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
				done, err = s.regroupSome(ctx, tx, id)
				return err
			})
			if err != nil {
				return fmt.Errorf("regroup %d: %w", id, err)
			}
		}
	}
	return nil
}

// regroupSome settles the next endpoints of what was noted of a group or a
// collection.
func (s *store) regroupSome(ctx context.Context, tx *sql.Tx, id int32) (done bool, err error) {
	var above int64
	err = tx.QueryRowContext(ctx, `SELECT next FROM regroup WHERE account = ? AND id = ?`, s.account, id).Scan(&above)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	g, err := s.grouper(ctx, tx)
	if err != nil {
		return false, err
	}
	var next int64
	switch at := g.find(id); {
	case g == nil:
	case at < 0:
		next, err = g.settleCollection(ctx, id, above)
	default:
		next, err = g.settleGroup(ctx, &g.groups[at], above)
	}
	if err != nil {
		return false, err
	}
	if err := g.count(ctx); err != nil {
		return false, err
	}
	if next == 0 {
		_, err = tx.ExecContext(ctx, `DELETE FROM regroup WHERE account = ? AND id = ?`, s.account, id)
		return true, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE regroup SET next = ? WHERE account = ? AND id = ?`, next, s.account, id)
	return false, err
}

func (g *grouper) find(id int32) int {
	if g == nil {
		return -1
	}
	return slices.IndexFunc(g.groups, func(o group) bool { return o.id == id })
}

// A candidate is an endpoint whose memberships are looked at.
type candidate struct {
	id     int64
	member bool // of the group that is looked at
	inventory.Endpoint
}

// candidates reads endpoints, without params: row id, key, facts, and whether they
// are members.
func (g *grouper) candidates(ctx context.Context, query string, args ...any) ([]candidate, error) {
	rows, err := g.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []candidate
	var facts sql.RawBytes
	for rows.Next() {
		var c candidate
		if err := rows.Scan(&c.id, &c.Collection, &c.URL, &c.Method, &facts, &c.member); err != nil {
			return nil, err
		}
		if err := inventory.ParseFacts(facts, &c.Endpoint); err != nil {
			return nil, fmt.Errorf("facts of %s %s: %w", c.Method, c.URL, err)
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

const selectCandidates = `SELECT e.id, e.collection, e.url, e.method, e.facts,
	EXISTS (SELECT 1 FROM members m WHERE m.account = e.account AND m.grp = ? AND m.endpoint = e.id) FROM `

// settleCollection settles endpoints of a collection whose row ids are above one,
// and returns the last of these, 0 at the end.
func (g *grouper) settleCollection(ctx context.Context, id int32, above int64) (int64, error) {
	all, err := g.candidates(ctx, selectCandidates+`endpoints e WHERE e.account = ? AND e.collection = ? AND e.id > ? ORDER BY e.id LIMIT ?`,
		id, g.s.account, id, above, regroupChunk)
	if err != nil {
		return 0, err
	}
	for i := range all {
		if err := g.settle(ctx, all[i].id, &all[i].Endpoint, false); err != nil {
			return 0, err
		}
	}
	return last(all), nil
}

func last(all []candidate) int64 {
	if len(all) < regroupChunk {
		return 0
	}
	return all[len(all)-1].id
}

// settleGroup is settleCollection for the members of one group. If it has those
// only that it lists, these and the present members are looked at, else all
// endpoints of the account.
func (g *grouper) settleGroup(ctx context.Context, gr *group, above int64) (int64, error) {
	var all []candidate
	var err error
	keys, only := gr.selector.Only()
	if only {
		all, err = g.candidates(ctx, selectCandidates+`(SELECT m.endpoint AS id FROM members m WHERE m.account = ? AND m.grp = ? UNION
			SELECT n.id FROM json_each(?) k CROSS JOIN endpoints n ON n.account = ? AND n.collection = k.value ->> 'apiCollectionId'
			AND n.url = k.value ->> 'url' AND n.method = k.value ->> 'method') c JOIN endpoints e ON e.id = c.id
			WHERE e.id > ? ORDER BY e.id LIMIT ?`,
			gr.id, g.s.account, gr.id, jsonList(keys), g.s.account, above, regroupChunk)
	} else {
		// By row id: the index of keys, which begins with the account, has another order.
		all, err = g.candidates(ctx, selectCandidates+`endpoints e WHERE +e.account = ? AND e.id > ? ORDER BY e.id LIMIT ?`,
			gr.id, g.s.account, above, regroupChunk)
	}
	if err != nil {
		return 0, err
	}
	for i := range all {
		col, err := g.collection(ctx, all[i].Collection)
		if err != nil {
			return 0, err
		}
		if err := g.move(ctx, gr.id, all[i].id, all[i].member, gr.selector.Selects(&all[i].Endpoint, col)); err != nil {
			return 0, err
		}
	}
	return last(all), nil
}
