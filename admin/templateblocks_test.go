package admin

import (
	"context"
	"path/filepath"
	"testing"

	"harken/admin/auth"
	"harken/internal/store/sqlite"
	"harken/inventory"
	"harken/inventory/fault"
	"harken/inventory/pathtmpl"
)

type countingLearner struct{ reloads int }

func (l *countingLearner) Reload(context.Context, int32) error {
	l.reloads++
	return nil
}

// What an import seeds is there for the learner, and a block wins over it.
func TestSeedTemplates(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "h.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	learner := &countingLearner{}
	a, err := New(Config{Stores: db, Users: db, Jobs: db, Tokens: &auth.Signer{}, Learner: learner})
	if err != nil {
		t.Fatal(err)
	}
	c := &auth.Caller{Account: inventory.DefaultAccount, Store: db.Full(inventory.DefaultAccount)}
	col, err := c.Store.HostCollection(t.Context(), "pets.example", 1)
	if err != nil {
		t.Fatal(err)
	}
	seed := func(want int, seeds ...templateSeed) {
		t.Helper()
		if refused, err := a.seedTemplates(t.Context(), c, &col, seeds); err != nil || refused != want {
			t.Errorf("seedTemplates(%v) = %d, %v; want %d refused", seeds, refused, err, want)
		}
	}
	seed(0, templateSeed{"get", "/pets/{petId}"}, templateSeed{"GET", "/pets"}, templateSeed{"GET", "/pets/{petId}/photos/:id"})
	set, state, err := a.templateSet(t.Context(), c, &col)
	if err != nil || !state.Due || learner.reloads != 1 {
		t.Fatalf("state = %+v, %v, %d reloads", state, err, learner.reloads)
	}
	if ex := set.Explain("GET", "/pets/7"); ex.URL != "/pets/STRING" || ex.Rule.String() != "seeded" || set.Len() != 2 {
		t.Errorf("Explain = %+v, %d URLs", ex, set.Len())
	}
	if err := a.editTemplates(t.Context(), c, &col, false, func(set *pathtmpl.Set) error {
		set.Split("GET", "/pets/STRING", nil)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	seed(1, templateSeed{"GET", "/pets/{id}"}, templateSeed{"POST", "/pets/{id}"})
	if _, err := a.seedTemplates(t.Context(), c, &col, []templateSeed{{"G E T", "/x/{id}"}}); err == nil {
		t.Error("seedTemplates takes a method with blanks")
	} else if kind, _ := fault.Of(err); kind != fault.Invalid {
		t.Errorf("a method with blanks: %v", err)
	}
}
