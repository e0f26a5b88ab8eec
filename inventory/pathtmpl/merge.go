package pathtmpl

import (
	"cmp"
	"slices"
	"strings"
)

// MergeOptions say how Merge compares.
type MergeOptions struct {
	// Shape gives the shape of a URL of the set, and false if nothing is known of
	// it yet. It is asked only for URLs that differ from another in one segment,
	// where eleven values are known, once: call Set.Touch when a shape becomes known or changes. Nil turns off what
	// needs shapes, which is the merging of opaque segments.
	Shape func(method, url string) (Shape, bool)
	// Limit bounds the URLs that one pass looks at; 0 means all. Set.Pending says
	// how many are left.
	Limit int
}

// An Absorption says that URLs of the set are now part of a template. Their
// history is the caller's to unite with that of the template, which may be new.
type Absorption struct {
	Method, Template string
	Rule             Rule     // of the template
	URLs             []string // sorted; static paths, and templates that this one covers
}

// ghosts of one template, at most; see Set.haunt.
const maxGhosts = 128

// Pending gives the number of URLs that no Merge has looked at yet.
func (s *Set) Pending() int { return s.waiting }

// Skip makes the next Merge leave alone what no Merge has looked at yet.
func (s *Set) Skip() {
	for _, m := range s.methods {
		for _, e := range m.index.pending {
			e.queued = false
		}
		m.index.pending = nil
	}
	s.waiting = 0
}

// Touch makes the next Merge look at a URL of the set again, because its
// parameters or statuses changed. It does nothing for URLs that never merge.
func (s *Set) Touch(method, url string) {
	if m := s.methods[method]; m != nil {
		if e := m.lookup(url); e != nil {
			e.shape = nil
			s.enqueue(m, e)
		}
	}
}

// enqueue has the next Merge look at an entry. Paths of one segment and those of
// GraphQL never merge; templates of one segment may absorb.
func (s *Set) enqueue(m *methodSet, e *entry) {
	n := strings.Count(e.url, "/")
	if e.queued || isGraphQL(e.url) || n > maxSegments || n < 2 && !e.template {
		return
	}
	e.queued = true
	m.index.pending = append(m.index.pending, e)
	s.waiting++
}

// Merge makes templates of the static paths, and of the templates, that look
// alike, and gives what was absorbed, sorted by method and template. It looks
// only at URLs that were added or touched since the last pass, and at those that
// look like them, so that a URL costs the same however large the set is.
//
//   - Paths that differ only in numbers, object ids, UUIDs, dates, versions and
//     such merge when there are two: phase A has done that unless they were added
//     as they are.
//   - Paths that differ only in one segment, and there in locales, merge to LOCALE
//     when there are two.
//   - Paths that differ, but for case, only in one segment, which is not English on
//     any side, merge to STRING when there are eleven of which one has a Shape
//     similar to those of ten others. What templates are left so may look alike
//     again: /users/kqj/repos/STRING and ten more make /users/STRING/repos/STRING.
//     Two are enough at a place that is known to be a parameter: what comes before
//     the segment is the same, and templates with STRING there, or look-alikes of
//     any method and with anything after it, have eleven values together.
//     Segments after skills or skill stay; so do versions, api and rest.
//   - A template with INTEGER, FLOAT or OBJECT_ID becomes part of one with STRING
//     there, if their shapes are similar and paths with the same English words had
//     eleven other values there.
//   - Static paths that a template matches become part of it, as Resolve would
//     have it; so do templates that a wider one makes needless. What is pinned
//     stays.
//
// The result does not depend on the order in which URLs came nor on when Merge is
// called, if the Shape of a URL is always the same, and that of a template similar
// to those of its URLs, and as long as no bound is met: of the set, 64 distinct
// shapes among the look-alikes, 128 paths that a template remembers as
// look-alikes of others, 256 templates with numbers among the paths with the same
// words, 1,024 look-alikes that templates with these words took, 64 kinds of paths
// whose values are counted for one place, three segments before it that may be
// values themselves; and, see lost.go, unless templates with LOCALE take paths with
// locales of which other templates could learn values. A set of MaxBytes finds no new
// look-alikes.
func (s *Set) Merge(opt MergeOptions) []Absorption {
	if s.shapes.bytes > s.maxBytes()/8 {
		s.bytes -= s.shapes.forget()
	}
	var out []Absorption
	limit := cmp.Or(max(opt.Limit, 0), s.waiting)
	passes := make([]*pass, 0, len(s.methods))
	for method, m := range s.methods {
		p := &pass{Set: s, opt: opt, method: method, m: m}
		limit -= p.begin(limit)
		passes = append(passes, p)
	}
	// What one method shows of a place may complete templates of another.
	for again := true; again; {
		again = false
		for _, p := range passes {
			again = p.drain() || again
		}
	}
	for _, p := range passes {
		m := &p.m.index
		m.pending = append(m.pending, p.later...)
		out = append(out, p.report()...)
	}
	slices.SortFunc(out, func(a, b Absorption) int {
		return cmp.Or(cmp.Compare(a.Method, b.Method), cmp.Compare(a.Template, b.Template))
	})
	return out
}

