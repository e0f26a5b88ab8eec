// Package jsonlex reads the tokens of JSON (RFC 8259) that several scanners share.
// Each scanner walks its documents in its own way; what a string, an escape and a
// number are is decided here.
package jsonlex

import (
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Text is what tokens are read from.
type Text interface{ string | []byte }

// String passes over the string whose opening quote is at s[at] and returns the
// place behind its closing quote, and whether there are escapes in it. Where that
// is no string, flaw says why and end where.
func String[T Text](s T, at int) (end int, escaped bool, flaw string) {
	for i := at + 1; ; {
		for i+8 <= len(s) {
			n := plain(word(s, i))
			if i += n; n < 8 {
				break
			}
		}
		if i >= len(s) {
			return len(s), escaped, "string without end"
		}
		switch c := s[i]; {
		case c == '"':
			return i + 1, escaped, ""
		case c == '\\':
			escaped = true
			n := EscapeLen(s, i)
			if n == 0 {
				return i, escaped, "unknown escape"
			}
			i += n
		case c < ' ':
			return i, escaped, "control character in a string"
		default:
			i++
		}
	}
}

// word gives the eight bytes at i, the first as the lowest.
func word[T Text](s T, i int) uint64 {
	_ = s[i+7]
	return uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
		uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
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

// EscapeLen gives the length of the escape whose backslash is at s[at], 0 if it is
// none.
func EscapeLen[T Text](s T, at int) int {
	if len(s) < at+2 {
		return 0
	}
	switch s[at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if hex4(s, at+2) >= 0 {
			return 6
		}
	}
	return 0
}

// hex4 gives the value of the four hex digits at i, -1 if they are none.
func hex4[T Text](s T, i int) rune {
	if len(s) < i+4 {
		return -1
	}
	var v rune
	for end := i + 4; i < end; i++ {
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

// AppendUnescaped appends the value of what is between the quotes of a string that
// String passed. Half of a surrogate pair becomes U+FFFD. The value ends, at a
// character, not far behind limit bytes; no limit is below 0.
func AppendUnescaped[T Text](dst []byte, raw T, limit int) []byte {
	end := len(dst) + limit
	for i := 0; i < len(raw) && (limit < 0 || len(dst) <= end); {
		if raw[i] != '\\' {
			from := i
			for i < len(raw) && raw[i] != '\\' {
				i++
			}
			to := i
			if limit >= 0 && to-from > limit+utf8.UTFMax {
				for to = from + limit + utf8.UTFMax; to > from+limit && !utf8.RuneStart(raw[to]); {
					to--
				}
			}
			dst = append(dst, raw[from:to]...)
			continue
		}
		if raw[i+1] != 'u' {
			dst = append(dst, simple(raw[i+1]))
			i += 2
			continue
		}
		r := hex4(raw, i+2)
		i += 6
		if utf16.IsSurrogate(r) {
			low := rune(-1)
			if i+1 < len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
				low = hex4(raw, i+2)
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				i += 6
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// simple gives what an escape of one letter stands for.
func simple(c byte) byte {
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

// Number passes over the number at s[at] and returns the place behind it. Where
// that is none, end is where a digit was wanted.
func Number[T Text](s T, at int) (end int, ok bool) {
	i := at
	if i < len(s) && s[i] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' {
		i++
	} else if i, ok = digits(s, i); !ok {
		return i, false
	}
	if i < len(s) && s[i] == '.' {
		if i, ok = digits(s, i+1); !ok {
			return i, false
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if i, ok = digits(s, i); !ok {
			return i, false
		}
	}
	return i, true
}

func digits[T Text](s T, i int) (end int, ok bool) {
	from := i
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i, i > from
}
