package learn_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"harken/ingest"
	"harken/ingest/learn"
	"harken/internal/store/sqlite"
	"harken/inventory"
	"harken/inventory/pathtmpl"
)

var shop = inventory.HashID("api.shop.com")

// setOf reads the templates of a collection as the control API does.
func setOf(tb testing.TB, db *sqlite.DB) (*pathtmpl.Set, inventory.TemplateState) {
	tb.Helper()
	full := db.Full(account)
	state, err := full.TemplateState(tb.Context(), shop)
	if err != nil {
		tb.Fatal(err)
	}
	set := pathtmpl.NewSet(pathtmpl.Options{})
	if len(state.Data) > 0 {
		if set, err = pathtmpl.ParseState(state.Data, pathtmpl.Options{}); err != nil {
			tb.Fatal(err)
		}
	}
	blocked := set.Blocked()
	if err := full.Keys(tb.Context(), shop, func(k inventory.EndpointKey) error {
		if !slices.Contains(blocked, pathtmpl.Blocked{Method: k.Method, Template: k.URL}) {
			set.Add(k.Method, k.URL)
		}
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
	return set, state
}

// edit changes the templates of a collection as the control API does.
func edit(tb testing.TB, db *sqlite.DB, l *learn.Learner, change func(*pathtmpl.Set)) {
	tb.Helper()
	for {
		set, state := setOf(tb, db)
		change(set)
		state.Data, state.Due = set.AppendState(nil), true
		_, err := db.Full(account).PutTemplateState(tb.Context(), shop, state)
		if inventory.Conflict(err) {
			continue
		}
		if err != nil {
			tb.Fatal(err)
		}
		break
	}
	if l != nil {
		if err := l.Settle(tb.Context()); err != nil {
			tb.Fatal(err)
		}
	}
}

// A stream is traffic that flows while a test does something else.
type stream struct {
	t    *testing.T
	db   *sqlite.DB
	l    *learn.Learner
	src  *source
	stop func()
	sent int64
	urls func(n int64) string
}

func (s *stream) start() {
	s.t.Helper()
	s.src = newSource(7)
	s.l, s.stop = start(s.t, learn.Config{Source: s.src, Stores: s.db, FlushRecords: 50, FlushEvery: 5 * time.Millisecond, MergeEvery: 4 * time.Millisecond})
}

// flow sends records while do works, and at least n of them; then all are stored
// and look-alikes were looked for.
func (s *stream) flow(n int, do func()) {
	s.t.Helper()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				if i >= n {
					return
				}
			default:
				if i >= n+300 { // enough, however slow the machine is
					<-done
					return
				}
			}
			s.sent++
			x := get("https://api.shop.com" + s.urls(s.sent))
			x.responseType, x.response = "application/json", `{"a":1}`
			s.src.add(x.record(s.sent))
		}
	})
	do()
	close(done)
	wg.Wait()
	if err := s.l.WaitFor(s.t.Context(), mark, s.sent); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, func() bool {
		due, err := s.db.MergeDue(s.t.Context())
		return err == nil && len(due) == 0
	})
}

func eventually(tb testing.TB, done func() bool) {
	tb.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatal("it does not come about")
		}
	}
}

func (s *stream) counts() map[string]int64 {
	s.t.Helper()
	out := map[string]int64{}
	for _, e := range inventoryOf(s.t, s.db, account) {
		out[e.URL] = e.Count
		out["all"] += e.Count
	}
	return out
}

