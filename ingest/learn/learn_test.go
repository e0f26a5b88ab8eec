package learn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"harken/ingest"
	"harken/ingest/learn"
	"harken/ingest/spool"
	"harken/inventory"
)

func TestNewChecks(t *testing.T) {
	s, m := newSource(1), newMemory()
	for want, cfg := range map[string]learn.Config{
		"no source":   {Stores: m},
		"no stores":   {Source: s},
		"flush every": {Source: s, Stores: m, FlushEvery: time.Minute},
		"flush after": {Source: s, Stores: m, FlushRecords: -1},
		"cache of":    {Source: s, Stores: m, CacheBytes: -1},
	} {
		if _, err := learn.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want %q", err, want)
		}
	}
}

// random makes traffic that collides in endpoints, params and values.
func random(r *rand.Rand, n int) []exchange {
	var xs []exchange
	for range n {
		x := exchange{
			method: []string{"GET", "POST"}[r.IntN(2)],
			url: fmt.Sprintf("https://api%d.shop.com/%s/%d?q=%d", r.IntN(3), []string{"orders", "users", "files/inv2024" + fmt.Sprint(r.IntN(99))}[r.IntN(3)],
				r.IntN(1000), r.IntN(70)),
			headers:      []string{"authorization: " + []string{"Bearer x", "Basic y", "z"}[r.IntN(3)], "content-type: application/json"},
			body:         fmt.Sprintf(`{"a":%d,"b":%q,"c":[{"d":%t}]}`, r.IntN(100)-50, strings.Repeat("v", r.IntN(40)), r.IntN(2) == 0),
			status:       []int{200, 201, 302, 404}[r.IntN(4)],
			responseType: "application/json", response: fmt.Sprintf(`{"id":%d,"mail":"m%d@shop.com"}`, r.IntN(1<<40), r.IntN(10)),
			at: 1767225600 + int64(r.IntN(10000)), source: []string{"MIRRORING", "SDK", "HAR"}[r.IntN(3)],
		}
		xs = append(xs, x)
	}
	return xs
}

// TestOrderDoesNotMatter learns the same records in several orders, batches and
// flushes.
func TestOrderDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	xs := random(r, 600)
	var want []inventory.Endpoint
	var wantDropped map[string]int64
	for round := range 4 {
		s := openStore(t)
		src := newSource(1+r.IntN(200), records(xs...)...)
		l, stop := start(t, learn.Config{Source: src, Stores: s, FlushRecords: 1 + r.IntN(300), CacheBytes: int64(round) * 100_000})
		if err := l.WaitFor(t.Context(), mark, int64(len(xs))); err != nil {
			t.Fatal(err)
		}
		stop()
		got := inventoryOf(t, s, inventory.DefaultAccount)
		dropped, err := s.Account(inventory.DefaultAccount).Dropped(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			want, wantDropped = got, dropped
			var n int64
			for i := range got {
				n += got[i].Count
			}
			if n+dropped["status"] != int64(len(xs)) || dropped["status"] == 0 {
				t.Errorf("learned %d, dropped %v, of %d", n, dropped, len(xs))
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("round %d: another order gives another inventory (-first +this):\n%s", round, d)
		}
		if d := cmp.Diff(wantDropped, dropped); d != "" {
			t.Errorf("round %d: dropped (-first +this):\n%s", round, d)
		}
		r.Shuffle(len(xs), func(i, j int) { xs[i], xs[j] = xs[j], xs[i] })
	}
}

