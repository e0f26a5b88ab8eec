package learn

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"harken/ingest"
	"harken/ingest/learn/filter"
	"harken/inventory"
	"harken/inventory/pathtmpl"
)

// What was learned and is not stored yet is kept in shards, by host. An update
// stores some of them, the oldest first: so transactions are short while the
// others gather more records of their endpoints, and the more records an endpoint
// has when it is stored, the less each of them costs. A shard that is stored ahead
// of the others has a mark of its own.
const shards = 64

// shardOf gives the shard of a record, from 1. Marks are kept by it, so it says the
// same of a record in every process: nothing that can change enters into it.
func shardOf(r *ingest.Record) uint8 {
	const offset, prime = 2166136261, 16777619 // FNV-1a
	h := uint32(offset)
	if r.Host != "" && filter.HostMode(r.Source) {
		for i := range len(r.Host) {
			h = (h ^ uint32(r.Host[i])) * prime
		}
	} else {
		h = (h ^ uint32(r.Collection)) * prime //nolint:gosec // any bits will do
	}
	return uint8((h^h>>16)%shards) + 1
}

// pending is what was learned and is not stored yet.
type pending struct {
	parts [shards]*aggregate // by shard; nil if nothing waits
	past  [shards]*aggregate // what was stored last, whose endpoints are used again
	held  int64              // bytes of both, and of what is on its way
	// A part that must be stored before more is learned.
	urgent *aggregate

	positions map[inventory.Mark]*position
	lately    *position // the last one that was asked for
	batch     int64     // number of the batch that is being learned
	acks      []heldAck
	passed    map[*position]bool // records were passed over that nothing waits for
	since     time.Time          // of the first of acks and passed
}

// A position says how far a log and partition was learned.
type position struct {
	mark  inventory.Mark
	read  int64           // the last record that was learned or passed over
	all   int64           // the mark of all shards, as the store has it or is about to
	ahead map[uint8]int64 // shards that another process stored further
}

// none is the position before every record.
const none = math.MinInt64

// A heldAck waits until nothing of its batch, or of those before, waits.
type heldAck struct {
	batch     int64
	partition string
	ack       func(context.Context) error
}

// A span says which records of a position a part has.
type span struct{ first, last int64 }

func newPending() *pending {
	return &pending{positions: map[inventory.Mark]*position{}, passed: map[*position]bool{}}
}

// start takes the marks that the store has.
func (n *pending) start(marks map[inventory.Mark]int64) {
	for m, seq := range marks {
		shard := m.Shard
		p := n.position(m.Log, m.Partition)
		if shard == 0 {
			p.read, p.all = seq, seq
			continue
		}
		if p.ahead == nil {
			p.ahead = map[uint8]int64{}
		}
		p.ahead[shard] = seq
	}
}

func (n *pending) position(log, partition string) *position {
	if p := n.lately; p != nil && p.mark.Log == log && p.mark.Partition == partition {
		return p
	}
	p := n.positions[inventory.Mark{Log: log, Partition: partition}]
	if p == nil {
		p = &position{mark: inventory.Mark{Log: strings.Clone(log), Partition: strings.Clone(partition)}, read: none, all: none}
		n.positions[p.mark] = p
	}
	n.lately = p
	return p
}

// repeats reports whether a record was learned before. Of one that a shard is ahead
// by, it notes that it was passed over.
func (n *pending) repeats(p *position, shard uint8, seq int64) bool {
	if seq <= p.read {
		return true
	}
	if at, ok := p.ahead[shard]; !ok || seq > at {
		return false
	}
	p.read = seq
	n.passed[p] = true
	n.waits()
	return true
}

// waits notes since when there is something besides parts.
func (n *pending) waits() {
	if n.since.IsZero() {
		n.since = time.Now()
	}
}

// part returns the part of a shard.
func (n *pending) part(shard uint8) *aggregate {
	i := shard - 1
	a := n.parts[i]
	if a == nil {
		a = newAggregate()
		a.shard, a.batch, a.born, a.past = shard, n.batch, time.Now(), n.past[i]
		n.parts[i] = a
	}
	return a
}

// size is what a part and what it may use again take.
func (a *aggregate) size() int64 {
	if a.past == nil {
		return a.bytes
	}
	return a.bytes + a.past.bytes
}

// saw notes that a part has a record.
func (a *aggregate) saw(p *position, seq int64) {
	p.read = seq
	if a.lately != p {
		a.lately, a.latest = p, a.spans[p]
		if a.latest == nil {
			a.latest = &span{first: seq}
			a.spans[p] = a.latest
		}
	}
	a.latest.last = seq
}

