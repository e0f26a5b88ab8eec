package learn_test

import (
	"context"
	"testing"
	"time"

	"harken/ingest"
	"harken/ingest/learn"
)

// regroups is a store that tells of Regroup, which fails.
type regroups struct {
	*memory
	called chan struct{}
}

func (r *regroups) Regroup(ctx context.Context) error {
	select {
	case r.called <- struct{}{}:
	case <-ctx.Done():
	}
	return context.DeadlineExceeded
}

// idle is a source without records.
type idle struct{}

func (idle) Next(ctx context.Context) (ingest.Batch, error) {
	<-ctx.Done()
	return ingest.Batch{}, ctx.Err()
}

// Groups are settled again and again, whatever became of it the last time.
func TestRegroup(t *testing.T) {
	s := &regroups{memory: newMemory(), called: make(chan struct{})}
	l, err := learn.New(learn.Config{Source: idle{}, Stores: s, RegroupEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	for range 2 {
		<-s.called
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := learn.New(learn.Config{Source: idle{}, Stores: s, RegroupEvery: -1}); err == nil {
		t.Error("a negative RegroupEvery is accepted")
	}
}
