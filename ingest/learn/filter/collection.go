package filter

import (
	"net/netip"
	"strings"
)

// SpecialHost is the host of the collection for hosts that are not host names.
const SpecialHost = "special_char_host"

// MaxHost is the length of the longest host name (RFC 1035, section 2.3.4) with a
// port.
const MaxHost = 255 + len(":65535")

// HostMode reports whether records of a source belong to the collection of their
// host.
func HostMode(source string) bool {
	switch source {
	case "MIRRORING", "SDK", "OTHER", "WIZ", "":
		return true
	}
	return false
}

// CollectionHost returns the name of the collection of a host; "" if the host has
// none, and whether it is an IP address.
func CollectionHost(host, scheme string) (name string, ip bool) {
	host = strings.TrimSpace(strings.ToLower(host))
	if isIP(host) {
		return "", true
	}
	if scheme != "https" {
		host = strings.TrimSuffix(host, ":80")
	}
	if scheme != "http" {
		host = strings.TrimSuffix(host, ":443")
	}
	switch {
	case len(host) > MaxHost || strings.ContainsAny(host, "<>%/?#[]@!$&'()*+,;="):
		return SpecialHost, false
	case !hasLetter(host):
		return "", false
	}
	return host, false
}

// IPHost is the name of the collection of an address, with its port unless that
// is the default one.
func IPHost(host, scheme string) string {
	host = strings.TrimSpace(strings.ToLower(host))
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err == nil {
		return a.Unmap().String()
	}
	ap, err := netip.ParseAddrPort(host)
	if err != nil {
		return ""
	}
	if p := ap.Port(); p == 80 && scheme != "https" || p == 443 && scheme != "http" {
		return ap.Addr().Unmap().String()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String()
}

// isIP reports whether a host, with or without a port, is an address.
func isIP(host string) bool {
	if host == "" || host[0] != '[' && host[len(host)-1] > '9' && !strings.Contains(host, ":") {
		return false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if _, err := netip.ParseAddrPort(host); err == nil {
		return true
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	_, err := netip.ParseAddr(inner)
	return err == nil
}

// hasLetter reports whether a lower-case text has a letter that has two cases.
func hasLetter(s string) bool {
	for i := range len(s) {
		if 'a' <= s[i] && s[i] <= 'z' {
			return true
		}
	}
	return strings.ToUpper(s) != s
}
