package learn_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"harken/ingest"
	"harken/ingest/learn"
	"harken/inventory"
)

// A choosy store takes its time, and never takes one of the updates.
type choosy struct {
	*memory
	takes   int // updates that are taken first
	last    *inventory.Update
	refused *inventory.Update
	end     func() // called when it refused
	after   int    // updates that came after it
}

func (c *choosy) Apply(ctx context.Context, u *inventory.Update) error {
	time.Sleep(10 * time.Millisecond)
	if u != c.last {
		if c.last = u; c.refused != nil {
			c.after++
		}
		if c.takes--; c.takes < 0 && c.refused == nil {
			c.refused = u
		}
	}
	if u == c.refused {
		c.end()
		return errOut
	}
	return c.memory.Apply(ctx, u)
}

// TestNothingIsStoredAfterWhatIsNot ends learners while the store refuses an update and
// the next one is made already, whose marks count on the one before.
func TestNothingIsStoredAfterWhatIsNot(t *testing.T) {
	const n = 3000
	for takes := range 30 {
		synctest.Test(t, func(t *testing.T) {
			var rs []*ingest.Record
			for i := range int64(n) {
				rs = append(rs, get(fmt.Sprintf("https://h%d.example.com/c", i%37)).record(i+1))
			}
			m, src := newMemory(), newSource(50, rs...)
			run := func(ctx context.Context, s inventory.Stores) error {
				l, err := learn.New(learn.Config{Source: src, Stores: s, FlushRecords: 20})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				go func() {
					if l.WaitFor(ctx, mark, n) == nil {
						cancel()
					}
				}()
				return l.Run(ctx)
			}
			ctx, cancel := context.WithCancel(t.Context())
			c := &choosy{memory: m, takes: takes, end: cancel}
			if err := run(ctx, c); err == nil || c.after > 0 {
				t.Fatalf("Run = %v, and %d updates came after the one that was refused", err, c.after)
			}
			src.rewind()
			if err := run(t.Context(), m); err != nil || m.total() != n {
				t.Errorf("%d of %d records are stored, %v", m.total(), n, err)
			}
		})
	}
}