// waiting reports whether there is anything to store or to acknowledge.
func (n *pending) waiting() bool {
	return !n.since.IsZero() || slices.ContainsFunc(n.parts[:], func(a *aggregate) bool { return a != nil })
}

// oldest is since when something waits; zero if nothing does.
func (n *pending) oldest() time.Time {
	at := n.since
	for _, a := range n.parts {
		if a != nil && (at.IsZero() || a.born.Before(at)) {
			at = a.born
		}
	}
	return at
}

// trim forgets what could be used again, until at most limit bytes are held.
func (n *pending) trim(limit int64) {
	for i, a := range n.past {
		if n.held <= limit {
			return
		}
		if a != nil {
			n.forget(i)
		}
	}
}

// forget drops what could be used again by a shard, counted from 0.
func (n *pending) forget(i int) {
	if n.past[i] == nil {
		return
	}
	n.held -= n.past[i].bytes
	n.past[i] = nil
	if a := n.parts[i]; a != nil {
		a.past = nil
	}
}

// holding gives the parts that have anything of a collection.
func (n *pending) holding(c *collection) []*aggregate { return holding(n.parts[:], c) }

func holding(parts []*aggregate, c *collection) (out []*aggregate) {
	for _, a := range parts {
		if a == nil {
			continue
		}
		if part := a.accounts[c.account]; part != nil {
			if _, has := part.redacted[c.id]; has {
				out = append(out, a)
			}
		}
	}
	return out
}

// A flight is what one update stores.
type flight struct {
	parts []*aggregate
	marks map[inventory.Mark]int64
	acks  map[string]func(context.Context) error // the last one of each partition

	update *inventory.Update
	box    *outbox // its memory
}

// work estimates what storing it costs.
func (f *flight) work() (work int) {
	for _, a := range f.parts {
		work += a.work()
	}
	return work
}

// board takes the parts that the next update stores: of those that are first, and
// then of the oldest unless only the first ones are wanted, as many as the bounds
// allow, and one in any case.
func (n *pending) board(first func(*aggregate) bool, only bool, budget, records int) *flight {
	f := &flight{marks: map[inventory.Mark]int64{}, acks: map[string]func(context.Context) error{}}
	var order []*aggregate
	rank := [shards]int{}
	for i, a := range n.parts {
		switch {
		case a == nil:
			continue
		case a == n.urgent:
			rank[i] = 0
		case first(a):
			rank[i] = 1
		case only:
			continue
		default:
			rank[i] = 2
		}
		order = append(order, a)
	}
	slices.SortFunc(order, func(x, y *aggregate) int {
		return cmp.Or(cmp.Compare(rank[x.shard-1], rank[y.shard-1]), x.born.Compare(y.born))
	})
	for _, a := range order {
		if a == n.urgent {
			n.urgent = nil
		}
		budget -= a.work()
		records -= a.records
		if len(f.parts) > 0 && (budget < 0 || records < 0) {
			break
		}
		i := a.shard - 1
		n.parts[i], n.past[i], a.past, a.flown = nil, a.past, nil, true
		f.parts = append(f.parts, a)
	}
	n.mark(f)
	n.release(f)
	return f
}

// mark says how far the logs are stored with f.
func (n *pending) mark(f *flight) {
	touched := maps.Clone(n.passed)
	clear(n.passed)
	for _, a := range f.parts {
		for p := range a.spans {
			touched[p] = true
		}
	}
	for p := range touched {
		all := p.read
		for _, a := range n.parts {
			if a == nil {
				continue
			}
			if s := a.spans[p]; s != nil {
				all = min(all, s.first-1)
			}
		}
		if all > p.all {
			p.all = all
			f.marks[p.mark] = all
		}
		for _, a := range f.parts {
			if s := a.spans[p]; s != nil && s.last > all {
				m := p.mark
				m.Shard = a.shard
				f.marks[m] = s.last
			}
		}
	}
}

// release takes the acknowledgments of the batches that are stored with f.
func (n *pending) release(f *flight) {
	left := int64(math.MaxInt64)
	for _, a := range n.parts {
		if a != nil {
			left = min(left, a.batch)
		}
	}
	n.acks = slices.DeleteFunc(n.acks, func(h heldAck) bool {
		if h.batch < left {
			f.acks[h.partition] = h.ack
			return true
		}
		return false
	})
	if n.since = (time.Time{}); len(n.acks) > 0 {
		n.waits()
	}
}

