package pathtmpl

import (
	"cmp"
	"strings"
)

// A Set holds the URLs of one collection by method: static paths, and templates
// in a trie. It is not safe for concurrent use.
//
// A Set is bounded by Options.MaxURLs and Options.MaxBytes. At the bound it
// takes no more; Resolve then still gives the right answer for what it is asked,
// and says each time that it is new.
type Set struct {
	opt     Options
	methods map[string]*methodSet
	urls    int
	bytes   int64
}

// A methodSet is what a Set holds of one method.
type methodSet struct {
	statics   map[string]struct{}
	templates map[string]struct{}
	root      node
}

// A node is a prefix of templates. Its children are literal segments and, by
// index, placeholders.
type node struct {
	literals     map[string]*node
	placeholders [phCount]*node
	url          string // of the template that ends here; empty if none does
}

// The memory of entries beside their text, in bytes: measured with 100,000 of
// each on 64 bits, rounded up.
const (
	staticCost = 48
	nodeCost   = 160
)

// maxSteps bounds the nodes that one look-up visits. Templates with a literal
// and several placeholders at the same places could otherwise make a path walk
// much of the trie; beyond it the path counts as matched by none.
const maxSteps = 2000

// The bounds of a Set whose Options name none.
const (
	defaultMaxURLs  = 100_000
	defaultMaxBytes = 32 << 20
)

// NewSet makes an empty Set. The zero Set is one with zero Options.
func NewSet(opt Options) *Set { return &Set{opt: opt} }

// Add puts a template, or a static path, into the set and reports whether it is
// there now and was not before. The leading slash may be missing.
func (s *Set) Add(method, template string) bool {
	template = Normalize(template)
	m := s.methods[method]
	if m != nil && m.has(template) {
		return false
	}
	cost := int64(len(template)) + staticCost
	segments := strings.Count(template, "/")
	isTemplate := segments <= maxSegments && IsTemplate(template)
	if isTemplate {
		cost += int64(segments) * nodeCost
	}
	if s.urls >= cmp.Or(s.opt.MaxURLs, defaultMaxURLs) || s.bytes+cost > cmp.Or(s.opt.MaxBytes, defaultMaxBytes) {
		return false
	}
	if s.methods == nil {
		s.methods = map[string]*methodSet{}
	}
	if m == nil {
		m = &methodSet{statics: map[string]struct{}{}, templates: map[string]struct{}{}}
		s.methods[strings.Clone(method)] = m
	}
	// A path is often part of a larger text, which must not be kept with it.
	template = strings.Clone(template)
	if isTemplate {
		m.templates[template] = struct{}{}
		// Prefixes that other templates have are not counted twice.
		cost -= int64(segments-m.root.insert(template)) * nodeCost
	} else {
		m.statics[template] = struct{}{}
	}
	s.urls++
	s.bytes += cost
	return true
}

// Len gives the number of URLs in the set.
func (s *Set) Len() int { return s.urls }

// Bytes estimates the memory of the set.
func (s *Set) Bytes() int64 { return s.bytes }

// Match finds the URL of a normalized path: the path itself if it is in the set,
// else the most specific template that matches.
//
// A literal segment of a template matches the same text. Of the placeholders,
// none matches an English word; INTEGER matches numbers without a fraction,
// FLOAT those with one, OBJECT_ID 24 hex digits, and the others anything. Of
// several templates that match, the one wins that has at the leftmost place
// where they differ a literal, else INTEGER, FLOAT, OBJECT_ID, VERSIONED,
// LOCALE, and last STRING; in which order they were added does not matter.
func (s *Set) Match(method, path string) (url string, ok bool) {
	m := s.methods[method]
	if m == nil {
		return "", false
	}
	if m.has(path) {
		return path, true
	}
	if len(m.templates) == 0 || isGraphQL(path) || strings.Count(path, "/") > maxSegments {
		return "", false
	}
	w := walk{steps: maxSteps}
	url = w.find(&m.root, strings.TrimPrefix(path, "/"), 0)
	return url, url != ""
}

// Resolve gives the URL under which a request is recorded, and adds it when it
// is new: the path itself if the set has it, else the most specific template
// that matches (see Match), else the template that Parameterize makes, else the
// path as it is. The path is normalized first. isTemplate says whether the URL
// has placeholders; isNew whether the set did not hold it.
func (s *Set) Resolve(method, path string) (url string, isTemplate, isNew bool) {
	path = Normalize(path)
	url, ok := s.Match(method, path)
	if !ok {
		url, _ = Parameterize(path, s.opt)
		if m := s.methods[method]; m == nil || !m.has(url) {
			s.Add(method, url)
			isNew = true
		}
	}
	return url, IsTemplate(url), isNew
}

func (m *methodSet) has(url string) bool {
	if _, ok := m.statics[url]; ok {
		return true
	}
	_, ok := m.templates[url]
	return ok
}

// insert gives the number of nodes that it made.
func (n *node) insert(template string) (made int) {
	for rest := strings.TrimPrefix(template, "/"); rest != ""; {
		var seg string
		seg, rest, _ = strings.Cut(rest, "/")
		var next *node
		if p := placeholderOf(seg); p >= 0 {
			if n.placeholders[p] == nil {
				n.placeholders[p] = &node{}
				made++
			}
			next = n.placeholders[p]
		} else {
			next = n.literals[seg]
			if next == nil {
				if n.literals == nil {
					n.literals = map[string]*node{}
				}
				next = &node{}
				n.literals[seg] = next
				made++
			}
		}
		n = next
	}
	n.url = template
	return made
}

// A walk is one look-up in a trie.
type walk struct {
	steps int
	// accepts holds, by segment, the set of placeholders that match it, as bits;
	// bit 7 says that it was computed. A look-up may come to a segment by several
	// ways, and the word list is the dear part of the test.
	accepts [maxSegments]uint8
}

const computed = 1 << 7

// find looks for the rest of the path, whose first segment has index i, below n.
// The children are tried in the order of how specific they are, so the first
// find is the one that wins.
func (w *walk) find(n *node, rest string, i int) string {
	if rest == "" {
		return n.url
	}
	if w.steps--; w.steps < 0 {
		return ""
	}
	seg, rest, _ := strings.Cut(rest, "/")
	if next := n.literals[seg]; next != nil {
		if url := w.find(next, rest, i+1); url != "" {
			return url
		}
	}
	if n.placeholders == [phCount]*node{} {
		return ""
	}
	if w.accepts[i] == 0 {
		w.accepts[i] = accepts(seg)
	}
	for p, next := range n.placeholders {
		if next == nil || w.accepts[i]&(1<<p) == 0 {
			continue
		}
		if url := w.find(next, rest, i+1); url != "" {
			return url
		}
	}
	return ""
}

// accepts gives the placeholders that match a segment, as bits.
func accepts(raw string) uint8 {
	if p := placeholderOf(raw); p >= 0 {
		return computed | 1<<p
	}
	seg := decode(raw)
	if len(seg) <= maxTested && English(seg) {
		return computed
	}
	bits := uint8(computed | 1<<phString | 1<<phVersioned | 1<<phLocale)
	if matchesInteger(seg) {
		bits |= 1 << phInteger
	} else if isNumber(seg) {
		bits |= 1 << phFloat
	}
	if isObjectID(seg) {
		bits |= 1 << phObjectID
	}
	return bits
}
