package outbound

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"harken/internal/glob"
)

// A Guard judges addresses by the list of those that may be reached although they
// are private. It does not change, and is safe for concurrent use.
type Guard struct {
	ranges []netip.Prefix
	hosts  []string // globs in lower case
}

// NewGuard returns the Guard of a list of targets, each an address, a CIDR, or a
// host name in which * stands for any characters and ? for one: localhost, *.staging.example.com.
// The error names the entry that is none of these.
func NewGuard(allow []string) (*Guard, error) {
	g := &Guard{}
	for i, s := range allow {
		if err := g.add(s); err != nil {
			return nil, fmt.Errorf("target %d, %q: %w", i+1, s, err)
		}
	}
	return g, nil
}

var errTarget = errors.New("is no host name, address or CIDR such as localhost, *.staging.example.com, 10.0.0.1 or 10.0.0.0/8")

func (g *Guard) add(s string) error {
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "" || len(s) > 255 {
		return errTarget
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		g.ranges = append(g.ranges, p.Masked())
		return nil
	}
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		a = a.Unmap().WithZone("")
		g.ranges = append(g.ranges, netip.PrefixFrom(a, a.BitLen()))
		return nil
	}
	s = strings.TrimSuffix(s, ".")
	named := false
	for _, c := range s {
		switch {
		case 'a' <= c && c <= 'z':
			named = true
		case '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		case c == '*', c == '?':
		default:
			return errTarget
		}
	}
	// 10.* would look like a range of addresses and be none.
	if s == "" || !named && s != "*" {
		return errTarget
	}
	g.hosts = append(g.hosts, s)
	return nil
}

// A RefusedError says that a target may not be reached.
type RefusedError struct {
	Host string
	Addr netip.Addr // zero if the host alone decides
	Why  string
}

// Error says which target was refused, and why.
func (e *RefusedError) Error() string {
	if !e.Addr.IsValid() || e.Addr.String() == e.Host {
		return fmt.Sprintf("%s is refused: %s", e.Host, e.Why)
	}
	return fmt.Sprintf("%s is refused: its address %s is %s", e.Host, e.Addr, e.Why)
}

// CheckURL returns an error, a RefusedError, unless u is an absolute http or https
// URL with a host. The address is judged only when it is dialed.
func (g *Guard) CheckURL(u *url.URL) error {
	switch host := u.Hostname(); {
	case u.Scheme != "http" && u.Scheme != "https":
		return &RefusedError{Host: host, Why: fmt.Sprintf("the scheme %q is neither http nor https", u.Scheme)}
	case host == "" || u.Opaque != "":
		return &RefusedError{Host: host, Why: "the URL has no host"}
	default:
		// An address needs no DNS, so it can be told at once.
		if a, err := netip.ParseAddr(host); err == nil {
			return g.Check(host, a)
		}
		return nil
	}
}

// Check judges an address that is about to be dialed for a host, a name or the
// address itself. An embedded IPv4 address is judged as such. What is not globally
// reachable is a RefusedError, unless the list names the address or the host; for
// link-local and metadata addresses it is one even then.
func (g *Guard) Check(host string, a netip.Addr) error {
	p := plain(a)
	b := judge(p)
	if b == nil || !b.never && (g.named(a.WithZone("").Unmap(), p) || g.Names(host)) {
		return nil
	}
	why := b.what
	if !b.never {
		why += "; -allow-targets can permit it"
	}
	if p != a {
		return &RefusedError{Host: host, Addr: a, Why: fmt.Sprintf("%s, %s", p, why)}
	}
	return &RefusedError{Host: host, Addr: a, Why: why}
}

func (g *Guard) named(addrs ...netip.Addr) bool {
	for _, r := range g.ranges {
		if slices.ContainsFunc(addrs, r.Contains) {
			return true
		}
	}
	return false
}

// Names reports whether the list has a host name that host matches. An address
// matches none: the list has ranges for these.
func (g *Guard) Names(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if net.ParseIP(strings.Trim(host, "[]")) != nil {
		return false
	}
	for _, p := range g.hosts {
		if glob.Match(p, host) {
			return true
		}
	}
	return false
}
