package admin

import (
	"reflect"
	"slices"
)

// An Operation is an endpoint as a client needs to know it.
type Operation struct {
	Name    string // last element of Path
	Verb    string // POST, or GET with the fields in the query
	Path    string
	Group   string
	Summary string // a sentence without its period
	File    bool   // answers with a file instead of a JSON reply
	in      *schema
}

// A Field is a field of a request.
type Field struct {
	Name        string
	Description string // may be empty
	Required    bool
}

// Operations lists all endpoints in the order of the documentation.
func Operations() []Operation {
	texts := loadTexts()
	g := newReflector(texts)
	list := make([]Operation, 0, len(routes))
	for i := range routes {
		r := &routes[i]
		t := texts.Endpoints[r.path]
		list = append(list, Operation{
			Name: r.name(), Verb: r.verb, Path: r.url(), Group: t.Group, Summary: t.summary(),
			File: r.out == reflect.TypeFor[file](),
			in: g.fields(r.in, func(f reflect.StructField, required bool) *schema {
				return g.input(f, required, described.jsonSchema)
			}),
		})
	}
	return list
}

// TakesText says whether the value of a field may be written as a JSON string;
// of a field that is not known, true.
func (o *Operation) TakesText(field string) bool {
	s, ok := o.in.Properties.get(field).(*schema)
	return !ok || s.takesText()
}

// Fields lists the fields of a request.
func (o *Operation) Fields() []Field {
	var list []Field
	for _, f := range o.in.Properties {
		s, ok := f.value.(*schema)
		if !ok {
			continue
		}
		list = append(list, Field{Name: f.name, Description: s.Description, Required: slices.Contains(o.in.Required, f.name)})
	}
	return list
}
