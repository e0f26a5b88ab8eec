package pathtmpl

import (
	"maps"
	"slices"
	"strings"
)

// key is by what a URL is known: itself or, if case does not matter, the URL with
// its literal segments in lower case.
func (o *Options) key(url string) string {
	if !o.FoldCase || strings.ToLower(url) == url {
		return url
	}
	var b strings.Builder
	b.Grow(len(url))
	for seg := range strings.SplitSeq(rest(url), "/") {
		if placeholderOf(seg) < 0 {
			seg = strings.ToLower(seg)
		}
		b.WriteByte('/')
		b.WriteString(seg)
	}
	return b.String()
}

// twin notes that an entry was added by another spelling too. Before Merge has
// seen it the choice between them is free, and is made so that the order in which
// they were added does not matter.
func (m *methodSet) twin(e *entry, url string) {
	if m.twins == nil {
		m.twins = map[*entry][]string{}
	}
	url = strings.Clone(url)
	if slices.Contains(m.twins[e], url) {
		return
	}
	if e.group == nil && e.form == "" && !e.rule.given() && url > e.url {
		e.url, url = url, e.url
	}
	m.twins[e] = append(m.twins[e], url)
}

// Recall counts values that the parameters of a template had, as they are stored
// elsewhere, and gives the template, if its rule is not known, the rules that make it
// of these: seen gives, by the index of the segment, values, names of data types, and
// about how many values there were that are not kept. It does nothing to URLs that
// were not learned, and reports whether there are values that count for a place and
// did not before.
func (s *Set) Recall(method, template string, seen func(segment int) (values, types []string, more int64)) (grew bool) {
	m := s.methods[method]
	if m == nil {
		return false
	}
	t := m.templates[m.key(Normalize(template))]
	if t == nil || t.rule != 0 && !t.rule.learned() {
		return false
	}
	several, unknown := strings.Count(t.url, "/") > 1, t.rule == 0
	ev, i := s.evidenceOf(t), 0
	before := int64(0)
	if ev != nil {
		before = ev.bytes
	}
	Params(t.url, t.url, func(index int, name, _ string) {
		values, types, more := seen(index)
		if unknown {
			t.rule |= s.recall(name, several, values, types)
			if name == String && slices.ContainsFunc(values, isNarrow) {
				t.wide |= 1 << index
			}
		}
		if ev != nil {
			v, room := &ev.values[i], s.bytes < s.maxBytes()
			votes := len(v.votes)
			for _, x := range values {
				s.count(m, t, v, index, x, room)
			}
			if more >= LookAlikes && room {
				ev.bytes += v.fill()
			}
			grew = grew || len(v.votes) > votes
		}
		i++
	})
	if ev != nil {
		s.bytes += ev.bytes - before
	}
	return grew
}

// typeRules are the rules by which values of a type become STRING.
var typeRules = map[string]Rule{"UUID": RuleUUID, "GENERIC": RuleAlnum, "INTEGER_32": RuleAlnum, "INTEGER_64": RuleAlnum, "OTHER": RuleAlnum}

func (s *Set) recall(placeholder string, several bool, values, types []string) (rule Rule) {
	switch placeholder {
	case Integer, Float:
		return RuleNumber
	case ObjectID:
		return RuleObjectID
	case Versioned:
		return RuleVersion
	case Locale:
		return RuleLocale
	}
	for _, v := range values {
		p, why := placeholderFor(v, several, &s.opt)
		switch p {
		case phString:
			rule |= why
		case -1:
			rule |= RuleBodySimilar
		}
	}
	if rule != 0 {
		return rule
	}
	for _, t := range types {
		if known, ok := typeRules[t]; ok {
			rule |= known
		} else {
			rule |= RuleSemantic
		}
	}
	return rule
}

// Unsure yields method and URL of the templates that Recall may tell more of: those
// whose rule is not known, and learned ones with places that had too few values to
// decide by. They come in no order, and the set must not be changed meanwhile.
func (s *Set) Unsure(yield func(method, url string) bool) {
	for method, m := range s.methods {
		for e := range maps.Values(m.templates) {
			if e.unsure() && !yield(method, e.url) {
				return
			}
		}
	}
}

func (e *entry) unsure() bool {
	if e.rule == 0 || !e.rule.learned() {
		return e.rule == 0
	}
	i, few := 0, false
	Params(e.url, e.url, func(index int, name, _ string) {
		counts := placeholderOf(name) >= phVersioned && e.wide&(1<<index) == 0
		few = few || counts && (e.ev == nil || len(e.ev.values[i].votes) < LookAlikes)
		i++
	})
	return few
}
