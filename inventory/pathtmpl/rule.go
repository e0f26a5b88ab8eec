package pathtmpl

import "strings"

// A Rule says why a template exists. A template with several placeholders may
// have several: the values are bits.
type Rule uint16

// The rules. Those up to RuleLocale are learned from traffic; the others are
// what people and imported documents said, and win over what is learned.
const (
	// RuleNumber made INTEGER or FLOAT of numbers.
	RuleNumber Rule = 1 << iota
	// RuleObjectID made OBJECT_ID of 24 hex digits.
	RuleObjectID
	// RuleUUID made STRING of UUIDs.
	RuleUUID
	// RuleDate made STRING of dates.
	RuleDate
	// RuleAlnum made STRING of mixes of digits and letters.
	RuleAlnum
	// RuleSemantic made STRING of values that have a type of their own.
	RuleSemantic
	// RuleVersion made VERSIONED of v1 to v99.
	RuleVersion
	// RuleBodySimilar made STRING of eleven or more look-alikes with similar
	// parameters.
	RuleBodySimilar
	// RuleLocale made LOCALE of two or more locales at the same place.
	RuleLocale
	// RuleSeeded is a template that an imported document gave.
	RuleSeeded
	// RulePinned is a URL that a person pinned.
	RulePinned
	// RuleUser is a template that a person merged URLs into.
	RuleUser
)

const (
	allRules     = RuleUser<<1 - 1
	learnedRules = RuleSeeded - 1
	givenRules   = RuleSeeded | RulePinned | RuleUser
)

var ruleNames = [...]string{
	"number", "objectId", "uuid", "date", "alnum", "semantic", "version", "body-similar", "locale",
	"seeded", "pinned", "user",
}

// String gives the names of the rules, joined by "+"; "stored" for none, which is
// a template that came from a store without its rules.
func (r Rule) String() string {
	if r == 0 {
		return "stored"
	}
	var names []string
	for i, name := range ruleNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

// given reports that a person or a document said so.
func (r Rule) given() bool { return r&givenRules != 0 }

// learned reports that only traffic said so.
func (r Rule) learned() bool { return r&learnedRules != 0 && !r.given() }
