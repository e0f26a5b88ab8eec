package pathtmpl

import "strings"

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// isNumber reports an optional "-", digits, and at most one "." with digits on
// both sides.
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	if s == "" || !isDigit(s[0]) || !isDigit(s[len(s)-1]) {
		return false
	}
	dots := 0
	for i := range len(s) {
		if s[i] == '.' {
			dots++
		} else if !isDigit(s[i]) {
			return false
		}
	}
	return dots <= 1
}

// isObjectID reports 24 hex digits.
func isObjectID(s string) bool {
	if len(s) != 24 {
		return false
	}
	for i := range len(s) {
		if !isHex(s[i]) {
			return false
		}
	}
	return true
}

// isUUID reports groups of 8, 4, 4, 4 and 12 letters or digits. They need not be
// hex: services make such keys of other alphabets too.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !isDigit(s[i]) && !isLower(s[i]|0x20) {
				return false
			}
		}
	}
	return true
}

// isDate reports YYYY-MM-DD, alone or followed by T and a time.
func isDate(s string) bool {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return false
	}
	for i := range 10 {
		if i != 4 && i != 7 && !isDigit(s[i]) {
			return false
		}
	}
	month, day := int(s[5]-'0')*10+int(s[6]-'0'), int(s[8]-'0')*10+int(s[9]-'0')
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return false
	}
	if len(s) == 10 {
		return true
	}
	if s[10] != 'T' && s[10] != 't' || len(s) < 13 || len(s) > 40 || !isDigit(s[11]) || !isDigit(s[12]) {
		return false
	}
	return strings.Trim(s[13:], "0123456789:.,Zz+-") == ""
}

// isVersion reports v1 to v99 in any case.
func isVersion(s string) bool {
	if len(s) < 2 || len(s) > 3 || s[0]|0x20 != 'v' || !isDigit(s[1]) || len(s) == 3 && !isDigit(s[2]) {
		return false
	}
	return strings.Trim(s[1:], "0") != ""
}

// isAlnum reports at least six bytes with at least three digits and a letter
// among them; other characters may stand between (ord-2024-x).
func isAlnum(s string) bool {
	if len(s) < 6 {
		return false
	}
	digits, letters := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c):
			digits++
		case isLower(c | 0x20):
			letters++
		}
	}
	return digits >= 3 && letters >= 1
}

// matchesInteger is the test of a stored INTEGER: a number without a fraction,
// also with a leading "+".
func matchesInteger(s string) bool {
	return isNumber(strings.TrimPrefix(s, "+")) && !strings.Contains(s, ".")
}
