package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"harken/inventory"
	"harken/inventory/fault"
)

const selectCollections = `SELECT id, name, host, vxlan, description, start_ts, redact, samples_dropped, deactivated,
	out_of_scope, automated, type, tags, access_type, conditions, urls FROM collections WHERE account = ?`

// A store is the data of one account.
type store struct {
	db      *DB
	account int32
}

type scanner interface{ Scan(dest ...any) error }

func scanCollection(row scanner) (inventory.Collection, error) {
	var c inventory.Collection
	var host sql.NullString
	var tags, conditions string
	err := row.Scan(&c.ID, &c.Name, &host, &c.VxlanID, &c.Description, &c.StartTS, &c.Redact, &c.SampleCollectionsDropped,
		&c.Deactivated, &c.OutOfTestingScope, &c.Automated, &c.Type, &tags, &c.AccessType, &conditions, &c.URLsCount)
	if err != nil {
		return inventory.Collection{}, err
	}
	c.HostName = host.String
	if tags != "" {
		if err := json.Unmarshal([]byte(tags), &c.Tags); err != nil {
			return inventory.Collection{}, fmt.Errorf("tags of collection %d: %w", c.ID, err)
		}
	}
	return c, parseConditions(conditions, &c)
}

// seed makes collection 0 when an account is first touched by this process.
func (s *store) seed(ctx context.Context) error {
	s.db.mu.Lock()
	done := s.db.seeded[s.account]
	s.db.mu.Unlock()
	if done {
		return nil
	}
	c := inventory.Collection{Name: inventory.DefaultCollection, StartTS: s.db.now().Unix()}
	if err := s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error { return s.insert(ctx, tx, &c) }); err != nil {
		return fmt.Errorf("make the default collection: %w", err)
	}
	s.db.mu.Lock()
	s.db.seeded[s.account] = true
	s.db.mu.Unlock()
	return nil
}

// insertCollection leaves a collection alone that is there.
const insertCollection = `INSERT OR IGNORE INTO collections (account, id, name, host, display, vxlan, description, start_ts,
	redact, samples_dropped, deactivated, out_of_scope, automated, type, tags, access_type, conditions, urls)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`

// insert stores a collection unless its id is taken.
func (s *store) insert(ctx context.Context, tx *sql.Tx, c *inventory.Collection) error {
	host := sql.NullString{String: c.HostName, Valid: c.HostName != ""}
	_, err := tx.ExecContext(ctx, insertCollection,
		s.account, c.ID, c.Name, host, strings.ToLower(c.DisplayName()), c.VxlanID, c.Description, c.StartTS,
		c.Redact, c.SampleCollectionsDropped, c.Deactivated, c.OutOfTestingScope, c.Automated, c.Type, tagsText(c), c.AccessType, conditionsText(c))
	return err
}