// land takes back what was stored, for its memory.
func (n *pending) land(f *flight, pool *buffers) {
	for _, a := range f.parts {
		i := int(a.shard - 1)
		n.forget(i)
		n.held -= a.bytes
		a.bytes = pool.take(a)
		n.held += a.bytes
		n.past[i] = a
		if next := n.parts[i]; next != nil {
			next.past = a
		}
	}
}

// An outbox is the memory that every other update is made in: the store keeps nothing
// of them.
type outbox struct {
	endpoints []inventory.Endpoint
	samples   []inventory.Sample
	params    []inventory.Param
}

// Bounds of what an outbox keeps from one update to the next.
const (
	maxOutboxEndpoints = 4_000
	maxOutboxParams    = 64_000
)

// empty lets go of the last update.
func (o *outbox) empty() {
	o.endpoints = emptied(o.endpoints, maxOutboxEndpoints)
	o.samples = emptied(o.samples, maxOutboxEndpoints)
	o.params = emptied(o.params, maxOutboxParams)
}

func emptied[T any](s []T, limit int) []T {
	if cap(s) > limit {
		return nil
	}
	clear(s)
	return s[:0]
}

// room takes room for n of s.
func room[T any](s *[]T, n int) []T {
	at := len(*s)
	if cap(*s)-at < n {
		*s, at = make([]T, 0, n+n/4), 0
	}
	*s = (*s)[:at+n]
	return (*s)[at : at : at+n]
}

// rooms gives au room for what the parts of its account have, and returns that for
// their params.
func (o *outbox) rooms(au *inventory.AccountUpdate, parts []*accountPart) []inventory.Param {
	endpoints, samples, params := 0, 0, 0
	for _, p := range parts {
		endpoints += len(p.endpoints)
		for _, e := range p.endpoints {
			samples += len(e.ring)
			params += len(e.types)
		}
	}
	au.Endpoints, au.Samples = room(&o.endpoints, endpoints), room(&o.samples, samples)
	return room(&o.params, params)[:params]
}

// load turns a flight into what the store takes. That is valid until the flight has
// landed.
func (f *flight) load() {
	u := &inventory.Update{
		Marks: f.marks, Accounts: map[int32]*inventory.AccountUpdate{},
		Enough: pathtmpl.LookAlikes, // by which a place of look-alikes may be decided
	}
	parts := map[int32][]*accountPart{}
	for _, a := range f.parts {
		for id, part := range a.accounts {
			parts[id] = append(parts[id], part)
		}
	}
	for id, of := range parts {
		au := &inventory.AccountUpdate{Dropped: map[string]int64{}}
		params := f.box.rooms(au, of)
		var redaction *inventory.Redaction
		redacted := map[int32]bool{} // of these collections all that was learned is
		for _, p := range of {
			params = p.addTo(au, params)
			switch {
			case p.redaction == nil: // nothing was learned
			case redaction == nil:
				redaction = p.redaction
			default:
				*redaction = redaction.With(*p.redaction)
			}
			for c, all := range p.redacted {
				if before, known := redacted[c]; !known || before && !all {
					redacted[c] = all
				}
			}
		}
		if redaction != nil {
			au.Redaction = *redaction
		}
		for c, all := range redacted {
			if all {
				au.Redacted = append(au.Redacted, c)
			}
		}
		// In the order of the index, which is the cheapest to write.
		slices.SortFunc(au.Endpoints, func(x, y inventory.Endpoint) int { return x.Compare(y.EndpointKey) })
		au.Endpoints = mergeEqual(au.Endpoints)
		u.Accounts[id] = au
	}
	f.update = u
}

// addTo adds what was observed and dropped. It returns what is left of the room for
// params.
func (p *accountPart) addTo(au *inventory.AccountUpdate, params []inventory.Param) []inventory.Param {
	for _, e := range p.endpoints {
		n := len(e.types)
		au.Endpoints = append(au.Endpoints, e.observation(params[:0:n]))
		params = params[n:]
		au.Samples = e.appendSamples(au.Samples)
		au.Sensitive = e.appendSensitive(au.Sensitive)
	}
	for rule, n := range p.dropped {
		au.Dropped[rule] += n
	}
	au.Drops = p.appendDrops(au.Drops)
	return params
}

// mergeEqual merges observations of one endpoint, which hosts of several shards may
// share. They are sorted.
func mergeEqual(es []inventory.Endpoint) []inventory.Endpoint {
	out := es[:0]
	for i := range es {
		if n := len(out); n > 0 && out[n-1].EndpointKey == es[i].EndpointKey {
			out[n-1].Merge(&es[i])
			continue
		}
		out = append(out, es[i])
	}
	return out
}
