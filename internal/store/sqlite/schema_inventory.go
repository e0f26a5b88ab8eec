package sqlite

import (
	"context"
	"database/sql"
)

// createInventory makes the tables of what was learned. An endpoint is one row:
// facts is what listings show, params the rest, so that a listing reads no
// params. The id of a sample is endpoint<<4 | slot of a ring. param_types leads
// from the types that people look for to the endpoints that have them.
func createInventory(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `
CREATE TABLE collections (
	account INTEGER NOT NULL,
	id INTEGER NOT NULL,
	name TEXT NOT NULL,
	host TEXT,
	display TEXT NOT NULL,
	vxlan INTEGER NOT NULL,
	description TEXT NOT NULL,
	start_ts INTEGER NOT NULL,
	redact INTEGER NOT NULL,
	samples_dropped INTEGER NOT NULL,
	deactivated INTEGER NOT NULL,
	out_of_scope INTEGER NOT NULL,
	automated INTEGER NOT NULL,
	type TEXT NOT NULL,
	tags TEXT NOT NULL,
	access_type TEXT NOT NULL,
	urls INTEGER NOT NULL,
	PRIMARY KEY (account, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX collections_host ON collections (account, host) WHERE host IS NOT NULL;
CREATE INDEX collections_display ON collections (account, display);

CREATE TABLE endpoints (
	id INTEGER PRIMARY KEY,
	account INTEGER NOT NULL,
	collection INTEGER NOT NULL,
	url TEXT NOT NULL,
	method TEXT NOT NULL,
	count INTEGER NOT NULL,
	discovered INTEGER NOT NULL,
	last_seen INTEGER NOT NULL,
	sampled INTEGER NOT NULL,
	facts BLOB NOT NULL,
	params BLOB NOT NULL
);
CREATE UNIQUE INDEX endpoints_key ON endpoints (account, collection, url, method);

CREATE TABLE param_types (
	account INTEGER NOT NULL,
	type TEXT NOT NULL,
	collection INTEGER NOT NULL,
	endpoint INTEGER NOT NULL,
	PRIMARY KEY (account, type, collection, endpoint)
) WITHOUT ROWID;

CREATE TABLE samples (
	id INTEGER PRIMARY KEY,
	seq INTEGER NOT NULL,
	time INTEGER NOT NULL,
	record BLOB NOT NULL,
	source TEXT NOT NULL,
	data BLOB NOT NULL
);

CREATE TABLE marks (
	log TEXT NOT NULL,
	part TEXT NOT NULL,
	seq INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	PRIMARY KEY (log, part)
) WITHOUT ROWID;

CREATE TABLE dropped (
	account INTEGER NOT NULL,
	rule TEXT NOT NULL,
	records INTEGER NOT NULL,
	PRIMARY KEY (account, rule)
) WITHOUT ROWID;
`)
	return err
}
