package filter

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"harken/har"
)

// DefaultBlockID is the id of the filter that drops what it holds for. All others
// let pass what they hold for.
const DefaultBlockID = "DEFAULT_BLOCK_FILTER"

// The filters that an account begins with.
const (
	DefaultAllowFilter = `id: DEFAULT_ALLOW_FILTER
filter:
  url:
    regex: .*
`
	DefaultBlockFilter = `id: DEFAULT_BLOCK_FILTER
filter:
  response_code:
    gte: 400
`
)

// A Document is a stored filter: a document of advanced_traffic_filters. Times are
// seconds since 1970.
type Document struct {
	ID        string `json:"_id"`
	Content   string `json:"content"`
	Author    string `json:"author,omitempty"`
	CreatedAt int32  `json:"createdAt,omitempty"`
	UpdatedAt int32  `json:"updatedAt,omitempty"`
	Hash      int32  `json:"hash,omitempty"`
	Inactive  bool   `json:"inactive,omitempty"`
}

// DefaultDocuments are the documents of the filters that an account begins with.
func DefaultDocuments() []Document {
	return []Document{
		{ID: "DEFAULT_ALLOW_FILTER", Content: DefaultAllowFilter},
		{ID: DefaultBlockID, Content: DefaultBlockFilter},
	}
}

// An Advanced is a compiled filter. It does not change.
type Advanced struct {
	id    string
	cond  condition
	edits []edit
}

// ID gives the id in the document; empty if it has none.
func (a *Advanced) ID() string { return a.id }

// Edits reports whether the filter edits the requests that it holds for.
func (a *Advanced) Edits() bool { return len(a.edits) > 0 }

// ParseAdvanced compiles a document in YAML:
//
//	id: BILLING                       # may be missing
//	filter:                           # all members must hold
//	  method: {eq: [GET, POST]}
//	  or:                             # and, or: lists; not: a map
//	    - url: {regex: ^/billing/}
//	    - request_headers:
//	        for_one:                  # or for_all
//	          key: {eq: x-team}
//	          value: {contains_either: [pay, bill]}
//	execute:                          # may be missing: edits of the request
//	  - modify_header: {host: billing.example}
//
// Fields that are texts: url (path and query), method, host, source,
// request_payload, response_payload; a number: response_code; names with values:
// request_headers, response_headers, query_param, and the payloads again, if they
// are JSON (the innermost name of each scalar) or forms. The latter take for_one
// (some pair fits), for_all (there are pairs, and all fit), each with key, value
// or both, and length (of pairs).
//
// Tests of a text or number, each with one operand or a list: eq (one of them),
// neq, contains_either (one of them), contains_all, not_contains (none of them; also
// not_contains_either), regex (found anywhere: one of them), not_regex; gt, gte,
// lt, lte (of numbers, or texts that are one); length, with tests of its own (bytes);
// and, or, not around tests. Several tests must all hold. Case matters only to
// expressions, which look at the first 256 KiB of a payload.
//
// Edits, in a list (or as {type: single, requests: [{req: [...]}]}): add_header and
// modify_header (if it is there; host always is) {name: value}, delete_header name
// or list, modify_url and replace_body with a new text. Instead of a new value,
// {regex_replace: {regex, replace_with}} with $1 for a group.
//
// Errors are of type *AdvancedError.
func ParseAdvanced(doc []byte) (*Advanced, error) {
	root, err := parseYAML(doc)
	if err != nil {
		return nil, err
	}
	if root.kind != mapNode {
		return nil, root.fail("want a map with id and filter")
	}
	a := &Advanced{}
	c := advancedCompiler{}
	for i := range root.items {
		n := &root.items[i]
		switch root.keys[i].text {
		case "id":
			a.id, err = documentID(n)
		case "filter":
			a.cond, err = c.condition(n)
		case "execute":
			a.edits, err = c.execute(n)
		default:
			err = n.failName("unknown, want id, filter and execute")
		}
		if err != nil {
			return nil, err
		}
	}
	if root.get("filter") == nil {
		return nil, root.fail("filter is missing")
	}
	if a.id == DefaultBlockID && len(a.edits) > 0 {
		return nil, root.get("execute").fail("%s drops what it holds for, there is nothing to edit", DefaultBlockID)
	}
	return a, nil
}

func documentID(n *node) (string, error) {
	if n.kind != scalarNode || n.text == "" || len(n.text) > 200 || strings.ContainsFunc(n.text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", n.fail("want a text of 1 to 200 bytes")
	}
	return n.text, nil
}

