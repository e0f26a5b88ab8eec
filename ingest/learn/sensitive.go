package learn

import (
	"slices"

	"harken/inventory"
)

// A sensitive is a sample of sensitive parameters.
type sensitive struct {
	inventory.Sample
	of []counted
}

// A counted says which sample of a parameter a record was, counted from 1.
type counted struct {
	t *typed
	n int
}

// wanted reports whether a record is among the newest samples of one of its
// parameters.
func wanted(of []counted) bool {
	return slices.ContainsFunc(of, func(c counted) bool { return c.t.seen-c.n < inventory.MaxSamples })
}

// count makes the next sample of parameters, in old's memory.
func count(of []*typed, old []counted) []counted {
	out := old[:0]
	for _, t := range of {
		if !slices.ContainsFunc(out, func(c counted) bool { return c.t == t }) {
			t.seen++
			out = append(out, counted{t, t.seen})
		}
	}
	return out
}

// leave takes the sample out of the ring in whose place the next one comes. While
// it is among the newest of a sensitive parameter it stays beside the ring; else
// its bytes are returned, to be used again.
func (a *aggregate) leave(e *endpoint, pool *buffers) (data []byte) {
	if len(e.ring) < inventory.MaxSamples {
		return nil
	}
	slot := &e.ring[e.sampled%inventory.MaxSamples]
	if !wanted(slot.of) {
		return slot.Data
	}
	if len(e.sensitive) >= 4*inventory.MaxSamples {
		e.sensitive = slices.DeleteFunc(e.sensitive, func(s sensitive) bool {
			if wanted(s.of) {
				return false
			}
			a.bytes -= int64(len(s.Data))
			a.sampled -= int64(len(s.Data))
			a.samples--
			pool.put(s.Data)
			return true
		})
	}
	e.sensitive = append(e.sensitive, *slot)
	a.samples++
	slot.Data, slot.of = nil, nil
	return nil
}

// paramKeys are the parameters that a record is one of the newest samples of.
func paramKeys(of []counted) []inventory.ParamKey {
	var keys []inventory.ParamKey
	for _, c := range of {
		if c.t.seen-c.n < inventory.MaxSamples {
			keys = append(keys, c.t.paramKey(c.t.key))
		}
	}
	slices.SortFunc(keys, func(x, y inventory.ParamKey) int { return x.Compare(&y) })
	return keys
}

func (e *endpoint) appendSensitive(dst []inventory.SensitiveSample) []inventory.SensitiveSample {
	for i := range e.sensitive {
		if s := &e.sensitive[i]; wanted(s.of) {
			dst = append(dst, inventory.SensitiveSample{Sample: s.Sample, Params: paramKeys(s.of)})
		}
	}
	return dst
}