// What people say of templates holds while traffic flows, and over restarts.
func TestPeople(t *testing.T) {
	t.Parallel()
	const tmpl = "/vendors/STRING/stats"
	s := stream{t: t, db: openStore(t), urls: func(n int64) string {
		return "/vendors/" + opaque(int(n*7)%40) + "/stats"
	}}
	full := s.db.Full(account)
	s.start()
	s.flow(60, func() {})
	if c := s.counts(); c[tmpl] != 60 || len(c) != 2 {
		t.Fatalf("before: %v", c)
	}
	s.stop() // evidence is stored at the end
	s.start()
	set, _ := setOf(t, s.db)
	ex := set.Explain("GET", "/vendors/"+opaque(3)+"/stats")
	if ex.Rule != pathtmpl.RuleBodySimilar || len(ex.Placeholders) != 1 || ex.Placeholders[0].Distinct != 40 || len(ex.Placeholders[0].Examples) == 0 || len(ex.FirstPaths) == 0 {
		t.Errorf("Explain = %+v", ex)
	}

	// A template that was split is never made again.
	var gone int64
	s.flow(200, func() {
		edit(t, s.db, s.l, func(set *pathtmpl.Set) { set.Split("GET", tmpl, nil) })
		e, err := full.Endpoint(t.Context(), inventory.EndpointKey{Collection: shop, URL: tmpl, Method: "GET"})
		if err != nil {
			t.Error(err)
		}
		gone = e.Count
		if _, err := full.DeleteEndpoints(t.Context(), []inventory.EndpointKey{e.EndpointKey}); err != nil {
			t.Error(err)
		}
	})
	whole := func(when string) {
		t.Helper()
		c := s.counts()
		if c[tmpl] != 0 || c["all"]+gone != s.sent || len(c) != 41 {
			t.Errorf("%s: %d of %d are lost, %d URLs, %d in the template", when, s.sent-c["all"]-gone, s.sent, len(c)-1, c[tmpl])
		}
	}
	whole("split")
	s.stop()
	s.start()
	s.flow(100, func() {})
	whole("split and restarted")
	set, _ = setOf(t, s.db)
	if got := fmt.Sprint(set.Blocked()); got != "[{GET "+tmpl+"}]" {
		t.Errorf("Blocked = %s", got)
	}

	// What is merged by a person has the history of all; what is pinned stays.
	pinned := "/vendors/" + opaque(5) + "/stats"
	s.flow(200, func() {
		edit(t, s.db, s.l, func(set *pathtmpl.Set) { set.Pin("GET", pinned) })
		var absorbed []string
		edit(t, s.db, s.l, func(set *pathtmpl.Set) {
			var urls []string
			set.All(func(_, url string) bool { urls = append(urls, url); return true })
			absorbed, _ = set.MergeUser("GET", tmpl, urls)
		})
		if len(absorbed) != 39 {
			t.Errorf("MergeUser takes %d", len(absorbed))
		}
		if err := full.Absorb(t.Context(), inventory.Absorption{Collection: shop, Method: "GET", Template: tmpl, URLs: absorbed}); err != nil {
			t.Error(err)
		}
	})
	for range 2 {
		c := s.counts()
		if len(c) != 3 || c[pinned] == 0 || c[tmpl]+c[pinned]+gone != s.sent {
			t.Errorf("merged: %v of %d, %d were split off", c, s.sent, gone)
		}
		s.stop()
		s.start()
		s.flow(100, func() {})
	}
	set, _ = setOf(t, s.db)
	if ex := set.Explain("GET", pinned); !ex.Pinned || ex.IsTemplate {
		t.Errorf("Explain of what is pinned = %+v", ex)
	}
	if ex := set.Explain("GET", "/vendors/"+opaque(6)+"/stats"); ex.URL != tmpl || ex.Rule&pathtmpl.RuleUser == 0 || ex.Placeholders[0].Distinct < 30 {
		t.Errorf("Explain of what was merged = %+v", ex)
	}
}

// A template that a document names is seeded by way of the store, as imports do.
func TestSeeded(t *testing.T) {
	t.Parallel()
	s := stream{t: t, db: openStore(t), urls: func(n int64) string { return fmt.Sprintf("/pets/%d", n%9) }}
	s.start()
	s.flow(30, func() {})
	s.flow(50, func() {
		edit(t, s.db, s.l, func(set *pathtmpl.Set) { set.Seed("GET", pathtmpl.FromBraces("/pets/{petId}")) })
	})
	if c := s.counts(); c["/pets/STRING"] != s.sent || len(c) != 2 {
		t.Errorf("%d sent: %v", s.sent, c)
	}
}

