package redact

import (
	"strings"

	"harken/internal/jsonlex"
)

// maxDepth is the deepest nesting of JSON that is read, the same as that of
// encoding/json.
const maxDepth = 10_000

// A rewriter reads a JSON document (RFC 8259) and copies it to dst with its
// secrets replaced. Only what changes is written: dst is nil if nothing does.
type rewriter struct {
	w    *worker
	s    string
	i    int
	from int // what is before it was copied to dst
	safe int // the end of the last token that is whole
	dst  []byte
	list bool // the root is an array
}

func (j *rewriter) changed() bool { return j.dst != nil }

// document reads the whole of s and reports whether it is one document.
func (j *rewriter) document(sc scope) bool {
	j.space()
	j.list = j.i < len(j.s) && j.s[j.i] == '['
	if !j.value(sc, 0) {
		return false
	}
	j.space()
	return j.i == len(j.s)
}

// finish gives the document after it was read.
func (j *rewriter) finish() []byte { return append(j.dst, j.s[j.from:]...) }

// cut gives what could be read of a document that ends early or is not valid
// from some place on, and a mask for the rest.
func (j *rewriter) cut() []byte {
	if j.safe > j.from {
		j.dst = append(j.dst, j.s[j.from:j.safe]...)
	}
	return append(j.dst, Mask...)
}

// put replaces what is from start to the place at hand by text.
func (j *rewriter) put(start int, text string) {
	if j.dst == nil {
		j.dst = make([]byte, 0, len(j.s)+64)
	}
	j.dst = append(j.dst, j.s[j.from:start]...)
	j.dst = appendJSON(j.dst, text)
	j.from, j.safe = j.i, j.i
}

func (j *rewriter) space() {
	for j.i < len(j.s) {
		switch j.s[j.i] {
		case ' ', '\t', '\r', '\n':
			j.i++
		default:
			return
		}
	}
}

// take passes a byte if it is next, after space.
func (j *rewriter) take(c byte) bool {
	j.space()
	if j.i == len(j.s) || j.s[j.i] != c {
		return false
	}
	j.i++
	j.safe = j.i
	return true
}

func (j *rewriter) value(sc scope, depth int) bool {
	if j.i == len(j.s) || depth > maxDepth {
		return false
	}
	start := j.i
	switch j.s[j.i] {
	case '{':
		return j.object(sc, depth+1)
	case '[':
		return j.array(sc, depth+1)
	case '"':
		v, ok := j.text()
		if !ok {
			return false
		}
		if v, ok = j.w.text(sc, v); ok {
			j.put(start, v)
		}
		j.safe = j.i
		return true
	}
	n := scalarLen(j.s[j.i:])
	if n == 0 {
		return false
	}
	j.i += n
	v := j.s[start:j.i]
	if sc.hide || v != "null" && j.w.r.types != nil && j.w.r.types(sc.key, v) {
		j.put(start, j.w.mask(v))
	} else if j.i < len(j.s) || depth == 0 {
		j.safe = j.i // a number at the end may be half of one
	}
	return true
}

func (j *rewriter) object(sc scope, depth int) bool {
	j.take('{')
	if j.take('}') {
		return true
	}
	for {
		if j.space(); j.i == len(j.s) || j.s[j.i] != '"' {
			return false
		}
		key, ok := j.text()
		if !ok || !j.take(':') {
			return false
		}
		j.space()
		mark := len(j.w.arena)
		ok = j.member(sc, key, depth)
		j.w.arena = j.w.arena[:mark]
		if !ok {
			return false
		}
		if !j.take(',') {
			return j.take('}')
		}
	}
}

func (j *rewriter) member(sc scope, key string, depth int) bool {
	inner := j.w.enter(sc, key)
	if j.w.graph && key == "query" && j.w.nest == 0 && (depth == 1 || depth == 2 && j.list) &&
		j.i < len(j.s) && j.s[j.i] == '"' && (!inner.hide || j.w.r.all) {
		start := j.i
		document, ok := j.text()
		if !ok {
			return false
		}
		if text, ok := j.w.graphql(j.w.top(), document); ok {
			if text != document {
				j.put(start, text)
			}
			j.safe = j.i
			return true
		}
		j.i = start
	}
	return j.value(inner, depth)
}

func (j *rewriter) array(sc scope, depth int) bool {
	j.take('[')
	if j.take(']') {
		return true
	}
	for {
		j.space()
		if !j.value(sc, depth) {
			return false
		}
		if !j.take(',') {
			return j.take(']')
		}
	}
}

// text reads a string and gives it decoded. The place stays if it is not whole.
func (j *rewriter) text() (string, bool) {
	end, escaped, flaw := jsonlex.String(j.s, j.i)
	if flaw != "" {
		return "", false
	}
	raw := j.s[j.i+1 : end-1]
	j.i = end
	if escaped {
		raw = decodeText(raw)
	}
	return raw, true
}

// decodeText gives the value of what is between the quotes of a string.
func decodeText(raw string) string {
	var short [64]byte
	return string(jsonlex.AppendUnescaped(short[:0], raw, -1))
}

// appendJSON writes s as a string.
func appendJSON(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"', c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', "01"[c>>4], "0123456789abcdef"[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// scalarLen gives the length of the number, true, false or null that s begins
// with, 0 if there is none.
func scalarLen(s string) int {
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(s, word) {
			return len(word)
		}
	}
	n, ok := jsonlex.Number(s, 0)
	if !ok {
		return 0
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
