package pathtmpl

import (
	"maps"
	"slices"
	"strings"
)

// key is by what a URL is known: itself or, if case does not matter, the URL with
// its literal segments in lower case.
func (m *methodSet) key(url string) string {
	if !m.fold || strings.ToLower(url) == url {
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

// Recall gives a template of an unknown rule, as it comes from a store, the rules
// that make it of the values that its parameters had, and counts these values:
// values and types are by the index of the segment, types the names of data types
// for placeholders whose values are not kept. It does nothing to other URLs.
func (s *Set) Recall(method, template string, values, types map[int][]string) {
	m := s.methods[method]
	if m == nil {
		return
	}
	t := m.templates[m.key(Normalize(template))]
	if t == nil || t.rule != 0 {
		return
	}
	several := strings.Count(t.url, "/") > 1
	ev, i := s.evidenceOf(t), 0
	before := int64(0)
	if ev != nil {
		before = ev.bytes
	}
	Params(t.url, t.url, func(index int, name, _ string) {
		t.rule |= s.recall(name, several, values[index], types[index])
		for _, v := range values[index] {
			if name == String && isNarrow(v) {
				t.wide |= 1 << index
			}
			if ev != nil {
				s.count(m, t, &ev.values[i], index, v, s.bytes < s.maxBytes())
			}
		}
		i++
	})
	if ev != nil {
		s.bytes += ev.bytes - before
	}
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

// Unknown yields method and URL of the templates whose rule is not known, in no
// order. The set must not be changed meanwhile.
func (s *Set) Unknown(yield func(method, url string) bool) {
	for method, m := range s.methods {
		for e := range maps.Values(m.templates) {
			if e.rule == 0 && !yield(method, e.url) {
				return
			}
		}
	}
}
