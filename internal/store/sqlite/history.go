package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"harken/inventory"
)

// Changes returns a page of changes, newest first.
func (s *store) Changes(ctx context.Context, f inventory.ChangeFilter, skip, limit int) ([]inventory.Change, int, error) {
	from := ` FROM changes c JOIN endpoints e ON e.id = c.endpoint WHERE c.account = ?`
	args := []any{s.account}
	add := func(cond string, arg any) {
		from += " AND " + cond
		args = append(args, arg)
	}
	among, args, err := s.among(ctx, f.Collections, args)
	if err != nil {
		return nil, 0, fmt.Errorf("list changes: %w", err)
	}
	from += among
	if f.URL != "" {
		add(`e.url = ?`, f.URL)
	}
	if f.Method != "" {
		add(`e.method = ?`, strings.ToUpper(f.Method))
	}
	if len(f.Kinds) > 0 {
		add(`c.kind IN (SELECT value FROM json_each(?))`, jsonList(f.Kinds))
	}
	if f.From != 0 {
		add(`c.time >= ?`, f.From)
	}
	if f.To != 0 {
		add(`c.time < ?`, f.To)
	}
	var total int
	if err := s.db.r.QueryRowContext(ctx, `SELECT count(*)`+from, args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count changes: %w", err)
	}
	rows, err := s.db.r.QueryContext(ctx, `SELECT c.collection, e.url, e.method, c.time, c.kind, c.detail`+from+
		` ORDER BY c.time DESC, c.endpoint, c.kind, c.detail LIMIT ? OFFSET ?`, append(args, max(0, limit), max(0, skip))...)
	if err != nil {
		return nil, 0, fmt.Errorf("list changes: %w", err)
	}
	defer rows.Close()
	var page []inventory.Change
	for rows.Next() {
		var c inventory.Change
		if err := rows.Scan(&c.Collection, &c.URL, &c.Method, &c.Time, &c.Kind, &c.Detail); err != nil {
			return nil, 0, fmt.Errorf("list changes: %w", err)
		}
		page = append(page, c)
	}
	return page, total, rows.Err()
}

// Traffic returns the counts of one endpoint.
func (s *store) Traffic(ctx context.Context, k inventory.EndpointKey) ([]inventory.TrafficCount, error) {
	e, err := s.Endpoint(ctx, k)
	return e.Traffic, err
}

// CollectionTraffic adds up the counts of collections.
func (s *store) CollectionTraffic(ctx context.Context, collections []int32) ([]inventory.TrafficCount, error) {
	among, args, err := s.among(ctx, collections, []any{s.account})
	if err != nil {
		return nil, fmt.Errorf("sum traffic: %w", err)
	}
	query := `SELECT traffic FROM endpoints e WHERE account = ? AND traffic IS NOT NULL`
	query += among //nolint:gosec // one of two constants
	rows, err := s.db.r.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("sum traffic: %w", err)
	}
	defer rows.Close()
	var sum []inventory.TrafficCount
	var data sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&data); err != nil {
			return nil, fmt.Errorf("sum traffic: %w", err)
		}
		one, err := inventory.ParseTraffic(data)
		if err != nil {
			return nil, fmt.Errorf("sum traffic: %w", err)
		}
		sum = inventory.MergeTraffic(sum, one)
	}
	return sum, rows.Err()
}

// Drops returns what was dropped by host.
func (s *store) Drops(ctx context.Context) ([]inventory.Drop, error) {
	rows, err := s.db.r.QueryContext(ctx, `SELECT rule, host, records, last, example FROM drops WHERE account = ?
		ORDER BY records DESC, rule, host`, s.account)
	if err != nil {
		return nil, fmt.Errorf("list drops: %w", err)
	}
	defer rows.Close()
	var all []inventory.Drop
	for rows.Next() {
		var d inventory.Drop
		if err := rows.Scan(&d.Rule, &d.Host, &d.Count, &d.Last, &d.Example); err != nil {
			return nil, fmt.Errorf("list drops: %w", err)
		}
		all = append(all, d)
	}
	return all, rows.Err()
}

// compactChunk is how many rows one transaction of Compact removes.
const compactChunk = 500

