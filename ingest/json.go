package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"harken/internal/jsonlex"
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
	end, ok := jsonlex.Number(s.b, s.i)
	s.i = end
	if !ok {
		return s.fail("want a digit")
	}
	return nil
}

// raw passes over a string and returns what is between the quotes, and whether
// there are escapes in it.
func (s *jsonScanner) raw() ([]byte, bool, error) {
	start := s.i
	end, escaped, flaw := jsonlex.String(s.b, start)
	s.i = end
	if flaw != "" {
		return nil, false, s.fail(flaw)
	}
	return s.b[start+1 : end-1], escaped, nil
}

// text passes over a string and returns its value: part of the input if nothing
// is escaped.
func (s *jsonScanner) text() ([]byte, error) {
	raw, escaped, err := s.raw()
	if err != nil || !escaped {
		return raw, err
	}
	return jsonlex.AppendUnescaped(make([]byte, 0, len(raw)), raw, -1), nil
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
