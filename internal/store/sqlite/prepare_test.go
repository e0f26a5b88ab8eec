package sqlite_test

import (
	"path/filepath"
	"testing"

	"harken/inventory"
)

// Many chunks are read and merged while those before are written. What ends on the
// way, at whatever row, leaves nothing behind: neither rows nor a goroutine that reads.
func TestApplyManyChunks(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "harken.db"))
	const n = 700
	apply := func(endAt int) (ended bool) {
		u := sampleUpdate(n, 0)
		row := 0
		u.Reshaped = func(int32, inventory.EndpointKey) bool {
			if row++; row == endAt {
				panic("ended")
			}
			return false
		}
		defer func() { ended = recover() != nil }()
		if err := db.Apply(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		return false
	}
	for _, at := range []int{1, 16, 17, 80, 81, n} {
		if !apply(at) {
			t.Fatalf("did not end at row %d", at)
		}
	}
	for range 3 {
		apply(0)
	}
	got := map[inventory.EndpointKey]int64{}
	for _, want := range sampleUpdate(n, 0).Accounts[inventory.DefaultAccount].Endpoints {
		e, err := db.Account(inventory.DefaultAccount).Endpoint(t.Context(), want.EndpointKey)
		if err != nil {
			t.Fatal(err)
		}
		got[e.EndpointKey] = e.Count
		if e.Count != 3*want.Count || len(e.Params) != len(want.Params) {
			t.Fatalf("%s %s: %d records, %d params", e.Method, e.URL, e.Count, len(e.Params))
		}
	}
	if len(got) != n {
		t.Errorf("%d endpoints", len(got))
	}
}
