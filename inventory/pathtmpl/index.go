package pathtmpl

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
)

// An index finds the look-alikes of a URL without comparing pairs. It only grows
// by what Merge takes from pending.
type index struct {
	pending []*entry
	// buckets hold, by the hash of its text with one segment left out, the URLs
	// that differ only there; collisions are chained.
	buckets map[uint64]*bucket
	// groups hold the URLs with the same English words at the same places: no
	// template matches a path of another group.
	groups   map[uint64]*group
	stale    []*group
	deferred []*group // stale ones for another pass
	forms    []*entry // by which Merge has not widened yet; see places.go
	ripe     []*bucket
}

// A group is looked through as a whole only when a template has come whose paths
// no single bucket has; a large one only when it has grown by a sixteenth since, or
// at every sixteenth pass, so that this too costs a URL little.
type group struct {
	entries  []*entry
	stiff    int // entries that not every template which covers them shares a bucket with
	gone     int
	grown    int // entries since it was looked through
	deferred int // passes that left it for later
	stale    bool
	lost     []*entry // ghosts, at most maxLost; see lost.go

	// What templates widen by; see places.go.
	votes [][]uint64
	forms map[string]*entry
	// ripened says that a place has enough values since the group was looked through.
	ripened bool
}

// A segment is what the index knows of one segment of an entry.
type segment struct {
	raw, lower string
	ph         int  // the placeholder that stands there or that the rules give; -1 if none
	english    bool // only a literal
	free       bool // may become a placeholder by comparison
	hash       uint64
}

// maxFree is how many segments of one URL are left out in turn.
const maxFree = 16

// due reports whether a stale group is to be looked through in this pass.
func (g *group) due() bool {
	if len(g.entries) <= smallGroup || g.grown >= len(g.entries)/16 || g.deferred >= 16 {
		g.grown, g.deferred = 0, 0
		return true
	}
	g.deferred++
	return false
}

const smallGroup = 1024

const wildHash = 0x9e3779b97f4a7c15

// segments splits the text of an entry, and sets its form. The result is valid
// until the next call.
func (s *Set) segments(e *entry, buf []segment) []segment {
	buf = buf[:0]
	fixed, changed, free := false, false, 0
	for raw := range strings.SplitSeq(rest(e.url), "/") {
		seg := segment{raw: raw, ph: placeholderOf(raw)}
		if seg.ph < 0 && !e.template {
			seg.ph, _ = placeholderFor(raw, true, &s.opt)
			changed = changed || seg.ph >= 0
		}
		if seg.ph >= 0 {
			seg.hash = uint64(seg.ph+1) * wildHash
		} else {
			seg.lower = strings.ToLower(raw)
			seg.hash = maphash.String(s.seed, seg.lower)
			plain := decode(raw)
			seg.english = s.opt.english(plain)
			seg.free = !seg.english && !fixed && !structural(plain) && len(raw) <= maxTested && free < maxFree
			if seg.free {
				free++
			}
			fixed = fixed || seg.lower == "skills" || seg.lower == "skill"
		}
		buf = append(buf, seg)
	}
	if changed && e.form == "" && !e.template {
		var b strings.Builder
		for _, seg := range buf {
			b.WriteByte('/')
			if seg.ph >= 0 {
				b.WriteString(placeholders[seg.ph])
			} else {
				b.WriteString(seg.raw)
			}
		}
		e.form = b.String()
	}
	return buf
}

// structural reports words that hold an API together although they are not
// English: what follows /api/v1 does not make api an id.
func structural(seg string) bool {
	return isVersion(seg) || strings.EqualFold(seg, "api") || strings.EqualFold(seg, "apis") || strings.EqualFold(seg, "rest")
}

// isOpen reports whether a template has literals that comparison may yet replace,
// and whether it has a LOCALE.
func (o *Options) isOpen(template string) (open, locale bool) {
	for raw := range strings.SplitSeq(rest(template), "/") {
		switch placeholderOf(raw) {
		case -1:
			plain := decode(raw)
			open = open || !structural(plain) && !o.english(plain)
		case phLocale:
			locale = true
		}
	}
	return open, locale
}

func mix(h uint64, i int) uint64 {
	return bits.RotateLeft64(h, i) * (wildHash + 2*uint64(i)) //nolint:gosec // not negative
}

// keyOf gives the sum from which the key of each bucket is made, and the key of
// the group.
func keyOf(segs []segment) (all, group uint64) {
	for i, seg := range segs {
		all += mix(seg.hash, i)
		if seg.english {
			group += mix(seg.hash, i)
		} else {
			group += mix(wildHash, i)
		}
	}
	return all, group
}

// leaveOut gives the key of the bucket without segment i; -1 leaves none out.
func leaveOut(all uint64, segs []segment, i int) uint64 {
	if i < 0 {
		return all
	}
	return all - mix(segs[i].hash, i) + mix(wildHash, i)
}

// A bucket has the URLs that differ only at segment pos, or for pos -1 only in
// values that the rules replace.
type bucket struct {
	next    *bucket
	members []member
	names   map[string]int // of members by what stands at pos; made when they are many
	slots   []slot         // members by shape; made when they are enough
	locale  string         // the first one at pos
	pool    *pool          // of its place; nil without one
	count   int            // members that are no locales
	best    int            // the most look-alikes among them, so far
	pos     int16
	made    bool // the template of this bucket is there, unless it is blocked
	locales bool // the one with LOCALE is there, until made
}

type member struct {
	e      *entry
	slot   int16 // in slots, plus one
	locale bool
}

