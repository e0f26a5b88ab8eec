package sqlite

import (
	"context"
	"database/sql"
)

// createInvitations makes the table of pending invitations: one per account and
// e-mail address.
func createInvitations(ctx context.Context, tx *sql.Tx) error {
	for _, stmt := range []string{
		`CREATE TABLE auth_invitations (
			id TEXT PRIMARY KEY, account INTEGER NOT NULL REFERENCES auth_accounts(id) ON DELETE CASCADE,
			email TEXT NOT NULL COLLATE NOCASE, name TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
			issuer INTEGER NOT NULL REFERENCES auth_users(id) ON DELETE CASCADE,
			expiry INTEGER NOT NULL, role TEXT NOT NULL, scopes TEXT NOT NULL,
			UNIQUE (account, email)) STRICT, WITHOUT ROWID`,
	} {
		if _, err := tx.ExecContext(ctx, stmt); err != nil {
			return err
		}
	}
	return nil
}

// createTeam makes the table of custom roles, and the columns that restrict what
// people see. Lists are JSON: they are read whole, and searched only when a
// collection goes.
func createTeam(ctx context.Context, tx *sql.Tx) error {
	for _, stmt := range []string{
		`CREATE TABLE auth_roles (
			account INTEGER NOT NULL REFERENCES auth_accounts(id) ON DELETE CASCADE, name TEXT NOT NULL, base TEXT NOT NULL,
			collections TEXT NOT NULL, restricted INTEGER NOT NULL, features TEXT NOT NULL,
			default_invite INTEGER NOT NULL, threats INTEGER NOT NULL, PRIMARY KEY (account, name)) STRICT, WITHOUT ROWID`,
		`ALTER TABLE auth_grants ADD COLUMN restricted INTEGER NOT NULL DEFAULT 0`,
		`ALTER TABLE auth_invitations ADD COLUMN collections TEXT NOT NULL DEFAULT '[]'`,
		`ALTER TABLE auth_invitations ADD COLUMN restricted INTEGER NOT NULL DEFAULT 0`,
		`CREATE INDEX auth_members_account ON auth_members(account)`,
	} {
		if _, err := tx.ExecContext(ctx, stmt); err != nil {
			return err
		}
	}
	return nil
}
