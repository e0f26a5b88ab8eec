package sqlite_test

import (
	"path/filepath"
	"testing"

	"harken/inventory"
	"harken/inventory/fault"
)

// TestApplySeesOtherProcess changes a collection over another connection, as other
// processes do, between updates that touch it: what Apply remembers must not outlive it.
func TestApplySeesOtherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h.db")
	db, other := open(t, path), open(t, path)
	key := inventory.EndpointKey{Collection: 7, URL: "/orders", Method: "GET"}
	store := other.Full(inventory.DefaultAccount)
	if _, err := store.EnsureCollection(t.Context(), key.Collection, 1); err != nil {
		t.Fatal(err)
	}
	var seq byte
	apply := func() {
		t.Helper()
		seq++
		e := inventory.Endpoint{EndpointKey: key, Count: 1, Discovered: 100, LastSeen: 100, Sources: map[string]int64{"MIRRORING": 100}}
		s := inventory.Sample{Endpoint: key, Account: inventory.DefaultAccount, Time: int64(seq), ID: [16]byte{seq}, Source: "MIRRORING", Data: []byte("sample")}
		if err := db.Apply(t.Context(), accountUpdate(&inventory.AccountUpdate{Endpoints: []inventory.Endpoint{e}, Samples: []inventory.Sample{s}})); err != nil {
			t.Fatal(err)
		}
	}
	redact := func(on bool) {
		t.Helper()
		if _, err := store.EditCollections(t.Context(), []int32{key.Collection}, func(c *inventory.Collection) (bool, error) {
			c.Redact = on
			return true, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(count int64, samples int) {
		t.Helper()
		e, err := store.Endpoint(t.Context(), key)
		if err != nil || e.Count != count {
			t.Errorf("endpoint was seen %d times, %v; want %d", e.Count, err, count)
		}
		if all, err := store.Samples(t.Context(), key); err != nil || len(all) != samples {
			t.Errorf("%d samples, %v; want %d", len(all), err, samples)
		}
	}
	apply()
	apply()
	check(2, 2)
	redact(true)
	apply()
	check(3, 2) // no sample of what is redacted
	redact(false)
	apply()
	check(4, 3)
	if _, err := store.DeleteCollections(t.Context(), []int32{key.Collection}); err != nil {
		t.Fatal(err)
	}
	apply()
	if e, err := store.Endpoint(t.Context(), key); kindOf(err) != fault.NotFound {
		t.Errorf("the deleted collection has %+v, %v", e, err)
	}
	dropped, err := store.Dropped(t.Context())
	if err != nil || dropped[inventory.DroppedNoCollection] != 1 {
		t.Errorf("dropped %v, %v; want one record of the deleted collection", dropped, err)
	}
	if _, err := store.EnsureCollection(t.Context(), key.Collection, 1); err != nil {
		t.Fatal(err)
	}
	apply()
	check(1, 1)
}

func accountUpdate(u *inventory.AccountUpdate) *inventory.Update {
	return &inventory.Update{
		Accounts: map[int32]*inventory.AccountUpdate{inventory.DefaultAccount: u},
		Marks:    map[inventory.Mark]int64{{Log: "log"}: 1},
	}
}

func kindOf(err error) fault.Kind {
	if err == nil {
		return 0
	}
	kind, _ := fault.Of(err)
	return kind
}
