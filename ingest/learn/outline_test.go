package learn_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/ingest"
	"harken/ingest/learn"
	"harken/internal/store/sqlite"
	"harken/inventory"
)

// TestOrderWithoutRoom learns with memory for the paths of some hosts only, and for
// hardly more than outlines: the inventory is that of a learner with room for all,
// after a last look for look-alikes.
func TestOrderWithoutRoom(t *testing.T) {
	t.Parallel()
	hosts := 30
	if raceEnabled {
		hosts = 10
	}
	r := rand.New(rand.NewPCG(3, 77))
	var xs, last []exchange
	for h := range hosts {
		at := fmt.Sprintf("https://host-%d.example/", h)
		for i := range 14 {
			xs = append(xs, get(at+"vendors/"+strings.Repeat("zx", 1+i)+"q"), get(at+fmt.Sprintf("orders/%d", i)), get(at+"search?q=x"),
				get(at+fmt.Sprintf("files/%08x-0000-4000-8000-00000000000%d/raw", i*7919, h%10)),
				// Few are numbers, which are of the same template because there are many others.
				get(at+"categories/"+[]string{fmt.Sprintf("%07x", 0xa00001+i*(h+1)), fmt.Sprint(1_000_000 + i*(h+1))}[i/12]))
		}
		last = append(last, get(at+"search?q=x"))
	}
	n := len(xs)
	sameWithoutRoom(t, r, records(slices.Concat(xs, last)...), n, []int64{0, 250_000, 60_000}, 5*hosts)
}

// TestOrderWithoutRoomMixed is TestOrderWithoutRoom of everything that merging has a
// rule for. More seeds by hand, see TestOrder.
func TestOrderWithoutRoomMixed(t *testing.T) {
	t.Parallel()
	const hosts = 12
	seeds, n := (*orderSeeds+4)/5, 2400
	if raceEnabled {
		seeds, n = 1, 600
	}
	for seed := *orderFrom; seed < *orderFrom+seeds; seed++ {
		r := rand.New(rand.NewPCG(seed, 99))
		rs := mixed(r, n)
		for i, rec := range rs {
			rec.Host = fmt.Sprintf("ap%c.shop.com", 'a'+i%hosts)
			rec.Data = bytes.ReplaceAll(rec.Data, []byte("api.shop.com"), []byte(rec.Host))
		}
		for i := range hosts {
			rs = append(rs, get(fmt.Sprintf("https://ap%c.shop.com/search?q=x", 'a'+i)).record(int64(n+i+1)))
		}
		sameWithoutRoom(t, r, rs, n, []int64{0, 80_000}, 0)
	}
}

// sameWithoutRoom learns the first n records with the given memory, each time in
// another order, and then, with room, the others, which call every host.
func sameWithoutRoom(t *testing.T, r *rand.Rand, rs []*ingest.Record, n int, caches []int64, endpoints int) {
	t.Helper()
	var want []whole
	for round, cache := range caches {
		r.Shuffle(n, func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
		for i := range rs {
			rs[i].Origin.Seq = int64(i + 1)
		}
		db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "h.db"))
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range [][]*ingest.Record{rs[:n], rs[n:]} {
			src := newSource(20, part...)
			src.nextErr = io.EOF // all that can be merged by then is
			cfg := learn.Config{Source: src, Stores: db, MergeEvery: 3 * time.Millisecond}
			if i == 0 {
				cfg.CacheBytes = cache
			}
			l, err := learn.New(cfg)
			if err == nil {
				err = l.Run(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		got := wholeOf(t, db)
		for i := range got {
			got[i].Samples, got[i].Sensitive, got[i].Changes = nil, nil, nil // by arrival
		}
		if round == 0 {
			if want = got; endpoints > 0 && len(want) != endpoints {
				t.Errorf("%d endpoints, want %d", len(want), endpoints)
			}
		} else if d := cmp.Diff(want, got); d != "" {
			t.Errorf("with %d bytes another inventory (-first +this):\n%s", cache, d)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// due says of some collections that they were not looked through.
type due struct {
	*memory
	left []inventory.CollectionKey

	mu     sync.Mutex
	passes map[int32]int
}

func (d *due) MergeDue(context.Context) ([]inventory.CollectionKey, error) { return d.left, nil }

func (d *due) Full(int32) inventory.FullStore { return &dueAccount{memoryAccount{m: d.memory}, d} }

type dueAccount struct {
	memoryAccount
	d *due
}

func (a *dueAccount) PutTemplateState(ctx context.Context, id int32, s inventory.TemplateState) (int64, error) {
	a.d.mu.Lock()
	defer a.d.mu.Unlock()
	a.d.passes[id]++
	return a.memoryAccount.PutTemplateState(ctx, id, s)
}

// TestLeftBesideEvidence has many collections wait to store new evidence, without
// end: what was not looked through before the start is all the same, in time.
func TestLeftBesideEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &due{memory: newMemory(), passes: map[int32]int{}}
		for i := range int32(5) {
			d.left = append(d.left, inventory.CollectionKey{Account: inventory.DefaultAccount, ID: 7 + i})
		}
		src := newSource(10)
		_, stop := start(t, learn.Config{Source: src, Stores: d})
		defer stop()
		for i := range 2000 {
			src.add(get(fmt.Sprintf("https://host-%d.example/orders/%d", i%100, i)).record(int64(i + 1)))
			if i%100 == 99 {
				time.Sleep(500 * time.Millisecond)
				synctest.Wait()
			}
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, k := range d.left {
			if d.passes[k.ID] != 1 {
				t.Errorf("collection %d was looked through %d times within 10 s, want once", k.ID, d.passes[k.ID])
			}
		}
	})
}
