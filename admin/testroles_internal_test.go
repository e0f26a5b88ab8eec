package admin

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"harken/admin/auth"
	"harken/internal/store/sqlite"
	"harken/inventory"
)

// Who applies a role gets its values; they are not in the store in the clear, and
// open for their own role, place and account only.
func TestRoleParams(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "h.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	sealer, err := auth.NewSealer(bytes.Repeat([]byte("x"), 32))
	if err != nil {
		t.Fatal(err)
	}
	a := &API{cfg: Config{Stores: db, Sealer: sealer, Now: time.Now}}
	c := &auth.Caller{Account: inventory.DefaultAccount, Store: db.Full(inventory.DefaultAccount)}
	want := []authParam{{inHeader, "x-a", "s3cret"}, {inBody, "b", ""}}
	made, err := a.addTestRole(t.Context(), c, addTestRoleRequest{RoleName: "r", AuthParamData: want})
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.roleParams(t.Context(), c, made.TestRole.ID)
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("roleParams = %v, %v; want %v", got, err, want)
	}
	if got, err := a.roleParams(t.Context(), c, "none"); err != nil || got != nil {
		t.Errorf("roleParams of no role = %v, %v", got, err)
	}
	defs, err := c.Store.Definitions(t.Context(), inventory.TestRoles)
	if err != nil || len(defs) != 1 || bytes.Contains(defs[0].Doc, []byte("s3cret")) {
		t.Fatalf("the store has %s, %v", defs[0].Doc, err)
	}
	moved := defs[0]
	moved.ID = "another"
	if err := c.Store.PutDefinition(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	if got, err := a.roleParams(t.Context(), c, "another"); err == nil {
		t.Errorf("a value opens for another role: %v", got)
	}
}
