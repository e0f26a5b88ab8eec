// Package pathtmpl turns concrete request paths into path templates such as
// /orders/INTEGER, and keeps the templates and static paths of a collection.
//
// Phase A looks at one path: Parameterize, and Set.Resolve for the paths of
// traffic as they come. Phase B, Set.Merge, looks at the paths that phase A left
// alone and makes templates of those that look alike. People have the last word:
// Pin, Split, MergeUser, Block. Explain says why a template is there, and
// AppendState keeps what the URLs alone do not tell.
//
// The package does no I/O and knows nothing of what is recorded about an
// endpoint: when Merge absorbs URLs, their history is the caller's to unite.
package pathtmpl

import (
	"net/url"
	"strings"
)

// The placeholders of a template. Each stands for one whole path segment.
const (
	Integer   = "INTEGER"
	Float     = "FLOAT"
	ObjectID  = "OBJECT_ID"
	Versioned = "VERSIONED"
	Locale    = "LOCALE"
	String    = "STRING"
)

// maxSegments is the longest path, in segments, that is made a template or
// compared with one. Longer ones stay as they are.
const maxSegments = 64

// maxTested is the longest segment, in bytes, of which all is looked at; what is
// longer is opaque text.
const maxTested = 4 << 10

// Options say how segments are told apart. The zero value is usable.
type Options struct {
	// Versions makes v1 to v99 the placeholder VERSIONED.
	Versions bool
	// Semantic reports whether a segment, percent-decoded, has a type of its own,
	// such as an e-mail or an IP address. Nil means that none has.
	Semantic func(segment string) bool
	// NoWords does without the list of English words: for measuring what it is
	// worth. Nothing is English then.
	NoWords bool
	// FoldCase takes URLs that differ only in the case of literal segments for one,
	// by the spelling that the set has first. Of several that are added before the
	// first Merge, the one that is last in byte order stays, which is the one with
	// more lower-case letters at the front; Merge absorbs the others.
	FoldCase bool
	// NoExamples keeps no values of placeholders and no first paths as evidence:
	// for collections whose values must not be stored.
	NoExamples bool
	// MaxURLs and MaxBytes bound a Set; 0 means 100,000 and 64 MiB: a
	// URL takes 150 to 1,000 bytes, with what Merge knows of it.
	MaxURLs  int
	MaxBytes int64
}

func (o *Options) english(seg string) bool { return !o.NoWords && English(seg) }

