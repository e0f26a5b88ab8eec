package datatype

import (
	"net/netip"
	"strconv"
	"strings"
)

// MaxValue is how much of a value is looked at, in bytes. What a type needs
// beyond it is taken for granted (the signature of a JWT), or makes the value
// GENERIC.
const MaxValue = 4 << 10

// A Detector names the types of values. The zero value knows the built-in types;
// Compile makes one that also knows those of users. It is safe for concurrent use
// and must not be copied after first use.
type Detector struct {
	rules  *rules // nil in the zero value
	phones phoneCache
}

// Text names the type of a text value of the parameter key: the first custom type
// that fits, else a built-in type whose detector a user replaced, else what OfText
// says. Rules look at Key(key). It looks at the first MaxValue bytes of the value,
// and where these are not all, no rule that needs the end of it holds but REGEX,
// which takes them for the whole.
func (d *Detector) Text(key, text string) Name { return d.TextAt(key, text, nil) }

// HasType reports whether a segment of a path has a type of its own.
func (d *Detector) HasType(segment string) bool {
	t := d.Text("", segment)
	return t != Generic && t != Other
}

// Number names the type of a number of the parameter key, given as its JSON text,
// in the order that Text has.
func (d *Detector) Number(key, raw string) Name { return d.NumberAt(key, raw, nil) }

// IgnoresSome reports whether some type is not looked for at single parameters
// with the key, so that TextAt and NumberAt need to know which one it is.
func (d *Detector) IgnoresSome(key string) bool {
	return d.rules != nil && len(d.rules.selected) > 0 && d.rules.selected[Key(key)]
}

// TextAt is Text for a value of the parameter id; nil if that is not known.
func (d *Detector) TextAt(key, text string, id *ParamID) Name {
	if d.rules == nil {
		return ofText(text, &d.phones, 0)
	}
	if d.rules.keyless() {
		return ofText(text, &d.phones, d.rules.off)
	}
	key = Key(key)
	v := value{text: text[:min(len(text), MaxValue)], cut: len(text) > MaxValue}
	if name := d.rules.find(key, &v, id); name != "" {
		return name
	}
	return ofText(text, &d.phones, d.rules.offAt(key, id))
}

// NumberAt is Number for a value of the parameter id; nil if that is not known.
func (d *Detector) NumberAt(key, raw string, id *ParamID) Name {
	if d.rules == nil {
		return OfNumber(raw)
	}
	if d.rules.keyless() {
		return ofNumber(raw, d.rules.off)
	}
	key = Key(key)
	v := value{text: raw[:min(len(raw), MaxValue)], cut: len(raw) > MaxValue, number: true}
	if name := d.rules.find(key, &v, id); name != "" {
		return name
	}
	return ofNumber(raw, d.rules.offAt(key, id))
}

// Key gives what rules call the key of a parameter: the name of the innermost
// member, which of the elements of an array is the name of the array.
func Key(param string) string {
	for strings.HasSuffix(param, "#$") {
		param = param[:len(param)-2]
	}
	param = strings.TrimSuffix(param, "_queryParam")
	return param[LastMember(param):]
}

// LastMember gives the offset of what follows the last "#" or "." in the name of a
// parameter.
func LastMember(param string) int {
	i := len(param)
	for i > 0 && param[i-1] != '#' && param[i-1] != '.' {
		i--
	}
	return i
}

// A builtinSet is a set of built-in types that have a detector to turn off.
type builtinSet uint16

// detected are those types; the bit of a type is its place here.
var detected = [...]Name{CreditCard, Email, URL, SSN, UUID, JWT, PhoneNumber, IPAddress, VIN}

const (
	bitCreditCard builtinSet = 1 << iota
	bitEmail
	bitURL
	bitSSN
	bitUUID
	bitJWT
	bitPhone
	bitIP
	bitVIN
)

// OfText names the built-in type of a text value: CREDIT_CARD, INTEGER_32,
// INTEGER_64, FLOAT, EMAIL, URL, SSN, UUID, JWT, PHONE_NUMBER, IP_ADDRESS or
// VIN, whichever comes first, else GENERIC. White space around a value is part
// of it. It looks at the first MaxValue bytes.
func OfText(s string) Name { return ofText(s, nil, 0) }

// ofText leaves out the types in off.
func ofText(s string, phones *phoneCache, off builtinSet) Name {
	cut := len(s) > MaxValue
	if cut {
		s = s[:MaxValue]
	}
	if s == "" {
		return Generic
	}
	c := s[0]
	if isDigit(c) || c == '-' {
		if isDigit(c) && off&bitCreditCard == 0 && isCreditCard(s) {
			return CreditCard
		}
		if t := number(s); t != "" {
			return t
		}
	}
	switch {
	case off&bitEmail == 0 && isEmail(s):
		return Email
	case off&bitURL == 0 && isURL(s):
		return URL
	case off&bitSSN == 0 && isSSN(s):
		return SSN
	case off&bitUUID == 0 && isUUID(s):
		return UUID
	case off&bitJWT == 0 && isJWT(s, cut):
		return JWT
	case off&bitPhone == 0 && c == '+' && phones.has(s):
		return PhoneNumber
	case off&bitIP == 0 && isIP(s):
		return IPAddress
	case off&bitVIN == 0 && isVIN(s):
		return VIN
	}
	return Generic
}

