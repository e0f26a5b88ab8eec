package admin

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"harken/inventory/datatype"
)

// A schema is a JSON Schema 2020-12, as far as this API needs it.
type schema struct {
	Ref                  string      `json:"$ref,omitempty"`
	Type                 any         `json:"type,omitempty"` // a name, or a list of names
	Description          string      `json:"description,omitempty"`
	Format               string      `json:"format,omitempty"`
	ContentMediaType     string      `json:"contentMediaType,omitempty"`
	Pattern              string      `json:"pattern,omitempty"`
	MinLength            int         `json:"minLength,omitempty"`
	MaxLength            int         `json:"maxLength,omitempty"`
	MinItems             int         `json:"minItems,omitempty"`
	Minimum              json.Number `json:"minimum,omitempty"`
	Maximum              json.Number `json:"maximum,omitempty"`
	Enum                 []string    `json:"enum,omitempty"`
	Examples             []string    `json:"examples,omitempty"`
	Required             []string    `json:"required,omitempty"`
	Properties           members     `json:"properties,omitempty"`
	Items                *schema     `json:"items,omitempty"`
	AdditionalProperties *schema     `json:"additionalProperties,omitempty"`
	AnyOf                []*schema   `json:"anyOf,omitempty"`
}

// members is a JSON object that keeps its order.
type members []member

type member struct {
	name  string
	value any
}

