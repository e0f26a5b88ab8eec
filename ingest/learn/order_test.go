package learn_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/ingest"
	"harken/ingest/learn"
	"harken/internal/store/sqlite"
	"harken/inventory"
)

// A whole is all that is stored of one endpoint.
type whole struct {
	inventory.Endpoint
	Samples, Sensitive, Changes []string
}

func wholeOf(tb testing.TB, db *sqlite.DB) []whole {
	tb.Helper()
	f := db.Full(account)
	var all []whole
	for _, e := range inventoryOf(tb, db, account) {
		w := whole{Endpoint: e}
		samples, err := f.Samples(tb.Context(), e.EndpointKey)
		if err != nil {
			tb.Fatal(err)
		}
		for i := range samples {
			w.Samples = append(w.Samples, hex.EncodeToString(samples[i].ID[14:])+" "+string(samples[i].Data))
		}
		sensitive, err := f.SensitiveSamples(tb.Context(), e.EndpointKey)
		if err != nil {
			tb.Fatal(err)
		}
		for i := range sensitive {
			w.Sensitive = append(w.Sensitive, fmt.Sprint(sensitive[i].Time, sensitive[i].Params, string(sensitive[i].Data)))
		}
		changes, _, err := f.Changes(tb.Context(), inventory.ChangeFilter{Collections: []int32{e.Collection}, URL: e.URL, Method: e.Method}, 0, 1000)
		if err != nil {
			tb.Fatal(err)
		}
		for _, c := range changes {
			w.Changes = append(w.Changes, fmt.Sprint(c.Time, c.Kind, c.Detail))
		}
		all = append(all, w)
	}
	return all
}

// mixed makes records of everything that merging has a rule for.
func mixed(r *rand.Rand, n int) []*ingest.Record {
	var rs []*ingest.Record
	for i := range n {
		var x exchange
		switch r.IntN(12) {
		case 0, 1:
			x = vendor(opaque(r.IntN(40)), `{"mail":"jo@example.com","n":[1]}`)
		case 2:
			x = get("https://api.shop.com/docs/" + []string{"en-US", "pt-BR", "fr-FR", "intro"}[r.IntN(4)] + "/" + []string{"first", "second"}[r.IntN(2)])
		case 3:
			x = get("https://api.shop.com/users/" + opaque(r.IntN(15)) + "/repos/" + opaque(r.IntN(15)))
		case 4:
			x = get("https://api.shop.com/files/" + []string{"42", "7.5", "ab12cd345", "readme", opaque(r.IntN(20))}[r.IntN(5)])
		case 5, 6: // the numbers among them become part of the others
			x = get("https://api.shop.com/blobs/" + []string{fmt.Sprintf("%08x", r.Uint32N(1<<31)), fmt.Sprint(10_000_000 + r.IntN(1e7)), opaque(r.IntN(9))}[r.IntN(3)])
		case 7: // static until there are enough
			x = get("https://api.shop.com/codes/" + []string{"a1b2", "c3d4", opaque(r.IntN(30)), fmt.Sprintf("%08x", r.Uint32N(1<<20))}[r.IntN(4)] + "/rows/" + fmt.Sprint(r.IntN(9)))
		case 8:
			x = exchange{
				method: "POST", url: "https://api.shop.com/graphql", status: 200, headers: []string{"content-type: application/json"},
				body: fmt.Sprintf(`{"query":"query Q{%s(id:%d){name}}"}`, []string{"user", "orders", opaque(r.IntN(5))}[r.IntN(3)], r.IntN(9)),
			}
		default:
			x = random(r, 1)[0]
		}
		if r.IntN(6) == 0 {
			x.method = []string{"PUT", "DELETE", "GET"}[r.IntN(3)]
		}
		x.at = 1767225600 + int64(r.IntN(100_000)) // not in the order in which they come
		rs = append(rs, x.record(int64(i+1)))
	}
	return rs
}

// Seeds of TestOrder: more of them by hand.
var (
	orderFrom  = flag.Uint64("order.from", 0, "first seed of TestOrder")
	orderSeeds = flag.Uint64("order.seeds", 5, "seeds of TestOrder; at most one with the race detector")
)

// TestOrder learns the same records in other orders and pieces: the inventory is
// the same after a last look for look-alikes.
func TestOrder(t *testing.T) {
	t.Parallel()
	seeds, n := *orderSeeds, 600
	if raceEnabled {
		seeds, n = min(seeds, 1), 200
	}
	for seed := *orderFrom; seed < *orderFrom+seeds; seed++ {
		r := rand.New(rand.NewPCG(seed, 77))
		rs := mixed(r, n)
		var want []whole
		for round := range 4 {
			r.Shuffle(len(rs), func(i, j int) {
				if round > 0 {
					rs[i], rs[j] = rs[j], rs[i]
				}
			})
			db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "h.db"))
			if err != nil {
				t.Fatal(err)
			}
			parts := slices.Collect(slices.Chunk(rs, []int{n, n / 4, n / 7, n / 16}[round]))
			seq := int64(0)
			for _, part := range parts {
				for _, rec := range part {
					seq++
					rec.Origin.Seq = seq
				}
				l, stop := start(t, learn.Config{Source: newSource(1+r.IntN(50), part...), Stores: db, FlushRecords: 1 + r.IntN(100), MergeEvery: time.Duration(1+r.IntN(20)) * time.Millisecond})
				if err := l.WaitFor(t.Context(), mark, seq); err != nil {
					t.Fatal(err)
				}
				stop()
			}
			got := wholeOf(t, db)
			for i := range got {
				got[i].Samples, got[i].Sensitive = nil, nil // the newest by arrival
			}
			if want == nil {
				want = got
			} else if d := cmp.Diff(want, got); d != "" {
				t.Errorf("seed %d round %d: another inventory (-first +other):\n%s", seed, round, d)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(want); n == 0 || !slices.ContainsFunc(want, func(w whole) bool { return strings.Contains(w.URL, "STRING") }) {
			t.Errorf("seed %d: %d endpoints, none of them merged", seed, n)
		}
	}
}
