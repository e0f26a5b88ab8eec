package certs_test

import (
	"fmt"
	"testing"

	"harken/certs"
)

func BenchmarkLeafHit(b *testing.B) {
	is := newIssuer(b, certs.IssuerConfig{})
	leafOf(b, is, "api.example.com")
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := is.Leaf(ctx, "api.example.com"); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkLeafMiss(b *testing.B) {
	is := newIssuer(b, certs.IssuerConfig{})
	ctx := b.Context()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		if _, err := is.Leaf(ctx, fmt.Sprintf("h%d.example.com", n)); err != nil {
			b.Fatal(err)
		}
	}
}

// The hit path allocates nothing.
func TestLeafHitAllocations(t *testing.T) {
	is := newIssuer(t, certs.IssuerConfig{})
	leafOf(t, is, "api.example.com")
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = is.Leaf(ctx, "api.example.com") }); n != 0 {
		t.Errorf("a hit allocates %v times", n)
	}
}
