package sqlite

import (
	"context"
	"database/sql"
)

// createAuth makes the tables of package auth. Grants are JSON in one column:
// they are read whole and never searched by what is in them.
func createAuth(ctx context.Context, tx *sql.Tx) error {
	for _, stmt := range []string{
		`CREATE TABLE auth_organizations (
			id TEXT PRIMARY KEY, name TEXT NOT NULL, admin_email TEXT NOT NULL) STRICT`,
		`CREATE TABLE auth_accounts (
			id INTEGER PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL,
			organization TEXT NOT NULL REFERENCES auth_organizations(id)) STRICT`,
		`CREATE TABLE auth_users (
			id INTEGER PRIMARY KEY, email TEXT NOT NULL COLLATE NOCASE UNIQUE, name TEXT NOT NULL,
			password TEXT NOT NULL, created INTEGER NOT NULL, last_login INTEGER NOT NULL DEFAULT 0) STRICT`,
		`CREATE TABLE auth_members (
			user INTEGER NOT NULL REFERENCES auth_users(id) ON DELETE CASCADE,
			account INTEGER NOT NULL REFERENCES auth_accounts(id) ON DELETE CASCADE,
			is_default INTEGER NOT NULL, PRIMARY KEY (user, account)) STRICT, WITHOUT ROWID`,
		`CREATE TABLE auth_grants (
			user INTEGER NOT NULL REFERENCES auth_users(id) ON DELETE CASCADE,
			account INTEGER NOT NULL REFERENCES auth_accounts(id) ON DELETE CASCADE,
			role TEXT NOT NULL, scopes TEXT NOT NULL, collections TEXT NOT NULL,
			PRIMARY KEY (user, account)) STRICT, WITHOUT ROWID`,
		`CREATE TABLE auth_keys (
			id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, prefix TEXT NOT NULL, name TEXT NOT NULL,
			account INTEGER NOT NULL REFERENCES auth_accounts(id) ON DELETE CASCADE,
			owner INTEGER NOT NULL REFERENCES auth_users(id) ON DELETE CASCADE,
			utility TEXT NOT NULL, created INTEGER NOT NULL) STRICT`,
		`CREATE INDEX auth_keys_account ON auth_keys(account)`,
		`CREATE TABLE auth_sessions (
			hash BLOB PRIMARY KEY,
			user INTEGER NOT NULL REFERENCES auth_users(id) ON DELETE CASCADE,
			account INTEGER NOT NULL, created INTEGER NOT NULL, last_used INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
		`CREATE INDEX auth_sessions_user ON auth_sessions(user)`,
		`CREATE INDEX auth_sessions_last_used ON auth_sessions(last_used)`,
	} {
		if _, err := tx.ExecContext(ctx, stmt); err != nil {
			return err
		}
	}
	return nil
}
