// Package pathtmpl turns concrete request paths into path templates such as
// /orders/INTEGER, and keeps the templates and static paths of a collection. It
// does no I/O and knows nothing of what is recorded about an endpoint; merging
// look-alike paths afterwards is not here either.
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
	// MaxURLs and MaxBytes bound a Set; 0 means 100,000 and 32 MiB.
	MaxURLs  int
	MaxBytes int64
}

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
	if isGraphQL(path) {
		return path, false
	}
	var found [maxSegments]int8
	several := strings.IndexByte(strings.TrimPrefix(path, "/"), '/') >= 0
	n := 0
	for i, rest := 0, strings.TrimPrefix(path, "/"); rest != ""; i++ {
		if i == maxSegments {
			return path, false
		}
		var seg string
		seg, rest, _ = strings.Cut(rest, "/")
		found[i] = int8(placeholderFor(seg, several, &opt)) //nolint:gosec // below phCount
		if found[i] >= 0 {
			n++
		}
	}
	if n == 0 {
		return path, false
	}
	var b strings.Builder
	b.Grow(len(path))
	for i, rest := 0, strings.TrimPrefix(path, "/"); rest != ""; i++ {
		var seg string
		seg, rest, _ = strings.Cut(rest, "/")
		b.WriteByte('/')
		if found[i] >= 0 {
			seg = placeholders[found[i]]
		}
		b.WriteString(seg)
	}
	return b.String(), true
}

// placeholderFor gives the index of the placeholder for a concrete segment, -1
// if the segment stays. several says that the path has more than this segment.
func placeholderFor(raw string, several bool, opt *Options) int {
	if placeholderOf(raw) >= 0 {
		return -1
	}
	seg := decode(raw)
	if len(seg) > maxTested {
		return phString
	}
	switch {
	case English(seg):
		return -1
	case isNumber(seg):
		if strings.Contains(seg, ".") {
			return phFloat
		}
		return phInteger
	case isObjectID(seg):
		return phObjectID
	case isUUID(seg), isDate(seg):
		return phString
	case opt.Versions && isVersion(seg):
		return phVersioned
	case several && opt.Semantic != nil && opt.Semantic(seg):
		return phString
	case isAlnum(seg):
		return phString
	}
	return -1
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
