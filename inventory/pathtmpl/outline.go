package pathtmpl

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"unsafe"
)

// An Outline is what Resolve needs of a Set, in eight bytes a static path and the
// texts of the templates: for sets that memory does not suffice for. It gives the
// same answers, and takes new URLs, but keeps no evidence and finds no look-alikes;
// that needs the Set, made again of all URLs. It looks through all templates for a
// path that is not static. It is not safe for concurrent use.
type Outline struct {
	opt Options
	// statics are hashes of method and path, sorted. The path of a request is the
	// answer itself, so the texts are not needed.
	statics []uint64
	// others are templates, and the static paths of which the path of a request may be
	// another spelling, one after the other: method, number of slashes, rule, segments
	// that are wide, key, and the URL if that is spelled otherwise. What is there is never
	// written again.
	others  []byte
	blocked map[string]map[string]string // as in the set, by method
	urls    int
	bytes   int64 // of blocked
}

// outlineSeed is secret, so that nobody makes two paths equal.
var outlineSeed = maphash.MakeSeed()

// Outline gives the outline of the set.
func (s *Set) Outline() *Outline {
	o := &Outline{opt: s.opt, urls: s.urls}
	n, size := 0, 0
	for method, m := range s.methods {
		n += len(m.statics)
		for url := range m.templates {
			size += len(method) + len(url) + outlinedCost
		}
		if len(m.blocked) > 0 {
			o.block(method, m.blocked)
		}
	}
	o.statics, o.others = make([]uint64, 0, n), make([]byte, 0, size)
	for method, m := range s.methods {
		for key, e := range m.statics {
			if key == e.url {
				o.statics = append(o.statics, outlineHash(method, key))
			} else {
				o.append(method, key, e)
			}
		}
		for key, e := range m.templates {
			o.append(method, key, e)
		}
	}
	slices.Sort(o.statics)
	return o
}

func (o *Outline) block(method string, templates map[string]string) {
	if o.blocked == nil {
		o.blocked = map[string]map[string]string{}
	}
	o.blocked[method] = maps.Clone(templates)
	o.bytes += methodCost
	for _, t := range templates {
		o.bytes += int64(len(t)) + staticCost
	}
}

// outlinedCost is what stands beside the texts of a template, mostly.
const outlinedCost = 7

func outlineHash(method, url string) uint64 {
	return maphash.String(outlineSeed, url) + maphash.String(outlineSeed, method)*wildHash
}

// Bytes gives the memory of the outline.
func (o *Outline) Bytes() int64 {
	return int64(unsafe.Sizeof(*o)) + 8*int64(cap(o.statics)) + int64(cap(o.others)) + o.bytes
}

// Resolve is that of the Set, without evidence.
func (o *Outline) Resolve(method, path string) (url string, isTemplate, isNew bool) {
	return o.resolve(method, path, false)
}

// ResolveLiteral is that of the Set, without evidence.
func (o *Outline) ResolveLiteral(method, path string) (url string, isTemplate, isNew bool) {
	return o.resolve(method, path, true)
}

func (o *Outline) resolve(method, path string, literal bool) (url string, isTemplate, isNew bool) {
	path = Normalize(path)
	key := o.opt.key(path)
	if o.isStatic(method, key) {
		return key, false, false
	}
	t, ok := o.find(method, key, nil)
	if ok && t.template && !literal {
		t, ok = o.taker(method, t, path)
	}
	if ok {
		return t.url, t.template, false
	}
	url, rule, changed := parameterize(path, &o.opt)
	if changed && (literal || o.isBlocked(method, url)) {
		url, rule = path, 0
	}
	isTemplate = strings.Count(url, "/") <= maxSegments && IsTemplate(url)
	o.add(method, &entry{url: url, rule: rule, template: isTemplate})
	return url, isTemplate, true
}

func (o *Outline) isBlocked(method, template string) bool {
	_, ok := o.blocked[method][o.opt.key(template)]
	return ok
}

