// Package storetest is the behavior that every store has, as tests that each
// store runs: merging, marks, samples, collections, listings. What only one
// store can do is tested beside it.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/inventory"
	"harken/inventory/fault"
)

const account = inventory.DefaultAccount

// Run runs the suite. open returns an empty store, which it closes when t ends.
func Run(t *testing.T, open func(*testing.T) inventory.Stores) {
	t.Helper()
	for _, c := range append(append(full(), groupTests()...), []test{
		{"merge", check.merge},
		{"values", check.values},
		{"marks", check.marks},
		{"marksWithData", check.marksWithData},
		{"samples", check.samples},
		{"dropped", check.dropped},
		{"defaultCollection", check.defaultCollection},
		{"addCollection", check.addCollection},
		{"hostCollection", check.hostCollection},
		{"hostCollectionClash", check.hostCollectionClash},
		{"hostCollectionAtOnce", check.hostCollectionAtOnce},
		{"ensureCollection", check.ensureCollection},
		{"deletedCollection", check.missingCollection},
		{"listings", check.listings},
		{"types", check.types},
		{"accounts", check.accounts},
	}...) {
		t.Run(c.name, func(t *testing.T) { c.run(check{t, open(t)}) })
	}
}

// A check is one test of the suite on an empty store.
type check struct {
	t *testing.T
	s inventory.Stores
}

func key(url string) inventory.EndpointKey {
	return inventory.EndpointKey{Collection: 0, URL: url, Method: "GET"}
}

func observed(url string, at int64, values ...string) inventory.Endpoint {
	e := inventory.Endpoint{
		EndpointKey: key(url), Count: 1, Discovered: at, LastSeen: at, APIType: "REST",
		AuthTypes: [][]string{{"BEARER"}}, ResponseCodes: []int{200}, Sources: map[string]int64{"MIRRORING": at},
		Origins: []string{"https://h"},
	}
	for _, v := range values {
		e.Params = append(e.Params, inventory.Param{
			ParamKey: inventory.ParamKey{ResponseCode: -1, Query: true, Name: "q", Type: "GENERIC"},
			Count:    1, FirstSeen: at, LastSeen: at, Values: []string{v},
		})
	}
	return e
}

func update(es ...inventory.Endpoint) *inventory.Update {
	return &inventory.Update{Accounts: map[int32]*inventory.AccountUpdate{account: {Endpoints: es}}}
}

func apply(t *testing.T, s inventory.Stores, u *inventory.Update) {
	t.Helper()
	for id := range u.Accounts {
		if _, err := s.Account(id).Collections(t.Context()); err != nil { // makes the default collection
			t.Fatal(err)
		}
	}
	if err := s.Apply(t.Context(), u); err != nil {
		t.Fatal(err)
	}
}

