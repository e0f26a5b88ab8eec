package har

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// maxDepth bounds the nesting of members that are passed over.
const maxDepth = 512

// A DecodeError says which member of an entry cannot be read, and where.
type DecodeError struct {
	Member string // "response.content.size", "request.headers[2]"; empty for the entry itself
	Offset int    // bytes from the start of the entry
	Msg    string
}

// Error names the member, the mistake and the offset.
func (e *DecodeError) Error() string {
	s := e.Msg + " at byte " + strconv.Itoa(e.Offset)
	if e.Member == "" {
		return s
	}
	return e.Member + ": " + s
}

// in puts the member that was being read in front of the error's path.
func (e *DecodeError) in(member string) *DecodeError {
	if len(member) > 64 {
		member = member[:64] + "..."
	}
	// Names of unknown members are anything; errors are one line for people.
	if strings.ContainsFunc(member, func(r rune) bool { return !strconv.IsPrint(r) || r == utf8.RuneError }) {
		member = strconv.QuoteToASCII(member)
	}
	switch {
	case e.Member == "":
		e.Member = member
	case e.Member[0] == '[':
		e.Member = member + e.Member
	default:
		e.Member = member + "." + e.Member
	}
	return e
}

// A decoder reads JSON in b, which it owns: strings are unescaped in place, as an
// escape is never shorter than what it stands for. What it returns are parts of
// b.
type decoder struct {
	b         []byte
	i         int
	depth     int
	pairs     []Header // the room that all lists of names and values share
	undecoded string   // what could not be decoded from base64

	// What an entry has at most one of, and the one of its bodies that is read.
	harken Meta
	secure TLS
	post   PostData
	part   body
}

func (d *decoder) errorf(at int, msg string) *DecodeError {
	return &DecodeError{Offset: at, Msg: msg}
}

// peek skips white space and returns the next byte, 0 at the end.
func (d *decoder) peek() byte {
	if d.i < len(d.b) && d.b[d.i] > ' ' {
		return d.b[d.i]
	}
	return d.space()
}

func (d *decoder) space() byte {
	for d.i < len(d.b) {
		switch c := d.b[d.i]; c {
		case ' ', '\t', '\n', '\r':
			d.i++
		default:
			return c
		}
	}
	return 0
}

// unexpected describes what stands where something else was wanted.
func (d *decoder) unexpected(want string) *DecodeError {
	c := d.peek()
	if d.i >= len(d.b) {
		return d.errorf(d.i, "ends where "+want+" was expected")
	}
	return d.errorf(d.i, "want "+want+", found "+kindOf(c))
}

