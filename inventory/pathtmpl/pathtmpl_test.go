package pathtmpl_test

import (
	"strings"
	"testing"

	"harken/inventory/datatype"
	"harken/inventory/pathtmpl"
)

func semantic(s string) bool {
	t := datatype.OfText(s)
	return t != datatype.Generic && t != datatype.Other
}

var learning = pathtmpl.Options{Semantic: semantic}

func TestNormalize(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := pathtmpl.Normalize(in); got != want {
			t.Errorf("Normalize(%q) = %q, want %q", in, got, want)
		}
	}
	f("", "/")
	f("/", "/")
	f("//", "/")
	f("?a=1", "/")
	f("/a/b?x=/y//z#f", "/a/b")
	f("/a#frag?x", "/a")
	f("/a//b///c/", "/a/b/c")
	f("//a/b//", "/a/b")
	f("/a/", "/a")
	f("a/b", "/a/b")
	f("https://h.example", "/")
	f("https://h.example?x=1", "/")
	f("https://h.example:8443//a/../b%2Fc/./", "/a/../b%2Fc/.")
	f("ws+unix://h/a", "/a")
	f("/login/https://h.example/back", "/login/https:/h.example/back")
	f("1x://h/a", "/1x:/h/a")
	f("/a?next=https://h/x", "/a")
	f("*", "/*")
}

func TestPhaseA(t *testing.T) {
	f := func(name, in, want string) {
		t.Helper()
		s := pathtmpl.NewSet(learning)
		url, isTemplate, isNew := s.Resolve("GET", in)
		if url != want || isTemplate != pathtmpl.IsTemplate(want) || !isNew {
			t.Errorf("%s: Resolve(%q) = %q, %v, %v, want %q", name, in, url, isTemplate, isNew, want)
		}
	}
	f("T1", "/shop/orders/48213?x=1", "/shop/orders/INTEGER")
	f("T2", "/shop/orders/-7", "/shop/orders/INTEGER")
	f("T3", "/shop/orders/12.75", "/shop/orders/FLOAT")
	f("T4", "/files/64b7f0c2a91e4d3f8c5b6a70", "/files/OBJECT_ID")
	f("T5", "/sessions/3f2b8c1e-9a4d-4e6f-8b7a-2c1d0e9f8a7b/events", "/sessions/STRING/events")
	f("T6", "/invoices/inv20240017", "/invoices/STRING")
	f("T7", "/devices/ab12", "/devices/ab12")
	f("T8", "/v2/customers/991", "/v2/customers/INTEGER")
	f("T9", "/contacts/jo.lee@example.com", "/contacts/STRING")
	f("T9", "/contacts/jo.lee%40example.com", "/contacts/STRING")
	f("T10", "/hosts/10.20.30.40", "/hosts/STRING")
	f("T11", "/contacts/+16502530000", "/contacts/STRING")
	f("T12", "/files/12345678901234567890", "/files/INTEGER")
	f("T13", "/graphql/77", "/graphql/77")
	f("T14", "https://api.shop.example/shop/orders/55", "/shop/orders/INTEGER")
	f("T15", "/shop/order-items/getUser", "/shop/order-items/getUser")
	f("T16", "/123/summary", "/INTEGER/summary")
	f("T19", "/reports/2024-01-15", "/reports/STRING")
	f("date and time", "/reports/2024-01-15T10:20:30%2B01:00", "/reports/STRING")
	f("no date", "/reports/2024-13-15", "/reports/2024-13-15")
	f("other dates", "/reports/15-01-2024", "/reports/15-01-2024")
	f("version off", "/v2/x9", "/v2/x9")
	f("placeholder words", "/users/STRING", "/users/STRING")
	f("root", "https://api.shop.example", "/")
	f("one segment has no type", "/10.20.30.40", "/10.20.30.40")
	f("a key", "/k/ord-2024-x", "/k/STRING")
	f("bad encoding", "/k/100%", "/k/100%")

	s := pathtmpl.NewSet(pathtmpl.Options{Versions: true})
	for in, want := range map[string]string{
		"/v2/customers/991":  "/VERSIONED/customers/INTEGER",
		"/V12/customers/991": "/VERSIONED/customers/INTEGER",
		"/v0/customers":      "/v0/customers",
		"/v100/customers":    "/v100/customers",
	} {
		if url, _, _ := s.Resolve("GET", in); url != want {
			t.Errorf("T8 with versions: Resolve(%q) = %q, want %q", in, url, want)
		}
	}
}

