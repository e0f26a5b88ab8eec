package storetest

import (
	"github.com/google/go-cmp/cmp"

	"harken/inventory"
)

func (k check) marks() {
	t, s := k.t, k.s
	a, b := inventory.Mark{Log: "l", Partition: "0"}, inventory.Mark{Log: "l", Partition: "1"}
	check := func(want map[inventory.Mark]int64) {
		t.Helper()
		got, err := s.Marks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("marks (-want +got):\n%s", d)
		}
	}
	check(map[inventory.Mark]int64{})
	apply(t, s, &inventory.Update{Marks: map[inventory.Mark]int64{a: 5, b: 0}})
	check(map[inventory.Mark]int64{a: 5, b: 0})
	apply(t, s, &inventory.Update{Marks: map[inventory.Mark]int64{a: 3, b: 9}})
	check(map[inventory.Mark]int64{a: 5, b: 9})
	part := inventory.Mark{Log: "l", Partition: "0", Shard: 64}
	apply(t, s, &inventory.Update{Marks: map[inventory.Mark]int64{a: 6, part: 8}})
	check(map[inventory.Mark]int64{a: 6, b: 9, part: 8})
}
