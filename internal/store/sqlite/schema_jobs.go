package sqlite

import (
	"context"
	"database/sql"
)

// createJobs makes the table of background jobs. What a start of the program reads
// is the partial index of open jobs, however many are finished.
func createJobs(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `
CREATE TABLE jobs (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	account INTEGER NOT NULL,
	kind TEXT NOT NULL,
	state TEXT NOT NULL,
	args TEXT NOT NULL,
	queued INTEGER NOT NULL,
	started INTEGER NOT NULL,
	finished INTEGER NOT NULL,
	tries INTEGER NOT NULL,
	error TEXT NOT NULL
) STRICT;
CREATE INDEX jobs_account ON jobs (account, id);
CREATE INDEX jobs_open ON jobs (state, account, kind) WHERE finished = 0;
CREATE INDEX jobs_finished ON jobs (finished) WHERE finished <> 0;
`)
	return err
}