func TestStoredTemplates(t *testing.T) {
	s := pathtmpl.NewSet(learning)
	if !s.Add("GET", "shop/orders/INTEGER") || s.Add("GET", "/shop/orders/INTEGER") {
		t.Error("Add does not tell new from known")
	}
	f := func(name, method, path, want string, wantTemplate, wantNew bool) {
		t.Helper()
		url, isTemplate, isNew := s.Resolve(method, path)
		if url != want || isTemplate != wantTemplate || isNew != wantNew {
			t.Errorf("%s: Resolve(%q, %q) = %q, %v, %v, want %q, %v, %v", name, method, path, url, isTemplate, isNew, want, wantTemplate, wantNew)
		}
	}
	f("known", "GET", "/shop/orders/5", "/shop/orders/INTEGER", true, false)
	f("plus sign", "GET", "/shop/orders/+5", "/shop/orders/INTEGER", true, false)
	f("T17", "GET", "/shop/orders/search", "/shop/orders/search", false, true)
	f("T17 again", "GET", "/shop/orders/search/", "/shop/orders/search", false, false)
	f("T18", "POST", "/shop/orders/5", "/shop/orders/INTEGER", true, true)
	if s.Len() != 3 || s.Bytes() <= 0 {
		t.Errorf("Len() = %d, Bytes() = %d, want 3 and more than 0", s.Len(), s.Bytes())
	}
	s.Add("GET", "/docs/LOCALE/intro")
	s.Add("GET", "/VERSIONED/things")
	f("locale", "GET", "/docs/pt-BR/intro", "/docs/LOCALE/intro", true, false)
	f("version", "GET", "/v7/things", "/VERSIONED/things", true, false)
	f("version, English", "GET", "/beta/things", "/beta/things", false, true)
	f("case", "GET", "/Docs/pt-BR/intro", "/Docs/pt-BR/intro", false, true)
}

