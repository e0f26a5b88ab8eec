package har

import "bytes"

// A span finds the end of one JSON value in input that comes in pieces. It
// follows strings and counts brackets, no more: whoever decodes the value sees
// what else is wrong with it.
type span struct {
	depth   int
	started bool
	scalar  bool
	quoted  bool
	escaped bool // the piece ended behind a backslash
}

// feed returns how many bytes of b belong to the value, and whether it ends
// there. A number ends only at the byte behind it.
func (s *span) feed(b []byte) (int, bool) {
	i := 0
	for i < len(b) {
		if s.quoted {
			i += s.inString(b[i:])
			if s.quoted {
				return i, false
			}
			if s.depth == 0 {
				return i, true
			}
			continue
		}
		c := b[i]
		if s.scalar {
			switch c {
			case ',', ']', '}', ' ', '\t', '\r', '\n':
				return i, true
			}
			i++
			continue
		}
		i++
		switch c {
		case '"':
			s.quoted, s.started = true, true
		case '{', '[':
			s.depth++
			s.started = true
		case '}', ']':
			s.depth--
			if s.depth <= 0 {
				return i, true
			}
		default:
			s.scalar = !s.started
		}
	}
	return i, false
}

// inString returns how many bytes of b belong to the string. The next quote is
// looked for once, not again behind each escape: long bodies without quotes but
// full of escapes would cost the square of their length.
func (s *span) inString(b []byte) int {
	i := 0
	if s.escaped {
		s.escaped = false
		i = 1
	}
	quote := -1
	for i < len(b) {
		if quote < i {
			if quote = bytes.IndexByte(b[i:], '"'); quote < 0 {
				quote = len(b)
			} else {
				quote += i
			}
		}
		n := bytes.IndexByte(b[i:quote], '\\')
		if n < 0 {
			if quote == len(b) {
				return quote
			}
			s.quoted = false
			return quote + 1
		}
		i += n + 2
	}
	if i > len(b) {
		s.escaped = true
	}
	return len(b)
}
