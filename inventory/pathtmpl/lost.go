package pathtmpl

import "strings"

// Two templates may both match a path although neither makes the other needless:
// /orgs/STRING/teams/LOCALE/members/STRING and /orgs/STRING/teams/STRING/members/kqj,
// of which look-ups find the first. If it was there first, the place after teams
// would never hear of the values that the other one would have taken. So what a
// template took while it remembered it as a ghost counts also where others that
// match it have STRING, whichever of them came first.
//
// What is no ghost cannot count so: paths beyond maxGhosts, and those with locales
// where a template has LOCALE, which many sites have in front of all paths.

// maxLost bounds the ghosts that a group remembers for templates that are yet to
// come.
const maxLost = 1024

// lose notes a ghost.
func (s *Set) lose(m *methodSet, g *group, e *entry) {
	if g == nil || len(g.lost) >= maxLost {
		return
	}
	g.lost = append(g.lost, e)
	s.bytes += 8
	s.creditAll(m, e)
}

// creditAll counts what stands in a ghost for all templates that match it.
func (s *Set) creditAll(m *methodSet, ghost *entry) {
	steps := maxSteps
	m.root.around(rest(m.key(ghost.formText())), false, &steps, func(t *entry) {
		if s.credit(t, ghost) {
			s.enqueue(m, t)
		}
	})
}

// creditBy counts what stands in ghosts for a new template. Most of them differ in
// what is before its first or after its last placeholder, which is seen fast.
func (s *Set) creditBy(t *entry, ghosts []*entry) {
	first, last := -1, 0
	for i := 1; i < len(t.url); {
		seg, _, _ := strings.Cut(t.url[i:], "/")
		if placeholderOf(seg) >= 0 {
			if first < 0 {
				first = i
			}
			last = i + len(seg)
		}
		i += len(seg) + 1
	}
	before, after := t.url[:max(first, 0)], t.url[last:]
	for _, ghost := range ghosts {
		if s.opt.FoldCase || strings.HasPrefix(ghost.url, before) && strings.HasSuffix(ghost.url, after) {
			s.credit(t, ghost)
		}
	}
}

// credit counts what stands in a ghost where a template that matches it has STRING,
// and reports whether a place is to be reckoned.
func (s *Set) credit(t, ghost *entry) (due bool) {
	if t == ghost.of || t.ev == nil || !t.rule.learned() || !s.opt.covers(t, ghost) {
		return false
	}
	n, i := 0, 0 // placeholders of t and of the ghost so far
	text, url := rest(t.url), rest(ghost.url)
	for text != "" && url != "" {
		var want, got string
		want, text, _ = strings.Cut(text, "/")
		got, url, _ = strings.Cut(url, "/")
		own := placeholderOf(got) >= 0
		if placeholderOf(want) >= 0 {
			pl := t.ev.values[n].pool // nil unless there is STRING
			n++
			switch {
			case pl == nil:
			case !own:
				if h, ok := voteOf(decode(got)); ok {
					due = pl.take(h) || due
				}
			case ghost.ev != nil:
				due = pl.takeAll(&ghost.ev.values[i]) || due
			}
		}
		if own {
			i++
		}
	}
	return due
}

// keepVotes has a ghost keep what its placeholders had.
func (s *Set) keepVotes(ghost *entry, old *evidence) {
	if old == nil || !ghost.template || s.bytes >= s.maxBytes() {
		return
	}
	ghost.ev = &evidence{values: make([]values, len(old.values))}
	for i := range old.values {
		ghost.ev.values[i].votes = old.values[i].votes
		ghost.ev.bytes += 96 + 8*int64(len(old.values[i].votes))
	}
	s.bytes += ghost.ev.bytes
}

// again counts the values of one more path of a ghost.
func (s *Set) again(m *methodSet, ghost *entry, path string) {
	if !ghost.template || IsTemplate(path) {
		return
	}
	ev := s.evidenceOf(ghost)
	if ev == nil {
		return
	}
	n, grown := 0, false
	Params(ghost.url, path, func(_ int, _, value string) {
		if _, fresh := ev.values[n].elect(value, s.bytes < s.maxBytes()); fresh {
			ev.bytes += 8
			s.bytes += 8
			grown = true
		}
		n++
	})
	if grown && ghost.group != nil {
		s.creditAll(m, ghost)
	}
}