// A pass is one Merge of the URLs of one method.
type pass struct {
	*Set
	opt      MergeOptions
	method   string
	m        *methodSet
	buf      []segment
	affected []*entry
	fresh    map[*entry]struct{} // templates that this pass made
	forms    []*entry            // by which templates may widen
	moves    []move
	later    []*entry // beyond the limit
}

// begin chooses of the pending entries at most limit, and gives their number.
func (p *pass) begin(limit int) (done int) {
	x := &p.m.index
	x.stale, x.deferred = append(x.stale, x.deferred...), nil
	p.forms, x.forms = x.forms, nil
	done = min(limit, len(x.pending))
	p.later = slices.Clone(x.pending[done:])
	x.pending = x.pending[:done:done]
	return done
}

// drain looks at what was chosen and at all that comes of it, and reports whether
// there was anything.
func (p *pass) drain() (worked bool) {
	x := &p.m.index
	for len(x.pending)+len(x.ripe)+len(x.stale)+len(p.forms) > 0 {
		worked = true
		for i := 0; i < len(x.pending); i++ {
			p.look(x.pending[i])
		}
		x.pending = nil
		p.pick()
		if len(x.pending) == 0 { // what is new is looked at before it takes others
			p.settle()
		}
	}
	return worked
}

// look brings an entry into the index and makes the templates that it completes.
func (p *pass) look(e *entry) {
	e.queued = false
	p.waiting--
	if e.gone && !e.ghost {
		return
	}
	p.buf = p.segments(e, p.buf)
	segs := p.buf
	all, group := keyOf(segs)
	p.affect(e)
	if !p.group(e, segs, group) {
		return
	}
	if e.template {
		p.absorb(e, segs, all)
		p.place(e, segs)
	} else if e.form != "" {
		p.join(e, segs, all, -1)
	}
	// What was found under locales is found again under the other placeholders:
	// counting it twice would make it matter which came first.
	if len(segs) < 2 || e.locale {
		return
	}
	for i := range segs {
		if segs[i].free {
			p.join(e, segs, all, i)
		}
	}
}

func (p *pass) affect(e *entry) {
	if !e.gone {
		p.affected = append(p.affected, e)
	}
}

// group puts an entry into its group; false if it consists of English words.
func (p *pass) group(e *entry, segs []segment, key uint64) bool {
	plain, stiff, wild, narrow := true, e.form != "", 0, false
	for i := range segs {
		plain = plain && segs[i].english
		stiff = stiff || segs[i].ph < 0 && !segs[i].english && !segs[i].free
		switch segs[i].ph {
		case phString:
			wild++
		case phVersioned, phLocale:
			wild += 2 // STRING is below it, or above
		case phInteger, phFloat, phObjectID:
			narrow = e.template
		}
	}
	if plain {
		return false
	}
	x := &p.m.index
	g := x.groups[key]
	if g == nil {
		if x.groups == nil {
			x.groups, x.buckets = map[uint64]*group{}, map[uint64]*bucket{}
		}
		g = &group{votes: make([][]uint64, len(segs))}
		x.groups[key] = g
		p.bytes += groupCost
	}
	e.group = g
	p.poll(g, e, segs)
	if e.ghost {
		p.lose(p.m, g, e)
	}
	if narrow && !e.ghost {
		p.form(g, e)
	}
	if !e.indexed && !e.gone {
		e.indexed = true
		g.entries = append(g.entries, e)
		g.grown++
		if e.stiff = stiff; stiff {
			g.stiff++
		}
	}
	alive := e.template && !e.ghost
	if alive && (wild > 1 || wild > 0 && g.stiff > 0 || e.rule.given()) || g.ripened {
		x.stalen(g)
	}
	if alive && wild > 0 && g.ripe() {
		for _, f := range g.forms {
			p.widen(e, f)
		}
	}
	return true
}