func (k check) merge() {
	t, s := k.t, k.s
	a, b, c := observed("/a", 50, "x"), observed("/a", 20, "y"), observed("/b", 30)
	b.AuthTypes, b.ResponseCodes, b.Sources, b.APIType = [][]string{{"API_KEY"}}, []int{201}, map[string]int64{"SDK": 20}, "GRAPHQL"
	apply(t, s, update(a, c))
	apply(t, s, update(b))
	want := observed("/a", 50, "x")
	want.Merge(&b)
	got, err := s.Account(account).Endpoint(t.Context(), key("/a"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("stored in two updates (-want +got):\n%s", d)
	}
	if got.Count != 2 || got.Discovered != 20 || got.LastSeen != 50 || len(got.Params[0].Values) != 2 {
		t.Errorf("merged = %+v", got)
	}
	_, err = s.Account(account).Endpoint(t.Context(), key("/none"))
	if k, _ := fault.Of(err); k != fault.NotFound {
		t.Errorf("an endpoint that is not there: %v, want NotFound", err)
	}
}

// values is D16: never more than MaxValues values over several updates.
func (k check) values() {
	t, s := k.t, k.s
	for i := range 60 {
		apply(t, s, update(observed("/a", 1, fmt.Sprintf("v%02d", i))))
		e, err := s.Account(account).Endpoint(t.Context(), key("/a"))
		if err != nil {
			t.Fatal(err)
		}
		n, domain := i+1, inventory.DomainEnum
		if n >= inventory.MaxValues {
			n, domain = 0, inventory.DomainAny
		}
		if p := &e.Params[0]; len(p.Values) != n || p.Domain() != domain || p.Count != int64(i+1) {
			t.Fatalf("after %d values: %d values, domain %s, count %d; want %d, %s", i+1, len(p.Values), p.Domain(), p.Count, n, domain)
		}
	}
}

// marksWithData breaks off an update: neither data nor marks may be there.
func (k check) marksWithData() {
	t, s := k.t, k.s
	apply(t, s, update())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := inventory.Mark{Log: "l"}
	u := update(observed("/a", 1))
	u.Marks = map[inventory.Mark]int64{m: 7}
	if err := s.Apply(ctx, u); !errors.Is(err, context.Canceled) {
		t.Fatalf("Apply with a canceled context = %v", err)
	}
	marks, err := s.Marks(t.Context())
	if err != nil || len(marks) != 0 {
		t.Errorf("marks after a failed update = %v, %v", marks, err)
	}
	es, err := s.Account(account).Endpoints(t.Context(), 0, 0, 10)
	if err != nil || len(es) != 0 {
		t.Errorf("endpoints after a failed update = %v, %v", es, err)
	}
	apply(t, s, u)
	if marks, err = s.Marks(t.Context()); err != nil || marks[m] != 7 {
		t.Errorf("marks = %v, %v", marks, err)
	}
}

func (k check) samples() {
	t, s := k.t, k.s
	n := 0
	add := func(url string, count int) {
		u := update(observed(url, 1))
		for range count {
			n++
			u.Accounts[account].Samples = append(u.Accounts[account].Samples, inventory.Sample{
				Endpoint: key(url), Account: account, Time: int64(n), ID: [16]byte{byte(n & 0xff)}, Source: "HAR", Data: fmt.Append(nil, "r", n),
			})
		}
		apply(t, s, u)
	}
	check := func(url string, want ...int) {
		t.Helper()
		got, err := s.Account(account).Samples(t.Context(), key(url))
		if err != nil {
			t.Fatal(err)
		}
		var wanted []inventory.Sample
		for _, i := range want {
			wanted = append(wanted, inventory.Sample{
				Endpoint: key(url), Account: account, Time: int64(i), ID: [16]byte{byte(i & 0xff)}, Source: "HAR", Data: fmt.Append(nil, "r", i),
			})
		}
		if d := cmp.Diff(wanted, got); d != "" {
			t.Errorf("samples of %s (-want +got):\n%s", url, d)
		}
		whole, err := s.Account(account).Endpoint(t.Context(), key(url))
		whole.Params = nil
		e, with, werr := s.Account(account).Sampled(t.Context(), key(url))
		kind, _ := fault.Of(err)
		wkind, _ := fault.Of(werr)
		if d := cmp.Diff(whole, e) + cmp.Diff(wanted, with); d != "" || (err == nil) != (werr == nil) || kind != wkind {
			t.Errorf("%s with its samples: %v, want %v (-want +got):\n%s", url, werr, err, d)
		}
	}
	check("/a")
	add("/a", 3)
	check("/a", 1, 2, 3)
	add("/b", 1)
	add("/a", 8)
	check("/a", 2, 3, 5, 6, 7, 8, 9, 10, 11, 12)
	add("/a", 25)
	check("/a", 28, 29, 30, 31, 32, 33, 34, 35, 36, 37)
	check("/b", 4)
}

func (k check) dropped() {
	t, s := k.t, k.s
	u := update()
	u.Accounts[account].Dropped = map[string]int64{"status": 2, "options": 1}
	apply(t, s, u)
	apply(t, s, u)
	got, err := s.Account(account).Dropped(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]int64{"status": 4, "options": 2}, got); d != "" {
		t.Errorf("dropped (-want +got):\n%s", d)
	}
}

