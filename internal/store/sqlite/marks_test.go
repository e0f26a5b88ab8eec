package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/inventory"
)

// TestMarksOfShards keeps the marks of shards that are ahead over a restart, and no
// others.
func TestMarksOfShards(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h.db")
	of := func(shard uint8) inventory.Mark { return inventory.Mark{Log: "l", Partition: "0", Shard: shard} }
	want := map[inventory.Mark]int64{of(0): 5, of(4): 9}
	for range 2 {
		db := open(t, path)
		if err := db.Apply(t.Context(), &inventory.Update{Marks: map[inventory.Mark]int64{of(0): 5, of(3): 4, of(4): 9, of(5): 5}}); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := open(t, path).Marks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("marks (-want +got):\n%s", d)
	}
}
