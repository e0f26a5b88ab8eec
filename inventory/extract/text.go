package extract

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

// cut shortens a value to MaxValue bytes, without half a character at its end.
func cut(s string) string {
	if len(s) <= MaxValue {
		return s
	}
	n := MaxValue
	for n > MaxValue-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// view is a body as a text, without a copy: it is read while its entry is not
// changed, and nothing of it is kept.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // saves the copy of every body
}

// unescape decodes a key or a value of a query or a form; what is not valid
// encoding stays as it is.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	if d, err := url.QueryUnescape(s); err == nil {
		return strings.ToValidUTF8(d, "\uFFFD")
	}
	return s
}

func unescapePath(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	if d, err := url.PathUnescape(s); err == nil {
		return strings.ToValidUTF8(d, "\uFFFD")
	}
	return s
}

// pathOf gives the path of a URL or of a path with a query.
func pathOf(raw string) string {
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		raw = raw[:i]
	}
	if i := strings.Index(raw, "://"); i > 0 && strings.IndexByte(raw[:i], '/') < 0 {
		raw = raw[i+3:]
		if j := strings.IndexByte(raw, '/'); j >= 0 {
			return raw[j:]
		}
		return ""
	}
	return raw
}

// segments counts the path's segments; empty ones do not count.
func segments(path string) int {
	n := 0
	for i := range len(path) {
		if path[i] != '/' && (i == 0 || path[i-1] == '/') {
			n++
		}
	}
	return n
}

// segment splits off the first segment that is not empty.
func segment(path string) (first, rest string) {
	path = strings.TrimLeft(path, "/")
	first, rest, _ = strings.Cut(path, "/")
	return first, strings.TrimLeft(rest, "/")
}

// isPlaceholder knows the placeholders of path templates.
func isPlaceholder(segment string) bool {
	switch segment {
	case "INTEGER", "FLOAT", "OBJECT_ID", "VERSIONED", "LOCALE", "STRING":
		return true
	}
	return false
}

// member gives the name under which a member is known: members without a letter
// (years, ids) are all the same one.
func member(key string) string {
	for i := range len(key) {
		c := key[i]
		if 'a' <= c|0x20 && c|0x20 <= 'z' {
			return key
		}
		if c >= utf8.RuneSelf {
			if strings.IndexFunc(key[i:], unicode.IsLetter) >= 0 {
				return key
			}
			break
		}
	}
	return "NUMBER"
}
