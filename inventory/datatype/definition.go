package datatype

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A CustomType is a type that a user defined: a document of custom_data_type.
// Times are seconds since 1970.
type CustomType struct {
	ID   string `json:"_id,omitempty"`
	Name Name   `json:"name"`
	// SensitiveAlways makes values sensitive wherever they stand,
	// SensitivePosition (names of Positions) only there.
	SensitiveAlways   bool     `json:"sensitiveAlways"`
	SensitivePosition []string `json:"sensitivePosition"`
	CreatorID         int32    `json:"creatorId"`
	Timestamp         int32    `json:"timestamp"`
	// Active types are looked for. The others are only known by their name.
	Active bool `json:"active"`
	// KeyConditions look at the key of a value, ValueConditions at the value. If
	// both are there, Operator (AND or OR) combines them; if neither is, no value
	// has the type.
	KeyConditions   *Conditions `json:"keyConditions,omitempty"`
	ValueConditions *Conditions `json:"valueConditions,omitempty"`
	Operator        string      `json:"operator,omitempty"`
	IgnoreData      *IgnoreData `json:"ignoreData,omitempty"`
	// Redacted makes the product replace values of the type before storing them.
	Redacted         bool     `json:"redacted"`
	SampleDataFixed  bool     `json:"sampleDataFixed"`
	DataTypePriority string   `json:"dataTypePriority,omitempty"` // CRITICAL, HIGH, MEDIUM, LOW or empty
	CategoriesList   []string `json:"categoriesList"`
	IconString       string   `json:"iconString,omitempty"`
	// SkipDataTypeTestTemplateMapping is kept for other readers of the document.
	SkipDataTypeTestTemplateMapping bool  `json:"skipDataTypeTestTemplateMapping,omitempty"`
	UserModifiedTimestamp           int32 `json:"userModifiedTimestamp,omitempty"`
}

// An Override changes a built-in type: a document of akto_data_type. What it says
// of sensitivity, categories and priority replaces what the table of the built-in
// types says. Its conditions, if they have predicates, replace the detector, and Inactive
// turns it off: both only for types that have a detector or, as ADDRESS, none
// (CREDIT_CARD, EMAIL, URL, SSN, UUID, JWT, PHONE_NUMBER, IP_ADDRESS, VIN).
type Override struct {
	Name              Name        `json:"name"`
	SensitiveAlways   bool        `json:"sensitiveAlways"`
	SensitivePosition []string    `json:"sensitivePosition"`
	Timestamp         int32       `json:"timestamp"`
	KeyConditions     *Conditions `json:"keyConditions,omitempty"`
	ValueConditions   *Conditions `json:"valueConditions,omitempty"`
	Operator          string      `json:"operator,omitempty"`
	IgnoreData        *IgnoreData `json:"ignoreData,omitempty"`
	Redacted          bool        `json:"redacted"`
	SampleDataFixed   bool        `json:"sampleDataFixed"`
	DataTypePriority  string      `json:"dataTypePriority,omitempty"`
	CategoriesList    []string    `json:"categoriesList"`
	Inactive          bool        `json:"inactive,omitempty"`
}

// Conditions are predicates and the operator (AND or OR) between them. Without
// predicates they hold for nothing.
type Conditions struct {
	Operator   string      `json:"operator"`
	Predicates []Predicate `json:"predicates"`
}

// The types of predicates.
const (
	// Regex holds for texts that the expression matches as a whole; not for
	// numbers. Expressions are those of package regexp: matching takes time
	// proportional to the value, and there is no look-around and no
	// back-reference.
	Regex = "REGEX"
	// StartsWith and EndsWith hold for values with the prefix or suffix.
	StartsWith = "STARTS_WITH"
	EndsWith   = "ENDS_WITH"
	// EqualsTo compares without the white space around.
	EqualsTo = "EQUALS_TO"
	// Contains holds for values that have the text in them, and, if the text is an
	// expression, for texts that it matches as a whole.
	Contains = "CONTAINS"
	// IsNumber holds for numbers and for texts that are one as a whole: in a query
	// there are only texts.
	IsNumber = "IS_NUMBER"
	// BelongsTo and NotBelongsTo compare, as EqualsTo does, with every text of a
	// list.
	BelongsTo    = "BELONGS_TO"
	NotBelongsTo = "NOT_BELONGS_TO"
)

// A Predicate is one test of a key or a value. Case matters; (?i) in front of an
// expression changes that. In JSON the member value is Values for BELONGS_TO and
// NOT_BELONGS_TO, else Value; IS_NUMBER needs none.
type Predicate struct {
	Type   string
	Value  string
	Values []string
}