func (k check) defaultCollection() {
	t, s := k.t, k.s
	all, err := s.Account(account).Collections(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != 0 || all[0].Name != "Default" || all[0].HostName != "" {
		t.Errorf("collections of a new account = %+v, %v", all, err)
	}
	c, err := s.Account(2000000).Collection(t.Context(), 0)
	if err != nil || c.Name != "Default" {
		t.Errorf("collection 0 = %+v, %v", c, err)
	}
	if _, err = s.Account(account).Collection(t.Context(), 5); kind(err) != fault.NotFound {
		t.Errorf("a collection that is not there: %v, want NotFound", err)
	}
}

func kind(err error) fault.Kind {
	k, _ := fault.Of(err)
	return k
}

func (k check) addCollection() {
	t, s := k.t, k.s
	a := s.Account(account)
	c := inventory.Collection{
		ID: 100, Name: "Pay", VxlanID: 3, Description: "d", StartTS: 9, Redact: true, SampleCollectionsDropped: true, Deactivated: true,
		OutOfTestingScope: true, Automated: true, Type: inventory.TypeGroup, AccessType: "Internal",
		Tags: []inventory.Tag{{LastUpdatedTS: 1, KeyName: "envType", Value: "QA", Source: "USER"}},
	}
	got, err := a.AddCollection(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c, got); d != "" {
		t.Errorf("AddCollection (-want +got):\n%s", d)
	}
	if got, err = a.Collection(t.Context(), 100); err != nil || cmp.Diff(c, got) != "" {
		t.Errorf("Collection(100) = %+v, %v", got, err)
	}
	if got, err = a.AddCollection(t.Context(), inventory.Collection{ID: 100, Name: "Other"}); err != nil || got.ID != 101 {
		t.Errorf("a taken id: %+v, %v; want id 101", got, err)
	}
	for _, name := range []string{"Pay", "pAY", "default"} {
		if _, err = a.AddCollection(t.Context(), inventory.Collection{ID: 7, Name: name}); kind(err) != fault.Conflict {
			t.Errorf("AddCollection(%q) = %v, want Conflict", name, err)
		}
	}
	if _, err = a.HostCollection(t.Context(), "api.shop.example", 1); err != nil {
		t.Fatal(err)
	}
	if _, err = a.AddCollection(t.Context(), inventory.Collection{ID: 7, Name: "API.shop.example"}); kind(err) != fault.Conflict {
		t.Errorf("the name of a host collection: %v, want Conflict", err)
	}
}

func (k check) hostCollection() {
	t, s := k.t, k.s
	a := s.Account(account)
	c, err := a.HostCollection(t.Context(), "api.shop.example", 77)
	want := inventory.Collection{ID: 1591742918, HostName: "api.shop.example", StartTS: 77}
	if err != nil || cmp.Diff(want, c) != "" {
		t.Errorf("HostCollection = %+v, %v; want %+v", c, err, want)
	}
	if c, err = a.HostCollection(t.Context(), "api.shop.example", 99); err != nil || cmp.Diff(want, c) != "" {
		t.Errorf("the second time = %+v, %v; want the same", c, err)
	}
	if c, err = a.Collection(t.Context(), 1591742918); err != nil || cmp.Diff(want, c) != "" {
		t.Errorf("Collection = %+v, %v", c, err)
	}
}

// hostCollectionClash is C6, and the end of the probing.
func (k check) hostCollectionClash() {
	t, s := k.t, k.s
	a := s.Account(account)
	for range 2 {
		for host, want := range map[string]int32{"pan.example": -991632103, "pc0.example": -991632102} {
			if host == "pc0.example" { // second, whatever the order of the map
				if _, err := a.HostCollection(t.Context(), "pan.example", 1); err != nil {
					t.Fatal(err)
				}
			}
			c, err := a.HostCollection(t.Context(), host, 1)
			if err != nil || c.ID != want || c.HostName != host {
				t.Errorf("HostCollection(%s) = %+v, %v; want id %d", host, c, err, want)
			}
		}
	}
	full := inventory.HashID("full.example")
	for n := range inventory.MaxProbes {
		if _, err := a.EnsureCollection(t.Context(), inventory.ProbeID(full, n), 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.HostCollection(t.Context(), "full.example", 1); kind(err) != fault.Conflict || !errors.Is(err, inventory.ErrNoFreeID) {
		t.Errorf("a host without a free id: %v, want ErrNoFreeID", err)
	}
}

func (k check) hostCollectionAtOnce() {
	t, s := k.t, k.s
	ids := make([]int32, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			c, err := s.Account(account).HostCollection(t.Context(), "api.shop.example", 1)
			if err != nil {
				t.Error(err)
			}
			ids[i] = c.ID
		})
	}
	wg.Wait()
	if all, err := s.Account(account).Collections(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("collections = %+v, %v; want the default and one of the host (ids %v)", all, err, ids)
	}
}

func (k check) ensureCollection() {
	t, s := k.t, k.s
	a := s.Account(account)
	for _, now := range []int64{5, 6} {
		c, err := a.EnsureCollection(t.Context(), 12, now)
		if want := (inventory.Collection{ID: 12, VxlanID: 12, StartTS: 5}); err != nil || cmp.Diff(want, c) != "" {
			t.Errorf("EnsureCollection(12) = %+v, %v; want %+v", c, err, want)
		}
	}
	if c, err := a.EnsureCollection(t.Context(), 0, 5); err != nil || c.Name != "Default" {
		t.Errorf("EnsureCollection(0) = %+v, %v", c, err)
	}
}

func (k check) missingCollection() {
	t, s := k.t, k.s
	lost := observed("/a", 1)
	lost.Collection, lost.Count = 4711, 3
	u := update(observed("/a", 1), lost)
	u.Marks = map[inventory.Mark]int64{{Log: "l"}: 1}
	apply(t, s, u)
	a := s.Account(account)
	if _, err := a.Endpoint(t.Context(), lost.EndpointKey); kind(err) != fault.NotFound {
		t.Errorf("an endpoint of no collection: %v, want NotFound", err)
	}
	dropped, err := a.Dropped(t.Context())
	if err != nil || dropped[inventory.DroppedNoCollection] != 3 {
		t.Errorf("dropped = %v, %v", dropped, err)
	}
	if c, err := a.Collection(t.Context(), 0); err != nil || c.URLsCount != 1 {
		t.Errorf("collection 0 = %+v, %v; want one endpoint", c, err)
	}
}

func (k check) listings() {
	t, s := k.t, k.s
	urls := []string{"/c", "/a/INTEGER", "/b", "/a"}
	var es []inventory.Endpoint
	for _, u := range urls {
		es = append(es, observed(u, 1, "v"))
	}
	post := observed("/b", 1)
	post.Method = "POST"
	apply(t, s, update(append(es, post)...))
	apply(t, s, update(observed("/c", 2)))
	a := s.Account(account)
	page := func(skip, limit int, want string) {
		t.Helper()
		got, err := a.Endpoints(t.Context(), 0, skip, limit)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for i := range got {
			names = append(names, got[i].Method+" "+got[i].URL)
			if got[i].Params != nil || got[i].APIType != "REST" || len(got[i].Origins) != 1 {
				t.Errorf("listed %+v, want facts and no params", got[i])
			}
		}
		if n := strings.Join(names, ", "); n != want {
			t.Errorf("Endpoints(%d, %d) = %s, want %s", skip, limit, n, want)
		}
	}
	page(0, 100, "GET /a, GET /a/INTEGER, GET /b, POST /b, GET /c")
	page(1, 3, "GET /a/INTEGER, GET /b, POST /b")
	page(5, 3, "")
	page(0, 0, "")
	var keys []inventory.EndpointKey
	if err := a.Keys(t.Context(), 0, func(k inventory.EndpointKey) error { keys = append(keys, k); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(keys, inventory.EndpointKey.Compare)
	if len(keys) != 5 || keys[0] != key("/a") || keys[4] != key("/c") {
		t.Errorf("keys = %v", keys)
	}
	stop := errors.New("stop")
	if err := a.Keys(t.Context(), 0, func(inventory.EndpointKey) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Keys = %v, want what yield returned", err)
	}
	if c, err := a.Collection(t.Context(), 0); err != nil || c.URLsCount != 5 {
		t.Errorf("collection 0 = %+v, %v; want 5 endpoints", c, err)
	}
}

func (k check) types() {
	t, s := k.t, k.s
	with := func(url string, collection int32, types ...string) inventory.Endpoint {
		e := observed(url, 1)
		e.Collection = collection
		for _, typ := range types {
			e.Params = append(e.Params, inventory.Param{ParamKey: inventory.ParamKey{ResponseCode: 200, Name: "p", Type: typ}, Count: 1})
		}
		return e
	}
	a := s.Account(account)
	if _, err := a.EnsureCollection(t.Context(), 5, 1); err != nil {
		t.Fatal(err)
	}
	apply(t, s, update(with("/a", 0, "EMAIL", "GENERIC"), with("/b", 0, "GENERIC"), with("/c", 5, "EMAIL", "JWT")))
	apply(t, s, update(with("/b", 0, "SSN")))
	f := func(collections []int32, types []string, want string) {
		t.Helper()
		var got []string
		if err := a.WithTypes(t.Context(), collections, types, func(e *inventory.Endpoint) error {
			got = append(got, fmt.Sprintf("%s:%d", e.URL, len(e.Params)))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if g := strings.Join(got, " "); g != want {
			t.Errorf("WithTypes(%v, %v) = %s, want %s", collections, types, g, want)
		}
	}
	f(nil, []string{"EMAIL"}, "/a:2 /c:2")
	f(nil, []string{"EMAIL", "JWT", "SSN"}, "/a:2 /b:2 /c:2")
	f([]int32{0}, []string{"EMAIL", "JWT"}, "/a:2")
	f([]int32{0, 5}, []string{"GENERIC"}, "/a:2 /b:2")
	f([]int32{}, []string{"EMAIL"}, "")
	f(nil, nil, "")
	f(nil, []string{"MY TYPE"}, "")
	stop := errors.New("stop")
	if err := a.WithTypes(t.Context(), nil, []string{"EMAIL"}, func(*inventory.Endpoint) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("WithTypes = %v, want what yield returned", err)
	}
}

func (k check) accounts() {
	t, s := k.t, k.s
	u := update(observed("/a", 1))
	u.Accounts[2000000] = &inventory.AccountUpdate{Endpoints: []inventory.Endpoint{observed("/b", 1)}}
	apply(t, s, u)
	for id, want := range map[int32]string{account: "/a", 2000000: "/b", 3000000: ""} {
		es, err := s.Account(id).Endpoints(t.Context(), 0, 0, 9)
		if err != nil {
			t.Fatal(err)
		}
		if len(es) != min(1, len(want)) || len(es) == 1 && es[0].URL != want {
			t.Errorf("account %d has %+v, want %q", id, es, want)
		}
	}
}
