package sqlite

import (
	"context"
	"database/sql"
)

// createHistory makes the tables of settings, of what happened when, and of what
// was dropped. Counts over time are packed into the row of their endpoint; samples
// of sensitive parameters are stored once per record, and sensitive_index says of
// which parameters they are samples.
func createHistory(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `
ALTER TABLE endpoints ADD COLUMN traffic BLOB;

CREATE TABLE config (
	account INTEGER PRIMARY KEY,
	version INTEGER NOT NULL,
	settings_version INTEGER NOT NULL,
	settings TEXT NOT NULL
);

CREATE TABLE definitions (
	pos INTEGER PRIMARY KEY AUTOINCREMENT,
	account INTEGER NOT NULL,
	kind TEXT NOT NULL,
	id TEXT NOT NULL,
	doc TEXT NOT NULL,
	updated INTEGER NOT NULL
);
CREATE UNIQUE INDEX definitions_key ON definitions (account, kind, id);

CREATE TABLE templates (
	account INTEGER NOT NULL,
	collection INTEGER NOT NULL,
	version INTEGER NOT NULL,
	due INTEGER NOT NULL,
	data BLOB,
	PRIMARY KEY (account, collection)
) WITHOUT ROWID;
CREATE INDEX templates_due ON templates (account, collection) WHERE due;

CREATE TABLE changes (
	endpoint INTEGER NOT NULL,
	kind TEXT NOT NULL,
	detail TEXT NOT NULL,
	account INTEGER NOT NULL,
	collection INTEGER NOT NULL,
	time INTEGER NOT NULL,
	PRIMARY KEY (endpoint, kind, detail)
) WITHOUT ROWID;
CREATE INDEX changes_time ON changes (account, time);

CREATE TABLE drops (
	account INTEGER NOT NULL,
	rule TEXT NOT NULL,
	host TEXT NOT NULL,
	records INTEGER NOT NULL,
	last INTEGER NOT NULL,
	example BLOB,
	PRIMARY KEY (account, rule, host)
);

CREATE TABLE sensitive_index (
	endpoint INTEGER PRIMARY KEY,
	next INTEGER NOT NULL,
	params TEXT NOT NULL
);

CREATE TABLE sensitive_samples (
	endpoint INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	time INTEGER NOT NULL,
	record BLOB NOT NULL,
	source TEXT NOT NULL,
	data BLOB NOT NULL,
	PRIMARY KEY (endpoint, seq)
);

CREATE TABLE sensitive_params (
	account INTEGER NOT NULL,
	collection INTEGER NOT NULL,
	url TEXT NOT NULL,
	method TEXT NOT NULL,
	code INTEGER NOT NULL,
	header INTEGER NOT NULL,
	param TEXT NOT NULL,
	sensitive INTEGER NOT NULL,
	PRIMARY KEY (account, collection, url, method, code, header, param)
) WITHOUT ROWID;
`)
	return err
}
