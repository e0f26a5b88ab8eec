package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"harken/inventory"
	"harken/inventory/fault"
)

// groupsOf reads the groups of an endpoint e; parseGroups understands it.
const groupsOf = `(SELECT group_concat(m.grp) FROM members m WHERE m.endpoint = e.id)`

func parseGroups(s string) []int32 {
	if s == "" {
		return nil
	}
	var ids []int32
	for part := range strings.SplitSeq(s, ",") {
		id, err := strconv.ParseInt(part, 10, 32)
		if err == nil { // the column has integers only
			ids = append(ids, int32(id))
		}
	}
	slices.Sort(ids)
	return ids
}

// groupDoc is what the column conditions holds; it is empty for what is no group.
type groupDoc struct {
	Conditions []inventory.Condition `json:"conditions"`
	Within     []int32               `json:"within"` // null is everywhere
}

func conditionsText(c *inventory.Collection) string {
	if c.Conditions == nil && c.Within == nil {
		return ""
	}
	b, err := json.Marshal(groupDoc{c.Conditions, c.Within})
	if err != nil {
		panic(err) // strings and numbers have a JSON form
	}
	return string(b)
}

func parseConditions(text string, c *inventory.Collection) error {
	if text == "" {
		return nil
	}
	var doc groupDoc
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return fmt.Errorf("conditions of collection %d: %w", c.ID, err)
	}
	c.Conditions, c.Within = doc.Conditions, doc.Within
	return nil
}

func (s *store) isGroup(ctx context.Context, id int32) (bool, error) {
	n := 0
	err := s.db.stmts.isGroup.QueryRowContext(context.WithoutCancel(ctx), s.account, id).Scan(&n)
	return n > 0, err
}

// among is a condition on endpoints e: that they are of one of collections, nil
// being all, or in one of the groups among these. It appends its arguments to args.
func (s *store) among(ctx context.Context, collections []int32, args []any) (string, []any, error) {
	if collections == nil {
		return "", args, nil
	}
	var groups int
	if err := s.db.r.QueryRowContext(ctx, `SELECT count(*) FROM collections WHERE account = ? AND type = 'API_GROUP'
		AND id IN (SELECT value FROM json_each(?))`, s.account, jsonList(collections)).Scan(&groups); err != nil {
		return "", args, err
	}
	args = append(args, jsonList(collections))
	if groups == 0 {
		return ` AND e.collection IN (SELECT value FROM json_each(?))`, args, nil
	}
	args = append(args, s.account, jsonList(collections))
	return ` AND (e.collection IN (SELECT value FROM json_each(?)) OR e.id IN
		(SELECT endpoint FROM members WHERE account = ? AND grp IN (SELECT value FROM json_each(?))))`, args, nil
}

