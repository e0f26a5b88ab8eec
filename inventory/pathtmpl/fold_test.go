package pathtmpl_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"harken/inventory/pathtmpl"
)

// Where case does not matter, the spelling that was first stays.
func TestFoldCase(t *testing.T) {
	opt := learning
	opt.FoldCase = true
	s := pathtmpl.NewSet(opt)
	f := func(path, want string) {
		t.Helper()
		if url, _, _ := s.Resolve("GET", path); url != want {
			t.Errorf("%s is in %s, want %s", path, url, want)
		}
	}
	f("/Users/42/Profile", "/Users/INTEGER/Profile")
	f("/users/43/profile", "/Users/INTEGER/Profile")
	f("/USERS/44/PROFILE", "/Users/INTEGER/Profile")
	f("/About/Us", "/About/Us")
	f("/about/us", "/About/Us")
	f("/about/us/integer", "/about/us/integer")
	s.Block("GET", "/Files/STRING")
	f("/files/ab12cd34", "/files/ab12cd34")
	f("/FILES/AB12CD34", "/files/ab12cd34")
	s.Pin("GET", "/Old/STRING")
	f("/old/zzqv", "/Old/STRING")
	for i, w := range append(opaque, "rrq") {
		path := "/" + []string{"vendors", "Vendors"}[i%2] + "/" + w + "/stats"
		f(path, path)
	}
	s.Merge(alike)
	f("/VENDORS/qqq/Stats", "/vendors/STRING/stats")
	if got := fmt.Sprint(s.Merge(alike)); got != "[]" {
		t.Errorf("a second Merge absorbs %s", got)
	}
	again, err := pathtmpl.ParseState(s.AppendState(nil), opt)
	if err != nil {
		t.Fatal(err)
	}
	if url, _, _ := again.Resolve("GET", "/users/1/profile"); url != "/Users/INTEGER/Profile" {
		t.Errorf("after ParseState: %s", url)
	}
}

// What was learned while case mattered is one URL afterwards, whichever is read first.
func TestFoldTwins(t *testing.T) {
	opt := learning
	opt.FoldCase = true
	urls := []string{"/Users/INTEGER", "/users/INTEGER", "/USERS/INTEGER", "/About", "/about", "/Vendors/zxqv/x", "/vendors/zxqv/x", "/vendors/STRING/x"}
	for range 20 {
		rand.Shuffle(len(urls), func(i, j int) { urls[i], urls[j] = urls[j], urls[i] })
		s := pathtmpl.NewSet(opt)
		for _, u := range urls {
			s.Add("GET", u)
		}
		var got []string
		for _, a := range s.Merge(alike) {
			got = append(got, a.Template+":"+strings.Join(a.URLs, ","))
		}
		slices.Sort(got)
		want := "/about:/About /users/INTEGER:/USERS/INTEGER,/Users/INTEGER /vendors/STRING/x:/Vendors/zxqv/x,/vendors/zxqv/x"
		if strings.Join(got, " ") != want || s.Len() != 3 {
			t.Fatalf("from %v: Merge = %v, %d URLs", urls, got, s.Len())
		}
	}
}

// The rule of a template of which only the endpoint is stored.
func TestRecall(t *testing.T) {
	f := func(template string, values, types map[int][]string, want string, distinct int64) {
		t.Helper()
		s := pathtmpl.NewSet(learning)
		s.Add("GET", template)
		for method, url := range s.Unknown {
			if method != "GET" || url != template {
				t.Errorf("Unknown yields %s %s", method, url)
			}
		}
		s.Recall("GET", template, values, types)
		if want != "stored" {
			s.Recall("GET", template, map[int][]string{1: {"again"}}, nil)
		}
		ex := s.Explain("GET", template)
		if ex.Rule.String() != want || ex.Placeholders[0].Distinct != distinct {
			t.Errorf("Recall(%s): %s, %d values", template, ex.Rule, ex.Placeholders[0].Distinct)
		}
	}
	f("/a/INTEGER", map[int][]string{1: {"1", "2"}}, nil, "number", 2)
	f("/a/STRING", map[int][]string{1: {"ab12cd34", "3f2b8c1e-9a4d-4e6f-8b7a-2c1d0e9f8a7b"}}, nil, "uuid+alnum", 2)
	f("/a/STRING/b", map[int][]string{1: {"zxqv", "7"}}, nil, "body-similar", 2)
	f("/a/STRING/b", nil, map[int][]string{1: {"UUID"}}, "uuid", 0)
	f("/a/STRING/b", nil, map[int][]string{1: {"EMAIL"}}, "semantic", 0)
	f("/OBJECT_ID/LOCALE/VERSIONED", nil, nil, "objectId+version+locale", 0)
	f("/a/STRING/b", nil, nil, "stored", 0)
	pathtmpl.NewSet(learning).Recall("GET", "/none", nil, nil)
}

func TestResolveLiteral(t *testing.T) {
	s := pathtmpl.NewSet(learning)
	for _, path := range []string{"/mcp/tools/call/ab12cd34", "/mcp/42"} {
		if url, isTemplate, isNew := s.ResolveLiteral("POST", path); url != path || isTemplate || !isNew {
			t.Errorf("ResolveLiteral(%s) = %s, %v, %v", path, url, isTemplate, isNew)
		}
	}
	s.Seed("POST", "/mcp/STRING")
	if url, _, _ := s.ResolveLiteral("POST", "/mcp/43"); url != "/mcp/STRING" {
		t.Errorf("a template that is there: %s", url)
	}
}
