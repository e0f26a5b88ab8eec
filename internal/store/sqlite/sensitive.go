package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"harken/inventory"
)

// Bounds of the samples of sensitive parameters of one endpoint.
const (
	maxSensitiveParams  = 200
	maxSensitiveSamples = 200
)

// A sensitiveIndex says of which parameters of an endpoint the stored records are
// samples.
type sensitiveIndex struct {
	next   int64 // sequence of the next record
	params []sensitiveParam
	// The records that are in the ring of samples, by their sequence there; the
	// others are rows of their own.
	ringed map[int64]int64
}

type sensitiveParam struct {
	Code     int     `json:"c"`
	Header   bool    `json:"h,omitempty"`
	URLParam bool    `json:"u,omitempty"`
	Query    bool    `json:"q,omitempty"`
	Name     string  `json:"n"`
	Type     string  `json:"t"`
	Seqs     []int64 `json:"s"` // rising, at most MaxSamples
}

func (p *sensitiveParam) key() inventory.ParamKey {
	return inventory.ParamKey{ResponseCode: p.Code, Header: p.Header, URLParam: p.URLParam, Query: p.Query, Name: p.Name, Type: p.Type}
}

func (x *sensitiveIndex) has(o *inventory.SensitiveOverride) bool {
	return slices.ContainsFunc(x.params, func(p sensitiveParam) bool {
		return p.Code == o.ResponseCode && p.Header == o.Header && p.Name == o.Param
	})
}

// add notes that the record with the next sequence is a sample of keys.
func (x *sensitiveIndex) add(keys []inventory.ParamKey) (seq int64) {
	seq = x.next
	x.next++
	for i := range keys {
		k := &keys[i]
		at := slices.IndexFunc(x.params, func(p sensitiveParam) bool { return p.key() == *k })
		if at < 0 {
			if len(x.params) >= maxSensitiveParams {
				continue
			}
			at = len(x.params)
			x.params = append(x.params, sensitiveParam{k.ResponseCode, k.Header, k.URLParam, k.Query, k.Name, k.Type, nil})
		}
		p := &x.params[at]
		if n := len(p.Seqs); n >= inventory.MaxSamples {
			p.Seqs = append(p.Seqs[:0], p.Seqs[n-inventory.MaxSamples+1:]...)
		}
		p.Seqs = append(p.Seqs, seq)
	}
	return seq
}

