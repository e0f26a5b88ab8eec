package inventory_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"harken/inventory"
)

func TestSketch(t *testing.T) {
	var s inventory.Sketch
	f := func(value string, caller uint32, unique, public int64) {
		t.Helper()
		s = s.Add(inventory.HashValue(value), inventory.CallerOf(caller))
		if u, p := s.Counts(); u != unique || p != public {
			t.Errorf("after %s of %d: %d values, %d of several callers; want %d and %d", value, caller, u, p, unique, public)
		}
	}
	f("a", 1, 1, 0)
	f("a", 1, 1, 0)
	f("b", 0, 2, 0)
	f("b", 2, 2, 0)
	f("a", 2, 2, 1)
	f("b", 3, 2, 2)
	f("", 3, 3, 2)
}

// TestSketchEstimate counts 10,000 values, of which every second has two callers.
func TestSketchEstimate(t *testing.T) {
	sum, public := 0.0, 0.0
	const rounds = 50
	for round := range rounds {
		var s inventory.Sketch
		for i := range 10_000 {
			h := inventory.HashValue(fmt.Sprintf("user-%d-%d", round, i))
			s = s.Add(h, inventory.CallerOf(1))
			s = s.Add(h, inventory.CallerOf(uint32(1+i%2)))
		}
		u, p := s.Counts()
		sum += float64(u) / rounds
		public += float64(p) / rounds
	}
	if sum < 8500 || sum > 11500 || public < 3500 || public > 6500 {
		t.Errorf("on average %.0f values and %.0f of several callers, want about 10000 and 5000", sum, public)
	}
}

func BenchmarkSketchAdd(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	values := make([]string, 1000)
	for i := range values {
		values[i] = fmt.Sprint(r.Uint64())
	}
	var s inventory.Sketch
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s = s.Add(inventory.HashValue(values[i%len(values)]), inventory.CallerOf(uint32(i&7)))
		i++
	}
}
