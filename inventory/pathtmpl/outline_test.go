package pathtmpl_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"harken/inventory/pathtmpl"
)

// TestOutlineResolves has an outline say what the set says, of paths that it knows
// and of new ones, which then are known to both.
func TestOutlineResolves(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		opt := learning
		opt.Versions, opt.FoldCase = seed%2 == 0, seed%5 == 0
		s := pathtmpl.NewSet(opt)
		paths := somePaths(r, 300)
		for i, p := range paths[:150] {
			s.Resolve(methodAt(i), p)
		}
		if seed%3 == 0 {
			for _, p := range []string{"/files/STRING", "/v2/STRING/graph/STRING", "/users/INTEGER", "/STRING/LOCALE"} {
				s.Add("GET", p) // of an unknown rule
			}
			s.Pin("GET", "/zvw/STRING/INTEGER")
			s.Pin("POST", "/files/2024")
		}
		if seed%7 == 0 {
			s.Block("GET", "/files/STRING")
			s.Split("POST", "/orders/INTEGER", []string{"/orders/7"})
			s.Block("GET", "/Users/OBJECT_ID")
		}
		s.Merge(alike)
		o := s.Outline()
		for _, known := range urlsOf(s) {
			method, url, _ := strings.Cut(known, " ")
			same(t, s, o, method, url, false)
		}
		for i, p := range paths {
			method := methodAt(i)
			same(t, s, o, method, p, i%7 == 0)
		}
		if o.Bytes() > s.Bytes()/4 {
			t.Errorf("seed %d: %d bytes, the set has %d", seed, o.Bytes(), s.Bytes())
		}
	}
}

func same(t *testing.T, s *pathtmpl.Set, o *pathtmpl.Outline, method, path string, literal bool) {
	t.Helper()
	of, by := s.Resolve, o.Resolve
	if literal {
		of, by = s.ResolveLiteral, o.ResolveLiteral
	}
	url, isTemplate, isNew := of(method, path)
	got, gotTemplate, gotNew := by(method, path)
	if got != url || gotTemplate != isTemplate || gotNew != isNew {
		t.Fatalf("%s %s (literal %v): %q, %v, %v; the set has %q, %v, %v", method, path, literal, got, gotTemplate, gotNew, url, isTemplate, isNew)
	}
}

func methodAt(i int) string { return []string{"GET", "GET", "POST", "LINK"}[i%4] }

func somePaths(r *rand.Rand, n int) (paths []string) {
	words := strings.Fields("orders users files search kqj zvw qxkz de en-US fr 7 42 3.5 +9 v1 v2 64b7f0c2a91e4d3f8c5b6a70 ab12cd34 2024-01-15 " +
		"graph STRING INTEGER LOCALE jo%40example.com api Orders KQJ")
	for range n {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			switch word := words[r.IntN(len(words))]; {
			case r.IntN(6) == 0:
				fmt.Fprintf(&b, "/%c%c%c", 'b'+rune(r.IntN(4)), 'q'+rune(r.IntN(4)), 'x'+rune(r.IntN(3)))
			default:
				b.WriteString("/" + word)
			}
		}
		paths = append(paths, b.String())
	}
	return append(paths, "", "/", "//a//b/", "/"+strings.Repeat("x1/", 70), "/orders/"+strings.Repeat("z", 5000))
}

// TestOutlineBounds has a full outline go on as a full set does.
func TestOutlineBounds(t *testing.T) {
	opt := learning
	opt.MaxURLs = 3
	s := pathtmpl.NewSet(opt)
	s.Resolve("GET", "/orders")
	o := s.Outline()
	for _, p := range []string{"/a", "/orders/7", "/b", "/orders/abc/x", "/b", "/orders/8", "/a"} {
		same(t, s, o, "GET", p, false)
	}
}

// An outline says of any path what its set says.
func FuzzOutline(f *testing.F) {
	f.Add("/a/zxqv\n/a/kplm\n/a/7\n/a/en\n/a/de", "/a/qqq\n/a/fr\n/a/8", false, false)
	f.Add("/A/zxqv\n/a/Kplm/7\n/Users/me\n/a/STRING/B", "/a/kplm/8\n/users/Me\n/A/x/b\n/B/7\n/b/8", false, true)
	f.Add("/orders/7\n/orders/STRING\n/graph/7", "/orders/64b7f0c2a91e4d3f8c5b6a70\n/graph/8\n/graph/7", true, false)
	f.Add("/STRING/INTEGER/x\n/zvw/STRING/x", "/zvw/7/x\n/qqq/7/x\n/STRING/7/x\n/INTEGER/INTEGER/x", false, false)
	f.Fuzz(func(t *testing.T, known, asked string, literal, fold bool) {
		opt := learning
		opt.FoldCase = fold
		s := pathtmpl.NewSet(opt)
		for p := range strings.SplitSeq(known, "\n") {
			s.Add("GET", p)
			s.Resolve("PUT", p)
		}
		if strings.Count(known, "\n") < 200 {
			s.Merge(alike)
		}
		blocked, _, _ := strings.Cut(asked, "\n")
		s.Block("PUT", blocked)
		o := s.Outline()
		for _, p := range append(strings.Split(asked, "\n"), strings.Split(known, "\n")...) {
			same(t, s, o, "GET", p, literal)
			same(t, s, o, "PUT", p, literal)
		}
	})
}
