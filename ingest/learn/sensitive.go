package learn

import (
	"slices"

	"harken/ingest"
	"harken/inventory"
)

// keepSensitive keeps a record as a sample of sensitive parameters: the newest
// MaxSamples of each.
func (a *aggregate) keepSensitive(e *endpoint, r *ingest.Record, account int32, at int64, data []byte, of []*typed) {
	var mine []*typed
	for _, t := range of {
		if !slices.Contains(mine, t) {
			mine = append(mine, t)
			t.kept++
		}
	}
	e.sensitive = append(e.sensitive, sensitive{
		Sample: inventory.Sample{Endpoint: e.key, Time: at, ID: r.ID, Account: account, Source: r.Source, Data: data},
		of:     mine,
	})
	a.samples++
	a.bytes += int64(len(data))
	a.sampled += int64(len(data))
}

// pruneSensitive lets go of samples that are among the newest of no parameter, and
// gives their bytes back, once there are many.
func (a *aggregate) pruneSensitive(e *endpoint, pool *buffers) {
	if len(e.sensitive) < 2*inventory.MaxSamples || !slices.ContainsFunc(e.sensitive[0].of, func(t *typed) bool { return t.kept >= 2*inventory.MaxSamples }) {
		return
	}
	for i := range e.sensitive {
		for _, t := range e.sensitive[i].of {
			t.kept = 0
		}
	}
	keep := make([]bool, len(e.sensitive))
	for i, s := range slices.Backward(e.sensitive) {
		for _, t := range s.of {
			if t.kept < inventory.MaxSamples {
				t.kept++
				keep[i] = true
			}
		}
	}
	n := 0
	for i, s := range e.sensitive {
		if keep[i] {
			e.sensitive[n] = s
			n++
			continue
		}
		a.samples--
		a.bytes -= int64(len(s.Data))
		a.sampled -= int64(len(s.Data))
		pool.put(s.Data)
	}
	clear(e.sensitive[n:])
	e.sensitive = e.sensitive[:n]
}

func (e *endpoint) appendSensitive(dst []inventory.SensitiveSample) []inventory.SensitiveSample {
	for i := range e.sensitive {
		s := &e.sensitive[i]
		out := inventory.SensitiveSample{Sample: s.Sample}
		for _, t := range s.of {
			out.Params = append(out.Params, t.paramKey(t.key))
		}
		slices.SortFunc(out.Params, func(x, y inventory.ParamKey) int { return x.Compare(&y) })
		dst = append(dst, out)
	}
	return dst
}