// TestRepeatsCountOnce gives records again, within a run and after a restart.
func TestRepeatsCountOnce(t *testing.T) {
	m := newMemory()
	rs := records(random(rand.New(rand.NewPCG(1, 1)), 200)...)
	learnAll(t, m, rs...)
	want := m.total()
	twice := append(append([]*ingest.Record{}, rs[100:]...), rs...)
	reg := prometheus.NewRegistry()
	src := newSource(30, append(twice, get("https://a.b/c").record(201))...)
	l, stop := start(t, learn.Config{Source: src, Stores: m, Registerer: reg})
	if err := l.WaitFor(t.Context(), mark, 201); err != nil {
		t.Fatal(err)
	}
	stop()
	if got := m.total(); got != want+1 {
		t.Errorf("counted %d, want %d", got, want+1)
	}
	if src.acked != len(src.rs) {
		t.Errorf("%d records of %d are acknowledged", src.acked, len(src.rs))
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP learner_records_total Records that the learner took, by what became of them.
# TYPE learner_records_total counter
learner_records_total{result="filtered"} 0
learner_records_total{result="learned"} 1
learner_records_total{result="probe"} 0
learner_records_total{result="repeat"} 300
learner_records_total{result="undecodable"} 0
`), "learner_records_total"); err != nil {
		t.Error(err)
	}
}

// TestStoreOutage fails some updates before they are stored, and some after.
func TestStoreOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.before = func(n int) error {
			if n%3 == 1 {
				return errOut
			}
			return nil
		}
		m.after = func(n int) error {
			if n%3 == 2 {
				return errors.New("the answer was lost")
			}
			return nil
		}
		var xs []exchange
		for i := range 500 {
			xs = append(xs, get(fmt.Sprintf("https://a.b/c%d", i%7)))
		}
		src := newSource(20, records(xs...)...)
		l, stop := start(t, learn.Config{Source: src, Stores: m, FlushRecords: 37})
		if err := l.WaitFor(t.Context(), mark, 500); err != nil {
			t.Fatal(err)
		}
		stop()
		if n := m.total(); n != 500 {
			t.Errorf("counted %d, want 500", n)
		}
		if src.acked != 500 {
			t.Errorf("acknowledged %d, want 500", src.acked)
		}
	})
}

// TestOutageIsBounded checks that a store that is out stops the reading, and that
// the end of the context ends the waiting.
func TestOutageIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.before = func(int) error { return errOut }
		var xs []exchange
		for range 500 {
			xs = append(xs, get("https://a.b/c"))
		}
		src := newSource(10, records(xs...)...)
		l, err := learn.New(learn.Config{Source: src, Stores: m, FlushRecords: 40})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		time.Sleep(time.Hour)
		src.mu.Lock()
		if src.at > 100 || src.acked != 0 {
			t.Errorf("%d records were taken, %d acknowledged, while the store was out", src.at, src.acked)
		}
		src.mu.Unlock()
		cancel()
		before := time.Now()
		if err := <-done; err == nil {
			t.Error("Run ended without an error, with records that are not stored")
		}
		if d := time.Since(before); d > 10*time.Second {
			t.Errorf("the end took %s", d)
		}
		m.before = nil
		src.rewind()
		learned, stop := start(t, learn.Config{Source: src, Stores: m})
		if err := learned.WaitFor(t.Context(), mark, 500); err != nil {
			t.Fatal(err)
		}
		stop()
		if n := m.total(); n != 500 {
			t.Errorf("counted %d after the outage, want 500", n)
		}
	})
}

// TestFlushByTime stores what came although nothing else comes.
func TestFlushByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		src := newSource(10)
		_, stop := start(t, learn.Config{Source: src, Stores: m})
		time.Sleep(10 * time.Second)
		for i := range int64(3) {
			src.add(get("https://a.b/c").record(i + 1))
			time.Sleep(learn.DefaultFlushEvery - time.Millisecond)
			synctest.Wait()
			if n := m.total(); n != i {
				t.Errorf("before the time: %d stored, want %d", n, i)
			}
			time.Sleep(2 * time.Millisecond)
			synctest.Wait()
			if n := m.total(); n != i+1 || src.acked != int(i+1) {
				t.Errorf("after the time: %d stored, %d acknowledged, want %d", n, src.acked, i+1)
			}
		}
		src.add(get("https://a.b/c").record(4))
		synctest.Wait()
		stop() // stores the rest
		if n := m.total(); n != 4 {
			t.Errorf("after the end: %d stored, want 4", n)
		}
	})
}

// TestWaitFor makes the learner store at once what someone waits for.
func TestWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		src := newSource(10, get("https://a.b/c").record(1))
		l, stop := start(t, learn.Config{Source: src, Stores: m, FlushEvery: 5 * time.Second})
		defer stop()
		from := time.Now()
		if err := l.WaitFor(t.Context(), mark, 1); err != nil {
			t.Error(err)
		}
		go src.add(get("https://a.b/c").record(2)) // comes while it is waited for
		if err := l.WaitFor(t.Context(), mark, 2); err != nil {
			t.Error(err)
		}
		if err := l.WaitFor(t.Context(), mark, 1); err != nil { // long stored
			t.Error(err)
		}
		if d := time.Since(from); d != 0 {
			t.Errorf("waiting took %s", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.WaitFor(ctx, mark, 99); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("WaitFor of what never comes = %v", err)
		}
	})
}

func TestSourceFails(t *testing.T) {
	m := newMemory()
	src := newSource(10, records(get("https://a.b/c"), get("https://a.b/c"))...)
	src.nextErr = errors.New("the log is damaged")
	l, err := learn.New(learn.Config{Source: src, Stores: m})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Run(t.Context()); !errors.Is(err, src.nextErr) {
		t.Errorf("Run = %v, want the error of the source", err)
	}
	if n := m.total(); n != 2 || src.acked != 2 {
		t.Errorf("stored %d, acknowledged %d, want 2", n, src.acked)
	}
}

func TestSourceEnds(t *testing.T) {
	m := newMemory()
	src := newSource(10, get("https://a.b/c").record(1))
	src.nextErr = io.EOF
	l, err := learn.New(learn.Config{Source: src, Stores: m})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Run(t.Context()); err != nil || m.total() != 1 || src.acked != 1 {
		t.Errorf("Run = %v, stored %d, acknowledged %d", err, m.total(), src.acked)
	}
}

// TestSpool learns from a log on disk, also what a restart gives again, and a
// record in the flat form.
func TestSpool(t *testing.T) {
	s := openStore(t)
	log, err := spool.Open(spool.Config{Dir: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	flat := &ingest.Record{}
	if err := flat.Parse([]byte(aktoShopOrder)); err != nil {
		t.Fatal(err)
	}
	rs := []*ingest.Record{flat}
	for i := range 300 {
		r := get(fmt.Sprintf("https://user:pass@a.b/c%d", i%7)).record(1)
		r.Origin = ingest.Origin{}
		rs = append(rs, r)
	}
	if err := log.Put(t.Context(), rs...); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		reader, err := log.Reader("learner")
		if err != nil {
			t.Fatal(err)
		}
		log.Seal()
		l, err := learn.New(learn.Config{Source: reader, Stores: s})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if reader.Acked() != 301 {
			t.Errorf("acknowledged %d of 301", reader.Acked())
		}
		if err := errors.Join(reader.Close(), log.Forget("learner")); err != nil { // from the start again
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	all := inventoryOf(t, s, inventory.DefaultAccount)
	var n int64
	for i := range all {
		n += all[i].Count
		if all[i].URL != "/shop/orders/INTEGER" && fmt.Sprint(all[i].Origins) != "[https://a.b]" {
			t.Errorf("origins = %v", all[i].Origins)
		}
	}
	if n != 301 || len(all) != 8 {
		t.Errorf("%d records of %d endpoints, want 301 of 8", n, len(all))
	}
	e, err := s.Account(inventory.DefaultAccount).Endpoint(t.Context(), inventory.EndpointKey{
		Collection: 1591742918, URL: "/shop/orders/INTEGER", Method: "POST",
	})
	if err != nil || e.Count != 1 || fmt.Sprint(e.AuthTypes) != "[[BEARER]]" {
		t.Errorf("the flat record: %+v, %v", e, err)
	}
}

const aktoShopOrder = `{"path":"/shop/orders/48213?expand=items&limit=20","method":"POST","type":"HTTP/1.1",
"requestHeaders":"{\"host\":\"api.shop.example\",\"content-type\":\"application/json\",\"authorization\":\"Bearer q7-demo\"}",
"requestPayload":"{\"coupon\":\"SPRING\",\"lines\":[{\"sku\":\"A-1\",\"qty\":2}]}",
"responseHeaders":"{\"content-type\":\"application/json\"}","responsePayload":"{\"id\":48213,\"paid\":true}","statusCode":"200",
"status":"200 OK","time":"1767225600","ip":"10.20.30.40:51544","akto_account_id":"1000000","akto_vxlan_id":"0","is_pending":"false",
"source":"MIRRORING","direction":"1"}`

// TestBadRecords counts what cannot be learned, and goes on.
func TestBadRecords(t *testing.T) {
	s := openStore(t)
	ignored := get("https://a.b/c")
	ignored.headers = []string{"X-Akto-Ignore: 0"}
	bad := get("https://a.b/c").record(2)
	bad.Data = []byte(`{"request":`)
	account := get("https://a.b/c").record(3)
	account.Account = "acme"
	rs := []*ingest.Record{ignored.record(1), bad, account, get("https://a.b/c").record(4)}
	reg := prometheus.NewRegistry()
	src := newSource(2, rs...)
	l, stop := start(t, learn.Config{Source: src, Stores: s, Registerer: reg})
	if err := l.WaitFor(t.Context(), mark, 4); err != nil {
		t.Fatal(err)
	}
	stop()
	all := inventoryOf(t, s, inventory.DefaultAccount)
	if len(all) != 1 || all[0].Count != 1 {
		t.Errorf("endpoints = %+v", all)
	}
	dropped, err := s.Account(inventory.DefaultAccount).Dropped(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]int64{"ignored": 1, "undecodable": 1}, dropped); d != "" {
		t.Errorf("dropped (-want +got):\n%s", d)
	}
	if n, err := testutil.GatherAndCount(reg, "records_dropped_total"); err != nil || n != 3 {
		t.Errorf("%d reasons in records_dropped_total, %v; want ignored, undecodable, account", n, err)
	}
	if src.acked != 4 {
		t.Errorf("acknowledged %d of 4", src.acked)
	}
}

// TestAccountsAndDeactivated keeps accounts apart and drops what belongs to a
// deactivated collection.
func TestAccountsAndDeactivated(t *testing.T) {
	s := openStore(t)
	if _, err := s.Account(7).AddCollection(t.Context(), inventory.Collection{ID: 5, Name: "off", Deactivated: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Account(7).AddCollection(t.Context(), inventory.Collection{ID: 6, Name: "redacted", Redact: true}); err != nil {
		t.Fatal(err)
	}
	off, redacted := get("https://a.b/c"), get("https://a.b/c?token=secret&n=5")
	off.account, off.source, off.collection = "7", "HAR", 5
	redacted.account, redacted.source, redacted.collection = "7", "HAR", 6
	learnAll(t, s, records(get("https://a.b/c"), off, redacted)...)
	if all := inventoryOf(t, s, inventory.DefaultAccount); len(all) != 1 {
		t.Errorf("account %d has %+v", inventory.DefaultAccount, all)
	}
	all := inventoryOf(t, s, 7)
	if len(all) != 1 || all[0].Collection != 6 {
		t.Fatalf("account 7 has %+v", all)
	}
	if d := cmp.Diff([]string{"-1 query n INTEGER_32 1x []", "-1 query token GENERIC 1x []"}, params(&all[0])); d != "" {
		t.Errorf("params of a redacted collection (-want +got):\n%s", d)
	}
	samples, err := s.Account(7).Samples(t.Context(), all[0].EndpointKey)
	if err != nil || len(samples) != 1 || bytes.Contains(samples[0].Data, []byte("secret")) || !bytes.Contains(samples[0].Data, []byte("token=****")) {
		t.Errorf("a redacted collection has samples: %+v, %v", samples, err)
	}
	if dropped, err := s.Account(7).Dropped(t.Context()); err != nil || dropped["deactivated"] != 1 {
		t.Errorf("dropped = %v, %v", dropped, err)
	}
}

// TestForget drops a collection's records as soon as it is deactivated.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		src := newSource(10, get("https://a.b/c").record(1))
		l, stop := start(t, learn.Config{Source: src, Stores: m})
		defer stop()
		learnt := func(seq, want int64) {
			t.Helper()
			if err := l.WaitFor(t.Context(), mark, seq); err != nil {
				t.Fatal(err)
			}
			if n := m.total(); n != want {
				t.Errorf("after %d records %d are stored, want %d", seq, n, want)
			}
		}
		learnt(1, 1)
		m.mu.Lock()
		m.deactivated = true
		m.mu.Unlock()
		src.add(get("https://a.b/c").record(2))
		learnt(2, 2) // it is not known yet
		l.Forget()
		synctest.Wait()
		src.add(get("https://a.b/c").record(3))
		learnt(3, 2)
		m.mu.Lock()
		m.deactivated = false
		m.mu.Unlock()
		time.Sleep(11 * time.Second) // state is read again by itself
		src.add(get("https://a.b/c").record(4))
		learnt(4, 3)
	})
}

// TestPanicCostsOneRecord makes the learning of one collection panic.
func TestPanicCostsOneRecord(t *testing.T) {
	m := newMemory()
	m.panics = inventory.HashID("bad.b")
	reg := prometheus.NewRegistry()
	src := newSource(10, records(get("https://a.b/c"), get("https://bad.b/c"), get("https://a.b/c"))...)
	l, stop := start(t, learn.Config{Source: src, Stores: m, Registerer: reg})
	if err := l.WaitFor(t.Context(), mark, 3); err != nil {
		t.Fatal(err)
	}
	stop()
	if n := m.total(); n != 2 {
		t.Errorf("stored %d, want 2", n)
	}
	if n, err := testutil.GatherAndCount(reg, "records_dropped_total"); err != nil || n != 1 {
		t.Errorf("records_dropped_total has %d reasons, %v; want panic", n, err)
	}
}

// TestSamplesAreTheNewest keeps ten, over flushes.
func TestSamplesAreTheNewest(t *testing.T) {
	s := openStore(t)
	var xs []exchange
	for range 57 {
		xs = append(xs, get("https://a.b/c"))
	}
	src := newSource(9, records(xs...)...)
	l, stop := start(t, learn.Config{Source: src, Stores: s, FlushRecords: 13})
	if err := l.WaitFor(t.Context(), mark, 57); err != nil {
		t.Fatal(err)
	}
	stop()
	samples, err := s.Account(inventory.DefaultAccount).Samples(t.Context(), inventory.EndpointKey{
		Collection: inventory.HashID("a.b"), URL: "/c", Method: "GET",
	})
	if err != nil || len(samples) != 10 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for i := range samples {
		if want := byte(48 + i); samples[i].ID[15] != want || string(samples[i].Data) != string(src.rs[want-1].Data) {
			t.Errorf("sample %d is record %d, want %d", i, samples[i].ID[15], want)
		}
	}
}
