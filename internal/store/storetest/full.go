package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/inventory"
	"harken/inventory/fault"
)

func (k check) settings() {
	t, f := k.t, k.s.Full(account)
	s, err := f.Settings(t.Context())
	if err != nil || s.Version != 0 || !s.BodyMatching() {
		t.Fatalf("settings of a new account = %+v, %v", s, err)
	}
	v0 := k.version()
	no := false
	s.RedactPayload, s.BodyMatch, s.RedundantEndpoints = true, &no, []string{}
	s.NameMapper = map[string]inventory.NameMapping{"a": {Header: "x-team", Regex: "pay.*", NewName: "payments.example"}}
	put, err := f.PutSettings(t.Context(), s)
	if err != nil || put.Version != 1 {
		t.Fatalf("PutSettings = %+v, %v", put, err)
	}
	got, err := f.Settings(t.Context())
	if d := cmp.Diff(put, got); err != nil || d != "" {
		t.Errorf("settings (-want +got):\n%s%v", d, err)
	}
	if k.version() == v0 {
		t.Error("the version of the configuration did not change")
	}
	if _, err := f.PutSettings(t.Context(), s); kind(err) != fault.Conflict {
		t.Errorf("PutSettings with an old version = %v, want Conflict", err)
	}
	if other, err := k.s.Full(2000000).Settings(t.Context()); err != nil || other.RedactPayload {
		t.Errorf("settings of another account = %+v, %v", other, err)
	}
}

func (k check) version() int64 {
	k.t.Helper()
	v, err := k.s.Full(account).ConfigVersion(k.t.Context())
	if err != nil {
		k.t.Fatal(err)
	}
	return v
}

// changes fails unless what f does is seen by ConfigVersion.
func (k check) changes(what string, f func()) {
	k.t.Helper()
	before := k.version()
	f()
	if k.version() == before {
		k.t.Errorf("%s is not seen by ConfigVersion", what)
	}
}

func (k check) definitions() {
	t, f := k.t, k.s.Full(account)
	put := func(kind, id, doc string) error {
		return f.PutDefinition(t.Context(), inventory.Definition{Kind: kind, ID: id, Doc: []byte(doc), Updated: 5})
	}
	for _, id := range []string{"b", "a", "c"} {
		if err := put(inventory.CustomDataTypes, id, `{"name":"`+id+`"}`); err != nil {
			t.Fatal(err)
		}
	}
	k.changes("PutDefinition", func() {
		if err := errors.Join(put(inventory.CustomDataTypes, "b", `{"x":1}`), put(inventory.CustomAuthTypes, "b", `{}`)); err != nil {
			t.Fatal(err)
		}
	})
	k.changes("DeleteDefinition", func() {
		if err := f.DeleteDefinition(t.Context(), inventory.CustomDataTypes, "a"); err != nil {
			t.Fatal(err)
		}
	})
	var got []string
	ds, err := f.Definitions(t.Context(), inventory.CustomDataTypes)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range ds {
		got = append(got, fmt.Sprint(d.Kind, d.ID, string(d.Doc), d.Updated))
	}
	want := []string{`custom_data_typeb{"x":1}5`, `custom_data_typec{"name":"c"}5`}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("definitions (-want +got):\n%s", d)
	}
	if err := f.DeleteDefinition(t.Context(), inventory.CustomDataTypes, "a"); kind(err) != fault.NotFound {
		t.Errorf("DeleteDefinition of none = %v", err)
	}
	for _, doc := range []string{``, `[]`, `null`, `{`, `"x"`} {
		if err := put(inventory.CustomDataTypes, "x", doc); kind(err) != fault.Invalid {
			t.Errorf("PutDefinition(%s) = %v, want Invalid", doc, err)
		}
	}
	if err := put(inventory.CustomDataTypes, "x", `{"a":"`+strings.Repeat("a", inventory.MaxDefinitionBytes)+`"}`); kind(err) != fault.TooLarge {
		t.Errorf("a large definition = %v, want TooLarge", err)
	}
}

