package storetest

import (
	"errors"
	"fmt"

	"github.com/google/go-cmp/cmp"

	"harken/inventory"
	"harken/inventory/fault"
)

func (k check) editCollections() {
	t, f := k.t, k.s.Full(account)
	for _, host := range []string{"a.example", "b.example"} {
		if _, err := f.HostCollection(t.Context(), host, 1); err != nil {
			t.Fatal(err)
		}
	}
	id := inventory.HashID("a.example")
	k.changes("EditCollections", func() {
		done, err := f.EditCollections(t.Context(), []int32{id, 4711}, func(c *inventory.Collection) (bool, error) {
			c.Description, c.Deactivated, c.Redact, c.OutOfTestingScope = "d", true, true, true
			c.Tags = append(c.Tags, inventory.Tag{KeyName: "k", Value: "v"})
			c.HostName, c.ID = "other", 5
			return true, nil
		})
		want := inventory.Collection{
			ID: id, HostName: "a.example", StartTS: 1, Description: "d", Deactivated: true, Redact: true, OutOfTestingScope: true,
			Tags: []inventory.Tag{{KeyName: "k", Value: "v"}},
		}
		if d := cmp.Diff([]inventory.Collection{want}, done); err != nil || d != "" {
			t.Errorf("EditCollections (-want +got):\n%s%v", d, err)
		}
		if got, err := f.Collection(t.Context(), id); err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("Collection = %+v, %v", got, err)
		}
	})
	n := 0
	if done, err := f.EditCollections(t.Context(), nil, func(*inventory.Collection) (bool, error) { n++; return false, nil }); err != nil || len(done) != 0 || n != 3 {
		t.Errorf("EditCollections of all sees %d and stores %v, %v", n, done, err)
	}
	stop := errors.New("stop")
	if _, err := f.EditCollections(t.Context(), nil, func(c *inventory.Collection) (bool, error) {
		c.Description = "all"
		return true, map[bool]error{true: stop}[c.ID == 0]
	}); !errors.Is(err, stop) {
		t.Errorf("EditCollections = %v, want what edit returned", err)
	}
	if got, err := f.Collection(t.Context(), inventory.HashID("b.example")); err != nil || got.Description != "" {
		t.Errorf("after an edit that failed: %+v, %v", got, err)
	}
	if _, err := f.EditCollections(t.Context(), []int32{0}, func(c *inventory.Collection) (bool, error) {
		c.Name = "B.example"
		return true, nil
	}); kind(err) != fault.Conflict {
		t.Errorf("a name that is taken: %v, want Conflict", err)
	}
}

func (k check) deleteCollections() {
	t, f := k.t, k.s.Full(account)
	for id := range int32(3) {
		if _, err := f.EnsureCollection(t.Context(), id, 1); err != nil {
			t.Fatal(err)
		}
		for i := range 150 {
			apply(t, k.s, withAll(fmt.Sprintf("/%03d", i), id))
		}
		if err := f.PutSensitiveOverride(t.Context(), inventory.SensitiveOverride{EndpointKey: inventory.EndpointKey{Collection: id, URL: "/000", Method: "GET"}}); err != nil {
			t.Fatal(err)
		}
	}
	k.changes("DeleteCollections", func() {
		if n, err := f.DeleteCollections(t.Context(), []int32{0, 2, 4711}); err != nil || n != 300 {
			t.Errorf("DeleteCollections = %d, %v; want 300 endpoints", n, err)
		}
	})
	for id, want := range map[int32]string{0: "0 0 0 0", 1: "150 1 1 1", 2: "0 0 0 0"} {
		if got := left(t.Context(), t, f, inventory.EndpointKey{Collection: id, URL: "/000", Method: "GET"}); got != want {
			t.Errorf("collection %d has %s, want %s", id, got, want)
		}
	}
	if c, err := f.Collection(t.Context(), 0); err != nil || c.URLsCount != 0 {
		t.Errorf("the default collection = %+v, %v; want it empty", c, err)
	}
	if _, err := f.Collection(t.Context(), 2); kind(err) != fault.NotFound {
		t.Errorf("a deleted collection: %v, want NotFound", err)
	}
	if os, err := f.SensitiveOverrides(t.Context(), nil); err != nil || len(os) != 1 || os[0].Collection != 1 {
		t.Errorf("overrides = %+v, %v; want the one of collection 1", os, err)
	}
}

