package learn_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/ingest/learn/filter"
	"harken/inventory"
)

// A droppedStep is a record that one rule drops, in the order of the rules.
type droppedStep struct {
	rule   string
	change func(*exchange)
}

// droppedSteps are all rules, each with what it takes.
func droppedSteps() []droppedStep {
	return []droppedStep{
		{filter.HeaderAllow, func(x *exchange) { x.headers = nil }},
		{filter.Host, func(x *exchange) { x.url = "https://x.internal.com/a" }},
		{filter.PathPrefix, func(x *exchange) { x.url = "https://api.shop.com/private/a" }},
		{filter.ResponseContentType, func(x *exchange) { x.responseType = "image/webp" }},
		{filter.DefaultPayload, func(x *exchange) { x.response = "the default\npage" }},
		{filter.Status, func(x *exchange) { x.status = 404 }},
		{filter.Ignored, func(x *exchange) { x.headers = append(slices.Clone(x.headers), "X-Akto-Ignore: no") }},
		{filter.Options, func(x *exchange) { x.method = "OPTIONS" }},
		{filter.Extension, func(x *exchange) { x.url = "https://api.shop.com/app.js?v=1" }},
		{filter.ContentType, func(x *exchange) {
			x.headers = append(slices.Clone(x.headers), "content-type: application/javascript")
		}},
		{filter.Page, func(x *exchange) { x.responseType, x.response = "text/html", "<html></html>" }},
		{filter.AdvancedBlock, func(x *exchange) { x.url = "https://api.shop.com/blocked" }},
		{filter.AdvancedUnmatched, func(x *exchange) { x.url = "https://api.shop.com/unmatched" }},
		{"deactivated", func(x *exchange) { x.url = "https://off.shop.com/a" }},
		{filter.RateLimit, func(x *exchange) { x.url = "https://api.shop.com/often" }},
	}
}

// TestEveryStep has each rule drop a record under its name, and one of two rules
// that fit the one that comes first.
func TestEveryStep(t *testing.T) {
	db := openStore(t)
	off, err := db.Account(account).HostCollection(t.Context(), "off.shop.com", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Full(account).EditCollections(t.Context(), []int32{off.ID}, func(c *inventory.Collection) (bool, error) {
		c.Deactivated = true
		return true, nil
	}); err != nil {
		t.Fatal(err)
	}
	configure(t, db, inventory.Settings{
		FilterHeaderValues: map[string]string{"x-env": "live"}, AllowHosts: []string{"*.shop.com", "*.internal.com"}, DenyHosts: []string{"*.internal.com"},
		DenyPaths: []string{"/private/"}, DenyContentTypes: []string{"image/*"}, RedundantEndpoints: []string{"js", "CONTENT-TYPE text/html"},
		DefaultPayloads: map[string]inventory.DefaultPayload{base64.StdEncoding.EncodeToString([]byte("api.shop.com")): {Pattern: "the default.*"}},
		EndpointRate:    &inventory.Rate{PerMinute: 1, Burst: 1},
	})
	for id, condition := range map[string]string{"DEFAULT_BLOCK_FILTER": "regex: '.*/blocked'", "DEFAULT_ALLOW_FILTER": "regex: '.*/[abo].*'"} {
		doc, err := json.Marshal(map[string]string{"content": "id: " + id + "\nfilter:\n  url:\n    " + condition + "\n"})
		if err != nil {
			t.Fatal(err)
		}
		define(t, db, inventory.AdvancedFilters, id, string(doc))
	}
	plain := func() exchange {
		x := get("https://api.shop.com/a")
		x.headers, x.responseType, x.response = []string{"x-env: live"}, "application/json", "{}"
		return x
	}
	steps := droppedSteps()
	want := map[string]int64{}
	xs := []exchange{plain()}
	often := plain()
	often.url = "https://api.shop.com/often"
	xs = append(xs, often)
	for i, s := range steps {
		x := plain()
		s.change(&x)
		xs = append(xs, x)
		want[s.rule]++
		if next := i + 1; next < len(steps) && s.rule != filter.Host && s.rule != filter.HeaderAllow { // whose change is undone by the next
			steps[next].change(&x)
			if twoRules(s.rule, steps[next].rule) {
				xs = append(xs, x)
				want[s.rule]++
			}
		}
	}
	learnAll(t, db, records(xs...)...)
	dropped, err := db.Account(account).Dropped(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, dropped); d != "" {
		t.Errorf("dropped (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"GET /a 1", "GET /often 1"}, urls(t, db)); d != "" {
		t.Errorf("learned (-want +got):\n%s", d)
	}
	for _, rule := range filter.Rules() {
		if want[rule] == 0 {
			t.Errorf("the rule %s has no step", rule)
		}
	}
	drops, err := db.Full(account).Drops(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]int64{}
	for _, d := range drops {
		shown[d.Rule] += d.Count
		if len(d.Example) == 0 {
			t.Errorf("%s of %s has no example", d.Rule, d.Host)
		}
	}
	if !maps.Equal(shown, want) {
		t.Errorf("shown as dropped: %v", shown)
	}
}

// twoRules reports whether the changes of two rules stand beside each other.
func twoRules(a, b string) bool {
	urls := []string{filter.Host, filter.PathPrefix, filter.Extension, filter.AdvancedBlock, filter.AdvancedUnmatched, "deactivated", filter.RateLimit}
	bodies := []string{filter.ResponseContentType, filter.Page}
	both := func(l []string) bool { return slices.Contains(l, a) && slices.Contains(l, b) }
	return !both(urls) && !both(bodies)
}

// TestDrift has the changes of an endpoint: a parameter, a type, a status and a
// way to authenticate that it did not have at first.
func TestDrift(t *testing.T) {
	db := openStore(t)
	at := func(sec int64, change func(*exchange)) exchange {
		x := get("https://api.shop.com/a")
		x.responseType, x.response, x.at = "application/json", `{"id":1}`, sec
		change(&x)
		return x
	}
	learnAll(t, db, records(
		at(100, func(*exchange) {}),
		at(200, func(x *exchange) { x.url += "?limit=5" }),
		at(300, func(x *exchange) { x.response = `{"id":"x"}` }),
		at(400, func(x *exchange) { x.status = 201 }),
		at(500, func(x *exchange) { x.headers = []string{"authorization: Bearer x"} }),
		at(600, func(x *exchange) { x.response = `{"id":1,"mail":"jo.lee@example.com"}` }),
		at(700, func(x *exchange) { x.url += "?limit=6"; x.headers = []string{"authorization: Bearer y"} }),
	)...)
	e := inventoryOf(t, db, account)[0]
	changes, total, err := db.Full(account).Changes(t.Context(), inventory.ChangeFilter{Collections: []int32{e.Collection}}, 0, 100)
	if err != nil || total != len(changes) {
		t.Fatalf("%d changes of %d, %v", len(changes), total, err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprint(c.Time, " ", c.Kind, " ", c.Detail))
	}
	want := []string{
		"600 new-param 200 body mail",
		"500 new-auth BEARER",
		"500 new-param request header authorization",
		"400 new-param 201 body id",
		"400 new-param 201 header content-type",
		"400 new-status 201",
		"300 new-type 200 body id GENERIC",
		"200 new-param request query limit",
		"100 new-endpoint ",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
