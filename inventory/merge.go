package inventory

import (
	"cmp"
	"slices"
	"strings"
)

// Merge adds the observation o to e; both have the same key. It is commutative
// and associative: observations may be split, merged with each other first, and
// merged in any order, and give the same whole. The sets and Params of both must
// be sorted as Endpoint says. e may keep parts of o, which must not change later.
func (e *Endpoint) Merge(o *Endpoint) {
	e.Count += o.Count
	e.Discovered = earliest(e.Discovered, o.Discovered)
	e.LastSeen = max(e.LastSeen, o.LastSeen)
	e.APIType = MaxAPIType(e.APIType, o.APIType)
	auth, codes := e.AuthTypes, e.ResponseCodes
	e.AuthTypes = unionFunc(auth, o.AuthTypes, slices.Compare, MaxAuthTypes)
	e.AuthSeen = mergeSeen(e.AuthTypes, auth, e.AuthSeen, o.AuthTypes, o.AuthSeen, slices.Compare)
	e.AccessTypes = union(e.AccessTypes, o.AccessTypes, MaxOrigins)
	e.ResponseCodes = union(codes, o.ResponseCodes, MaxCodes)
	e.CodeSeen = mergeSeen(e.ResponseCodes, codes, e.CodeSeen, o.ResponseCodes, o.CodeSeen, cmp.Compare)
	e.Traffic = MergeTraffic(e.Traffic, o.Traffic)
	e.Callers.Merge(o.Callers)
	e.Origins = union(e.Origins, o.Origins, MaxOrigins)
	e.mergeSources(o.Sources)
	e.Description = max(e.Description, o.Description)
	e.mergeParams(o.Params)
}

// Merge adds the observation o of the same parameter to p.
func (p *Param) Merge(o *Param) {
	p.Count += o.Count
	p.FirstSeen = earliest(p.FirstSeen, o.FirstSeen)
	p.LastSeen = max(p.LastSeen, o.LastSeen)
	p.mergeSketch(o)
	switch {
	case o.HasRange && p.HasRange:
		p.Min, p.Max = min(p.Min, o.Min), max(p.Max, o.Max)
	case o.HasRange:
		p.HasRange, p.Min, p.Max = true, o.Min, o.Max
	}
	p.Full = p.Full || o.Full
	if !p.Full {
		p.Values = union(p.Values, o.Values, MaxValues)
		p.Full = len(p.Values) >= MaxValues
	}
	if p.Full {
		p.Values = nil
	}
}

func (p *Param) mergeSketch(o *Param) {
	switch {
	case len(p.Sketch) == 0 && len(o.Sketch) == 0:
		p.Unique += o.Unique
		p.Public += o.Public
		return
	case len(o.Sketch) > 0:
		p.Sketch = p.Sketch.merge(o.Sketch)
	}
	p.Unique, p.Public = p.Sketch.Counts()
}

// mergeSeen gives when the members of all, the union of a and b, were first seen;
// nil if nothing says it.
func mergeSeen[T any](all, a []T, aSeen []int64, b []T, bSeen []int64, compare func(x, y T) int) []int64 {
	if len(aSeen) != len(a) {
		aSeen = nil
	}
	if len(bSeen) != len(b) {
		bSeen = nil
	}
	if aSeen == nil && bSeen == nil {
		return nil
	}
	if len(aSeen) == 0 || &a[0] != &all[0] { // all is a itself when b adds nothing
		seen := make([]int64, len(all))
		addSeen(seen, all, a, aSeen, compare)
		aSeen = seen
	}
	addSeen(aSeen, all, b, bSeen, compare)
	return aSeen
}

func addSeen[T any](seen []int64, all, part []T, partSeen []int64, compare func(x, y T) int) {
	i := 0
	for j := range partSeen {
		for i < len(all) && compare(all[i], part[j]) < 0 {
			i++
		}
		if i == len(all) {
			return // beyond the bound
		}
		if compare(all[i], part[j]) == 0 {
			seen[i] = earliest(seen[i], partSeen[j])
		}
	}
}

// earliest is the smaller of two times, of which 0 is none.
func earliest(a, b int64) int64 {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}

// MaxAPIType returns the one of two API types of an endpoint that says more.
func MaxAPIType(a, b string) string {
	if typeRank(b) > typeRank(a) {
		return b
	}
	return a
}

