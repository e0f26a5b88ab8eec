package pathtmpl_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"harken/inventory/pathtmpl"
)

func TestFromBraces(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := pathtmpl.FromBraces(in); got != want {
			t.Errorf("FromBraces(%q) = %q, want %q", in, got, want)
		}
	}
	f("/pets/{petId}", "/pets/STRING")
	f("/pets/:petId/photos", "/pets/STRING/photos")
	f("/pets/{petId:int}", "/pets/INTEGER")
	f(`/pets/{petId:\d+}/x`, "/pets/INTEGER/x")
	f("/pets/{petId:[0-9]+}", "/pets/INTEGER")
	f("/pets/<int:id>", "/pets/INTEGER")
	f("/pets/<id>", "/pets/STRING")
	f("/at/{lat:double}/{lang:locale}/{v:version}/{x:objectId}/{u:uuid}", "/at/FLOAT/LOCALE/VERSIONED/OBJECT_ID/STRING")
	f("/pets/{petId}:cancel", "/pets/STRING")
	f("/pets/{name}.json", "/pets/STRING")
	f("/pets/{{petId}}", "/pets/STRING")
	f("/pets/{tail:[^/?#]+}/x?y={z}", "/pets/STRING/x")
	f("/pets/{id?}", "/pets/STRING")
	f("/pets:batch", "/pets:batch")
	f("/pets/:", "/pets/:")
	f("/pets/{}", "/pets/STRING")
	f("/pets/{x", "/pets/{x")
	f("", "/")
	f("/pets/<", "/pets/<")
	f("https://h.example/pets/{id}/", "/pets/STRING")
}

func TestPinAndSeed(t *testing.T) {
	s := pathtmpl.NewSet(learning)
	resolve := func(path string) string {
		url, _, _ := s.Resolve("GET", path)
		return url
	}
	resolve("/pets/5")
	if !s.Seed("GET", pathtmpl.FromBraces("/pets/{petId}")) || s.Seed("GET", "/pets/STRING") != true {
		t.Error("Seed = false")
	}
	if got := fmt.Sprint(s.Merge(alike)); got != "[{GET /pets/STRING seeded [/pets/INTEGER]}]" {
		t.Errorf("Merge after Seed = %s", got)
	}
	if got := resolve("/pets/7"); got != "/pets/STRING" {
		t.Errorf("seeded: /pets/7 is in %s", got)
	}
	s.Pin("GET", "/vendors/zxqv/stats")
	for _, p := range around("/vendors/", append(opaque, "qqq"), "/stats") {
		resolve(p)
	}
	got := s.Merge(alike)
	if len(got) != 1 || got[0].Template != "/vendors/STRING/stats" || slices.Contains(got[0].URLs, "/vendors/zxqv/stats") || len(got[0].URLs) != 11 {
		t.Errorf("Merge beside a pin = %v", got)
	}
	if got := resolve("/vendors/zxqv/stats"); got != "/vendors/zxqv/stats" {
		t.Errorf("pinned: in %s", got)
	}
	if !s.Unpin("GET", "/vendors/zxqv/stats") || s.Unpin("GET", "/vendors/zxqv/stats") {
		t.Error("Unpin does not tell")
	}
	s.Merge(alike)
	if got := resolve("/vendors/zxqv/stats"); got != "/vendors/STRING/stats" {
		t.Errorf("unpinned: in %s", got)
	}
}

func TestSplitAndBlock(t *testing.T) {
	s := pathtmpl.NewSet(learning)
	paths := around("/vendors/", opaque, "/stats")
	for _, p := range paths {
		s.Resolve("GET", p)
	}
	s.Merge(alike)
	kept := s.Split("GET", "/vendors/STRING/stats", paths[:3])
	if !slices.Equal(kept, paths[:3]) {
		t.Errorf("Split = %v", kept)
	}
	for _, p := range append(paths, "/vendors/ab12cd34/stats") {
		if url, isTemplate, _ := s.Resolve("GET", p); url != p || isTemplate {
			t.Errorf("after Split, %s is in %s", p, url)
		}
	}
	if got := s.Merge(alike); len(got) != 0 {
		t.Errorf("Merge after Split = %v", got)
	}
	if got := fmt.Sprint(s.Blocked()); got != "[{GET /vendors/STRING/stats}]" {
		t.Errorf("Blocked = %s", got)
	}
	if ex := s.Explain("GET", "/vendors/ab12cd99/stats"); ex.Blocked != "/vendors/STRING/stats" || ex.IsTemplate || ex.Known {
		t.Errorf("Explain = %+v", ex)
	}
	if s.Seed("GET", "/vendors/STRING/stats") {
		t.Error("Seed makes a blocked template")
	}
	if !s.Unblock("GET", "/vendors/STRING/stats") || s.Unblock("GET", "/vendors/STRING/stats") {
		t.Error("Unblock does not tell")
	}
	if got := s.Merge(alike); len(got) != 1 || len(got[0].URLs) != 12 {
		t.Errorf("Merge after Unblock = %v", got)
	}
}