// slowly is a store that notes what comes between absorptions.
type slowly struct {
	inventory.Stores
	mu      sync.Mutex
	events  []string
	most    int
	longest time.Duration
}

func (s *slowly) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.events); n == 0 || s.events[n-1] != what {
		s.events = append(s.events, what)
	}
}

func (s *slowly) Full(account int32) inventory.FullStore {
	return slowlyAccount{s.Stores.Full(account), s}
}

func (s *slowly) Apply(ctx context.Context, u *inventory.Update) error {
	s.note("apply")
	return s.Stores.Apply(ctx, u)
}

type slowlyAccount struct {
	inventory.FullStore
	s *slowly
}

func (a slowlyAccount) Absorb(ctx context.Context, in inventory.Absorption) error {
	a.s.note("absorb")
	a.s.mu.Lock()
	a.s.most = max(a.s.most, len(in.URLs))
	a.s.mu.Unlock()
	begin := time.Now()
	err := a.FullStore.Absorb(ctx, in)
	a.s.mu.Lock()
	a.s.longest = max(a.s.longest, time.Since(begin))
	a.s.mu.Unlock()
	return err
}

// What is absorbed by thousands is absorbed in pieces; learning goes on between.
func TestAbsorbInPieces(t *testing.T) {
	t.Parallel()
	n := 4000
	if raceEnabled {
		n = 500
	}
	db := openStore(t)
	slow := &slowly{Stores: db}
	if _, err := db.Account(account).HostCollection(t.Context(), "api.shop.com", 1); err != nil {
		t.Fatal(err)
	}
	const tmpl = "/vendors/STRING/stats"
	edit(t, db, nil, func(set *pathtmpl.Set) { set.Block("GET", tmpl) })
	record := func(i int) *ingest.Record {
		x := get("https://api.shop.com/vendors/" + opaque(i%n) + "/stats")
		x.responseType, x.response = "application/json", `{"a":1}`
		return x.record(int64(i + 1))
	}
	src := newSource(10)
	l, stop := start(t, learn.Config{Source: src, Stores: slow, MergeEvery: time.Millisecond, FlushEvery: time.Millisecond})
	sent := 0
	for ; sent < n; sent++ {
		src.add(record(sent))
	}
	if err := l.WaitFor(t.Context(), mark, int64(sent)); err != nil {
		t.Fatal(err)
	}
	edit(t, db, l, func(set *pathtmpl.Set) { set.Unblock("GET", tmpl) })
	eventually(t, func() bool {
		if sent < 2*n {
			src.add(record(sent))
			sent++
		}
		due, err := db.MergeDue(t.Context())
		return err == nil && len(due) == 0
	})
	if err := l.WaitFor(t.Context(), mark, int64(sent)); err != nil {
		t.Fatal(err)
	}
	stop()
	got := inventoryOf(t, db, account)
	if len(got) != 1 || got[0].URL != tmpl || got[0].Count != int64(sent) {
		t.Errorf("%d endpoints, first %s with %d of %d", len(got), got[0].URL, got[0].Count, sent)
	}
	first, last := slices.Index(slow.events, "absorb"), len(slow.events)-1
	for last >= 0 && slow.events[last] != "absorb" {
		last--
	}
	if between := slices.Index(slow.events[first:max(first, last)], "apply"); between < 0 || slow.most > n/2 {
		t.Errorf("%d URLs at once, %d events in the time of absorptions, an update at %d", slow.most, last-first, between)
	}
	t.Logf("at most %d of %d URLs at once; longest took %v; %d events meanwhile", slow.most, n, slow.longest, last-first)
}

