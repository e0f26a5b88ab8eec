package filter

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// A fieldName is a part of an exchange that conditions look at.
type fieldName uint8

const (
	noField fieldName = iota
	fieldURL
	fieldMethod
	fieldHost
	fieldSource
	fieldCode
	fieldRequestPayload
	fieldResponsePayload
	fieldRequestHeaders
	fieldResponseHeaders
	fieldQuery
)

func fieldByName(s string) fieldName {
	switch s {
	case "url":
		return fieldURL
	case "method":
		return fieldMethod
	case "host":
		return fieldHost
	case "source":
		return fieldSource
	case "response_code":
		return fieldCode
	case "request_payload":
		return fieldRequestPayload
	case "response_payload":
		return fieldResponsePayload
	case "request_headers":
		return fieldRequestHeaders
	case "response_headers":
		return fieldResponseHeaders
	case "query_param":
		return fieldQuery
	}
	return noField
}

// pairs reports whether the field is names with values; of payloads that is one
// way to see them.
func (f fieldName) pairs() bool { return f >= fieldRequestPayload }

// text reports whether the field is one text or number.
func (f fieldName) text() bool { return f <= fieldResponsePayload }

type condKind uint8

const (
	condAnd condKind = iota
	condOr
	condNot   // its only sub-condition does not hold
	condField // the text of the field passes the test
	condOne   // some pair of the field passes both tests
	condAll   // all do, and there are some
	condCount // the number of pairs passes the test
)

// A condition is a part of the tree of a filter.
type condition struct {
	kind  condKind
	subs  []condition
	field fieldName
	test  *textTest // of a text, a value or a number
	key   *textTest
}

type testKind uint8

const (
	testAnd testKind = iota
	testOr
	testNot
	testEqual      // one of the texts
	testContains   // one of them
	testContainAll // all of them
	testRegex      // one of them is found
	testGT
	testGTE
	testLT
	testLTE
	testLength
)

// A textTest is a test of one text or number.
type textTest struct {
	kind    testKind
	subs    []textTest
	texts   []string // lower-case
	regexps []*regexp.Regexp
	number  float64
}

// maxRegexps bounds the expressions of one document.
const maxRegexps = 100

type advancedCompiler struct {
	regexps int
}

// condition compiles a map whose members must all hold.
func (c *advancedCompiler) condition(n *node) (condition, error) {
	out := condition{kind: condAnd}
	if n.kind == listNode && len(n.items) > 0 {
		return c.conditions(n, condAnd)
	}
	if n.kind != mapNode || len(n.items) == 0 {
		return out, n.fail("want a map of conditions")
	}
	for i := range n.items {
		sub, err := c.member(n.keys[i].text, &n.items[i])
		if err != nil {
			return out, err
		}
		out.subs = append(out.subs, sub)
	}
	if len(out.subs) == 1 {
		return out.subs[0], nil
	}
	return out, nil
}

func (c *advancedCompiler) member(name string, n *node) (condition, error) {
	switch name {
	case "and":
		return c.conditions(n, condAnd)
	case "or":
		return c.conditions(n, condOr)
	case "not":
		sub, err := c.condition(n)
		return condition{kind: condNot, subs: []condition{sub}}, err
	}
	f := fieldByName(name)
	if f == noField {
		return condition{}, n.failName("unknown, want url, method, host, source, response_code, request_headers, response_headers, " +
			"query_param, request_payload, response_payload, and, or, not")
	}
	return c.fieldCondition(f, n)
}

// conditions compiles the operands of and, or.
func (c *advancedCompiler) conditions(n *node, kind condKind) (condition, error) {
	out := condition{kind: kind}
	if (n.kind != listNode && n.kind != mapNode) || len(n.items) == 0 {
		return out, n.fail("want a list of conditions")
	}
	for i := range n.items {
		var sub condition
		var err error
		if n.kind == mapNode {
			sub, err = c.member(n.keys[i].text, &n.items[i])
		} else {
			sub, err = c.condition(&n.items[i])
		}
		if err != nil {
			return out, err
		}
		out.subs = append(out.subs, sub)
	}
	return out, nil
}

