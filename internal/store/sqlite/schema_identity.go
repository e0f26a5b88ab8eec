package sqlite

import (
	"context"
	"database/sql"
)

// createIdentity makes the tables of sessions with tokens, of resets of passwords
// and of sealed values. Sessions of before have no name for tokens to go by: who
// was signed in signs in again.
func createIdentity(ctx context.Context, tx *sql.Tx) error {
	for _, stmt := range []string{
		`DROP TABLE auth_sessions`,
		`CREATE TABLE auth_sessions (
			sid TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE,
			user INTEGER NOT NULL REFERENCES auth_users(id) ON DELETE CASCADE,
			account INTEGER NOT NULL, address TEXT NOT NULL, created INTEGER NOT NULL,
			last_used INTEGER NOT NULL, keep_until INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
		`CREATE INDEX auth_sessions_user ON auth_sessions(user, address)`,
		`CREATE INDEX auth_sessions_last_used ON auth_sessions(last_used)`,
		`CREATE TABLE auth_refresh (
			id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE,
			user INTEGER NOT NULL REFERENCES auth_users(id) ON DELETE CASCADE,
			session TEXT NOT NULL REFERENCES auth_sessions(sid) ON DELETE CASCADE,
			created INTEGER NOT NULL, expires INTEGER NOT NULL) STRICT`,
		`CREATE INDEX auth_refresh_user ON auth_refresh(user)`,
		`CREATE INDEX auth_refresh_session ON auth_refresh(session)`,
		`CREATE TABLE auth_resets (
			user INTEGER NOT NULL REFERENCES auth_users(id) ON DELETE CASCADE,
			by_admin INTEGER NOT NULL, hash BLOB NOT NULL UNIQUE,
			created INTEGER NOT NULL, expires INTEGER NOT NULL,
			PRIMARY KEY (user, by_admin)) STRICT, WITHOUT ROWID`,
		`CREATE TABLE auth_secrets (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID`,
		`ALTER TABLE auth_users ADD COLUMN named INTEGER NOT NULL DEFAULT 0`,
		`ALTER TABLE auth_organizations ADD COLUMN named INTEGER NOT NULL DEFAULT 0`,
	} {
		if _, err := tx.ExecContext(ctx, stmt); err != nil {
			return err
		}
	}
	return nil
}

// replaceRefresh lets a refresh token have a successor, and remembers the one before.
func replaceRefresh(ctx context.Context, tx *sql.Tx) error {
	for _, stmt := range []string{
		`ALTER TABLE auth_refresh ADD COLUMN before BLOB`,
		`ALTER TABLE auth_refresh ADD COLUMN replaced INTEGER NOT NULL DEFAULT 0`,
		`CREATE INDEX auth_refresh_before ON auth_refresh(before) WHERE before IS NOT NULL`,
	} {
		if _, err := tx.ExecContext(ctx, stmt); err != nil {
			return err
		}
	}
	return nil
}
