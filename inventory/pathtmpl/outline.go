package pathtmpl

import (
	"encoding/binary"
	"hash/maphash"
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
	// templates are one after the other: method, number of slashes, rule, segments that
	// are wide, URL. What is there is never written again.
	templates []byte
	urls      int
}

// outlineSeed is secret, so that nobody makes two paths equal.
var outlineSeed = maphash.MakeSeed()

// Outline gives the outline of the set; nil if it has none: other spellings of a path
// are known by their texts only, and what a person split by the block list.
func (s *Set) Outline() *Outline {
	if s.opt.FoldCase {
		return nil
	}
	o := &Outline{opt: s.opt, urls: s.urls}
	n, size := 0, 0
	for method, m := range s.methods {
		if len(m.blocked) > 0 {
			return nil
		}
		n += len(m.statics)
		for url := range m.templates {
			size += len(method) + len(url) + outlinedCost
		}
	}
	o.statics, o.templates = make([]uint64, 0, n), make([]byte, 0, size)
	for method, m := range s.methods {
		for url := range m.statics {
			o.statics = append(o.statics, outlineHash(method, url))
		}
		for _, e := range m.templates {
			o.appendTemplate(method, e)
		}
	}
	slices.Sort(o.statics)
	return o
}

// outlinedCost is what stands beside the texts of a template, mostly.
const outlinedCost = 6

func outlineHash(method, url string) uint64 {
	return maphash.String(outlineSeed, url) + maphash.String(outlineSeed, method)*wildHash
}

// Bytes gives the memory of the outline.
func (o *Outline) Bytes() int64 {
	return int64(unsafe.Sizeof(*o)) + 8*int64(cap(o.statics)) + int64(cap(o.templates))
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
	if o.isStatic(method, path) {
		return path, false, false
	}
	t, ok := o.find(method, path, nil)
	if ok && !literal {
		t, ok = o.taker(method, t, path)
	}
	if ok {
		return t.url, true, false
	}
	url, rule, changed := parameterize(path, &o.opt)
	if changed && literal {
		url, rule = path, 0
	}
	isTemplate = strings.Count(url, "/") <= maxSegments && IsTemplate(url)
	o.add(method, &entry{url: url, rule: rule, template: isTemplate})
	return url, isTemplate, true
}

// taker is that of the Set.
func (o *Outline) taker(method string, t entry, path string) (entry, bool) {
	if !t.rule.learned() || !o.opt.narrower(&t, path) {
		return t, true
	}
	url, rule, _ := parameterize(path, &o.opt)
	return o.find(method, url, &entry{url: url, rule: rule, template: true})
}

// find gives the template that the trie of a Set would find for a path: itself if it
// is one, or the most specific that matches and, unless covers is nil, covers that.
func (o *Outline) find(method, path string, covers *entry) (best entry, ok bool) {
	slashes := strings.Count(path, "/")
	w := walk{opt: &o.opt, covers: covers}
	exact := slashes > maxSegments || isGraphQL(path)
	for b := o.templates; len(b) > 0; {
		var name, url string
		var head [3]uint64
		name, b = cutText(b)
		for i := range head {
			v, n := binary.Uvarint(b)
			head[i], b = v, b[n:]
		}
		url, b = cutText(b)
		if head[0] != uint64(slashes) || name != method { //nolint:gosec // not negative
			continue
		}
		t := entry{url: url, rule: Rule(head[1]), wide: head[2], template: true} //nolint:gosec // was one
		if url == path {
			return t, true
		}
		if exact || !w.matches(url, path) || ok && !specific(url, best.url) || covers != nil && !o.opt.covers(&t, covers) {
			continue
		}
		best, ok = t, true
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
	bounds := Set{opt: o.opt}
	switch {
	case o.urls >= bounds.maxURLs() || o.Bytes() >= bounds.maxBytes():
		return
	case e.template:
		o.appendTemplate(method, e)
	default:
		h := outlineHash(method, e.url)
		at, _ := slices.BinarySearch(o.statics, h)
		o.statics = slices.Insert(o.statics, at, h)
	}
	o.urls++
}

func (o *Outline) isStatic(method, path string) bool {
	_, ok := slices.BinarySearch(o.statics, outlineHash(method, path))
	return ok
}

func (o *Outline) appendTemplate(method string, e *entry) {
	b := appendText(o.templates, method)
	b = binary.AppendUvarint(b, uint64(strings.Count(e.url, "/"))) //nolint:gosec // not negative
	b = binary.AppendUvarint(b, uint64(e.rule))
	b = binary.AppendUvarint(b, e.wide)
	o.templates = appendText(b, e.url)
}

// cutText gives the first text of b, and what follows it.
func cutText(b []byte) (string, []byte) {
	n, k := binary.Uvarint(b)
	end := k + int(n) //nolint:gosec // within b
	return view(b[k:end]), b[end:]
}