// typeRank decides when records of one endpoint tell different API types: REST
// is what everything looks like that is not recognized.
func typeRank(t string) int {
	switch t {
	case "":
		return 0
	case "REST":
		return 1
	case "SOAP":
		return 2
	case "GRPC":
		return 3
	case "GRAPHQL":
		return 4
	}
	return 5
}

func (e *Endpoint) mergeSources(o map[string]int64) {
	if len(o) == 0 {
		return
	}
	if e.Sources == nil {
		e.Sources = make(map[string]int64, len(o))
	}
	for s, t := range o {
		if have, ok := e.Sources[s]; !ok || t > have {
			e.Sources[s] = t
		}
	}
	for len(e.Sources) > MaxSources {
		last := ""
		for s := range e.Sources {
			last = max(last, s)
		}
		delete(e.Sources, last)
	}
}

// mergeParams works in place when e has all keys of o, which is so for nearly
// every endpoint that is not new.
func (e *Endpoint) mergeParams(o []Param) {
	missing, i := 0, 0
	for j := range o {
		i = seek(e.Params, i, &o[j].ParamKey)
		if i == len(e.Params) || e.Params[i].Compare(&o[j].ParamKey) != 0 {
			missing++
			continue
		}
		e.Params[i].Merge(&o[j])
	}
	if missing == 0 {
		return
	}
	if len(e.Params) == 0 {
		e.Params = trimParams(slices.Clone(o))
		return
	}
	all := make([]Param, 0, len(e.Params)+missing)
	i = 0
	for j := range o {
		k := seek(e.Params, i, &o[j].ParamKey)
		all = append(all, e.Params[i:k]...)
		i = k
		if i == len(e.Params) || e.Params[i].Compare(&o[j].ParamKey) != 0 {
			all = append(all, o[j])
		}
	}
	e.Params = trimParams(append(all, e.Params[i:]...))
}

// seek returns the index of the first param, from i on, that is not below k.
func seek(ps []Param, i int, k *ParamKey) int {
	for i < len(ps) && ps[i].Compare(k) < 0 {
		i++
	}
	return i
}

// trimParams enforces MaxParams. Keeping the smallest keys is what makes the bound
// independent of order: a key that is among the smallest of the whole is among
// the smallest of every part, so its counts are never lost on the way.
func trimParams(ps []Param) []Param {
	if len(ps) <= MaxParams {
		return ps
	}
	var n [2 * places]int
	kept := ps[:0]
	for i := range ps {
		c := ps[i].place()
		if ps[i].ResponseCode != -1 {
			c += places
		}
		if n[c]++; n[c] <= MaxParams {
			kept = append(kept, ps[i])
		}
	}
	clear(ps[len(kept):])
	return kept
}

// union merges two sorted sets and keeps the smallest limit members.
func union[T cmp.Ordered](a, b []T, limit int) []T {
	return unionFunc(a, b, cmp.Compare[T], limit)
}

func unionFunc[T any](a, b []T, compare func(x, y T) int, limit int) []T {
	if within(a, b, compare) {
		return a
	}
	all := make([]T, 0, min(limit, len(a)+len(b)))
	for len(all) < limit && (len(a) > 0 || len(b) > 0) {
		switch {
		case len(b) == 0:
			all, a = append(all, a[0]), a[1:]
		case len(a) == 0:
			all, b = append(all, b[0]), b[1:]
		default:
			c := compare(a[0], b[0])
			if c <= 0 {
				all, a = append(all, a[0]), a[1:]
			} else {
				all = append(all, b[0])
			}
			if c >= 0 {
				b = b[1:]
			}
		}
	}
	return all
}

// within reports whether every member of b is in a.
func within[T any](a, b []T, compare func(x, y T) int) bool {
	i := 0
	for _, v := range b {
		for i < len(a) && compare(a[i], v) < 0 {
			i++
		}
		if i == len(a) || compare(a[i], v) != 0 {
			return false
		}
	}
	return true
}

// Compare orders keys by collection, URL and method.
func (k EndpointKey) Compare(o EndpointKey) int {
	if c := cmp.Compare(k.Collection, o.Collection); c != 0 {
		return c
	}
	if c := strings.Compare(k.URL, o.URL); c != 0 {
		return c
	}
	return strings.Compare(k.Method, o.Method)
}
