package pathtmpl

import (
	"cmp"
	"hash/maphash"
	"strings"
)

// A Set holds the URLs of one collection by method: static paths, and templates
// in a trie; and what Merge needs to know of them. It is not safe for concurrent
// use.
//
// A Set is bounded by Options.MaxURLs and Options.MaxBytes. At the bound it
// takes no more; Resolve then still gives the right answer for what it is asked,
// and says each time that it is new.
type Set struct {
	opt     Options
	methods map[string]*methodSet
	usual   [6]*methodSet // those that mostly come, to which a map is a detour
	urls    int
	bytes   int64
	seed    maphash.Seed // of the hashes in the methods' indexes
	shapes  shapes
	pools   map[uint64]*pool
	denied  map[uint64]bool // pools of templates that a person split, by key
	ghosts  int
	waiting int // entries that Merge has not seen
	grown   bool
}

// A methodSet is what a Set holds of one method.
type methodSet struct {
	statics   map[string]*entry
	templates map[string]*entry
	ghosts    map[string]*entry
	blocked   map[string]string   // the spelling by the key
	twins     map[*entry][]string // other spellings that were added
	opt       *Options
	root      node
	index     index
}

// An entry is one URL: a static path, a template, or a ghost, which is a URL that
// a template has absorbed and that may still be a look-alike of others.
type entry struct {
	url      string
	form     string // url after the rules for single segments, if that differs
	ev       *evidence
	shape    *Shape
	rule     Rule
	wide     uint64 // the segments where STRING takes numbers and object ids too; see pass.widen
	of       *entry // the template that absorbed this, or took what it stands for
	group    *group // nil before Merge has seen it
	ghosts   uint16 // made of what this template matched
	template bool
	ghost    bool
	gone     bool // absorbed or taken out; another entry may have the same url
	queued   bool
	indexed  bool
	stiff    bool // counted in group.stiff
	open     bool // a template with opaque literals, which may yet become placeholders
	locale   bool // a template with LOCALE, which may yet become STRING
}

func (e *entry) formText() string { return cmp.Or(e.form, e.url) }

// The memory of entries beside their text, in bytes: measured with 100,000 of
// each on 64 bits, rounded up.
const (
	staticCost = 200
	nodeCost   = 160
	methodCost = 700 // of a method, with its maps
)

// The bounds of a Set whose Options name none.
const (
	defaultMaxURLs  = 100_000
	defaultMaxBytes = 64 << 20
)

// NewSet makes an empty Set. The zero Set is one with zero Options.
func NewSet(opt Options) *Set { return &Set{opt: opt} }

// Add puts a template, or a static path, into the set and reports whether it is
// there now and was not before. The leading slash may be missing. Of a template
// added this way the rule is not known (see Rule.String): what was learned
// before is put back by ParseState.
func (s *Set) Add(method, template string) bool {
	template = Normalize(template)
	e, made := s.add(method, template, 0)
	if e != nil && e.url != template {
		s.methods[method].twin(e, template)
	}
	return e != nil && made
}

// add gives the entry of a normalized URL and whether it made it; nil if the set
// is full. The rule is added to that of a template.
func (s *Set) add(method, url string, rule Rule) (e *entry, made bool) {
	m := s.of(method)
	if m != nil {
		if e = m.lookup(url); e != nil {
			if e.template || rule.given() {
				e.rule |= rule
			}
			return e, false
		}
	}
	segments := strings.Count(url, "/")
	isTemplate := segments <= maxSegments && IsTemplate(url)
	cost := int64(len(url)) + staticCost
	if isTemplate {
		cost += int64(segments) * nodeCost
	}
	if s.urls >= s.maxURLs() || s.bytes+cost > s.maxBytes() {
		return nil, false
	}
	m = s.method(method)
	// A path is often part of a larger text, which must not be kept with it.
	e = &entry{url: strings.Clone(url), rule: rule, template: isTemplate}
	if isTemplate {
		e.open, e.locale = s.opt.isOpen(url)
		m.templates[m.key(e.url)] = e
		// Prefixes that other templates have are not counted twice.
		cost -= int64(segments-m.root.insert(m.key(e.url), e)) * nodeCost
	} else {
		m.statics[m.key(e.url)] = e
	}
	s.urls++
	s.bytes += cost
	s.enqueue(m, e)
	return e, true
}