// Compact removes what the settings of accounts keep no longer.
func (db *DB) Compact(ctx context.Context, now int64) error {
	accounts, err := db.accounts(ctx)
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	for _, id := range accounts {
		s := &store{db: db, account: id}
		settings, err := s.Settings(ctx)
		if err != nil {
			return fmt.Errorf("compact: %w", err)
		}
		if err := s.compactFiles(ctx, now); err != nil {
			return fmt.Errorf("compact files: %w", err)
		}
		if err := s.compactChanges(ctx, settings.ChangesFrom(time.Unix(now, 0))); err != nil {
			return fmt.Errorf("compact changes: %w", err)
		}
		if err := s.compactAudit(ctx, now); err != nil {
			return fmt.Errorf("compact audit rows: %w", err)
		}
		if settings.SampleDays > 0 || settings.KeptSamples() < inventory.MaxSamples {
			if err := s.compactSamples(ctx, &settings, now); err != nil {
				return fmt.Errorf("compact samples: %w", err)
			}
		}
	}
	return nil
}

func (db *DB) accounts(ctx context.Context) ([]int32, error) {
	rows, err := db.r.QueryContext(ctx, `SELECT DISTINCT account FROM collections`)
	if err != nil {
		return nil, err
	}
	return scanIDs(rows)
}

func (s *store) compactFiles(ctx context.Context, now int64) error {
	old, err := s.ids(ctx, `SELECT seq FROM files WHERE account = ? AND uploaded < ? LIMIT ?`, s.account, filesFrom(now), compactChunk)
	if err != nil || len(old) == 0 {
		return err
	}
	return s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM files WHERE seq IN (SELECT value FROM json_each(?))`, jsonList(old))
		return err
	})
}

func (s *store) compactChanges(ctx context.Context, from int64) error {
	for {
		var n int64
		err := s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			r, err := tx.ExecContext(ctx, `DELETE FROM changes WHERE (endpoint, kind, detail) IN
				(SELECT endpoint, kind, detail FROM changes WHERE account = ? AND time < ? LIMIT ?)`, s.account, from, compactChunk)
			if err != nil {
				return err
			}
			n, err = r.RowsAffected()
			return err
		})
		if err != nil || n < compactChunk {
			return err
		}
	}
}

// compactSamples looks for old samples on a reading connection.
func (s *store) compactSamples(ctx context.Context, settings *inventory.Settings, now int64) error {
	from := int64(-1) << 62
	if settings.SampleDays > 0 {
		from = time.Unix(now, 0).AddDate(0, 0, -settings.SampleDays).Unix()
	}
	for _, q := range [...]struct{ find, remove string }{
		{
			`SELECT s.id FROM samples s CROSS JOIN endpoints e ON e.id = s.id >> 4
			WHERE s.id > ? AND e.account = ? AND (s.time < ? OR s.seq < e.sampled - ?) ORDER BY s.id LIMIT ?`,
			`DELETE FROM samples WHERE id IN (SELECT value FROM json_each(?)) AND EXISTS
			(SELECT 1 FROM endpoints e WHERE e.id = samples.id >> 4 AND (samples.time < ? OR samples.seq < e.sampled - ?))`,
		},
		{
			`SELECT s.rowid FROM sensitive_samples s CROSS JOIN endpoints e ON e.id = s.endpoint
			WHERE s.rowid > ? AND e.account = ? AND s.time < ? AND ? ORDER BY s.rowid LIMIT ?`,
			`DELETE FROM sensitive_samples WHERE rowid IN (SELECT value FROM json_each(?)) AND time < ? AND ?`,
		},
	} {
		for above := int64(-1); ; {
			ids, err := s.ids(ctx, q.find, above, s.account, from, settings.KeptSamples(), compactChunk)
			if err != nil {
				return err
			}
			if len(ids) == 0 {
				break
			}
			if err := s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
				// Checked again: a slot may hold a newer sample by now.
				_, err := tx.ExecContext(ctx, q.remove, jsonList(ids), from, settings.KeptSamples())
				return err
			}); err != nil {
				return err
			}
			above = slices.Max(ids)
		}
	}
	return nil
}

func (s *store) ids(ctx context.Context, query string, args ...any) ([]int64, error) {
	rows, err := s.db.r.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
