package learn_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/ingest"
	"harken/ingest/learn"
	"harken/inventory"
)

// TestCustomAuthPlaces finds ways that people defined in headers, cookies and
// bodies, and stops at the first.
func TestCustomAuthPlaces(t *testing.T) {
	shop := inventory.HashID("api.shop.com")
	for _, c := range []struct{ name, doc, body, want string }{
		{"two headers", `"headerKeys":["X-Sig","x-date"]`, "", "[[OURS]]"},
		{"a cookie", `"headerKeys":["sid"]`, "", "[[OURS]]"},
		{"a header and a cookie", `"headerKeys":["x-sig","SID"]`, "", "[[OURS]]"},
		{"one of two", `"headerKeys":["x-sig","x-other"]`, "", "[[UNAUTHENTICATED]]"},
		{"a member", `"payloadKeys":["auth.key"]`, `{"auth":{"key":1}}`, "[[OURS]]"},
		{"an element", `"payloadKeys":["a[0].b"]`, `{"a":[{"b":"x"},{"c":1}]}`, "[[OURS]]"},
		{"deep", `"payloadKeys":["a[1].b[0].c","d"]`, `{"a":[0,{"b":[{"c":true}]}],"d":null}`, "[[OURS]]"},
		{"another element", `"payloadKeys":["a[1].b"]`, `{"a":[{"b":"x"}]}`, "[[UNAUTHENTICATED]]"},
		{"an array", `"payloadKeys":["[0].b"]`, `[{"b":"x"}]`, "[[OURS]]"},
		{"one member of two", `"payloadKeys":["a","b"]`, `{"a":1}`, "[[UNAUTHENTICATED]]"},
		{"headers or body", `"headerKeys":["x-none"],"payloadKeys":["a"]`, `{"a":1}`, "[[OURS]]"},
		{"here", fmt.Sprintf(`"headerKeys":["x-sig"],"apiCollectionIds":[%d]`, shop), "", "[[OURS]]"},
		{"elsewhere", `"headerKeys":["x-sig"],"apiCollectionIds":[7]`, "", "[[UNAUTHENTICATED]]"},
		{"not active", `"headerKeys":["x-sig"],"active":false`, "", "[[UNAUTHENTICATED]]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := openStore(t)
			define(t, db, inventory.CustomAuthTypes, "OURS", `{"name":"OURS","active":true,`+c.doc+`}`)
			define(t, db, inventory.CustomAuthTypes, "LATER", `{"name":"LATER","active":true,"headerKeys":["x-nothing"]}`)
			x := get("https://api.shop.com/a")
			x.method, x.body = "POST", c.body
			x.headers = []string{"X-SIG: 1", "X-Date: 2", "Cookie: a=1; sid=2", "content-type: application/json"}
			learnAll(t, db, x.record(1))
			if got := fmt.Sprint(inventoryOf(t, db, account)[0].AuthTypes); got != c.want {
				t.Errorf("auth = %s, want %s", got, c.want)
			}
		})
	}
}

// TestSettingsAreFollowed changes definitions and settings under a learner that
// runs: each counts for the next record.
func TestSettingsAreFollowed(t *testing.T) {
	db := openStore(t)
	src := newNotingSource()
	l, stop := start(t, learn.Config{Source: src, Stores: db, ReloadEvery: 10 * time.Second})
	seq := int64(0)
	give := func(x exchange) {
		t.Helper()
		seq++
		l.Reload()
		src.give([]*ingest.Record{x.record(seq)})
	}
	signed := get("https://api.shop.com/a")
	signed.headers = []string{"x-sig: 1"}
	give(signed)
	define(t, db, inventory.CustomAuthTypes, "OURS", `{"name":"OURS","active":true,"headerKeys":["x-sig"]}`)
	give(signed)
	// What the account filters, by each of its rules.
	image := get("https://api.shop.com/image")
	image.responseType = "image/webp"
	filtered := []exchange{get("https://x.internal.com/d"), get("https://other.com/o"), get("https://api.shop.com/internal/p"), image}
	for _, x := range filtered {
		give(x)
	}
	configure(t, db, inventory.Settings{
		AllowHosts: []string{"*.shop.com", "*.internal.com"}, DenyHosts: []string{"*.internal.com"}, DenyPaths: []string{"/internal/"},
		DenyContentTypes: []string{"image/*"}, EndpointRate: &inventory.Rate{PerMinute: 60, Burst: 2},
	})
	for _, x := range filtered {
		give(x)
	}
	for range 5 { // in one second
		x := get("https://api.shop.com/often")
		x.at = 1767225700
		give(x)
	}
	stop()
	for _, e := range inventoryOf(t, db, account) {
		if got := fmt.Sprint(e.AuthTypes); e.URL == "/a" && got != "[[OURS] [UNAUTHENTICATED]]" {
			t.Errorf("auth = %s", got)
		}
	}
	want := []string{"GET /a 2", "GET /d 1", "GET /image 1", "GET /internal/p 1", "GET /o 1", "GET /often 2"}
	if d := cmp.Diff(want, urls(t, db)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	dropped, err := db.Account(account).Dropped(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]int64{"host": 2, "path_prefix": 1, "response_content_type": 1, "rate_limit": 3}, dropped); d != "" {
		t.Errorf("dropped (-want +got):\n%s", d)
	}
}
