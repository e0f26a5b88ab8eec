package ingest

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"harken/har"
)

// names are the names under which a list of fields is published: lower case,
// without pseudo headers, and without those with a space, which are no fields at
// all.
type names struct {
	text     []byte // all of them
	of       []published
	repeated bool // a name is published of several fields
}

// published says what becomes of one field.
type published struct {
	from, to int // its name in text; empty if it is not published
	first    int // the first field of this name: itself, if its name is a new one
}

func (n *names) read(hs []har.Header) {
	n.text, n.of, n.repeated = n.text[:0], n.of[:0], false
	for i := range hs {
		p := published{from: len(n.text), first: i}
		n.text = appendName(n.text, hs[i].Name)
		p.to = len(n.text)
		for j := range n.of {
			if o := &n.of[j]; p.to > p.from && bytes.Equal(n.text[o.from:o.to], n.text[p.from:p.to]) {
				p.first, n.repeated = j, true
				break
			}
		}
		n.of = append(n.of, p)
	}
}

// appendName appends the name under which a field is published, nothing if it is
// not.
func appendName(dst []byte, name string) []byte {
	if name == "" || name[0] == ':' {
		return dst
	}
	start := len(dst)
	for i := range len(name) {
		c := name[i]
		switch {
		case c == ' ' || c == '\t':
			return dst[:start]
		case c >= utf8.RuneSelf:
			if strings.ContainsAny(name, " \t") {
				return dst[:start]
			}
			return append(dst[:start], strings.ToLower(name)...)
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func (n *names) name(i int) []byte { return n.text[n.of[i].from:n.of[i].to] }

// begins reports whether field i is published and the first of its name.
func (n *names) begins(i int) bool { return n.of[i].first == i && n.of[i].to > n.of[i].from }

// next returns the field behind i that has the same name, 0 if there is none.
func (n *names) next(i int) int {
	for j := i + 1; n.repeated && j < len(n.of); j++ {
		if n.of[j].first == n.of[i].first {
			return j
		}
	}
	return 0
}

func (n *names) has(name string) bool {
	for i := range n.of {
		if string(n.name(i)) == name {
			return true
		}
	}
	return false
}

// headers writes a header object inside a string: lower-case names, one value
// each. authority fills in for an absent host.
func (w *aktoWriter) headers(id field, hs []har.Header, n *names, contentType, authority string) {
	w.inner = append(w.inner[:0], '{')
	for i := range hs {
		if n.begins(i) {
			w.inner = appendPair(w.inner, n.name(i), n.joined(hs, i))
		}
	}
	if id == fieldRequestHeaders && !n.has("host") { // the form has no record without
		w.inner = appendPair(w.inner, []byte("host"), or(headerValue(hs, ":authority"), authority))
	}
	if contentType != "" && contentType != "x-unknown" && !n.has("content-type") {
		w.inner = appendPair(w.inner, []byte("content-type"), contentType)
	}
	w.inner = append(w.inner, '}')
	w.setInner(id)
}

func appendPair(dst, name []byte, value string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return har.AppendString(append(har.AppendString(dst, name), ':'), value)
}

// joined is the one value of the name that field i is the first of.
func (n *names) joined(hs []har.Header, i int) string {
	value := hs[i].Value
	for j := n.next(i); j > 0; j = n.next(j) {
		switch string(n.name(i)) {
		case "host": // a joined host would be another host
		case "set-cookie":
			value = hs[j].Value
		case "cookie":
			value += "; " + hs[j].Value
		default:
			value += ", " + hs[j].Value
		}
	}
	return value
}

// multi writes the full list of values of repeated fields, if there are any.
func (w *aktoWriter) multi(id field, hs []har.Header, n *names) {
	if !n.repeated {
		return
	}
	w.inner = append(w.inner[:0], '{')
	for i := range hs {
		if !n.begins(i) || n.next(i) == 0 {
			continue
		}
		if len(w.inner) > 1 {
			w.inner = append(w.inner, ',')
		}
		w.inner = append(har.AppendString(w.inner, n.name(i)), ':', '[')
		w.inner = har.AppendString(w.inner, hs[i].Value)
		for j := n.next(i); j > 0; j = n.next(j) {
			w.inner = har.AppendString(append(w.inner, ','), hs[j].Value)
		}
		w.inner = append(w.inner, ']')
	}
	w.inner = append(w.inner, '}')
	w.setInner(id)
}
