package outbound

import "net/netip"

// A block is a range of addresses with what it is for.
type block struct {
	prefix netip.Prefix
	what   string
	// never is set where not even -allow-targets opens the range: what answers there
	// is the machine's own link, and the credentials that clouds hand out on it.
	never bool
}

func blocks4() []block {
	return []block{
		{pfx("169.254.0.0/16"), "link-local (RFC 3927)", true},
		{pfx("168.63.129.16/32"), "a cloud's metadata address", true},
		{pfx("100.100.100.200/32"), "a cloud's metadata address", true},
		{pfx("192.0.0.192/32"), "a cloud's metadata address", true},
		{pfx("0.0.0.0/8"), "this network (RFC 791)", false},
		{pfx("10.0.0.0/8"), "private (RFC 1918)", false},
		{pfx("100.64.0.0/10"), "shared address space (RFC 6598)", false},
		{pfx("127.0.0.0/8"), "loopback (RFC 1122)", false},
		{pfx("172.16.0.0/12"), "private (RFC 1918)", false},
		{pfx("192.0.0.0/24"), "for protocols (RFC 6890)", false},
		{pfx("192.0.2.0/24"), "for documentation (RFC 5737)", false},
		{pfx("192.88.99.0/24"), "the former 6to4 relay (RFC 7526)", false},
		{pfx("192.168.0.0/16"), "private (RFC 1918)", false},
		{pfx("198.18.0.0/15"), "for benchmarks (RFC 2544)", false},
		{pfx("198.51.100.0/24"), "for documentation (RFC 5737)", false},
		{pfx("203.0.113.0/24"), "for documentation (RFC 5737)", false},
		{pfx("224.0.0.0/4"), "multicast (RFC 5771)", false},
		{pfx("240.0.0.0/4"), "reserved (RFC 1112)", false},
	}
}

func blocks6() []block {
	return []block{
		{pfx("fe80::/10"), "link-local (RFC 4291)", true},
		{pfx("fd00:ec2::254/128"), "a cloud's metadata address", true},
		{pfx("fd20:ce::254/128"), "a cloud's metadata address", true},
		{pfx("::1/128"), "loopback (RFC 4291)", false},
		{pfx("::/128"), "unspecified (RFC 4291)", false},
		{pfx("64:ff9b:1::/48"), "local translation (RFC 8215)", false},
		{pfx("100::/64"), "discard-only (RFC 6666)", false},
		{pfx("2001::/32"), "Teredo (RFC 4380)", false},
		{pfx("2001:2::/48"), "for benchmarks (RFC 5180)", false},
		{pfx("2001:db8::/32"), "for documentation (RFC 3849)", false},
		{pfx("2001::/23"), "for protocols (RFC 2928)", false},
		{pfx("3fff::/20"), "for documentation (RFC 9637)", false},
		{pfx("fc00::/7"), "private (RFC 4193)", false},
		{pfx("fec0::/10"), "site-local (RFC 3879)", false},
		{pfx("ff00::/8"), "multicast (RFC 4291)", false},
	}
}

// global are the parts of special blocks that are globally reachable.
func global() []netip.Prefix {
	return []netip.Prefix{
		pfx("192.0.0.9/32"), pfx("192.0.0.10/32"), // RFC 7723, RFC 8155
		pfx("2001:1::1/128"), pfx("2001:1::2/128"), pfx("2001:1::3/128"), // RFC 7723, RFC 8155, RFC 9665
		pfx("2001:3::/32"), pfx("2001:4:112::/48"), // RFC 7450, RFC 7535
		pfx("2001:20::/28"), pfx("2001:30::/28"), // RFC 7343, RFC 9374
	}
}

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// The IANA special-purpose registries of both families, what is not globally
// reachable there; all of IPv6 beyond 2000::/3 is not.
var (
	special4, special6 = blocks4(), blocks6()
	reachable          = global()
	unicast6           = pfx("2000::/3")
)

// judge returns the block that keeps a from being reached, or nil. a has no zone
// and embeds nothing.
func judge(a netip.Addr) *block {
	list := special6
	if a.Is4() {
		list = special4
	}
	for i := range list {
		if list[i].never && list[i].prefix.Contains(a) {
			return &list[i]
		}
	}
	for _, p := range reachable {
		if p.Contains(a) {
			return nil
		}
	}
	for i := range list {
		if list[i].prefix.Contains(a) {
			return &list[i]
		}
	}
	if a.Is6() && !unicast6.Contains(a) {
		return &block{prefix: pfx("::/0"), what: "not global unicast (RFC 4291)"}
	}
	return nil
}

// plain returns the address that packets to a reach in the end: the IPv4 address
// that is embedded in a mapped (RFC 4291), translated (RFC 6052) or 6to4 (RFC 3056)
// one, else a without its zone.
func plain(a netip.Addr) netip.Addr {
	a = a.WithZone("").Unmap()
	if !a.Is6() {
		return a
	}
	b := a.As16()
	switch {
	case pfx64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case pfx6to4.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}

var pfx64, pfx6to4 = pfx("64:ff9b::/96"), pfx("2002::/16")
