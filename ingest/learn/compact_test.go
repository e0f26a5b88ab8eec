package learn_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"harken/ingest/learn"
)

// A compacted store notes when it was compacted.
type compacted struct {
	*memory
	mu    sync.Mutex
	begin time.Time
	at    []time.Duration
}

func (c *compacted) Compact(context.Context, int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = append(c.at, time.Since(c.begin))
	return nil
}

// TestCompactSoon: also a process that never lives for an hour removes what is too old.
func TestCompactSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &compacted{memory: newMemory(), begin: time.Now()}
		_, stop := start(t, learn.Config{Source: newSource(1), Stores: s})
		time.Sleep(3 * time.Hour)
		stop()
		if want := []time.Duration{10 * time.Minute, 70 * time.Minute, 130 * time.Minute}; !slices.Equal(s.at, want) {
			t.Errorf("compacted after %v, want %v", s.at, want)
		}
	})
}
