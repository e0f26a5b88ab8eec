package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"harken/inventory"
)

// DropSamples forgets what was recorded of collections beside its shape.
func (s *store) DropSamples(ctx context.Context, ids []int32) error { return s.drop(ctx, ids, false) }

// DropRedactable does so for what is not of uploads.
func (s *store) DropRedactable(ctx context.Context, ids []int32) error { return s.drop(ctx, ids, true) }

func (s *store) drop(ctx context.Context, ids []int32, redactable bool) error {
	for _, id := range ids {
		for above := int64(0); above >= 0; {
			var err error
			if above, err = s.dropSome(ctx, id, above, redactable); err != nil {
				return fmt.Errorf("drop samples of collection %d: %w", id, err)
			}
		}
	}
	return nil
}

// dropSome returns the row id up to which it came, -1 at the end.
func (s *store) dropSome(ctx context.Context, id int32, above int64, redactable bool) (next int64, err error) {
	err = s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		es, err := s.some(ctx, tx, id, above, editChunk)
		if err != nil {
			return err
		}
		next = -1
		if len(es) == editChunk {
			next = es[len(es)-1].id
		}
		for i := range es {
			if redactable {
				err = dropRedactableOf(ctx, tx, &es[i])
			} else {
				err = dropSamplesOf(ctx, tx, &es[i])
			}
			if err != nil {
				return err
			}
		}
		if next >= 0 {
			return nil
		}
		if err := s.dropExamples(ctx, tx); err != nil {
			return err
		}
		if redactable {
			return nil
		}
		if err := s.droppedSamples(ctx, tx, id); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
	return next, err
}

// dropExamples forgets what dropped records look like: which ones an example stands for
// is not known beyond their host, which may have another name here. The next record that
// is dropped is another example.
func (s *store) dropExamples(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `UPDATE drops SET example = NULL WHERE account = ? AND example IS NOT NULL`, s.account)
	return err
}

// DropSamplesOf forgets what was recorded of endpoints beside their shape.
func (s *store) DropSamplesOf(ctx context.Context, keys []inventory.EndpointKey) error {
	for part := range slices.Chunk(keys, editChunk) {
		if err := s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			for i := range part {
				k := &part[i]
				es, err := s.read(ctx, tx, k.Collection, selectOne, k.URL, k.Method)
				if err != nil {
					return err
				}
				for j := range es {
					if err := dropSamplesOf(ctx, tx, &es[j]); err != nil {
						return err
					}
				}
			}
			return nil
		}); err != nil {
			return fmt.Errorf("drop samples of endpoints: %w", err)
		}
	}
	return s.db.write(ctx, s.dropExamples)
}

// droppedSamples removes what belongs to no endpoint, and notes that nothing is left.
func (s *store) droppedSamples(ctx context.Context, tx *sql.Tx, id int32) error {
	for _, q := range [...]string{
		`DELETE FROM files WHERE account = ? AND collection = ?`,
		`UPDATE collections SET samples_dropped = 1 WHERE account = ? AND id = ?`,
	} {
		if _, err := tx.ExecContext(ctx, q, s.account, id); err != nil {
			return err
		}
	}
	return nil
}

func dropSamplesOf(ctx context.Context, tx *sql.Tx, e *storedEndpoint) error {
	for _, q := range [...]string{
		`DELETE FROM samples WHERE id BETWEEN ?1 << 4 AND ?1 << 4 | 15`,
		`DELETE FROM sensitive_index WHERE endpoint = ?`,
		`DELETE FROM sensitive_samples WHERE endpoint = ?`,
	} {
		if _, err := tx.ExecContext(ctx, q, e.id); err != nil {
			return err
		}
	}
	return dropValuesOf(ctx, tx, e)
}

// dropRedactableOf leaves the samples of uploads. Which values an upload told as well
// is not known.
func dropRedactableOf(ctx context.Context, tx *sql.Tx, e *storedEndpoint) error {
	uploads := true
	for source := range e.Sources {
		uploads = uploads && !inventory.Redactable(source)
	}
	if uploads {
		return nil
	}
	for _, q := range [...]struct{ find, remove string }{
		{
			`SELECT DISTINCT source FROM samples WHERE id BETWEEN ?1 << 4 AND ?1 << 4 | 15`,
			`DELETE FROM samples WHERE id BETWEEN ?1 << 4 AND ?1 << 4 | 15 AND source = ?2`,
		},
		{`SELECT DISTINCT source FROM sensitive_samples WHERE endpoint = ?`, `DELETE FROM sensitive_samples WHERE endpoint = ? AND source = ?`},
	} {
		sources, err := texts(tx.QueryContext(ctx, q.find, e.id))
		if err != nil {
			return err
		}
		for _, source := range sources {
			if !inventory.Redactable(source) {
				continue
			}
			if _, err := tx.ExecContext(ctx, q.remove, e.id, source); err != nil {
				return err
			}
		}
	}
	return dropValuesOf(ctx, tx, e)
}

// texts reads and closes rows of one text each.
func texts(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

func dropValuesOf(ctx context.Context, tx *sql.Tx, e *storedEndpoint) error {
	for i := range e.Params {
		p := &e.Params[i]
		p.Values, p.Sketch, p.HasRange, p.Min, p.Max = nil, nil, false, 0, 0
	}
	_, err := tx.ExecContext(ctx, `UPDATE endpoints SET params = ? WHERE id = ?`, inventory.AppendParams(nil, &e.Endpoint), e.id)
	return err
}
