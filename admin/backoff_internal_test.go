package admin

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"harken/admin/auth"
)

// However many users and networks are tried, and however long a key stays alive,
// what is remembered is bounded, and what is forgotten is forgotten in both places.
func TestBackoffIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackoff(time.Now)
		alive := newBackoffKey("alive@example.com", netAddr("192.0.2.1"))
		for i := range 3 * maxAddrs {
			if i%1000 == 0 {
				_ = b.try(alive)
			}
			_ = b.try(newBackoffKey(fmt.Sprintf("user%d@example.com", i), netAddr4(i)))
			if len(b.m) > maxAddrs+1 || len(b.order) > maxAddrs+1 {
				t.Fatalf("after %d tries %d keys and %d in order are kept", i, len(b.m), len(b.order))
			}
		}
		if len(b.m) != len(b.order) {
			t.Errorf("%d keys, %d in order", len(b.m), len(b.order))
		}
		time.Sleep(forgetAfter)
		_ = b.try(alive)
		if len(b.m) != 1 || len(b.order) != 1 {
			t.Errorf("after a while %d keys and %d in order are kept", len(b.m), len(b.order))
		}
		if k := newBackoffKey("a", netip.Addr{}); b.try(k) != nil {
			t.Error("who has no address may not try at all")
		}
	})
}

// Who calls all the time is remembered within bounds too.
func TestSeldomIsBounded(t *testing.T) {
	s := seldom{last: map[seldomKey]time.Time{}}
	for i := range 2*maxAddrs + 7 {
		c := &call{route: &routes[0], caller: &auth.Caller{User: auth.User{ID: int32(i)}}}
		if now := time.Unix(1, 0); !s.pass(c, now) || s.pass(c, now) {
			t.Fatal("a caller passes once in a while")
		}
	}
	if len(s.last) > maxAddrs {
		t.Errorf("%d callers are remembered", len(s.last))
	}
}
