package inventory_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/inventory"
)

// observation makes what one record may teach. Few names, types and values make
// many of them collide.
func observation(r *rand.Rand) inventory.Endpoint {
	at := int64(r.IntN(1000) + 1)
	e := inventory.Endpoint{
		EndpointKey:   inventory.EndpointKey{Collection: 1, URL: "/a", Method: "GET"},
		Count:         1,
		Discovered:    at,
		LastSeen:      at,
		APIType:       []string{"REST", "SOAP", "GRAPHQL"}[r.IntN(3)],
		AuthTypes:     [][]string{{fmt.Sprint("A", r.IntN(100)), "B"}},
		AccessTypes:   []string{[]string{"PRIVATE", "PUBLIC"}[r.IntN(2)]},
		ResponseCodes: []int{200 + r.IntN(5)},
		Sources:       map[string]int64{fmt.Sprint("S", r.IntN(25)): at},
		Origins:       []string{fmt.Sprint("http://h", r.IntN(30))},
	}
	e.CodeSeen, e.Callers = []int64{at}, inventory.CallerOf(uint32(r.IntN(3)))
	if r.IntN(4) > 0 { // else of an old version
		e.AuthSeen = []int64{at}
	}
	// Half a year of hours, and some hours that collide.
	e.Traffic = []inventory.TrafficCount{{Start: 3600 * int64(r.IntN(180*24)), Status: 200 + r.IntN(2), Count: 1}}
	if r.IntN(2) == 0 {
		e.Traffic[0].Start = 3600 * int64(100*24+r.IntN(60))
	}
	seen := map[inventory.ParamKey]bool{}
	for range r.IntN(12) {
		p := inventory.Param{
			ParamKey: inventory.ParamKey{
				ResponseCode: []int{-1, 200, 201}[r.IntN(3)], Name: fmt.Sprint("n", r.IntN(6)),
				Type: []string{"GENERIC", "INTEGER_32", "GEO"}[r.IntN(3)],
			},
			Count: 1, FirstSeen: at, LastSeen: at,
		}
		switch r.IntN(4) {
		case 0:
			p.Header = true
		case 1:
			p.Query = true
		case 2:
			p.URLParam = true
		}
		if p.Type == "INTEGER_32" {
			p.HasRange, p.Min = true, int64(r.IntN(2000)-1000)
			p.Max = p.Min
		}
		if r.IntN(100) == 0 {
			p.Full = true
		} else {
			p.Values = []string{fmt.Sprint("v", r.IntN(60))}
		}
		if r.IntN(2) == 0 {
			p.Sketch = p.Sketch.Add(inventory.HashValue(fmt.Sprint("v", r.IntN(60))), inventory.CallerOf(uint32(r.IntN(3))))
			p.Unique, p.Public = p.Sketch.Counts()
		}
		if !seen[p.ParamKey] {
			seen[p.ParamKey] = true
			e.Params = append(e.Params, p)
		}
	}
	slices.SortFunc(e.Params, func(a, b inventory.Param) int { return a.Compare(&b.ParamKey) })
	return e
}

// clone makes a deep copy by way of the packed form.
func clone(tb testing.TB, e *inventory.Endpoint) inventory.Endpoint {
	tb.Helper()
	c := inventory.Endpoint{EndpointKey: e.EndpointKey}
	if err := inventory.ParseEndpoint(inventory.AppendEndpoint(nil, e), &c); err != nil {
		tb.Fatal(err)
	}
	var err error
	if c.Traffic, err = inventory.ParseTraffic(inventory.AppendTraffic(nil, e.Traffic)); err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestMergeInAnyOrderAndGrouping(t *testing.T) {
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 1))
		obs := make([]inventory.Endpoint, 1+r.IntN(200))
		for i := range obs {
			obs[i] = observation(r)
		}
		want := clone(t, &obs[0])
		for i := range obs[1:] {
			o := clone(t, &obs[1+i])
			want.Merge(&o)
		}
		parts := make([]inventory.Endpoint, len(obs))
		for i := range obs {
			parts[i] = clone(t, &obs[i])
		}
		for len(parts) > 1 { // merges any two parts until one is left
			i, j := r.IntN(len(parts)), r.IntN(len(parts))
			if i == j {
				continue
			}
			parts[i].Merge(&parts[j])
			parts = slices.Delete(parts, j, j+1)
		}
		if d := cmp.Diff(want, parts[0]); d != "" {
			t.Fatalf("seed %d: another order gives another whole (-first +second):\n%s", seed, d)
		}
	}
}

func TestMergeBoundsDoNotDependOnOrder(t *testing.T) {
	one := func(i int) *inventory.Endpoint {
		return &inventory.Endpoint{Count: 1, Params: []inventory.Param{{
			ParamKey: inventory.ParamKey{ResponseCode: -1, Name: fmt.Sprintf("p%05d", i%1500), Type: "GENERIC"}, Count: 1,
		}}}
	}
	var up, down inventory.Endpoint
	for i := range 3000 {
		up.Merge(one(i))
		down.Merge(one(2999 - i))
	}
	if len(up.Params) != inventory.MaxParams {
		t.Fatalf("%d params are kept, want %d", len(up.Params), inventory.MaxParams)
	}
	if d := cmp.Diff(up, down); d != "" {
		t.Errorf("the order matters:\n%s", d)
	}
	for i := range up.Params {
		if up.Params[i].Count != 2 {
			t.Fatalf("%s has count %d, want 2", up.Params[i].Name, up.Params[i].Count)
		}
	}
}

func TestDomain(t *testing.T) {
	merged := func(typ string, n int) *inventory.Param {
		p := &inventory.Param{ParamKey: inventory.ParamKey{Type: typ}}
		for i := range n {
			p.Merge(&inventory.Param{Count: 1, Values: []string{fmt.Sprintf("%03d", i)}})
		}
		return p
	}
	f := func(typ string, n int, want string, values int) {
		t.Helper()
		if p := merged(typ, n); p.Domain() != want || len(p.Values) != values {
			t.Errorf("%d values of %s: %s with %d values, want %s with %d", n, typ, p.Domain(), len(p.Values), want, values)
		}
	}
	f("GENERIC", 49, "ENUM", 49)
	f("GENERIC", 50, "ANY", 0)
	f("GENERIC", 60, "ANY", 0)
	f("INTEGER_32", 60, "RANGE", 0)
	f("INTEGER_64", 60, "RANGE", 0)
	f("FLOAT", 60, "RANGE", 0)
}
