package pathtmpl

import (
	"hash/maphash"
	"slices"
	"strings"
)

// Eleven URLs have to look alike before an opaque segment becomes STRING. Where that
// happened, or where the URLs of several methods and of longer paths show eleven
// values together, the place is known to be a parameter, and then two that look
// alike are enough: after /users/STRING, /users/kqj/orders/INTEGER and
// /users/zvw/orders/INTEGER make /users/STRING/orders/INTEGER. The place is all that
// comes before the segment; its pool is what is known of it.
//
// What a pool knows does not depend on the order of the URLs: a URL is either a
// member of its buckets, or a template with STRING at the place took it, or would
// have if no other one had (see lost.go), and then its value counts. Numbers and
// locales never count, since templates with other placeholders may take them.

// A pool is what all methods, and all paths that go on in some way, show of one place.
type pool struct {
	key     uint64
	taken   []uint64 // hashes of values that templates have there, sorted, at most LookAlikes
	seen    []uint64 // and those of members of buckets too
	several []pooled // buckets with two members or more
	above   []*pool  // of the places with STRING for one of the segments before them
	below   []*pool  // whose above this is
	buckets int
	due     bool // taken grew since it was reckoned
	warm    bool // has seen so many that members are compared
	proven  bool // a parameter
}

// A pooled is a bucket and the index that it is in.
type pooled struct {
	x *index
	b *bucket
}

const (
	// provenAlikes is how many URLs have to look alike at a place that is proven.
	provenAlikes = 2
	// maxReckoned bounds the buckets of one place whose values are united.
	maxReckoned = 64
	// maxAbove is how many segments before a place are looked at as STRING.
	maxAbove = 3
	// maxChoices bounds the ways that are tried to unite them.
	maxChoices = 500
	// poolCost and pooledCost estimate memory, with the map around it.
	poolCost   = 250
	pooledCost = 24
)

// poolKey is of all segments before pos. Hashes of literals have a secret seed, so
// that nobody makes two places equal.
func poolKey(segs []segment, pos int) uint64 {
	h := mix(wildHash^1, pos)
	for i := range pos {
		h += mix(segs[i].hash, i)
	}
	return h
}

// poolOf finds the pool of a place, or makes it.
func (s *Set) poolOf(segs []segment, pos int) *pool {
	key := poolKey(segs, pos)
	if pl := s.pools[key]; pl != nil {
		return pl
	}
	narrow := 0
	for i := range pos {
		if segs[i].widens() {
			narrow++
		}
	}
	if narrow > maxAbove {
		narrow = 0
	}
	return s.addPool(key, segs[:pos], narrow)
}

// widens reports whether a template with STRING there may take the segment.
func (seg *segment) widens() bool { return seg.free || seg.ph >= 0 && seg.ph != phString }

// addPool makes the pool of what follows segs, and those above it.
func (s *Set) addPool(key uint64, segs []segment, narrow int) *pool {
	if pl := s.pools[key]; pl != nil {
		return pl
	}
	if s.pools == nil {
		s.pools = map[uint64]*pool{}
	}
	pl := &pool{key: key}
	s.pools[key] = pl
	s.bytes += poolCost
	for i := 0; i < len(segs) && narrow > 0; i++ {
		if seg := segs[i]; seg.widens() {
			segs[i].free, segs[i].ph = false, phString
			above := s.addPool(key-mix(seg.hash, i)+mix(anyHash(), i), segs, narrow-1)
			segs[i] = seg
			pl.above, above.below = append(pl.above, above), append(above.below, pl)
		}
	}
	return pl
}

// anyHash is that of a segment with STRING.
func anyHash() uint64 {
	n := uint64(phString + 1)
	return n * wildHash
}

// parameter reports whether the place, or one that it is part of, is proven.
func (pl *pool) parameter() bool {
	return pl.proven || slices.ContainsFunc(pl.above, (*pool).parameter)
}

// leave takes a bucket that is no more out of its pool.
func (s *Set) leave(b *bucket) {
	pl := b.pool
	if pl == nil {
		return
	}
	if pl.buckets--; pl.buckets == 0 && len(pl.taken)+len(pl.above)+len(pl.below) == 0 {
		s.bytes -= poolCost + pooledCost*int64(len(pl.several))
		delete(s.pools, pl.key)
	}
}

// vote puts a hash into a sorted set of at most eleven, and reports whether it is new.
func vote(set *[]uint64, h uint64) bool {
	if len(*set) >= LookAlikes {
		return false
	}
	at, known := slices.BinarySearch(*set, h)
	if !known {
		*set = slices.Insert(*set, at, h)
	}
	return !known
}