func (k check) templateState() {
	t, f := k.t, k.s.Full(account)
	u := update(observed("/a", 1))
	var reshaped []string
	u.Reshaped = func(_ int32, k inventory.EndpointKey) bool { reshaped = append(reshaped, k.URL); return true }
	apply(t, k.s, u)
	apply(t, k.s, u) // has nothing new
	if d := cmp.Diff([]string{"/a"}, reshaped); d != "" {
		t.Errorf("reshaped (-want +got):\n%s", d)
	}
	for i, want := range []int{0, 0, 1, 0} { // times that three values of a URL parameter are reached
		e := observed("/a", 1)
		e.Params = []inventory.Param{{ParamKey: inventory.ParamKey{ResponseCode: -1, URLParam: true, Name: "0", Type: "GENERIC"}, Count: 1, FirstSeen: 1, LastSeen: 1, Values: []string{fmt.Sprint("x", i)}}}
		u := update(e)
		u.Reshaped, u.Enough = func(int32, inventory.EndpointKey) bool { want--; return i > 0 }, 3
		if apply(t, k.s, u); i > 0 && want != 0 {
			t.Errorf("value %d: Reshaped was called %d times too seldom", i+1, want)
		}
	}
	due, err := k.s.MergeDue(t.Context())
	if d := cmp.Diff([]inventory.CollectionKey{{Account: account, ID: 0}}, due); err != nil || d != "" {
		t.Errorf("MergeDue (-want +got):\n%s%v", d, err)
	}
	s, err := f.TemplateState(t.Context(), 0)
	if err != nil || s.Version != 0 || len(s.Data) != 0 {
		t.Errorf("TemplateState = %+v, %v", s, err)
	}
	v, err := f.PutTemplateState(t.Context(), 0, inventory.TemplateState{Data: []byte("x")})
	if err != nil || v != 1 {
		t.Errorf("PutTemplateState = %d, %v", v, err)
	}
	if _, err := f.PutTemplateState(t.Context(), 0, inventory.TemplateState{Data: []byte("y")}); kind(err) != fault.Conflict {
		t.Errorf("PutTemplateState with an old version = %v, want Conflict", err)
	}
	if s, err = f.TemplateState(t.Context(), 0); err != nil || s.Version != 1 || string(s.Data) != "x" {
		t.Errorf("TemplateState = %+v, %v", s, err)
	}
	s.Data, s.Due = nil, true
	if v, err = f.PutTemplateState(t.Context(), 0, s); err != nil || v != 1 {
		t.Errorf("PutTemplateState without data = %d, %v", v, err)
	}
	if s, err = f.TemplateState(t.Context(), 0); err != nil || s.Version != 1 || string(s.Data) != "x" || !s.Due {
		t.Errorf("TemplateState = %+v, %v", s, err)
	}
	s.Data, s.Due = nil, false
	if _, err = f.PutTemplateState(t.Context(), 0, s); err != nil {
		t.Error(err)
	}
	if due, err = k.s.MergeDue(t.Context()); err != nil || len(due) != 0 {
		t.Errorf("MergeDue = %v, %v; want none", due, err)
	}
}

