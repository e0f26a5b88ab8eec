package inventory_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/inventory"
)

// typical is an endpoint with n params as services have them.
func typical(n int) *inventory.Endpoint {
	e := &inventory.Endpoint{
		Count: 48213, Discovered: 1767225600, LastSeen: 1767325600, APIType: "REST",
		AuthTypes: [][]string{{"BEARER"}}, ResponseCodes: []int{200, 201}, Sources: map[string]int64{"MIRRORING": 1767325600},
		Origins: []string{"https://api.shop.example"},
	}
	for i := range n {
		p := inventory.Param{
			ParamKey: inventory.ParamKey{ResponseCode: 200, Name: fmt.Sprintf("order#lines#$#field%02d", i), Type: "GENERIC"},
			Count:    48213, FirstSeen: 1767225600, LastSeen: 1767325600,
		}
		switch i % 3 {
		case 0:
			p.Values = []string{"alpha", "beta", "gamma", "some longer value of thirty"}
		case 1:
			p.Full = true
		case 2:
			p.Type, p.Full, p.HasRange, p.Min, p.Max = "INTEGER_32", true, true, -5, 480000
		}
		e.Params = append(e.Params, p)
	}
	return e
}

func TestPackRoundTrip(t *testing.T) {
	check := func(e *inventory.Endpoint) {
		t.Helper()
		var got inventory.Endpoint
		if err := inventory.ParseEndpoint(inventory.AppendEndpoint(nil, e), &got); err != nil {
			t.Fatal(err)
		}
		got.EndpointKey = e.EndpointKey
		if d := cmp.Diff(e, &got); d != "" {
			t.Errorf("the packed form is another endpoint (-want +got):\n%s", d)
		}
		facts := inventory.Endpoint{EndpointKey: e.EndpointKey}
		if err := inventory.ParseFacts(inventory.AppendFacts(nil, e), &facts); err != nil {
			t.Fatal(err)
		}
		if err := inventory.ParseParams(inventory.AppendParams(nil, e), &facts); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, &facts); d != "" {
			t.Errorf("facts and params are another endpoint (-want +got):\n%s", d)
		}
	}
	check(&inventory.Endpoint{})
	check(typical(60))
	check(&inventory.Endpoint{
		Count: math.MaxInt64, Discovered: math.MinInt64, LastSeen: math.MaxInt64, Description: "what it does",
		Params: []inventory.Param{
			{ParamKey: inventory.ParamKey{ResponseCode: -1, Header: true, Name: "x", Type: "MY TYPE"}, FirstSeen: math.MaxInt64, LastSeen: math.MinInt64},
			{ParamKey: inventory.ParamKey{ResponseCode: -1, URLParam: true, Name: "2"}, Unique: 3, Public: 1},
		},
	})
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		e := observation(r)
		e.Traffic = nil
		check(&e)
	}
}

func TestPackIsCompact(t *testing.T) {
	if n := len(inventory.AppendEndpoint(nil, typical(60))); n > 3000 {
		t.Errorf("an endpoint with 60 params takes %d bytes, want at most 3000", n)
	}
}

func TestParseEndpointRefusesDamage(t *testing.T) {
	whole := inventory.AppendEndpoint(nil, typical(20))
	var e inventory.Endpoint
	for n := range whole {
		if err := inventory.ParseEndpoint(whole[:n], &e); !errors.Is(err, inventory.ErrPacked) {
			t.Fatalf("the first %d bytes: %v, want ErrPacked", n, err)
		}
	}
	if err := inventory.ParseEndpoint(append(whole, 0), &e); !errors.Is(err, inventory.ErrPacked) {
		t.Errorf("a byte too many: %v, want ErrPacked", err)
	}
}

func FuzzParseEndpoint(f *testing.F) {
	f.Add(inventory.AppendEndpoint(nil, &inventory.Endpoint{}))
	f.Add(inventory.AppendEndpoint(nil, typical(5)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e, again inventory.Endpoint
		if err := inventory.ParseEndpoint(data, &e); err != nil {
			return
		}
		if err := inventory.ParseEndpoint(inventory.AppendEndpoint(nil, &e), &again); err != nil {
			t.Fatalf("what was parsed cannot be packed and parsed: %v", err)
		}
		if d := cmp.Diff(e, again); d != "" {
			t.Fatalf("packed and parsed again it differs:\n%s", d)
		}
	})
}

func BenchmarkParseMergeAppend(b *testing.B) {
	packed := inventory.AppendEndpoint(nil, typical(60))
	o := typical(60)
	var buf []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(packed)))
	for b.Loop() {
		var e inventory.Endpoint
		if err := inventory.ParseEndpoint(packed, &e); err != nil {
			b.Fatal(err)
		}
		e.Merge(o)
		buf = inventory.AppendEndpoint(buf[:0], &e)
	}
}
