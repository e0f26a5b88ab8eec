package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"harken/inventory"
)

// Marks returns how far each log was read.
func (db *DB) Marks(ctx context.Context) (map[inventory.Mark]int64, error) {
	rows, err := db.r.QueryContext(ctx, `SELECT log, part, seq FROM marks`)
	if err != nil {
		return nil, fmt.Errorf("read marks: %w", err)
	}
	defer rows.Close()
	marks := map[inventory.Mark]int64{}
	for rows.Next() {
		var m inventory.Mark
		var seq int64
		if err := rows.Scan(&m.Log, &m.Partition, &seq); err != nil {
			return nil, fmt.Errorf("read marks: %w", err)
		}
		marks[m] = seq
	}
	return marks, rows.Err()
}

// maxMarks bounds the marks: each log that ever was leaves some.
const maxMarks = 10_000

// pruneMarks forgets the marks that were not raised for the longest time.
func pruneMarks(ctx context.Context, w *sql.DB) error {
	_, err := w.ExecContext(ctx, `DELETE FROM marks WHERE (log, part) NOT IN
		(SELECT log, part FROM marks ORDER BY updated DESC LIMIT ?)`, maxMarks)
	return err
}

// Apply merges u into what is stored and raises the marks, in one transaction.
func (db *DB) Apply(ctx context.Context, u *inventory.Update) error {
	for id := range u.Accounts {
		if err := (&store{db: db, account: id}).seed(ctx); err != nil {
			return err
		}
	}
	err := db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		a := applier{statements: db.stmts.within(ctx, tx)}
		for _, id := range slices.Sorted(maps.Keys(u.Accounts)) {
			if err := a.apply(ctx, id, u.Accounts[id]); err != nil {
				return err
			}
		}
		now := db.now().Unix()
		for m, seq := range u.Marks {
			if _, err := a.putMark.ExecContext(ctx, m.Log, m.Partition, seq, now); err != nil {
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
	account       int32
	collections   map[int32]int64                 // new endpoints in each that exists; -1 if it does not
	samples       map[inventory.EndpointKey][]int // indexes into the update's samples
	dropped       map[string]int64
	facts, params []byte
	stored        [chunk]storedEndpoint
	args          []any
	types         []string
}

// A storedEndpoint is the row of an observation's key; its id is 0 if there is
// none.
type storedEndpoint struct {
	id      int64
	sampled int64 // samples that were ever stored
	inventory.Endpoint
}

func (a *applier) apply(ctx context.Context, account int32, u *inventory.AccountUpdate) error {
	a.account = account
	a.collections = map[int32]int64{}
	a.dropped = maps.Clone(u.Dropped)
	a.samples = make(map[inventory.EndpointKey][]int, len(u.Samples))
	for i := range u.Samples {
		k := u.Samples[i].Endpoint
		a.samples[k] = append(a.samples[k], i)
	}
	for es := range slices.Chunk(u.Endpoints, chunk) {
		if err := a.load(ctx, es); err != nil {
			return err
		}
		for i := range es {
			if err := a.endpoint(ctx, &es[i], &a.stored[i], u.Samples); err != nil {
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
	return nil
}

// load reads what is stored of some observations.
func (a *applier) load(ctx context.Context, es []inventory.Endpoint) error {
	a.args = a.args[:0]
	for i := range chunk {
		if i >= len(es) {
			a.args = append(a.args, nil, nil, nil)
			continue
		}
		a.stored[i] = storedEndpoint{Endpoint: inventory.Endpoint{EndpointKey: es[i].EndpointKey}}
		a.args = append(a.args, es[i].Collection, es[i].URL, es[i].Method)
	}
	a.args = append(a.args, a.account)
	rows, err := a.getEndpoints.QueryContext(ctx, a.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var facts, params sql.RawBytes
	for rows.Next() {
		var i int
		var id, sampled int64
		if err := rows.Scan(&i, &id, &sampled, &facts, &params); err != nil {
			return err
		}
		s := &a.stored[i]
		s.id, s.sampled = id, sampled
		if err := unpack(facts, params, &s.Endpoint); err != nil {
			return err
		}
	}
	return rows.Err()
}

// endpoint merges one observation into e and stores it, with its samples.
func (a *applier) endpoint(ctx context.Context, o *inventory.Endpoint, e *storedEndpoint, samples []inventory.Sample) error {
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
	mine := a.samples[o.EndpointKey]
	a.types = appendTypes(a.types[:0], e.Params)
	e.Merge(o)
	a.facts, a.params = inventory.AppendFacts(a.facts[:0], &e.Endpoint), inventory.AppendParams(a.params[:0], &e.Endpoint)
	next := e.sampled + int64(len(mine))
	if e.id == 0 {
		r, err := a.addEndpoint.ExecContext(ctx, a.account, o.Collection, o.URL, o.Method, e.Count, e.Discovered, e.LastSeen, next, a.facts, a.params)
		if err != nil {
			return err
		}
		if e.id, err = r.LastInsertId(); err != nil {
			return err
		}
		a.collections[o.Collection]++
	} else if _, err := a.setEndpoint.ExecContext(ctx, e.Count, e.Discovered, e.LastSeen, next, a.facts, a.params, e.id); err != nil {
		return err
	}
	if err := a.indexTypes(ctx, e); err != nil {
		return err
	}
	return a.ring(ctx, e.id, e.sampled, mine, samples)
}

func (a *applier) hasCollectionOf(ctx context.Context, o *inventory.Endpoint) (bool, error) {
	n, known := a.collections[o.Collection]
	if !known {
		var there bool
		if err := a.hasCollection.QueryRowContext(ctx, a.account, o.Collection).Scan(&there); err != nil {
			return false, err
		}
		if !there {
			n = -1
		}
		a.collections[o.Collection] = n
	}
	return n >= 0, nil
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
