package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"harken/inventory"
	"harken/inventory/fault"
)

// MergeDue returns the collections with static URLs that were not looked through.
func (db *DB) MergeDue(ctx context.Context) ([]inventory.CollectionKey, error) {
	rows, err := db.r.QueryContext(ctx, `SELECT account, collection FROM templates WHERE due ORDER BY account, collection`)
	if err != nil {
		return nil, fmt.Errorf("list collections to merge: %w", err)
	}
	defer rows.Close()
	var all []inventory.CollectionKey
	for rows.Next() {
		var k inventory.CollectionKey
		if err := rows.Scan(&k.Account, &k.ID); err != nil {
			return nil, fmt.Errorf("list collections to merge: %w", err)
		}
		all = append(all, k)
	}
	return all, rows.Err()
}

const selectTemplates = `SELECT version, data, due FROM templates WHERE account = ? AND collection = ?`

// TemplateState returns what templates of a collection are made from.
func (s *store) TemplateState(ctx context.Context, collection int32) (inventory.TemplateState, error) {
	return scanTemplates(s.db.stmts.templates.QueryRowContext(context.WithoutCancel(ctx), s.account, collection))
}

func scanTemplates(row *sql.Row) (t inventory.TemplateState, err error) {
	if err = row.Scan(&t.Version, &t.Data, &t.Due); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return t, fmt.Errorf("read template state: %w", err)
	}
	return t, nil
}

