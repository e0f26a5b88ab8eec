// Package glob matches the names, above all of hosts, against patterns that an operator gave.
package glob

import "strings"

// Match reports whether s matches pattern, in which * stands for any characters,
// none included, and ? for one. ASCII letters of s match in any case; the pattern
// is in lower case. It goes back to the latest * only, so it takes at most
// len(pattern)*len(s) steps: s comes from outside.
func Match(pattern, s string) bool {
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, mark = i, j
			i++
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == lower(s[j])):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// MatchHost reports whether a host, with or without a port, matches one of the
// patterns. One without a port matches the host on every port.
func MatchHost(patterns []string, host string) bool {
	if len(patterns) == 0 {
		return false
	}
	name, _ := SplitPort(host)
	name = BareIPv6(name)
	for _, p := range patterns {
		if Match(p, name) || len(name) != len(host) && Match(p, host) {
			return true
		}
	}
	return false
}

// SplitPort splits an authority (RFC 3986, section 3.2). A bare IPv6 address has
// no port.
func SplitPort(host string) (name, port string) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.IndexByte(host, ':') != i && !strings.HasSuffix(host[:i], "]") {
		return host, ""
	}
	return host[:i], host[i+1:]
}

// BareIPv6 takes the brackets from an address without a port.
func BareIPv6(host string) string {
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		return host[1 : len(host)-1]
	}
	return host
}
