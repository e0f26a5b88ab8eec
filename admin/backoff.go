package admin

import (
	"net/netip"
	"sync"
	"time"

	"harken/admin/auth"
	"harken/ingest"
	"harken/inventory/fault"
)

// Wrong passwords of one user from one network: freeTries cost nothing, then
// each doubles the wait, up to maxBackoff; forgetAfter without any ends it.
const (
	freeTries   = 10
	maxBackoff  = 15 * time.Minute
	forgetAfter = time.Hour
)

// A backoff slows down who guesses one user's password from one network with
// more addresses than the limit by address sees as one.
//
// A lock of the user would be a weapon: whoever knows an e-mail address could
// keep its owner out. So nothing here is counted by user alone. A guesser's
// tries count for the guesser's own network (a /24, or a /48 of IPv6) and slow
// down nobody elsewhere; and within that network whoever holds a cookie of one
// of the user's sessions, or comes from an address that began one, is not
// slowed down at all (see API.known). What is left to a guesser with many
// networks is the limit by address in each, against argon2id and the password
// rule. Unknown e-mail addresses are counted alike, so that the answer does not
// tell who exists. It is safe for concurrent use.
type backoff struct {
	now func() time.Time

	mu    sync.Mutex
	m     map[backoffKey]*strikes
	order []backoffKey // by first try; at most maxAddrs
}

type backoffKey struct {
	user    auth.Hash // of the e-mail address: strangers' texts are not kept
	network netip.Prefix
}

type strikes struct {
	n    int
	last time.Time
}

func newBackoff(now func() time.Time) *backoff {
	return &backoff{now: now, m: map[backoffKey]*strikes{}}
}

func newBackoffKey(email string, addr netip.Addr) backoffKey {
	bits := 24
	if addr.Is6() {
		bits = 48
	}
	p, _ := addr.Prefix(bits) // of an invalid address: all of them together
	return backoffKey{auth.HashToken(email), p}
}

// try counts a try before its outcome is known, so that many at once do not all
// pass, and returns ingest.BusyError when it comes too early.
func (b *backoff) try(k backoffKey) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for len(b.order) > 0 {
		s := b.m[b.order[0]]
		if s != nil && now.Sub(s.last) < forgetAfter && len(b.order) < maxAddrs {
			break
		}
		delete(b.m, b.order[0])
		b.order = b.order[1:]
	}
	s := b.m[k]
	if s == nil {
		s = &strikes{}
		b.m[k] = s
		b.order = append(b.order, k)
	}
	if now.Sub(s.last) >= forgetAfter {
		s.n = 0
	}
	if s.n >= freeTries {
		wait := maxBackoff
		if over := s.n - freeTries; over < 10 {
			wait = min(wait, time.Second<<over)
		}
		if early := s.last.Add(wait).Sub(now); early > 0 {
			return &ingest.BusyError{After: early, Err: fault.New(fault.Busy, "too many wrong passwords; wait before the next try")}
		}
	}
	s.n++
	s.last = now
	return nil
}

// clear forgets the tries of a key: one was right.
func (b *backoff) clear(k backoffKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.m[k]; s != nil {
		s.n = 0
	}
}