// A Verdict is what advanced filters say of a record.
type Verdict uint8

// The verdicts.
const (
	Pass      Verdict = iota // there are no filters
	Allowed                  // a filter holds
	Modified                 // a filter holds that edits the request
	Blocked                  // the filter DEFAULT_BLOCK_FILTER holds
	Unmatched                // there are filters, and none holds
)

// String gives PASS, ALLOWED, MODIFIED, BLOCKED or UNCHANGED, as the published
// API calls the last one.
func (v Verdict) String() string {
	switch v {
	case Pass:
		return "PASS"
	case Allowed:
		return "ALLOWED"
	case Modified:
		return "MODIFIED"
	case Blocked:
		return "BLOCKED"
	case Unmatched:
		return "UNCHANGED"
	}
	return "UNKNOWN"
}

// A Decision is a Verdict and how it came to be.
type Decision struct {
	Verdict Verdict
	ID      string // the id of the first filter that holds
	edits   [][]edit
}

// Rule gives the name of the rule that drops the record: AdvancedBlock or
// AdvancedUnmatched, else nothing.
func (d Decision) Rule() string {
	switch d.Verdict {
	case Blocked:
		return AdvancedBlock
	case Unmatched:
		return AdvancedUnmatched
	default:
		return ""
	}
}

// Apply makes the edits of a Modified record. The slices of e are replaced, not
// written to.
func (d Decision) Apply(e *har.Entry) {
	for _, edits := range d.edits {
		for i := range edits {
			edits[i].apply(e)
		}
	}
}

// An AdvancedSet is the active filters of an account. It does not change, and is
// safe for concurrent use. The nil set is empty.
type AdvancedSet struct {
	blocks []*Advanced
	others []*Advanced
	edits  bool
}

// MaxAdvanced is how many filters a set may have.
const MaxAdvanced = 200

// NewAdvancedSet gives the set of filters; the order is that of their edits.
func NewAdvancedSet(filters ...*Advanced) *AdvancedSet {
	s := &AdvancedSet{}
	for _, a := range filters {
		if a.id == DefaultBlockID {
			s.blocks = append(s.blocks, a)
			continue
		}
		s.others = append(s.others, a)
		s.edits = s.edits || a.Edits()
	}
	return s
}

// CompileAdvanced gives the set of the documents that are active. A document
// without id has the one that it is stored under. One that is refused is left out,
// and the error, joined, names it. The set is never nil.
func CompileAdvanced(documents []Document) (*AdvancedSet, error) {
	var filters []*Advanced
	var errs []error
	seen := map[string]bool{}
	for i := range documents {
		d := &documents[i]
		if d.Inactive {
			continue
		}
		a, err := ParseAdvanced([]byte(d.Content))
		if err == nil {
			a.id = cmp.Or(a.id, d.ID)
			switch {
			case seen[a.id]:
				err = errors.New("another filter has the same id")
			case len(filters) == MaxAdvanced:
				err = fmt.Errorf("one of more than %d filters", MaxAdvanced)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("advanced filter %.80q: %w", d.ID, err))
			continue
		}
		seen[a.id] = true
		filters = append(filters, a)
	}
	return NewAdvancedSet(filters...), errors.Join(errs...)
}

// Len gives the number of filters.
func (s *AdvancedSet) Len() int {
	if s == nil {
		return 0
	}
	return len(s.blocks) + len(s.others)
}

// Evaluate decides on a record of a source. It does not change e.
func (s *AdvancedSet) Evaluate(e *har.Entry, source string) Decision {
	if s.Len() == 0 {
		return Decision{Verdict: Pass}
	}
	x := exchange{entry: e, source: source}
	for _, a := range s.blocks {
		if a.cond.holds(&x) {
			return Decision{Verdict: Blocked, ID: a.id}
		}
	}
	d := Decision{Verdict: Unmatched}
	for _, a := range s.others {
		if d.Verdict != Unmatched && len(a.edits) == 0 {
			continue // it would not add anything
		}
		if !a.cond.holds(&x) {
			continue
		}
		if d.Verdict == Unmatched {
			d.Verdict, d.ID = Allowed, a.id
		}
		if len(a.edits) > 0 {
			d.Verdict, d.edits = Modified, append(d.edits, a.edits)
		} else if !s.edits {
			break
		}
	}
	return d
}