type jsonPredicate struct {
	Type  string `json:"type"`
	Value any    `json:"value,omitempty"`
}

// MarshalJSON writes {"type", "value"}.
func (p Predicate) MarshalJSON() ([]byte, error) {
	j := jsonPredicate{Type: p.Type}
	switch {
	case p.Type == BelongsTo || p.Type == NotBelongsTo:
		j.Value = append([]string{}, p.Values...)
	case p.Value != "":
		j.Value = p.Value
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads {"type", "value"}; value may be a text, a number, a list of
// these, null or missing. It refuses sets of endpoints, which the predicates of
// other objects have: a type looks at keys and values.
func (p *Predicate) UnmarshalJSON(b []byte) error {
	var j struct {
		Type  string          `json:"type"`
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*p = Predicate{Type: j.Type}
	dec := json.NewDecoder(bytes.NewReader(j.Value))
	dec.UseNumber()
	var v any
	if len(j.Value) > 0 {
		if err := dec.Decode(&v); err != nil {
			return err
		}
	}
	switch v := v.(type) {
	case nil:
	case []any:
		for i := range v {
			s, err := scalar(v[i])
			if err != nil {
				return fmt.Errorf("value[%d]: %w", i, err)
			}
			p.Values = append(p.Values, s)
		}
	default:
		s, err := scalar(v)
		if err != nil {
			return fmt.Errorf("value: %w", err)
		}
		p.Value = s
	}
	return nil
}

func scalar(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	}
	return "", errors.New("want a text or a list of texts")
}

// IgnoreData names keys at which a type is not looked for: everywhere, or at the
// parameters that are listed for the key.
type IgnoreData struct {
	KeysInAllAPIs      []string             `json:"ignoredKeysInAllAPIs"`
	KeysInSelectedAPIs map[string][]ParamID `json:"ignoredKeysInSelectedAPIs"`
}

// A ParamID names one parameter of one endpoint. ResponseCode is -1 in requests.
type ParamID struct {
	URL             string `json:"url"`
	Method          string `json:"method"`
	ResponseCode    int    `json:"responseCode"`
	IsHeader        bool   `json:"isHeader"`
	Param           string `json:"param"`
	APICollectionID int32  `json:"apiCollectionId"`
	IsURLParam      bool   `json:"isUrlParam"`
}

// Definitions are what users changed of the types of an account. The order of
// Custom counts: of several types that fit, the first is taken, sensitive ones
// before the others.
type Definitions struct {
	Custom   []CustomType `json:"customDataTypes"`
	Builtins []Override   `json:"aktoDataTypes"`
}

// Normalized gives t as it is best stored: the name in upper case without white
// space around, operators and priority in upper case (AND if there is none),
// and without conditions that have no predicate.
func (t CustomType) Normalized() CustomType {
	t.Name = strings.ToUpper(strings.TrimSpace(t.Name))
	t.DataTypePriority = strings.ToUpper(strings.TrimSpace(t.DataTypePriority))
	t.Operator = normalOperator(t.Operator)
	t.KeyConditions = t.KeyConditions.normalized()
	t.ValueConditions = t.ValueConditions.normalized()
	return t
}

func (c *Conditions) normalized() *Conditions {
	if c == nil || len(c.Predicates) == 0 {
		return nil
	}
	n := &Conditions{Operator: normalOperator(c.Operator), Predicates: slices.Clone(c.Predicates)}
	for i := range n.Predicates {
		n.Predicates[i].Type = strings.ToUpper(strings.TrimSpace(n.Predicates[i].Type))
	}
	return n
}

// orNone takes conditions without predicates for none: other writers of the
// documents store an empty list where nothing was set, and that must not turn a
// built-in detector off.
func (c *Conditions) orNone() *Conditions {
	if c == nil || len(c.Predicates) == 0 {
		return nil
	}
	return c
}

func normalOperator(s string) string {
	s = strings.ToUpper(strings.TrimSpace(s))
	if s == "" {
		return opAnd
	}
	return s
}

// asCustom gives what an override has in common with a custom type.
func (o *Override) asCustom() CustomType {
	return CustomType{
		Name: o.Name, SensitiveAlways: o.SensitiveAlways, SensitivePosition: o.SensitivePosition, Active: !o.Inactive,
		KeyConditions: o.KeyConditions.orNone(), ValueConditions: o.ValueConditions.orNone(), Operator: o.Operator, IgnoreData: o.IgnoreData,
		Redacted: o.Redacted, DataTypePriority: o.DataTypePriority, CategoriesList: o.CategoriesList,
	}
}