// MarshalJSON implements json.Marshaler.
func (m members) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, f := range m {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(f.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

func (m members) get(name string) any {
	for _, f := range m {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

// described is a type that says itself what it is in a request: a lenient one.
type described interface {
	// jsonSchema is what the type takes in a JSON body. With required it does not
	// say what counts as absent.
	jsonSchema(required bool) *schema
	// textSchema is what it takes in a form or a query.
	textSchema(required bool) *schema
}

// A reflector makes schemas of Go types. The structs among them become components.
type reflector struct {
	texts      *apiTexts
	components members
	names      map[string]reflect.Type
}

func newReflector(texts *apiTexts) *reflector {
	return &reflector{texts: texts, names: map[string]reflect.Type{}}
}

// component makes the schema of a type once and returns the reference to it.
func (g *reflector) component(t reflect.Type, suffix string, build func() *schema) *schema {
	name := t.Name()
	if before, taken := g.names[name+suffix]; taken && before != t {
		name = strings.ReplaceAll(t.String(), ".", "_")
	}
	name = strings.NewReplacer("[", "_", "]", "", "/", "_").Replace(name) + suffix
	if _, made := g.names[name]; !made {
		g.names[name] = t
		at := len(g.components)
		g.components = append(g.components, member{name: name})
		s := build() // may add others
		g.components[at].value = s
	}
	return &schema{Ref: "#/components/schemas/" + name}
}

// request is the schema of the JSON body of a request.
func (g *reflector) request(t reflect.Type) *schema {
	return g.component(t, "", func() *schema {
		return g.fields(t, func(f reflect.StructField, required bool) *schema {
			s := g.input(f, required, described.jsonSchema)
			if !required {
				s = s.orNull()
			}
			return s
		})
	})
}

// form is the schema of the same request as a form.
func (g *reflector) form(t reflect.Type) *schema {
	return g.component(t, "Form", func() *schema { return g.fields(t, g.text) })
}

// text is the schema of one field of a form or a query.
func (g *reflector) text(f reflect.StructField, required bool) *schema {
	s := g.input(f, required, described.textSchema)
	if _, ok := reflect.TypeAssert[described](reflect.New(f.Type)); !ok && f.Type.Kind() != reflect.String {
		return &schema{Type: "string", ContentMediaType: "application/json"}
	}
	return s
}

func (g *reflector) fields(t reflect.Type, of func(f reflect.StructField, required bool) *schema) *schema {
	s := &schema{Type: "object"}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		required := f.Tag.Get("api") == "required"
		if required {
			s.Required = append(s.Required, name)
		}
		p := of(f, required)
		g.describe(p, t, f)
		s.Properties = append(s.Properties, member{name, p})
	}
	return s
}

// describe adds to a schema what the field's comment says.
func (g *reflector) describe(s *schema, t reflect.Type, f reflect.StructField) {
	if text := g.texts.Fields[t.String()+"."+f.Name]; text != "" && s.Description == "" {
		s.Description = text
	}
}

// input is the schema of a field of a request. The tags enum (words with commas),
// min and max (of an integer; max of a string is its length) repeat what the
// endpoint checks.
func (g *reflector) input(f reflect.StructField, required bool, of func(described, bool) *schema) *schema {
	if values := f.Tag.Get("enum"); values != "" {
		return anyCase(strings.Split(values, ","), required)
	}
	s := g.unbounded(f, required, of)
	low, high := f.Tag.Get("min"), f.Tag.Get("max")
	if f.Type.Kind() == reflect.String {
		s.MaxLength, _ = strconv.Atoi(high)
		return s
	}
	if low != "" && s.Minimum != "" {
		s.Minimum = json.Number(low)
	}
	if high != "" && s.Maximum != "" {
		s.Maximum = json.Number(high)
	}
	return s
}

func (g *reflector) unbounded(f reflect.StructField, required bool, of func(described, bool) *schema) *schema {
	switch v := reflect.New(f.Type).Interface().(type) {
	case described:
		return of(v, required)
	case lenient:
		return &schema{}
	}
	if f.Type.Kind() == reflect.String {
		s := &schema{Type: "string"}
		if required {
			s.MinLength = 1
		}
		return s
	}
	s := g.nested(f.Type)
	if required && f.Type.Kind() == reflect.Slice {
		s = &schema{Type: "array", Items: s.Items}
	}
	return s
}

// nested is the schema of a value that encoding/json decodes: it takes null for
// anything, and skips what it does not know.
func (g *reflector) nested(t reflect.Type) *schema {
	switch v := reflect.New(t).Interface().(type) {
	case described:
		return v.jsonSchema(false)
	case json.Unmarshaler:
		return &schema{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.nested(t.Elem())
	case reflect.Struct:
		return g.component(t, "In", func() *schema {
			s := &schema{Type: "object"}
			for _, f := range jsonFields(t) {
				p := g.nested(f.Type).orNull()
				g.describe(p, t, f.StructField)
				s.Properties = append(s.Properties, member{f.name, p})
			}
			return s
		})
	case reflect.Slice:
		return &schema{Type: "array", Items: g.nested(t.Elem()).orNull()}
	case reflect.Map:
		return &schema{Type: "object", AdditionalProperties: g.nested(t.Elem()).orNull()}
	default:
		return scalar(t)
	}
}

// reply is the schema of an answer: what encoding/json makes of a type. A slice
// or a map is null only where its field is tagged api:"nullable".
func (g *reflector) reply(t reflect.Type) *schema {
	switch reflect.New(t).Elem().Interface().(type) {
	case datatype.Predicate:
		return g.component(t, "", func() *schema {
			return &schema{Type: "object", Required: []string{"type"}, Properties: members{{"type", &schema{Type: "string"}}, {"value", &schema{}}}}
		})
	case json.RawMessage, json.Marshaler:
		return &schema{}
	case encoding.TextMarshaler:
		return &schema{Type: "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.reply(t.Elem()).orNull()
	case reflect.Struct:
		if t.Name() == "" {
			return g.object(t)
		}
		return g.component(t, "", func() *schema { return g.object(t) })
	case reflect.Slice, reflect.Array:
		return &schema{Type: "array", Items: g.reply(t.Elem())}
	case reflect.Map:
		return &schema{Type: "object", AdditionalProperties: g.reply(t.Elem())}
	case reflect.Interface:
		return &schema{}
	default:
		return scalar(t)
	}
}

func (g *reflector) object(t reflect.Type) *schema {
	s := &schema{Type: "object"}
	for _, f := range jsonFields(t) {
		p := g.reply(f.Type)
		if values := f.Tag.Get("enum"); values != "" {
			p.Enum = strings.Split(values, ",")
		}
		if f.Tag.Get("api") == "nullable" {
			p = p.orNull()
		}
		if !f.optional {
			s.Required = append(s.Required, f.name)
		}
		g.describe(p, f.in, f.StructField)
		s.Properties = append(s.Properties, member{f.name, p})
	}
	return s
}

// A jsonField is a field as encoding/json sees it.
type jsonField struct {
	reflect.StructField
	name     string
	in       reflect.Type // the struct that declares it
	optional bool
}

// jsonFields lists the fields of a struct in order, those of embedded ones among
// them.
func jsonFields(t reflect.Type) []jsonField {
	var list []jsonField
	for f := range t.Fields() {
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-", f.PkgPath != "" && !f.Anonymous:
		case f.Anonymous && name == "":
			in := f.Type
			if in.Kind() == reflect.Pointer {
				in = in.Elem()
			}
			list = append(list, jsonFields(in)...)
		default:
			if name == "" {
				name = f.Name
			}
			list = append(list, jsonField{f, name, t, strings.Contains(opts, "omit")})
		}
	}
	return list
}

func scalar(t reflect.Type) *schema {
	switch t.Kind() {
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Float32, reflect.Float64:
		return &schema{Type: "number"}
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Uint8, reflect.Uint16:
		return &schema{Type: "integer", Format: "int32"}
	case reflect.Int, reflect.Int64, reflect.Uint, reflect.Uint32, reflect.Uint64:
		return &schema{Type: "integer", Format: "int64"}
	default:
		return &schema{Type: "string"}
	}
}

// orNull is the schema that takes null too.
func (s *schema) orNull() *schema {
	null := &schema{Type: "null"}
	switch kind := s.Type.(type) {
	case string:
		if kind != "null" {
			s.Type = []string{kind, "null"}
		}
	case []string:
		if !slices.Contains(kind, "null") {
			s.Type = append(slices.Clone(kind), "null")
		}
	default:
		switch {
		case s.Ref != "":
			return &schema{AnyOf: []*schema{s, null}}
		case s.AnyOf != nil:
			s.AnyOf = append(slices.Clone(s.AnyOf), null)
		}
	}
	return s
}

// takesText says whether a value may be a JSON string.
func (s *schema) takesText() bool {
	switch kind := s.Type.(type) {
	case string:
		return kind == "string"
	case []string:
		return slices.Contains(kind, "string")
	}
	return s.Ref == "" && (s.AnyOf == nil || slices.ContainsFunc(s.AnyOf, (*schema).takesText))
}

// anyCase is one of some words, which the API takes in any letter case and with
// white space around.
func anyCase(words []string, required bool) *schema {
	var p bytes.Buffer
	p.WriteString(`^\s*(`)
	if !required {
		p.WriteByte('|')
	}
	for i, w := range words {
		if i > 0 {
			p.WriteByte('|')
		}
		for _, c := range strings.Trim(w, " ") {
			if up, low := strings.ToUpper(string(c)), strings.ToLower(string(c)); up != low {
				p.WriteString("[" + up + low + "]")
			} else {
				p.WriteString(string(c))
			}
		}
	}
	p.WriteString(`)\s*$`)
	return &schema{Type: "string", Pattern: p.String(), Examples: words, Description: "One of " + strings.Join(words, ", ") + ", in any letter case."}
}