func (s *Set) maxURLs() int    { return cmp.Or(s.opt.MaxURLs, defaultMaxURLs) }
func (s *Set) maxBytes() int64 { return cmp.Or(s.opt.MaxBytes, defaultMaxBytes) }

// usual gives the place in Set.usual of a method, -1 if it has none.
func usual(method string) int {
	switch method {
	case "GET":
		return 0
	case "POST":
		return 1
	case "PUT":
		return 2
	case "DELETE":
		return 3
	case "PATCH":
		return 4
	case "HEAD":
		return 5
	}
	return -1
}

// of gives what the set holds of a method, nil if it holds nothing.
func (s *Set) of(method string) *methodSet {
	if i := usual(method); i >= 0 {
		return s.usual[i]
	}
	return s.methods[method]
}

// method gives what the set holds of a method, and makes it.
func (s *Set) method(method string) *methodSet {
	m := s.of(method)
	if m != nil {
		return m
	}
	if s.methods == nil {
		s.methods, s.seed = map[string]*methodSet{}, maphash.MakeSeed()
	}
	m = &methodSet{statics: map[string]*entry{}, templates: map[string]*entry{}, ghosts: map[string]*entry{}, blocked: map[string]string{}, opt: &s.opt}
	s.methods[strings.Clone(method)] = m
	s.bytes += methodCost
	if i := usual(method); i >= 0 {
		s.usual[i] = m
	}
	return m
}

// take takes an entry out of the URLs of the set. What the index knows of it
// stays; forget drops that.
func (s *Set) take(m *methodSet, e *entry) {
	if e.template {
		delete(m.templates, m.key(e.url))
		s.bytes -= int64(m.root.remove(rest(m.key(e.url)))) * nodeCost
	} else {
		delete(m.statics, m.key(e.url))
	}
	s.bytes -= int64(len(e.url)) + staticCost
	if e.ev != nil {
		s.bytes -= e.ev.bytes
		e.ev = nil
	}
	s.urls--
	e.gone = true
}

// Len gives the number of URLs in the set.
func (s *Set) Len() int { return s.urls }

// Bytes estimates the memory of the set.
func (s *Set) Bytes() int64 { return s.bytes }

// All yields method and URL of everything in the set, in no order.
func (s *Set) All(yield func(method, url string) bool) {
	for method, m := range s.methods {
		for _, urls := range [...]map[string]*entry{m.statics, m.templates} {
			for url := range urls {
				if !yield(method, url) {
					return
				}
			}
		}
	}
}

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
	m := s.of(method)
	if m == nil {
		return "", false
	}
	e := s.match(m, path)
	if e == nil {
		return "", false
	}
	return e.url, true
}

func (s *Set) match(m *methodSet, path string) *entry {
	path = m.key(path)
	if e := m.lookup(path); e != nil {
		return e
	}
	if len(m.templates) == 0 || isGraphQL(path) || strings.Count(path, "/") > maxSegments {
		return nil
	}
	w := walk{opt: &s.opt, steps: maxSteps}
	return w.find(&m.root, rest(path), 0)
}

// Resolve gives the URL under which a request is recorded, and adds it when it
// is new: the path itself if the set has it, else the most specific template
// that matches (see Match), else the template that Parameterize makes unless it
// is blocked, else the path as it is. The path is normalized first. isTemplate
// says whether the URL has placeholders; isNew whether the set did not hold it.
//
// A learned template does not take what Parameterize would put under a more
// specific one: with /files/STRING learned, /files/42 makes /files/INTEGER, until
// Merge finds that they are the same. So what is learned does not depend on the
// order of the paths. A template that a
// person or a document gave, or one of an unknown rule, takes all that it
// matches. When a more specific template appears later, paths go there from then
// on; nothing is said of what was recorded before.
//
// Resolve keeps evidence of the values at the placeholders: see Explain.
func (s *Set) Resolve(method, path string) (url string, isTemplate, isNew bool) {
	return s.resolve(method, path, false)
}