// Normalize gives the path by which an endpoint is known: without query and
// fragment, of an absolute URL only the path, with repeated slashes made one, a
// leading slash, and no trailing one. Nothing else is resolved: percent-encoding,
// dots and case stay. The path of nothing is "/". It allocates only when it has
// to change something inside the path.
func Normalize(rawURLOrPath string) string {
	s := rawURLOrPath
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i]
	}
	s = cutOrigin(s)
	if s != "" && s[0] == '/' && !strings.Contains(s, "//") {
		if len(s) > 1 {
			s = strings.TrimSuffix(s, "/")
		}
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 1)
	for seg := range strings.SplitSeq(s, "/") {
		if seg != "" {
			b.WriteByte('/')
			b.WriteString(seg)
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// cutOrigin removes scheme and authority of an absolute URL.
func cutOrigin(s string) string {
	i := strings.Index(s, "://")
	if i <= 0 {
		return s
	}
	for j := range i {
		c := s[j]
		letter := isUpper(c) || isLower(c)
		if !letter && (j == 0 || !isDigit(c) && c != '+' && c != '-' && c != '.') {
			return s
		}
	}
	rest := s[i+3:]
	if j := strings.IndexByte(rest, '/'); j >= 0 {
		return rest[j:]
	}
	return ""
}

// IsTemplate reports whether a segment of the path is a placeholder. Only whole
// segments count: /OBJECT_IDS is not a template.
func IsTemplate(path string) bool {
	for rest := strings.TrimPrefix(path, "/"); rest != ""; {
		var seg string
		seg, rest, _ = strings.Cut(rest, "/")
		if placeholderOf(seg) >= 0 {
			return true
		}
	}
	return false
}

// placeholders is in the order of how much each says: in a Set an earlier one
// wins over a later one, and a literal segment over all.
var placeholders = [...]string{Integer, Float, ObjectID, Versioned, Locale, String}

const (
	phInteger = iota
	phFloat
	phObjectID
	phVersioned
	phLocale
	phString
	phCount
)

// placeholderOf gives the index of a placeholder, -1 for a literal.
func placeholderOf(seg string) int {
	if len(seg) < len(Float) || len(seg) > len(ObjectID) || !isUpper(seg[0]) {
		return -1
	}
	for i, p := range placeholders {
		if seg == p {
			return i
		}
	}
	return -1
}

// isGraphQL guards the paths that are never made templates: the operation is in
// the body, and what follows the word is not an id.
func isGraphQL(path string) bool { return strings.Contains(path, "graph") }

// Parameterize replaces the segments of a normalized path that look like values
// by placeholders, and reports whether there were any. Segments are tested
// percent-decoded: English words stay; numbers become INTEGER (of any length)
// or FLOAT, 24 hex digits OBJECT_ID, UUIDs and dates (2024-01-15, optionally
// with a time) STRING, v1 VERSIONED if the options say so; then whatever has a
// semantic type or is a mix of at least three digits and a letter, of six bytes
// or more, STRING. A path with "graph" in it, or of more than 64 segments,
// stays. Placeholders in the path stay, so the result of Parameterize is its own
// template.
func Parameterize(path string, opt Options) (template string, changed bool) {
	template, _, changed = parameterize(path, &opt)
	return template, changed
}

func parameterize(path string, opt *Options) (template string, rule Rule, changed bool) {
	if isGraphQL(path) {
		return path, 0, false
	}
	var found [maxSegments]int8
	several := strings.IndexByte(rest(path), '/') >= 0
	for i, rest := 0, rest(path); rest != ""; i++ {
		if i == maxSegments {
			return path, 0, false
		}
		var seg string
		seg, rest, _ = strings.Cut(rest, "/")
		p, why := placeholderFor(seg, several, opt)
		found[i] = int8(p) //nolint:gosec // below phCount
		rule |= why
	}
	if rule == 0 {
		return path, 0, false
	}
	var b strings.Builder
	b.Grow(len(path))
	for i, rest := 0, rest(path); rest != ""; i++ {
		var seg string
		seg, rest, _ = strings.Cut(rest, "/")
		b.WriteByte('/')
		if found[i] >= 0 {
			seg = placeholders[found[i]]
		}
		b.WriteString(seg)
	}
	return b.String(), rule, true
}

// placeholderFor gives the index of the placeholder for a concrete segment and
// the rule that says so, -1 if the segment stays. several says that the path has
// more than this segment.
func placeholderFor(raw string, several bool, opt *Options) (int, Rule) {
	if placeholderOf(raw) >= 0 {
		return -1, 0
	}
	seg := decode(raw)
	if len(seg) > maxTested {
		return phString, RuleAlnum
	}
	switch {
	case opt.english(seg):
		return -1, 0
	case isNumber(seg):
		if strings.Contains(seg, ".") {
			return phFloat, RuleNumber
		}
		return phInteger, RuleNumber
	case isObjectID(seg):
		return phObjectID, RuleObjectID
	case isUUID(seg):
		return phString, RuleUUID
	case isDate(seg):
		return phString, RuleDate
	case opt.Versions && isVersion(seg):
		return phVersioned, RuleVersion
	case several && opt.Semantic != nil && opt.Semantic(seg):
		return phString, RuleSemantic
	case isAlnum(seg):
		return phString, RuleAlnum
	}
	return -1, 0
}

// Params yields what stands in a normalized path where the template has
// placeholders: the index of the segment from 0, the placeholder, and the value,
// percent-decoded. It yields nothing when template and path have different
// numbers of segments. It allocates only for values that had to be decoded.
func Params(template, path string, yield func(index int, placeholder, value string)) {
	t, p := strings.Trim(template, "/"), strings.Trim(path, "/")
	if strings.Count(t, "/") != strings.Count(p, "/") {
		return
	}
	for i := 0; t != "" && p != ""; i++ {
		var seg, value string
		seg, t, _ = strings.Cut(t, "/")
		value, p, _ = strings.Cut(p, "/")
		if placeholderOf(seg) >= 0 {
			yield(i, seg, decode(value))
		}
	}
}

// decode percent-decodes a segment; what is not valid encoding stays as it is.
func decode(seg string) string {
	if strings.IndexByte(seg, '%') < 0 {
		return seg
	}
	if d, err := url.PathUnescape(seg); err == nil {
		return d
	}
	return seg
}
