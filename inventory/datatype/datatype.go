// Package datatype names the type of a value (EMAIL, INTEGER_32, JWT) and says
// which types are sensitive at which place: by the built-in types, and by what
// users define, of types and of ways to authenticate. It looks at single values;
// it does not know parameters, and keeps nothing.
package datatype

import "slices"

// A Name is the name of a type, as the published API writes it.
type Name = string

// The built-in types.
const (
	True        Name = "TRUE"
	False       Name = "FALSE"
	Null        Name = "NULL"
	Integer32   Name = "INTEGER_32"
	Integer64   Name = "INTEGER_64"
	Float       Name = "FLOAT"
	Email       Name = "EMAIL"
	URL         Name = "URL"
	SSN         Name = "SSN"
	UUID        Name = "UUID"
	CreditCard  Name = "CREDIT_CARD"
	JWT         Name = "JWT"
	IPAddress   Name = "IP_ADDRESS"
	PhoneNumber Name = "PHONE_NUMBER"
	VIN         Name = "VIN"
	Address     Name = "ADDRESS" // found by rules of users only
	Generic     Name = "GENERIC" // any other text
	Other       Name = "OTHER"   // what is neither text, number, boolean nor null
	Dict        Name = "DICT"    // an object whose member names are data
)

// The super types, which say how the values of a type are kept.
const (
	SuperBoolean   = "BOOLEAN"
	SuperInteger   = "INTEGER"
	SuperFloat     = "FLOAT"
	SuperString    = "STRING"
	SuperObjectID  = "OBJECT_ID"
	SuperNull      = "NULL"
	SuperOther     = "OTHER"
	SuperCustom    = "CUSTOM"
	SuperVersioned = "VERSIONED"
)

// A Position is a place in an exchange, as far as it decides whether a value is
// sensitive.
type Position uint8

// The positions. Query and path parameters count as request payload.
const (
	RequestHeader Position = iota
	RequestPayload
	ResponseHeader
	ResponsePayload
)

// String gives the published name: REQUEST_HEADER, REQUEST_PAYLOAD,
// RESPONSE_HEADER or RESPONSE_PAYLOAD.
func (p Position) String() string {
	switch p {
	case RequestHeader:
		return "REQUEST_HEADER"
	case RequestPayload:
		return "REQUEST_PAYLOAD"
	case ResponseHeader:
		return "RESPONSE_HEADER"
	case ResponsePayload:
		return "RESPONSE_PAYLOAD"
	}
	return "UNKNOWN"
}

// ParsePosition gives the position of a published name.
func ParsePosition(s string) (Position, bool) {
	for p := RequestHeader; p <= ResponsePayload; p++ {
		if p.String() == s {
			return p, true
		}
	}
	return 0, false
}

// A Type describes a type of values.
type Type struct {
	Name  Name
	Super string // one of the Super constants
	// SensitiveAlways makes values sensitive wherever they stand,
	// SensitivePositions only there.
	SensitiveAlways    bool
	SensitivePositions []Position
	Categories         []string // "PII", "FINANCIAL", ...; empty for plain types
	Priority           string   // "CRITICAL", "HIGH", "MEDIUM", "LOW"; empty for plain types
	Redacted           bool     // values are replaced before they are stored
	Inactive           bool     // not looked for
}

// Sensitive reports whether a value of the type is sensitive at p.
func (t Type) Sensitive(p Position) bool {
	return t.SensitiveAlways || slices.Contains(t.SensitivePositions, p)
}

var inResponse = []Position{ResponsePayload, ResponseHeader}

// builtin is the table of the built-in types.
var builtin = []Type{
	{Name: True, Super: SuperBoolean},
	{Name: False, Super: SuperBoolean},
	{Name: Null, Super: SuperNull},
	{Name: Integer32, Super: SuperInteger},
	{Name: Integer64, Super: SuperInteger},
	{Name: Float, Super: SuperFloat},
	{Name: Email, Super: SuperString, SensitiveAlways: true, Categories: []string{"PII"}, Priority: "MEDIUM"},
	{Name: URL, Super: SuperString},
	{Name: SSN, Super: SuperString, SensitiveAlways: true, Categories: []string{"PII"}, Priority: "HIGH"},
	{Name: UUID, Super: SuperString, Categories: []string{"IDENTIFIER"}, Priority: "MEDIUM"},
	{Name: CreditCard, Super: SuperString, SensitiveAlways: true, Categories: []string{"FINANCIAL", "PII"}, Priority: "MEDIUM"},
	{Name: JWT, Super: SuperString, SensitivePositions: inResponse, Categories: []string{"AUTHENTICATION", "TOKEN"}, Priority: "HIGH"},
	{Name: IPAddress, Super: SuperString, SensitivePositions: inResponse, Categories: []string{"DEVICE IDENTIFIER"}, Priority: "HIGH"},
	{Name: PhoneNumber, Super: SuperString, SensitiveAlways: true, Categories: []string{"PII"}, Priority: "MEDIUM"},
	{Name: VIN, Super: SuperString, SensitiveAlways: true, Categories: []string{"PII"}, Priority: "MEDIUM"},
	{Name: Address, Super: SuperString, SensitiveAlways: true, Categories: []string{"PII"}, Priority: "LOW"},
	{Name: Generic, Super: SuperString},
	{Name: Other, Super: SuperOther},
	{Name: Dict, Super: SuperOther},
}

// ByName finds a built-in type by its exact name.
func ByName(name string) (Type, bool) {
	for i := range builtin {
		if builtin[i].Name == name {
			return clone(builtin[i]), true
		}
	}
	return Type{}, false
}

// All gives the built-in types. The caller may change what it gets.
func All() []Type {
	all := make([]Type, len(builtin))
	for i := range builtin {
		all[i] = clone(builtin[i])
	}
	return all
}

func clone(t Type) Type {
	t.SensitivePositions = slices.Clone(t.SensitivePositions)
	t.Categories = slices.Clone(t.Categories)
	return t
}

// Sensitive reports whether a value of the built-in type t is sensitive at p. It
// is false for names that it does not know.
func Sensitive(t Name, p Position) bool {
	for i := range builtin {
		if builtin[i].Name == t {
			return builtin[i].Sensitive(p)
		}
	}
	return false
}
