package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"harken/inventory"
	"harken/inventory/fault"
)

// PutFile stores one file and removes those beyond the bounds.
func (s *store) PutFile(ctx context.Context, f inventory.StoredFile) (string, error) {
	if len(f.Data) > inventory.MaxFileBytes {
		return "", fault.New(fault.TooLarge, "the file has %d bytes, at most %d are kept", len(f.Data), inventory.MaxFileBytes)
	}
	var raw [12]byte
	_, _ = rand.Read(raw[:]) // never fails since Go 1.24
	id := hex.EncodeToString(raw[:])
	err := s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO files (account, id, type, uploaded, collection, bytes, data) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			s.account, id, f.Type, f.Uploaded, f.Collection, len(f.Data), f.Data); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM files WHERE account = ? AND uploaded < ?`, s.account, filesFrom(f.Uploaded)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM files WHERE seq IN (SELECT seq FROM
			(SELECT seq, sum(bytes) OVER (ORDER BY seq DESC) AS upto FROM files WHERE account = ?) WHERE upto > ?)`, s.account, inventory.MaxFileBytes)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("store file: %w", err)
	}
	return id, nil
}

// filesFrom is the time before which files are removed, both in Unix seconds.
func filesFrom(now int64) int64 { return time.Unix(now, 0).AddDate(0, 0, -inventory.FileDays).Unix() }

// Files lists files, newest first.
func (s *store) Files(ctx context.Context) ([]inventory.StoredFile, error) {
	rows, err := s.db.r.QueryContext(ctx, `SELECT id, type, uploaded, collection FROM files WHERE account = ? ORDER BY seq DESC`, s.account)
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	defer rows.Close()
	var all []inventory.StoredFile
	for rows.Next() {
		var f inventory.StoredFile
		if err := rows.Scan(&f.ID, &f.Type, &f.Uploaded, &f.Collection); err != nil {
			return nil, fmt.Errorf("list files: %w", err)
		}
		all = append(all, f)
	}
	return all, rows.Err()
}

// File returns one file.
func (s *store) File(ctx context.Context, id string) (inventory.StoredFile, error) {
	f := inventory.StoredFile{ID: id}
	err := s.db.r.QueryRowContext(ctx, `SELECT type, uploaded, collection, data FROM files WHERE account = ? AND id = ?`, s.account, id).
		Scan(&f.Type, &f.Uploaded, &f.Collection, &f.Data)
	if errors.Is(err, sql.ErrNoRows) {
		return f, fault.New(fault.NotFound, "there is no file %q", id)
	}
	return f, err
}

// StampData stores when the plugin of a user last sent data.
func (db *DB) StampData(ctx context.Context, account, user int32, at int64) error {
	return db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO auth_plugins (account, user, last_data) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET last_data = max(last_data, excluded.last_data)`, account, user, at)
		return err
	})
}

// LastData returns when the plugin of a user last sent data.
func (db *DB) LastData(ctx context.Context, account, user int32) (int64, error) {
	var at int64
	err := db.r.QueryRowContext(ctx, `SELECT last_data FROM auth_plugins WHERE account = ? AND user = ?`, account, user).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return at, err
}
