package pathtmpl

import (
	"maps"
	"slices"
	"strings"
)

// Seed puts a template that an imported document names into the set, and reports
// whether it is there; the set may be full, or a person may have blocked it. A
// seeded template takes all paths that it matches: see Resolve. The next Merge
// absorbs what it covers. The text is that of FromBraces.
func (s *Set) Seed(method, template string) bool { return s.give(method, template, RuleSeeded) }

// Pin keeps a URL, a template or a static path: Merge never absorbs it, and a
// pinned template takes all paths that it matches. It is added if it is new, and
// unblocked. It reports whether the URL is there: the set may be full.
func (s *Set) Pin(method, url string) bool {
	s.Unblock(method, url)
	return s.give(method, url, RulePinned)
}

// Unpin takes back what Pin said; the URL stays. It reports whether it was pinned.
func (s *Set) Unpin(method, url string) bool {
	m := s.methods[method]
	if m == nil {
		return false
	}
	e := m.lookup(Normalize(url))
	if e == nil || e.rule&RulePinned == 0 {
		return false
	}
	e.rule &^= RulePinned
	s.enqueue(m, e)
	return true
}

// MergeUser makes a template that a person wants, unblocks it, and absorbs into
// it the given URLs and, at the next Merge, all that it covers. It gives what of
// the URLs was in the set and was absorbed now, sorted: those that the template
// does not match, and pinned ones, are left alone. ok is false if the set is full
// or template is none.
func (s *Set) MergeUser(method, template string, urls []string) (absorbed []string, ok bool) {
	template = Normalize(template)
	if !IsTemplate(template) {
		return nil, false
	}
	s.Unblock(method, template)
	if !s.give(method, template, RuleUser) {
		return nil, false
	}
	m := s.methods[method]
	t := m.templates[m.key(template)]
	p := pass{Set: s, method: method, m: m}
	for _, u := range urls {
		e := m.lookup(Normalize(u))
		if e == nil || e.gone {
			continue
		}
		p.segments(e, nil)
		if !s.opt.covers(t, e) {
			continue
		}
		ev := e.ev
		s.take(m, e)
		p.retire(e, t, ev)
		s.inherit(m, t, e, ev)
		absorbed = append(absorbed, e.url)
	}
	slices.Sort(absorbed)
	return absorbed, true
}

func (s *Set) give(method, url string, rule Rule) bool {
	url = Normalize(url)
	if m := s.methods[method]; m != nil && m.isBlocked(url) {
		return false
	}
	e, _ := s.add(method, url, rule)
	if e == nil {
		return false
	}
	s.enqueue(s.methods[method], e)
	return true
}

// Split takes a template out of the set for good: it goes on the block list, and
// neither phase makes it again. keep are the paths that it covered, as far as the
// caller knows them; each goes to the next best template, or becomes a static
// path again. The result gives the URL of each, in the order of keep.
func (s *Set) Split(method, template string, keep []string) []string {
	s.Block(method, template)
	out := make([]string, len(keep))
	for i, path := range keep {
		out[i], _, _ = s.Resolve(method, path)
	}
	return out
}

// Block puts a template on the block list, and takes it out of the set if it is
// there. Only Pin, MergeUser and Unblock undo it.
func (s *Set) Block(method, template string) {
	template = Normalize(template)
	m := s.method(method)
	if m.isBlocked(template) {
		return
	}
	template = strings.Clone(template)
	m.blocked[m.key(template)] = template
	s.deny(template)
	s.bytes += int64(len(template)) + staticCost
	if e := m.templates[m.key(template)]; e != nil {
		s.take(m, e)
	}
}