// Which template wins depends on how specific it is, and not on the order in
// which they came.
func TestMostSpecificWins(t *testing.T) {
	templates := []string{
		"/a/STRING/STRING", "/a/LOCALE/STRING", "/a/VERSIONED/STRING", "/a/OBJECT_ID/STRING",
		"/a/FLOAT/STRING", "/a/INTEGER/STRING", "/a/STRING/zz9", "/a/7/STRING", "/STRING/7/zz9",
	}
	wants := map[string]string{
		"/a/7/q1":                        "/a/7/STRING",
		"/a/8/zz9":                       "/a/INTEGER/STRING",
		"/a/8.5/q1":                      "/a/FLOAT/STRING",
		"/a/64b7f0c2a91e4d3f8c5b6a70/q1": "/a/OBJECT_ID/STRING",
		"/a/123456789012345678901234/q1": "/a/INTEGER/STRING",
		"/a/x1/q1":                       "/a/VERSIONED/STRING",
		"/qx1/7/zz9":                     "/STRING/7/zz9",
	}
	for turn := range templates {
		s := pathtmpl.NewSet(pathtmpl.Options{})
		for i := range templates {
			s.Add("GET", templates[(i+turn)%len(templates)])
		}
		for path, want := range wants {
			if got, _ := s.Match("GET", path); got != want {
				t.Errorf("turn %d: Match(%q) = %q, want %q", turn, path, got, want)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	s := pathtmpl.NewSet(pathtmpl.Options{MaxURLs: 2})
	s.Resolve("GET", "/alpha")
	s.Resolve("GET", "/items/1")
	for range 2 {
		if url, _, isNew := s.Resolve("GET", "/things/2"); url != "/things/INTEGER" || !isNew {
			t.Errorf("full set: Resolve = %q, %v, want /things/INTEGER, true", url, isNew)
		}
	}
	if s.Len() != 2 {
		t.Errorf("Len() = %d, want 2", s.Len())
	}
	var zero pathtmpl.Set
	if _, _, isNew := zero.Resolve("GET", "/items/1"); !isNew || zero.Len() != 1 {
		t.Errorf("zero Set: new %v, Len() = %d, want true and 1", isNew, zero.Len())
	}
	long := strings.Repeat("/1", 65)
	if got, changed := pathtmpl.Parameterize(long, pathtmpl.Options{}); changed || got != long {
		t.Error("a path of 65 segments was parameterized")
	}
	// A trie in which every place has a literal and several placeholders.
	s = pathtmpl.NewSet(pathtmpl.Options{})
	var grow func(prefix string, depth int)
	grow = func(prefix string, depth int) {
		if depth == 0 {
			s.Add("GET", prefix+"/zz9")
			return
		}
		for _, seg := range []string{"1", "INTEGER", "STRING", "LOCALE"} {
			grow(prefix+"/"+seg, depth-1)
		}
	}
	grow("", 6)
	if url, ok := s.Match("GET", "/1/1/1/1/1/1/zz8"); ok {
		t.Errorf("Match = %q, want none", url)
	}
}

func TestParams(t *testing.T) {
	var got []string
	yield := func(i int, ph, v string) { got = append(got, string(rune('0'+i))+" "+ph+" "+v) }
	pathtmpl.Params("/shop/orders/INTEGER/by/STRING", "/shop/orders/48213/by/jo%40x.example", yield)
	if want := "2 INTEGER 48213|4 STRING jo@x.example"; strings.Join(got, "|") != want {
		t.Errorf("Params = %q, want %q", strings.Join(got, "|"), want)
	}
	got = nil
	pathtmpl.Params("/shop/INTEGER", "/shop/1/2", yield)
	if len(got) != 0 {
		t.Errorf("Params of another length = %q", got)
	}
}

func TestIsTemplate(t *testing.T) {
	for path, want := range map[string]bool{
		"/a/INTEGER": true, "INTEGER/a": true, "/a/OBJECT_IDS": false, "/STRINGS": false, "/": false, "/x/LOCALE": true, "/integer": false,
	} {
		if got := pathtmpl.IsTemplate(path); got != want {
			t.Errorf("IsTemplate(%q) = %v, want %v", path, got, want)
		}
	}
}

func TestEnglish(t *testing.T) {
	for w := range strings.FieldsSeq(`summary search events sessions invoices devices contacts hosts files reports stats vendors
		cart intro docs order items get User college revenue users orders me admin foo alice order-items getUser HTMLPage
		list_all_users my.orders getURLList URLList json webhooks color`) {
		if !pathtmpl.English(w) {
			t.Errorf("English(%q) = false", w)
		}
	}
	for w := range strings.FieldsSeq(`zxqv kplm qztw wjxk vbnq hgfz tqpl mzrk dxvw jqkn pwzt api id sku config graphql v1 en
		API userId - -- . _ user1 order-7 naïve a1 getUserById zxqvKplm`) {
		if pathtmpl.English(w) {
			t.Errorf("English(%q) = true", w)
		}
	}
	if pathtmpl.English("") {
		t.Error(`English("") = true`)
	}
	if n := testing.AllocsPerRun(100, func() { pathtmpl.English("getOrderItems-listing") }); n != 0 {
		t.Errorf("English allocates %v times", n)
	}
}
