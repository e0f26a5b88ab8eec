package admin

import (
	"errors"
	"net/netip"
	"time"

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