// used returns the sequences that are still samples of something, rising. The
// oldest beyond the bound are let go.
func (x *sensitiveIndex) used() []int64 {
	var all []int64
	for i := range x.params {
		all = append(all, x.params[i].Seqs...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if n := len(all) - maxSensitiveSamples; n > 0 {
		first := all[n]
		all = all[n:]
		for i := range x.params {
			p := &x.params[i]
			p.Seqs = slices.DeleteFunc(p.Seqs, func(s int64) bool { return s < first })
		}
		x.params = slices.DeleteFunc(x.params, func(p sensitiveParam) bool { return len(p.Seqs) == 0 })
	}
	return all
}

// rows returns the sequences of records that are rows of their own, rising.
func (x *sensitiveIndex) rows() []int64 {
	return slices.DeleteFunc(x.used(), func(at int64) bool {
		_, ringed := x.ringed[at]
		return ringed
	})
}

// sensitive stores records as samples of sensitive parameters of an endpoint:
// those of others, and those of mine, which become the samples from seq on. It
// comes before the ring is written: what that overwrites may still be needed.
func (a *applier) sensitive(ctx context.Context, e *storedEndpoint, seq int64, mine, others []int, u *inventory.AccountUpdate) error {
	if len(mine)+len(others) == 0 ||
		len(others) == 0 && e.index == "" && !slices.ContainsFunc(mine, func(i int) bool { return len(u.Samples[i].Sensitive) > 0 }) {
		return nil
	}
	endpoint := e.id
	x, err := e.sensitiveIndex()
	if err != nil {
		return err
	}
	before := x.rows()
	samples := make(map[int64]*inventory.SensitiveSample, len(others))
	for _, i := range others {
		samples[x.add(u.Sensitive[i].Params)] = &u.Sensitive[i]
	}
	if x.ringed == nil {
		x.ringed = map[int64]int64{}
	}
	for n, i := range mine {
		if keys := u.Samples[i].Sensitive; len(keys) > 0 {
			x.ringed[x.add(keys)] = seq + int64(n)
		}
	}
	used := x.used()
	for at, ring := range x.ringed {
		_, needed := slices.BinarySearch(used, at)
		switch {
		case !needed:
			delete(x.ringed, at)
		case ring < seq+int64(len(mine))-inventory.MaxSamples:
			delete(x.ringed, at)
			if _, err := a.saveSensitive.ExecContext(ctx, endpoint, at, endpoint<<4|ring%inventory.MaxSamples, ring); err != nil {
				return err
			}
		}
	}
	return a.putSensitive(ctx, endpoint, &x, before, samples)
}

// putSensitive stores the index and the records that it names, and removes those of
// before, which are rows of their own, that it names no longer.
func (a *applier) putSensitive(ctx context.Context, endpoint int64, x *sensitiveIndex, before []int64, samples map[int64]*inventory.SensitiveSample) error {
	now := x.used()
	for _, seq := range before {
		if _, keep := slices.BinarySearch(now, seq); !keep {
			if _, err := a.delSensitive.ExecContext(ctx, endpoint, seq); err != nil {
				return err
			}
		}
	}
	for _, seq := range now {
		if s := samples[seq]; s != nil {
			if _, err := a.addSensitive.ExecContext(ctx, endpoint, seq, s.Time, s.ID[:], s.Source, appendPacked(nil, s.Data)); err != nil {
				return err
			}
		}
	}
	a.packedIndex = appendIndex(a.packedIndex[:0], x)
	_, err := a.putIndex.ExecContext(ctx, endpoint, x.next, a.packedIndex)
	return err
}

// sensitiveIndex is the stored index of e; an empty one if there is none.
func (e *storedEndpoint) sensitiveIndex() (x sensitiveIndex, err error) {
	if e.index != "" {
		x, err = parseIndex(e.index)
	}
	x.next = e.indexNext
	return x, err
}

// selectSensitive reads the records of an index: rows of their own, and those in
// the ring.
const selectSensitive = `SELECT seq, time, record, source, data FROM sensitive_samples WHERE endpoint = ?
	UNION ALL SELECT r.value ->> 0, s.time, s.record, s.source, s.data FROM json_each(?) r
	CROSS JOIN samples s ON s.id = ? << 4 | (r.value ->> 1) % 10 AND s.seq = r.value ->> 1`

// rings lists what is in the ring: pairs of its sequence here and there.
func (x *sensitiveIndex) rings() [][2]int64 {
	all := make([][2]int64, 0, len(x.ringed))
	for at, ring := range x.ringed {
		all = append(all, [2]int64{at, ring})
	}
	return all
}

// SensitiveSamples returns the samples of sensitive parameters, oldest first.
func (s *store) SensitiveSamples(ctx context.Context, k inventory.EndpointKey) ([]inventory.SensitiveSample, error) {
	var id int64
	var text string
	// Between the two queries a sample may leave the ring: it is then not listed.
	err := s.db.r.QueryRowContext(ctx, `SELECT i.endpoint, i.params FROM endpoints e JOIN sensitive_index i ON i.endpoint = e.id
		WHERE e.account = ? AND e.collection = ? AND e.url = ? AND e.method = ?`, s.account, k.Collection, k.URL, k.Method).Scan(&id, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list sensitive samples: %w", err)
	}
	x, err := parseIndex(text)
	if err != nil {
		return nil, err
	}
	rows, err := s.db.r.QueryContext(ctx, selectSensitive+` ORDER BY 2, 1`, id, jsonList(x.rings()), id)
	if err != nil {
		return nil, fmt.Errorf("list sensitive samples: %w", err)
	}
	defer rows.Close()
	var all []inventory.SensitiveSample
	for rows.Next() {
		one := inventory.SensitiveSample{Sample: inventory.Sample{Endpoint: k, Account: s.account}}
		var record, data sql.RawBytes
		var seq int64
		if err := rows.Scan(&seq, &one.Time, &record, &one.Source, &data); err != nil {
			return nil, fmt.Errorf("list sensitive samples: %w", err)
		}
		if one.Data, err = unpacked(data); err != nil {
			return nil, fmt.Errorf("list sensitive samples: %w", err)
		}
		copy(one.ID[:], record)
		for i := range x.params {
			if slices.Contains(x.params[i].Seqs, seq) {
				one.Params = append(one.Params, x.params[i].key())
			}
		}
		if len(one.Params) > 0 { // it may have been let go between the two queries
			slices.SortFunc(one.Params, func(a, b inventory.ParamKey) int { return a.Compare(&b) })
			all = append(all, one)
		}
	}
	return all, rows.Err()
}
