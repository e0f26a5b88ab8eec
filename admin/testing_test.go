package admin

import (
	"errors"
	"net/netip"
	"time"

	"harken/admin/auth"
	"harken/ingest"
)

func netAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

func netAddr4(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

func retryAfter(err error) time.Duration {
	if busy, ok := errors.AsType[*ingest.BusyError](err); ok {
		return busy.After
	}
	return 0
}

// A RouteInfo is what the tests from outside know of a row.
type RouteInfo struct {
	URL, Verb string
	Needs     auth.Permission
	Fields    []string // names of the request
}

// RouteInfos lists the whole API.
func RouteInfos() []RouteInfo {
	var out []RouteInfo
	for i := range routes {
		r := &routes[i]
		info := RouteInfo{URL: r.url(), Verb: r.verb, Needs: r.needs}
		for f := range r.in.Fields() {
			info.Fields = append(info.Fields, jsonName(f))
		}
		out = append(out, info)
	}
	return out
}
