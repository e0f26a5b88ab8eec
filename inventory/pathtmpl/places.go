package pathtmpl

import (
	"slices"
	"strings"
)

// Of short hashes and of names some have digits only. So a template with STRING
// may be widened to take what the rules would make INTEGER, FLOAT or OBJECT_ID, if
// there were enough other values at that place. What decides must not depend on
// which template happened to be there first to take a path, so it is kept by the
// place, which is a segment of a group: the values that are no numbers and no locales,
// of all paths of the group; and all templates with numbers that there ever were, also those
// that became part of another one, because a template that comes later may take
// their paths.

// maxForms is how many templates with numbers a group remembers.
const maxForms = 256

// formCost estimates the memory of one, beside its text.
const formCost = 250

// vote counts a value at a segment, and reports whether there are enough now.
func (g *group) vote(i int, value string) bool {
	if len(g.votes[i]) >= LookAlikes {
		return false
	}
	h, ok := voteOf(value)
	return ok && g.voteHash(i, h)
}

func (g *group) voteHash(i int, h uint64) bool {
	v := g.votes[i]
	at, known := slices.BinarySearch(v, h)
	if known || len(v) >= LookAlikes {
		return false
	}
	g.votes[i] = slices.Insert(v, at, h)
	if len(g.votes[i]) < LookAlikes {
		return false
	}
	g.ripened = true
	return true
}

// isNarrow reports what INTEGER, FLOAT and OBJECT_ID match.
func isNarrow(value string) bool {
	return isNumber(strings.TrimPrefix(value, "+")) || isObjectID(value)
}

// ripe reports whether some place has enough values.
func (g *group) ripe() bool {
	return slices.ContainsFunc(g.votes, func(v []uint64) bool { return len(v) >= LookAlikes })
}

// poll counts what an entry says of the places of its group. Of a template these
// are the values that it had before its group was known.
func (s *Set) poll(g *group, e *entry, segs []segment) {
	n := 0
	for i := range segs {
		seg := &segs[i]
		if placeholderOf(seg.raw) < 0 {
			if !seg.english {
				g.vote(i, decode(seg.raw))
			}
			continue
		}
		switch {
		case e.wide&(1<<i) != 0:
			g.fill(i) // it would not be wide otherwise
		case e.ev != nil && seg.ph >= phVersioned && e.rule.learned():
			g.adopt(i, &e.ev.values[n])
		}
		n++
	}
}

// adopt counts the values of a placeholder that had no numbers.
func (g *group) adopt(i int, v *values) {
	for _, h := range v.votes {
		g.voteHash(i, h)
	}
}

// fill makes a place have enough values.
func (g *group) fill(i int) {
	if len(g.votes[i]) < LookAlikes {
		g.votes[i] = slices.Repeat([]uint64{0}, LookAlikes)
		g.ripened = true
	}
}

// form remembers a template with numbers.
func (p *pass) form(g *group, e *entry) {
	if g.forms[e.url] != nil {
		g.forms[e.url] = e
	} else if !p.remembered(g, e) {
		return
	}
	p.forms = append(p.forms, e)
}

func (s *Set) remembered(g *group, e *entry) bool {
	if len(g.forms) >= maxForms || s.bytes >= s.maxBytes() {
		return false
	}
	if g.forms == nil {
		g.forms = map[string]*entry{}
	}
	g.forms[e.url] = e
	s.bytes += int64(len(e.url)) + formCost
	return true
}

// forget drops what is known of the places of a group.
func (s *Set) forget(g *group) {
	for url := range g.forms {
		s.bytes -= int64(len(url)) + formCost
	}
	s.bytes -= 8 * int64(len(g.lost))
	g.forms, g.lost = nil, nil
}

// remember has other templates widened, too, by a number that a wide one took.
func (s *Set) remember(m *methodSet, t *entry, path string) {
	if len(t.group.forms) >= maxForms {
		return
	}
	narrow := false
	Params(t.url, path, func(index int, _, value string) {
		narrow = narrow || t.wide&(1<<index) != 0 && isNarrow(value)
	})
	if !narrow {
		return
	}
	url, rule, _ := parameterize(path, &s.opt)
	if t.group.forms[url] != nil || m.lookup(url) != nil || m.isBlocked(url) {
		return
	}
	f := &entry{url: url, rule: rule, template: true, gone: true, of: t, group: t.group}
	if s.remembered(t.group, f) {
		m.index.forms = append(m.index.forms, f)
		s.enqueue(m, t)
	}
}

// widenBy has all templates widened by one with numbers.
func (p *pass) widenBy(f *entry) {
	steps := maxWidenSteps
	p.m.root.around(rest(p.m.key(f.url)), true, &steps, func(t *entry) { p.widen(t, f) })
}

// maxWidenSteps bounds the nodes of the trie that widenBy visits.
const maxWidenSteps = 10_000

// widen has a learned template take numbers and object ids where it has STRING, as
// f has them there, if f overlaps it, their shapes are similar, and there were
// eleven values at each such place. That some path is of both is not asked: of
// those that f has taken nobody knows.
func (p *pass) widen(t, f *entry) {
	if p.opt.Shape == nil || t.group == nil || t.group != f.group || !t.rule.learned() || !f.rule.learned() {
		return
	}
	wide, ok := p.Set.opt.overlap(t, f)
	if !ok || wide == 0 {
		return
	}
	for i, v := range t.group.votes {
		if wide&(1<<i) != 0 && len(v) < LookAlikes {
			return
		}
	}
	mine, its := p.shape(t), p.shape(f)
	if mine == nil || its == nil || !mine.Similar(*its) {
		return
	}
	t.wide |= wide
	p.sample(t)
	p.m.index.stalen(t.group)
}

// overlap reports whether paths could be of both of two templates of a group, if t
// were wide where it has STRING and f has numbers or object ids: missing are those
// segments, as bits.
func (o *Options) overlap(t, f *entry) (missing uint64, ok bool) {
	mine, its := rest(t.url), rest(f.url)
	for i := 0; mine != "" && its != ""; i++ {
		var a, b string
		a, mine, _ = strings.Cut(mine, "/")
		b, its, _ = strings.Cut(its, "/")
		p, q := placeholderOf(a), placeholderOf(b)
		switch {
		case a == b, o.FoldCase && p < 0 && q < 0 && strings.EqualFold(a, b), p >= phVersioned && (q < 0 || q >= phVersioned), p < 0 && q >= phVersioned:
		case p == phString:
			missing |= 1 << i &^ t.wide
		default:
			return 0, false
		}
	}
	return missing, mine == "" && its == ""
}
