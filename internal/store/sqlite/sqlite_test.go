package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"harken/internal/store/sqlite"
	"harken/internal/store/storetest"
	"harken/inventory"
)

// empty is the file of a store in which nothing is.
var empty = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "harken-sqlite-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "h.db")
	db, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func open(tb testing.TB, path string) *sqlite.DB {
	tb.Helper()
	if _, err := os.Stat(path); err != nil { // a copy is made sooner than tables are
		b, err := empty()
		if err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	db, err := sqlite.Open(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) inventory.Stores {
		t.Helper()
		return open(t, filepath.Join(t.TempDir(), "h.db"))
	})
}

func TestReopenKeepsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?#%.db")
	u := sampleUpdate(3, 1)
	u.Marks = map[inventory.Mark]int64{{Log: "l"}: 9}
	for i := range 3 {
		db, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Account(inventory.DefaultAccount).HostCollection(t.Context(), "pan.example", 1); err != nil {
			t.Fatal(err)
		}
		if c, err := db.Account(inventory.DefaultAccount).HostCollection(t.Context(), "pc0.example", 1); err != nil || c.ID != -991632102 {
			t.Errorf("open %d: pc0.example has id %d, %v", i, c.ID, err)
		}
		if err := db.Apply(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		e, err := db.Account(inventory.DefaultAccount).Endpoint(t.Context(), u.Accounts[inventory.DefaultAccount].Endpoints[0].EndpointKey)
		if err != nil || e.Count != int64(i+1) {
			t.Errorf("open %d: count %d, %v", i, e.Count, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v; want 0600", st.Mode(), err)
	}
}

// TestYearOfTraffic records around the clock for a year: the file grows no further
// once the counts have reached their bounds.
func TestYearOfTraffic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h.db")
	db := open(t, path)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	sizes := map[int]int64{}
	for day := range 365 {
		for hour := range 4 {
			at := start.AddDate(0, 0, day).Add(time.Duration(hour*6) * time.Hour).Unix()
			u := sampleUpdate(15, 0)
			es := u.Accounts[inventory.DefaultAccount].Endpoints
			for i := range es {
				es[i].Traffic = []inventory.TrafficCount{{Start: at, Status: 200, Count: 7}, {Start: at, Status: 302, Count: 1}}
				es[i].Discovered, es[i].LastSeen = at, at
				es[i].Params = append(es[i].Params, inventory.Param{
					// Something new every week, for which change rows are made.
					ParamKey: inventory.ParamKey{ResponseCode: 500, Name: fmt.Sprint("p", day/7%8), Type: "GENERIC"}, Count: 1, FirstSeen: at, LastSeen: at,
				})
			}
			if err := db.Apply(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
		if day%30 == 29 {
			if err := db.Compact(t.Context(), start.AddDate(0, 0, day).Unix()); err != nil {
				t.Fatal(err)
			}
		}
		if day == 119 || day == 364 {
			sizes[day] = pages(t, path)
		}
	}
	if sizes[364] > sizes[119]*11/10 {
		t.Errorf("%d pages after a year, %d after four months", sizes[364], sizes[119])
	}
	total := int64(0)
	sums, err := db.Full(inventory.DefaultAccount).CollectionTraffic(t.Context(), nil)
	for _, c := range sums {
		total += c.Count
	}
	if want := int64(15 * 4 * 8 * inventory.TrafficDays); err != nil || total < want-15*4*8 || total > want {
		t.Errorf("%d exchanges are counted, %v; want those of %d days: %d", total, err, inventory.TrafficDays, want)
	}
}

func pages(tb testing.TB, path string) (n int64) {
	tb.Helper()
	raw, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		tb.Fatal(err)
	}
	defer raw.Close()
	if err := raw.QueryRowContext(tb.Context(), "SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count").Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

// TestOldFile opens a file of the first version and learns into it.
func TestOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h.db")
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	u := sampleUpdate(3, 1)
	if err := db.Apply(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range later(t, raw) {
		if _, err := raw.ExecContext(t.Context(), "DROP "+what); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := raw.ExecContext(t.Context(), "ALTER TABLE auth_users DROP COLUMN named; ALTER TABLE auth_organizations DROP COLUMN named; "+
		"DROP INDEX auth_members_account; ALTER TABLE auth_grants DROP COLUMN restricted; ALTER TABLE auth_keys DROP COLUMN sealed"); err != nil {
		t.Fatal(err)
	}
	if _, err := raw.ExecContext(t.Context(), "ALTER TABLE endpoints DROP COLUMN traffic; DROP INDEX collections_groups; ALTER TABLE collections DROP COLUMN conditions; PRAGMA user_version = 2"); err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path)
	if err := db.Apply(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	e, err := db.Full(inventory.DefaultAccount).Endpoint(t.Context(), u.Accounts[inventory.DefaultAccount].Endpoints[0].EndpointKey)
	if err != nil || e.Count != 2 {
		t.Errorf("endpoint = %+v, %v; want it counted twice", e, err)
	}
}

// later are the triggers and tables that the first two versions did not have.
func later(t *testing.T, raw *sql.DB) (all []string) {
	t.Helper()
	rows, err := raw.QueryContext(t.Context(), `SELECT type || ' ' || name FROM sqlite_master WHERE type IN ('table', 'trigger') AND name NOT LIKE 'sqlite_%' AND name NOT IN (
		'auth_organizations', 'auth_accounts', 'auth_users', 'auth_members', 'auth_grants', 'auth_keys', 'auth_sessions',
		'collections', 'endpoints', 'param_types', 'samples', 'marks', 'dropped') ORDER BY type DESC, name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		all = append(all, name)
	}
	return all
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	refused := func(path, want string) {
		t.Helper()
		db, err := sqlite.Open(t.Context(), path)
		if err == nil {
			_ = db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%s) = %v, want an error with %q", path, err, want)
		}
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	refused(filepath.Join(dir, "none", "h.db"), "no such file or directory")
	refused(write("text.db", "this is my diary, and no database"), "not a SQLite database")
	refused(write("short.db", "x"), "not a SQLite database")
	refused(filepath.Join(write("file", "x"), "h.db"), "not a directory")
	if os.Getuid() != 0 {
		locked := filepath.Join(dir, "locked")
		if err := os.Mkdir(locked, 0o500); err != nil {
			t.Fatal(err)
		}
		refused(filepath.Join(locked, "h.db"), "must be writable")
	}

	exec := func(path, query string) string {
		raw, err := sql.Open("sqlite", "file:"+path)
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		if _, err := raw.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
		return path
	}
	refused(exec(filepath.Join(dir, "other.db"), "CREATE TABLE notes (x)"), "of another program")
	newer := filepath.Join(dir, "newer.db")
	db, err := sqlite.Open(t.Context(), newer)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	refused(exec(newer, "PRAGMA user_version = 4711"), "newer version (4711)")
}

// TestReadersDoNotWait reads while a transaction of the writer is open.
func TestReadersDoNotWait(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "h.db"))
	if err := db.Apply(t.Context(), sampleUpdate(10, 1)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := db.Apply(t.Context(), sampleUpdate(300, 1)); err != nil {
				t.Error(err)
			}
		}
	})
	for range 200 {
		if es, err := db.Account(inventory.DefaultAccount).Endpoints(t.Context(), 0, 0, 10); err != nil || len(es) != 10 {
			t.Errorf("while writing: %d endpoints, %v", len(es), err)
		}
	}
	cancel()
	wg.Wait()
}

// sampleUpdate has n endpoints with a dozen params each.
func sampleUpdate(n, from int) *inventory.Update {
	u := &inventory.AccountUpdate{}
	for i := range n {
		e := inventory.Endpoint{
			EndpointKey: inventory.EndpointKey{URL: fmt.Sprintf("/shop/orders/%07d/items", from+i), Method: "GET"},
			Count:       1, Discovered: 1767225600, LastSeen: 1767225600, APIType: "REST", AuthTypes: [][]string{{"BEARER"}},
			ResponseCodes: []int{200}, Sources: map[string]int64{"MIRRORING": 1767225600}, Origins: []string{"https://api.shop.example"},
		}
		for p := range 12 {
			e.Params = append(e.Params, inventory.Param{
				ParamKey: inventory.ParamKey{ResponseCode: 200, Name: fmt.Sprintf("order#field%02d", p), Type: "GENERIC"},
				Count:    1, FirstSeen: 1767225600, LastSeen: 1767225600, Values: []string{"some value"},
			})
		}
		u.Endpoints = append(u.Endpoints, e)
	}
	return &inventory.Update{Accounts: map[int32]*inventory.AccountUpdate{inventory.DefaultAccount: u}}
}

func BenchmarkApplyNew(b *testing.B) {
	db := open(b, filepath.Join(b.TempDir(), "h.db"))
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
}

func BenchmarkApplyAgain(b *testing.B) {
	db := open(b, filepath.Join(b.TempDir(), "h.db"))
	var us []*inventory.Update
	for i := range 20 {
		us = append(us, sampleUpdate(1000, 1000*i))
		if err := db.Apply(b.Context(), us[i]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if err := db.Apply(b.Context(), us[n%len(us)]); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(n*1000)/b.Elapsed().Seconds(), "endpoints/s")
}