// labels has a collection learn what records tell of it.
func (k check) labels() {
	t, f := k.t, k.s.Full(account)
	c, err := f.HostCollection(t.Context(), "a.dev.corp", 1)
	if err != nil {
		t.Fatal(err)
	}
	version, err := f.ConfigVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	label := func(direction, team, want string) {
		t.Helper()
		got, err := f.LabelCollection(t.Context(), c.ID, direction, map[string]string{"team": team}, 9)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := f.Collection(t.Context(), c.ID)
		if s := fmt.Sprint(stored.AccessType, " ", stored.AllTags()); err != nil || s != want || cmp.Diff(stored, got) != "" {
			t.Errorf("the collection is %s (%+v), %v; want %s", s, got, err, want)
		}
	}
	label("2", "x", "Third party [{1 envType DEV AKTO} {9 team x KUBERNETES}]")
	label("1", "x", "Internal [{1 envType DEV AKTO} {9 team x KUBERNETES}]")
	label("2", "y", "Internal [{1 envType DEV AKTO} {9 team x KUBERNETES}]")
	if v, err := f.ConfigVersion(t.Context()); err != nil || v != version {
		t.Errorf("the version of the configuration is %d, %v; want %d", v, err, version)
	}
	if _, err := f.LabelCollection(t.Context(), 404, "1", nil, 9); kind(err) != fault.NotFound {
		t.Errorf("labels of a collection that does not exist: %v", err)
	}
}

func (k check) dropSamples() {
	t, f := k.t, k.s.Full(account)
	if _, err := f.EnsureCollection(t.Context(), 1, 1); err != nil {
		t.Fatal(err)
	}
	for i := range 100 { // exactly as many as go in one step
		apply(t, k.s, withAll(fmt.Sprint("/", i), 0))
	}
	apply(t, k.s, withAll("/0", 1))
	u := update()
	u.Accounts[account].Drops = []inventory.Drop{{Rule: "status", Host: "h", Count: 2, Last: 1, Example: []byte("d")}}
	apply(t, k.s, u)
	if err := f.DropSamples(t.Context(), []int32{0}); err != nil {
		t.Fatal(err)
	}
	if drops, err := f.Drops(t.Context()); err != nil || len(drops) != 1 || drops[0].Count != 2 || len(drops[0].Example) != 0 {
		t.Errorf("drops = %+v, %v; want one without example", drops, err)
	}
	e, err := f.Endpoint(t.Context(), key("/0"))
	if err != nil || len(e.Params) != 2 || e.Params[0].Values != nil || e.Params[1].HasRange {
		t.Errorf("endpoint = %+v, %v; want params without values", e, err)
	}
	if got := left(t.Context(), t, f, key("/99")); got != "100 0 0 1" {
		t.Errorf("there is %s, want no samples", got)
	}
	if got := left(t.Context(), t, f, inventory.EndpointKey{Collection: 1, URL: "/0", Method: "GET"}); got != "1 1 1 1" {
		t.Errorf("another collection has %s", got)
	}
	if c, err := f.Collection(t.Context(), 0); err != nil || !c.SampleCollectionsDropped {
		t.Errorf("collection = %+v, %v", c, err)
	}
}

