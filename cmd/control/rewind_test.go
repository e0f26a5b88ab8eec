package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"harken/ingest"
	"harken/ingest/learn"
	"harken/ingest/spool"
	"harken/internal/store/sqlite"
	"harken/internal/wire"
	"harken/inventory"
)

// TestPowerLoss takes the last commits from the store, as a power loss does, while
// the log says that they were acknowledged: nothing is lost or counted twice.
func TestPowerLoss(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "harken.db")
	log, err := spool.Open(spool.Config{Dir: filepath.Join(dir, "log"), KeepBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	put := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if err := log.Put(t.Context(), &ingest.Record{
				Source: "HAR", Time: time.Unix(1767225600, 0), Data: fmt.Appendf(nil, `{"startedDateTime":"2026-01-01T00:00:00Z","time":1,
				"request":{"method":"GET","url":"https://a.b/orders/%d","httpVersion":"HTTP/1.1","headers":[]},
				"response":{"status":200,"headers":[],"content":{"mimeType":""}}}`, i),
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	// run learns all that the log has.
	run := func(rewound int64) {
		t.Helper()
		db, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		r, err := log.Reader("learner")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		c := &control{store: db, log: log, reader: r, deps: wire.Deps{Log: slog.New(slog.DiscardHandler)}}
		if err := c.rewind(t.Context()); err != nil || r.Acked() != rewound {
			t.Fatalf("rewind = %v, to %d; want %d", err, r.Acked(), rewound)
		}
		l, err := learn.New(learn.Config{Source: r, Stores: db})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		stats := log.Stats()
		if err := l.WaitFor(ctx, inventory.Mark{Log: stats.LogID, Partition: "0"}, stats.Last); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		e, err := db.Account(inventory.DefaultAccount).Endpoint(t.Context(), inventory.EndpointKey{URL: "/orders/INTEGER", Method: "GET"})
		if err != nil || e.Count != stats.Last {
			t.Errorf("endpoint = %+v, %v; want count %d", e, err, stats.Last)
		}
	}
	put(0, 60)
	run(0)
	early, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put(60, 100)
	run(60)
	if err := os.WriteFile(path, early, 0o600); err != nil {
		t.Fatal(err)
	}
	run(60)
	run(100)
	if err := os.Remove(path); err != nil { // the store begins anew: all that is kept is learned again
		t.Fatal(err)
	}
	run(0)
}
