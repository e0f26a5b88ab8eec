package mitm

import (
	"container/list"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const pinnedCapacity = 4096

// pinnedHosts remembers whose leaf certificates which clients refused. An entry
// is one host as one client address asks for it: a phone's app that pins its
// certificate says nothing about the browser of its neighbor. A client that
// sent a request to the host within the window is one that trusts us, and its
// later refusals (a second program without the certificate) change nothing.
type pinnedHosts struct {
	after  int // negative: never
	window time.Duration
	now    func() time.Time

	mu      sync.Mutex
	entries map[pinnedKey]*list.Element
	recent  *list.List // of *pinnedEntry, most recently used first
	logged  map[string]struct{}
}

type pinnedKey struct {
	host   string
	client netip.Addr
}

type pinnedEntry struct {
	key     pinnedKey
	refused int
	last    time.Time // of the last refusal
	trusted time.Time // when a connection last carried a request; zero if never
	until   time.Time // tunneled until then
}

func newPinnedHosts(after int, window time.Duration, now func() time.Time) *pinnedHosts {
	return &pinnedHosts{
		after:   after,
		window:  window,
		now:     now,
		entries: make(map[pinnedKey]*list.Element),
		recent:  list.New(),
		logged:  make(map[string]struct{}),
	}
}

// tunneled reports whether c's target is to be left alone.
func (p *pinnedHosts) tunneled(c *clientConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.find(keyOf(c), false)
	return e != nil && p.now().Before(e.until)
}

// refused counts a handshake that the client refused. It reports whether the
// host is tunneled from now on and was not known before, so that one line is
// logged for each host.
func (p *pinnedHosts) refused(c *clientConn) bool {
	if p.after < 0 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	e := p.find(keyOf(c), true)
	if !e.trusted.IsZero() && now.Sub(e.trusted) < p.window {
		return false
	}
	if now.Sub(e.last) > p.window {
		e.refused = 0
	}
	e.refused++
	e.last = now
	if e.refused < p.after {
		return false
	}
	e.refused = 0
	e.until = now.Add(p.window)
	if _, ok := p.logged[e.key.host]; ok {
		return false
	}
	if len(p.logged) >= pinnedCapacity {
		clear(p.logged)
	}
	p.logged[e.key.host] = struct{}{}
	return true
}

// succeeded notes the first request of a connection. It takes back what earlier
// connections suggested: an HTTP/2 client that opens many at once closes all but
// one of them unused, mostly before its first request is here.
func (p *pinnedHosts) succeeded(c *clientConn) {
	if c.scheme != "https" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.find(keyOf(c), true)
	e.refused = 0
	e.trusted = p.now()
	e.until = time.Time{}
}

// find returns the entry of key, or nil if there is none and create is false.
func (p *pinnedHosts) find(key pinnedKey, create bool) *pinnedEntry {
	if el, ok := p.entries[key]; ok {
		p.recent.MoveToFront(el)
		e, _ := el.Value.(*pinnedEntry)
		return e
	}
	if !create {
		return nil
	}
	if p.recent.Len() >= pinnedCapacity {
		oldest := p.recent.Back()
		if e, ok := p.recent.Remove(oldest).(*pinnedEntry); ok {
			delete(p.entries, e.key)
		}
	}
	e := &pinnedEntry{key: key}
	p.entries[key] = p.recent.PushFront(e)
	return e
}

func keyOf(c *clientConn) pinnedKey {
	host, _, err := net.SplitHostPort(c.authority)
	if err != nil {
		host = c.authority
	}
	return pinnedKey{strings.ToLower(host), c.addr.Addr()}
}