// absorb is the rule of M6: no history is lost, and once is enough.
func (k check) absorb() {
	t, f := k.t, k.s.Full(account)
	whole := inventory.Endpoint{EndpointKey: key("/o/STRING")}
	urls := []string{"/o/STRING", "/o/none"} // itself, and one that is not there
	for i := range 12 {
		url := fmt.Sprintf("/o/x%02d", i)
		urls = append(urls, url, url)
		u := update(observed(url, int64(100-i), fmt.Sprint("v", i)))
		u.Accounts[account].Endpoints[0].AuthTypes = [][]string{{fmt.Sprint("T", i%3)}}
		u.Accounts[account].Endpoints[0].Traffic = []inventory.TrafficCount{{Start: 3600, Status: 200, Count: 1}}
		u.Accounts[account].Samples = []inventory.Sample{{Endpoint: key(url), Time: int64(100 - i), Source: "SDK", Data: fmt.Append(nil, "s", i)}}
		u.Accounts[account].Sensitive = []inventory.SensitiveSample{{Sample: u.Accounts[account].Samples[0], Params: []inventory.ParamKey{{Name: "q", Type: "EMAIL"}}}}
		whole.Merge(&u.Accounts[account].Endpoints[0])
		apply(t, k.s, u)
	}
	if err := f.PutSensitiveOverride(t.Context(), inventory.SensitiveOverride{EndpointKey: key("/o/x03"), Param: "q", Sensitive: true}); err != nil {
		t.Fatal(err)
	}
	whole.Merge(&inventory.Endpoint{Params: []inventory.Param{{
		ParamKey: inventory.ParamKey{ResponseCode: -1, URLParam: true, Name: "1", Type: "GENERIC"},
		Count:    12, FirstSeen: 89, LastSeen: 100, Values: []string{"x00", "x01", "x02", "x03", "x04", "x05", "x06", "x07", "x08", "x09", "x10", "x11"},
	}}})
	for range 2 {
		if err := f.Absorb(t.Context(), inventory.Absorption{Method: "GET", Template: "/o/STRING", URLs: urls, Params: func(url string) []inventory.Param {
			return []inventory.Param{{ParamKey: inventory.ParamKey{ResponseCode: -1, URLParam: true, Name: "1", Type: "GENERIC"}, Values: []string{url[3:]}}}
		}}); err != nil {
			t.Fatal(err)
		}
		got, err := f.Endpoint(t.Context(), key("/o/STRING"))
		if d := cmp.Diff(whole, got); err != nil || d != "" {
			t.Fatalf("the template (-want +got):\n%s%v", d, err)
		}
		k.absorbed()
	}
	if err := f.Absorb(t.Context(), inventory.Absorption{Collection: 77, Method: "GET", Template: "/o/STRING"}); kind(err) != fault.NotFound {
		t.Errorf("Absorb in no collection = %v, want NotFound", err)
	}
}

// absorbed checks what absorb leaves beside the endpoint.
func (k check) absorbed() {
	t, f := k.t, k.s.Full(account)
	es, err := f.Endpoints(t.Context(), 0, 0, 100)
	if err != nil || len(es) != 1 {
		t.Errorf("%d endpoints are left, %v; want the template", len(es), err)
	}
	if c, err := f.Collection(t.Context(), 0); err != nil || c.URLsCount != 1 {
		t.Errorf("the collection = %+v, %v; want one URL", c, err)
	}
	samples, err := f.Samples(t.Context(), key("/o/STRING"))
	var got []string
	for i := range samples {
		got = append(got, string(samples[i].Data))
	}
	if want := "s9 s8 s7 s6 s5 s4 s3 s2 s1 s0"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("samples = %v, %v; want %s", got, err, want)
	}
	sensitive, err := f.SensitiveSamples(t.Context(), key("/o/STRING"))
	if err != nil || len(sensitive) != inventory.MaxSamples {
		t.Errorf("%d sensitive samples, %v; want %d", len(sensitive), err, inventory.MaxSamples)
	}
	os, err := f.SensitiveOverrides(t.Context(), nil)
	if err != nil || !slices.ContainsFunc(os, func(o inventory.SensitiveOverride) bool { return o.URL == "/o/STRING" && o.Sensitive }) {
		t.Errorf("overrides = %+v, %v; want one of the template", os, err)
	}
	changes, total, err := f.Changes(t.Context(), inventory.ChangeFilter{Kinds: []string{inventory.NewEndpoint}}, 0, 10)
	if err != nil || total != 1 || changes[0].URL != "/o/STRING" || changes[0].Time != 89 {
		t.Errorf("changes = %+v, %d, %v; want one of the template", changes, total, err)
	}
}

