package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"harken/inventory"
)

// A knownRedaction is what an account redacts at a version of its configuration.
type knownRedaction struct {
	version   int64
	redaction inventory.Redaction
	// collections are those that were seen to exist and whether they are redacted: a
	// collection is redacted or goes only with a new version. Who is in the writer's
	// transaction has them.
	collections map[int32]bool
}

// maxKnownCollections bounds the collections of an account that are remembered.
const maxKnownCollections = 100_000

// maxRedactions bounds the accounts whose redaction is remembered.
const maxRedactions = 1000

// redaction returns what the account redacts in the transaction at hand, in which
// the configuration does not change.
func (a *applier) redaction(ctx context.Context) (inventory.Redaction, error) {
	var version int64
	var doc string
	err := a.configOf.QueryRowContext(ctx, a.account).Scan(&version, &doc)
	untouched := errors.Is(err, sql.ErrNoRows)
	if err != nil && !untouched {
		return inventory.Redaction{}, fmt.Errorf("read settings: %w", err)
	}
	a.db.mu.Lock()
	known, ok := a.db.redactions[a.account]
	a.db.mu.Unlock()
	if !ok || known.version != version {
		known = knownRedaction{version: version, collections: map[int32]bool{}}
		if !untouched {
			if known.redaction, err = a.readRedaction(ctx, doc); err != nil {
				return inventory.Redaction{}, err
			}
		}
		a.db.remember(a.account, known)
	}
	a.known = known.collections
	return known.redaction, nil
}

func (db *DB) remember(account int32, known knownRedaction) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if len(db.redactions) >= maxRedactions {
		clear(db.redactions)
	}
	db.redactions[account] = known
}

// readRedaction reads what the account redacts by its settings and by the rest.
func (a *applier) readRedaction(ctx context.Context, doc string) (inventory.Redaction, error) {
	var s inventory.Settings
	if doc != "" {
		if err := json.Unmarshal([]byte(doc), &s); err != nil {
			return inventory.Redaction{}, fmt.Errorf("read settings: %w", err)
		}
	}
	types, err := a.typeDefinitions(ctx)
	if err != nil {
		return inventory.Redaction{}, fmt.Errorf("list definitions: %w", err)
	}
	redacted, err := a.redactedCollections(ctx)
	if err != nil {
		return inventory.Redaction{}, fmt.Errorf("list collections: %w", err)
	}
	return inventory.RedactionOf(&s, types, redacted), nil
}

// typeDefinitions lists the definitions of data types, as the learner reads them.
func (a *applier) typeDefinitions(ctx context.Context) ([]inventory.Definition, error) {
	var all []inventory.Definition
	for _, kind := range [...]string{inventory.CustomDataTypes, inventory.DataTypeOverrides} {
		ds, err := scanDefinitions(a.definitionsOf.QueryContext(ctx, a.account, kind))
		if err != nil {
			return nil, err
		}
		for i := range ds {
			ds[i].Kind = kind
		}
		all = append(all, ds...)
	}
	return all, nil
}

func (a *applier) redactedCollections(ctx context.Context) ([]int32, error) {
	rows, err := a.redactedOf.QueryContext(ctx, a.account)
	if err != nil {
		return nil, err
	}
	return scanIDs(rows)
}

// scanIDs reads and closes rows of one id each.
func scanIDs(rows *sql.Rows) ([]int32, error) {
	defer rows.Close()
	var ids []int32
	for rows.Next() {
		var id int32
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// redact takes out of an observation what became redacted since it was learned.
func (a *applier) redact(o *inventory.Endpoint, mine, others []int, u *inventory.AccountUpdate) (*inventory.Endpoint, []int, []int) {
	if a.stripAll || a.strip[o.Collection] {
		return withoutValues(o), nil, nil
	}
	if !a.stripLive {
		return o, mine, others
	}
	for source := range o.Sources {
		if inventory.Redactable(source) {
			o = withoutValues(o) // which of them an upload told as well is not known
			break
		}
	}
	mine = slices.DeleteFunc(mine, func(i int) bool { return inventory.Redactable(u.Samples[i].Source) })
	others = slices.DeleteFunc(others, func(i int) bool { return inventory.Redactable(u.Sensitive[i].Source) })
	return o, mine, others
}

// withoutValues returns a copy that tells no values.
func withoutValues(o *inventory.Endpoint) *inventory.Endpoint {
	c := *o
	c.Params = slices.Clone(o.Params)
	for i := range c.Params {
		p := &c.Params[i]
		p.Values, p.Sketch, p.HasRange, p.Min, p.Max = nil, nil, false, 0, 0
	}
	return &c
}