func TestSplitGoesToNextBest(t *testing.T) {
	s := pathtmpl.NewSet(learning)
	s.Seed("GET", "/a/STRING")
	s.Add("GET", "/a/INTEGER")
	s.Resolve("GET", "/a/7")
	if got := s.Split("GET", "/a/INTEGER", []string{"/a/7", "/b/7"}); !slices.Equal(got, []string{"/a/STRING", "/b/INTEGER"}) {
		t.Errorf("Split = %v", got)
	}
}

func TestMergeUser(t *testing.T) {
	s := pathtmpl.NewSet(learning)
	for _, p := range []string{"/a/kqx/x", "/a/kqy/x", "/a/kqz/y", "/a/all/x"} {
		s.Resolve("GET", p)
	}
	s.Block("GET", "/a/STRING/x")
	got, ok := s.MergeUser("GET", "/a/STRING/x", []string{"/a/kqx/x", "/a/kqz/y", "/a/all/x", "/nope"})
	if !ok || !slices.Equal(got, []string{"/a/kqx/x"}) {
		t.Errorf("MergeUser = %v, %v", got, ok)
	}
	if got := fmt.Sprint(s.Merge(alike)); got != "[{GET /a/STRING/x user [/a/kqy/x]}]" {
		t.Errorf("Merge after MergeUser = %s", got)
	}
	if _, ok := s.MergeUser("GET", "/a/b", nil); ok {
		t.Error("MergeUser takes what is no template")
	}
	if want := "GET /a/STRING/x GET /a/all/x GET /a/kqz/y"; strings.Join(urlsOf(s), " ") != want {
		t.Errorf("left: %v, want %s", urlsOf(s), want)
	}
}

func TestExplain(t *testing.T) {
	s := pathtmpl.NewSet(learning)
	for i := range 500 {
		s.Resolve("GET", fmt.Sprintf("/shop/orders/%d/by/jo%%40x%d.example", 1000+i, i%20))
	}
	ex := s.Explain("GET", "/shop/orders/77/by/al%40x.example")
	if ex.URL != "/shop/orders/INTEGER/by/STRING" || !ex.Known || !ex.IsTemplate || ex.Rule != pathtmpl.RuleNumber|pathtmpl.RuleSemantic {
		t.Errorf("Explain = %+v", ex)
	}
	if ex.Rule.String() != "number+semantic" || len(ex.FirstPaths) != 5 || ex.FirstPaths[0] != "/shop/orders/1000/by/jo%40x0.example" {
		t.Errorf("Rule %v, FirstPaths %q", ex.Rule, ex.FirstPaths)
	}
	a, b := ex.Placeholders[0], ex.Placeholders[1]
	if a.Index != 2 || a.Name != "INTEGER" || len(a.Examples) != 10 || a.Exact || a.Distinct < 400 || a.Distinct > 600 {
		t.Errorf("placeholder 0: %+v", a)
	}
	if b.Index != 4 || b.Name != "STRING" || b.Examples[0] != "jo@x0.example" || !b.Exact || b.Distinct != 20 {
		t.Errorf("placeholder 1: %+v", b)
	}
	if ex := s.Explain("POST", "/shop/orders/77"); ex.Known || ex.URL != "/shop/orders/INTEGER" || ex.Rule != pathtmpl.RuleNumber {
		t.Errorf("Explain of a new path = %+v", ex)
	}
	if ex := s.Explain("GET", "/about"); ex.Known || ex.URL != "/about" || ex.IsTemplate || ex.Rule.String() != "stored" {
		t.Errorf("Explain of a static path = %+v", ex)
	}

	opt := learning
	opt.NoExamples = true
	s = pathtmpl.NewSet(opt)
	s.Resolve("GET", "/shop/orders/7")
	ex = s.Explain("GET", "/shop/orders/8")
	if len(ex.FirstPaths) != 0 || len(ex.Placeholders[0].Examples) != 0 || ex.Placeholders[0].Distinct != 1 {
		t.Errorf("without examples: %+v", ex)
	}
}

