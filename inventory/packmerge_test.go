package inventory_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"harken/inventory"
)

// TestParamMergerIsMerge merges packed params and unpacked ones alike.
func TestParamMergerIsMerge(t *testing.T) {
	m := inventory.ParamMerger{Enough: 3}
	merged, reached := 0, 0
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 7))
		e := observation(r)
		for range r.IntN(40) {
			o := observation(r)
			e.Merge(&o)
		}
		o := observation(r)
		if r.IntN(4) > 0 { // all known, and later
			o = inventory.Endpoint{Discovered: e.Discovered + 5, LastSeen: e.LastSeen + int64(r.IntN(3)), Params: o.Params}
			kept := o.Params[:0]
			for i := range o.Params {
				for j := range e.Params {
					if e.Params[j].ParamKey == o.Params[i].ParamKey {
						o.Params[i].FirstSeen = e.Params[j].FirstSeen + int64(r.IntN(2))
						kept = append(kept, o.Params[i])
					}
				}
			}
			o.Params = kept
		}
		packed := inventory.AppendParams(nil, &e)
		discovered, was := e.Discovered, e.LastSeen
		known := map[inventory.ParamKey]int64{}
		for i := range e.Params {
			known[e.Params[i].ParamKey] = e.Params[i].FirstSeen
		}
		enough := e.EnoughURLValues(3)
		e.Merge(&o)
		can := e.Discovered == discovered
		for i := range o.Params {
			first, ok := known[o.Params[i].ParamKey]
			can = can && ok && (o.Params[i].FirstSeen == 0 || first != 0 && first <= o.Params[i].FirstSeen)
		}
		if e.Discovered != discovered {
			continue
		}
		prefix := []byte("x")
		got, ok := m.Merge(prefix, string(packed), discovered, was, e.LastSeen, o.Params)
		if ok != can {
			t.Fatalf("seed %d: Merge is ok %v, want %v", seed, ok, can)
		}
		if !ok {
			continue
		}
		merged++
		if m.Reached != (e.EnoughURLValues(3) > enough) {
			t.Fatalf("seed %d: enough values reached: %v; had %d params with enough, has %d", seed, m.Reached, enough, e.EnoughURLValues(3))
		}
		if m.Reached {
			reached++
		}
		if want := inventory.AppendParams([]byte("x"), &e); !bytes.Equal(got, want) {
			t.Fatalf("seed %d:\ngot  %x\nwant %x", seed, got, want)
		}
	}
	if merged < 500 || reached < 20 {
		t.Errorf("only %d observations were of known params, %d of them reached enough values", merged, reached)
	}
}

// FuzzParamMerger gives what parsing gives, or refuses.
func FuzzParamMerger(f *testing.F) {
	f.Add(inventory.AppendParams(nil, typical(60)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m inventory.ParamMerger
		got, ok := m.Merge(nil, string(data), 10, 20, 30, nil)
		e := inventory.Endpoint{Discovered: 10, LastSeen: 20}
		err := inventory.ParseParams(data, &e)
		if ok != (err == nil) {
			t.Fatalf("ok %v, but parsing gives %v", ok, err)
		}
		if !ok {
			return
		}
		again := inventory.Endpoint{Discovered: 10, LastSeen: 30}
		if err := inventory.ParseParams(got, &again); err != nil || len(again.Params) != len(e.Params) {
			t.Fatalf("%x became %x with %d params, %v; want %d", data, got, len(again.Params), err, len(e.Params))
		}
	})
}

func BenchmarkParamMerger(b *testing.B) {
	e := typical(13)
	for i := range 5 {
		p := &e.Params[i]
		for v := range 60 {
			p.Sketch = p.Sketch.Add(inventory.HashValue(fmt.Sprint("value", i, v)), inventory.CallerOf(uint32(v)))
		}
	}
	packed := string(inventory.AppendParams(nil, e))
	o := typical(13)
	for i := range 5 {
		o.Params[i].Sketch = o.Params[i].Sketch.Add(inventory.HashValue(fmt.Sprint("value", i, 7)), inventory.CallerOf(7))
	}
	var m inventory.ParamMerger
	var buf []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(packed)))
	for b.Loop() {
		var ok bool
		if buf, ok = m.Merge(buf[:0], packed, e.Discovered, e.LastSeen, e.LastSeen+9, o.Params); !ok {
			b.Fatal("not merged")
		}
	}
}
