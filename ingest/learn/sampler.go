package learn

import (
	"time"

	"harken/inventory"
)

// While more than busyRate records a second come, an endpoint whose ring of samples
// is full gets one new sample each sampleEvery: to store one of each record costs
// more than all else that it brings, and each is overwritten at once.
const (
	busyRate    = 2000
	sampleEvery = 2 * time.Second
)

// A sampler says which records become samples. It knows endpoints by a hash, each
// in the one slot that it has; one that was displaced gets ten samples anew, so
// that forgetting costs time and never samples.
type sampler struct {
	slots []sampleSlot
	from  time.Time // when counting began
	count int       // records since
	busy  bool
}

type sampleSlot struct {
	key uint64
	at  int64 // Unix nanoseconds of the latest sample
	n   int   // samples, at most MaxSamples
}

const samplerSlots = 1 << 15

// tick counts a record.
func (s *sampler) tick(now time.Time) {
	s.count++
	if d := now.Sub(s.from); d >= time.Second || d < 0 {
		s.busy = float64(s.count) > busyRate*d.Seconds()
		s.from, s.count = now, 0
	}
}

// wants reports whether a record of the endpoint with a hash is to be a sample.
func (s *sampler) wants(key uint64, now time.Time) bool {
	if s.slots == nil {
		s.slots = make([]sampleSlot, samplerSlots)
	}
	slot, at := &s.slots[key%samplerSlots], now.UnixNano()
	recent := at-slot.at < int64(sampleEvery)
	switch {
	case slot.key != key && slot.n == inventory.MaxSamples && recent:
		return true // the one that is there is the busier one
	case slot.key != key:
		*slot = sampleSlot{key, at, 1}
		return true
	case slot.n < inventory.MaxSamples:
		slot.n++
	case recent && s.busy:
		return false
	}
	slot.at = at
	return true
}

// forget is for when samples were removed.
func (s *sampler) forget() { clear(s.slots) }
