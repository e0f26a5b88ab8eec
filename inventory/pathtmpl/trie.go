package pathtmpl

import (
	"slices"
	"strings"
)

// A node is a prefix of templates. Its children are literal segments and, by
// index, placeholders.
type node struct {
	few          []literal        // literal children, unless
	many         map[string]*node // they are more than a few
	placeholders [phCount]*node
	tmpl         *entry // the template that ends here, if one does
}

type literal struct {
	text string
	node *node
}

// fewLiterals is how many literal children are looked through faster than they are
// looked up; most nodes have one.
const fewLiterals = 8

// maxSteps bounds the nodes that one look-up visits. Templates with a literal
// and several placeholders at the same places could otherwise make a path walk
// much of the trie; beyond it the path counts as matched by none.
const maxSteps = 2000

// insert puts a template in by its key and gives the number of nodes that it made.
func (n *node) insert(key string, e *entry) (made int) {
	for rest := rest(key); rest != ""; {
		var seg string
		seg, rest, _ = strings.Cut(rest, "/")
		next := n.child(seg)
		if next == nil {
			next = &node{}
			made++
			if p := placeholderOf(seg); p >= 0 {
				n.placeholders[p] = next
			} else {
				n.put(seg, next)
			}
		}
		n = next
	}
	n.tmpl = e
	return made
}

func (n *node) child(seg string) *node {
	if p := placeholderOf(seg); p >= 0 {
		return n.placeholders[p]
	}
	return n.literal(seg)
}

func (n *node) literal(text string) *node {
	for i := range n.few {
		if n.few[i].text == text {
			return n.few[i].node
		}
	}
	return n.many[text]
}

// below yields the literal children.
func (n *node) below(yield func(*node) bool) {
	for i := range n.few {
		if !yield(n.few[i].node) {
			return
		}
	}
	for _, next := range n.many {
		if !yield(next) {
			return
		}
	}
}

func (n *node) put(text string, next *node) {
	switch {
	case n.many != nil:
		n.many[text] = next
	case len(n.few) < fewLiterals:
		n.few = append(n.few, literal{text, next})
	default:
		n.many = map[string]*node{text: next}
		for _, l := range n.few {
			n.many[l.text] = l.node
		}
		n.few = nil
	}
}

// remove takes the template with the key rest out, and the nodes that nothing
// needs then; it gives their number.
func (n *node) remove(rest string) (freed int) {
	if rest == "" {
		n.tmpl = nil
		return 0
	}
	seg, rest, _ := strings.Cut(rest, "/")
	next := n.child(seg)
	if next == nil {
		return 0
	}
	freed = next.remove(rest)
	if next.tmpl == nil && len(next.few) == 0 && len(next.many) == 0 && next.placeholders == [phCount]*node{} {
		if p := placeholderOf(seg); p >= 0 {
			n.placeholders[p] = nil
		} else {
			n.few = slices.DeleteFunc(n.few, func(l literal) bool { return l.text == seg })
			delete(n.many, seg)
		}
		freed++
	}
	return freed
}

// around yields at least the learned templates that match all paths of one with the
// text rest or, if overlapping, some.
func (n *node) around(rest string, overlapping bool, steps *int, yield func(*entry)) {
	if rest == "" {
		if n.tmpl != nil {
			yield(n.tmpl)
		}
		return
	}
	if *steps--; *steps < 0 {
		return
	}
	seg, rest, _ := strings.Cut(rest, "/")
	ph := placeholderOf(seg)
	same := n.child(seg)
	if same != nil {
		same.around(rest, overlapping, steps, yield)
	}
	if ph >= phVersioned && overlapping {
		for next := range n.below {
			next.around(rest, overlapping, steps, yield)
		}
	}
	wild := n.placeholders[phVersioned:]
	if ph >= 0 && ph < phVersioned {
		wild = n.placeholders[phString:]
	}
	for _, next := range wild {
		if next != nil && next != same {
			next.around(rest, overlapping, steps, yield)
		}
	}
}

