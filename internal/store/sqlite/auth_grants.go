package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"harken/admin/auth"
	"harken/inventory/fault"
)

// querier is what reads: *sql.DB and *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// list scans all rows of a query.
func list[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// readList reads a JSON list; an empty one is nil.
func readList[T any](text string, into *[]T) error {
	err := json.Unmarshal([]byte(text), into)
	if len(*into) == 0 {
		*into = nil
	}
	return err
}

// Grant returns what a user may do in an account.
func (db *DB) Grant(ctx context.Context, user, account int32) (auth.Grant, error) {
	return readGrant(ctx, db.r, user, account)
}

func readGrant(ctx context.Context, q querier, user, account int32) (auth.Grant, error) {
	g, err := scanGrant(q.QueryRowContext(ctx, `SELECT user, account, role, scopes, collections, restricted
		FROM auth_grants WHERE user = ? AND account = ?`, user, account))
	if errors.Is(err, sql.ErrNoRows) {
		return auth.Grant{User: user, Account: account}, fault.New(fault.NotFound, "the user has no entry in the account")
	}
	if err != nil {
		return g, fmt.Errorf("read grant: %w", err)
	}
	return g, nil
}

func scanGrant(row scanner) (auth.Grant, error) {
	var g auth.Grant
	var scopes, collections string
	if err := row.Scan(&g.User, &g.Account, &g.Role, &scopes, &collections, &g.Restricted); err != nil {
		return g, err
	}
	return g, errors.Join(json.Unmarshal([]byte(scopes), &g.Scopes), readList(collections, &g.Collections))
}

// PutGrant stores what a user may do in an account.
func (db *DB) PutGrant(ctx context.Context, g auth.Grant) error {
	return putGrant(ctx, db.w, &g)
}

func putGrant(ctx context.Context, q execer, g *auth.Grant) error {
	scopes, err := json.Marshal(g.Scopes)
	if err != nil {
		return fmt.Errorf("store grant: %w", err)
	}
	_, err = q.ExecContext(ctx, `INSERT INTO auth_grants (user, account, role, scopes, collections, restricted) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET role = excluded.role, scopes = excluded.scopes, collections = excluded.collections,
		restricted = excluded.restricted`,
		g.User, g.Account, g.Role, string(scopes), jsonList(g.Collections), g.Restricted)
	if err != nil {
		return fmt.Errorf("store grant: %w", err)
	}
	return nil
}
