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
		a := applier{db: db, statements: db.stmts.within(ctx, tx), reshaped: u.Reshaped}
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
	db            *DB
	account       int32
	groups        *grouper                        // nil if there are none
	collections   map[int32]int64                 // new endpoints in each that exists; -1 if it does not
	known         map[int32]bool                  // knownRedaction.collections
	samples       map[inventory.EndpointKey][]int // indexes into the update's samples
	reshaped      func(account int32, k inventory.EndpointKey) bool
	due           map[int32]bool // collections
	redacted      []int32        // collections whose observations are redacted
	strip         map[int32]bool // collections whose observations have to be
	stripLive     bool           // what live traffic told has to be redacted
	stripAll      bool           // what anything told
	dropped       map[string]int64
	sensitives    map[inventory.EndpointKey][]int // as samples
	facts, params []byte
	traffic       []byte
	packedIndex   []byte // of sensitive samples
	merger        inventory.ParamMerger
	stored        [chunk]storedEndpoint
	args          []any
	types         []string
}

// A storedEndpoint is the row of an observation's key; its id is 0 if there is
// none. Its params are packed until they are needed.
type storedEndpoint struct {
	packed  string
	id      int64
	sampled int64 // samples that were ever stored
	moved   bool  // what groups are chosen by changed
	// The index of its sensitive samples, packed, "" if it has none.
	index     string
	indexNext int64
	inventory.Endpoint
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
	for es := range slices.Chunk(u.Endpoints, chunk) {
		if err := a.loadPacked(ctx, es); err != nil {
			return err
		}
		for i := range es {
			if err := a.endpoint(ctx, &es[i], &a.stored[i], u); err != nil {
				return fmt.Errorf("%s %s in collection %d: %w", es[i].Method, es[i].URL, es[i].Collection, err)
			}
		}
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

// load reads what is stored of some observations, params too.
func (a *applier) load(ctx context.Context, es []inventory.Endpoint) error {
	if err := a.loadPacked(ctx, es); err != nil {
		return err
	}
	for i := range es {
		if s := &a.stored[i]; s.id != 0 {
			if err := inventory.ParseParams(s.packed, &s.Endpoint); err != nil {
				return fmt.Errorf("params of %s %s: %w", s.Method, s.URL, err)
			}
		}
	}
	return nil
}

// loadPacked leaves params packed.
func (a *applier) loadPacked(ctx context.Context, es []inventory.Endpoint) error {
	a.args = a.args[:0]
	for i := range es {
		a.stored[i] = storedEndpoint{Endpoint: inventory.Endpoint{EndpointKey: es[i].EndpointKey}}
		a.args = append(a.args, es[i].Collection, es[i].URL, es[i].Method)
	}
	for range chunk - len(es) {
		a.args = append(a.args, nil, nil, nil)
	}
	a.args = append(a.args, a.account)
	rows, err := a.getEndpoints.QueryContext(ctx, a.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var index, facts, params, traffic sql.RawBytes
	for rows.Next() {
		var i int
		var id, sampled int64
		var indexNext sql.NullInt64
		if err := rows.Scan(&i, &id, &sampled, &indexNext, &index, &facts, &params, &traffic); err != nil {
			return err
		}
		s := &a.stored[i]
		s.id, s.sampled, s.index, s.indexNext = id, sampled, string(index), indexNext.Int64
		if err := unpackFacts(facts, traffic, &s.Endpoint); err != nil {
			return err
		}
		s.packed = string(params)
	}
	return rows.Err()
}

// endpoint merges one observation into e and stores it, with its samples.
func (a *applier) endpoint(ctx context.Context, o *inventory.Endpoint, e *storedEndpoint, u *inventory.AccountUpdate) error {
	exists, err := a.hasCollectionOf(ctx, o)
	if err != nil {
		return err
	}
	if !exists {
		if a.dropped == nil {
			a.dropped = map[string]int64{}
		}
		a.dropped[inventory.DroppedNoCollection] += o.Count
		return nil
	}
	mine, keys := a.samples[o.EndpointKey], a.sensitives[o.EndpointKey]
	o, mine, keys = a.redact(o, mine, keys, u)
	changed, err := a.merge(e, o)
	if err != nil {
		return err
	}
	seq := e.sampled
	e.sampled += int64(len(mine))
	if changed && a.reshaped != nil && a.reshaped(a.account, e.EndpointKey) {
		if a.due == nil {
			a.due = map[int32]bool{}
		}
		a.due[e.Collection] = true
	}
	if err := a.put(ctx, e, changed); err != nil {
		return err
	}
	if err := a.sensitive(ctx, e, seq, mine, keys, u); err != nil {
		return fmt.Errorf("sensitive samples: %w", err)
	}
	return a.ring(ctx, e.id, seq, mine, u.Samples)
}

// merge merges o into e, and the params of both into a.params. changed says that
// something is new or was seen first earlier: then, and if e moved, e has its params.
func (a *applier) merge(e *storedEndpoint, o *inventory.Endpoint) (changed bool, err error) {
	discovered, last, before := e.Discovered, e.LastSeen, firsts(&e.Endpoint)
	ways, reached := e.AuthTypes, e.AccessTypes
	rest := *o
	rest.Params = nil
	e.Merge(&rest)
	e.moved = !same(ways, e.AuthTypes) || !same(reached, e.AccessTypes)
	changed = e.id == 0 || firsts(&e.Endpoint) != before
	a.types = a.types[:0]
	if !changed && !e.moved {
		var ok bool
		if a.params, ok = a.merger.Merge(a.params[:0], e.packed, discovered, last, e.LastSeen, o.Params); ok {
			return false, nil
		}
	}
	if e.id != 0 {
		old := inventory.Endpoint{Discovered: discovered, LastSeen: last}
		if err := inventory.ParseParams(e.packed, &old); err != nil {
			return false, fmt.Errorf("params: %w", err)
		}
		e.Params = old.Params
	}
	a.types = appendTypes(a.types, e.Params)
	before = firsts(&e.Endpoint)
	e.Merge(&inventory.Endpoint{Params: o.Params})
	a.params = inventory.AppendParams(a.params[:0], &e.Endpoint)
	return changed || firsts(&e.Endpoint) != before, nil
}

// same says whether a set is the one that it was merged into: merging makes
// another one when it adds something.
func same[T any](a, b []T) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// put stores e and a.params, with what is derived from it: the index of types, beyond
// a.types, and the changes if they are others than before.
func (a *applier) put(ctx context.Context, e *storedEndpoint, changed bool) error {
	fresh := e.id == 0
	a.facts = inventory.AppendFacts(a.facts[:0], &e.Endpoint)
	a.traffic = inventory.AppendTraffic(a.traffic[:0], e.Traffic)
	if e.id != 0 {
		if _, err := a.setEndpoint.ExecContext(ctx, e.Count, e.Discovered, e.LastSeen, e.sampled, a.facts, a.params, a.traffic, e.id); err != nil {
			return err
		}
		if changed {
			if _, err := a.delChanges.ExecContext(ctx, e.id); err != nil {
				return err
			}
		}
	} else {
		r, err := a.addEndpoint.ExecContext(ctx, a.account, e.Collection, e.URL, e.Method, e.Count, e.Discovered, e.LastSeen, e.sampled,
			a.facts, a.params, a.traffic)
		if err != nil {
			return err
		}
		if e.id, err = r.LastInsertId(); err != nil {
			return err
		}
		a.collections[e.Collection]++
		changed = true
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

// A firstTimes sums up when parts of an endpoint were first seen. Such times are
// only added or fall, so it changes whenever one of them does.
type firstTimes struct {
	parts           int
	discovered, sum int64
}

func firsts(e *inventory.Endpoint) firstTimes {
	f := firstTimes{parts: len(e.Params) + len(e.AuthTypes) + len(e.ResponseCodes), discovered: e.Discovered}
	for i := range e.Params {
		f.sum += e.Params[i].FirstSeen
	}
	for _, t := range e.AuthSeen {
		f.sum += t
	}
	for _, t := range e.CodeSeen {
		f.sum += t
	}
	return f
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
func (a *applier) indexTypes(ctx context.Context, e *storedEndpoint) error {
	had := len(a.types)
	a.types = appendTypes(a.types, e.Params)
	for _, t := range a.types[had:] {
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
func (a *applier) ring(ctx context.Context, id, seq int64, mine []int, samples []inventory.Sample) error {
	skip := max(0, len(mine)-inventory.MaxSamples)
	for n, i := range mine {
		if n < skip {
			continue
		}
		s := &samples[i]
		at := seq + int64(n)
		if _, err := a.putSample.ExecContext(ctx, id<<4|at%inventory.MaxSamples, at, s.Time, s.ID[:], s.Source, s.Data); err != nil {
			return fmt.Errorf("sample: %w", err)
		}
	}
	return nil
}
