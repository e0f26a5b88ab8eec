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
	f := func(template string, values, types []string, want string, distinct int64) {
		t.Helper()
		s := pathtmpl.NewSet(learning)
		s.Add("GET", template)
		for method, url := range s.Unsure {
			if method != "GET" || url != template {
				t.Errorf("Unsure yields %s %s", method, url)
			}
		}
		first := true // segment with a placeholder
		s.Recall("GET", template, func(int) ([]string, []string, int64) {
			if !first {
				return nil, nil, 0
			}
			first = false
			return values, types, 0
		})
		ex := s.Explain("GET", template)
		if ex.Rule.String() != want || ex.Placeholders[0].Distinct != distinct {
			t.Errorf("Recall(%s): %s, %d values", template, ex.Rule, ex.Placeholders[0].Distinct)
		}
	}
	f("/a/INTEGER", []string{"1", "2"}, nil, "number", 2)
	f("/a/STRING", []string{"ab12cd34", "3f2b8c1e-9a4d-4e6f-8b7a-2c1d0e9f8a7b"}, nil, "uuid+alnum", 2)
	f("/a/STRING/b", []string{"zxqv", "7"}, nil, "body-similar", 2)
	f("/a/STRING/b", nil, []string{"UUID"}, "uuid", 0)
	f("/a/STRING/b", nil, []string{"EMAIL"}, "semantic", 0)
	f("/OBJECT_ID/LOCALE/VERSIONED", nil, nil, "objectId+version+locale", 0)
	f("/a/STRING/b", nil, nil, "stored", 0)
	if pathtmpl.NewSet(learning).Recall("GET", "/none", nil) {
		t.Error("Recall of what is not there")
	}
}

// Values that came while a set was not in memory count when it is read again: with
// them STRING takes the numbers, as it does in the set that saw all.
func TestRecallDecides(t *testing.T) {
	few := []string{"ab12cd3", "bc23de4", "cd34ef5", "7654321"}
	missed := []string{"ab12cd3", "de45fa6", "ef56ab7", "fa67bc8", "a1b2c3d", "b2c3d4e", "c3d4e5f", "d4e5f6a", "e5f6a7b"}
	read := func(values []string, more int64) *pathtmpl.Set {
		t.Helper()
		s := pathtmpl.NewSet(learning)
		for _, v := range few {
			s.Resolve("GET", "/categories/"+v)
		}
		s.Merge(alike)
		again, err := pathtmpl.ParseState(s.AppendState(nil), learning)
		if err != nil {
			t.Fatal(err)
		}
		var unsure []string
		for method, url := range again.Unsure {
			unsure = append(unsure, method+" "+url)
		}
		if len(unsure) != 1 || unsure[0] != "GET /categories/STRING" {
			t.Fatalf("unsure of %v", unsure)
		}
		grew := again.Recall("GET", "/categories/STRING", func(int) ([]string, []string, int64) { return values, []string{"GENERIC"}, more })
		if grew != (len(values)+int(more) > 1) {
			t.Errorf("Recall of %v and %d more: %v", values, more, grew)
		}
		again.Merge(alike)
		return again
	}
	f := func(s *pathtmpl.Set, want string) {
		t.Helper()
		if got := strings.Join(urlsOf(s), " "); got != want {
			t.Errorf("the set has %s, want %s", got, want)
		}
	}
	f(read(few[:1], 0), "GET /categories/INTEGER GET /categories/STRING")
	f(read(missed[:8], 0), "GET /categories/INTEGER GET /categories/STRING")
	f(read(missed, 0), "GET /categories/STRING")
	f(read(nil, 60), "GET /categories/STRING")
	for range read(missed, 0).Unsure {
		t.Error("unsure of what has enough values")
	}
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