// voteOf gives the hash by which a value counts for its place, and false if it does
// not: numbers have placeholders of their own, and so have locales, which now LOCALE
// takes and now STRING. Only what the value is decides, not who took it.
func voteOf(value string) (h uint64, ok bool) {
	value = strings.ToLower(value)
	return hashText(value), !isNarrow(value) && !isLocale(value)
}

// elect has a value count for its place, and reports whether it is new.
func (v *values) elect(value string, room bool) (h uint64, fresh bool) {
	if !room || len(v.votes) >= LookAlikes {
		return 0, false
	}
	h, ok := voteOf(value)
	return h, ok && vote(&v.votes, h)
}

// recall finds what counts among values that were stored. Those that are no examples
// are known only by their hashes, and count.
func (v *values) recall() (grown int64) {
	known := make([]uint64, 0, maxExamples)
	for x := range v.examples.all() {
		known = append(known, hashText(x))
		if h, ok := voteOf(x); ok {
			vote(&v.votes, h)
		}
	}
	for _, h := range v.exact {
		if len(v.votes) < LookAlikes && !slices.Contains(known, h) {
			vote(&v.votes, h)
		}
	}
	grown = 8 * int64(len(v.votes))
	if v.sketch != nil {
		grown += v.fill() // there were many more
	}
	return grown
}

// fill has as many values count as are enough, whatever they were.
func (v *values) fill() (grown int64) {
	grown = 8 * int64(LookAlikes-len(v.votes))
	for h := uint64(1); len(v.votes) < LookAlikes; h++ {
		vote(&v.votes, h)
	}
	return grown
}

// take counts a value that a template has at the place, and reports whether the
// pool is to be reckoned.
func (pl *pool) take(h uint64) bool {
	vote(&pl.seen, h)
	pl.due = vote(&pl.taken, h) && !pl.proven || pl.due
	return pl.due && len(pl.seen) >= LookAlikes
}

// takeAll counts all values of a placeholder.
func (pl *pool) takeAll(v *values) (due bool) {
	for _, h := range v.votes {
		due = pl.take(h) || due
	}
	return due
}

// fill makes a place have enough values.
func (pl *pool) fill() {
	if len(pl.taken) < LookAlikes {
		pl.taken = slices.Repeat([]uint64{0}, LookAlikes)
		pl.seen, pl.due = pl.taken, true
	}
}

// place has the values of a learned template count where it has STRING, from now on.
func (p *pass) place(e *entry, segs []segment) {
	if e.gone || !e.rule.learned() || p.evidenceOf(e) == nil {
		return
	}
	n, fresh := 0, false
	for i := range segs {
		if segs[i].ph < 0 {
			continue
		}
		if v := &e.ev.values[n]; segs[i].ph == phString && v.pool == nil && p.bytes < p.maxBytes() {
			v.pool, fresh = p.poolOf(segs, i), true
		}
		n++
	}
	if fresh {
		p.creditBy(e, e.group.lost)
	}
	p.sample(e)
}

// sample counts what values a template has.
func (p *pass) sample(e *entry) {
	if e.ev == nil {
		return
	}
	n := 0
	Params(e.url, e.url, func(index int, _, _ string) {
		v := &e.ev.values[n]
		n++
		switch {
		case v.pool == nil || v.pool.proven:
			return
		case e.wide&(1<<index) != 0:
			v.pool.fill() // it would not be wide otherwise
		default:
			v.pool.takeAll(v)
		}
		p.reckon(v.pool)
	})
}

// see counts a new value in a bucket. Where a place has enough of them it is worth
// comparing the shapes of those that may look alike.
func (p *pass) see(b *bucket, name string) {
	pl := b.pool
	if pl == nil {
		return
	}
	if b.count == provenAlikes {
		pl.several = append(pl.several, pooled{&p.m.index, b})
		p.bytes += pooledCost
	}
	if h, ok := voteOf(decode(name)); ok {
		vote(&pl.seen, h)
		pl.heat()
	}
}

// heat has the buckets of a place compared once there are values enough.
func (pl *pool) heat() {
	if !pl.warm && len(pl.seen) >= LookAlikes {
		pl.warm = true
		pl.ripen()
	}
}

// ripen has the buckets of a place looked at again.
func (pl *pool) ripen() {
	for _, in := range pl.several {
		if !in.b.made {
			in.x.ripe = append(in.x.ripe, in.b)
		}
	}
}

// ripenAll does so for all that is part of the place.
func (pl *pool) ripenAll() {
	pl.ripen()
	for _, part := range pl.below {
		part.ripenAll()
	}
}