// Where the process dies before the first look for look-alikes, it is known again
// why a template exists.
func TestRuleAfterKill(t *testing.T) {
	t.Parallel()
	db := openStore(t)
	learnAll(t, db, get("https://api.shop.com/users/1").record(1), get("https://api.shop.com/inv/inv20240017").record(2))
	// As if the state had not been stored.
	if _, err := db.Full(account).PutTemplateState(t.Context(), shop, inventory.TemplateState{Version: 1, Data: pathtmpl.NewSet(pathtmpl.Options{}).AppendState(nil), Due: true}); err != nil {
		t.Fatal(err)
	}
	learnAll(t, db, get("https://api.shop.com/users/2").record(3))
	set, err := pathtmpl.ParseState(mustState(t, db), pathtmpl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]pathtmpl.Rule{"/users/INTEGER": pathtmpl.RuleNumber, "/inv/STRING": pathtmpl.RuleAlnum} {
		if ex := set.Explain("GET", path); ex.Rule != want || ex.Placeholders[0].Distinct == 0 {
			t.Errorf("Explain(%s) = %+v", path, ex)
		}
	}
}

func mustState(tb testing.TB, db *sqlite.DB) []byte {
	tb.Helper()
	state, err := db.Full(account).TemplateState(tb.Context(), shop)
	if err != nil {
		tb.Fatal(err)
	}
	return state.Data
}

// Collections of MCP servers are not merged, methods of calls never templates.
func TestMCP(t *testing.T) {
	t.Parallel()
	names := strings.Fields("zxqv kplm qztw wjxk vbnq hgfz tqpl mzrk dxvw jqkn pwzt")
	learned := func(tag string) []string {
		db := openStore(t)
		if _, err := db.Account(account).HostCollection(t.Context(), "api.shop.com", 1); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Full(account).EditCollections(t.Context(), []int32{shop}, func(c *inventory.Collection) (bool, error) {
			c.Tags = []inventory.Tag{{KeyName: tag, Value: "x"}}
			return true, nil
		}); err != nil {
			t.Fatal(err)
		}
		rpc := get("https://api.shop.com/mcp/v20241105a")
		rpc.method, rpc.headers, rpc.body = "POST", []string{"content-type: application/json"}, `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`
		xs := []exchange{rpc}
		for _, n := range names {
			xs = append(xs, vendor(n, `{"a":1}`))
		}
		learnAll(t, db, records(xs...)...)
		return urls(t, db)
	}
	want := []string{"GET /vendors/STRING/stats 11", "POST /mcp/v20241105a/tools/call 1"}
	if got := learned("other"); !slices.Equal(got, want) {
		t.Errorf("not tagged: %v", got)
	}
	if got := learned("mcp-server"); len(got) != 12 || slices.Contains(got, want[0]) {
		t.Errorf("tagged: %v", got)
	}
}

// handleApisCaseInsensitive is followed at once, and unites what there is.
func TestIgnoreCase(t *testing.T) {
	t.Parallel()
	s := stream{t: t, db: openStore(t), urls: func(n int64) string {
		return []string{"/Users/7", "/users/8/", "/About", "/about", "/ABOUT"}[n%5]
	}}
	s.start()
	s.flow(20, func() {})
	if c := s.counts(); len(c) != 6 {
		t.Errorf("case matters: %v", c)
	}
	ignore := func(yes bool) {
		full := s.db.Full(account)
		settings, err := full.Settings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		settings.IgnoreCase = yes
		if _, err := full.PutSettings(t.Context(), settings); err != nil {
			t.Fatal(err)
		}
		if err := s.l.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.flow(40, func() { ignore(true) })
	s.flow(10, func() {})
	eventually(t, func() bool {
		n := 0
		err := s.db.Account(account).Keys(t.Context(), shop, func(inventory.EndpointKey) error { n++; return nil })
		return err == nil && n == 2
	})
	if c := s.counts(); c["/about"]+c["/users/INTEGER"] != s.sent {
		t.Errorf("case does not matter, %d sent: %v", s.sent, c)
	}
	s.flow(10, func() { ignore(false) })
	s.flow(10, func() {}) // the former ones may all have come before
	if c := s.counts(); c["/Users/INTEGER"] == 0 || c["all"] != s.sent {
		t.Errorf("case matters again, %d sent: %v", s.sent, c)
	}
}
