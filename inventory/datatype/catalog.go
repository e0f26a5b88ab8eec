package datatype

import "strings"

// A CatalogEntry is a type of a catalog of personal data: a document of
// pii_sources.
type CatalogEntry struct {
	Name         string `json:"name"`
	RegexPattern string `json:"regexPattern"`
	Sensitive    bool   `json:"sensitive"`
	// OnKey makes RegexPattern a condition of the key; with OnKeyAndPayload the
	// value must match RegexPatternOnValue too.
	OnKey               bool     `json:"onKey"`
	OnKeyAndPayload     bool     `json:"onKeyAndPayload,omitempty"`
	RegexPatternOnValue string   `json:"regexPatternOnValue,omitempty"`
	Active              bool     `json:"active"`
	TagsLists           []string `json:"tagsLists,omitempty"`
	DataTypePriority    string   `json:"dataTypePriority,omitempty"`
}

// Type gives the custom type that an entry stands for. Validate it before use.
func (c CatalogEntry) Type() CustomType {
	matches := func(pattern string) *Conditions {
		return &Conditions{Operator: opAnd, Predicates: []Predicate{{Type: Regex, Value: pattern}}}
	}
	t := CustomType{
		Name: strings.ToUpper(strings.TrimSpace(c.Name)), SensitiveAlways: c.Sensitive, Active: c.Active, Operator: opAnd,
		DataTypePriority: c.DataTypePriority, CategoriesList: append([]string(nil), c.TagsLists...),
	}
	switch {
	case c.OnKeyAndPayload:
		t.KeyConditions, t.ValueConditions = matches(c.RegexPattern), matches(c.RegexPatternOnValue)
	case c.OnKey:
		t.KeyConditions = matches(c.RegexPattern)
	default:
		t.ValueConditions = matches(c.RegexPattern)
	}
	return t
}

// Catalog gives the packaged types of personal data, none of them active or
// sensitive: most are runs of digits of some length, which are mostly something
// else. All look at values as a whole. The caller may change what it gets.
func Catalog() []CustomType {
	types := make([]CustomType, len(catalog))
	for i := range catalog {
		types[i] = catalog[i].Type()
	}
	return types
}

// The parts that several patterns have.
const (
	dayMonthYear = `(?:0[0-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])[0-9]{2}`
	// The letters of a national insurance number: the second one is never O.
	ninoSecond = `ABCEGHJKLMNPRSTWXYZ`
)

var catalog = [...]CatalogEntry{
	{Name: "PAN CARD", RegexPattern: `[A-Z]{5}[0-9]{4}[A-Z]`, DataTypePriority: "CRITICAL"},
	{
		Name: "US MEDICARE HEALTH INSURANCE CLAIM NUMBER", RegexPattern: `[0-9]{9}[A-Za-z][A-Za-z0-9]?`,
		DataTypePriority: "HIGH",
	},
	{Name: "INDIAN UNIQUE HEALTH IDENTIFICATION", RegexPattern: `[0-9]{14}`, DataTypePriority: "HIGH"},
	{
		// Without look-around the pairs that are not given out (BG GB NK KN NT TN ZZ)
		// are left out by their first letter.
		Name: "UNITED KINGDOM NATIONAL INSURANCE NUMBER",
		RegexPattern: `(?:[ACEHJLMOPRSWXY][` + ninoSecond + `]` +
			`|B[ABCEHJKLMNPRSTWXYZ]|G[ACEGHJKLMNPRSTWXYZ]|K[ABCEGHJKLMPRSTWXYZ]` +
			`|N[ABCEGHJLMNPRSWXYZ]|T[ABCEGHJKLMPRSTWXYZ]|Z[ABCEGHJKLMNPRSTWXY])[0-9]{6}[A-D]`,
		DataTypePriority: "HIGH",
	},
	{
		Name:         "FINNISH PERSONAL IDENTITY NUMBER",
		RegexPattern: dayMonthYear + `[Aa+-](?:[1-8][0-9]{2}|0[0-9][2-8])[0-9A-Ya-y]`, DataTypePriority: "HIGH",
	},
	{Name: "CANADIAN SOCIAL INSURANCE NUMBER", RegexPattern: `[0-9]{9}`, DataTypePriority: "HIGH"},
	{
		Name: "GERMAN INSURANCE IDENTITY NUMBER", RegexPattern: `[0-9]{2}` + dayMonthYear + `[A-Za-z][0-9]{3}`,
		DataTypePriority: "HIGH",
	},
	{Name: "JAPANESE SOCIAL INSURANCE NUMBER", RegexPattern: `[0-9]{12}`, DataTypePriority: "HIGH"},
	{
		Name: "IBAN EUROPE", RegexPattern: `[A-Z]{2}\s*[0-9]{2}(?:\s*[0-9]{4}){4,10}(?:\s*[0-9]{1,2})?`,
		DataTypePriority: "HIGH",
	},
	{
		Name: "US ADDRESS", RegexPattern: `[0-9]{1,5}(?: [A-Za-z0-9_.,-]+){1,6}, [A-Z]{2} [0-9]{5}`,
		DataTypePriority: "MEDIUM",
	},
	{Name: "IMAGE", RegexPattern: `(?i)\S+\.(?:jpe?g|png|svg)`, DataTypePriority: "MEDIUM"},
	{Name: "DATA FILE", RegexPattern: `(?i)\S+\.(?:pdf|js|css|woff|txt)`, DataTypePriority: "MEDIUM"},
}
