package learn

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"harken/har"
	"harken/inventory"
	"harken/inventory/datatype"
	"harken/inventory/extract"
)

// A value is noted once, whatever is remembered of it and under whatever kind it
// came before, also after the endpoint was stored and is used again.
func TestParamValues(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	o := &observed{cfg: &accountConfig{detector: new(datatype.Detector)}, c: &collection{}, entry: &har.Entry{}, at: 1}
	for round := range 60 {
		a, ep := newAggregate(), &endpoint{}
		names := 1 + r.IntN(2*fewParams)
		distinct := 1 + r.IntN(2*inventory.MaxValues)
		for range 3 {
			want := map[string]map[string]bool{}
			counts := map[string]int64{}
			for range 2000 / names {
				ep.expect(names)
				for i := range names {
					x := extract.Param{Place: extract.RequestBody, Status: -1, Name: fmt.Sprint("p", i), Value: fmt.Sprint(r.IntN(distinct))}
					switch r.IntN(8) {
					case 0:
						x.Kind = extract.Number
					case 1:
						x.Kind, x.Value = extract.Null, ""
					case 2:
						x.Value = "v" + x.Value + strings.Repeat("y", r.IntN(9))
					}
					a.param(ep, i, &x, o)
					key := x.Name + " " + x.Type(o.cfg.detector)
					if counts[key]++; want[key] == nil {
						want[key] = map[string]bool{}
					}
					if x.Kind != extract.Null {
						want[key][x.Value] = true
					}
				}
			}
			got := map[string]*typed{}
			for _, typ := range ep.types {
				if typ.count > 0 {
					got[typ.key.name+" "+typ.name] = typ
				}
			}
			if len(got) != len(want) || len(ep.params) != names {
				t.Fatalf("round %d: %d types of %d params, want %d of %d", round, len(got), len(ep.params), len(want), names)
			}
			for key, values := range want {
				typ := got[key]
				if typ == nil || typ.count != counts[key] || typ.full != (len(values) >= inventory.MaxValues) {
					t.Fatalf("round %d: %s: %+v, want %d values of %d", round, key, typ, len(values), counts[key])
				}
				if !typ.full && !slices.Equal(slices.Sorted(slices.Values(typ.values)), slices.Sorted(maps.Keys(values))) {
					t.Fatalf("round %d: %s: values %q, want %q", round, key, typ.values, slices.Sorted(maps.Keys(values)))
				}
			}
			ep.renew()
		}
	}
}
