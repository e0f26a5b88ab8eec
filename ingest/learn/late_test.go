package learn_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"harken/ingest"
	"harken/ingest/learn"
	"harken/inventory"
)

// A slow store takes a second for each update.
type slow struct{ *memory }

func (s slow) Apply(ctx context.Context, u *inventory.Update) error {
	time.Sleep(time.Second)
	return s.memory.Apply(ctx, u)
}

// A flood is a source that has more records than a slow store takes, each of another
// endpoint, and notes how long the records waited.
type flood struct {
	left, seq int
	mu        sync.Mutex
	longest   time.Duration
}

func (f *flood) Next(ctx context.Context) (ingest.Batch, error) {
	if f.left--; f.left < 0 {
		return ingest.Batch{}, io.EOF
	}
	select {
	case <-time.After(20 * time.Millisecond):
	case <-ctx.Done():
		return ingest.Batch{}, ctx.Err()
	}
	given := time.Now()
	b := ingest.Batch{Partition: "p", Ack: func(context.Context) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.longest = max(f.longest, time.Since(given))
		return nil
	}}
	for range 10 {
		f.seq++
		name := []byte{'/'} // of one segment: nothing to be merged
		for n := f.seq; n > 0; n /= 26 {
			name = append(name, 'a'+byte(n%26))
		}
		b.Records = append(b.Records, get(fmt.Sprintf("https://host-%d.example%s", f.seq%97, name)).record(int64(f.seq)))
	}
	return b, nil
}

// TestSlowStoreIsWaitedFor has records come faster than the store takes them: what was
// learned waits twelve seconds for it, with room for all it were three quarters of a minute.
func TestSlowStoreIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flood{left: 1500}
		l, err := learn.New(learn.Config{Source: f, Stores: slow{newMemory()}, CacheBytes: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if f.longest > 20*time.Second || f.longest == 0 {
			t.Errorf("records waited for up to %v", f.longest)
		}
	})
}
