package filter

import (
	"sync"
	"time"
)

// A Rate is how many records of one endpoint are learned from: Burst at once
// (0: as many as in a minute), and PerMinute in the long run.
type Rate struct {
	PerMinute float64 `json:"perMinute"`
	Burst     int     `json:"burst,omitempty"`
}

// A Limiter has a token bucket for each endpoint. It is safe for concurrent use.
type Limiter struct {
	perSecond float64
	burst     float64

	mu      sync.Mutex
	buckets map[uint64]*bucket
	older   map[uint64]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// maxBuckets bounds how many endpoints are remembered in each of two
// generations. One that was not seen while as many others came begins with a
// full bucket.
const maxBuckets = 1 << 15

// NewLimiter gives a Limiter for Settings.EndpointRateLimit; nil, which lets
// everything pass, if there is none or it is refused by Compile.
func NewLimiter(r *Rate) *Limiter {
	if r == nil || r.check() != nil {
		return nil
	}
	l := &Limiter{perSecond: r.PerMinute / 60, burst: float64(r.Burst), buckets: map[uint64]*bucket{}}
	if l.burst == 0 {
		l.burst = max(1, r.PerMinute)
	}
	return l
}

// Allow takes a token of an endpoint, named by a hash of what makes it one, at a
// time, and reports whether there was one. Times that go backwards add nothing.
func (l *Limiter) Allow(endpoint uint64, now time.Time) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[endpoint]
	if b == nil {
		if b = l.older[endpoint]; b == nil {
			b = &bucket{tokens: l.burst, at: now}
		}
		if len(l.buckets) >= maxBuckets {
			l.older, l.buckets = l.buckets, make(map[uint64]*bucket, maxBuckets)
		}
		l.buckets[endpoint] = b
	}
	if d := now.Sub(b.at); d > 0 {
		b.tokens, b.at = min(l.burst, b.tokens+d.Seconds()*l.perSecond), now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
