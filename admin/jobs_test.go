package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"harken/admin"
	"harken/har"
	"harken/internal/job"
	"harken/inventory"
)

// sample COLLECTION METHOD URL FILE stores each line of FILE, a HAR entry, as a
// sample of an endpoint, which is made if there is none. COLLECTION may be the name
// of a host.
func cmdSample(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: sample collection method url file")
	}
	w := ts.Value("world").(*world)
	id, err := strconv.Atoi(args[0])
	if err != nil {
		col, err := w.db.Account(inventory.DefaultAccount).HostCollection(context.Background(), args[0], now)
		ts.Check(err)
		id = int(col.ID)
	}
	k := inventory.EndpointKey{Collection: int32(id), Method: args[1], URL: args[2]}
	up := &inventory.AccountUpdate{Endpoints: []inventory.Endpoint{{EndpointKey: k, Count: 1, Discovered: now, LastSeen: now}}}
	for line := range strings.Lines(ts.ReadFile(args[3])) {
		var e har.Entry
		ts.Check(json.Unmarshal([]byte(line), &e))
		up.Samples = append(up.Samples, inventory.Sample{
			Endpoint: k, Time: now, Account: inventory.DefaultAccount, Source: "MIRRORING", Data: []byte(strings.TrimSpace(line)),
		})
	}
	ts.Check(w.db.Apply(context.Background(), &inventory.Update{Accounts: map[int32]*inventory.AccountUpdate{inventory.DefaultAccount: up}}))
}

// access COLLECTION prints the access types of a collection and its endpoints.
func cmdAccess(ts *testscript.TestScript, _ bool, args []string) {
	st := ts.Value("world").(*world).db.Account(inventory.DefaultAccount)
	id, err := strconv.Atoi(args[0])
	ts.Check(err)
	col, err := st.Collection(context.Background(), int32(id))
	ts.Check(err)
	_, _ = fmt.Fprintf(ts.Stdout(), "%q\n", col.AccessType)
	es, err := st.Endpoints(context.Background(), int32(id), 0, 100)
	ts.Check(err)
	for i := range es {
		_, _ = fmt.Fprintln(ts.Stdout(), es[i].URL, es[i].AccessTypes)
	}
}

// jobs waits until all jobs have ended and prints them, oldest first.
func cmdJobs(ts *testscript.TestScript, _ bool, _ []string) {
	all, err := ts.Value("world").(*world).api.JobsEnded(context.Background(), inventory.DefaultAccount)
	ts.Check(err)
	for i := range all {
		_, _ = fmt.Fprintf(ts.Stdout(), "%d %s %s %s %s\n", all[i].ID, all[i].Kind, all[i].State, all[i].Args, all[i].Error)
	}
}

// A process that ends leaves its jobs to the next one.
func TestJobsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	w, err := newWorld(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.stop(); err != nil { // nothing runs jobs now
		t.Fatal(err)
	}
	w.stop = func() error { return nil }
	w.want(t, 200, "admin", "POST", "/api/applyAccessType", strings.NewReader(""))
	j, _, err := w.db.Jobs(t.Context(), job.Filter{Account: inventory.DefaultAccount}, 0, 10)
	if err != nil || len(j) != 1 || j[0].State != job.Queued {
		t.Fatalf("jobs = %+v, %v", j, err)
	}
	// As if it had been killed in the middle.
	if _, ok, err := w.db.TakeJob(t.Context(), now); err != nil || !ok {
		t.Fatal(ok, err)
	}
	w.close()

	next, err := reopen(t.Context(), filepath.Join(dir, "harken.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer next.close()
	ended, err := next.api.JobsEnded(t.Context(), inventory.DefaultAccount)
	if err != nil || len(ended) != 1 || ended[0].State != job.Succeeded || ended[0].Tries != 2 {
		t.Errorf("after the start: %+v, %v", ended, err)
	}
}

// changed notices when samples of an endpoint came between reading and storing.
type changing struct {
	inventory.Stores
	full func(inventory.FullStore) inventory.FullStore
}

func (c changing) Full(id int32) inventory.FullStore { return c.full(c.Stores.Full(id)) }

type slipping struct {
	inventory.FullStore
	edits *int
	slip  func()
}

func (s slipping) EditEndpoints(ctx context.Context, keys []inventory.EndpointKey, edit func(*inventory.Endpoint) (bool, error)) (int, error) {
	*s.edits++
	s.slip()
	return s.FullStore.EditEndpoints(ctx, keys, edit)
}

// An exchange that is learned while the job works is not forgotten.
func TestAccessTypesWhileLearning(t *testing.T) {
	k := inventory.EndpointKey{Collection: 7, Method: "GET", URL: "/a"}
	entry := func(ip string) []byte {
		return fmt.Appendf(nil, `{"request":{"method":"GET","url":"http://h/a"},"response":{"status":200},"_harken":{"direction":"1","client":"%s:1"}}`, ip)
	}
	learned := func(w *world, ip, access string) {
		err := w.db.Apply(t.Context(), &inventory.Update{Accounts: map[int32]*inventory.AccountUpdate{inventory.DefaultAccount: {
			Endpoints: []inventory.Endpoint{{EndpointKey: k, Count: 1, AccessTypes: []string{access}}},
			Samples:   []inventory.Sample{{Endpoint: k, Time: now, Account: inventory.DefaultAccount, Data: entry(ip)}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, busy := range []int{1, 100} { // once, and for every round
		var w *world
		edits := 0
		w = start(t, func(c *admin.Config) {
			c.Stores = changing{c.Stores, func(f inventory.FullStore) inventory.FullStore {
				return slipping{f, &edits, func() {
					if edits <= busy {
						learned(w, "8.8.8.8", "PUBLIC")
					}
				}}
			}}
		})
		learned(w, "10.0.0.1", "PARTNER")
		w.want(t, 200, "admin", "POST", "/api/applyAccessType", strings.NewReader(""))
		if js, err := w.api.JobsEnded(t.Context(), inventory.DefaultAccount); err != nil || js[0].State != job.Succeeded {
			t.Fatal(js, err)
		}
		e, err := w.db.Account(inventory.DefaultAccount).Endpoint(t.Context(), k)
		if got := fmt.Sprint(e.AccessTypes); err != nil || got != "[PRIVATE PUBLIC]" {
			t.Errorf("busy %d: access types = %s after %d edits, %v", busy, got, edits, err)
		}
	}
}