// OfNumber names the type of a number, given as its JSON text: CREDIT_CARD,
// INTEGER_32, INTEGER_64 or FLOAT.
func OfNumber(raw string) Name { return ofNumber(raw, 0) }

func ofNumber(raw string, off builtinSet) Name {
	if off&bitCreditCard == 0 && isCreditCard(raw) {
		return CreditCard
	}
	if t := number(raw); t != "" {
		return t
	}
	return Float
}

// number names the type of an optional "-" and digits with at most one "."
// inside; empty if s is anything else. Whole numbers beyond 64 bits are FLOAT.
func number(s string) Name {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || !isDigit(digits[0]) || !isDigit(digits[len(digits)-1]) {
		return ""
	}
	dots := 0
	for i := range len(digits) {
		if digits[i] == '.' {
			dots++
		} else if !isDigit(digits[i]) {
			return ""
		}
	}
	switch {
	case dots > 1:
		return ""
	case dots == 1 || len(digits) > 40:
		return Float
	case len(digits) < 10:
		return Integer32
	case len(digits) > 18:
		// An error of ParseInt allocates, so it is asked only about what is likely
		// to fit.
		if strings.TrimLeft(digits, "0") == "" {
			return Integer32
		}
		if len(strings.TrimLeft(digits, "0")) > 19 {
			return Float
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil:
		return Float
	case n == int64(int32(n)): //nolint:gosec // the comparison is the test for overflow
		return Integer32
	}
	return Integer64
}

// isEmail matches dot-separated runs of letters, digits and _+&*-, an "@", and a
// domain of two labels or more whose last has 2 to 24 letters.
func isEmail(s string) bool {
	at := strings.IndexByte(s, '@')
	if at <= 0 {
		return false
	}
	last := byte('.')
	for i := range at {
		c := s[i]
		if c == '.' {
			if last == '.' {
				return false
			}
		} else if !isDigit(c) && !isLetter(c) && c != '_' && c != '+' && c != '&' && c != '*' && c != '-' {
			return false
		}
		last = c
	}
	if last == '.' {
		return false
	}
	domain := s[at+1:]
	dot := strings.LastIndexByte(domain, '.')
	if dot <= 0 {
		return false
	}
	tld := domain[dot+1:]
	if len(tld) < 2 || len(tld) > 24 {
		return false
	}
	for i := range len(tld) {
		if !isLetter(tld[i]) {
			return false
		}
	}
	last = '.'
	for i := range dot {
		c := domain[i]
		if c == '.' {
			if last == '.' {
				return false
			}
		} else if !isDigit(c) && !isLetter(c) && c != '-' {
			return false
		}
		last = c
	}
	return last != '.'
}

var urlSchemes = [...]string{
	"http://", "https://", "ftp://", "ftps://", "gopher://", "telnet://", "nntp://", "mailto:", "news:",
}

// isURL matches a known scheme and then only the characters of URLs.
func isURL(s string) bool {
	colon := strings.IndexByte(s[:min(len(s), 8)], ':')
	if colon < 3 {
		return false
	}
	for _, scheme := range urlSchemes {
		if len(s) <= len(scheme) || !strings.EqualFold(s[:len(scheme)], scheme) {
			continue
		}
		for i := len(scheme); i < len(s); i++ {
			if c := s[i]; !isLetter(c) && !isDigit(c) && strings.IndexByte("-%()_.!~*';/?:@&=+$,", c) < 0 {
				return false
			}
		}
		return true
	}
	return false
}

// isSSN matches ddd-dd-dddd.
func isSSN(s string) bool {
	if len(s) != 11 || s[3] != '-' || s[6] != '-' {
		return false
	}
	for i := range len(s) {
		if i != 3 && i != 6 && !isDigit(s[i]) {
			return false
		}
	}
	return true
}

// isUUID matches groups of 8, 4, 4, 4 and 12 letters or digits, not only hex.
func isUUID(s string) bool {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	for i := range len(s) {
		if i != 8 && i != 13 && i != 18 && i != 23 && !isDigit(s[i]) && !isLetter(s[i]) {
			return false
		}
	}
	return true
}

// isIP matches an IPv4 or IPv6 address.
func isIP(s string) bool {
	if len(s) < 2 || len(s) > 45 {
		return false
	}
	dots, colons := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c):
		case c == '.':
			dots++
		case c == ':':
			colons++
		case 'a' <= c|0x20 && c|0x20 <= 'f':
		case c == '%' && colons >= 2: // a zone follows
			_, err := netip.ParseAddr(s)
			return err == nil
		default:
			return false
		}
	}
	if colons < 2 && (colons > 0 || dots != 3 || len(s) < 7 || len(s) > 15) {
		return false
	}
	_, err := netip.ParseAddr(s)
	return err == nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
