package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// The heap may be larger, relative to what is alive, once much is alive.
func TestHeapFollowsWhatIsAlive(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	before, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	defer func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(before)
	}()
	tuneHeap()
	percent := func(want int) {
		t.Helper()
		got := 0
		for range 1000 {
			runtime.GC()
			got = debug.SetGCPercent(smallPercent)
			debug.SetGCPercent(got)
			if got == want {
				return
			}
		}
		t.Errorf("the percentage is %d, want %d", got, want)
	}
	percent(smallPercent)
	alive := make([]byte, large)
	percent(largePercent)
	runtime.KeepAlive(alive)
	percent(smallPercent)
}
