package ingest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a JSON value; bodies are strings and do not
// count.
const maxDepth = 64

// A jsonScanner walks over one JSON text (RFC 8259) without building anything,
// and checks the syntax of all it passes. It is what makes the header of a record
// cheap: decoding the entry costs many times as much.
type jsonScanner struct {
	b     []byte
	i     int
	depth int
}

// A syntaxError names the byte at which a text stops being JSON.
type syntaxError struct {
	offset int
	want   string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("not JSON at byte %d: %s", e.offset, e.want) }

func (s *jsonScanner) fail(want string) error { return &syntaxError{s.i, want} }

func (s *jsonScanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// kind returns the first byte of the next value, 0 at the end.
func (s *jsonScanner) kind() byte {
	s.space()
	if s.i >= len(s.b) {
		return 0
	}
	return s.b[s.i]
}

// document checks that b is UTF-8 and one JSON object, and calls member for each
// of its members, which must consume the value.
func (s *jsonScanner) document(member func(name []byte) error) error {
	if !utf8.Valid(s.b) {
		return errors.New("not UTF-8")
	}
	if s.kind() != '{' {
		return errors.New("not a JSON object")
	}
	if err := s.object(member); err != nil {
		return err
	}
	if s.kind() != 0 {
		return s.fail("bytes behind the object")
	}
	return nil
}

// object walks over an object. The name that member is given is unescaped and
// valid during the call.
func (s *jsonScanner) object(member func(name []byte) error) error {
	if s.depth++; s.depth > maxDepth {
		return s.fail("nested too deep")
	}
	defer func() { s.depth-- }()
	s.i++ // the brace
	if s.kind() == '}' {
		s.i++
		return nil
	}
	for {
		if s.kind() != '"' {
			return s.fail("want a member name")
		}
		name, err := s.text()
		if err != nil {
			return err
		}
		if s.kind() != ':' {
			return s.fail("want a colon")
		}
		s.i++
		s.space()
		if err := member(name); err != nil {
			return err
		}
		switch s.kind() {
		case ',':
			s.i++
		case '}':
			s.i++
			return nil
		default:
			return s.fail("want a comma or the end of the object")
		}
	}
}

// array walks over an array; element must consume each value.
func (s *jsonScanner) array(element func() error) error {
	if s.depth++; s.depth > maxDepth {
		return s.fail("nested too deep")
	}
	defer func() { s.depth-- }()
	s.i++ // the bracket
	if s.kind() == ']' {
		s.i++
		return nil
	}
	for {
		s.space()
		if err := element(); err != nil {
			return err
		}
		switch s.kind() {
		case ',':
			s.i++
		case ']':
			s.i++
			return nil
		default:
			return s.fail("want a comma or the end of the array")
		}
	}
}

// skip passes over a value and returns its bytes.
func (s *jsonScanner) skip() ([]byte, error) {
	s.space()
	start := s.i
	var err error
	switch c := s.kind(); {
	case c == '{':
		err = s.object(func([]byte) error { _, err := s.skip(); return err })
	case c == '[':
		err = s.array(func() error { _, err := s.skip(); return err })
	case c == '"':
		_, _, err = s.raw()
	case c == '-' || c >= '0' && c <= '9':
		err = s.number()
	default:
		err = s.literal()
	}
	return s.b[start:s.i], err
}

func (s *jsonScanner) literal() error {
	for _, l := range [...]string{"null", "true", "false"} {
		if len(s.b)-s.i >= len(l) && string(s.b[s.i:s.i+len(l)]) == l {
			s.i += len(l)
			return nil
		}
	}
	return s.fail("want a value")
}

func (s *jsonScanner) number() error {
	digits := func() bool {
		from := s.i
		for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
			s.i++
		}
		return s.i > from
	}
	at := func(set string) bool {
		return s.i < len(s.b) && bytes.IndexByte([]byte(set), s.b[s.i]) >= 0
	}
	if at("-") {
		s.i++
	}
	if at("0") {
		s.i++
	} else if !digits() {
		return s.fail("want a digit")
	}
	if at(".") {
		s.i++
		if !digits() {
			return s.fail("want a digit")
		}
	}
	if at("eE") {
		s.i++
		if at("+-") {
			s.i++
		}
		if !digits() {
			return s.fail("want a digit")
		}
	}
	return nil
}

// raw passes over a string and returns what is between the quotes, and whether
// there are escapes in it.
func (s *jsonScanner) raw() ([]byte, bool, error) {
	s.i++ // the quote
	start, escaped := s.i, false
	for s.i < len(s.b) {
		for s.i+8 <= len(s.b) {
			n := plain(binary.LittleEndian.Uint64(s.b[s.i:]))
			if s.i += n; n < 8 {
				break
			}
		}
		if s.i == len(s.b) {
			break
		}
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return s.b[start : s.i-1], escaped, nil
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return nil, false, err
			}
		case c < ' ':
			return nil, false, s.fail("control character in a string")
		default:
			s.i++
		}
	}
	return nil, false, s.fail("string without end")
}

// plain returns how many of eight bytes come before a quote, a backslash or a
// control character. Strings are most of a record, and a byte at a time is several
// times as slow.
func plain(x uint64) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, backslash := x^(ones*'"'), x^(ones*'\\')
	found := (x-ones*' ')&^x | (quote-ones)&^quote | (backslash-ones)&^backslash
	// A borrow can mark wrong bytes, but only behind the first right one.
	return bits.TrailingZeros64(found&tops) / 8
}

func (s *jsonScanner) escape() error {
	if s.i+1 >= len(s.b) {
		return s.fail("string without end")
	}
	switch s.b[s.i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.i += 2
		return nil
	case 'u':
		if s.i+6 <= len(s.b) {
			if _, ok := hex4(s.b[s.i+2 : s.i+6]); ok {
				s.i += 6
				return nil
			}
		}
	}
	return s.fail("unknown escape")
}

func hex4(b []byte) (rune, bool) {
	var r rune
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// text passes over a string and returns its value: part of the input if nothing
// is escaped.
func (s *jsonScanner) text() ([]byte, error) {
	raw, escaped, err := s.raw()
	if err != nil || !escaped {
		return raw, err
	}
	return unescape(make([]byte, 0, len(raw)), raw), nil
}

// unescape appends the value of the checked string content raw.
func unescape(dst, raw []byte) []byte {
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:i]...)
		c := raw[i+1]
		raw = raw[i+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(raw[:4])
			raw = raw[4:]
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u' {
					low, _ = hex4(raw[2:6])
				}
				// A lone half becomes U+FFFD.
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					raw = raw[6:]
				}
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// integer reads a number, or a string that is one, as producers differ.
func (s *jsonScanner) integer() (int64, bool, error) {
	var text []byte
	var err error
	switch c := s.kind(); {
	case c == '"':
		text, err = s.text()
	case c == '-' || c >= '0' && c <= '9':
		text, err = s.skip()
	default:
		_, err = s.skip()
		return 0, false, err
	}
	if err != nil {
		return 0, false, err
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil, nil
}

// oneLine returns a JSON object as an entry of a file is written: data, if it is that.
func oneLine(data []byte) []byte {
	if n := len(data); data[0] == '{' && data[1] == '"' && data[n-1] == '}' && bytes.IndexByte(data, '\n') < 0 {
		return data
	}
	var one bytes.Buffer
	if json.Compact(&one, data) != nil {
		return data // not JSON to everybody: whoever writes it says so
	}
	return one.Bytes()
}
