package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Pages of the write-ahead log, of 4 KB each. At checkpointAt they are copied into the
// file while writing goes on, or at checkpointBy when much is written: the longer that
// waits, the more pages were written several times and are copied once. The writer
// copies them itself, and waits, only when that could not keep up.
const (
	checkpointAt  = 24_000
	checkpointBy  = 48_000
	checkpointOwn = 96_000
	// checkpointMuch is how many pages in checkpointEvery are much.
	checkpointMuch = 1_000
	// checkpointHeld is how many pages may be copied while the writer is held, if so
	// few are left after checkpointRounds.
	checkpointHeld   = 500
	checkpointRounds = 8
	// checkpointEvery is how often the log is looked at while there are writes.
	checkpointEvery = 250 * time.Millisecond
)

// A checkpointer empties the write-ahead log beside the writer: done by a commit it
// holds up all that come after, for as long as the disk takes to sync 100 MB.
type checkpointer struct {
	conn *sql.DB
	ask  chan struct{} // something was committed
	stop context.CancelFunc
	done chan struct{}
}

// startCheckpoints opens a connection of its own and begins.
func (db *DB) startCheckpoints(ctx context.Context, path string) error {
	conn, err := sql.Open("sqlite", dsn(path, "", "synchronous(NORMAL)", "wal_autocheckpoint(0)", "cache_size(-256)"))
	if err != nil {
		return err
	}
	conn.SetMaxOpenConns(1)
	// It lives as long as the database, whatever the context of opening it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	db.checkpoints = &checkpointer{conn: conn, ask: make(chan struct{}, 1), stop: cancel, done: make(chan struct{})}
	go db.checkpoint(ctx)
	return nil
}

func (c *checkpointer) close() error {
	if c == nil {
		return nil
	}
	c.stop()
	<-c.done
	return c.conn.Close()
}

// committed says that there is something to copy, some day.
func (c *checkpointer) committed() {
	select {
	case c.ask <- struct{}{}:
	default:
	}
}

func (db *DB) checkpoint(ctx context.Context) {
	c := db.checkpoints
	defer close(c.done)
	before := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.ask:
		}
		// What fails here is done by the writer in the end, which says why not.
		n, _, err := c.pages(ctx)
		switch {
		case err != nil || n < checkpointAt:
		case n >= checkpointBy || n-before < checkpointMuch:
			if db.checkpointNow(ctx) != nil && ctx.Err() != nil {
				return
			}
		default:
			c.committed() // to look again
		}
		before = n
		select {
		case <-ctx.Done():
			return
		case <-time.After(checkpointEvery):
		}
	}
}

// pages is how many pages the log has, and how many of them are in the file.
func (c *checkpointer) pages(ctx context.Context) (log, copied int, err error) {
	var busy int
	err = c.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(NOOP)").Scan(&busy, &log, &copied)
	return log, copied, err
}

// checkpointNow copies the log into the file, what came meanwhile too until that is
// little, and the rest with the writer held: only then does the log begin at its
// start again.
func (db *DB) checkpointNow(ctx context.Context) error {
	var busy, log, copied int
	for rounds := 0; rounds < checkpointRounds && (rounds == 0 || log-copied > checkpointHeld); rounds++ {
		err := db.checkpoints.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &log, &copied)
		if err != nil {
			return err
		}
		if log, copied, err = db.checkpoints.pages(ctx); err != nil {
			return err
		}
	}
	w, err := db.w.Conn(ctx)
	if err != nil {
		return err
	}
	err = w.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &log, &copied)
	return errors.Join(err, w.Close())
}
