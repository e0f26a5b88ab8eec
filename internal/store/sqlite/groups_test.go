package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"harken/internal/store/sqlite"
	"harken/inventory"
)

// openGroups opens a store with n groups of which each new endpoint joins one.
func openGroups(tb testing.TB, n int) *sqlite.DB {
	tb.Helper()
	db := open(tb, filepath.Join(tb.TempDir(), "h.db"))
	for i := range n {
		c := inventory.Collection{ID: int32(100 + i), Name: fmt.Sprint("g", i), Type: inventory.TypeGroup, Conditions: []inventory.Condition{
			{Type: inventory.ByMethod, Operator: inventory.And, Method: "GET"},
			{Type: inventory.ByRegex, Operator: inventory.And, Regex: fmt.Sprintf(`^/[a-z]+/orders/[0-9]*%d/`, i)},
		}}
		if _, err := db.Account(inventory.DefaultAccount).AddCollection(tb.Context(), c); err != nil {
			tb.Fatal(err)
		}
	}
	if err := db.Regroup(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return db
}

// What Apply costs more with ten groups; without any it is BenchmarkApplyNew and
// BenchmarkApplyAgain.
func BenchmarkApplyNewGroups(b *testing.B) {
	for _, groups := range []int{0, 10} {
		b.Run(fmt.Sprint(groups), func(b *testing.B) {
			db := openGroups(b, groups)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				b.StopTimer()
				u := sampleUpdate(1000, n)
				n += 1000
				b.StartTimer()
				if err := db.Apply(b.Context(), u); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "endpoints/s")
		})
	}
}

func BenchmarkApplyAgainGroups(b *testing.B) {
	for _, groups := range []int{0, 10} {
		b.Run(fmt.Sprint(groups), func(b *testing.B) {
			db := openGroups(b, groups)
			u := sampleUpdate(1000, 0)
			if err := db.Apply(b.Context(), u); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if err := db.Apply(b.Context(), u); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(n*1000)/b.Elapsed().Seconds(), "endpoints/s")
		})
	}
}

// BenchmarkRegroup looks through 50,000 endpoints for one group.
func BenchmarkRegroup(b *testing.B) {
	db := openGroups(b, 1)
	for i := range 50 {
		if err := db.Apply(b.Context(), sampleUpdate(1000, 1000*i)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := db.Full(inventory.DefaultAccount).Recompute(b.Context(), []int32{100}); err != nil {
			b.Fatal(err)
		}
		if err := db.Regroup(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// With groups nothing is done for endpoints that did not change, and without
// groups nothing at all: learning allocates as much as without them.
func TestGroupsCostNothing(t *testing.T) {
	allocs := func(groups int) float64 {
		db := openGroups(t, groups)
		u := sampleUpdate(100, 0)
		return testing.AllocsPerRun(5, func() {
			if err := db.Apply(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		})
	}
	if none, some := allocs(0), allocs(20); some > none+50 {
		t.Errorf("an update of 100 known endpoints allocates %.0f times with 20 groups, %.0f times without", some, none)
	}
}
