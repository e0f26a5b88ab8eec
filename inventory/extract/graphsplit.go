package extract

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"harken/har"
)

// A graphRequest is what the arguments of a request may refer to.
type graphRequest struct {
	variables map[string]json.RawMessage
	defaults  map[string]*graphNode
}

// A leaf is a field without selections (no value) or an argument.
type leaf struct {
	name  string
	value *graphNode
}

// graphBody adds the fields of the requests in a body: JSON objects, a form, or
// the document itself.
func (s *splitter) graphBody(e *har.Entry, body []byte) {
	body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	switch {
	case isGraphQL(e) && len(bytes.TrimSpace(body)) > 0 && !json.Valid(body):
		s.graph(string(body), nil, nil)
		return
	case hasType(e, "application/x-www-form-urlencoded"):
		s.graphQuery(string(body))
		return
	}
	for _, raw := range s.x.objects(body) {
		if len(s.parts) == s.limit {
			s.x.skipped++
			continue
		}
		var document string
		members := s.x.membersOf(raw)
		if json.Unmarshal(members["query"], &document) != nil {
			continue
		}
		delete(members, "query")
		rest := make([]rawMember, 0, len(members))
		for _, name := range slices.Sorted(maps.Keys(members)) {
			rest = append(rest, rawMember{name, string(members[name])})
		}
		s.graph(document, members["variables"], rest)
	}
}

// graphQuery adds the fields of a request whose document is a parameter of the
// URL or of a form.
func (s *splitter) graphQuery(query string) {
	query, _, _ = strings.Cut(query, "#")
	var document, variables string
	for pair := range strings.SplitSeq(query, "&") {
		switch name, v, _ := strings.Cut(pair, "="); name {
		case "query":
			document = unescape(v)
		case "variables":
			variables = unescape(v)
		}
	}
	var rest []rawMember
	if json.Valid([]byte(variables)) {
		rest = []rawMember{{"variables", variables}}
	}
	s.graph(document, json.RawMessage(variables), rest)
}

// graph adds the top-level fields of a document's operations.
func (s *splitter) graph(document string, variables json.RawMessage, rest []rawMember) {
	d := parseGraphQL(document)
	if d == nil {
		return
	}
	known := s.x.membersOf(variables) // without variables, arguments have no values
	for i := range d.operations {
		o := &d.operations[i]
		suffix := "/" + o.kind
		if o.name != "" {
			suffix += "/" + o.name
		}
		r := &graphRequest{variables: known, defaults: o.defaults}
		s.top(d, o.selections, 0, func(f *graphSelection) {
			p := Part{URL: s.at(suffix + "/" + f.name), rest: rest, request: r}
			s.leaves(d, f, "query."+f.name, 0, &p)
			s.add(p)
		})
	}
}

// top visits the fields of a selection, also those in fragments.
func (s *splitter) top(d *graphDocument, set []graphSelection, depth int, visit func(*graphSelection)) {
	for i := range set {
		f := &set[i]
		if s.work++; s.work > MaxValues || depth > maxGraphDepth {
			s.x.skipped++
			return
		}
		switch {
		case f.name != "":
			if len(s.parts) == s.limit {
				s.x.skipped++
				continue
			}
			visit(f)
		case f.spread != "":
			s.top(d, d.fragments[f.spread], depth+1, visit)
		default:
			s.top(d, f.selections, depth+1, visit)
		}
	}
}

// leaves collects what is below a field. Fragments may be used again and again,
// also by themselves, so the work is counted.
func (s *splitter) leaves(d *graphDocument, f *graphSelection, path string, depth int, p *Part) {
	if len(path) > MaxName {
		s.x.skipped++
		return
	}
	for i := range f.arguments {
		a := &f.arguments[i]
		p.leaves = append(p.leaves, leaf{path + ".__args." + a.name, &a.value})
	}
	if f.selections == nil {
		p.leaves = append(p.leaves, leaf{name: path})
		return
	}
	s.top(d, f.selections, depth+1, func(child *graphSelection) {
		s.leaves(d, child, path+"."+child.name, depth+1, p)
	})
}

// graphValue adds a value at the path. Variables have the value that the request
// gives them, else their default.
func (x *Extractor) graphValue(v *graphNode, r *graphRequest) {
	switch v.kind {
	case graphList:
		base := x.push("$")
		for i := range v.items {
			x.graphValue(&v.items[i].value, r)
		}
		x.pop(base)
	case graphObject:
		if len(v.items) == 0 {
			x.add("", EmptyObject)
		}
		for i := range v.items {
			base := x.push(member(v.items[i].name))
			x.graphValue(&v.items[i].value, r)
			x.pop(base)
		}
	case graphVariable:
		if raw, ok := r.variables[v.text]; ok {
			x.raw(string(raw))
		} else if def := r.defaults[v.text]; def != nil && def.kind != graphVariable {
			x.graphValue(def, &graphRequest{})
		} else {
			x.add("", Null)
		}
	default:
		x.add(v.text, v.scalar)
	}
}
