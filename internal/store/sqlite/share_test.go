package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"harken/admin/auth"
	"harken/inventory/fault"
)

func openHere(t *testing.T) *DB {
	t.Helper()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "h.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

var errOdd = errors.New("odd")

// Writes that share a transaction are all there once they have returned, but for
// those that failed, of which nothing is.
func TestShare(t *testing.T) {
	db := openHere(t)
	put := func(i int) func(context.Context, *sql.Tx) error {
		return func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO plans VALUES (?, 'p', 0)", fmt.Sprint(i))
			if i%3 == 1 {
				return errOdd
			}
			if i%3 == 2 {
				panic("odd")
			}
			return err
		}
	}
	one := func(i int) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v", v)
			}
		}()
		return db.share(t.Context(), put(i))
	}
	// The writer is taken, so that all of them wait for one transaction.
	held, err := db.w.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	const n = 200
	for i := range n {
		wg.Go(func() {
			err := one(i)
			var there bool
			if rerr := db.r.QueryRowContext(t.Context(), "SELECT EXISTS (SELECT 1 FROM plans WHERE organization = ?)", fmt.Sprint(i)).Scan(&there); rerr != nil {
				t.Error(rerr)
			}
			want := map[int]string{0: "<nil>", 1: "odd", 2: "panic: odd"}[i%3]
			if fmt.Sprint(err) != want || there != (i%3 == 0) {
				t.Errorf("write %d: %v, there %v", i, err, there)
			}
		})
	}
	if err := held.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.share(canceled, put(0)); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled write: %v", err)
	}
}

// A write that panics gives the writer back.
func TestWritePanics(t *testing.T) {
	db := openHere(t)
	func() {
		defer func() { _ = recover() }()
		_ = db.write(t.Context(), func(context.Context, *sql.Tx) error { panic("odd") })
	}()
	if err := db.PutPlan(t.Context(), "o", "p", 1); err != nil {
		t.Error(err)
	}
}

// Nobody is told what a rolled back transaction would have been: a transaction
// that cannot be committed is everybody's error.
func TestShareCommitFails(t *testing.T) {
	db := openHere(t)
	held, err := db.w.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			err := db.share(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, "INSERT INTO plans VALUES (?, 'p', 0)", fmt.Sprint(i))
				if i == 5 { // as SQLite does when the disk is full
					_, err = tx.ExecContext(ctx, "ROLLBACK")
				}
				return err
			})
			var there bool
			if rerr := db.r.QueryRowContext(t.Context(), "SELECT EXISTS (SELECT 1 FROM plans WHERE organization = ?)", fmt.Sprint(i)).Scan(&there); rerr != nil {
				t.Error(rerr)
			}
			if (err == nil) != there {
				t.Errorf("write %d: %v, there %v", i, err, there)
			}
		})
	}
	if err := held.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := db.PutPlan(t.Context(), "o", "p", 1); err != nil {
		t.Errorf("after it: %v", err)
	}
}

// What changes who may do what is seen by the next call, also when it is another
// process that changes it; what cannot be read is an error.
func TestMemory(t *testing.T) {
	db := openHere(t)
	ctx := t.Context()
	hash := auth.HashToken("token")
	if _, err := db.Install(ctx, &auth.Installation{
		Organization: auth.Organization{ID: "o"}, Account: auth.Account{ID: 1000000, Organization: "o"},
		User:  auth.User{ID: 7, Email: "a@example.com", Accounts: []auth.Membership{{Account: 1000000}}},
		Grant: auth.Grant{User: 7, Account: 1000000, Role: "ADMIN"},
		Key:   auth.APIKey{ID: 9, Hash: hash, Account: 1000000, Owner: 7},
	}); err != nil {
		t.Fatal(err)
	}
	standing := func() auth.Standing {
		t.Helper()
		s, err := db.Standing(ctx, 7, 1000000)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if k, err := db.Key(ctx, hash); err != nil || k.Owner != 7 {
		t.Fatalf("Key = %+v, %v", k, err)
	}
	s := standing()
	s.User.Accounts[0].Account = 5 // what a caller does to it is theirs
	if s = standing(); !s.User.In(1000000) || s.Grant.Role != "ADMIN" {
		t.Errorf("Standing = %+v", s)
	}
	other, err := sql.Open("sqlite", "file:"+dbPath(t, db))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, step := range []struct {
		stmt string
		ok   func(auth.Standing) bool
	}{
		{"UPDATE auth_grants SET role = 'GUEST'", func(s auth.Standing) bool { return s.Grant.Role == "GUEST" }},
		{"UPDATE auth_grants SET collections = '[3]'", func(s auth.Standing) bool { return slices.Equal(s.Grant.Collections, []int32{3}) }},
		{"UPDATE auth_users SET name = 'N'", func(s auth.Standing) bool { return s.User.Name == "N" }},
		{"UPDATE auth_accounts SET name = 'A'", func(s auth.Standing) bool { return s.User.Accounts[0].Name == "A" }},
		{"UPDATE auth_grants SET role = 'LOOKER'", func(s auth.Standing) bool { return len(s.Roles) == 0 }},
		{"INSERT INTO auth_roles VALUES (1000000, 'LOOKER', 'GUEST', '[]', 0, '[]', 0, 0)", func(s auth.Standing) bool { return len(s.Roles) == 1 }},
		{"INSERT OR REPLACE INTO auth_roles VALUES (1000000, 'LOOKER', 'MEMBER', '[]', 0, '[]', 0, 0)", func(s auth.Standing) bool { return s.Roles[0].Base == auth.Member }},
		{"DELETE FROM auth_roles", func(s auth.Standing) bool { return len(s.Roles) == 0 }},
		{"DELETE FROM auth_members", func(s auth.Standing) bool { return !s.User.In(1000000) }},
	} {
		if _, err := other.ExecContext(ctx, step.stmt); err != nil {
			t.Fatalf("%s: %v", step.stmt, err)
		}
		if s := standing(); !step.ok(s) {
			t.Errorf("after %s: %+v", step.stmt, s)
		}
	}
	if ok, err := db.DeleteKey(ctx, 9, 7, 1000000); !ok || err != nil {
		t.Fatal(ok, err)
	}
	_, err = db.Key(ctx, hash)
	if kind, _ := fault.Of(err); err == nil || kind != fault.NotFound {
		t.Errorf("a key that was deleted: %v", err)
	}
	if _, err := other.ExecContext(ctx, "DROP TABLE auth_version"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Standing(ctx, 7, 1000000); err == nil {
		t.Error("Standing without a version is no error")
	}
}

func dbPath(t *testing.T, db *DB) string {
	t.Helper()
	var path string
	if err := db.r.QueryRowContext(t.Context(), "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&path); err != nil {
		t.Fatal(err)
	}
	return path
}
