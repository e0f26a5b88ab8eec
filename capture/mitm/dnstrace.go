package mitm

import (
	"context"
	"net/http/httptrace"
	"sync"
	"time"
)

// A dnsTimer measures the look-up of one dial. The standard dialer calls its
// trace from goroutines that may outlast the dial.
type dnsTimer struct {
	mu         sync.Mutex
	start, end time.Time
}

func traceDNS(ctx context.Context) (context.Context, *dnsTimer) {
	t := new(dnsTimer)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.start = time.Now()
		},
		DNSDone: func(httptrace.DNSDoneInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.end = time.Now()
		},
	}), t
}

// taken returns -1 if there was no look-up.
func (t *dnsTimer) taken() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.start.IsZero() || t.end.IsZero() {
		return -1
	}
	return t.end.Sub(t.start)
}
