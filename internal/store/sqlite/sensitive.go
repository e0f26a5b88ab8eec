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

func parseIndex(text string) (sensitiveIndex, error) {
	var x sensitiveIndex
	if err := json.Unmarshal([]byte(text), &x.params); err != nil {
		return x, fmt.Errorf("index of sensitive samples: %w", err)
	}
	return x, nil
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

// sensitive stores records as samples of sensitive parameters of an endpoint.
func (a *applier) sensitive(ctx context.Context, endpoint int64, mine []int, all []inventory.SensitiveSample) error {
	x, err := a.index(ctx, endpoint)
	if err != nil {
		return err
	}
	before := x.used()
	samples := make(map[int64]*inventory.SensitiveSample, len(mine))
	for _, i := range mine {
		samples[x.add(all[i].Params)] = &all[i]
	}
	return a.putSensitive(ctx, endpoint, &x, before, samples)
}

// putSensitive stores the index and the records that it names and removes those
// that it names no longer.
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
			if _, err := a.addSensitive.ExecContext(ctx, endpoint, seq, s.Time, s.ID[:], s.Source, s.Data); err != nil {
				return err
			}
		}
	}
	text, err := json.Marshal(x.params)
	if err != nil {
		return err
	}
	_, err = a.putIndex.ExecContext(ctx, endpoint, x.next, string(text))
	return err
}

// index reads the index of an endpoint; an empty one if there is none.
func (a *applier) index(ctx context.Context, endpoint int64) (sensitiveIndex, error) {
	var text string
	var next int64
	err := a.getIndex.QueryRowContext(ctx, endpoint).Scan(&next, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return sensitiveIndex{}, nil
	}
	if err != nil {
		return sensitiveIndex{}, err
	}
	x, err := parseIndex(text)
	x.next = next
	return x, err
}

// SensitiveSamples returns the samples of sensitive parameters, oldest first.
func (s *store) SensitiveSamples(ctx context.Context, k inventory.EndpointKey) ([]inventory.SensitiveSample, error) {
	var id int64
	var text string
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
	rows, err := s.db.r.QueryContext(ctx, `SELECT seq, time, record, source, data FROM sensitive_samples WHERE endpoint = ? ORDER BY time, seq`, id)
	if err != nil {
		return nil, fmt.Errorf("list sensitive samples: %w", err)
	}
	defer rows.Close()
	var all []inventory.SensitiveSample
	for rows.Next() {
		one := inventory.SensitiveSample{Sample: inventory.Sample{Endpoint: k, Account: s.account}}
		var record []byte
		var seq int64
		if err := rows.Scan(&seq, &one.Time, &record, &one.Source, &one.Data); err != nil {
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
