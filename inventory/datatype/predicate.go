package datatype

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A value is what predicates look at: a key, a text or a number.
type value struct {
	text   string
	number bool // a number of JSON
	cut    bool // text is only the beginning
}

// A test is a compiled predicate.
type test struct {
	kind  string
	text  string
	texts map[string]struct{}
	re    *regexp.Regexp
	facts byteFacts
}

// conditions are compiled Conditions.
type conditions struct {
	tests []test
	any   bool // OR
	facts byteFacts
}

func compileConditions(c *Conditions, typ Name, field string) (*conditions, error) {
	if c == nil {
		return nil, nil
	}
	fail := func(member, format string, args ...any) error {
		return &DefinitionError{Type: typ, Field: field + "." + member, Reason: fmt.Sprintf(format, args...)}
	}
	if c.Operator != "" && c.Operator != opAnd && c.Operator != opOr {
		return nil, fail("operator", "%.40q, want AND or OR", c.Operator)
	}
	if len(c.Predicates) > MaxPredicates {
		return nil, fail("predicates", "%d predicates, want at most %d", len(c.Predicates), MaxPredicates)
	}
	// Nothing holds without predicates.
	out := &conditions{any: c.Operator == opOr, facts: byteFacts{shortest: unbounded}}
	for i, p := range c.Predicates {
		t, member, err := compilePredicate(p)
		if err != nil {
			return nil, fail(fmt.Sprintf("predicates[%d].%s", i, member), "%s", err)
		}
		switch {
		case i == 0:
			out.facts = t.facts
		case out.any:
			out.facts = out.facts.or(t.facts)
		default:
			out.facts = out.facts.and(t.facts)
		}
		out.tests = append(out.tests, t)
	}
	return out, nil
}

// compilePredicate names the member that is wrong.
func compilePredicate(p Predicate) (t test, member string, err error) {
	t = test{kind: p.Type, text: p.Value, facts: anything()}
	switch p.Type {
	case BelongsTo, NotBelongsTo:
		return compileSet(t, p)
	case IsNumber:
		t.facts.first, t.facts.last, t.facts.shortest = byteSet{}, byteSet{}, 1
		t.facts.first.add('-')
		for c := byte('0'); c <= '9'; c++ {
			t.facts.first.add(c)
			t.facts.last.add(c)
		}
		return t, "", nil
	case Regex, StartsWith, EndsWith, EqualsTo, Contains:
	case "":
		return t, "type", fmt.Errorf("missing")
	default:
		return t, "type", fmt.Errorf("%.40q, want REGEX, STARTS_WITH, ENDS_WITH, EQUALS_TO, CONTAINS, IS_NUMBER, BELONGS_TO or NOT_BELONGS_TO", p.Type)
	}
	if len(p.Values) > 0 {
		return t, "value", fmt.Errorf("a list, want a text")
	}
	if p.Value == "" {
		return t, "value", fmt.Errorf("missing")
	}
	if len(p.Value) > MaxPattern {
		return t, "value", fmt.Errorf("%d bytes, want at most %d", len(p.Value), MaxPattern)
	}
	switch p.Type {
	case Regex:
		re, tree, err := compileRegexp(p.Value)
		if err != nil {
			return t, "value", err
		}
		t.re, t.facts = re, regexpFacts(tree)
	case StartsWith:
		t.facts.first, t.facts.shortest = byteSet{}, len(p.Value)
		t.facts.first.add(p.Value[0])
	case EndsWith:
		t.facts.last, t.facts.shortest = byteSet{}, len(p.Value)
		t.facts.last.add(p.Value[len(p.Value)-1])
	case EqualsTo:
		t.text = strings.TrimSpace(p.Value)
		t.facts = equalFacts(t.text)
	case Contains:
		t.facts.shortest = len(p.Value)
		// What is no expression is a text only.
		if re, tree, err := compileRegexp(p.Value); err == nil && regexp.QuoteMeta(p.Value) != p.Value {
			t.re, t.facts = re, t.facts.or(regexpFacts(tree))
		}
	}
	return t, "", nil
}

func compileSet(t test, p Predicate) (_ test, member string, err error) {
	texts := p.Values
	if p.Value != "" {
		texts = append(slices.Clone(texts), p.Value)
	}
	if len(texts) == 0 || len(texts) > MaxSet {
		return t, "value", fmt.Errorf("%d texts, want a list of 1 to %d", len(texts), MaxSet)
	}
	t.texts = make(map[string]struct{}, len(texts))
	facts := byteFacts{shortest: unbounded}
	for i, s := range texts {
		if len(s) > MaxPattern {
			return t, fmt.Sprintf("value[%d]", i), fmt.Errorf("%d bytes, want at most %d", len(s), MaxPattern)
		}
		s = strings.TrimSpace(s)
		t.texts[s] = struct{}{}
		facts = facts.or(equalFacts(s))
	}
	if t.kind == BelongsTo {
		t.facts = facts
	}
	return t, "", nil
}

// equalFacts are those of a text with or without white space around it.
func equalFacts(s string) byteFacts {
	f := anything()
	if s == "" {
		return f
	}
	f.shortest = len(s)
	f.first = beyondASCII()
	for _, c := range []byte(" \t\n\v\f\r") {
		f.first.add(c)
	}
	f.last = f.first
	f.first.add(s[0])
	f.last.add(s[len(s)-1])
	return f
}

func (c *conditions) hold(v *value) bool {
	if len(c.tests) == 0 || !c.facts.allow(v.text) {
		return false
	}
	for i := range c.tests {
		if c.tests[i].holds(v) == c.any {
			return c.any
		}
	}
	return !c.any
}

func (t *test) holds(v *value) bool {
	switch t.kind {
	case Regex:
		return !v.number && t.facts.allow(v.text) && t.re.MatchString(v.text)
	case StartsWith:
		return strings.HasPrefix(v.text, t.text)
	case EndsWith:
		return !v.cut && strings.HasSuffix(v.text, t.text)
	case EqualsTo:
		return !v.cut && strings.TrimSpace(v.text) == t.text
	case Contains:
		return strings.Contains(v.text, t.text) || t.re != nil && !v.number && t.re.MatchString(v.text)
	case IsNumber:
		return v.number || !v.cut && number(v.text) != ""
	case BelongsTo, NotBelongsTo:
		_, in := t.texts[strings.TrimSpace(v.text)]
		return (in && !v.cut) == (t.kind == BelongsTo)
	}
	return false
}