// fieldCondition compiles the tests of a field, which must all hold.
func (c *advancedCompiler) fieldCondition(f fieldName, n *node) (condition, error) {
	if n.kind == listNode && len(n.items) > 0 {
		return c.fieldConditions(f, n, condAnd)
	}
	if n.kind != mapNode || len(n.items) == 0 {
		return condition{}, n.fail("want a map of tests, such as eq or regex")
	}
	out := condition{kind: condAnd}
	for i := range n.items {
		name, v := n.keys[i].text, &n.items[i]
		sub, err := c.fieldMember(f, name, v)
		if err != nil {
			return out, err
		}
		out.subs = append(out.subs, sub)
	}
	if len(out.subs) == 1 {
		return out.subs[0], nil
	}
	return out, nil
}

func (c *advancedCompiler) fieldConditions(f fieldName, n *node, kind condKind) (condition, error) {
	out := condition{kind: kind}
	if (n.kind != listNode && n.kind != mapNode) || len(n.items) == 0 {
		return out, n.fail("want a list of tests")
	}
	for i := range n.items {
		var sub condition
		var err error
		if n.kind == mapNode {
			sub, err = c.fieldMember(f, n.keys[i].text, &n.items[i])
		} else {
			sub, err = c.fieldCondition(f, &n.items[i])
		}
		if err != nil {
			return out, err
		}
		out.subs = append(out.subs, sub)
	}
	return out, nil
}

func (c *advancedCompiler) fieldMember(f fieldName, name string, n *node) (condition, error) {
	switch name {
	case "and":
		return c.fieldConditions(f, n, condAnd)
	case "or":
		return c.fieldConditions(f, n, condOr)
	case "not":
		sub, err := c.fieldCondition(f, n)
		return condition{kind: condNot, subs: []condition{sub}}, err
	case "for_one", "for_all":
		if !f.pairs() {
			return condition{}, n.failName("this field is one text, %s is for headers, query_param and payloads", name)
		}
		kind := condOne
		if name == "for_all" {
			kind = condAll
		}
		return c.pairCondition(f, kind, n)
	case "length":
		if f.pairs() && !f.text() {
			t, err := c.operandOrTests(n)
			return condition{kind: condCount, field: f, test: t}, err
		}
	}
	if !f.text() {
		return condition{}, n.failName("want for_one, for_all or length: the field has many values")
	}
	t, err := c.test(name, n)
	return condition{kind: condField, field: f, test: &t}, err
}

// pairCondition compiles {key: tests, value: tests}.
func (c *advancedCompiler) pairCondition(f fieldName, kind condKind, n *node) (condition, error) {
	out := condition{kind: kind, field: f}
	if n.kind != mapNode || len(n.items) == 0 {
		return out, n.fail("want a map with key, value or both")
	}
	for i := range n.items {
		t, err := c.operandOrTests(&n.items[i])
		if err != nil {
			return out, err
		}
		switch n.keys[i].text {
		case "key":
			out.key = t
		case "value":
			out.test = t
		default:
			return out, n.items[i].failName("unknown, want key and value")
		}
	}
	return out, nil
}

// operandOrTests takes what is no map for operands of eq.
func (c *advancedCompiler) operandOrTests(n *node) (*textTest, error) {
	var t textTest
	var err error
	if n.kind == mapNode {
		t, err = c.tests(n)
	} else {
		t, err = c.test("eq", n)
	}
	return &t, err
}

// tests compiles a map of tests, which must all hold.
func (c *advancedCompiler) tests(n *node) (textTest, error) {
	out := textTest{kind: testAnd}
	if n.kind != mapNode || len(n.items) == 0 {
		return out, n.fail("want a map of tests, such as eq or regex")
	}
	for i := range n.items {
		t, err := c.test(n.keys[i].text, &n.items[i])
		if err != nil {
			return out, err
		}
		out.subs = append(out.subs, t)
	}
	if len(out.subs) == 1 {
		return out.subs[0], nil
	}
	return out, nil
}