func kindOf(c byte) string {
	switch c {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	if c == '-' || c >= '0' && c <= '9' {
		return "a number"
	}
	return strconv.QuoteRune(rune(c))
}

// object reads the object that comes next, member by member. f must read the
// member's value. Recursion is as deep as the calls of object are nested in the
// code, so only skip counts its depth.
func object[T any](d *decoder, t *T, f func(d *decoder, t *T, member string) *DecodeError) *DecodeError {
	if d.peek() != '{' {
		return d.unexpected("an object")
	}
	d.i++
	if d.peek() == '}' {
		d.i++
		return nil
	}
	for {
		if d.peek() != '"' {
			return d.unexpected("a member name")
		}
		key, err := d.text()
		if err != nil {
			return err
		}
		if d.peek() != ':' {
			return d.unexpected("':'")
		}
		d.i++
		name := view(key)
		if err := f(d, t, name); err != nil {
			return err.in(name)
		}
		more, err := d.next('}')
		if err != nil {
			return err.in(name)
		}
		if !more {
			return nil
		}
	}
}

// next passes a comma, and reports false when close ends the list instead.
func (d *decoder) next(closing byte) (bool, *DecodeError) {
	switch d.peek() {
	case ',':
		d.i++
		return true, nil
	case closing:
		d.i++
		return false, nil
	}
	return false, d.unexpected("',' or '" + string(rune(closing)) + "'")
}

// array appends the elements of the array that comes next; element must read
// one. Anything but an array is skipped and gives nil.
func array[T any](d *decoder, dst []T, element func(d *decoder, t *T) *DecodeError) ([]T, *DecodeError) {
	if d.peek() != '[' {
		return nil, d.skip()
	}
	d.i++
	if d.peek() == ']' {
		d.i++
		return nil, nil
	}
	for {
		var t T
		dst = append(dst, t)
		if err := element(d, &dst[len(dst)-1]); err != nil {
			return nil, err.in("[" + strconv.Itoa(len(dst)-1) + "]")
		}
		more, err := d.next(']')
		if err != nil {
			return nil, err
		}
		if !more {
			return dst, nil
		}
	}
}

// text reads the string that comes next and returns its bytes, which are part
// of b. Names and most values end within the words that are looked at first; for
// what is longer, searching for a single byte is faster.
func (d *decoder) text() ([]byte, *DecodeError) {
	start := d.i + 1
	b, i := d.b, start
	for end := min(start+32, len(b)-7); i < end; i += 8 {
		if found := stops(word(b[i : i+8])); found != 0 {
			i += bits.TrailingZeros64(found) / 8
			if b[i] == '\\' {
				return d.unescape(start, i)
			}
			d.i = i + 1
			return b[start:i:i], nil
		}
	}
	n := bytes.IndexByte(b[i:], '"')
	if n < 0 {
		return nil, d.errorf(d.i, "string without end")
	}
	if slash := bytes.IndexByte(b[i:i+n], '\\'); slash >= 0 {
		return d.unescape(start, i+slash)
	}
	d.i = i + n + 1
	return b[start : i+n : i+n], nil
}

// stops sets the highest bit of the first byte of word that is a quote or a
// backslash; bits behind it mean nothing.
func stops(word uint64) uint64 {
	quote, slash := word^eachByte*'"', word^eachByte*'\\'
	return ((quote-eachByte)&^quote | (slash-eachByte)&^slash) & highBits
}

// unescape reads the string that begins at start and has its first escape at w.
func (d *decoder) unescape(start, w int) ([]byte, *DecodeError) {
	b := d.b
	for r := w; r < len(b); {
		if len(b)-r >= 8 {
			next := word(b[r : r+8])
			n := bits.TrailingZeros64(stops(next)) / 8 // 8 if there is none
			// What is behind the n bytes is still to be read, and stays as it is.
			keep := ^uint64(0) << (8 * n)
			binary.LittleEndian.PutUint64(b[w:], word(b[w:w+8])&keep|next&^keep)
			w, r = w+n, r+n
			if n == 8 {
				continue
			}
		}
		c := b[r]
		if c == '"' {
			d.i = r + 1
			return b[start:w:w], nil
		}
		if c != '\\' {
			b[w] = c
			w++
			r++
			continue
		}
		if r+1 >= len(b) {
			break
		}
		switch c = b[r+1]; c {
		case '"', '\\', '/':
		case 'n':
			c = '\n'
		case 't':
			c = '\t'
		case 'r':
			c = '\r'
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'u':
			u, n := unicodeEscape(b[r:])
			if n == 0 {
				return nil, d.errorf(r, `invalid \u escape`)
			}
			w += utf8.EncodeRune(b[w:w+utf8.UTFMax], u)
			r += n
			continue
		default:
			return nil, d.errorf(r, "invalid escape "+strconv.QuoteRune(rune(c)))
		}
		b[w] = c
		w++
		r += 2
	}
	return nil, d.errorf(start-1, "string without end")
}

// unicodeEscape reads \uXXXX, or two of them that are a surrogate pair, and
// returns the rune and its length in b; half a pair is U+FFFD.
func unicodeEscape(b []byte) (rune, int) {
	hi, ok := hex4(b)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(hi) {
		return hi, 6
	}
	if lo, ok := hex4(b[6:]); ok {
		if r := utf16.DecodeRune(hi, lo); r != utf8.RuneError {
			return r, 12
		}
	}
	return utf8.RuneError, 6
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
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

// scalar reads a number, true, false or null, or what Python writes for a
// number that is none, and returns its bytes.
func (d *decoder) scalar() ([]byte, *DecodeError) {
	start := d.i
	for d.i < len(d.b) {
		c := d.b[d.i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '+' && c != '.' {
			break
		}
		d.i++
	}
	s := d.b[start:d.i]
	switch string(s) {
	case "true", "false", "null", "NaN", "Infinity", "-Infinity":
		return s, nil
	}
	if len(s) > 0 && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') {
		if _, ok := fixedPoint(s, 0); ok {
			return s, nil
		}
		return nil, d.errorf(start, "invalid number")
	}
	d.i = start
	return nil, d.unexpected("a value")
}

// skip reads any value.
func (d *decoder) skip() *DecodeError {
	switch d.peek() {
	case '"':
		return d.skipString()
	case '{':
		if d.depth++; d.depth > maxDepth {
			return d.errorf(d.i, "nested too deeply")
		}
		defer func() { d.depth-- }()
		return object(d, d, func(d, _ *decoder, _ string) *DecodeError { return d.skip() })
	case '[':
		if d.depth++; d.depth > maxDepth {
			return d.errorf(d.i, "nested too deeply")
		}
		defer func() { d.depth-- }()
		return d.skipArray()
	}
	_, err := d.scalar()
	return err
}

func (d *decoder) skipString() *DecodeError {
	for i := d.i + 1; i < len(d.b); i++ {
		switch d.b[i] {
		case '"':
			d.i = i + 1
			return nil
		case '\\':
			i++
		}
	}
	return d.errorf(d.i, "string without end")
}

func (d *decoder) skipArray() *DecodeError {
	d.i++
	if d.peek() == ']' {
		d.i++
		return nil
	}
	for {
		if err := d.skip(); err != nil {
			return err
		}
		more, err := d.next(']')
		if err != nil || !more {
			return err
		}
	}
}

// view returns b as a string without a copy. b is never written again: each
// string is its own part of the decoder's bytes.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // saves the copy of every string of an entry
}

// fixedPoint returns the JSON number s times 10^decimals, cut to an integer
// and to the range of int64. It is exact where s has no exponent.
func fixedPoint(s []byte, decimals int) (int64, bool) {
	i := 0
	negative := len(s) > 0 && s[0] == '-'
	if negative {
		i++
	}
	var n int64
	left, digits, point := decimals, 0, false
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			digits++
			if point {
				if left == 0 {
					continue
				}
				left--
			}
			if n > (math.MaxInt64-9)/10 {
				return floatPoint(s, decimals)
			}
			n = n*10 + int64(c-'0')
		case c == '.' && !point && digits > 0:
			point = true
		default:
			return floatPoint(s, decimals)
		}
	}
	for ; left > 0; left-- {
		if n > math.MaxInt64/10 {
			n = math.MaxInt64
			break
		}
		n *= 10
	}
	if negative {
		n = -n
	}
	return n, digits > 0
}

// floatPoint is fixedPoint for numbers with an exponent or beyond int64.
func floatPoint(s []byte, decimals int) (int64, bool) {
	for _, c := range s {
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(string(s), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	f *= math.Pow10(decimals)
	switch {
	case f >= math.MaxInt64:
		return math.MaxInt64, true
	case f <= -math.MaxInt64:
		return -math.MaxInt64, true
	}
	return int64(f), true
}
