package storetest

import (
	"bytes"
	"fmt"

	"github.com/google/go-cmp/cmp"

	"harken/inventory"
	"harken/inventory/fault"
)

func (k check) files() {
	t, f := k.t, k.s.Full(account)
	if _, err := f.EnsureCollection(t.Context(), 1, 1); err != nil {
		t.Fatal(err)
	}
	const day = 86400
	put := func(at int64, collection int32, size int) string {
		id, err := f.PutFile(t.Context(), inventory.StoredFile{
			Type: inventory.FileHAR, Uploaded: at, Collection: collection, Data: bytes.Repeat([]byte("x"), size),
		})
		if err != nil || len(id) != 24 {
			t.Fatalf("PutFile = %q, %v; want 24 digits", id, err)
		}
		return id
	}
	has := func(id string, want bool) {
		t.Helper()
		_, err := f.File(t.Context(), id)
		if (err == nil) != want || !want && kind(err) != fault.NotFound {
			t.Errorf("File = %v; want it there: %v", err, want)
		}
	}
	const now = 100 * day
	a := put(now, 0, 3)
	got, err := f.File(t.Context(), a)
	want := inventory.StoredFile{ID: a, Type: inventory.FileHAR, Uploaded: now, Data: []byte("xxx")}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("File (-want +got):\n%s%v", d, err)
	}
	if _, err := k.s.Full(2000000).File(t.Context(), a); kind(err) != fault.NotFound {
		t.Errorf("File of another account: %v", err)
	}
	b := put(now+(inventory.FileDays-1)*day, 1, 3)
	has(a, true)
	c := put(now+(inventory.FileDays+1)*day, 0, 3)
	has(a, false)
	has(b, true)
	if err := k.s.Compact(t.Context(), now+2*inventory.FileDays*day-day/2); err != nil {
		t.Fatal(err)
	}
	has(b, false)
	has(c, true)
	if err := f.DropSamples(t.Context(), []int32{0}); err != nil {
		t.Fatal(err)
	}
	has(c, false)
	d := put(now, 1, 3)
	if _, err := f.DeleteCollections(t.Context(), []int32{1}); err != nil {
		t.Fatal(err)
	}
	has(d, false)
	large := make([]string, 3)
	for i := range large {
		large[i] = put(now, 0, inventory.MaxFileBytes/2-1)
	}
	if all, err := f.Files(t.Context()); err != nil || len(all) != 2 || all[0].ID != large[2] || all[1].ID != large[1] || all[0].Data != nil {
		t.Errorf("there are %d files, %v; want the last two", len(all), err)
	}
	for i, id := range large {
		if _, err := f.File(t.Context(), id); (err == nil) != (i > 0) {
			t.Errorf("the file %d is %v", i, fmt.Sprint(err))
		}
	}
}