// PutTemplateState stores t if nobody else did since it was read.
func (s *store) PutTemplateState(ctx context.Context, collection int32, t inventory.TemplateState) (int64, error) {
	err := s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		have, err := scanTemplates(tx.QueryRowContext(ctx, selectTemplates, s.account, collection))
		if err != nil {
			return err
		}
		if have.Version != t.Version {
			return fault.New(fault.Conflict, "the templates of collection %d were changed meanwhile", collection)
		}
		if t.Data == nil {
			_, err = tx.ExecContext(ctx, `UPDATE templates SET due = ? WHERE account = ? AND collection = ?`, t.Due, s.account, collection)
			return err
		}
		t.Version++
		_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO templates (account, collection, version, due, data) VALUES (?, ?, ?, ?, ?)`,
			s.account, collection, t.Version, t.Due, t.Data)
		return err
	})
	return t.Version, err
}

// Absorb lets a template take over URLs, in one transaction.
func (s *store) Absorb(ctx context.Context, in inventory.Absorption) error {
	err := s.db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		b := absorber{
			applier: applier{db: s.db, statements: s.db.stmts.within(ctx, tx), account: s.account, collections: map[int32]int64{}},
			tx:      tx, in: &in,
		}
		var err error
		if b.groups, err = s.grouper(ctx, tx); err != nil {
			return err
		}
		return b.run(ctx)
	})
	if err != nil {
		return fmt.Errorf("absorb into %s %s: %w", in.Method, in.Template, err)
	}
	return nil
}

// An absorber makes one template take over URLs.
type absorber struct {
	applier
	tx       *sql.Tx
	in       *inventory.Absorption
	template storedEndpoint
	types    []string                     // of its params before
	rings    []ringed                     // all samples of all
	index    sensitiveIndex               // of the template, as it was read
	records  []*inventory.SensitiveSample // of all
}

// ringed is a stored sample, without its data.
type ringed struct {
	id, time int64
	record   string
}

func (b *absorber) run(ctx context.Context) error {
	key := inventory.EndpointKey{Collection: b.in.Collection, URL: b.in.Template, Method: b.in.Method}
	one := inventory.Endpoint{EndpointKey: key}
	if there, err := b.hasCollectionOf(ctx, &one); err != nil || !there {
		return errors.Join(err, missing(there, b.in.Collection))
	}
	now, err := b.redaction(ctx)
	if err != nil {
		return err
	}
	b.stripAll = now.Live || b.strip[b.in.Collection]
	if err := b.load(ctx, []inventory.Endpoint{one}); err != nil {
		return err
	}
	b.template = b.stored[0]
	b.types = appendTypes(nil, b.template.Params)
	if err := b.begin(ctx); err != nil {
		return err
	}
	taken := 0
	for urls := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(b.in.URLs))), chunk) {
		n, err := b.takeAll(ctx, urls)
		if err != nil {
			return err
		}
		taken += n
	}
	if taken == 0 {
		return nil
	}
	kept := b.newest()
	b.template.sampled = int64(len(kept))
	b.template.moved = true
	if err := b.groups.replace(ctx, b.in); err != nil {
		return err
	}
	if err := b.putTemplate(ctx); err != nil {
		return err
	}
	if err := b.moveSamples(ctx, kept); err != nil {
		return err
	}
	if err := b.moveSensitive(ctx); err != nil {
		return err
	}
	if _, err := b.countURL.ExecContext(ctx, b.collections[b.in.Collection]-int64(taken), b.account, b.in.Collection); err != nil {
		return err
	}
	return b.groups.count(ctx)
}

func (b *absorber) putTemplate(ctx context.Context) error {
	e := &b.template.Endpoint
	r := row{
		storedEndpoint: b.template, changed: true, types: b.types,
		facts: inventory.AppendFacts(nil, e), params: inventory.AppendParams(nil, e), traffic: inventory.AppendTraffic(nil, e.Traffic),
	}
	err := b.put(ctx, &r)
	b.template.id = r.id
	return err
}

func missing(there bool, collection int32) error {
	if there {
		return nil
	}
	return fault.New(fault.NotFound, "collection %d does not exist", collection)
}

// begin reads what the template has of its own.
func (b *absorber) begin(ctx context.Context) (err error) {
	if b.template.id == 0 {
		return nil
	}
	if b.index, err = b.takeSensitive(ctx, &b.template); err != nil {
		return err
	}
	return b.readRing(ctx, b.template.id)
}

func (b *absorber) readRing(ctx context.Context, id int64) error {
	rows, err := b.tx.QueryContext(ctx, `SELECT id, time, record FROM samples WHERE id BETWEEN ?1 << 4 AND ?1 << 4 | 15`, id)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r ringed
		if err := rows.Scan(&r.id, &r.time, &r.record); err != nil {
			return err
		}
		b.rings = append(b.rings, r)
	}
	return rows.Err()
}

// takeAll merges what is stored of some URLs into the template, and removes them.
func (b *absorber) takeAll(ctx context.Context, urls []string) (n int, err error) {
	es := make([]inventory.Endpoint, len(urls))
	for i, u := range urls {
		es[i].EndpointKey = inventory.EndpointKey{Collection: b.in.Collection, URL: u, Method: b.in.Method}
	}
	if err := b.load(ctx, es); err != nil {
		return 0, err
	}
	for i := range es {
		e := &b.stored[i]
		if e.id == 0 || e.id == b.template.id {
			continue
		}
		n++
		if err := b.take(ctx, e); err != nil {
			return n, fmt.Errorf("%s: %w", e.URL, err)
		}
	}
	return n, nil
}

func (b *absorber) take(ctx context.Context, e *storedEndpoint) error {
	if err := b.readRing(ctx, e.id); err != nil {
		return err
	}
	if _, err := b.takeSensitive(ctx, e); err != nil {
		return err
	}
	if err := b.moveOverrides(ctx, e.URL); err != nil {
		return err
	}
	if err := b.deleteRows(ctx, b.tx, e, false); err != nil {
		return err
	}
	b.template.Merge(&e.Endpoint)
	if b.in.Params == nil {
		return nil
	}
	ps := b.in.Params(e.URL)
	for i := range ps {
		p := &ps[i]
		p.Count, p.FirstSeen, p.LastSeen = e.Count, e.Discovered, e.LastSeen
		for j := range p.Sketch {
			p.Sketch[j].Callers = e.Callers
		}
		p.Unique, p.Public = p.Sketch.Counts()
	}
	slices.SortFunc(ps, func(x, y inventory.Param) int { return x.Compare(&y.ParamKey) })
	o := &inventory.Endpoint{Params: ps}
	if b.stripAll {
		o = withoutValues(o)
	}
	b.template.Merge(o)
	return nil
}

// takeSensitive reads the samples of sensitive parameters.
func (b *absorber) takeSensitive(ctx context.Context, e *storedEndpoint) (sensitiveIndex, error) {
	x, err := e.sensitiveIndex()
	if err != nil || len(x.params) == 0 {
		return x, err
	}
	rows, err := b.tx.QueryContext(ctx, selectSensitive+` ORDER BY 1`, e.id, jsonList(x.rings()), e.id)
	if err != nil {
		return x, err
	}
	defer rows.Close()
	for rows.Next() {
		one := &inventory.SensitiveSample{}
		var seq int64
		var record, data sql.RawBytes
		if err := rows.Scan(&seq, &one.Time, &record, &one.Source, &data); err != nil {
			return x, err
		}
		if one.Data, err = unpacked(data); err != nil {
			return x, err
		}
		copy(one.ID[:], record)
		for i := range x.params {
			if slices.Contains(x.params[i].Seqs, seq) {
				one.Params = append(one.Params, x.params[i].key())
			}
		}
		b.records = append(b.records, one)
	}
	return x, rows.Err()
}

// moveSensitive numbers the samples of all anew, by time, so that the template
// keeps the newest.
func (b *absorber) moveSensitive(ctx context.Context) error {
	if len(b.records) == 0 {
		return nil
	}
	slices.SortStableFunc(b.records, func(x, y *inventory.SensitiveSample) int {
		return cmp.Or(cmp.Compare(x.Time, y.Time), bytes.Compare(x.ID[:], y.ID[:]))
	})
	x := sensitiveIndex{next: b.index.next}
	samples := make(map[int64]*inventory.SensitiveSample, len(b.records))
	for _, r := range b.records {
		samples[x.add(r.Params)] = r
	}
	return b.putSensitive(ctx, b.template.id, &x, b.index.rows(), samples)
}

func (b *absorber) moveOverrides(ctx context.Context, url string) error {
	r, err := b.tx.ExecContext(ctx, `INSERT OR IGNORE INTO sensitive_params (account, collection, url, method, code, header, param, sensitive)
		SELECT account, collection, ?, method, code, header, param, sensitive FROM sensitive_params
		WHERE account = ? AND collection = ? AND url = ? AND method = ?`, b.in.Template, b.account, b.in.Collection, url, b.in.Method)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return err
	}
	return (&store{db: b.db, account: b.account}).changed(ctx, b.tx)
}

// newest chooses the samples that the template keeps, oldest first.
func (b *absorber) newest() []ringed {
	slices.SortFunc(b.rings, func(x, y ringed) int {
		return cmp.Or(cmp.Compare(x.time, y.time), cmp.Compare(x.record, y.record), cmp.Compare(x.id, y.id))
	})
	return b.rings[max(0, len(b.rings)-inventory.MaxSamples):]
}

// moveSamples makes kept the ring of the template and removes the other samples.
func (b *absorber) moveSamples(ctx context.Context, kept []ringed) error {
	for _, r := range b.rings[:len(b.rings)-len(kept)] {
		if _, err := b.tx.ExecContext(ctx, `DELETE FROM samples WHERE id = ?`, r.id); err != nil {
			return err
		}
	}
	// By way of ids below 0, which are free: the ring may be in its own way.
	for i, r := range kept {
		if _, err := b.tx.ExecContext(ctx, `UPDATE samples SET id = ?, seq = ? WHERE id = ?`, -1-i, i, r.id); err != nil {
			return err
		}
	}
	for i := range kept {
		if _, err := b.tx.ExecContext(ctx, `UPDATE samples SET id = ? WHERE id = ?`, b.template.id<<4|int64(i), -1-i); err != nil {
			return err
		}
	}
	return nil
}

// deleteRows removes an endpoint with all that belongs to it, except overrides
// and, unless withSamples, samples.
func (a *applier) deleteRows(ctx context.Context, tx *sql.Tx, e *storedEndpoint, withSamples bool) error {
	if err := a.groups.leave(ctx, e.id); err != nil {
		return err
	}
	for _, q := range [...]string{
		`DELETE FROM endpoints WHERE id = ?`,
		`DELETE FROM changes WHERE endpoint = ?`,
		`DELETE FROM sensitive_index WHERE endpoint = ?`,
		`DELETE FROM sensitive_samples WHERE endpoint = ?`,
	} {
		if _, err := tx.ExecContext(ctx, q, e.id); err != nil {
			return err
		}
	}
	if withSamples {
		if _, err := tx.ExecContext(ctx, `DELETE FROM samples WHERE id BETWEEN ?1 << 4 AND ?1 << 4 | 15`, e.id); err != nil {
			return err
		}
	}
	for _, t := range appendTypes(nil, e.Params) {
		if _, err := tx.ExecContext(ctx, `DELETE FROM param_types WHERE account = ? AND type = ? AND collection = ? AND endpoint = ?`,
			a.account, t, e.Collection, e.id); err != nil {
			return err
		}
	}
	return nil
}
