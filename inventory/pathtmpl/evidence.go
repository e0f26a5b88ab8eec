package pathtmpl

import (
	"math"
	"math/bits"
	"slices"
	"strings"
)

// What is kept of a template, at most.
const (
	maxExamples  = 10  // values of each placeholder
	maxExample   = 128 // bytes of one; longer ones are not kept
	maxFirst     = 5   // paths
	maxFirstPath = 1024
	exactValues  = 64  // values of a placeholder that are counted exactly
	registers    = 256 // of the sketch beyond that, a byte each
)

// evidence is what is known of the paths of a template.
type evidence struct {
	first  texts
	values []values // by placeholder, from the left
	bytes  int64    // of all this
}

// values are what stood at one placeholder.
type values struct {
	examples texts
	exact    []uint64 // hashes of distinct values, sorted; nil once there are more
	sketch   []byte   // HyperLogLog registers, for more
	pool     *pool    // of the place, where it counts; see pool.go
	votes    []uint64 // what counts there: see voteOf; sorted, at most LookAlikes
}

// A Placeholder is the evidence of one placeholder of a template.
type Placeholder struct {
	Index int    // of its segment, from 0
	Name  string // INTEGER, STRING, ...
	// Examples are the first distinct values, percent-decoded, at most ten; none
	// over 128 bytes, and none with Options.NoExamples.
	Examples []string
	// Distinct estimates how many different values there were: exact up to 64,
	// beyond that by 256 registers, with a standard error of 6.5 %.
	Distinct int64
	Exact    bool
}

// An Explanation says why a path is known by the URL it is known by.
type Explanation struct {
	Method, URL  string
	Known        bool // the set has URL; else it is what a request would make
	IsTemplate   bool
	Rule         Rule
	Pinned       bool
	Placeholders []Placeholder
	// FirstPaths are the first distinct paths of a template, at most five.
	FirstPaths []string
	// Blocked is the template that the path would have if that were not on the
	// block list.
	Blocked string
}

// Explain says by which URL a path, or a template, is known, and why. It changes
// nothing.
func (s *Set) Explain(method, path string) Explanation {
	path = Normalize(path)
	ex := Explanation{Method: method}
	m := s.methods[method]
	p, rule, changed := parameterize(path, &s.opt)
	if changed && m != nil && m.isBlocked(p) {
		ex.Blocked, p, rule, changed = p, path, 0, false
	}
	if m == nil && !changed {
		p = path
	}
	var e *entry
	if m != nil {
		e = s.match(m, path)
		if e != nil && e.template {
			e = s.taker(m, e, path)
		}
	}
	if e == nil {
		ex.URL, ex.IsTemplate, ex.Rule = p, IsTemplate(p), rule
		return ex
	}
	ex.Known, ex.URL, ex.IsTemplate, ex.Rule, ex.Pinned = true, e.url, e.template, e.rule, e.rule&RulePinned != 0
	if !e.template {
		return ex
	}
	if e.ev != nil {
		ex.FirstPaths = e.ev.first.list()
	}
	n := 0
	Params(e.url, e.url, func(index int, name, _ string) {
		ph := Placeholder{Index: index, Name: name, Exact: true}
		if e.ev != nil {
			v := &e.ev.values[n]
			ph.Examples = v.examples.list()
			ph.Distinct, ph.Exact = v.distinct()
		}
		ex.Placeholders = append(ex.Placeholders, ph)
		n++
	})
	return ex
}

// witness keeps what a path says about its template.
func (s *Set) witness(m *methodSet, t *entry, path string) {
	if IsTemplate(path) {
		return
	}
	ev, room := s.evidenceOf(t), s.bytes < s.maxBytes()
	if ev == nil {
		return
	}
	before := ev.bytes
	if room && !s.opt.NoExamples {
		ev.addFirst(path)
	}
	i := 0
	Params(t.url, path, func(index int, _, value string) {
		s.count(m, t, &ev.values[i], index, value, room)
		i++
	})
	s.bytes += ev.bytes - before
	s.grown = s.grown || ev.bytes != before
}

// Grown reports whether there is evidence that AppendState had not to write when
// Grown was called last.
func (s *Set) Grown() bool {
	g := s.grown
	s.grown = false
	return g
}

// evidenceOf makes the evidence of a template; nil if there is no room.
func (s *Set) evidenceOf(t *entry) *evidence {
	if t.ev == nil && s.bytes < s.maxBytes() {
		n := countPlaceholders(t.url)
		t.ev = &evidence{values: make([]values, n), bytes: 48 + 96*int64(n)}
		s.bytes += t.ev.bytes
	}
	return t.ev
}

