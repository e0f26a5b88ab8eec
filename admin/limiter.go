package admin

import (
	"net/netip"
	"sync"
	"time"

	"harken/ingest"
	"harken/inventory/fault"
)

// maxAddrs bounds the addresses a limiter remembers. Beyond it the oldest window
// is forgotten: an attacker with that many addresses is not stopped by counting.
const maxAddrs = 20_000

// A limiter counts tries by address in windows that start with the first try. It
// is safe for concurrent use.
type limiter struct {
	tries  int
	window time.Duration
	now    func() time.Time

	mu    sync.Mutex
	addrs map[netip.Addr]*tries
	order []netip.Addr // by start of window
}

type tries struct {
	start time.Time
	n     int
}

// The limiters of the published API.
func byLogins(a *API) *limiter { return a.logins }
func byResets(a *API) *limiter { return a.resets }

func byInvites(a *API) *limiter { return a.invites }

func newLimiter(n int, window time.Duration, now func() time.Time) *limiter {
	return &limiter{tries: n, window: window, now: now, addrs: map[netip.Addr]*tries{}}
}

// try counts one try and returns ingest.BusyError, with the time to wait, when it
// is one too many.
func (l *limiter) try(addr netip.Addr) error {
	if l.tries < 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for len(l.order) > 0 && (now.Sub(l.addrs[l.order[0]].start) >= l.window || len(l.order) > maxAddrs) {
		delete(l.addrs, l.order[0])
		l.order = l.order[1:]
	}
	t := l.addrs[addr]
	if t == nil {
		t = &tries{start: now}
		l.addrs[addr] = t
		l.order = append(l.order, addr)
	}
	t.n++
	if t.n <= l.tries {
		return nil
	}
	return &ingest.BusyError{
		After: t.start.Add(l.window).Sub(now),
		Err:   fault.New(fault.Busy, "too many tries; wait before the next one"),
	}
}
