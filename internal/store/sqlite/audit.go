package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"harken/admin/auth"
)

// AddAudit stores one row.
func (db *DB) AddAudit(ctx context.Context, row auth.AuditRow) error {
	doc, err := json.Marshal(&row)
	if err != nil {
		return fmt.Errorf("audit row: %w", err)
	}
	return db.share(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.StmtContext(ctx, db.points.addAudit).ExecContext(ctx, row.Account, row.Time, string(doc))
		return err
	})
}

// AuditRows returns a page of rows, newest first.
func (db *DB) AuditRows(ctx context.Context, account int32, from, to int64, skip, limit int) ([]auth.AuditRow, int, error) {
	var total int
	if err := db.r.QueryRowContext(ctx, `SELECT count(*) FROM audit WHERE account = ? AND time BETWEEN ? AND ?`, account, from, to).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count audit rows: %w", err)
	}
	rows, err := db.r.QueryContext(ctx, `SELECT row FROM audit WHERE account = ? AND time BETWEEN ? AND ?
		ORDER BY time DESC, id DESC LIMIT ? OFFSET ?`, account, from, to, max(0, limit), max(0, skip))
	if err != nil {
		return nil, 0, fmt.Errorf("list audit rows: %w", err)
	}
	defer rows.Close()
	var page []auth.AuditRow
	var doc sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&doc); err != nil {
			return nil, 0, fmt.Errorf("list audit rows: %w", err)
		}
		row := auth.AuditRow{Account: account}
		if err := json.Unmarshal(doc, &row); err != nil {
			return nil, 0, fmt.Errorf("list audit rows: %w", err)
		}
		page = append(page, row)
	}
	return page, total, rows.Err()
}

// compactAudit removes rows that are too old or too many.
func (s *store) compactAudit(ctx context.Context, now int64) error {
	from := time.Unix(now, 0).AddDate(0, 0, -auth.AuditDays).Unix()
	var first sql.NullInt64 // the newest row that is one too many
	if err := s.db.r.QueryRowContext(ctx, `SELECT (SELECT id FROM audit WHERE account = ? ORDER BY id DESC LIMIT 1 OFFSET ?)`,
		s.account, auth.MaxAuditRows).Scan(&first); err != nil {
		return err
	}
	if err := s.db.deleteChunks(ctx, `DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE account = ? AND time < ? LIMIT ?)`, s.account, from); err != nil {
		return err
	}
	if !first.Valid {
		return nil
	}
	return s.db.deleteChunks(ctx, `DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE account = ? AND id <= ? LIMIT ?)`, s.account, first.Int64)
}
