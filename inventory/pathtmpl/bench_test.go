package pathtmpl_test

import (
	"strconv"
	"strings"
	"testing"

	"harken/inventory/pathtmpl"
)

func BenchmarkEnglish(b *testing.B) {
	words := []string{"orders", "zxqvkplm", "getUser", "customers", "revenue", "abcdefgh", "summary", "notaword"}
	pathtmpl.English("warm")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		pathtmpl.English(words[i&7])
	}
}

func BenchmarkResolve(b *testing.B) {
	s := pathtmpl.NewSet(learning)
	for i := range 1000 {
		s.Add("GET", "/svc"+strconv.Itoa(i)+"/orders/INTEGER/items/STRING")
		s.Add("GET", "/svc"+strconv.Itoa(i)+"/status")
	}
	for name, path := range map[string]string{
		"static":   "https://api.shop.example/svc7/status?x=1",
		"template": "https://api.shop.example/svc7/orders/48213/items/ab12cd34ef?x=1",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(path)))
			for b.Loop() {
				s.Resolve("GET", path)
			}
		})
	}
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			pathtmpl.Parameterize("/shop/customers/48213/orders/ab12cd34ef", learning)
		}
	})
}

// The cost of a URL must not grow with the set: the time of one URL, with a Merge
// after every thousand, is about the same for 50,000 and for 500,000.
func BenchmarkMerge(b *testing.B) {
	// Look-alikes of one tenant have a shape of their own, or the templates of the
	// tenants would merge too and nothing be left.
	mo := pathtmpl.MergeOptions{Shape: func(_, url string) (pathtmpl.Shape, bool) {
		_, tenant, _ := strings.Cut(url[1:], "/")
		tenant, _, _ = strings.Cut(tenant, "/")
		return pathtmpl.NewShape(nil, map[int][]string{200: {"a", tenant}}), true
	}}
	letters := func(n uint64, size int) string {
		const consonants = "bcdfghjklmnpqrstvwxz"
		out := make([]byte, size)
		for i := range out {
			out[i] = consonants[n%20]
			n /= 20
		}
		return string(out)
	}
	paths := map[string]func(i int) string{
		// Nothing has ten look-alikes.
		"apart": func(i int) string {
			return "/svc/" + letters(uint64(i)*2654435761, 9) + "/of/" + letters(uint64(i)*40503+7, 9)
		},
		// Twenty look-alikes each.
		"alike": func(i int) string {
			return "/tenants/" + letters(uint64(i/20)*2654435761, 9) + "/of/" + letters(uint64(i)*40503+7, 9)
		},
		// As phase A leaves them: one template in ten paths.
		"traffic": func(i int) string {
			return "/tenants/" + letters(uint64(i/10)*2654435761, 9) + "/orders/" + strconv.Itoa(i)
		},
	}
	for name, path := range paths {
		for _, n := range []int{5_000, 50_000, 500_000} {
			b.Run(name+"/"+strconv.Itoa(n), func(b *testing.B) {
				b.ReportAllocs()
				var s *pathtmpl.Set
				for b.Loop() {
					s = pathtmpl.NewSet(pathtmpl.Options{MaxURLs: 1 << 20, MaxBytes: 1 << 30})
					for i := range n {
						s.Resolve("GET", path(i))
						if i%1000 == 999 {
							s.Merge(mo)
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/URL")
				b.ReportMetric(float64(s.Bytes())/float64(n), "B-estimated/URL")
			})
		}
	}
}
