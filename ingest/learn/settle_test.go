package learn_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"harken/ingest/learn"
	"harken/inventory"
	"harken/inventory/pathtmpl"
)

// TestSettle stores what was learned, and learns by what the store says then.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		src := newSource(10, get("https://a.b/c").record(1))
		l, stop := start(t, learn.Config{Source: src, Stores: m, FlushEvery: 5 * time.Second})
		settled := func(want int64) {
			t.Helper()
			synctest.Wait() // all that there is was read
			begin := time.Now()
			if err := l.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := m.total(); n != want || time.Since(begin) >= time.Second {
				t.Errorf("after %v %d are stored, want %d at once", time.Since(begin), n, want)
			}
		}
		settled(1)
		m.mu.Lock()
		m.deactivated = true
		m.mu.Unlock()
		settled(1)
		src.add(get("https://a.b/c").record(2))
		settled(1)
		stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Settle(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Settle of a learner that ended: %v", err)
		}
	})
}

// A template that a person split stays split, though its endpoint is there.
func TestSplitStays(t *testing.T) {
	db := openStore(t)
	learnAll(t, db, get("https://a.b/users/1").record(1))
	full := db.Full(inventory.DefaultAccount)
	cols, err := full.Collections(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cols {
		state, err := full.TemplateState(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		set := pathtmpl.NewSet(pathtmpl.Options{})
		set.Block("GET", "/users/INTEGER")
		state.Data = set.AppendState(nil)
		if _, err := full.PutTemplateState(t.Context(), c.ID, state); err != nil {
			t.Fatal(err)
		}
	}
	learnAll(t, db, get("https://a.b/users/1").record(1), get("https://a.b/users/2").record(2))
	if got := urls(t, db); !slices.Equal(got, []string{"GET /users/2 1", "GET /users/INTEGER 1"}) {
		t.Errorf("learned %v", got)
	}
}