// absorb has the URLs looked at that differ from a template only where it has a
// placeholder for anything, and the static paths of which it is the form.
func (p *pass) absorb(e *entry, segs []segment, all uint64) {
	for i := -1; i < len(segs); i++ {
		if i >= 0 && segs[i].ph < phVersioned {
			continue
		}
		if b := p.m.index.bucketOf(leaveOut(all, segs, i), segs, i); b != nil {
			for _, mem := range b.members {
				p.affect(mem.e)
			}
		}
		if i >= 0 && segs[i].ph == phString {
			before, _, after := cutSegment(e.url, i)
			if twin := p.m.templates[p.m.key(before+Locale+after)]; twin != nil {
				p.affect(twin)
			}
		}
	}
}

// join puts an entry into one bucket, and makes the template of the bucket when
// that has enough.
func (p *pass) join(e *entry, segs []segment, all uint64, pos int) {
	x := &p.m.index
	key := leaveOut(all, segs, pos)
	b := x.bucketOf(key, segs, pos)
	name, locale := strings.ToLower(e.url), false
	if pos >= 0 {
		name, locale = segs[pos].lower, isLocale(segs[pos].lower)
	}
	if b == nil {
		if p.bytes >= p.maxBytes() {
			return
		}
		b = &bucket{next: x.buckets[key], pos: int16(pos)} //nolint:gosec // at most maxSegments
		b.members = []member{{e: e, locale: locale}}
		x.buckets[key] = b
		p.bytes += bucketCost
		if pos >= 0 {
			b.pool = p.poolOf(segs, pos)
			b.pool.buckets++
		}
		if locale {
			b.locale = name
		} else {
			b.count = 1
			p.see(b, name)
		}
		return
	}
	if b.made {
		p.template(b, e, false)
		p.affect(e)
		return
	}
	i, added := b.put(e, name, locale)
	if added {
		p.bytes += memberCost
		if !locale {
			p.see(b, name)
		}
	}
	switch {
	case !locale:
	case b.locale == "":
		b.locale = name
	case b.locales:
		p.template(b, e, true)
	case b.locale != name:
		b.locales = true
		p.each(b, true)
	}
	switch {
	case i < 0:
	case pos < 0 && b.count > 1, pos >= 0 && p.enough(b, i):
		p.complete(b)
	case !added && b.members[i].e != e:
		// Another spelling of the same URL: its template is made with the others.
		b.members = append(b.members, member{e: e, locale: true})
	}
}

// shape asks for the shape of an entry; nil if it is not known.
func (p *pass) shape(e *entry) *Shape {
	if e.shape != nil && !e.template {
		return e.shape
	}
	// What is known of an absorbed URL went to its template.
	for known := e; known != nil; known = known.of {
		if sh, ok := p.opt.Shape(p.method, known.url); ok {
			var cost int64
			e.shape, cost = p.shapes.intern(sh)
			p.bytes += cost
			break
		}
	}
	return e.shape
}

// complete makes the templates of a bucket that has enough look-alikes.
func (p *pass) complete(b *bucket) {
	b.made = true
	if p.each(b, false) {
		if b.pool != nil {
			p.prove(b.pool)
		}
		p.bytes -= int64(len(b.members)-1) * memberCost
		b.members = slices.Clone(b.members[:1])
	}
	b.names, b.slots = nil, nil
}

// each makes the template of a bucket for each spelling of the literals; false if
// one could not be made.
func (p *pass) each(b *bucket, locale bool) bool {
	all := true
	for _, mem := range b.members {
		all = p.template(b, mem.e, locale) && all
		p.affect(mem.e)
	}
	return all
}

// template makes the template of a bucket in the spelling of one member; false if
// it is blocked or the set is full.
func (p *pass) template(b *bucket, e *entry, locale bool) bool {
	text, rule := e.formText(), ruleOf(e)
	if b.pos >= 0 {
		ph, why := String, RuleBodySimilar
		if locale {
			ph, why = Locale, RuleLocale
		}
		before, _, after := cutSegment(text, int(b.pos))
		text, rule = before+ph+after, e.rule&learnedRules|why
	}
	if p.m.isBlocked(text) {
		return false
	}
	if g := p.m.ghosts[p.m.key(text)]; g != nil {
		return true
	}
	t, made := p.add(p.method, text, rule)
	if t == nil {
		return false
	}
	if made {
		if p.fresh == nil {
			p.fresh = map[*entry]struct{}{}
		}
		p.fresh[t] = struct{}{}
		t.shape = b.shape()
	}
	return true
}

// ruleOf is the rules for single segments by which a static path has its form.
func ruleOf(e *entry) (rule Rule) {
	if e.form == "" || e.template {
		return e.rule & learnedRules
	}
	var all Options
	for raw := range strings.SplitSeq(rest(e.url), "/") {
		_, why := placeholderFor(raw, true, &all)
		rule |= why
	}
	if rule == 0 {
		rule = RuleSemantic
	}
	return rule
}
