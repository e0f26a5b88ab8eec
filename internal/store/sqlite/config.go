package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"harken/inventory"
	"harken/inventory/fault"
)

// Settings returns the settings of the account.
func (s *store) Settings(ctx context.Context) (inventory.Settings, error) {
	return s.settings(ctx, s.db.r.QueryRowContext)
}

func (s *store) settings(ctx context.Context, query func(context.Context, string, ...any) *sql.Row) (inventory.Settings, error) {
	var out inventory.Settings
	var version int64
	var doc string
	err := query(ctx, `SELECT settings_version, settings FROM config WHERE account = ?`, s.account).Scan(&version, &doc)
	if errors.Is(err, sql.ErrNoRows) || err == nil && doc == "" {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("read settings: %w", err)
	}
	if err := json.Unmarshal([]byte(doc), &out); err != nil {
		return out, fmt.Errorf("read settings: %w", err)
	}
	out.Version = version
	return out, nil
}

// PutSettings stores in if nobody else did since it was read.
func (s *store) PutSettings(ctx context.Context, in inventory.Settings) (inventory.Settings, error) {
	err := s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		have, err := s.settings(ctx, tx.QueryRowContext)
		if err != nil {
			return err
		}
		if have.Version != in.Version {
			return fault.New(fault.Conflict, "the settings were changed meanwhile: they have version %d, not %d", have.Version, in.Version)
		}
		in.Version++
		doc, err := json.Marshal(&in)
		if err != nil {
			return err
		}
		if err := s.changed(ctx, tx); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE config SET settings_version = ?, settings = ? WHERE account = ?`, in.Version, string(doc), s.account)
		return err
	})
	if err != nil {
		return inventory.Settings{}, err
	}
	return in, nil
}

// ConfigVersion returns the number of changes.
func (s *store) ConfigVersion(ctx context.Context) (int64, error) {
	var version int64
	err := s.db.stmts.config.QueryRowContext(context.WithoutCancel(ctx), s.account).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return version, err
}

// changed counts one change of what ConfigVersion covers.
func (s *store) changed(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.StmtContext(ctx, s.db.points.changed).ExecContext(ctx, s.account)
	return err
}

// Definitions returns the definitions of a kind, oldest first.
func (s *store) Definitions(ctx context.Context, kind string) ([]inventory.Definition, error) {
	all, err := scanDefinitions(s.db.r.QueryContext(ctx, `SELECT id, doc, updated FROM definitions WHERE account = ? AND kind = ? ORDER BY pos`,
		s.account, kind))
	if err != nil {
		return nil, fmt.Errorf("list definitions: %w", err)
	}
	for i := range all {
		all[i].Kind = kind
	}
	return all, nil
}

// scanDefinitions takes the outcome of a query for id, doc and updated.
func scanDefinitions(rows *sql.Rows, err error) ([]inventory.Definition, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []inventory.Definition
	for rows.Next() {
		var d inventory.Definition
		if err := rows.Scan(&d.ID, &d.Doc, &d.Updated); err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, rows.Err()
}

// PutDefinition stores one definition.
func (s *store) PutDefinition(ctx context.Context, d inventory.Definition) error {
	switch {
	case d.Kind == "" || d.ID == "":
		return fault.New(fault.Invalid, "a definition needs a kind and an id")
	case len(d.Doc) > inventory.MaxDefinitionBytes:
		return fault.New(fault.TooLarge, "the definition %q has %d bytes, at most %d are accepted", d.ID, len(d.Doc), inventory.MaxDefinitionBytes)
	case !jsonObject(d.Doc):
		return fault.New(fault.Invalid, "the definition %q is no JSON object", d.ID)
	}
	return s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var others int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM definitions WHERE account = ? AND kind = ? AND id <> ?`,
			s.account, d.Kind, d.ID).Scan(&others); err != nil {
			return err
		}
		if others >= inventory.MaxDefinitions {
			return fault.New(fault.Invalid, "there are %d definitions already, which is the most", inventory.MaxDefinitions)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO definitions (account, kind, id, doc, updated) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (account, kind, id) DO UPDATE SET doc = excluded.doc, updated = excluded.updated`,
			s.account, d.Kind, d.ID, string(d.Doc), d.Updated); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
}

func jsonObject(doc []byte) bool {
	var m map[string]json.RawMessage
	return json.Unmarshal(doc, &m) == nil && m != nil
}

// DeleteDefinition removes one definition.
func (s *store) DeleteDefinition(ctx context.Context, kind, id string) error {
	return s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM definitions WHERE account = ? AND kind = ? AND id = ?`, s.account, kind, id)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fault.New(fault.NotFound, "there is no definition %q", id))
		}
		return s.changed(ctx, tx)
	})
}

// SensitiveOverrides returns the words of people on single parameters.
func (s *store) SensitiveOverrides(ctx context.Context, collections []int32) ([]inventory.SensitiveOverride, error) {
	// Most accounts have none, and every list of parameters asks.
	var some bool
	err := s.db.points.hasMarks.QueryRowContext(context.WithoutCancel(ctx), s.account).Scan(&some)
	if err != nil {
		return nil, fmt.Errorf("list overrides: %w", err)
	}
	if !some {
		return nil, nil
	}
	rows, err := s.marks(ctx, collections)
	if err != nil {
		return nil, fmt.Errorf("list overrides: %w", err)
	}
	defer rows.Close()
	var all []inventory.SensitiveOverride
	for rows.Next() {
		var o inventory.SensitiveOverride
		var index, groups sql.NullString
		if err := rows.Scan(&o.Collection, &o.URL, &o.Method, &o.ResponseCode, &o.Header, &o.Param, &o.Sensitive, &index, &groups); err != nil {
			return nil, fmt.Errorf("list overrides: %w", err)
		}
		o.Groups = parseGroups(groups.String)
		if index.Valid {
			x, err := parseIndex(index.String)
			if err != nil {
				return nil, err
			}
			o.SampleSaved = x.has(&o)
		}
		all = append(all, o)
	}
	return all, rows.Err()
}

// marks queries the overrides of collections.
func (s *store) marks(ctx context.Context, collections []int32) (*sql.Rows, error) {
	if len(collections) == 1 {
		group, err := s.isGroup(ctx, collections[0])
		if err != nil {
			return nil, err
		}
		if !group {
			return s.db.points.marksOf.QueryContext(context.WithoutCancel(ctx), s.account, collections[0])
		}
	}
	among, args, err := s.among(ctx, collections, []any{s.account})
	if err != nil {
		return nil, err
	}
	// A mark may outlive its endpoint, and then has its own collection alone.
	return s.db.r.QueryContext(ctx, selectMarks+strings.ReplaceAll(among, "e.collection", "p.collection")+orderMarks, args...)
}

// PutSensitiveOverride stores one.
func (s *store) PutSensitiveOverride(ctx context.Context, o inventory.SensitiveOverride) error {
	return s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO sensitive_params (account, collection, url, method, code, header, param, sensitive)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, s.account, o.Collection, o.URL, o.Method, o.ResponseCode, o.Header, o.Param, o.Sensitive); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
}

// DeleteSensitiveOverride removes one.
func (s *store) DeleteSensitiveOverride(ctx context.Context, o inventory.SensitiveOverride) error {
	return s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM sensitive_params WHERE account = ? AND collection = ? AND url = ? AND method = ? AND code = ?
			AND header = ? AND param = ?`, s.account, o.Collection, o.URL, o.Method, o.ResponseCode, o.Header, o.Param)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fault.New(fault.NotFound, "there is no such override of %q", o.Param))
		}
		return s.changed(ctx, tx)
	})
}
