package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Bounds of one transaction of several small writes.
const (
	maxShared   = 64
	maxSharedIn = 10 * time.Millisecond
)

// A queue holds the small writes that wait for a transaction. Whoever comes first
// makes one for all that wait when the writer is theirs: most of what a small
// write costs is its commit, and the learner's turns in between.
type queue struct {
	mu      sync.Mutex
	waiting []*small
	led     bool // somebody makes a transaction
}

// A small write is done, or has to lead, when its channel says so.
type small struct {
	run   func(context.Context, *sql.Tx) error
	ctx   context.Context //nolint:containedctx // of the call that waits for it; never canceled
	err   error
	panic any
	lead  chan bool // true: make the next transaction; false: it is over
}

// share is write for small changes, which may be committed together with those of
// others. It returns when its own are committed, or with the error of f, which
// takes back what f did and nothing else. f must not keep anything in memory that
// a rollback would make wrong, and is not canceled once it waits.
func (db *DB) share(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := &small{run: f, ctx: context.WithoutCancel(ctx), lead: make(chan bool, 1)}
	q := &db.queue
	q.mu.Lock()
	q.waiting = append(q.waiting, s)
	leads := !q.led
	q.led = true
	q.mu.Unlock()
	if leads || <-s.lead {
		db.lead(s)
	}
	if s.panic != nil {
		panic(s.panic)
	}
	return s.err
}

// lead makes one transaction, of which first is part, and leaves the next one to
// somebody who waits.
func (db *DB) lead(first *small) {
	var done []*small
	if err := db.together(first.ctx, &done); err != nil {
		for _, s := range done {
			s.err = errors.Join(s.err, err)
		}
	}
	q := &db.queue
	q.mu.Lock()
	if q.led = len(q.waiting) > 0; q.led {
		q.waiting[0].lead <- true
	}
	q.mu.Unlock()
	for _, s := range done {
		if s != first {
			s.lead <- false
		}
	}
}

// together runs what waits until there is no more, or enough. What it took is in
// done, whose errors are those of each; its own error is everybody's.
func (db *DB) together(ctx context.Context, done *[]*small) error {
	conn, err := db.w.Conn(ctx)
	if err != nil {
		*done = db.queue.take(maxShared)
		return err
	}
	defer conn.Close()
	*done = db.queue.take(maxShared)
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	began := time.Now()
	for i := 0; i < len(*done); i++ {
		if err := (*done)[i].within(tx, &db.points); err != nil {
			return joinRollback(err, tx)
		}
		if i == len(*done)-1 && time.Since(began) < maxSharedIn {
			*done = append(*done, db.queue.take(maxShared-len(*done))...)
		}
	}
	defer db.checkpoints.committed()
	return tx.Commit()
}

// take removes up to n of those that wait, the first ones.
func (q *queue) take(n int) []*small {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, len(q.waiting))
	taken := append([]*small(nil), q.waiting[:n]...)
	clear(q.waiting[:n])
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	return taken
}

// within runs a small write so that it can be taken back alone. Its own error is
// kept; one that is returned says that the transaction cannot go on: after a full
// disk SQLite has rolled all of it back, and the savepoint is gone.
func (s *small) within(tx *sql.Tx, p *points) error {
	if _, err := tx.StmtContext(s.ctx, p.savepoint).ExecContext(s.ctx); err != nil {
		return err
	}
	s.err = s.call(tx)
	if s.err != nil || s.panic != nil {
		if _, err := tx.StmtContext(s.ctx, p.rollbackTo).ExecContext(s.ctx); err != nil {
			return fmt.Errorf("take back: %w", err)
		}
	}
	_, err := tx.StmtContext(s.ctx, p.release).ExecContext(s.ctx)
	return err
}

func (s *small) call(tx *sql.Tx) error {
	defer func() { s.panic = recover() }()
	return s.run(s.ctx, tx)
}