// test compiles one test by its name.
func (c *advancedCompiler) test(name string, n *node) (textTest, error) {
	var t textTest
	var err error
	negate := false
	switch name {
	case "and", "or":
		return c.testList(name, n)
	case "not":
		t, err = c.tests(n)
		negate = true
	case "eq", "neq":
		t.kind, negate = testEqual, name == "neq"
		t.texts, err = operands(n)
	case "contains_either":
		t.kind = testContains
		t.texts, err = parts(n)
	case "contains_all":
		t.kind = testContainAll
		t.texts, err = parts(n)
	case "not_contains", "not_contains_either":
		t.kind, negate = testContains, true
		t.texts, err = parts(n)
	case "regex", "not_regex":
		t.kind, negate = testRegex, name == "not_regex"
		if t.regexps, err = c.expressions(n); slices.ContainsFunc(t.regexps, always) {
			t.kind, t.regexps = testAnd, nil
		}
	case "gt", "gte", "lt", "lte":
		t.kind = map[string]testKind{"gt": testGT, "gte": testGTE, "lt": testLT, "lte": testLTE}[name]
		t.number, err = number(n)
	case "length":
		var sub *textTest
		if sub, err = c.operandOrTests(n); err == nil {
			t = textTest{kind: testLength, subs: []textTest{*sub}}
		}
	default:
		err = n.failName("unknown test, want eq, neq, contains_either, contains_all, not_contains, regex, not_regex, gt, gte, lt, lte, length, and, or, not")
	}
	if negate {
		t = textTest{kind: testNot, subs: []textTest{t}}
	}
	return t, err
}

func (c *advancedCompiler) testList(name string, n *node) (textTest, error) {
	t := textTest{kind: testAnd}
	if name == "or" {
		t.kind = testOr
	}
	if (n.kind != listNode && n.kind != mapNode) || len(n.items) == 0 {
		return t, n.fail("want a list of tests")
	}
	for i := range n.items {
		var sub textTest
		var err error
		if n.kind == mapNode {
			sub, err = c.test(n.keys[i].text, &n.items[i])
		} else {
			sub, err = c.tests(&n.items[i])
		}
		if err != nil {
			return t, err
		}
		t.subs = append(t.subs, sub)
	}
	return t, nil
}

// scalars gives a scalar, or those of a list.
func scalars(n *node) ([]*node, error) {
	switch n.kind {
	case scalarNode:
		return []*node{n}, nil
	case listNode:
		var out []*node
		for i := range n.items {
			if n.items[i].kind != scalarNode {
				return nil, n.items[i].fail("want a text or a number")
			}
			out = append(out, &n.items[i])
		}
		if len(out) > 0 {
			return out, nil
		}
	default:
	}
	return nil, n.fail("want a text, a number, or a list of these")
}

func operands(n *node) ([]string, error) {
	list, err := scalars(n)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(list))
	for i, s := range list {
		if len(s.text) > MaxText {
			return nil, s.fail("%d bytes, want at most %d", len(s.text), MaxText)
		}
		texts[i] = string(appendLower(nil, s.text))
	}
	return texts, nil
}

// parts are operands that are not empty: everything contains the empty text.
func parts(n *node) ([]string, error) {
	texts, err := operands(n)
	if err == nil && slices.Contains(texts, "") {
		err = n.fail("an empty text is part of every text")
	}
	return texts, err
}

func (c *advancedCompiler) expressions(n *node) ([]*regexp.Regexp, error) {
	list, err := scalars(n)
	if err != nil {
		return nil, err
	}
	out := make([]*regexp.Regexp, len(list))
	for i, s := range list {
		if out[i], err = c.expression(s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *advancedCompiler) expression(n *node) (*regexp.Regexp, error) {
	if c.regexps++; c.regexps > maxRegexps {
		return nil, n.fail("more than %d expressions", maxRegexps)
	}
	re, err := compileRegexp(n.text, false)
	if err != nil {
		return nil, n.fail("%s", err)
	}
	return re, nil
}

// always reports whether an expression is found in every text, as .* is: it
// matches the empty text, and nothing in it asks for a place.
func always(re *regexp.Regexp) bool {
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	return err == nil && re.MatchString("") && !hasPlace(tree)
}

func hasPlace(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	default:
		return slices.ContainsFunc(re.Sub, hasPlace)
	}
}

func number(n *node) (float64, error) {
	if n.kind == listNode && len(n.items) == 1 {
		n = &n.items[0]
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(n.text), 64)
	if n.kind != scalarNode || err != nil || v != v {
		return 0, n.fail("want a number")
	}
	return v, nil
}
