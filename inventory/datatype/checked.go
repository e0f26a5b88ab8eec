package datatype

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// isCreditCard matches 12 to 23 characters that begin with a digit and are
// digits, spaces and hyphens: a number of a known issuer with a valid Luhn digit.
func isCreditCard(s string) bool {
	if len(s) < 12 || len(s) > 23 || !isDigit(s[0]) {
		return false
	}
	var d [23]byte
	n := 0
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c):
			d[n] = c - '0'
			n++
		case c == ' ' || c == '-':
		default:
			return false
		}
	}
	return isIssuer(d[:n]) && luhn(d[:n])
}

// isIssuer matches the ranges of Visa, Mastercard, American Express and Discover.
func isIssuer(d []byte) bool {
	if len(d) < 13 || len(d) > 16 {
		return false
	}
	prefix := func(n int) int {
		v := 0
		for _, x := range d[:n] {
			v = v*10 + int(x)
		}
		return v
	}
	in := func(v, lo, hi int) bool { return lo <= v && v <= hi }
	switch len(d) {
	case 13:
		return d[0] == 4
	case 15:
		return prefix(2) == 34 || prefix(2) == 37
	case 16:
		return d[0] == 4 ||
			in(prefix(2), 51, 55) || in(prefix(4), 2221, 2720) ||
			prefix(4) == 6011 || in(prefix(3), 644, 649) || prefix(2) == 65 || in(prefix(6), 622126, 622925)
	}
	return false
}

func luhn(d []byte) bool {
	sum := 0
	for i := range d {
		v := int(d[len(d)-1-i])
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// isVIN matches 17 characters of the alphabet of ISO 3779, in any case, with its
// check digit at position 9.
func isVIN(s string) bool {
	if len(s) != 17 {
		return false
	}
	// The values of A to Z; 0 is a letter that is not used.
	const values = "\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x02\x03\x04\x05\x00\x07\x00\x09\x02\x03\x04\x05\x06\x07\x08\x09"
	weights := [17]int{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2}
	sum := 0
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c):
			sum += int(c-'0') * weights[i]
		case isLetter(c):
			v := values[c|0x20-'a']
			if v == 0 {
				return false
			}
			sum += int(v) * weights[i]
		default:
			return false
		}
	}
	check := byte('0' + sum%11)
	if sum%11 == 10 {
		check = 'X'
	}
	return s[8] == check || check == 'X' && s[8] == 'x'
}

// isJWT matches three parts between dots, of which the first two are base64url
// of JSON objects, the first with a member alg. The third may be empty (alg
// none). Of a value that was cut only the first part can be looked at in full.
func isJWT(s string, cut bool) bool {
	// A JSON object begins with "{" and then a quote or white space: in base64
	// that is "ey" or "ew".
	if len(s) < 12 || s[0] != 'e' || s[1] != 'y' && s[1] != 'w' {
		return false
	}
	header, rest, ok := strings.Cut(s, ".")
	if !ok {
		return false
	}
	payload, signature, ok := strings.Cut(rest, ".")
	if strings.IndexByte(signature, '.') >= 0 || !ok && !cut {
		return false
	}
	var h struct {
		Alg json.RawMessage `json:"alg"`
	}
	b := object(header)
	if b == nil || json.Unmarshal(b, &h) != nil || h.Alg == nil {
		return false
	}
	if !ok {
		return isBase64(payload)
	}
	return isBase64(signature) && object(payload) != nil
}

// object decodes base64 and gives the bytes if they are a JSON object.
func object(part string) []byte {
	if part == "" || part[0] != 'e' && part[0] != 'I' && part[0] != 'C' && part[0] != 'D' {
		return nil
	}
	part = strings.TrimRight(part, "=")
	enc := base64.RawURLEncoding
	if strings.ContainsAny(part, "+/") {
		enc = base64.RawStdEncoding
	}
	b, err := enc.DecodeString(part)
	if err != nil {
		return nil
	}
	if text := strings.TrimLeft(string(b[:min(len(b), 16)]), " \t\r\n"); text == "" || text[0] != '{' || !json.Valid(b) {
		return nil
	}
	return b
}

func isBase64(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && c != '-' && c != '_' && c != '+' && c != '/' && c != '=' {
			return false
		}
	}
	return true
}
