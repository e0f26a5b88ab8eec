package pathtmpl_test

import (
	"strconv"
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
