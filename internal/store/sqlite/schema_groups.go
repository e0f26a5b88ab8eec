package sqlite

import (
	"context"
	"database/sql"
)

// createGroups makes the tables of API groups. members is read both ways: which
// endpoints a group has, which groups an endpoint is in. regroup has the groups and
// collections whose endpoints are still to be looked through; next is the row id up
// to which that was done.
func createGroups(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `
ALTER TABLE collections ADD COLUMN conditions TEXT NOT NULL DEFAULT '';
CREATE INDEX collections_groups ON collections (account, id) WHERE type = 'API_GROUP';

CREATE TABLE members (
	account INTEGER NOT NULL,
	grp INTEGER NOT NULL,
	endpoint INTEGER NOT NULL,
	PRIMARY KEY (account, grp, endpoint)
) WITHOUT ROWID;
CREATE INDEX members_endpoint ON members (endpoint, grp);

CREATE TABLE regroup (
	account INTEGER NOT NULL,
	id INTEGER NOT NULL,
	next INTEGER NOT NULL,
	PRIMARY KEY (account, id)
) WITHOUT ROWID;
`)
	return err
}
