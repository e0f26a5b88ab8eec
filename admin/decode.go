package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"harken/inventory/fault"
)

// maxDepth is how deep JSON may nest; the root is level 1.
const maxDepth = 1000

// The published API is lenient about how a value is written. Only the types of
// this file are; a plain string field takes a JSON string and nothing else.
type lenient interface {
	json.Unmarshaler
	// setText sets the value from a form field or a query parameter.
	setText(s string) error
}

// An Int is an integer: a number without fraction, or a decimal string. A blank
// string is absent.
type Int struct {
	N   int64
	Set bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Int) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return textTo(b, v.setText)
	}
	return v.parse(string(b))
}

func (v *Int) setText(s string) error {
	*v = Int{}
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	// A string is decimal digits: what JSON itself allows for numbers, such as
	// 1e3, is not for strings.
	if strings.ContainsAny(s, ".eEnN") {
		return errors.New("must be an integer")
	}
	return v.parse(s)
}

func (v *Int) parse(s string) error {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		*v = Int{n, true}
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 || strings.ContainsAny(s, "xX_pP") {
		return errors.New("must be an integer")
	}
	*v = Int{int64(f), true}
	return nil
}

// A Bool is true, false, 1, 0, or one of these as a string in any letter case. A
// blank string is absent.
type Bool struct{ B, Set bool }

// UnmarshalJSON implements json.Unmarshaler.
func (v *Bool) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return textTo(b, v.setText)
	}
	return v.setText(string(b))
}

func (v *Bool) setText(s string) error {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "":
		*v = Bool{}
	case "true", "1":
		*v = Bool{true, true}
	case "false", "0":
		*v = Bool{false, true}
	default:
		return errors.New("must be true or false")
	}
	return nil
}

// Ints is a list of integers: a list of what Int takes, one of them, or a string
// with commas.
type Ints []int64

// UnmarshalJSON implements json.Unmarshaler.
func (v *Ints) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '[':
		var list []Int
		if err := json.Unmarshal(b, &list); err != nil {
			return errors.New("must be a list of integers")
		}
		*v = make(Ints, 0, len(list))
		for _, n := range list {
			if n.Set {
				*v = append(*v, n.N)
			}
		}
		return nil
	case '"':
		return textTo(b, v.setText)
	default:
		var n Int
		if err := n.UnmarshalJSON(b); err != nil {
			return errors.New("must be a list of integers")
		}
		*v = Ints{n.N}
		return nil
	}
}

func (v *Ints) setText(s string) error {
	if *v = nil; strings.TrimSpace(s) == "" {
		return nil // absent: an empty list may mean "all"
	}
	*v = Ints{}
	for part := range strings.SplitSeq(s, ",") {
		var n Int
		if err := n.setText(part); err != nil {
			return errors.New("must be a list of integers")
		}
		if n.Set {
			*v = append(*v, n.N)
		}
	}
	return nil
}

// A Document is a string that holds JSON or another text format; a JSON object or
// list stands for its own text.
type Document string

// UnmarshalJSON implements json.Unmarshaler.
func (v *Document) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '"':
		return textTo(b, v.setText)
	case '{', '[':
		*v = Document(b)
		return nil
	default:
		return errors.New("must be a string, an object or a list")
	}
}

func (v *Document) setText(s string) error {
	if tooDeep([]byte(s)) {
		return fmt.Errorf("nests more than %d levels", maxDepth)
	}
	*v = Document(s)
	return nil
}

var (
	_ lenient = (*Int)(nil)
	_ lenient = (*Bool)(nil)
	_ lenient = (*Ints)(nil)
	_ lenient = (*Document)(nil)
)

func textTo(b []byte, set func(string) error) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return errors.New("must be a string")
	}
	return set(s)
}

// fields are the members of a request as they came: JSON, or the texts of a form.
type fields map[string]field

type field struct {
	raw  json.RawMessage
	text []string // when raw is nil
}