// Unblock takes a template off the block list and reports whether it was on it.
// It does not make the template; traffic and the next Merge may.
func (s *Set) Unblock(method, template string) bool {
	template = Normalize(template)
	m := s.methods[method]
	if m == nil || !m.isBlocked(template) {
		return false
	}
	delete(m.blocked, m.key(template))
	s.bytes -= int64(len(template)) + staticCost
	s.denied = nil
	for _, all := range s.methods {
		for _, other := range all.blocked {
			s.deny(other)
		}
	}
	// What the block kept apart is looked at again. People do this seldom.
	segments := strings.Count(template, "/")
	for _, all := range [...]map[string]*entry{m.statics, m.templates} {
		for url, e := range all {
			if strings.Count(url, "/") == segments {
				s.enqueue(m, e)
			}
		}
	}
	return true
}

// A Blocked is an entry of the block list.
type Blocked struct{ Method, Template string }

// Blocked gives the block list, sorted.
func (s *Set) Blocked() []Blocked {
	var out []Blocked
	for _, method := range sortedKeys(s.methods) {
		for _, template := range slices.Sorted(maps.Values(s.methods[method].blocked)) {
			out = append(out, Blocked{method, template})
		}
	}
	return out
}

// FromBraces turns the path of an OpenAPI or Postman document into a template:
// segments with {x}, {{x}} or <x> in them, and those that are :x, become STRING,
// or what the type says that follows the name, as in {id:int}, {id:[0-9]+} and
// <int:id>: INTEGER, FLOAT, OBJECT_ID, VERSIONED or LOCALE. The path is
// normalized. A segment such as {id}:cancel or {name}.json becomes STRING as a
// whole: placeholders stand for whole segments.
func FromBraces(path string) string {
	path = protectBraces(path)
	var b strings.Builder
	for seg := range strings.SplitSeq(rest(Normalize(path)), "/") {
		b.WriteByte('/')
		b.WriteString(fromBrace(seg))
	}
	return b.String()
}

// protectBraces replaces what separates the parts of a URL inside braces, where it
// is part of a pattern: {path?}, {id:[^/]+}. Braces that are not closed are text.
func protectBraces(path string) string {
	out := []byte(path)
	var opens []int
	for i := range len(path) {
		switch path[i] {
		case '{':
			opens = append(opens, i)
		case '}':
			if len(opens) == 0 {
				continue
			}
			start := opens[len(opens)-1]
			opens = opens[:len(opens)-1]
			for j := start; j < i; j++ {
				if c := out[j]; c == '/' || c == '?' || c == '#' {
					out[j] = '_'
				}
			}
		}
	}
	return string(out)
}

func fromBrace(seg string) string {
	if len(seg) > 1 && seg[0] == ':' && (isLower(seg[1]|0x20) || seg[1] == '_') {
		return String
	}
	if open := strings.IndexByte(seg, '{'); open >= 0 {
		end := strings.LastIndexByte(seg, '}')
		if end < open {
			return seg
		}
		name, typ, _ := strings.Cut(strings.Trim(seg[open:end+1], "{}"), ":")
		if open > 0 || end < len(seg)-1 || name == "" {
			return String
		}
		return typedPlaceholder(typ)
	}
	if open := strings.IndexByte(seg, '<'); open >= 0 && strings.IndexByte(seg[open:], '>') > 1 {
		typ, _, ok := strings.Cut(strings.Trim(seg, "<>"), ":")
		if !ok || seg[0] != '<' || seg[len(seg)-1] != '>' {
			return String
		}
		return typedPlaceholder(typ)
	}
	return seg
}

// typedPlaceholder knows the names of types in OpenAPI, and in the routes of the
// common frameworks.
func typedPlaceholder(typ string) string {
	switch strings.ToLower(strings.Trim(typ, "()^$")) {
	case "int", "integer", "int32", "int64", "long", "[0-9]+", `\d+`, "[0-9]*", `\d*`:
		return Integer
	case "float", "double", "number", "decimal":
		return Float
	case "objectid", "object_id", "[0-9a-f]{24}", "[a-f0-9]{24}", "[a-f\\d]{24}":
		return ObjectID
	case "version", "versioned":
		return Versioned
	case "locale", "lang", "language":
		return Locale
	}
	return String
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
