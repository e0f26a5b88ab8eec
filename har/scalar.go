package har

import (
	"math"
	"net/http"
	"strings"
	"time"
)

// bytes reads a string; a number or a boolean gives its text; null, an object
// or an array gives nil.
func (d *decoder) bytes(dst *[]byte) *DecodeError {
	*dst = nil
	var err *DecodeError
	switch c := d.peek(); {
	case c == '"':
		*dst, err = d.text()
	case c == 't', c == 'f', c == '-', c >= '0' && c <= '9':
		*dst, err = d.scalar()
	default:
		err = d.skip()
	}
	return err
}

func (d *decoder) string(dst *string) *DecodeError {
	var b []byte
	err := d.bytes(&b)
	*dst = view(b)
	return err
}

// requiredString refuses what has no text, save null.
func (d *decoder) requiredString(dst *string) *DecodeError {
	if c := d.peek(); c == '{' || c == '[' {
		return d.unexpected("a string")
	}
	return d.string(dst)
}

func (d *decoder) bool(dst *bool) *DecodeError {
	var b []byte
	err := d.bytes(&b)
	*dst = strings.EqualFold(view(b), "true")
	return err
}

// number reads a number, or a string that holds one, times 10^decimals. Without
// one *dst keeps what it has.
func (d *decoder) number(dst *int64, decimals int) *DecodeError {
	var b []byte
	err := d.bytes(&b)
	if n, ok := fixedPoint(b, decimals); ok {
		*dst = n
	}
	return err
}

func (d *decoder) size(dst *int64) *DecodeError {
	*dst = -1
	return d.number(dst, 0)
}

// status refuses what is no number, save null: without it an entry says nothing
// of its response.
func (d *decoder) status(dst *int) *DecodeError {
	at, null := d.i, d.peek() == 'n'
	n := int64(math.MinInt64)
	if null {
		n = 0
	}
	if err := d.number(&n, 0); err != nil {
		return err
	}
	if n < math.MinInt32 || n > math.MaxInt32 {
		return d.errorf(at, "want a number")
	}
	*dst = int(n)
	return nil
}

func (d *decoder) millis(dst *time.Duration) *DecodeError {
	n := int64(unknown)
	err := d.number(&n, 6)
	*dst = max(time.Duration(n), unknown)
	return err
}

// maxMicros is the end of the year 9999.
const maxMicros = 253402300799_999999

// seconds reads the time of a WebSocket message.
func (d *decoder) seconds(dst *time.Time) *DecodeError {
	n := int64(math.MaxInt64)
	err := d.number(&n, 6)
	*dst = time.Time{}
	if n >= -maxMicros && n <= maxMicros {
		*dst = time.UnixMicro(n).UTC()
	}
	return err
}

// time reads a date; what is none gives the zero time.
func (d *decoder) time(dst *time.Time) *DecodeError {
	var b []byte
	err := d.bytes(&b)
	*dst = parseTime(view(b))
	return err
}

// parseTime reads RFC 3339, by hand as each entry has one, and with the liberties
// that exporters take: a space for the T, no zone (UTC), a zone without colon. A
// date as in headers is taken too, which some write for cookies.
func parseTime(s string) time.Time {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[13] != ':' || s[16] != ':' {
		t, err := http.ParseTime(s)
		if err != nil {
			return time.Time{}
		}
		return t.UTC()
	}
	f := [6]int{digits(s[0:4]), digits(s[5:7]), digits(s[8:10]), digits(s[11:13]), digits(s[14:16]), digits(s[17:19])}
	for _, n := range f {
		if n < 0 {
			return time.Time{}
		}
	}
	if f[1] < 1 || f[1] > 12 || f[2] < 1 || f[2] > 31 || f[3] > 24 || f[4] > 59 || f[5] > 60 {
		return time.Time{}
	}
	nanos, rest := 0, s[19:]
	if rest != "" && (rest[0] == '.' || rest[0] == ',') {
		scale := int(time.Second) / 10
		rest = rest[1:]
		for rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			nanos += int(rest[0]-'0') * scale
			scale /= 10
			rest = rest[1:]
		}
	}
	offset, ok := zoneOffset(rest)
	if !ok {
		return time.Time{}
	}
	t := time.Date(f[0], time.Month(f[1]), f[2], f[3], f[4], f[5]-offset, nanos, time.UTC)
	if y := t.Year(); y < 1 || y > 9999 {
		return time.Time{}
	}
	return t
}

// zoneOffset reads Z, +hh:mm, +hhmm, +hh or nothing, in seconds.
func zoneOffset(s string) (int, bool) {
	if s == "" || s == "Z" || s == "z" {
		return 0, true
	}
	var h, m int
	switch len(s) {
	case 6:
		h, m = digits(s[1:3]), digits(s[4:6])
	case 5:
		h, m = digits(s[1:3]), digits(s[3:5])
	case 3:
		h = digits(s[1:3])
	default:
		return 0, false
	}
	if h < 0 || m < 0 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	if s[0] == '-' {
		h, m = -h, -m
	}
	return h*3600 + m*60, true
}

// digits returns the number that s spells, or -1.
func digits(s string) int {
	n := 0
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}