func TestState(t *testing.T) {
	s := pathtmpl.NewSet(learning)
	for i := range 300 {
		s.Resolve("GET", fmt.Sprintf("/shop/orders/%d", i))
		s.Resolve("POST", fmt.Sprintf("/shop/orders/%d/items/ab%d", i%7, 1000+i))
	}
	for _, p := range around("/vendors/", opaque, "/stats") {
		s.Resolve("GET", p)
	}
	s.Merge(alike)
	s.Pin("GET", "/about")
	s.Block("PUT", "/x/INTEGER")
	s.Seed("GET", "/pets/STRING")
	state := s.AppendState([]byte("before"))
	got, err := pathtmpl.ParseState(state[len("before"):], learning)
	if err != nil {
		t.Fatal(err)
	}
	if again := got.AppendState([]byte("before")); !bytes.Equal(again, state) {
		t.Errorf("state of the parsed set differs: %d and %d bytes", len(again), len(state))
	}
	if !slices.Equal(urlsOf(got), urlsOf(s)) || fmt.Sprint(got.Blocked()) != fmt.Sprint(s.Blocked()) {
		t.Errorf("URLs %v, want %v", urlsOf(got), urlsOf(s))
	}
	if a, b := fmt.Sprint(got.Explain("GET", "/shop/orders/9")), fmt.Sprint(s.Explain("GET", "/shop/orders/9")); a != b {
		t.Errorf("Explain = %s, want %s", a, b)
	}
	if got.Bytes() > s.Bytes() {
		t.Errorf("Bytes() = %d after %d", got.Bytes(), s.Bytes())
	}
	for n := len("before"); n < len(state); n++ {
		if _, err := pathtmpl.ParseState(state[len("before"):n], learning); err == nil {
			t.Fatalf("a state cut to %d bytes is taken", n)
		}
	}
	if _, err := pathtmpl.ParseState([]byte{2, 0}, learning); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("another version: %v", err)
	}
	// A restored set goes on as the first would have.
	for _, p := range around("/vendors/", []string{"bbq", "zzk"}, "/stats") {
		if url, _, isNew := got.Resolve("GET", p); url != "/vendors/STRING/stats" || isNew {
			t.Errorf("restored: %s is in %s", p, url)
		}
	}
}

// What merges stays bounded, and Bytes comes back when URLs are absorbed.
func TestMergeBounds(t *testing.T) {
	s := pathtmpl.NewSet(pathtmpl.Options{MaxURLs: 200})
	for i := range 5000 {
		s.Resolve("GET", "/vendors/"+strings.Repeat("q", i%90+1)+string(rune('a'+i%26))+"/stats")
		if i%50 == 0 {
			s.Merge(alike)
		}
	}
	if s.Len() != 1 || s.Pending() != 0 {
		t.Errorf("Len() = %d, Pending() = %d: %v", s.Len(), s.Pending(), urlsOf(s))
	}
	if s.Bytes() < 0 || s.Bytes() > 20_000 {
		t.Errorf("Bytes() = %d", s.Bytes())
	}

	s = pathtmpl.NewSet(pathtmpl.Options{})
	for i := range 100 {
		s.Resolve("GET", "/vendors/"+opaque[i%11]+strings.Repeat("x", i/11)+"/stats")
	}
	mo := alike
	mo.Limit = 30
	var n int
	for s.Pending() > 0 {
		for _, a := range s.Merge(mo) {
			n += len(a.URLs)
		}
	}
	if n != 100 || s.Len() != 1 {
		t.Errorf("with a limit: absorbed %d, left %d", n, s.Len())
	}
}
