package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"harken/admin/auth"
)

// OrganizationAccounts returns the accounts of an organization.
func (db *DB) OrganizationAccounts(ctx context.Context, organization string) ([]auth.Account, error) {
	rows, err := db.r.QueryContext(ctx, `SELECT id, name, created FROM auth_accounts WHERE organization = ? ORDER BY id`, organization)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	defer rows.Close()
	var all []auth.Account
	for rows.Next() {
		a := auth.Account{Organization: organization}
		if err := rows.Scan(&a.ID, &a.Name, &a.Created); err != nil {
			return nil, fmt.Errorf("list accounts: %w", err)
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

// Plan returns the plan of an organization.
func (db *DB) Plan(ctx context.Context, organization string) (string, error) {
	var plan string
	err := db.r.QueryRowContext(ctx, `SELECT plan FROM plans WHERE organization = ?`, organization).Scan(&plan)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return plan, err
}

// PutPlan stores the plan of an organization.
func (db *DB) PutPlan(ctx context.Context, organization, plan string, at int64) error {
	return db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO plans (organization, plan, updated) VALUES (?, ?, ?)`, organization, plan, at)
		return err
	})
}

// PutUsage stores rows of usage.
func (db *DB) PutUsage(ctx context.Context, rows []auth.Usage) error {
	return db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for i := range rows {
			u := &rows[i]
			if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO usage (account, metric, value, updated) VALUES (?, ?, ?, ?)`,
				u.Account, u.Metric, u.Value, u.Updated); err != nil {
				return err
			}
		}
		return nil
	})
}

// UsageOf returns the usage of an organization.
func (db *DB) UsageOf(ctx context.Context, organization string) ([]auth.Usage, error) {
	rows, err := db.r.QueryContext(ctx, `SELECT u.account, u.metric, u.value, u.updated FROM auth_accounts a
		JOIN usage u ON u.account = a.id WHERE a.organization = ? ORDER BY u.account, u.metric`, organization)
	if err != nil {
		return nil, fmt.Errorf("list usage: %w", err)
	}
	defer rows.Close()
	var all []auth.Usage
	for rows.Next() {
		var u auth.Usage
		if err := rows.Scan(&u.Account, &u.Metric, &u.Value, &u.Updated); err != nil {
			return nil, fmt.Errorf("list usage: %w", err)
		}
		all = append(all, u)
	}
	return all, rows.Err()
}

// Overage keeps since when a limit is exceeded. It writes only when that changes.
func (db *DB) Overage(ctx context.Context, organization, label string, over bool, at int64) (int64, error) {
	var since int64
	err := db.r.QueryRowContext(ctx, `SELECT since FROM overages WHERE organization = ? AND label = ?`, organization, label).Scan(&since)
	known := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	if known == over {
		return since, nil
	}
	query, args := `DELETE FROM overages WHERE organization = ? AND label = ?`, []any{organization, label}
	if over {
		query, args = `INSERT OR IGNORE INTO overages (organization, label, since) VALUES (?, ?, ?)`, append(args, at)
	} else {
		at = 0
	}
	return at, db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}