// parseObject splits a JSON object into its members; of equal names the last
// wins. Nothing is an empty object; white space alone is malformed (RFC 8259, section 2).
func parseObject(b []byte) (fields, error) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if len(b) == 0 {
		return fields{}, nil
	}
	if tooDeep(b) {
		return nil, fault.New(fault.Malformed, "the body nests more than %d levels", maxDepth)
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, fault.New(fault.Malformed, "the body is not JSON at byte %d", syntax.Offset)
		}
		return nil, fault.New(fault.Malformed, "the body is not a JSON object")
	}
	if m == nil {
		return nil, fault.New(fault.Malformed, "the body is not a JSON object")
	}
	f := make(fields, len(m))
	for name, raw := range m {
		f[name] = field{raw: raw}
	}
	return f, nil
}

// tooDeep says whether JSON text nests more than maxDepth levels. It looks at
// brackets outside strings only, and so is right for anything that is JSON.
func tooDeep(b []byte) bool {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			if depth++; depth > maxDepth {
				return true
			}
		case '}', ']':
			depth--
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		}
	}
	return false
}

// decode sets the fields of the struct that into points to, by their json names.
// A field tagged required that is absent, null or empty, and one whose value is
// of the wrong kind, is fault.Invalid that names it.
func (f fields) decode(into any) error {
	v := reflect.ValueOf(into).Elem()
	t := v.Type()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if in, ok := f[name]; ok {
			if err := in.set(v.Field(i)); err != nil {
				if kind, _ := fault.Of(err); kind != fault.Internal {
					return err
				}
				return fault.New(fault.Invalid, "%s: %v", name, err)
			}
		}
		if t.Field(i).Tag.Get("api") == "required" && absent(v.Field(i)) {
			return fault.New(fault.Invalid, "%s: is required", name)
		}
	}
	return nil
}

func absent(v reflect.Value) bool {
	switch p := v.Addr().Interface().(type) {
	case *Int:
		return !p.Set
	case *Bool:
		return !p.Set
	case *Text:
		return !p.Set
	default:
		return v.Kind() == reflect.Slice && v.IsNil() || v.Kind() != reflect.Slice && v.IsZero()
	}
}

func (in field) set(v reflect.Value) error {
	if in.raw == nil {
		return in.setText(v)
	}
	if bytes.Equal(in.raw, []byte("null")) {
		return nil
	}
	if l, ok := reflect.TypeAssert[lenient](v.Addr()); ok {
		return l.UnmarshalJSON(in.raw)
	}
	if err := json.Unmarshal(in.raw, v.Addr().Interface()); err != nil {
		return kindError(v, err)
	}
	return nil
}

func (in field) setText(v reflect.Value) error {
	last := in.text[len(in.text)-1]
	switch p := v.Addr().Interface().(type) {
	case *Ints, *Strings:
		return p.(lenient).setText(strings.Join(in.text, ",")) //nolint:forcetypeassert // both are
	case *Refs:
		if len(in.text) > 1 {
			return (*Ints)(p).setText(strings.Join(in.text, ","))
		}
		return p.setText(last)
	case lenient:
		return p.setText(last)
	case *string:
		*p = last
		return nil
	default: // a list or an object, as JSON inside the field
		if strings.TrimSpace(last) == "" {
			return nil
		}
		if tooDeep([]byte(last)) {
			return fmt.Errorf("nests more than %d levels", maxDepth)
		}
		if err := json.Unmarshal([]byte(last), p); err != nil {
			return kindError(v, err)
		}
		return nil
	}
}

// kindError says what a field takes, and not what encoding/json calls it.
func kindError(v reflect.Value, err error) error {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && t.Field != "" {
		return fmt.Errorf("%s: is of the wrong kind (%s)", t.Field, t.Value)
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("is not JSON at byte %d", syntax.Offset)
	}
	switch v.Kind() {
	case reflect.String:
		return errors.New("must be a string")
	case reflect.Slice:
		return errors.New("must be a list")
	case reflect.Struct, reflect.Map:
		return errors.New("must be an object")
	case reflect.Pointer:
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return errors.New("must be an object")
		}
		return err // of a type that reads itself
	default:
		return errors.New("is of the wrong kind")
	}
}
