package certs

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ErrHost is wrapped by the error of Leaf for a host that no certificate can
// name.
var ErrHost = errors.New("not a host name or address")

// normalHost is the form in which certificates name host: an address in its
// canonical text, or a lower-case ASCII name without the final dot.
func normalHost(host string) (string, net.IP, error) {
	bare := host
	if n := len(bare); n > 1 && bare[0] == '[' && bare[n-1] == ']' {
		bare = bare[1 : n-1]
	}
	if addr, err := netip.ParseAddr(bare); err == nil {
		// A certificate has no room for a zone, and clients do not compare it.
		addr = addr.Unmap().WithZone("")
		return addr.String(), addr.AsSlice(), nil
	}
	name := strings.TrimSuffix(host, ".")
	if !isASCII(name) {
		// Names of more than 253 bytes are refused anyway; this keeps the work small.
		if len(name) > 4*253 || !utf8.ValidString(name) {
			return "", nil, hostError(host)
		}
		ascii, err := idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false)).ToASCII(name)
		if err != nil {
			return "", nil, hostError(host)
		}
		name = strings.TrimSuffix(ascii, ".")
	}
	name = strings.ToLower(name)
	if !validName(name) {
		return "", nil, hostError(host)
	}
	// Full-width digits become ASCII ones: what was a name may now be an address.
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.String(), addr.AsSlice(), nil
	}
	return name, nil, nil
}

func hostError(host string) error {
	if len(host) > 80 {
		host = host[:80] + "..."
	}
	return fmt.Errorf("%q: %w", host, ErrHost)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// validName is wider than RFC 1123: underscores (Docker Compose, SRV-like
// names), hyphens in the third and fourth place (CDNs) and at the end of a
// label exist, resolve, and are accepted by clients.
func validName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}
