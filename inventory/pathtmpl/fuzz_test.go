package pathtmpl_test

import (
	"testing"

	"harken/inventory/pathtmpl"
)

// What Resolve says of a path it says again, of the path and of its own answer;
// and a template matches the path that it came from.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{
		"/shop/orders/48213?x=1", "https://h.example//a//7/", "/123/summary", "/%53TRING/INTEGER/7", "/a/%zz/%2F1", "/STRING",
		"/contacts/jo.lee%40example.com", "/reports/2024-01-15", "/1/2.5/64b7f0c2a91e4d3f8c5b6a70/v1", "", "?", "/graph/5", "/+1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		opt := learning
		opt.Versions = true
		s := pathtmpl.NewSet(opt)
		url, isTemplate, isNew := s.Resolve("GET", in)
		if !isNew || url == "" || url[0] != '/' {
			t.Fatalf("Resolve(%q) = %q, new %v", in, url, isNew)
		}
		path := pathtmpl.Normalize(in)
		if again := pathtmpl.Normalize(path); again != path {
			t.Fatalf("Normalize(%q) = %q", path, again)
		}
		for _, x := range []string{in, url} {
			u, tmpl, isNew := s.Resolve("GET", x)
			if u != url || tmpl != isTemplate || isNew {
				t.Fatalf("Resolve(%q) = %q, %v, %v after %q, %v", x, u, tmpl, isNew, url, isTemplate)
			}
		}
		if m, ok := s.Match("GET", path); !ok || m != url {
			t.Fatalf("Match(%q) = %q, want %q", path, m, url)
		}
	})
}
