package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Bounds of the heap. Near softLimit the garbage collector works harder, which
// keeps the process under 300 MB with a million-record inventory at no measurable
// cost. What is alive may exceed the limit. Below, the heap may be twice what is
// alive, and three times once that is large: a large inventory is expensive to
// look through, and whoever only records wants a small process.
const (
	softLimit    = 225 << 20
	large        = 40 << 20
	smallPercent = 100
	largePercent = 200
)

// tuneHeap keeps these bounds, unless GOGC or GOMEMLIMIT give others.
func tuneHeap() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(softLimit)
	t := &tuner{live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	t.tune()
}

// tuner sets the percentage after each collection.
type tuner struct {
	live    []metrics.Sample
	percent int
}

// collected is not reachable and has a finalizer: each collection ends one.
type collected struct{ *tuner }

func (t *tuner) tune() {
	metrics.Read(t.live)
	if p := percentOf(t.live[0].Value.Uint64()); p != t.percent {
		t.percent = p
		debug.SetGCPercent(p)
	}
	runtime.SetFinalizer(&collected{t}, func(c *collected) { c.tune() })
}

// percentOf returns how much may be allocated, in percent of the live bytes,
// before the next collection.
func percentOf(live uint64) int {
	if live >= large {
		return largePercent
	}
	return smallPercent
}
