package har

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// mustEscape marks the bytes that a JSON string cannot hold as they are (RFC
// 8259, section 7).
var mustEscape = func() (t [256]bool) {
	for c := range ' ' {
		t[c] = true
	}
	t['"'], t['\\'] = true, true
	return t
}()

// AppendString appends s to dst as a JSON string and returns the extended slice. A
// string that is not UTF-8 is written as its ISO 8859-1 view, as AppendEntry says.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	if out, ok := appendText(dst, s, math.MaxInt, false); ok {
		return out
	}
	dst = append(dst, '"')
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf {
			dst = utf8.AppendRune(dst, rune(c))
		} else {
			dst = appendByte(dst, c)
		}
	}
	return append(dst, '"')
}

// appendEscaped writes s, which is UTF-8, as a JSON string.
func appendEscaped[T string | []byte](dst []byte, s T) []byte {
	dst, _ = appendText(dst, s, math.MaxInt, true)
	return dst
}

// appendText writes s as a JSON string if it is UTF-8, which valid says is known,
// and no longer than limit bytes as such, without its quotes. It reports whether
// it was; what it returns otherwise is of no use.
//
// Eight bytes at a time are copied before they are looked at, and what is behind
// the first that cannot stay is written over: three times as fast as byte by byte.
func appendText[T string | []byte](dst []byte, s T, limit int, valid bool) ([]byte, bool) {
	dst = append(dst, '"')
	start, n, i := len(dst), len(dst), 0
	buf := dst[:cap(dst)]
	for len(s)-i >= 8 {
		if len(buf)-n < 16 { // seven bytes and an escape are 13
			buf = slices.Grow(buf[:n], len(s)-i+16)
			buf = buf[:cap(buf)]
		}
		word := word(s[i : i+8])
		if word&highBits != 0 && !valid { // all before it is ASCII
			if !utf8.Valid([]byte(s[i:])) {
				return dst, false
			}
			valid = true
		}
		binary.LittleEndian.PutUint64(buf[n:], word)
		found := escapes(word)
		if found == 0 {
			n += 8
			i += 8
			continue
		}
		k := bits.TrailingZeros64(found) / 8
		n, i = n+k, i+k
		c := s[i]
		i++
		buf[n], buf[n+1] = '\\', escapeLetter(c)
		if n += 2; buf[n-1] == 'u' {
			n += copy(buf[n:], []byte{'0', '0', hexDigits[c>>4], hexDigits[c&15]})
		}
		if n-start+len(s)-i > limit {
			return buf[:n], false
		}
	}
	dst = buf[:n]
	for ; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf && !valid {
			if !utf8.Valid([]byte(s[i:])) {
				return dst, false
			}
			valid = true
		}
		dst = appendByte(dst, s[i])
	}
	return append(dst, '"'), len(dst)-start <= limit
}

const (
	eachByte = 0x0101010101010101
	highBits = eachByte * 0x80
)

func word[T string | []byte](s T) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// escapes sets the highest bit of the first byte of word that mustEscape has;
// bits behind it mean nothing. Inverting bit 1 brings the quote next to the
// control characters, which change places among themselves, so that one
// subtraction finds both.
func escapes(word uint64) uint64 {
	low, slash := word^eachByte*0x02, word^eachByte*'\\'
	return ((low-eachByte*0x21)&^low | (slash-eachByte)&^slash) & highBits
}

func appendByte(dst []byte, c byte) []byte {
	if !mustEscape[c] {
		return append(dst, c)
	}
	if e := escapeLetter(c); e != 'u' {
		return append(dst, '\\', e)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// escapeLetter is what stands behind the backslash for a byte that must be
// escaped: u where its number has to follow.
func escapeLetter(c byte) byte {
	switch c {
	case '"', '\\':
		return c
	case '\n':
		return 'n'
	case '\r':
		return 'r'
	case '\t':
		return 't'
	}
	return 'u'
}

func appendBase64(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// largeBody is from where on a body gets room before it is written, as growing a
// buffer step by step would cost twice the memory, and may become base64 although
// it is UTF-8.
const largeBody = 4 << 10

// appendBody writes the member text, and encoding behind it where the body is
// not UTF-8, or is so full of control characters that base64 is shorter.
func appendBody(dst, body []byte, encoding string) []byte {
	dst = append(dst, `,"text":`...)
	limit := math.MaxInt
	if len(body) >= largeBody {
		limit = base64.StdEncoding.EncodedLen(len(body))
		dst = slices.Grow(dst, limit+1<<10)
	}
	if text, ok := appendText(dst, body, limit, false); ok {
		return text
	}
	return append(appendBase64(dst, body), encoding...)
}

func appendOptional(dst []byte, member, s string) []byte {
	if s == "" {
		return dst
	}
	return AppendString(append(dst, member...), s)
}

func appendOptionalInt(dst []byte, member string, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, member...), n, 10)
}

// appendTime writes RFC 3339 in UTC, with microseconds. A year that RFC 3339
// cannot hold becomes the zero time, which readers take as unknown.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	if y := t.Year(); y < 1 || y > 9999 {
		t = time.Time{}
	}
	return t.AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
}

// appendMillis writes d in milliseconds, or -1 if it is negative: unknown.
func appendMillis(dst []byte, d time.Duration) []byte {
	if d < 0 {
		return append(dst, "-1"...)
	}
	return appendMicros(dst, int64(d/time.Microsecond), 3)
}

// appendMicros writes n / 10^decimals without trailing zeros; decimals is at
// most 6.
func appendMicros(dst []byte, n int64, decimals int) []byte {
	u := uint64(n) //nolint:gosec // two's complement: -u below is the magnitude
	if n < 0 {
		dst = append(dst, '-')
		u = -u
	}
	scale := uint64(1)
	for range decimals {
		scale *= 10
	}
	dst = strconv.AppendUint(dst, u/scale, 10)
	frac := u % scale
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.')
	for scale /= 10; frac > 0; scale /= 10 {
		dst = append(dst, byte('0'+frac/scale)) //nolint:gosec // a single digit
		frac %= scale
	}
	return dst
}
