package pathtmpl

import (
	"cmp"
	"hash/maphash"
	"slices"
)

// maxNames is how many parameter names of one set are compared.
const maxNames = 1000

// A Shape is what URLs are compared by before look-alikes are merged: the names
// of the request's parameters, and for each valid status those of the response.
// It is compact and exact: names are kept as 64-bit hashes, sorted, the 1,000
// smallest of each set. Make it with NewShape.
type Shape struct {
	request   []uint64
	responses []statusNames
}

type statusNames struct {
	status int
	names  []uint64
}

// NewShape makes a Shape of parameter names. Names are the caller's: they have
// only to be equal for equal parameters. Statuses other than 2xx and 302 are left
// out. The arguments are not kept.
func NewShape(request []string, responses map[int][]string) Shape {
	sh := Shape{request: hashNames(request)}
	for status, names := range responses {
		if validStatus(status) {
			sh.responses = append(sh.responses, statusNames{status, hashNames(names)})
		}
	}
	slices.SortFunc(sh.responses, func(a, b statusNames) int { return cmp.Compare(a.status, b.status) })
	return sh
}

func validStatus(status int) bool { return status >= 200 && status < 300 || status == 302 }

func hashNames(names []string) []uint64 {
	if len(names) == 0 {
		return nil
	}
	out := make([]uint64, len(names))
	for i, n := range names {
		out[i] = hashText(n)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return slices.Clip(out[:min(len(out), maxNames)])
}

// hashText is the same in every process, because what is made of it is stored.
func hashText(s string) uint64 {
	h := uint64(hashSeed)
	for i := range len(s) {
		h = hashByte(h, s[i])
	}
	// The finalizer of MurmurHash3, in the public domain: the sketches need all bits.
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// Similar reports whether two URLs have similar parameter sets: the same valid
// statuses, and names of the request and of each such response that differ by at
// most a fifth of the smaller set, rounded down. Empty is similar only to empty.
func (sh Shape) Similar(o Shape) bool {
	if len(sh.responses) != len(o.responses) || !similarNames(sh.request, o.request) {
		return false
	}
	for i, r := range sh.responses {
		if r.status != o.responses[i].status || !similarNames(r.names, o.responses[i].names) {
			return false
		}
	}
	return true
}

// similarNames counts the names that only one of the sets has.
func similarNames(a, b []uint64) bool {
	allowed := min(len(a), len(b)) / 5
	if len(a)-len(b) > allowed || len(b)-len(a) > allowed {
		return false
	}
	misses := 0
	for len(a) > 0 && len(b) > 0 && misses <= allowed {
		switch {
		case a[0] == b[0]:
			a, b = a[1:], b[1:]
		case a[0] < b[0]:
			a = a[1:]
			misses++
		default:
			b = b[1:]
			misses++
		}
	}
	return misses+len(a)+len(b) <= allowed
}

// empty reports whether there are no names.
func (sh Shape) empty() bool {
	return len(sh.request) == 0 && !slices.ContainsFunc(sh.responses, func(r statusNames) bool { return len(r.names) > 0 })
}

func (sh Shape) equal(o Shape) bool {
	return slices.Equal(sh.request, o.request) &&
		slices.EqualFunc(sh.responses, o.responses, func(a, b statusNames) bool {
			return a.status == b.status && slices.Equal(a.names, b.names)
		})
}

// compare orders shapes, so that a choice among them does not depend on the order
// in which they came.
func (sh Shape) compare(o Shape) int {
	return cmp.Or(slices.Compare(sh.request, o.request),
		slices.CompareFunc(sh.responses, o.responses, func(a, b statusNames) int {
			return cmp.Or(cmp.Compare(a.status, b.status), slices.Compare(a.names, b.names))
		}))
}

// cost estimates the memory of a shape in bytes.
func (sh Shape) cost() int64 {
	n := 96 + 8*len(sh.request)
	for _, r := range sh.responses {
		n += 32 + 8*len(r.names)
	}
	return int64(n)
}

// shapes keeps one copy of each distinct shape: look-alikes mostly have the same.
type shapes struct {
	seed  maphash.Seed
	by    map[uint64][]*Shape
	bytes int64
}

// forget drops what is only here, and gives the bytes that this was. A shape that
// comes again is another copy then, which is as similar.
func (p *shapes) forget() int64 {
	n := p.bytes
	p.by, p.bytes = nil, 0
	return n
}

// intern gives the one copy of a shape, and what it cost to keep it.
func (p *shapes) intern(sh Shape) (*Shape, int64) {
	if p.by == nil {
		p.seed, p.by = maphash.MakeSeed(), map[uint64][]*Shape{}
	}
	var h maphash.Hash
	h.SetSeed(p.seed)
	add := func(names []uint64) {
		maphash.WriteComparable(&h, len(names))
		for _, n := range names {
			maphash.WriteComparable(&h, n)
		}
	}
	add(sh.request)
	for _, r := range sh.responses {
		maphash.WriteComparable(&h, r.status)
		add(r.names)
	}
	key := h.Sum64()
	for _, known := range p.by[key] {
		if known.equal(sh) {
			return known, 0
		}
	}
	kept := &Shape{request: slices.Clone(sh.request), responses: slices.Clone(sh.responses)}
	for i := range kept.responses {
		kept.responses[i].names = slices.Clone(kept.responses[i].names)
	}
	p.by[key] = append(p.by[key], kept)
	p.bytes += kept.cost()
	return kept, kept.cost()
}
