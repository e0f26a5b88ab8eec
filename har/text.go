package har

import (
	"encoding/base64"
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

// appendString writes s as a JSON string; bytes that are not UTF-8 as their
// ISO 8859-1 view.
func appendString(dst []byte, s string) []byte {
	if utf8.ValidString(s) {
		return appendEscaped(dst, s)
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
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		if mustEscape[s[i]] {
			dst = append(dst, s[from:i]...)
			dst = appendByte(dst, s[i])
			from = i + 1
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

func appendByte(dst []byte, c byte) []byte {
	switch {
	case !mustEscape[c]:
		return append(dst, c)
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c == '\n':
		return append(dst, `\n`...)
	case c == '\r':
		return append(dst, `\r`...)
	case c == '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

func appendBase64(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// largeBody is from where on a body's encoded length is found out before it is
// written: growing a buffer step by step would cost twice the memory.
const largeBody = 4 << 10

// appendBody writes the member text, and encoding behind it where the body is
// not UTF-8, or is so full of control characters that base64 is shorter.
func appendBody(dst, body []byte, encoding string) []byte {
	dst = append(dst, `,"text":`...)
	text := utf8.Valid(body)
	if len(body) >= largeBody {
		binary := base64.StdEncoding.EncodedLen(len(body))
		if text {
			escaped := escapedLen(body)
			text = escaped <= binary
			binary = min(escaped, binary)
		}
		dst = slices.Grow(dst, binary+1<<10)
	}
	if text {
		return appendEscaped(dst, body)
	}
	return append(appendBase64(dst, body), encoding...)
}

// escapedLen is the length of s as a JSON string, without its quotes.
func escapedLen(s []byte) int {
	n := len(s)
	for _, c := range s {
		if mustEscape[c] {
			switch c {
			case '"', '\\', '\n', '\r', '\t':
				n++
			default:
				n += len(`\u0000`) - 1
			}
		}
	}
	return n
}

func appendOptional(dst []byte, member, s string) []byte {
	if s == "" {
		return dst
	}
	return appendString(append(dst, member...), s)
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