// A walk is one look-up in a trie.
type walk struct {
	opt   *Options
	steps int
	// accepts holds, by segment, the set of placeholders that match it, as bits;
	// bit 7 says that it was computed. A look-up may come to a segment by several
	// ways, and the word list is the dear part of the test.
	accepts [maxSegments]uint8
	// covers is the entry for which a wider template is looked for; nil when a
	// path is looked for.
	covers *entry
}

const computed = 1 << 7

// find looks for the rest of the path, whose first segment has index i, below n.
// The children are tried in the order of how specific they are, so the first
// find is the one that wins.
func (w *walk) find(n *node, rest string, i int) *entry {
	if rest == "" {
		if n.tmpl != nil && w.covers != nil && !w.opt.covers(n.tmpl, w.covers) {
			return nil
		}
		return n.tmpl
	}
	if w.steps--; w.steps < 0 {
		return nil
	}
	seg, rest, _ := strings.Cut(rest, "/")
	if next := n.literal(seg); next != nil {
		if e := w.find(next, rest, i+1); e != nil {
			return e
		}
	}
	if n.placeholders == [phCount]*node{} {
		return nil
	}
	if w.accepts[i] == 0 {
		w.accepts[i] = w.accepted(seg)
	}
	for p, next := range n.placeholders {
		if next == nil || w.accepts[i]&(1<<p) == 0 {
			continue
		}
		if e := w.find(next, rest, i+1); e != nil {
			return e
		}
	}
	return nil
}

// accepted gives the placeholders that match a segment, as bits.
func (w *walk) accepted(raw string) uint8 {
	if p := placeholderOf(raw); p >= 0 {
		if w.covers != nil {
			return computed | 1<<p | anything
		}
		return computed | 1<<p
	}
	seg := decode(raw)
	if len(seg) <= maxTested && w.opt.english(seg) {
		return computed
	}
	bits := uint8(computed | anything)
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

// anything is the placeholders that match whatever is not English.
const anything = 1<<phVersioned | 1<<phLocale | 1<<phString

// covers reports whether the template t makes the entry e needless: every path of
// e belongs to t. A literal covers only itself, and a placeholder itself; VERSIONED
// also LOCALE and STRING, before which it wins in a look-up; STRING also LOCALE: a
// place with other values than locales is none for locales.
//
// What people and documents gave also covers the numbers and object ids that
// traffic would tell apart, /pets/STRING the learned /pets/INTEGER; so does a
// template whose rule is not known, but only static paths. They are themselves
// covered by nothing.
func (o *Options) covers(t, e *entry) bool {
	missing, ok := o.lacks(t, e)
	return ok && missing == 0
}

// lacks gives the segments, as bits, where t would have to be wide to cover e; not
// ok if that would not help.
func (o *Options) lacks(t, e *entry) (missing uint64, ok bool) {
	if t == e || e.rule.given() {
		return 0, false
	}
	wide := t.rule.given() || t.rule == 0 && !e.template
	if t.rule.given() && e.template && !e.rule.learned() {
		wide = false
	}
	w := walk{opt: o}
	text, raw, form := rest(t.url), rest(e.url), rest(e.formText())
	for i := 0; text != "" && raw != "" && form != ""; i++ {
		var want, got, kind string
		want, text, _ = strings.Cut(text, "/")
		got, raw, _ = strings.Cut(raw, "/")
		kind, form, _ = strings.Cut(form, "/")
		p, q := placeholderOf(want), placeholderOf(kind)
		switch {
		case p < 0:
			if want != got && (!o.FoldCase || !strings.EqualFold(want, got)) {
				return 0, false
			}
		case q == p, q >= 0 && (p == phString && (wide || q == phLocale) || p == phVersioned && q > p):
		case q >= 0 && q < phVersioned && p == phString && e.template:
			missing |= 1 << i &^ t.wide
		case q >= 0 || w.accepted(got)&(1<<p) == 0:
			return 0, false
		}
	}
	return missing, text == "" && raw == "" && form == ""
}

func rest(url string) string { return strings.TrimPrefix(url, "/") }
