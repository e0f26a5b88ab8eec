package learn_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"harken/ingest"
	"harken/ingest/learn"
	"harken/inventory"
)

// TestShardsAreStoredOnce ends learners at random updates, with records of many
// hosts of which the store has some ahead of others: every record counts once, and
// none is acknowledged that is not stored.
func TestShardsAreStoredOnce(t *testing.T) {
	const n = 3000
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			m := newMemory()
			want := map[string]int64{}
			var rs []*ingest.Record
			for i := range int64(n) {
				host := fmt.Sprintf("h%d.example.com", int(r.ExpFloat64()*15))
				want[host]++
				rs = append(rs, get("https://"+host+"/c").record(i+1))
			}
			src := newSource(1+r.IntN(60), rs...)
			ahead, ends, lost := 0, 0, 0
			for src.acked < n {
				last := m.applied + 1 + r.IntN(15)
				ctx, cancel := context.WithCancel(t.Context())
				out := func(n int) error {
					if n <= last {
						return nil
					}
					cancel()
					return errOut
				}
				// Either the update is lost, or the answer that it is stored.
				if m.before, m.after = out, nil; r.IntN(2) == 0 {
					m.before, m.after = nil, out
				}
				l, err := learn.New(learn.Config{Source: src, Stores: m, FlushRecords: 5 + r.IntN(60), FlushEvery: time.Duration(1+r.IntN(20)) * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				done := make(chan error, 1)
				go func() { done <- l.Run(ctx) }()
				if ends < 100 {
					go func() {
						if l.WaitFor(ctx, mark, n) == nil {
							cancel()
						}
					}()
				}
				if err := <-done; err != nil {
					lost++
				}
				cancel()
				ends++
				if at := m.marks[mark]; int64(src.acked) > at {
					t.Fatalf("%d records are acknowledged, %d stored", src.acked, at)
				}
				for k, seq := range m.marks {
					if k.Shard > 0 && seq > m.marks[mark] {
						ahead++
					}
				}
				src.rewind()
			}
			got := map[string]int64{}
			for host, id := range m.hosts {
				got[host] = m.counts[inventory.EndpointKey{Collection: id, URL: "/c", Method: "GET"}]
			}
			if !maps.Equal(got, want) {
				t.Errorf("seed %d: another inventory: %v, want %v", seed, got, want)
			}
			if ahead == 0 || lost == 0 {
				t.Errorf("seed %d: of %d ends %d lost records, and %d shards were ahead", seed, ends, lost, ahead)
			}
		})
	}
}

// TestEndpointOfSeveralShards learns one endpoint from hosts whose collection is the
// same, in one update.
func TestEndpointOfSeveralShards(t *testing.T) {
	db := openStore(t)
	var xs []exchange
	for i := range 30 {
		xs = append(xs, get(fmt.Sprintf("http://10.0.0.%d/items?n=%d", i, i)))
	}
	learnAll(t, db, records(xs...)...)
	es := inventoryOf(t, db, inventory.DefaultAccount)
	if len(es) != 1 || es[0].Count != 30 || len(es[0].Params) != 1 || len(es[0].Params[0].Values) != 30 {
		t.Errorf("learned %+v, want one endpoint of 30 records", es)
	}
}