// Collections returns all, by id.
func (s *store) Collections(ctx context.Context) ([]inventory.Collection, error) {
	if err := s.seed(ctx); err != nil {
		return nil, err
	}
	rows, err := s.db.points.allCollections.QueryContext(ctx, s.account)
	if err != nil {
		return nil, fmt.Errorf("list collections: %w", err)
	}
	defer rows.Close()
	var all []inventory.Collection
	for rows.Next() {
		c, err := scanCollection(rows)
		if err != nil {
			return nil, fmt.Errorf("list collections: %w", err)
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

// Collection returns one.
func (s *store) Collection(ctx context.Context, id int32) (inventory.Collection, error) {
	if err := s.seed(ctx); err != nil {
		return inventory.Collection{}, err
	}
	c, err := scanCollection(s.db.stmts.collection.QueryRowContext(context.WithoutCancel(ctx), s.account, id))
	if errors.Is(err, sql.ErrNoRows) {
		return c, fault.New(fault.NotFound, "collection %d does not exist", id)
	}
	return c, err
}

// AddCollection stores c under c.ID or the next free id above it.
func (s *store) AddCollection(ctx context.Context, c inventory.Collection) (inventory.Collection, error) {
	if err := s.seed(ctx); err != nil {
		return inventory.Collection{}, err
	}
	err := s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error { return s.add(ctx, tx, &c) })
	if err != nil {
		return inventory.Collection{}, err
	}
	return c, nil
}

func (s *store) add(ctx context.Context, tx *sql.Tx, c *inventory.Collection) error {
	c.URLsCount = 0
	if display := c.DisplayName(); display != "" {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM collections WHERE account = ? AND display = ?`,
			s.account, strings.ToLower(display)).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return fault.New(fault.Conflict, "the collection name must be unique: there is a collection %q", display)
		}
	}
	for {
		_, taken, err := s.in(ctx, tx, `id = ?`, c.ID)
		if err != nil {
			return err
		}
		if !taken {
			return s.insertNew(ctx, tx, c)
		}
		if c.ID == math.MaxInt32 {
			return inventory.ErrNoFreeID
		}
		c.ID++
	}
}

// in reads one collection inside a writing transaction.
func (s *store) in(ctx context.Context, tx *sql.Tx, where string, arg any) (inventory.Collection, bool, error) {
	c, err := scanCollection(tx.QueryRowContext(ctx, selectCollections+` AND `+where, s.account, arg))
	if errors.Is(err, sql.ErrNoRows) {
		return c, false, nil
	}
	return c, err == nil, err
}

// HostCollection returns the collection of a host, made if there is none.
func (s *store) HostCollection(ctx context.Context, host string, now int64) (inventory.Collection, error) {
	if host == "" {
		return inventory.Collection{}, fault.New(fault.Invalid, "a host collection needs a host")
	}
	if err := s.seed(ctx); err != nil {
		return inventory.Collection{}, err
	}
	c, err := scanCollection(s.db.stmts.hostCollection.QueryRowContext(ctx, s.account, host))
	if !errors.Is(err, sql.ErrNoRows) {
		return c, err
	}
	err = s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var there bool
		var err error
		if c, there, err = s.in(ctx, tx, `host = ?`, host); err != nil || there {
			return err
		}
		hash := inventory.HashID(host)
		for n := range inventory.MaxProbes {
			id := inventory.ProbeID(hash, n)
			_, taken, err := s.in(ctx, tx, `id = ?`, id)
			if err != nil {
				return err
			}
			if !taken {
				c = inventory.Collection{ID: id, HostName: host, StartTS: now}
				return s.insert(ctx, tx, &c)
			}
		}
		return fmt.Errorf("host %q: %w", host, inventory.ErrNoFreeID)
	})
	if err != nil {
		return inventory.Collection{}, err
	}
	return c, nil
}

// EnsureCollection returns the collection with an id, made if there is none.
func (s *store) EnsureCollection(ctx context.Context, id int32, now int64) (inventory.Collection, error) {
	c, err := s.Collection(ctx, id)
	if k, _ := fault.Of(err); err == nil || k != fault.NotFound {
		return c, err
	}
	err = s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		c = inventory.Collection{ID: id, VxlanID: id, StartTS: now}
		return s.insert(ctx, tx, &c)
	})
	if err != nil {
		return inventory.Collection{}, err
	}
	return s.Collection(ctx, id)
}

// Dropped returns how many records filters dropped, by rule.
func (s *store) Dropped(ctx context.Context) (map[string]int64, error) {
	rows, err := s.db.r.QueryContext(ctx, `SELECT rule, records FROM dropped WHERE account = ?`, s.account)
	if err != nil {
		return nil, fmt.Errorf("read dropped: %w", err)
	}
	defer rows.Close()
	all := map[string]int64{}
	for rows.Next() {
		var rule string
		var n int64
		if err := rows.Scan(&rule, &n); err != nil {
			return nil, fmt.Errorf("read dropped: %w", err)
		}
		all[rule] = n
	}
	return all, rows.Err()
}
