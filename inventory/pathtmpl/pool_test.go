package pathtmpl_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"harken/inventory/pathtmpl"
)

// settled runs Merge over "METHOD path" and gives what is left.
func settled(t *testing.T, s *pathtmpl.Set, mo pathtmpl.MergeOptions, requests ...string) string {
	t.Helper()
	for _, q := range requests {
		method, path, _ := strings.Cut(q, " ")
		s.Resolve(method, path)
	}
	s.Merge(mo)
	if again := s.Merge(mo); len(again) != 0 {
		t.Errorf("a second Merge absorbs %v", again)
	}
	return strings.Join(urlsOf(s), ", ")
}

func requests(lists ...[]string) (all []string) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func TestPlaces(t *testing.T) {
	f := func(name, want string, mo pathtmpl.MergeOptions, lists ...[]string) {
		t.Helper()
		if got := settled(t, pathtmpl.NewSet(learning), mo, requests(lists...)...); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	users := around("GET /users/", opaque, "")
	f("two of a longer path", "GET /users/STRING, GET /users/STRING/orders/INTEGER", alike,
		users, []string{"GET /users/bcdf/orders/1", "GET /users/cdfg/orders/2"})
	f("one of a longer path", "GET /users/STRING, GET /users/bcdf/orders/INTEGER", alike,
		users, []string{"GET /users/bcdf/orders/1"})
	f("another method", "DELETE /users/STRING, GET /users/STRING", alike,
		users, []string{"DELETE /users/bcdf", "DELETE /users/cdfg"})
	f("words", "GET /users/STRING, GET /users/cart/orders, GET /users/search/orders", alike,
		users, []string{"GET /users/search/orders", "GET /users/cart/orders"})
	f("another place", "GET /teams/bcdf/orders, GET /teams/cdfg/orders, GET /users/STRING", alike,
		users, []string{"GET /teams/bcdf/orders", "GET /teams/cdfg/orders"})
	f("together", "DELETE /users/STRING, GET /users/STRING", alike,
		around("GET /users/", opaque[:6], ""), around("DELETE /users/", opaque[6:], ""))
	f("ten together", "DELETE /users/dxvw, DELETE /users/jqkn, DELETE /users/mzrk, DELETE /users/tqpl, "+
		"GET /users/hgfz, GET /users/kplm, GET /users/qztw, GET /users/vbnq, GET /users/wjxk, GET /users/zxqv", alike,
		around("GET /users/", opaque[:6], ""), around("DELETE /users/", opaque[6:10], ""))
	f("the same six twice", "DELETE /users/kplm, DELETE /users/zxqv, GET /users/kplm, GET /users/zxqv", alike,
		around("GET /users/", opaque[:2], ""), around("DELETE /users/", opaque[:2], ""))
	f("numbers prove nothing", "GET /users/INTEGER, GET /users/bcdf/orders, GET /users/cdfg/orders", alike,
		around("GET /users/", strings.Fields("1 2 3 4 5 6 7 8 9 10 11 12"), ""), []string{"GET /users/bcdf/orders", "GET /users/cdfg/orders"})
	f("eleven of a rule", "GET /users/STRING, GET /users/STRING/orders", alike,
		around("GET /users/", opaque, "1999"), []string{"GET /users/bcdf/orders", "GET /users/cdfg/orders"})
	f("ten of a rule", "GET /users/STRING, GET /users/bcdf/orders/bcdf, GET /users/cdfg/orders/cdfg", alike,
		around("GET /users/", opaque[1:], "1999"), []string{"GET /users/bcdf/orders/bcdf", "GET /users/cdfg/orders/cdfg"})
	// Locales do not count, and spellings that differ in case count once.
	f("ten and locales", "GET /users/STRING, GET /users/bcdf/orders, GET /users/cdfg/orders", alike,
		around("GET /users/", opaque[3:], "1999"), []string{"GET /users/de", "GET /users/fr-FR", "GET /users/bcdf/orders", "GET /users/cdfg/orders"})
	f("ten and case", "GET /users/STRING, GET /users/bcdf/orders, GET /users/cdfg/orders", alike,
		around("GET /users/", opaque[3:], "1999"), []string{"GET /users/WJXK1999", "GET /users/VBNQ1999", "GET /users/bcdf/orders", "GET /users/cdfg/orders"})
	f("eleven", "GET /users/STRING, GET /users/STRING/orders", alike,
		around("GET /users/", opaque[2:], "1999"), []string{"GET /users/bcdf/orders", "GET /users/cdfg/orders"})
}

// Two kinds of look-alikes never count together, also not where others do.
func TestPlacesKeepKindsApart(t *testing.T) {
	shape := func(n string) pathtmpl.Shape { return pathtmpl.NewShape(nil, map[int][]string{200: {n}}) }
	shapes := map[string]pathtmpl.Shape{}
	paths := around("/vendors/", opaque, "/stats")
	for i, p := range paths {
		shapes[p] = shape("a")
		if i >= 5 {
			shapes[p] = shape("b")
		}
	}
	s := pathtmpl.NewSet(learning)
	if settled(t, s, shaped(shapes), around("GET ", paths, "")...); s.Len() != len(paths) {
		t.Errorf("five and six: %v", urlsOf(s))
	}
	// Five of another path make eleven with the larger kind.
	more := around("/vendors/", strings.Fields("bcdf cdfg dfgh fghj ghjk"), "/items")
	for _, p := range more {
		shapes[p] = shape("c")
	}
	got := settled(t, s, shaped(shapes), around("GET ", more, "")...)
	if want := "GET /vendors/STRING/items, GET /vendors/STRING/stats"; got != want {
		t.Errorf("with five more: got %s, want %s", got, want)
	}
}

// A place that a person spoke against proves nothing; also after a restart, which
// what was learned survives.
func TestPlacesAreStored(t *testing.T) {
	again := func(s *pathtmpl.Set) *pathtmpl.Set {
		urls := urlsOf(s)
		s, err := pathtmpl.ParseState(s.AppendState(nil), learning)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range urls {
			method, path, _ := strings.Cut(u, " ")
			s.Add(method, path)
		}
		return s
	}
	first := append(around("GET /users/", opaque[:6], ""), around("DELETE /users/", opaque[6:], "")...)
	two := []string{"GET /users/bcdf/orders", "GET /users/cdfg/orders"}
	s := pathtmpl.NewSet(learning)
	settled(t, s, alike, first...)
	if got, want := settled(t, again(s), alike, two...), "DELETE /users/STRING, GET /users/STRING, GET /users/STRING/orders"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s.Block("GET", "/users/STRING")
	want := "DELETE /users/STRING, GET /users/bcdf/orders, GET /users/cdfg/orders"
	stored := again(s)
	if got := settled(t, stored, alike, two...); got != want {
		t.Errorf("blocked and stored: got %s, want %s", got, want)
	}
	if got := settled(t, s, alike, two...); got != want {
		t.Errorf("blocked: got %s, want %s", got, want)
	}
}

// Where about eleven values are spread over two or three places, few are look-alikes,
// and templates that overlap take each other's paths. In each of these seeds it once
// mattered which of them was there first.
func TestOrderDoesNotMatterToPlaces(t *testing.T) {
	_, mo := corpus(rand.New(rand.NewPCG(1, 1)))
	for _, seed := range []uint64{53, 299, 515, 653, 889} {
		orderDoesNotMatter(t, seed, sparse(rand.New(rand.NewPCG(seed, 77))), mo)
	}
}

// sparse makes 150 of 2,744 possible paths, and 150 of 196.
func sparse(r *rand.Rand) (paths []string) {
	word := func() string {
		const letters = "bcdfghjklmnpqrstvwxz"
		b := make([]byte, 3+r.IntN(3))
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return string(b)
	}
	ids := []func() string{
		word, word, word, word,
		func() string { return fmt.Sprintf("%08x", r.Uint32()) },
		func() string { return []string{"en", "de", "fr-FR", "me"}[r.IntN(4)] },
	}
	for _, place := range []string{"/a/*/b/*/c", "/orgs/*/teams/*/members/*"} {
		values := make([]string, 14)
		for i := range values {
			values[i] = ids[r.IntN(len(ids))]()
		}
		for range 150 {
			var b strings.Builder
			for i, part := range strings.Split(place, "*") {
				if i > 0 {
					b.WriteString(values[r.IntN(len(values))])
				}
				b.WriteString(part)
			}
			paths = append(paths, b.String())
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
