package mitm

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestPinnedHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPinnedHosts(2, 10*time.Minute, time.Now)
		at := func(host, ip string) *clientConn {
			return &clientConn{authority: host + ":443", scheme: "https", addr: netip.AddrPortFrom(netip.MustParseAddr(ip), 1)}
		}
		want := func(c *clientConn, tunneled bool) {
			t.Helper()
			if got := p.tunneled(c); got != tunneled {
				t.Errorf("%s for %s tunneled: %v, want %v", c.authority, c.addr, got, tunneled)
			}
		}
		a, b := at("Pinned.test", "10.0.0.1"), at("pinned.test", "10.0.0.2")
		if p.refused(a) {
			t.Error("one refusal was enough")
		}
		want(a, false)
		if !p.refused(a) {
			t.Error("the second refusal was not to be logged")
		}
		want(a, true)
		want(at("pinned.test", "10.0.0.1"), true)
		want(b, false)
		p.refused(b)
		if p.refused(b) {
			t.Error("the host was logged twice")
		}
		want(b, true)
		time.Sleep(10 * time.Minute)
		want(a, false) // and it takes two again
		p.refused(a)
		want(a, false)
		time.Sleep(11 * time.Minute)
		p.refused(a) // not in a row: the window has passed
		want(a, false)

		p.succeeded(a)
		for range 5 {
			p.refused(a)
		}
		want(a, false)
		time.Sleep(10 * time.Minute)
		p.refused(a)
		p.refused(a)
		want(a, true)

		p.succeeded(a) // of a connection that was open before
		want(a, false)

		for i := range 2 * pinnedCapacity {
			p.refused(at(fmt.Sprintf("h%d.test", i), "10.0.0.1"))
		}
		if len(p.entries) > pinnedCapacity || p.recent.Len() != len(p.entries) {
			t.Errorf("%d entries, %d in the list", len(p.entries), p.recent.Len())
		}
	})
}
