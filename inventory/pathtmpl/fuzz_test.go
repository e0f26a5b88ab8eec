package pathtmpl_test

import (
	"bytes"
	"strconv"
	"strings"
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

// A state that is taken is written again byte for byte the same by what it makes,
// once it was written by us: the first writing drops what the set does not hold.
func FuzzParseState(f *testing.F) {
	s := pathtmpl.NewSet(learning)
	for _, p := range []string{"/shop/orders/1", "/shop/orders/2", "/files/64b7f0c2a91e4d3f8c5b6a70", "/k/ab12cd34/x"} {
		s.Resolve("GET", p)
	}
	s.Pin("GET", "/about")
	s.Block("PUT", "/x/INTEGER")
	f.Add(s.AppendState(nil))
	for i := range 100 {
		s.Resolve("GET", "/shop/orders/"+strconv.Itoa(i))
	}
	f.Add(s.AppendState(nil))
	f.Add([]byte{1, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := pathtmpl.ParseState(data, learning)
		if err != nil {
			return
		}
		once := got.AppendState(nil)
		again, err := pathtmpl.ParseState(once, learning)
		if err != nil {
			t.Fatalf("own state is refused: %v", err)
		}
		if twice := again.AppendState(nil); !bytes.Equal(once, twice) {
			t.Fatalf("state %x becomes %x", once, twice)
		}
	})
}

// Whatever the paths, Merge ends, absorbs into templates that are there, and finds
// nothing more when it is called again; the order of the paths does not matter.
func FuzzMerge(f *testing.F) {
	f.Add("/a/zxqv\n/a/kplm\n/a/7\n/a/en\n/a/de", uint8(3))
	f.Add("/zxqv/x/kplm\n/docs/en-US/intro\n/docs/pt-BR/intro\n/STRING/x", uint8(1))
	f.Add(strings.Join(around("/vendors/", opaque, "/stats"), "\n"), uint8(5))
	f.Fuzz(func(t *testing.T, in string, every uint8) {
		paths := strings.Split(in, "\n")
		if len(paths) > 200 {
			return
		}
		s := pathtmpl.NewSet(learning)
		merge := func() {
			for _, a := range s.Merge(alike) {
				if ex := s.Explain(a.Method, a.Template); !ex.Known || ex.URL != a.Template || !ex.IsTemplate {
					t.Fatalf("%v: not there", a)
				}
				for _, u := range a.URLs {
					if ex := s.Explain(a.Method, u); ex.Known && ex.URL == u {
						t.Fatalf("%v: %q is still there", a, u)
					}
				}
			}
		}
		for i, p := range paths {
			s.Resolve("GET", p)
			if every > 0 && i%int(every) == 0 {
				merge()
			}
		}
		merge()
		if got := s.Merge(alike); len(got) != 0 || s.Pending() != 0 {
			t.Fatalf("a second Merge absorbs %v", got)
		}
		if s.Bytes() < 0 || s.Len() != len(urlsOf(s)) {
			t.Fatalf("Len() = %d, Bytes() = %d", s.Len(), s.Bytes())
		}
	})
}

// FromBraces gives a normalized path without braces that it understood.
func FuzzFromBraces(f *testing.F) {
	for _, s := range []string{"/pets/{id}", "/a/:b/<int:c>", "/{x:[^/?#]+}//y?z", "{", "}", "/<>", "\xbe{", "\x00{/}", "/{}{", "/{a/b}/{c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := pathtmpl.FromBraces(in)
		if got == "" || got[0] != '/' {
			t.Fatalf("FromBraces(%q) = %q", in, got)
		}
		if !strings.ContainsAny(in, "{}<>:") && got != pathtmpl.Normalize(in) {
			t.Fatalf("FromBraces(%q) = %q without parameters", in, got)
		}
	})
}