// A slot counts the members with one shape.
type slot struct {
	shape *Shape
	count int
	names []uint64 // hashes of what tells them apart, sorted, at most LookAlikes
	near  []int16  // other slots with similar shapes
}

const (
	// LookAlikes is how many URLs have to look alike, at least, before an opaque
	// segment becomes a placeholder.
	LookAlikes = 11
	// maxSlots bounds the distinct shapes that a bucket compares. Where there are
	// more, URLs have little in common.
	maxSlots = 64
	// maxMembers bounds the URLs that a bucket remembers.
	maxMembers = 100_000
	// bucketCost, memberCost and groupCost estimate memory, with the map around it.
	bucketCost = 180
	memberCost = 24
	groupCost  = 280
)

// bucketOf finds the bucket of an entry without its segment pos.
func (x *index) bucketOf(key uint64, segs []segment, pos int) *bucket {
	for b := x.buckets[key]; b != nil; b = b.next {
		if int(b.pos) == pos && sameBut(b.members[0].e, segs, pos) {
			return b
		}
	}
	return nil
}

// sameBut reports whether an entry equals the segments in all but one.
func sameBut(e *entry, segs []segment, pos int) bool {
	form := rest(e.formText())
	for i, seg := range segs {
		if form == "" {
			return false
		}
		var got string
		got, form, _ = strings.Cut(form, "/")
		if i == pos {
			continue
		}
		if p := placeholderOf(got); p != seg.ph || p < 0 && strings.ToLower(got) != seg.lower {
			return false
		}
	}
	return form == ""
}

// find gives the index of the member that has name at pos, -1 if there is none.
func (b *bucket) find(name string) int {
	if b.names != nil {
		if i, ok := b.names[name]; ok {
			return i
		}
		return -1
	}
	for i := range b.members {
		if b.nameOf(b.members[i].e) == name {
			return i
		}
	}
	return -1
}

// nameOf is what tells a member from the others.
func (b *bucket) nameOf(e *entry) string {
	if b.pos < 0 {
		return strings.ToLower(e.url)
	}
	_, seg, _ := cutSegment(e.url, int(b.pos))
	return strings.ToLower(seg)
}

func (b *bucket) vote(i int) (h uint64, ok bool) { return voteOf(decode(b.nameOf(b.members[i].e))) }

// put adds a member and reports whether there was none of that name.
func (b *bucket) put(e *entry, name string, locale bool) (i int, added bool) {
	if i = b.find(name); i >= 0 {
		if b.members[i].e.gone && !e.gone && i > 0 {
			b.members[i].e = e
		}
		return i, false
	}
	if len(b.members) >= maxMembers {
		return -1, false
	}
	b.members = append(b.members, member{e: e, locale: locale})
	if !locale {
		b.count++
	}
	if b.names == nil && len(b.members) > LookAlikes {
		b.names = map[string]int{}
		for i := range b.members {
			b.names[b.nameOf(b.members[i].e)] = i
		}
	} else if b.names != nil {
		b.names[name] = len(b.members) - 1
	}
	return len(b.members) - 1, true
}

// file puts a member into the slot of its shape, out of the one it was in, and
// gives the slot; -1 for none.
func (b *bucket) file(i int, sh *Shape) int {
	mem := &b.members[i]
	if mem.slot > 0 {
		old := &b.slots[mem.slot-1]
		old.count--
		h, _ := b.vote(i)
		if at, ok := slices.BinarySearch(old.names, h); ok {
			old.names = slices.Delete(old.names, at, at+1)
		}
		mem.slot = 0
	}
	if sh == nil || mem.locale {
		return -1
	}
	at := -1
	for j := range b.slots {
		if b.slots[j].shape == sh {
			at = j
			break
		}
	}
	if at < 0 {
		if len(b.slots) >= maxSlots {
			return -1
		}
		at = len(b.slots)
		n := slot{shape: sh}
		for j := range b.slots {
			if b.slots[j].shape.Similar(*sh) {
				n.near = append(n.near, int16(j))
				b.slots[j].near = append(b.slots[j].near, int16(at)) //nolint:gosec // below maxSlots
			}
		}
		b.slots = append(b.slots, n)
	}
	b.slots[at].count++
	if h, ok := b.vote(i); ok {
		vote(&b.slots[at].names, h)
	}
	mem.slot = int16(at + 1)
	return at
}

// total is how many members are similar to those of slot i, themselves included.
func (b *bucket) total(i int) int {
	n := b.slots[i].count
	for _, j := range b.slots[i].near {
		n += b.slots[j].count
	}
	return n
}

// shape is the one that most members have.
func (b *bucket) shape() *Shape {
	var best slot
	for _, sl := range b.slots {
		if sl.count > best.count || sl.count == best.count && best.shape != nil && sl.shape.compare(*best.shape) < 0 {
			best = sl
		}
	}
	return best.shape
}

// drop forgets a member that was absorbed, and reports whether the bucket is
// needless now. Buckets with many members keep it: they are looked through seldom.
func (b *bucket) drop(e *entry) (empty bool) {
	if b.made || b.names != nil {
		return false
	}
	for i := range b.members {
		if b.members[i].e != e {
			continue
		}
		if !b.members[i].locale {
			b.count--
		}
		b.members = append(b.members[:i], b.members[i+1:]...)
		return len(b.members) == 0
	}
	return false
}

// cutSegment gives a segment of a URL and what is around it, without slashes
// between.
func cutSegment(url string, i int) (before, seg, after string) {
	start := 1
	for ; i > 0; i-- {
		start += strings.IndexByte(url[start:], '/') + 1
	}
	seg, _, _ = strings.Cut(url[start:], "/")
	return url[:start], seg, url[start+len(seg):]
}
