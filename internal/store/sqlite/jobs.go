package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"harken/internal/job"
	"harken/inventory/fault"
)

var _ job.Store = (*DB)(nil)

const jobColumns = `id, account, kind, state, args, queued, started, finished, tries, error`

func scanJob(row interface{ Scan(dest ...any) error }) (job.Job, error) {
	var j job.Job
	var args string
	err := row.Scan(&j.ID, &j.Account, &j.Kind, &j.State, &args, &j.Queued, &j.Started, &j.Finished, &j.Tries, &j.Error)
	if args != "" {
		j.Args = []byte(args)
	}
	return j, err
}

// AddJob stores a job, unless the same one waits already.
func (db *DB) AddJob(ctx context.Context, j job.Job) (job.Job, error) {
	var out job.Job
	err := db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var err error
		out, err = scanJob(tx.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs
			WHERE finished = 0 AND state = 'QUEUED' AND account = ? AND kind = ? AND args = ? ORDER BY id LIMIT 1`, j.Account, j.Kind, string(j.Args)))
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM jobs WHERE finished = 0 AND state = 'QUEUED' AND account = ?`, j.Account).Scan(&n); err != nil {
			return err
		}
		if n >= job.MaxQueued {
			return fault.New(fault.Busy, "%d jobs of this account are waiting; try again later", n)
		}
		out, err = scanJob(tx.QueryRowContext(ctx, `INSERT INTO jobs (account, kind, state, args, queued, started, finished, tries, error)
			VALUES (?, ?, 'QUEUED', ?, ?, 0, 0, 0, '') RETURNING `+jobColumns, j.Account, j.Kind, string(j.Args), j.Queued))
		return err
	})
	if err != nil {
		return job.Job{}, err
	}
	return out, nil
}

// TakeJob makes the oldest job that may run Running.
func (db *DB) TakeJob(ctx context.Context, at int64) (job.Job, bool, error) {
	var out job.Job
	err := db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var err error
		out, err = scanJob(tx.QueryRowContext(ctx, `UPDATE jobs SET state = 'RUNNING', started = ?, tries = tries + 1 WHERE id =
			(SELECT min(j.id) FROM jobs j WHERE j.finished = 0 AND j.state = 'QUEUED' AND NOT EXISTS
				(SELECT 1 FROM jobs r WHERE r.finished = 0 AND r.state = 'RUNNING' AND r.account = j.account AND r.kind = j.kind))
			RETURNING `+jobColumns, at))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return job.Job{}, false, nil
	}
	return out, err == nil, err
}

// EndJob stores how a running job ended.
func (db *DB) EndJob(ctx context.Context, id int64, state job.State, at int64, text string) error {
	return db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		query, args := `UPDATE jobs SET state = ?, error = ?, finished = max(?, 1) WHERE id = ? AND state = 'RUNNING'`, []any{state, text, at, id}
		if state == job.Queued {
			query, args = `UPDATE jobs SET state = 'QUEUED', started = 0, tries = tries - 1 WHERE id = ? AND state = 'RUNNING'`, []any{id}
		}
		r, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fault.New(fault.NotFound, "no job %d is running", id))
		}
		return nil
	})
}

// RecoverJobs puts back what a former process left running.
func (db *DB) RecoverJobs(ctx context.Context, tries int, at int64, text string) error {
	return db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE jobs SET state = 'FAILED', finished = max(?, 1), error = ?
			WHERE finished = 0 AND state = 'RUNNING' AND tries >= ?`, at, text, tries); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE jobs SET state = 'QUEUED', started = 0 WHERE finished = 0 AND state = 'RUNNING'`)
		return err
	})
}

// PruneJobs removes old finished jobs, some at a time.
func (db *DB) PruneJobs(ctx context.Context, before int64) error {
	return db.deleteChunks(ctx, `DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE finished <> 0 AND finished < ? LIMIT ?)`, before)
}

// deleteChunks repeats a query whose last argument is how many rows it may remove,
// in a transaction each, until there is nothing left to remove.
func (db *DB) deleteChunks(ctx context.Context, query string, args ...any) error {
	args = append(args, compactChunk)
	for {
		var n int64
		err := db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			r, err := tx.ExecContext(ctx, query, args...)
			if err != nil {
				return err
			}
			n, err = r.RowsAffected()
			return err
		})
		if err != nil || n < compactChunk {
			return err
		}
	}
}

// Job returns one job.
func (db *DB) Job(ctx context.Context, account int32, id int64) (job.Job, error) {
	j, err := scanJob(db.r.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs WHERE id = ? AND account = ?`, id, account))
	if errors.Is(err, sql.ErrNoRows) {
		return job.Job{}, fault.New(fault.NotFound, "there is no job %d", id)
	}
	return j, err
}

// Jobs returns a page of jobs, newest first.
func (db *DB) Jobs(ctx context.Context, f job.Filter, skip, limit int) ([]job.Job, int, error) {
	var where strings.Builder
	where.WriteString(` FROM jobs WHERE account = ?`)
	args := []any{f.Account}
	if len(f.Kinds) > 0 {
		where.WriteString(` AND kind IN (SELECT value FROM json_each(?))`)
		args = append(args, jsonList(f.Kinds))
	}
	if len(f.States) > 0 {
		where.WriteString(` AND state IN (SELECT value FROM json_each(?))`)
		args = append(args, jsonList(f.States))
	}
	var total int
	if err := db.r.QueryRowContext(ctx, `SELECT count(*)`+where.String(), args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count jobs: %w", err)
	}
	rows, err := db.r.QueryContext(ctx, `SELECT `+jobColumns+where.String()+` ORDER BY id DESC LIMIT ? OFFSET ?`, append(args, max(0, limit), max(0, skip))...)
	if err != nil {
		return nil, 0, fmt.Errorf("list jobs: %w", err)
	}
	defer rows.Close()
	var page []job.Job
	for rows.Next() {
		j, err := scanJob(rows)
		if err != nil {
			return nil, 0, fmt.Errorf("list jobs: %w", err)
		}
		page = append(page, j)
	}
	return page, total, rows.Err()
}