// pick looks at the buckets of places of which more is known now.
func (p *pass) pick() {
	x := &p.m.index
	for len(x.ripe) > 0 {
		b := x.ripe[len(x.ripe)-1]
		x.ripe = x.ripe[:len(x.ripe)-1]
		if !b.made && len(b.members) > 0 && p.enough(b, 0) {
			p.complete(b)
		}
	}
}

// enough files the member i by its shape, and all members when that is worth it for
// the first time, and reports whether enough of them look alike.
func (p *pass) enough(b *bucket, i int) bool {
	pl := b.pool
	if p.opt.Shape == nil || b.count < provenAlikes || len(pl.seen) < LookAlikes && !pl.parameter() {
		return false
	}
	if b.slots != nil {
		p.tally(b, b.file(i, p.shape(b.members[i].e)))
	} else {
		for j := range b.members {
			p.tally(b, b.file(j, p.shape(b.members[j].e)))
		}
	}
	return b.best >= LookAlikes || b.best >= provenAlikes && pl.parameter()
}

// tally counts what a member that was filed in a slot adds to its bucket and pool.
func (p *pass) tally(b *bucket, at int) {
	if at < 0 {
		return
	}
	best := b.total(at)
	for _, j := range b.slots[at].near {
		best = max(best, b.total(int(j)))
	}
	b.best = max(b.best, best)
	if best >= 2 && best < LookAlikes {
		p.reckon(b.pool)
	}
}

// reckon proves a place if there are enough values: those that templates have, and of
// each bucket those of members that look alike. Of two kinds of look-alikes in a
// bucket only one counts, as they would never merge.
func (p *pass) reckon(pl *pool) {
	pl.due = false
	pl.heat()
	if pl.proven || len(pl.seen) < LookAlikes || p.denied[pl.key] {
		return
	}
	have := slices.Clone(pl.taken)
	var choices [][][]uint64
	for _, in := range pl.several[:min(len(pl.several), maxReckoned)] {
		if len(have) >= LookAlikes {
			break
		}
		switch kinds := in.b.kinds(); len(kinds) {
		case 0:
		case 1:
			for _, h := range kinds[0] {
				vote(&have, h)
			}
		default:
			choices = append(choices, kinds)
		}
	}
	steps := maxChoices
	if reach(have, choices, &steps) {
		p.prove(pl)
	}
}

// kinds gives the values of members that look alike, of each kind of them. That they
// have no parameters at all says too little: every DELETE may be so.
func (b *bucket) kinds() (all [][]uint64) {
	if b.made {
		return nil
	}
	for i := range b.slots {
		if b.total(i) < 2 || b.slots[i].shape.empty() {
			continue
		}
		kind := slices.Clone(b.slots[i].names)
		for _, j := range b.slots[i].near {
			for _, h := range b.slots[j].names {
				vote(&kind, h)
			}
		}
		if !slices.ContainsFunc(all, func(k []uint64) bool { return slices.Equal(k, kind) }) {
			all = append(all, kind)
		}
	}
	return all
}

// reach reports whether one kind of each bucket makes enough values.
func reach(have []uint64, choices [][][]uint64, steps *int) bool {
	if len(have) >= LookAlikes {
		return true
	}
	if *steps--; len(choices) == 0 || *steps < 0 {
		return false
	}
	for _, kind := range choices[0] {
		more := slices.Clone(have)
		for _, h := range kind {
			vote(&more, h)
		}
		if reach(more, choices[1:], steps) {
			return true
		}
	}
	return false
}

// prove notes that a place is a parameter.
func (p *pass) prove(pl *pool) {
	if !pl.proven && !p.denied[pl.key] {
		pl.proven = true
		pl.fill()
		pl.ripenAll()
	}
}

// deny has the places of a template that a person split prove nothing.
func (s *Set) deny(template string) {
	var segs []segment
	for raw := range strings.SplitSeq(rest(template), "/") {
		seg := segment{ph: placeholderOf(raw)}
		if seg.ph >= 0 {
			seg.hash = uint64(seg.ph+1) * wildHash
		} else {
			seg.hash = maphash.String(s.seed, strings.ToLower(raw))
		}
		segs = append(segs, seg)
	}
	if len(segs) > maxSegments {
		return
	}
	for i := range segs {
		if segs[i].ph < phVersioned {
			continue
		}
		if s.denied == nil {
			s.denied = map[uint64]bool{}
		}
		key := poolKey(segs, i)
		s.denied[key] = true
		if pl := s.pools[key]; pl != nil {
			pl.proven = false
		}
	}
}
