package capture

import (
	"fmt"
	"strings"
)

// HostGlobs are patterns of hosts. "*" stands for any run of characters, "?" for
// one; letters match in any case. A pattern without a port matches the host on
// every port; one with a port also matches an authority whose default port was
// left out (":80", ":443"). The zero value matches nothing.
type HostGlobs struct {
	globs []string
}

// ParseHostGlobs checks and prepares patterns. Empty ones are skipped.
func ParseHostGlobs(patterns []string) (HostGlobs, error) {
	var g HostGlobs
	for _, p := range patterns {
		p = strings.ToLower(strings.TrimSpace(p))
		if p == "" {
			continue
		}
		if i := strings.IndexAny(p, "/@ \t\r\n,"); i >= 0 {
			return HostGlobs{}, fmt.Errorf("host pattern %q: unexpected %q, want a host such as *.example.com or localhost:3000", p, p[i])
		}
		g.globs = append(g.globs, bareIPv6(p))
		name, port := splitPort(p)
		if port == "80" || port == "443" {
			g.globs = append(g.globs, bareIPv6(name))
		}
	}
	return g, nil
}

// Empty reports whether there is no pattern.
func (g HostGlobs) Empty() bool { return len(g.globs) == 0 }

// Match reports whether host, with or without a port, matches a pattern.
func (g HostGlobs) Match(host string) bool {
	if len(g.globs) == 0 {
		return false
	}
	host = strings.ToLower(host)
	name, _ := splitPort(host)
	name = bareIPv6(name)
	for _, p := range g.globs {
		if glob(p, name) || glob(p, host) {
			return true
		}
	}
	return false
}

// splitPort splits an authority. A bare IPv6 address has no port.
func splitPort(host string) (name, port string) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.IndexByte(host, ':') != i && !strings.HasSuffix(host[:i], "]") {
		return host, ""
	}
	return host[:i], host[i+1:]
}

// bareIPv6 takes the brackets from an address without a port.
func bareIPv6(host string) string {
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		return host[1 : len(host)-1]
	}
	return host
}

// glob matches in time proportional to the product of the lengths: a pattern is
// typed by the operator, but the host comes from outside.
func glob(p, s string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