func (k check) changeRows() {
	t, f := k.t, k.s.Full(account)
	a, b, c := observed("/a", 10, "x"), observed("/a", 30), observed("/b", 20)
	b.AuthTypes, b.AuthSeen, b.ResponseCodes, b.CodeSeen = [][]string{{"BASIC"}}, []int64{30}, []int{302}, []int64{30}
	b.Params = []inventory.Param{{ParamKey: inventory.ParamKey{ResponseCode: 302, Header: true, Name: "location", Type: "URL"}, FirstSeen: 30, Count: 1}}
	a.AuthSeen, a.CodeSeen = []int64{10}, []int64{10}
	apply(t, k.s, update(b, c))
	apply(t, k.s, update(a)) // the earlier one comes later
	list := func(fl inventory.ChangeFilter, skip, limit, total int, want ...string) {
		t.Helper()
		page, n, err := f.Changes(t.Context(), fl, skip, limit)
		var got []string
		for _, c := range page {
			got = append(got, fmt.Sprintf("%d %s %s %s %s", c.Time, c.Method, c.URL, c.Kind, c.Detail))
		}
		if d := cmp.Diff(want, got); err != nil || n != total || d != "" {
			t.Errorf("Changes(%+v) has %d, want %d (-want +got):\n%s%v", fl, n, total, d, err)
		}
	}
	auth, param, status := "30 GET /a new-auth BASIC", "30 GET /a new-param 302 header location", "30 GET /a new-status 302"
	ofA, ofB := "10 GET /a new-endpoint ", "20 GET /b new-endpoint "
	list(inventory.ChangeFilter{}, 0, 10, 5, auth, param, status, ofB, ofA)
	list(inventory.ChangeFilter{}, 1, 2, 5, param, status)
	list(inventory.ChangeFilter{URL: "/b", Method: "get"}, 0, 10, 1, ofB)
	list(inventory.ChangeFilter{From: 20, To: 30}, 0, 10, 1, ofB)
	list(inventory.ChangeFilter{Kinds: []string{inventory.NewAuth, inventory.NewStatus}}, 0, 10, 2, auth, status)
	list(inventory.ChangeFilter{Collections: []int32{}}, 0, 10, 0)
	if err := k.s.Compact(t.Context(), 25+inventory.DefaultChangeDays*86400); err != nil {
		t.Fatal(err)
	}
	list(inventory.ChangeFilter{}, 0, 10, 3, auth, param, status)
}

func (k check) traffic() {
	t, f := k.t, k.s.Full(account)
	a, b := observed("/a", 1), observed("/b", 1)
	a.Traffic = []inventory.TrafficCount{{Start: 3600, Status: 200, Count: 2}, {Start: 3600, Status: 302, Count: 1}}
	b.Traffic = []inventory.TrafficCount{{Start: 7200, Status: 200, Count: 5}}
	apply(t, k.s, update(a, b))
	apply(t, k.s, update(a))
	got, err := f.Traffic(t.Context(), key("/a"))
	want := []inventory.TrafficCount{{Start: 3600, Status: 200, Count: 4}, {Start: 3600, Status: 302, Count: 2}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("Traffic (-want +got):\n%s%v", d, err)
	}
	got, err = f.CollectionTraffic(t.Context(), nil)
	if d := cmp.Diff(append(want, b.Traffic...), got); err != nil || d != "" {
		t.Errorf("CollectionTraffic (-want +got):\n%s%v", d, err)
	}
	if got, err = f.CollectionTraffic(t.Context(), []int32{7}); err != nil || len(got) != 0 {
		t.Errorf("CollectionTraffic of another collection = %v, %v", got, err)
	}
}

