package sqlite

import (
	"context"
	"database/sql"
)

// createFiles makes the tables of what was uploaded, as it was, and of when the
// plugins of users last sent anything.
func createFiles(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `
CREATE TABLE files (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	account INTEGER NOT NULL,
	id TEXT NOT NULL UNIQUE,
	type TEXT NOT NULL,
	uploaded INTEGER NOT NULL,
	collection INTEGER NOT NULL,
	bytes INTEGER NOT NULL,
	data BLOB NOT NULL
);
CREATE INDEX files_collection ON files (account, collection);

CREATE TABLE auth_plugins (
	account INTEGER NOT NULL,
	user INTEGER NOT NULL,
	last_data INTEGER NOT NULL,
	PRIMARY KEY (account, user)
) WITHOUT ROWID;
`)
	return err
}
