package datatype

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// The limits of definitions.
const (
	// MaxCustomTypes is how many custom types Compile takes.
	MaxCustomTypes = 1000
	// MaxPredicates is how many predicates one list of conditions may have.
	MaxPredicates = 100
	// MaxPattern is the length of the text of a predicate, in bytes.
	MaxPattern = 2048
	// MaxSet is how many texts BELONGS_TO may have.
	MaxSet = 1000
	// MaxProgram is how many instructions an expression may compile to: repetitions
	// multiply, and the time that a value takes is proportional to them.
	MaxProgram = 4000
	// MaxIgnored is how many keys and parameters a type may ignore.
	MaxIgnored = 10_000
	// MaxName is the length of the name of a custom type, in bytes.
	MaxName = 64
)

const (
	opAnd = "AND"
	opOr  = "OR"
)

// A DefinitionError says which member of which definition is wrong, and how.
type DefinitionError struct {
	Type   Name   // the name of the definition
	Field  string // as in JSON: "valueConditions.predicates[0].value"
	Reason string
}

// Error gives all three; without the name if there is none.
func (e *DefinitionError) Error() string {
	if e.Type == "" {
		return e.Field + ": " + e.Reason
	}
	return fmt.Sprintf("type %.80q: %s: %s", e.Type, e.Field, e.Reason)
}

// Validate checks a custom type that is about to be stored, see
// CustomType.Normalized. It is stricter than Compile: conditions must be able to
// hold. Errors are of type *DefinitionError.
func Validate(t CustomType) error {
	_, err := compileType(&t, false)
	if err != nil {
		return err
	}
	fail := func(field, reason string) error { return &DefinitionError{Type: t.Name, Field: field, Reason: reason} }
	switch {
	case t.KeyConditions == nil && t.ValueConditions == nil:
		return fail("valueConditions", "neither these nor keyConditions are given, so that no value has the type")
	case t.KeyConditions != nil && len(t.KeyConditions.Predicates) == 0:
		return fail("keyConditions.predicates", "empty; leave keyConditions out")
	case t.ValueConditions != nil && len(t.ValueConditions.Predicates) == 0:
		return fail("valueConditions.predicates", "empty; leave valueConditions out")
	}
	return nil
}

// ValidateOverride checks the change of a built-in type. Errors are of type
// *DefinitionError.
func ValidateOverride(o Override) error {
	_, err := compileOverride(&o)
	return err
}

// checkFacts checks everything but the conditions.
func checkFacts(t *CustomType) error {
	fail := func(field, format string, args ...any) error {
		return &DefinitionError{Type: t.Name, Field: field, Reason: fmt.Sprintf(format, args...)}
	}
	if t.Operator != "" && t.Operator != opAnd && t.Operator != opOr {
		return fail("operator", "%.40q, want AND or OR", t.Operator)
	}
	for i, p := range t.SensitivePosition {
		if _, ok := ParsePosition(p); !ok {
			return fail(fmt.Sprintf("sensitivePosition[%d]", i),
				"%.40q, want REQUEST_HEADER, REQUEST_PAYLOAD, RESPONSE_HEADER or RESPONSE_PAYLOAD", p)
		}
	}
	if !slices.Contains([]string{"", "CRITICAL", "HIGH", "MEDIUM", "LOW"}, t.DataTypePriority) {
		return fail("dataTypePriority", "%.40q, want CRITICAL, HIGH, MEDIUM or LOW", t.DataTypePriority)
	}
	if len(t.CategoriesList) > 50 {
		return fail("categoriesList", "%d entries, want at most 50", len(t.CategoriesList))
	}
	for i, c := range t.CategoriesList {
		if c == "" || len(c) > 100 {
			return fail(fmt.Sprintf("categoriesList[%d]", i), "want 1 to 100 bytes")
		}
	}
	if len(t.IconString) > 200 {
		return fail("iconString", "%d bytes, want at most 200", len(t.IconString))
	}
	return checkIgnored(t, fail)
}

func checkIgnored(t *CustomType, fail func(field, format string, args ...any) error) error {
	if t.IgnoreData == nil {
		return nil
	}
	n := len(t.IgnoreData.KeysInAllAPIs)
	for key, ids := range t.IgnoreData.KeysInSelectedAPIs {
		if key == "" {
			return fail("ignoreData.ignoredKeysInSelectedAPIs", "a key is empty")
		}
		n += 1 + len(ids)
	}
	if slices.Contains(t.IgnoreData.KeysInAllAPIs, "") {
		return fail("ignoreData.ignoredKeysInAllAPIs", "a key is empty")
	}
	if n > MaxIgnored {
		return fail("ignoreData", "%d keys and parameters, want at most %d", n, MaxIgnored)
	}
	return nil
}

func checkName(name Name) error {
	fail := func(format string, args ...any) error {
		return &DefinitionError{Type: name, Field: "name", Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case name == "":
		return &DefinitionError{Field: "name", Reason: "missing"}
	case len(name) > MaxName:
		return fail("%d bytes, want at most %d", len(name), MaxName)
	case strings.TrimSpace(name) != name:
		return fail("white space around it")
	}
	for i := range len(name) {
		if c := name[i]; !isLetter(c) && !isDigit(c) && c != ' ' && c != '_' && c != '-' {
			return fail("has %q, want letters, digits, space, _ and -", name[i:i+1])
		}
	}
	if _, ok := ByName(strings.ToUpper(name)); ok {
		return fail("is the name of a built-in type")
	}
	return nil
}

// compileRegexp compiles an expression for matching whole values. The text is
// parsed alone first, or "a)|(b" would leave the anchors.
func compileRegexp(text string) (*regexp.Regexp, *syntax.Regexp, error) {
	if len(text) > MaxPattern {
		return nil, nil, fmt.Errorf("%d bytes, want at most %d", len(text), MaxPattern)
	}
	if !utf8.ValidString(text) {
		return nil, nil, fmt.Errorf("not UTF-8")
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, nil, fmt.Errorf("not an expression of RE2: %w", err)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, nil, err
	}
	if len(prog.Inst) > MaxProgram {
		return nil, nil, fmt.Errorf("too large: %d instructions, want at most %d; repetitions multiply", len(prog.Inst), MaxProgram)
	}
	re, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		return nil, nil, err
	}
	return re, tree, nil
}