func (k check) drops() {
	t, f := k.t, k.s.Full(account)
	put := func(ds ...inventory.Drop) {
		u := update()
		u.Accounts[account].Drops = ds
		apply(t, k.s, u)
	}
	put(inventory.Drop{Rule: "status", Host: "h", Count: 2, Last: 10, Example: []byte("new")})
	put(inventory.Drop{Rule: "status", Host: "h", Count: 1, Last: 5, Example: []byte("old")}, inventory.Drop{Rule: "status", Host: "g", Count: 1, Last: 1})
	got, err := f.Drops(t.Context())
	want := []inventory.Drop{{Rule: "status", Host: "h", Count: 3, Last: 10, Example: []byte("new")}, {Rule: "status", Host: "g", Count: 1, Last: 1}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("Drops (-want +got):\n%s%v", d, err)
	}
	var many []inventory.Drop
	for i := range inventory.MaxDrops + 10 {
		many = append(many, inventory.Drop{Rule: "status", Host: fmt.Sprint("h", i), Count: 1})
	}
	put(many...)
	if got, err = f.Drops(t.Context()); err != nil || len(got) > inventory.MaxDrops+1 {
		t.Fatalf("%d drops, %v; want at most %d", len(got), err, inventory.MaxDrops+1)
	}
	sum := int64(0)
	for _, d := range got {
		sum += d.Count
	}
	if sum != 4+inventory.MaxDrops+10 {
		t.Errorf("%d records are counted", sum)
	}
}

func (k check) sensitive() {
	t, f := k.t, k.s.Full(account)
	mail, iban := inventory.ParamKey{ResponseCode: 200, Name: "mail", Type: "EMAIL"}, inventory.ParamKey{ResponseCode: -1, Query: true, Name: "i", Type: "IBAN"}
	for i := range 30 {
		u := update(observed("/a", 1))
		keys := []inventory.ParamKey{mail}
		if i < 3 {
			keys = []inventory.ParamKey{iban, mail}
		}
		u.Accounts[account].Sensitive = []inventory.SensitiveSample{{
			Sample: inventory.Sample{Endpoint: key("/a"), Account: account, Time: int64(i), Source: "SDK", Data: fmt.Append(nil, "r", i)}, Params: keys,
		}}
		apply(t, k.s, u)
	}
	got, err := f.SensitiveSamples(t.Context(), key("/a"))
	if err != nil || len(got) != 3+inventory.MaxSamples {
		t.Fatalf("%d sensitive samples, %v; want 3 of one param and %d of the other", len(got), err, inventory.MaxSamples)
	}
	if d := cmp.Diff([]inventory.ParamKey{iban}, got[0].Params); d != "" || string(got[0].Data) != "r0" {
		t.Errorf("the oldest is %s of (-want +got):\n%s", got[0].Data, d)
	}
	if last := got[len(got)-1]; string(last.Data) != "r29" || len(last.Params) != 1 || last.Params[0] != mail {
		t.Errorf("the newest is %s of %v", last.Data, last.Params)
	}
	k.ringed(mail)
	k.overrides(mail)
}

// ringed has every third sample be one of a sensitive parameter too: it stays when
// it is no longer among the newest samples.
func (k check) ringed(mail inventory.ParamKey) {
	t, f := k.t, k.s.Full(account)
	for i := range 60 {
		u := update(observed("/b", 1))
		s := inventory.Sample{Endpoint: key("/b"), Account: account, Time: int64(i), Source: "SDK", Data: fmt.Append(nil, "r", i)}
		if i%3 == 0 {
			s.Sensitive = []inventory.ParamKey{mail}
		}
		u.Accounts[account].Samples = []inventory.Sample{s}
		apply(t, k.s, u)
	}
	got, err := f.SensitiveSamples(t.Context(), key("/b"))
	var names []string
	for i := range got {
		names = append(names, string(got[i].Data))
	}
	if want := "r30 r33 r36 r39 r42 r45 r48 r51 r54 r57"; err != nil || strings.Join(names, " ") != want {
		t.Errorf("sensitive samples = %v, %v; want %s", names, err, want)
	}
	samples, err := f.Samples(t.Context(), key("/b"))
	if err != nil || len(samples) != inventory.MaxSamples || string(samples[0].Data) != "r50" || samples[9].Sensitive != nil {
		t.Errorf("samples = %+v, %v", samples, err)
	}
}