func (ev *evidence) addFirst(path string) {
	if len(path) <= maxFirstPath {
		ev.bytes += ev.first.add(path, maxFirst)
	}
}

// count adds a value to those of a placeholder, which stands at segment index.
func (s *Set) count(m *methodSet, t *entry, v *values, index int, value string, room bool) {
	grown := v.add(value, room, !s.opt.NoExamples)
	h, votes := v.elect(value, room)
	if votes {
		grown += 8
	}
	t.ev.bytes += grown
	if grown == 0 || t.group == nil || !t.rule.learned() {
		return
	}
	if t.group.vote(index, value) {
		s.enqueue(m, t)
	}
	if v.pool != nil && votes && v.pool.take(h) {
		s.enqueue(m, t)
	}
}

// inherit gives a template the evidence of what it absorbed.
func (s *Set) inherit(m *methodSet, t, e *entry, old *evidence) {
	if !e.template {
		s.witness(m, t, e.url)
		return
	}
	ev, room := s.evidenceOf(t), s.bytes < s.maxBytes()
	if ev == nil {
		return
	}
	before := ev.bytes
	if old != nil && room {
		for path := range old.first.all() {
			ev.addFirst(path)
		}
	}
	n := 0 // placeholders of e so far
	i := 0
	mine, its := rest(t.url), rest(e.url)
	for index := 0; mine != "" && its != ""; index++ {
		var a, b string
		a, mine, _ = strings.Cut(mine, "/")
		b, its, _ = strings.Cut(its, "/")
		own := placeholderOf(b) >= 0
		if placeholderOf(a) >= 0 {
			switch v := &ev.values[i]; {
			case !own:
				s.count(m, t, v, index, decode(b), room)
			case old != nil && room:
				ev.bytes += v.unite(&old.values[n])
				if v.pool != nil && t.wide&(1<<index) == 0 && v.pool.takeAll(v) {
					s.enqueue(m, t)
				}
			}
			i++
		}
		if own {
			n++
		}
	}
	s.bytes += ev.bytes - before
}

// unite adds the values of o, and gives the bytes that this took.
func (v *values) unite(o *values) (grown int64) {
	for x := range o.examples.all() {
		grown += v.examples.add(x, maxExamples)
	}
	for _, h := range o.exact {
		grown += v.addHash(h, true)
	}
	for _, h := range o.votes {
		if vote(&v.votes, h) {
			grown += 8
		}
	}
	if o.sketch != nil {
		if v.sketch == nil {
			grown += v.spill()
		}
		for i, r := range o.sketch {
			v.sketch[i] = max(v.sketch[i], r)
		}
	}
	return grown
}

func countPlaceholders(template string) (n int) {
	for seg := range strings.SplitSeq(rest(template), "/") {
		if placeholderOf(seg) >= 0 {
			n++
		}
	}
	return n
}

// add counts a value, and gives the bytes that this took. Without room it only
// counts where there is a sketch already.
func (v *values) add(value string, room, examples bool) (grown int64) {
	if room && examples && len(value) <= maxExample {
		grown = v.examples.add(value, maxExamples)
	}
	return grown + v.addHash(hashText(value), room)
}

func (v *values) addHash(h uint64, room bool) (grown int64) {
	if v.sketch != nil {
		v.register(h)
		return 0
	}
	i, ok := slices.BinarySearch(v.exact, h)
	switch {
	case ok || !room:
		return 0
	case len(v.exact) < exactValues:
		v.exact = slices.Insert(v.exact, i, h)
		return 8
	}
	grown = v.spill()
	v.register(h)
	return grown
}

// spill goes over from exact values to a sketch.
func (v *values) spill() (grown int64) {
	v.sketch = make([]byte, registers)
	for _, old := range v.exact {
		v.register(old)
	}
	grown = registers - 8*int64(len(v.exact))
	v.exact = nil
	return grown
}

func (v *values) register(h uint64) {
	r := &v.sketch[h%registers]
	// The low bits chose the register; the rank is that of the others.
	*r = max(*r, byte(bits.LeadingZeros64(h|registers-1)+1)) //nolint:gosec // at most 57
}

// distinct is the estimate of HyperLogLog (Flajolet et al., 2007), with its
// correction for few values.
func (v *values) distinct() (n int64, exact bool) {
	if v.sketch == nil {
		return int64(len(v.exact)), true
	}
	sum, zeros := 0.0, 0.0
	for _, r := range v.sketch {
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			zeros++
		}
	}
	est := 0.7213 / (1 + 1.079/registers) * registers * registers / sum
	if est <= 2.5*registers && zeros > 0 {
		est = registers * math.Log(registers/zeros)
	}
	return max(int64(est+0.5), exactValues+1), false
}
