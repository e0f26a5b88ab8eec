package sqlite

import (
	"context"
	"database/sql"
)

// createOperation makes the tables of who did what, of plans and their use, and of
// web push.
func createOperation(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `
CREATE TABLE audit (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	account INTEGER NOT NULL,
	time INTEGER NOT NULL,
	row TEXT NOT NULL
) STRICT;
CREATE INDEX audit_time ON audit (account, time, id);

CREATE TABLE usage (
	account INTEGER NOT NULL,
	metric TEXT NOT NULL,
	value INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	PRIMARY KEY (account, metric)
) STRICT, WITHOUT ROWID;

CREATE TABLE plans (
	organization TEXT PRIMARY KEY,
	plan TEXT NOT NULL,
	updated INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE overages (
	organization TEXT NOT NULL,
	label TEXT NOT NULL,
	since INTEGER NOT NULL,
	PRIMARY KEY (organization, label)
) STRICT, WITHOUT ROWID;

CREATE TABLE subscriptions (
	user INTEGER PRIMARY KEY REFERENCES auth_users(id) ON DELETE CASCADE,
	endpoint TEXT NOT NULL,
	auth BLOB NOT NULL,
	p256dh BLOB NOT NULL,
	created INTEGER NOT NULL
) STRICT;
`)
	return err
}
