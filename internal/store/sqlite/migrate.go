package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// migrations are run once each, in order; their number is user_version. A
// migration that was released is never changed.
func migrations() []func(context.Context, *sql.Tx) error {
	return []func(context.Context, *sql.Tx) error{
		createInventory,
		createAuth,
		createHistory,
		createJobs,
		createOperation,
		createInvitations,
		createIdentity,
		createTeam,
		createGroups,
		createFiles,
		createVersions,
		shardMarks,
		replaceRefresh,
		packSamples,
	}
}

func migrate(ctx context.Context, db *sql.DB) error {
	var have int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return err
	}
	all := migrations()
	if have > len(all) {
		return fmt.Errorf("the file is of a newer version (%d) than this program (%d)", have, len(all))
	}
	for i := have; i < len(all); i++ {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if err := all[i](ctx, tx); err != nil {
			return fmt.Errorf("step %d: %w", i+1, joinRollback(err, tx))
		}
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", i+1)); err != nil {
			return joinRollback(err, tx)
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

func joinRollback(err error, tx *sql.Tx) error {
	if rerr := tx.Rollback(); rerr != nil {
		return fmt.Errorf("%w (and rollback: %w)", err, rerr)
	}
	return err
}
