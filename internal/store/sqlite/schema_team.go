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