// insertNew stores a collection that is new; there are MaxGroups groups at most.
func (s *store) insertNew(ctx context.Context, tx *sql.Tx, c *inventory.Collection) error {
	if c.Type != inventory.TypeGroup {
		return s.insert(ctx, tx, c)
	}
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM collections WHERE account = ? AND type = 'API_GROUP'`, s.account).Scan(&n); err != nil {
		return err
	}
	if n >= inventory.MaxGroups {
		return fault.New(fault.Invalid, "there are %d groups already, which is the most", n)
	}
	if err := s.insert(ctx, tx, c); err != nil {
		return err
	}
	if err := s.note(ctx, tx, c.ID); err != nil {
		return err
	}
	return s.changed(ctx, tx)
}

// A group is one group of an account, ready to choose.
type group struct {
	id       int32
	selector *inventory.Selector
	col      inventory.Collection
}

// knownGroups are the groups of an account as of a version of its configuration.
type knownGroups struct {
	version int64
	groups  []group
}

// A grouper keeps members true in one transaction. A nil one is that of an account
// without groups: it does nothing.
type grouper struct {
	s      *store
	tx     *sql.Tx
	groups []group
	cols   map[int32]*inventory.Collection
	counts map[int32]int // members gained
	add    *sql.Stmt
}

func (s *store) newGrouper(tx *sql.Tx, groups []group) *grouper {
	if len(groups) == 0 {
		return nil
	}
	return &grouper{s: s, tx: tx, groups: groups, cols: map[int32]*inventory.Collection{}, counts: map[int32]int{}}
}

// grouper reads the groups of the account.
func (s *store) grouper(ctx context.Context, tx *sql.Tx) (*grouper, error) {
	groups, err := s.readGroups(ctx, tx)
	return s.newGrouper(tx, groups), err
}

// knownGrouper is grouper for a transaction that changes no configuration: it
// remembers the groups from one to the next.
func (s *store) knownGrouper(ctx context.Context, tx *sql.Tx, stmts *statements) (*grouper, error) {
	var version int64
	if err := stmts.version.QueryRowContext(ctx, s.account).Scan(&version); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	s.db.mu.Lock()
	known, ok := s.db.groups[s.account]
	s.db.mu.Unlock()
	if ok && known.version == version {
		return s.newGrouper(tx, known.groups), nil
	}
	groups, err := s.readGroups(ctx, tx)
	if err != nil {
		return nil, err
	}
	s.db.mu.Lock()
	s.db.groups[s.account] = knownGroups{version, groups}
	s.db.mu.Unlock()
	return s.newGrouper(tx, groups), nil
}

func (s *store) readGroups(ctx context.Context, tx *sql.Tx) ([]group, error) {
	rows, err := tx.StmtContext(ctx, s.db.points.groups).QueryContext(ctx, s.account)
	if err != nil {
		return nil, fmt.Errorf("read groups: %w", err)
	}
	defer rows.Close()
	var all []group
	for rows.Next() {
		c, err := scanCollection(rows)
		if err != nil {
			return nil, fmt.Errorf("read groups: %w", err)
		}
		all = append(all, newGroup(&c))
	}
	return all, rows.Err()
}

// newGroup makes a group choose. Conditions that this version does not understand,
// which can only be those of a newer one, choose nothing: learning goes on.
func newGroup(c *inventory.Collection) group {
	sel, err := inventory.NewSelector(c.Conditions, c.Within)
	if err != nil {
		sel = &inventory.Selector{}
	}
	return group{c.ID, sel, *c}
}

// collection reads a collection once.
func (g *grouper) collection(ctx context.Context, id int32) (*inventory.Collection, error) {
	if c := g.cols[id]; c != nil {
		return c, nil
	}
	c, there, err := g.s.in(ctx, g.tx, `id = ?`, id)
	if err != nil {
		return nil, err
	}
	if !there {
		c = inventory.Collection{ID: id, Deactivated: true} // its endpoints are about to go
	}
	g.cols[id] = &c
	return &c, nil
}

// settle makes an endpoint a member of the groups that choose it and of no other.
func (g *grouper) settle(ctx context.Context, id int64, e *inventory.Endpoint, fresh bool) error {
	if g == nil {
		return nil
	}
	col, err := g.collection(ctx, e.Collection)
	if err != nil {
		return err
	}
	var have []int32
	if !fresh {
		if have, err = g.groupsOf(ctx, id); err != nil {
			return err
		}
	}
	for i := range g.groups {
		was := slices.Contains(have, g.groups[i].id)
		if err := g.move(ctx, g.groups[i].id, id, was, g.groups[i].selector.Selects(e, col)); err != nil {
			return err
		}
	}
	return nil
}

func (g *grouper) groupsOf(ctx context.Context, endpoint int64) ([]int32, error) {
	var text sql.NullString
	err := g.tx.QueryRowContext(ctx, `SELECT group_concat(grp) FROM members WHERE endpoint = ?`, endpoint).Scan(&text)
	return parseGroups(text.String), err
}

// move lets an endpoint in or out.
func (g *grouper) move(ctx context.Context, group int32, endpoint int64, was, is bool) error {
	switch {
	case was == is:
		return nil
	case is:
		g.counts[group]++
		if g.add == nil {
			g.add = g.tx.StmtContext(ctx, g.s.db.stmts.addMember)
		}
		_, err := g.add.ExecContext(ctx, g.s.account, group, endpoint)
		return err
	default:
		g.counts[group]--
		_, err := g.tx.ExecContext(ctx, `DELETE FROM members WHERE account = ? AND grp = ? AND endpoint = ?`, g.s.account, group, endpoint)
		return err
	}
}

// leave takes an endpoint out of all groups.
func (g *grouper) leave(ctx context.Context, endpoint int64) error {
	if g == nil {
		return nil
	}
	have, err := g.groupsOf(ctx, endpoint)
	for _, id := range have {
		err = errors.Join(err, g.move(ctx, id, endpoint, true, false))
	}
	return err
}

// count stores by how much groups grew.
func (g *grouper) count(ctx context.Context) error {
	if g == nil {
		return nil
	}
	for id, n := range g.counts {
		if n == 0 {
			continue
		}
		if _, err := g.tx.ExecContext(ctx, `UPDATE collections SET urls = max(0, urls + ?) WHERE account = ? AND id = ?`, n, g.s.account, id); err != nil {
			return err
		}
	}
	clear(g.counts)
	return nil
}

// replace puts a template in the place of the URLs that it takes over, in lists.
func (g *grouper) replace(ctx context.Context, a *inventory.Absorption) error {
	if g == nil {
		return nil
	}
	taken := make(map[string]bool, len(a.URLs))
	for _, u := range a.URLs {
		taken[u] = u != a.Template
	}
	by := inventory.EndpointKey{Collection: a.Collection, URL: a.Template, Method: a.Method}
	return g.rewrite(ctx, func(c *inventory.Collection) bool {
		var changed bool
		c.Conditions, changed = inventory.Replace(c.Conditions, func(k inventory.EndpointKey) bool {
			return k.Collection == a.Collection && k.Method == a.Method && taken[k.URL]
		}, &by)
		return changed
	})
}

// forget takes a collection that is no more out of lists and bounds.
func (g *grouper) forget(ctx context.Context, id int32) error {
	if g == nil {
		return nil
	}
	return g.rewrite(ctx, func(c *inventory.Collection) bool {
		var changed bool
		c.Conditions, changed = inventory.Replace(c.Conditions, func(k inventory.EndpointKey) bool { return k.Collection == id }, nil)
		if slices.Contains(c.Within, id) {
			changed = true
			c.Within = slices.DeleteFunc(append([]int32{}, c.Within...), func(o int32) bool { return o == id })
		}
		return changed
	})
}

// rewrite changes conditions of groups without a change of who is in them.
func (g *grouper) rewrite(ctx context.Context, edit func(*inventory.Collection) bool) error {
	changed := false
	for i := range g.groups {
		c := g.groups[i].col
		if !edit(&c) {
			continue
		}
		changed = true
		if _, err := g.tx.ExecContext(ctx, `UPDATE collections SET conditions = ? WHERE account = ? AND id = ?`, conditionsText(&c), g.s.account, c.ID); err != nil {
			return err
		}
		g.groups[i] = newGroup(&c)
	}
	if !changed {
		return nil
	}
	return g.s.changed(ctx, g.tx)
}