// taker is that of the Set.
func (o *Outline) taker(method string, t entry, path string) (entry, bool) {
	if !t.rule.learned() || !o.opt.narrower(&t, path) {
		return t, true
	}
	url, rule, _ := parameterize(path, &o.opt)
	if o.isBlocked(method, url) {
		return t, true
	}
	return o.find(method, o.opt.key(url), &entry{url: url, rule: rule, template: true})
}

// find gives what the Set would find for the key of a path that is none of o.statics:
// itself, or the most specific template that matches and, unless covers is nil, covers
// that.
func (o *Outline) find(method, path string, covers *entry) (best entry, ok bool) {
	slashes := strings.Count(path, "/")
	w := walk{opt: &o.opt, covers: covers}
	exact := slashes > maxSegments || isGraphQL(path)
	bestKey := ""
	for b := o.others; len(b) > 0; {
		var name, key, url string
		var head [3]uint64
		name, b = cutText(b)
		for i := range head {
			v, n := binary.Uvarint(b)
			head[i], b = v, b[n:]
		}
		key, b = cutText(b)
		url, b = cutText(b)
		if head[0] != uint64(slashes) || name != method { //nolint:gosec // not negative
			continue
		}
		t := entry{url: cmp.Or(url, key), rule: Rule(head[1]), wide: head[2], template: true} //nolint:gosec // was one
		if key == path {
			t.template = slashes <= maxSegments && IsTemplate(key)
			return t, true
		}
		if exact || !w.matches(key, path) || ok && !specific(key, bestKey) || covers != nil && !o.opt.covers(&t, covers) {
			continue
		}
		best, bestKey, ok = t, key, true
	}
	return best, ok
}

// matches reports whether a template matches a path, as find does.
func (w *walk) matches(template, path string) bool {
	t, p := rest(template), rest(path)
	for i := 0; t != "" && p != ""; i++ {
		var want, got string
		want, t, _ = strings.Cut(t, "/")
		got, p, _ = strings.Cut(p, "/")
		ph := placeholderOf(want)
		if ph < 0 {
			if want != got {
				return false
			}
			continue
		}
		if w.accepts[i] == 0 {
			w.accepts[i] = w.accepted(got)
		}
		if w.accepts[i]&(1<<ph) == 0 {
			return false
		}
	}
	return t == "" && p == ""
}

// specific reports whether template a wins over b, when both match a path.
func specific(a, b string) bool {
	a, b = rest(a), rest(b)
	for a != "" && b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, "/")
		y, b, _ = strings.Cut(b, "/")
		if p, q := placeholderOf(x), placeholderOf(y); p != q {
			return p < q
		}
	}
	return false
}

// add takes a URL that is not there, unless the outline is full, as a Set would be.
func (o *Outline) add(method string, e *entry) {
	bounds, key := Set{opt: o.opt}, o.opt.key(e.url)
	switch {
	case o.urls >= bounds.maxURLs() || o.Bytes() >= bounds.maxBytes():
		return
	case e.template, key != e.url:
		o.append(method, key, e)
	default:
		h := outlineHash(method, key)
		at, _ := slices.BinarySearch(o.statics, h)
		o.statics = slices.Insert(o.statics, at, h)
	}
	o.urls++
}

func (o *Outline) isStatic(method, key string) bool {
	_, ok := slices.BinarySearch(o.statics, outlineHash(method, key))
	return ok
}

func (o *Outline) append(method, key string, e *entry) {
	b := appendText(o.others, method)
	b = binary.AppendUvarint(b, uint64(strings.Count(key, "/"))) //nolint:gosec // not negative
	b = binary.AppendUvarint(b, uint64(e.rule))
	b = binary.AppendUvarint(b, e.wide)
	url := e.url
	if url == key {
		url = ""
	}
	o.others = appendText(appendText(b, key), url)
}

// cutText gives the first text of b, and what follows it.
func cutText(b []byte) (string, []byte) {
	n, k := binary.Uvarint(b)
	end := k + int(n) //nolint:gosec // within b
	return view(b[k:end]), b[end:]
}
