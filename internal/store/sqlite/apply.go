package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"harken/inventory"
)

// Apply merges u into what is stored and raises the marks, in one transaction.
func (db *DB) Apply(ctx context.Context, u *inventory.Update) error {
	for id := range u.Accounts {
		if err := (&store{db: db, account: id}).seed(ctx); err != nil {
			return err
		}
	}
	err := db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		a := applier{db: db, statements: db.stmts.within(ctx, tx), reshaped: u.Reshaped, enough: u.Enough}
		for _, id := range slices.Sorted(maps.Keys(u.Accounts)) {
			var err error
			if a.groups, err = (&store{db: db, account: id}).knownGrouper(ctx, tx, &a.statements); err != nil {
				return err
			}
			if err := a.apply(ctx, id, u.Accounts[id]); err != nil {
				return err
			}
		}
		now := db.now().Unix()
		for m, seq := range u.Marks {
			if _, err := a.putMark.ExecContext(ctx, m.Log, m.Partition, m.Shard, seq, now); err != nil {
				return fmt.Errorf("mark of %s: %w", m.Log, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	return nil
}

// An applier merges the parts of one update; its buffers are reused from endpoint
// to endpoint.
type applier struct {
	statements
	db          *DB
	account     int32
	groups      *grouper                        // nil if there are none
	collections map[int32]int64                 // new endpoints in each that exists; -1 if it does not
	known       map[int32]bool                  // knownRedaction.collections
	samples     map[inventory.EndpointKey][]int // indexes into the update's samples
	reshaped    func(account int32, k inventory.EndpointKey) bool
	enough      int            // Update.Enough
	due         map[int32]bool // collections
	redacted    []int32        // collections whose observations are redacted
	strip       map[int32]bool // collections whose observations have to be
	stripLive   bool           // what live traffic told has to be redacted
	stripAll    bool           // what anything told
	dropped     map[string]int64
	sensitives  map[inventory.EndpointKey][]int // as samples
	gone        map[int32]bool                  // collections that do not exist; written before rows are merged, which reads it beside the writer
	packedIndex []byte                          // of sensitive samples
	reading
}

func (a *applier) apply(ctx context.Context, account int32, u *inventory.AccountUpdate) error {
	a.account = account
	a.collections = map[int32]int64{}
	a.redacted, a.strip, a.due = u.Redacted, nil, nil
	a.dropped = maps.Clone(u.Dropped)
	now, err := a.redaction(ctx)
	if err != nil {
		return err
	}
	var noExamples bool
	a.stripLive, a.stripAll, noExamples = u.Redaction.Lacks(now)
	a.samples = make(map[inventory.EndpointKey][]int, len(u.Samples))
	for i := range u.Samples {
		k := u.Samples[i].Endpoint
		a.samples[k] = append(a.samples[k], i)
	}
	a.sensitives = make(map[inventory.EndpointKey][]int, len(u.Sensitive))
	for i := range u.Sensitive {
		k := u.Sensitive[i].Endpoint
		a.sensitives[k] = append(a.sensitives[k], i)
	}
	if err := a.find(ctx, u.Endpoints); err != nil {
		return err
	}
	if err := a.mergeAll(ctx, u, func(r *row) error {
		if err := a.endpoint(ctx, r, u); err != nil {
			return fmt.Errorf("%s %s in collection %d: %w", r.Method, r.URL, r.Collection, err)
		}
		return nil
	}); err != nil {
		return err
	}
	for c, n := range a.collections {
		if n > 0 {
			if _, err := a.countURL.ExecContext(ctx, n, account, c); err != nil {
				return err
			}
		}
	}
	for rule, n := range a.dropped {
		if _, err := a.addDropped.ExecContext(ctx, account, rule, n); err != nil {
			return err
		}
	}
	for i := range u.Drops {
		d := u.Drops[i]
		if noExamples {
			d.Example = nil
		}
		if err := a.drop(ctx, &d); err != nil {
			return err
		}
	}
	for c := range a.due {
		if _, err := a.mergeDue.ExecContext(ctx, account, c); err != nil {
			return err
		}
	}
	return a.groups.count(ctx)
}

// drop adds to what is known of dropped records of one host.
func (a *applier) drop(ctx context.Context, d *inventory.Drop) error {
	add := func(host string) (bool, error) {
		r, err := a.addDrop.ExecContext(ctx, d.Count, d.Last, d.Example, a.account, d.Rule, host)
		if err != nil {
			return false, err
		}
		n, err := r.RowsAffected()
		return n > 0, err
	}
	if ok, err := add(d.Host); ok || err != nil {
		return err
	}
	host, n := d.Host, 0
	if err := a.countDrops.QueryRowContext(ctx, a.account).Scan(&n); err != nil {
		return err
	}
	if n >= inventory.MaxDrops {
		if ok, err := add(""); ok || err != nil {
			return err
		}
		host = ""
	}
	_, err := a.newDrop.ExecContext(ctx, a.account, d.Rule, host, d.Count, d.Last, d.Example)
	return err
}

// find sees to it that it is known which collections exist.
func (a *applier) find(ctx context.Context, es []inventory.Endpoint) error {
	for i := range es {
		o := &es[i]
		exists, err := a.hasCollectionOf(ctx, o)
		if err != nil {
			return fmt.Errorf("collection %d: %w", o.Collection, err)
		}
		if exists {
			continue
		}
		if a.dropped == nil {
			a.dropped = map[string]int64{}
		}
		if a.gone == nil {
			a.gone = map[int32]bool{}
		}
		a.gone[o.Collection] = true
		a.dropped[inventory.DroppedNoCollection] += o.Count
	}
	return nil
}

// endpoint stores what an observation made of an endpoint, with its samples.
func (a *applier) endpoint(ctx context.Context, r *row, u *inventory.AccountUpdate) error {
	if (r.changed || r.reached) && a.reshaped != nil && a.reshaped(a.account, r.EndpointKey) {
		if a.due == nil {
			a.due = map[int32]bool{}
		}
		a.due[r.Collection] = true
	}
	seq := r.sampled
	r.sampled += int64(len(r.samples))
	if err := a.put(ctx, r); err != nil {
		return err
	}
	if err := a.sensitive(ctx, &r.storedEndpoint, seq, r.samples, r.sensitives, u); err != nil {
		return fmt.Errorf("sensitive samples: %w", err)
	}
	return a.ring(ctx, seq, r, u.Samples)
}

// put stores e, with what is derived from it: the index of types, and the changes if
// they are others than before.
func (a *applier) put(ctx context.Context, e *row) error {
	fresh := e.id == 0
	changed := e.changed || fresh
	if !fresh {
		if _, err := a.setEndpoint.ExecContext(ctx, e.Count, e.Discovered, e.LastSeen, e.sampled, e.facts, e.params, e.traffic, e.id); err != nil {
			return err
		}
		if changed {
			if _, err := a.delChanges.ExecContext(ctx, e.id); err != nil {
				return err
			}
		}
	} else {
		r, err := a.addEndpoint.ExecContext(ctx, a.account, e.Collection, e.URL, e.Method, e.Count, e.Discovered, e.LastSeen, e.sampled,
			e.facts, e.params, e.traffic)
		if err != nil {
			return err
		}
		if e.id, err = r.LastInsertId(); err != nil {
			return err
		}
		a.collections[e.Collection]++
	}
	if fresh || e.moved {
		if err := a.groups.settle(ctx, e.id, &e.Endpoint, fresh); err != nil {
			return fmt.Errorf("groups: %w", err)
		}
	}
	if changed {
		changes := e.Changes()
		for i := range changes {
			c := &changes[i]
			if _, err := a.addChange.ExecContext(ctx, e.id, c.Kind, c.Detail, a.account, e.Collection, c.Time); err != nil {
				return fmt.Errorf("change: %w", err)
			}
		}
	}
	return a.indexTypes(ctx, e)
}

func (a *applier) hasCollectionOf(ctx context.Context, o *inventory.Endpoint) (bool, error) {
	n, met := a.collections[o.Collection]
	if met {
		return n >= 0, nil
	}
	redact, known := a.known[o.Collection]
	if !known {
		err := a.hasCollection.QueryRowContext(ctx, a.account, o.Collection).Scan(&redact)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			a.collections[o.Collection] = -1
			return false, nil
		case err != nil:
			return false, err
		case a.known != nil && len(a.known) < maxKnownCollections:
			a.known[o.Collection] = redact
		}
	}
	if redact && !slices.Contains(a.redacted, o.Collection) {
		if a.strip == nil {
			a.strip = map[int32]bool{}
		}
		a.strip[o.Collection] = true
	}
	a.collections[o.Collection] = 0
	return true, nil
}

// indexTypes enters the types that e has now and had not before.
func (a *applier) indexTypes(ctx context.Context, e *row) error {
	had := len(e.types)
	e.types = appendTypes(e.types, e.Params)
	for _, t := range e.types[had:] {
		if _, err := a.addType.ExecContext(ctx, a.account, t, e.Collection, e.id); err != nil {
			return err
		}
	}
	return nil
}

// appendTypes appends the types of ps that are worth an index and not in have.
func appendTypes(have []string, ps []inventory.Param) []string {
	for i := range ps {
		if t := ps[i].Type; !plainType(t) && !slices.Contains(have, t) {
			have = append(have, t)
		}
	}
	return have
}

// plainType says of the types that nearly every endpoint has that nobody looks
// endpoints up by them.
func plainType(t string) bool {
	switch t {
	case "GENERIC", "INTEGER_32", "INTEGER_64", "FLOAT", "TRUE", "FALSE", "NULL", "OTHER", "DICT":
		return true
	}
	return false
}

// ring stores the samples of one endpoint over its oldest ones.
func (a *applier) ring(ctx context.Context, seq int64, r *row, samples []inventory.Sample) error {
	skip := len(r.samples) - len(r.datas)
	for n, data := range r.datas {
		s := &samples[r.samples[skip+n]]
		at := seq + int64(skip+n)
		if _, err := a.putSample.ExecContext(ctx, r.id<<4|at%inventory.MaxSamples, at, s.Time, s.ID[:], s.Source, data); err != nil {
			return fmt.Errorf("sample: %w", err)
		}
	}
	return nil
}
