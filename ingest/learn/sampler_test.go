package learn

import (
	"testing"
	"time"

	"harken/inventory"
)

// TestSamplerLimitsBusyEndpoints gives ten samples at once, and then one each two
// seconds, but only while records come fast.
func TestSamplerLimitsBusyEndpoints(t *testing.T) {
	for _, c := range []struct {
		name string
		gap  time.Duration // between records
		want int           // of those in ten seconds
	}{
		{"busy", 100 * time.Microsecond, inventory.MaxSamples + 5},
		{"quiet", time.Millisecond, 10_000},
	} {
		var s sampler
		now := time.Unix(1000, 0)
		n := 0
		for range int(10 * time.Second / c.gap) {
			s.tick(now)
			if s.wants(7, now) {
				n++
			}
			now = now.Add(c.gap)
		}
		// Until the first second is over nobody knows that it is busy.
		if early := int(time.Second / c.gap); n < c.want || c.name == "busy" && n > c.want+early {
			t.Errorf("%s: %d samples, want %d", c.name, n, c.want)
		}
	}
}
