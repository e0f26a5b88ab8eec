package learn

import "harken/inventory"

// Endpoints that one update has are mostly in the next one too: what was learned
// about learning them (names, types of values, order) is taken along.

// maxGenerations bounds how often an endpoint is used again: what it remembers
// keeps whole slabs of text in memory.
const maxGenerations = 16

// minBusy is how many records an endpoint has to have for that: those with fewer
// would hold much memory for few records.
const minBusy = 4

// busy reports whether an endpoint of an update that was stored is worth keeping.
func (e *endpoint) busy() bool {
	return e.count >= minBusy && e.generation < maxGenerations && len(e.types) <= maxOrder
}

// take gives an endpoint that can be used again, or nil.
func (a *aggregate) take(account int32, k inventory.EndpointKey) *endpoint {
	if a == nil {
		return nil
	}
	part := a.accounts[account]
	if part == nil {
		return nil
	}
	e := part.endpoints[k]
	if e != nil {
		delete(part.endpoints, k)
		a.bytes -= e.size
	}
	return e
}

// renew makes an endpoint that was stored one of which nothing was seen yet. Values
// that it remembers count as not seen: they are noted again when they come.
func (e *endpoint) renew() {
	e.generation++
	e.count, e.first, e.last, e.apiType, e.callers = 0, 0, 0, "", inventory.Callers{}
	e.auth, e.codes, e.codeSeen, e.access = e.auth[:0], e.codes[:0], e.codeSeen[:0], e.access[:0]
	e.traffic, e.sources, e.origins = e.traffic[:0], e.sources[:0], e.origins[:0]
	e.ring, e.sampled, e.sensitive = nil, 0, nil
	for _, t := range e.types {
		t.seen, t.sketch, t.count, t.first, t.last = 0, t.sketch[:0], 0, 0, 0
		t.values, t.full, t.hasRange, t.min, t.max = t.values[:0], false, false, 0, 0
	}
}