func (k check) overrides(mail inventory.ParamKey) {
	t, f := k.t, k.s.Full(account)
	o := inventory.SensitiveOverride{EndpointKey: key("/a"), ResponseCode: 200, Param: mail.Name, Sensitive: true}
	k.changes("PutSensitiveOverride", func() {
		if err := f.PutSensitiveOverride(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	})
	o.SampleSaved = true
	all, err := f.SensitiveOverrides(t.Context(), []int32{0})
	if d := cmp.Diff([]inventory.SensitiveOverride{o}, all); err != nil || d != "" {
		t.Errorf("overrides (-want +got):\n%s%v", d, err)
	}
	if err := f.DeleteSensitiveOverride(t.Context(), o); err != nil {
		t.Error(err)
	}
	if err := f.DeleteSensitiveOverride(t.Context(), o); kind(err) != fault.NotFound {
		t.Errorf("the second time: %v, want NotFound", err)
	}
}

// full are the tests of what only a FullStore has.
func full() []test {
	return []test{
		{"settings", check.settings},
		{"definitions", check.definitions},
		{"templateState", check.templateState},
		{"absorb", check.absorb},
		{"changes", check.changeRows},
		{"traffic", check.traffic},
		{"drops", check.drops},
		{"sensitive", check.sensitive},
		{"editCollections", check.editCollections},
		{"deleteCollections", check.deleteCollections},
		{"dropSamples", check.dropSamples},
		{"labels", check.labels},
		{"editEndpoints", check.editEndpoints},
		{"deleteEndpoints", check.deleteEndpoints},
		{"redactedMeanwhile", check.redactedMeanwhile},
		{"redactedAccount", check.redactedAccount},
		{"redactedType", check.redactedType},
		{"dropRedactable", check.dropRedactable},
		{"dropSamplesOf", check.dropSamplesOf},
		{"compactSamples", check.compactSamples},
	}
}

type test struct {
	name string
	run  func(check)
}

// withAll is an update of an endpoint with everything that an endpoint can have.
func withAll(url string, collection int32) *inventory.Update {
	e := observed(url, 5, "v")
	e.Collection = collection
	e.Params = append(e.Params, inventory.Param{ParamKey: inventory.ParamKey{ResponseCode: 200, Name: "mail", Type: "EMAIL"}, Count: 1, HasRange: true, Max: 7})
	e.Traffic = []inventory.TrafficCount{{Start: 3600, Status: 200, Count: 1}}
	u := update(e)
	s := inventory.Sample{Endpoint: e.EndpointKey, Time: 5, Source: "SDK", Data: []byte("d")}
	u.Accounts[account].Samples = []inventory.Sample{s}
	u.Accounts[account].Sensitive = []inventory.SensitiveSample{{Sample: s, Params: []inventory.ParamKey{{ResponseCode: 200, Name: "mail", Type: "EMAIL"}}}}
	return u
}

// left counts what there is of a type, samples, sensitive samples and changes of
// an endpoint.
func left(ctx context.Context, t *testing.T, f inventory.FullStore, k inventory.EndpointKey) string {
	t.Helper()
	n := 0
	err := f.WithTypes(ctx, []int32{k.Collection}, []string{"EMAIL"}, func(*inventory.Endpoint) error { n++; return nil })
	samples, serr := f.Samples(ctx, k)
	sensitive, nerr := f.SensitiveSamples(ctx, k)
	_, changes, cerr := f.Changes(ctx, inventory.ChangeFilter{Collections: []int32{k.Collection}, URL: k.URL}, 0, 10)
	if err = errors.Join(err, serr, nerr, cerr); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(n, len(samples), len(sensitive), changes)
}