func (k check) editEndpoints() {
	t, f := k.t, k.s.Full(account)
	apply(t, k.s, update(observed("/a", 1, "x"), observed("/b", 1)))
	n, err := f.EditEndpoints(t.Context(), []inventory.EndpointKey{key("/a"), key("/none"), key("/b")}, func(e *inventory.Endpoint) (bool, error) {
		e.Description, e.AccessTypes, e.Count, e.Params = "of "+e.URL, []string{"PUBLIC", "PARTNER"}, 99, nil
		return e.URL == "/a", nil
	})
	if err != nil || n != 1 {
		t.Errorf("EditEndpoints = %d, %v; want 1", n, err)
	}
	want := observed("/a", 1, "x")
	want.Description, want.AccessTypes = "of /a", []string{"PARTNER", "PUBLIC"}
	got, err := f.Endpoint(t.Context(), key("/a"))
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("endpoint (-want +got):\n%s%v", d, err)
	}
	stop := errors.New("stop")
	if _, err := f.EditEndpoints(t.Context(), []inventory.EndpointKey{key("/a")}, func(e *inventory.Endpoint) (bool, error) {
		e.Description = ""
		return true, stop
	}); !errors.Is(err, stop) {
		t.Errorf("EditEndpoints = %v, want what edit returned", err)
	}
}

func (k check) deleteEndpoints() {
	t, f := k.t, k.s.Full(account)
	for _, u := range []string{"/a", "/b"} {
		apply(t, k.s, withAll(u, 0))
	}
	k.changes("DeleteEndpoints", func() {
		n, err := f.DeleteEndpoints(t.Context(), []inventory.EndpointKey{key("/a"), key("/a"), key("/none")})
		if err != nil || n != 1 {
			t.Errorf("DeleteEndpoints = %d, %v; want 1", n, err)
		}
	})
	for url, want := range map[string]string{"/a": "1 0 0 0", "/b": "1 1 1 1"} {
		if got := left(t.Context(), t, f, key(url)); got != want {
			t.Errorf("%s has %s, want %s", url, got, want)
		}
	}
	if c, err := f.Collection(t.Context(), 0); err != nil || c.URLsCount != 1 {
		t.Errorf("the collection = %+v, %v; want one endpoint", c, err)
	}
}

// redactedMeanwhile is an observation on its way while its collection is redacted.
func (k check) redactedMeanwhile() {
	t, f := k.t, k.s.Full(account)
	redact := func(on bool) {
		if _, err := f.EditCollections(t.Context(), []int32{0}, func(c *inventory.Collection) (bool, error) { c.Redact = on; return true, nil }); err != nil {
			t.Fatal(err)
		}
	}
	redact(true)
	u := withAll("/a", 0)
	apply(t, k.s, u)
	if got := left(t.Context(), t, f, key("/a")); got != "1 0 0 1" {
		t.Errorf("there is %s, want no samples", got)
	}
	if e, err := f.Endpoint(t.Context(), key("/a")); err != nil || e.Count != 1 || e.Params[0].Values != nil {
		t.Errorf("endpoint = %+v, %v; want no values", e, err)
	}
	u.Accounts[account].Redacted = []int32{0}
	apply(t, k.s, u)
	if got := left(t.Context(), t, f, key("/a")); got != "1 1 1 1" {
		t.Errorf("there is %s, want the samples that were redacted before", got)
	}
}

func (k check) compactSamples() {
	t, f := k.t, k.s.Full(account)
	s, err := f.PutSettings(t.Context(), inventory.Settings{SampleDays: 2, SampleCount: 3})
	if err != nil || s.Version != 1 {
		t.Fatal(err)
	}
	const day = 86400
	for i := range int64(8) {
		u := update(observed("/a", 1))
		one := inventory.Sample{Endpoint: key("/a"), Time: i * day, Source: "SDK", Data: []byte("d")}
		u.Accounts[account].Samples = []inventory.Sample{one}
		u.Accounts[account].Sensitive = []inventory.SensitiveSample{{Sample: one, Params: []inventory.ParamKey{{Name: "m", Type: "EMAIL"}}}}
		apply(t, k.s, u)
	}
	compact := func(now int64, samples, sensitive int) {
		t.Helper()
		if err := k.s.Compact(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		a, err := f.Samples(t.Context(), key("/a"))
		b, serr := f.SensitiveSamples(t.Context(), key("/a"))
		if err != nil || serr != nil || len(a) != samples || len(b) != sensitive {
			t.Errorf("%d samples and %d sensitive ones are left, %v %v; want %d and %d", len(a), len(b), err, serr, samples, sensitive)
		}
	}
	compact(7*day, 3, 3)
	compact(8*day, 2, 2)
	compact(20*day, 0, 0)
}
