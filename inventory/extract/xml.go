package extract

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// The limits of an XML body; beyond them it has no parameters.
const (
	maxElements     = 200_000
	maxElementDepth = 256
	maxAttributes   = 10_000 // of one element
)

// An element is an element or an attribute of an XML document, without its
// namespace.
type element struct {
	name     string
	text     string
	children []*element
}

// xml adds the attributes and children of the element Body (or body) below the
// root, else of the root: elements without either are text, others objects, in
// which text is the member "content". Repeated elements are an array. An element
// that holds nothing but text is a member of its own name. It reports whether the
// document was valid.
func (x *Extractor) xml(s string) bool {
	root, ok := x.parseXML(s)
	if !ok {
		return false
	}
	for _, c := range root.children {
		if c.name == "Body" || c.name == "body" {
			root = c
			break
		}
	}
	if len(root.children) > 0 {
		x.members(root)
	} else if root.text != "" {
		x.field(root.name, root.text, false)
	}
	return true
}

func (x *Extractor) members(e *element) {
	if e.text != "" {
		x.field("content", e.text, false)
	}
	counts := make(map[string]int, len(e.children))
	for _, c := range e.children {
		counts[c.name]++
	}
	for _, c := range e.children {
		base, elem := x.push(member(c.name)), -1
		if counts[c.name] > 1 {
			elem = x.push("$")
		}
		if len(c.children) > 0 {
			x.members(c)
		} else {
			x.add(c.text, Text)
		}
		if elem >= 0 {
			x.pop(elem)
		}
		x.pop(base)
	}
}

// parseXML reads a document with one root. Entities that a document defines
// itself are not known and make it invalid, so it cannot grow.
func (x *Extractor) parseXML(s string) (root *element, ok bool) {
	if manyAttributes(s) {
		x.skipped++
		return nil, false
	}
	d := xml.NewDecoder(strings.NewReader(s))
	// The text is UTF-8 by now, whatever the declaration says.
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	var open []*element
	n := 0
	for {
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return root, root != nil && len(open) == 0
		}
		if err != nil {
			return nil, false
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if n += 1 + len(t.Attr); n > maxElements || len(open) == maxElementDepth {
				x.skipped++
				return nil, false
			}
			e := &element{name: t.Name.Local}
			for _, a := range t.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					e.children = append(e.children, &element{name: a.Name.Local, text: a.Value})
				}
			}
			switch {
			case len(open) > 0:
				parent := open[len(open)-1]
				parent.children = append(parent.children, e)
			case root != nil:
				return nil, false
			default:
				root = e
			}
			open = append(open, e)
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1].name != t.Name.Local {
				return nil, false
			}
			open = open[:len(open)-1]
		case xml.CharData:
			if text := strings.TrimSpace(string(t)); len(open) > 0 && text != "" {
				e := open[len(open)-1]
				if len(e.text) < MaxValue {
					e.text += cut(text)
				}
			}
		}
	}
}

// manyAttributes reports whether an element may have more attributes than the
// limit. The decoder reads all of them before it gives an element, at a hundred
// times the memory of the text.
func manyAttributes(s string) bool {
	for {
		open := strings.IndexByte(s, '<')
		if open < 0 {
			return false
		}
		s = s[open+1:]
		end := "" // of what has no attributes
		switch {
		case strings.HasPrefix(s, "!--"):
			end = "-->"
		case strings.HasPrefix(s, "![CDATA["):
			end = "]]>"
		case strings.HasPrefix(s, "?"):
			end = "?>"
		}
		if end != "" {
			i := strings.Index(s, end)
			if i < 0 {
				return false // it is not valid
			}
			s = s[i:]
			continue
		}
		n := 0
		for s != "" && s[0] != '>' {
			switch i := strings.IndexAny(s, "=\"'>"); {
			case i < 0:
				return n > maxAttributes
			case s[i] == '>':
				s = s[i:]
			case s[i] == '=':
				if n++; n > maxAttributes {
					return true
				}
				s = s[i+1:]
			default:
				quoted := s[i+1:]
				j := strings.IndexByte(quoted, s[i])
				if j < 0 {
					return false
				}
				s = quoted[j+1:]
			}
		}
	}
}
