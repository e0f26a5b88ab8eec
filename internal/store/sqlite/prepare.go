package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"harken/inventory"
)

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

// A reading is a chunk of endpoints as they are stored. Its memory is reused.
type reading struct {
	stored [chunk]storedEndpoint
	args   []any
}

// load reads what is stored of some observations, params too.
func (a *applier) load(ctx context.Context, es []inventory.Endpoint) error {
	if err := a.loadPacked(ctx, a.getEndpoints, a.account, es, func(params []byte) string { return string(params) }); err != nil {
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

// loadPacked leaves params packed, as keep keeps them.
func (r *reading) loadPacked(ctx context.Context, get *sql.Stmt, account int32, es []inventory.Endpoint, keep func([]byte) string) error {
	r.args = r.args[:0]
	for i := range es {
		r.stored[i] = storedEndpoint{Endpoint: inventory.Endpoint{EndpointKey: es[i].EndpointKey}}
		r.args = append(r.args, es[i].Collection, es[i].URL, es[i].Method)
	}
	for range chunk - len(es) {
		r.args = append(r.args, nil, nil, nil)
	}
	r.args = append(r.args, account)
	rows, err := get.QueryContext(ctx, r.args...)
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
		s := &r.stored[i]
		s.id, s.sampled, s.index, s.indexNext = id, sampled, string(index), indexNext.Int64
		if err := unpackFacts(facts, traffic, &s.Endpoint); err != nil {
			return err
		}
		s.packed = keep(params)
	}
	return rows.Err()
}

// A row is what an observation makes of an endpoint, as it is to be written.
type row struct {
	storedEndpoint
	facts, params, traffic []byte
	changed                bool     // something is new, or was seen first earlier: then it has its params
	reached                bool     // a URL parameter has enough values now
	types                  []string // of its params before, those that are worth an index
	// Samples that are not redacted, as indexes into the update's.
	samples, sensitives []int
	datas               [][]byte // of the newest samples, packed
}

// A batch is a chunk of rows. Its memory is reused.
type batch struct {
	reading
	rows   [chunk]row
	n      int
	merger inventory.ParamMerger
	bytes  []byte   // of all rows
	datas  [][]byte // of all rows
	packed []byte   // of all that is stored
	err    error
}

// batches is how many chunks may be merged and not written: one that is written, one
// that is ready and one that is being merged.
const batches = 3

// A preparer reads what is stored of observations and merges them, while those before
// are written. It reads on a connection of its own: that sees what was committed before
// the transaction, which has the database for itself, and each endpoint comes once.
type preparer struct {
	get  *sql.Stmt
	bufs [batches]batch
}

// firstChunk is how many rows the writer prepares itself, for others to be ready when
// they are written.
const firstChunk = 16

// mergeAll merges what is stored into the observations of u, and calls write for each of
// the rows.
func (a *applier) mergeAll(ctx context.Context, u *inventory.AccountUpdate, write func(*row) error) error {
	p := &a.db.preparer
	first := &p.bufs[0]
	free, ready := make(chan *batch, batches), make(chan *batch, batches)
	for i := range p.bufs[1:] {
		free <- &p.bufs[i+1]
	}
	n := min(firstChunk, len(u.Endpoints))
	go func() {
		defer close(ready)
		for es := range slices.Chunk(u.Endpoints[n:], chunk) {
			b := <-free
			if b == nil {
				return
			}
			b.err = b.prepare(ctx, p.get, a, u, es)
			ready <- b
		}
	}()
	defer func() {
		close(free)
		for range ready { // until the goroutine has ended
		}
		for i := range p.bufs {
			p.bufs[i].forget()
		}
	}()
	if err := errors.Join(first.prepare(ctx, a.getEndpoints, a, u, u.Endpoints[:n]), first.each(write)); err != nil {
		return err
	}
	free <- first
	for b := range ready {
		if err := errors.Join(b.err, b.each(write)); err != nil {
			return err
		}
		free <- b
	}
	return nil
}

// each calls f for each row, until it fails.
func (b *batch) each(f func(*row) error) error {
	for i := range b.rows[:b.n] {
		if err := f(&b.rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// forget lets go of what the rows name.
func (b *batch) forget() {
	clear(b.rows[:])
	clear(b.stored[:])
	clear(b.args)
	clear(b.datas[:cap(b.datas)])
	if cap(b.bytes)+cap(b.packed) > maxBatch {
		b.bytes, b.packed = nil, nil
	}
}

// maxBatch bounds the bytes that a batch keeps for the next ones.
const maxBatch = 1 << 20

// prepare makes the rows of a chunk, none if it fails.
func (b *batch) prepare(ctx context.Context, get *sql.Stmt, a *applier, u *inventory.AccountUpdate, es []inventory.Endpoint) error {
	b.n, b.bytes, b.datas, b.packed, b.merger.Enough = 0, b.bytes[:0], b.datas[:0], b.packed[:0], a.enough
	if err := b.loadPacked(ctx, get, a.account, es, b.keep); err != nil {
		return err
	}
	for i := range es {
		o := &es[i]
		if a.gone[o.Collection] {
			continue
		}
		r := &b.rows[b.n]
		b.n++
		*r = row{storedEndpoint: b.stored[i], types: r.types[:0]}
		o, r.samples, r.sensitives = a.redact(o, a.samples[o.EndpointKey], a.sensitives[o.EndpointKey], u)
		if err := b.merge(r, o); err != nil {
			b.n = 0
			return fmt.Errorf("%s %s in collection %d: %w", o.Method, o.URL, o.Collection, err)
		}
		r.facts = b.pack(func(dst []byte) []byte { return inventory.AppendFacts(dst, &r.Endpoint) })
		r.traffic = b.pack(func(dst []byte) []byte { return inventory.AppendTraffic(dst, r.Traffic) })
		n := len(b.datas)
		for _, s := range r.samples[max(0, len(r.samples)-inventory.MaxSamples):] {
			b.datas = append(b.datas, b.pack(func(dst []byte) []byte { return appendPacked(dst, u.Samples[s].Data) }))
		}
		r.datas = b.datas[n:]
	}
	return nil
}

// keep returns the text of data, valid until the batch is used again.
func (b *batch) keep(data []byte) string {
	n := len(b.packed)
	b.packed = append(b.packed, data...)
	return unsafe.String(unsafe.SliceData(b.packed[n:]), len(data)) //nolint:gosec // nothing writes there before all of the batch is written
}

// merge merges o into r, and packs its params.
func (b *batch) merge(r *row, o *inventory.Endpoint) error {
	discovered, last, before := r.Discovered, r.LastSeen, firsts(&r.Endpoint)
	ways, reached := r.AuthTypes, r.AccessTypes
	rest := *o
	rest.Params = nil
	r.Merge(&rest)
	r.moved = !same(ways, r.AuthTypes) || !same(reached, r.AccessTypes)
	r.changed = r.id == 0 || firsts(&r.Endpoint) != before
	if !r.changed && !r.moved {
		var ok bool
		r.params = b.pack(func(dst []byte) []byte {
			dst, ok = b.merger.Merge(dst, r.packed, discovered, last, r.LastSeen, o.Params)
			return dst
		})
		if ok {
			r.reached = b.merger.Reached
			return nil
		}
	}
	if r.id != 0 {
		old := inventory.Endpoint{Discovered: discovered, LastSeen: last}
		if err := inventory.ParseParams(r.packed, &old); err != nil {
			return fmt.Errorf("params: %w", err)
		}
		r.Params = old.Params
	}
	r.types = appendTypes(r.types, r.Params)
	before = firsts(&r.Endpoint)
	enough := r.EnoughURLValues(b.merger.Enough)
	r.Merge(&inventory.Endpoint{Params: o.Params})
	r.reached = r.EnoughURLValues(b.merger.Enough) > enough
	r.params = b.pack(func(dst []byte) []byte { return inventory.AppendParams(dst, &r.Endpoint) })
	r.changed = r.changed || firsts(&r.Endpoint) != before
	return nil
}

// pack returns what f appends.
func (b *batch) pack(f func([]byte) []byte) []byte {
	n := len(b.bytes)
	b.bytes = f(b.bytes)
	return b.bytes[n:len(b.bytes):len(b.bytes)]
}

// same says whether a set is the one that it was merged into: merging makes
// another one when it adds something.
func same[T any](a, b []T) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

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
