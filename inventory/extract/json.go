package extract

import (
	"strings"

	"harken/internal/jsonlex"
)

// A scanner reads one JSON document and adds its values to x. It accepts exactly
// what RFC 8259 does. The values without escapes are parts of s.
type scanner struct {
	x *Extractor
	s string
	i int
}

// json adds the values of a JSON object or array, if s is one, whole and valid,
// and reports whether it was. Other JSON documents have no parameters.
func (x *Extractor) json(s string) bool {
	p := scanner{x: x, s: s}
	p.space()
	if p.i == len(s) || s[p.i] != '{' && s[p.i] != '[' {
		return false
	}
	m := x.mark()
	if s[p.i] == '[' {
		x.push("json")
	}
	return x.finish(m, p.value(0) && p.end())
}

// nested adds the values of a text that is itself a JSON object or array, below
// the name of the text.
func (x *Extractor) nested(s string) {
	if s = strings.TrimSpace(s); s == "" || s[0] != '{' && s[0] != '[' {
		return
	}
	p := scanner{x: x, s: s}
	m := x.mark()
	x.finish(m, p.value(0) && p.end())
}

// A mark is a state of the Extractor to which it can return.
type mark struct{ pending, path, mute int }

func (x *Extractor) mark() mark { return mark{len(x.pending), len(x.path), x.mute} }

// finish returns to the path at the mark, and forgets what was added since
// unless it is ok.
func (x *Extractor) finish(m mark, ok bool) bool {
	x.path, x.mute = x.path[:m.path], m.mute
	if !ok {
		clear(x.pending[m.pending:])
		x.pending = x.pending[:m.pending]
	}
	return ok
}

// end reports whether nothing but space is left.
func (p *scanner) end() bool {
	p.space()
	return p.i == len(p.s)
}

func (p *scanner) space() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\r', '\n':
			p.i++
		default:
			return
		}
	}
}

func (p *scanner) value(depth int) bool {
	if p.i == len(p.s) {
		return false
	}
	switch c := p.s[p.i]; c {
	case '{':
		return p.object(depth + 1)
	case '[':
		return p.array(depth + 1)
	case '"':
		raw, escaped, ok := p.text()
		if !ok {
			return false
		}
		if escaped {
			raw = decodeText(raw, MaxValue)
		}
		p.x.add(raw, Text)
		return true
	case 't':
		return p.word("true", "true", Bool)
	case 'f':
		return p.word("false", "false", Bool)
	case 'n':
		return p.word("null", "", Null)
	default:
		return p.number()
	}
}

func (p *scanner) object(depth int) bool {
	if depth > MaxDepth {
		p.x.skipped++
		return false
	}
	p.i++
	if p.space(); p.i < len(p.s) && p.s[p.i] == '}' {
		p.i++
		if depth > 1 {
			p.x.add("", EmptyObject)
		}
		return true
	}
	for {
		if p.space(); p.i == len(p.s) || p.s[p.i] != '"' {
			return false
		}
		key, escaped, ok := p.text()
		if !ok {
			return false
		}
		if escaped {
			key = decodeText(key, MaxName+1)
		}
		if p.space(); p.i == len(p.s) || p.s[p.i] != ':' {
			return false
		}
		p.i++
		p.space()
		base := p.x.push(member(key))
		if !p.value(depth) {
			return false
		}
		p.x.pop(base)
		if p.space(); p.i == len(p.s) {
			return false
		}
		p.i++
		switch p.s[p.i-1] {
		case ',':
		case '}':
			return true
		default:
			return false
		}
	}
}

func (p *scanner) array(depth int) bool {
	if depth > MaxDepth {
		p.x.skipped++
		return false
	}
	p.i++
	if p.space(); p.i < len(p.s) && p.s[p.i] == ']' {
		p.i++
		return true
	}
	base := p.x.push("$")
	for {
		p.space()
		if !p.value(depth) {
			return false
		}
		if p.space(); p.i == len(p.s) {
			return false
		}
		p.i++
		switch p.s[p.i-1] {
		case ',':
		case ']':
			p.x.pop(base)
			return true
		default:
			return false
		}
	}
}

func (p *scanner) word(word, value string, kind Kind) bool {
	if !strings.HasPrefix(p.s[p.i:], word) {
		return false
	}
	p.i += len(word)
	p.x.add(value, kind)
	return true
}

// text reads a string and gives what is between its quotes.
func (p *scanner) text() (raw string, escaped, ok bool) {
	end, escaped, flaw := jsonlex.String(p.s, p.i)
	if flaw != "" {
		return "", false, false
	}
	raw = p.s[p.i+1 : end-1]
	p.i = end
	return raw, escaped, true
}

// decodeText gives the value of what is between the quotes of a string, up to limit
// bytes or a little more.
func decodeText(raw string, limit int) string {
	var short [64]byte
	return string(jsonlex.AppendUnescaped(short[:0], raw, limit))
}

func (p *scanner) number() bool {
	end, ok := jsonlex.Number(p.s, p.i)
	if !ok {
		return false
	}
	p.x.add(p.s[p.i:end], Number)
	p.i = end
	return true
}
