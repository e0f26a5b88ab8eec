// Package sqlite keeps everything that the control plane stores in one SQLite
// file: the embedded default. Endpoints are one packed row each.
package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver named "sqlite"

	"harken/inventory"
)

var _ inventory.Stores = (*DB)(nil)

// applicationID marks the file as ours ("Hark"), so that a file of another
// program is not taken over.
const applicationID = 0x4861726b

// readers is the number of connections for reading.
const readers = 6

// A DB is an open database: one writer connection and several readers, so that
// reading never waits for learning. It is safe for concurrent use.
type DB struct {
	w, r   *sql.DB
	ahead  *sql.DB // the connection of preparer
	stmts  statements
	points points
	queue  queue
	memory memory
	now    func() time.Time

	checkpoints *checkpointer
	preparer    preparer // of who is in the writer's transaction

	mu     sync.Mutex
	seeded map[int32]bool // accounts that have their collection 0

	redactions map[int32]knownRedaction
	groups     map[int32]knownGroups
}

// Open opens the database at path, makes it if it is absent (readable by its owner
// only), and brings its tables up to date. The directory must exist and be
// writable. A file that is no database, or of another program, or of a newer
// version of this one, is refused and left as it is.
func Open(ctx context.Context, path string) (*DB, error) {
	if err := probe(path); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db := &DB{now: time.Now, seeded: map[int32]bool{}, redactions: map[int32]knownRedaction{}, groups: map[int32]knownGroups{}}
	if err := db.open(ctx, path); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, errors.Join(err, db.Close()))
	}
	return db, nil
}

func (db *DB) open(ctx context.Context, path string) (err error) {
	if db.w, err = sql.Open("sqlite", dsn(path, "", "journal_mode(WAL)", "synchronous(NORMAL)",
		fmt.Sprintf("wal_autocheckpoint(%d)", checkpointOwn), "cache_size(-12288)")); err != nil {
		return err
	}
	db.w.SetMaxOpenConns(1)
	if err := claim(ctx, db.w); err != nil {
		return err
	}
	if err := migrate(ctx, db.w); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := pruneMarks(ctx, db.w); err != nil {
		return fmt.Errorf("prune marks: %w", err)
	}
	if db.r, err = sql.Open("sqlite", dsn(path, "ro", "cache_size(-3072)")); err != nil {
		return err
	}
	db.r.SetMaxOpenConns(readers)
	db.r.SetMaxIdleConns(readers)
	if db.ahead, err = sql.Open("sqlite", dsn(path, "ro", "cache_size(-4096)")); err != nil {
		return err
	}
	db.ahead.SetMaxOpenConns(1)
	if db.preparer.get, err = db.ahead.PrepareContext(ctx, selectChunk()); err != nil {
		return err
	}
	if err := db.points.prepare(ctx, db.w, db.r); err != nil {
		return err
	}
	if err := db.stmts.prepare(ctx, db.w, db.r); err != nil {
		return err
	}
	return db.startCheckpoints(ctx, path)
}

func dsn(path, mode string, pragmas ...string) string {
	q := url.Values{"_pragma": append([]string{"busy_timeout(10000)", "foreign_keys(1)"}, pragmas...), "_txlock": {"immediate"}}
	if mode != "" {
		q.Set("mode", mode)
		q.Del("_txlock")
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// probe finds the mistakes that SQLite reports as "unable to open database file",
// or only at the first write.
func probe(path string) error {
	dir := filepath.Dir(path)
	if st, err := os.Stat(dir); err != nil {
		return err
	} else if !st.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	t, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return fmt.Errorf("the directory must be writable: %w", err)
	}
	if err := errors.Join(t.Close(), os.Remove(t.Name())); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	head := make([]byte, 16)
	n, err := io.ReadFull(f, head)
	if cerr := f.Close(); cerr != nil {
		return cerr
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil // new
	case n < len(head) || !bytes.Equal(head, []byte("SQLite format 3\x00")):
		return errors.New("the file is not a SQLite database")
	}
	return nil
}

// claim marks a new file as ours and refuses one of another program.
func claim(ctx context.Context, w *sql.DB) error {
	var id, version, tables int64
	if err := w.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_master)`).Scan(&id, &version, &tables); err != nil {
		return err
	}
	switch {
	case id == applicationID:
		return nil
	case id != 0 || version != 0 || tables != 0:
		return errors.New("the file is a SQLite database of another program")
	}
	_, err := w.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID))
	return err
}

// Account returns the store of an account.
func (db *DB) Account(id int32) inventory.Store { return &store{db: db, account: id} }

// Full returns all of an account.
func (db *DB) Full(id int32) inventory.FullStore { return &store{db: db, account: id} }

// Close closes the database.
func (db *DB) Close() error {
	errs := []error{db.checkpoints.close()}
	for _, c := range []*sql.DB{db.r, db.ahead, db.w} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// write runs f in a transaction, which is rolled back if f fails. Statements
// inside take no cancellation: the driver would start a goroutine for each.
func (db *DB) write(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	conn, err := db.w.Conn(ctx) // waiting for the writer can be canceled
	if err != nil {
		return err
	}
	defer conn.Close()
	inner := context.WithoutCancel(ctx)
	tx, err := conn.BeginTx(inner, nil)
	if err != nil {
		return err
	}
	ended := false
	defer func() {
		if !ended { // f panicked; the connection cannot be given back in a transaction
			_ = tx.Rollback()
		}
	}()
	err = f(inner, tx)
	ended = true
	if err != nil {
		return joinRollback(err, tx)
	}
	defer db.checkpoints.committed()
	return tx.Commit()
}
