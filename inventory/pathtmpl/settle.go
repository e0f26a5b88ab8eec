package pathtmpl

import (
	"slices"
)

// A move is the absorption of an entry.
type move struct{ e, into *entry }

// settle absorbs the affected URLs, as the templates stand.
func (p *pass) settle() {
	x := &p.m.index
	for _, g := range x.stale {
		if !g.due() {
			x.deferred = append(x.deferred, g)
			continue
		}
		g.stale = false
		g.clean()
		p.affected = append(p.affected, g.entries...)
		g.ripened = false
		if g.ripe() {
			for _, f := range g.forms {
				p.forms = append(p.forms, f)
			}
		}
	}
	x.stale = nil
	for _, f := range p.forms {
		p.widenBy(f)
	}
	p.forms = nil
	affected := p.affected
	p.affected = nil
	if len(p.m.templates) == 0 {
		return
	}
	var doomed []*entry
	for _, e := range affected {
		if !e.gone && p.cover(e) != nil {
			// Marked now so that no entry is taken twice.
			e.gone = true
			doomed = append(doomed, e)
		}
	}
	evs := make([]*evidence, len(doomed))
	for i, e := range doomed {
		evs[i] = e.ev
		p.take(p.m, e)
	}
	for i, e := range doomed {
		t := p.cover(e)
		if t == nil {
			// Only when a look-up meets its bound.
			p.add(p.method, e.url, e.rule)
			continue
		}
		p.retire(e, t, evs[i])
		p.inherit(p.m, t, e, evs[i])
		p.moves = append(p.moves, move{e, t})
	}
}

// report gives what was absorbed, by the template in which it ended. Templates
// that were made and absorbed in the same pass are nobody's business.
func (p *pass) report() []Absorption {
	into := make(map[*entry]*entry, len(p.moves))
	for _, mv := range p.moves {
		into[mv.e] = mv.into
	}
	by := map[*entry]int{}
	var out []Absorption
	add := func(t *entry, urls ...string) {
		for into[t] != nil {
			t = into[t]
		}
		i, ok := by[t]
		if !ok {
			i = len(out)
			by[t] = i
			out = append(out, Absorption{Method: p.method, Template: t.url, Rule: t.rule})
		}
		out[i].URLs = append(out[i].URLs, urls...)
	}
	for _, mv := range p.moves {
		if _, ok := p.fresh[mv.e]; !ok {
			add(mv.into, mv.e.url)
		}
	}
	for e, urls := range p.m.twins {
		add(e, urls...)
	}
	p.m.twins = nil
	for i := range out {
		slices.Sort(out[i].URLs)
	}
	return out
}

// cover finds the most specific template that makes an entry needless.
func (p *pass) cover(e *entry) *entry {
	w := walk{opt: &p.Set.opt, steps: maxSteps, covers: e}
	return w.find(&p.m.root, rest(p.m.key(e.url)), 0)
}

func (g *group) clean() {
	g.entries = slices.DeleteFunc(g.entries, func(e *entry) bool { return e.gone })
	g.gone = 0
}

// retire keeps an absorbed entry as a ghost while it may count as a look-alike in
// a bucket that has no template yet, if there is room; else it takes it out of
// the index.
func (p *pass) retire(e, t *entry, old *evidence) {
	x := &p.m.index
	p.buf = p.segments(e, p.buf)
	segs := p.buf
	all, key := keyOf(segs)
	if g := x.groups[key]; g != nil {
		if e.stiff {
			g.stiff--
		}
		if g.gone++; g.gone > len(g.entries)/2 {
			g.clean()
		}
		if len(g.entries) == 0 && !g.stale {
			p.forget(g)
			delete(x.groups, key)
			p.bytes -= groupCost
		}
	}
	e.indexed, e.of = false, t
	if !p.haunts(e, segs, all) {
		p.unindex(e, segs, all)
		return
	}
	if !p.mayHaunt(t) {
		p.unindex(e, segs, all)
		return
	}
	p.keepGhost(p.m, t, e)
	p.keepVotes(e, old)
	p.lose(p.m, e.group, e)
}

// haunts reports whether an absorbed entry is in a bucket without a template.
func (p *pass) haunts(e *entry, segs []segment, all uint64) bool {
	for i := range segs {
		if !segs[i].free {
			continue
		}
		b := p.m.index.bucketOf(leaveOut(all, segs, i), segs, i)
		if b != nil && !b.made && b.find(segs[i].lower) >= 0 {
			return true
		}
	}
	return e.template && e.open
}

func (p *pass) unindex(e *entry, segs []segment, all uint64) {
	x := &p.m.index
	for i := -1; i < len(segs); i++ {
		if i >= 0 && !segs[i].free || i < 0 && (e.form == "" || e.template) {
			continue
		}
		key := leaveOut(all, segs, i)
		b := x.bucketOf(key, segs, i)
		if b == nil || !b.drop(e) {
			continue
		}
		p.bytes -= bucketCost
		p.leave(b)
		if first := x.buckets[key]; first == b {
			if b.next == nil {
				delete(x.buckets, key)
			} else {
				x.buckets[key] = b.next
			}
			continue
		}
		for at := x.buckets[key]; at != nil; at = at.next {
			if at.next == b {
				at.next = b.next
			}
		}
	}
}

// mayHaunt reports whether a template has room for one more ghost. They may take
// a quarter of the set.
func (s *Set) mayHaunt(t *entry) bool {
	return t.ghosts < maxGhosts && s.ghosts < s.maxURLs()/4 && s.bytes < s.maxBytes()/4*3
}

func (s *Set) keepGhost(m *methodSet, t, e *entry) {
	e.ghost, e.gone, e.of = true, true, t
	t.ghosts++
	s.ghosts++
	s.bytes += int64(len(e.url)) + staticCost
	m.ghosts[m.key(e.url)] = e
}

// haunt remembers a path that a template with opaque literals matched as a
// look-alike of other paths. Without it, which of two templates is found first
// would decide whether the other is found at all: of /users/kqj/repos/STRING and
// /users/STRING/repos/zvw both count /users/kqj/repos/zvw.
func (s *Set) haunt(m *methodSet, t *entry, path string) {
	if !s.mayHaunt(t) {
		return
	}
	url, rule, _ := parameterize(path, &s.opt)
	if !t.open && localesOnly(t.url, url) {
		return
	}
	if url == t.url || m.lookup(url) != nil || m.isBlocked(url) {
		return
	}
	if ghost := m.ghosts[m.key(url)]; ghost != nil {
		s.again(m, ghost, path)
		return
	}
	e := &entry{url: url, rule: rule, template: rule != 0 || IsTemplate(url)}
	if url == path {
		e.url = string([]byte(path))
	}
	s.keepGhost(m, t, e)
	s.again(m, e, path)
	s.enqueue(m, e)
}

// localesOnly reports whether a path has locales wherever the template has LOCALE.
func localesOnly(template, path string) bool {
	only := true
	Params(template, path, func(_ int, ph, value string) {
		only = only && (ph != Locale || isLocale(value))
	})
	return only
}

// stalen has a group looked through.
func (x *index) stalen(g *group) {
	if !g.stale {
		g.stale = true
		x.stale = append(x.stale, g)
	}
}
