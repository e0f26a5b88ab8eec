package capture

import (
	"fmt"
	"strings"

	"harken/internal/glob"
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
		g.globs = append(g.globs, glob.BareIPv6(p))
		name, port := glob.SplitPort(p)
		if port == "80" || port == "443" {
			g.globs = append(g.globs, glob.BareIPv6(name))
		}
	}
	return g, nil
}

// Empty reports whether there is no pattern.
func (g HostGlobs) Empty() bool { return len(g.globs) == 0 }

// Match reports whether host, with or without a port, matches a pattern.
func (g HostGlobs) Match(host string) bool { return glob.MatchHost(g.globs, host) }
