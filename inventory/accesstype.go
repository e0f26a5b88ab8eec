package inventory

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// The access types of an endpoint.
const (
	AccessPublic     = "PUBLIC"
	AccessPartner    = "PARTNER"
	AccessThirdParty = "THIRD_PARTY"
	AccessPrivate    = "PRIVATE"
)

// DefaultPrivateCIDRs are the private addresses of an account that names none.
func DefaultPrivateCIDRs() []string {
	return []string{
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "192.0.2.0/24",
		"198.51.100.0/24", "203.0.113.0/24", "255.255.255.255/32", "100.64.0.0/10", "192.88.99.0/24", "240.0.0.0/4",
		"::1/128", "fc00::/7", "fe80::/10",
	}
}

// An AccessPolicy tells by addresses where the peers of an endpoint are. It does
// not change, and is safe for concurrent use.
type AccessPolicy struct {
	private, partner []netip.Prefix
}

// NewAccessPolicy makes a policy of private ranges, of which an empty list is the
// default one, and partner ranges: CIDRs, or addresses, of either family. An entry
// that is neither is left out, and the error names it; the policy is never nil.
func NewAccessPolicy(private, partner []string) (*AccessPolicy, error) {
	if len(private) == 0 {
		private = DefaultPrivateCIDRs()
	}
	p := &AccessPolicy{}
	var errs []error
	for _, list := range []struct {
		name string
		in   []string
		out  *[]netip.Prefix
	}{{"privateCidrList", private, &p.private}, {"partnerIpList", partner, &p.partner}} {
		for i, s := range list.in {
			prefix, err := parsePrefix(s)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s[%d]: %.100q is no address, nor a CIDR such as 10.0.0.0/8", list.name, i, s))
				continue
			}
			*list.out = append(*list.out, prefix)
		}
	}
	return p, errors.Join(errs...)
}

func parsePrefix(s string) (netip.Prefix, error) {
	s = strings.TrimSpace(s)
	if strings.IndexByte(s, '/') < 0 {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		a = a.WithZone("").Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	if a := prefix.Addr(); a.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

// Forwarded reports whether a header, its name in lower case, tells the address of
// a client behind a proxy.
func Forwarded(name string) bool {
	switch name {
	case "x-forwarded-for", "x-real-ip", "x-cluster-client-ip", "true-client-ip", "x-original-forwarded-for", "x-client-ip", "client-ip":
		return true
	}
	return false
}

// Type returns the access type that the peers of one exchange tell: the values of
// headers that are Forwarded, and both ends of the connection. Each is a list of
// addresses between commas, with or without a port. What is no address, or the
// unspecified one, is skipped; of no address nothing is told, "". A peer that is
// neither private nor a partner makes the endpoint PUBLIC, or THIRD_PARTY if
// direction is "2", which is outgoing.
func (p *AccessPolicy) Type(direction string, peers ...string) string {
	found, partner := false, false
	for _, list := range peers {
		for list != "" {
			var one string
			one, list, _ = strings.Cut(list, ",")
			a, ok := parseAddr(one)
			if !ok {
				continue
			}
			found = true
			switch {
			case inRanges(p.private, a):
			case inRanges(p.partner, a):
				partner = true
			case direction == "2":
				return AccessThirdParty
			default:
				return AccessPublic
			}
		}
	}
	switch {
	case partner:
		return AccessPartner
	case found:
		return AccessPrivate
	}
	return ""
}

// EffectiveAccess is the one of the types of an endpoint that counts.
func EffectiveAccess(types []string) string {
	best := ""
	rank := map[string]int{"": -1, AccessThirdParty: 1, AccessPartner: 2, AccessPublic: 3}
	for _, t := range types {
		if rank[t] > rank[best] {
			best = t
		}
	}
	return best
}

func inRanges(ranges []netip.Prefix, a netip.Addr) bool {
	for i := range ranges {
		if ranges[i].Contains(a) {
			return true
		}
	}
	return false
}

// parseAddr reads an address with or without a port, IPv6 with or without
// brackets (RFC 3986, section 3.2.2) and zone.
func parseAddr(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t\"")
	if len(s) < 2 || len(s) > 64 {
		return netip.Addr{}, false
	}
	if s[0] == '[' {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return netip.Addr{}, false
		}
		s = s[1:end]
	} else if i := strings.IndexByte(s, ':'); i >= 0 && strings.LastIndexByte(s, ':') == i {
		s = s[:i]
	}
	if c := s; c == "" || !hexDigit(c[0]) && c[0] != ':' {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	a = a.Unmap().WithZone("")
	return a, !a.IsUnspecified()
}

func hexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}