// ResolveLiteral is Resolve for a path that Parameterize must leave alone, as that
// of a method of a protocol. Templates that are there match it.
func (s *Set) ResolveLiteral(method, path string) (url string, isTemplate, isNew bool) {
	return s.resolve(method, path, true)
}

func (s *Set) resolve(method, path string, literal bool) (url string, isTemplate, isNew bool) {
	path = Normalize(path)
	m := s.of(method)
	if m != nil {
		if e := s.match(m, path); e != nil {
			if !e.template {
				return e.url, false, false
			}
			t := e
			if !literal {
				t = s.taker(m, e, path)
			}
			if t != nil {
				s.observe(m, t, path)
				return t.url, true, false
			}
		}
	}
	url, rule, changed := parameterize(path, &s.opt)
	if changed && (literal || m != nil && m.isBlocked(url)) {
		url, rule = path, 0
	}
	e, made := s.add(method, url, rule)
	if e == nil {
		return url, IsTemplate(url), true
	}
	if e.template {
		s.observe(s.of(method), e, path)
	}
	return e.url, e.template, made
}

// taker gives the template that takes a path which e is the first to match: e, or
// another one if e is learned and the rules for single segments make something
// more specific of the path; nil if that is to be a template of its own.
func (s *Set) taker(m *methodSet, e *entry, path string) *entry {
	if !e.rule.learned() || !s.opt.narrower(e, path) {
		return e
	}
	url, rule, _ := parameterize(path, &s.opt)
	if m.isBlocked(url) {
		return e
	}
	if known := m.lookup(url); known != nil {
		return known
	}
	w := walk{opt: &s.opt, steps: maxSteps, covers: &entry{url: url, rule: rule, template: true}}
	return w.find(&m.root, rest(m.key(url)), 0)
}

// observe keeps what a path says about the template that it belongs to.
func (s *Set) observe(m *methodSet, t *entry, path string) {
	s.witness(m, t, path)
	if t.wide != 0 && t.group != nil && t.rule.learned() {
		s.remember(m, t, path)
	}
	if (t.open || t.locale) && t.rule.learned() && t.url != path {
		s.haunt(m, t, path)
	}
}

func (m *methodSet) key(url string) string { return m.opt.key(url) }

func (m *methodSet) lookup(url string) *entry {
	url = m.key(url)
	if e := m.statics[url]; e != nil {
		return e
	}
	return m.templates[url]
}

func (m *methodSet) isBlocked(template string) bool {
	if len(m.blocked) == 0 {
		return false
	}
	_, ok := m.blocked[m.key(template)]
	return ok
}

// narrower reports whether the rules for single segments put something more
// specific than the template has at a placeholder into the path, which the
// template matches.
func (o *Options) narrower(tmpl *entry, path string) bool {
	t, p := rest(tmpl.url), rest(path)
	for i := 0; t != "" && p != ""; i++ {
		var seg, value string
		seg, t, _ = strings.Cut(t, "/")
		value, p, _ = strings.Cut(p, "/")
		ph := placeholderOf(seg)
		if ph < phObjectID || tmpl.wide&(1<<i) != 0 {
			continue
		}
		if q := placeholderOf(value); q >= 0 {
			continue
		}
		plain := decode(value)
		if isNumber(plain) || ph != phObjectID && isObjectID(plain) || ph == phString && o.Versions && isVersion(plain) {
			return true
		}
		if ph == phLocale {
			if q, _ := placeholderFor(value, true, o); q >= 0 {
				return true
			}
		}
	}
	return false
}
