package extract

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
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
	start := p.i + 1
	for i := start; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '"':
			p.i = i + 1
			return p.s[start:i], escaped, true
		case c < 0x20:
			return "", false, false
		case c == '\\':
			escaped = true
			n := escapeLen(p.s[i:])
			if n == 0 {
				return "", false, false
			}
			i += n - 1
		}
	}
	return "", false, false
}

// escapeLen gives the length of the escape that s begins with, 0 if it is none.
func escapeLen(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(s) >= 6 && hex4(s[2:6]) >= 0 {
			return 6
		}
	}
	return 0
}

func hex4(s string) rune {
	var v rune
	for i := range 4 {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		v = v<<4 | rune(c)
	}
	return v
}

// decodeText resolves the escapes of a string that text accepted, up to limit
// bytes of result or a little more.
func decodeText(raw string, limit int) string {
	var b strings.Builder
	b.Grow(min(len(raw), limit+utf8.UTFMax))
	for i := 0; i < len(raw) && b.Len() <= limit; {
		if raw[i] != '\\' {
			n := strings.IndexByte(raw[i:], '\\')
			if n < 0 {
				n = len(raw) - i
			}
			b.WriteString(cut(raw[i : i+n]))
			i += n
			continue
		}
		n := escapeLen(raw[i:])
		if n == 2 {
			b.WriteByte(unescaped(raw[i+1]))
			i += 2
			continue
		}
		r := hex4(raw[i+2 : i+6])
		i += 6
		if utf16.IsSurrogate(r) {
			r2 := rune(-1)
			if i+6 <= len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
				r2 = hex4(raw[i+2 : i+6])
			}
			if r = utf16.DecodeRune(r, r2); r != utf8.RuneError {
				i += 6
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

func (p *scanner) number() bool {
	n := numberLen(p.s[p.i:])
	if n == 0 {
		return false
	}
	p.x.add(p.s[p.i:p.i+n], Number)
	p.i += n
	return true
}

// numberLen gives the length of the number that s begins with, 0 if it is none.
func numberLen(s string) int {
	i := 0
	digits := func() bool {
		from := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if s[i] == '-' {
		i++
	}
	first := i
	if !digits() || s[first] == '0' && i > first+1 {
		return 0
	}
	if i < len(s) && s[i] == '.' {
		i++
		if !digits() {
			return 0
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return 0
		}
	}
	return i
}
