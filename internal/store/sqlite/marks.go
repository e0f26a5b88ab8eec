package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"harken/inventory"
)

// shardMarks gives parts of the records marks of their own. A mark of all has
// shard 0.
func shardMarks(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `
ALTER TABLE marks RENAME TO marks_before;
CREATE TABLE marks (
	log TEXT NOT NULL,
	part TEXT NOT NULL,
	shard INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	PRIMARY KEY (log, part, shard)
) WITHOUT ROWID;
INSERT INTO marks SELECT log, part, 0, seq, updated FROM marks_before;
DROP TABLE marks_before;
`)
	return err
}

// Marks returns how far each log was read.
func (db *DB) Marks(ctx context.Context) (map[inventory.Mark]int64, error) {
	rows, err := db.r.QueryContext(ctx, `SELECT log, part, shard, seq FROM marks`)
	if err != nil {
		return nil, fmt.Errorf("read marks: %w", err)
	}
	defer rows.Close()
	marks := map[inventory.Mark]int64{}
	for rows.Next() {
		var m inventory.Mark
		var seq int64
		if err := rows.Scan(&m.Log, &m.Partition, &m.Shard, &seq); err != nil {
			return nil, fmt.Errorf("read marks: %w", err)
		}
		marks[m] = seq
	}
	return marks, rows.Err()
}

// maxMarks bounds the marks of all records: each log that ever was leaves some.
const maxMarks = 10_000

// pruneMarks forgets the marks that were not raised for the longest time, and those
// of shards that are not ahead any more.
func pruneMarks(ctx context.Context, w *sql.DB) error {
	_, err := w.ExecContext(ctx, `DELETE FROM marks AS m WHERE shard > 0 AND
			seq <= (SELECT seq FROM marks WHERE log = m.log AND part = m.part AND shard = 0);
		DELETE FROM marks WHERE (log, part) NOT IN (SELECT log, part FROM marks WHERE shard = 0 ORDER BY updated DESC LIMIT ?)`, maxMarks)
	return err
}
