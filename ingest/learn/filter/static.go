package filter

import (
	"bytes"
	"strings"

	"harken/har"
)

// isStatic reports whether the path of a URL ends like a static file.
func isStatic(url string) bool {
	name := lastSegment(url)
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return false
	}
	ext := name[dot+1:]
	if strings.EqualFold(ext, "map") {
		return len(name) > len(".js.map") && strings.EqualFold(name[len(name)-len(".js.map"):], ".js.map")
	}
	if len(ext) < 2 || len(ext) > 5 {
		return false
	}
	var lower [5]byte
	for i := range len(ext) {
		c := ext[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		lower[i] = c
	}
	switch string(lower[:len(ext)]) {
	case "htm", "html", "css", "js", "jpg", "jpeg", "png", "gif", "svg", "webp", "mp4", "webm", "ogg", "ogv", "avi",
		"mov", "mp3", "wav", "oga", "woff", "woff2", "ttf", "otf", "pptx", "ico":
		return true
	}
	return false
}

// lastSegment gives the last segment of the path of a URL.
func lastSegment(url string) string {
	if i := strings.IndexAny(url, "?#"); i >= 0 {
		url = url[:i]
	}
	if i := strings.Index(url, "://"); i >= 0 && strings.IndexByte(url[:i], '/') < 0 {
		// A host may end like a file: shop.js.
		url = url[i+3:]
		slash := strings.IndexByte(url, '/')
		if slash < 0 {
			return ""
		}
		url = url[slash:]
	}
	return url[strings.LastIndexByte(url, '/')+1:]
}

// header gives the first value of a header, whose name is in lower case here.
func header(headers []har.Header, name string) (value string, ok bool) {
	for i := range headers {
		if len(headers[i].Name) == len(name) && strings.EqualFold(headers[i].Name, name) {
			return headers[i].Value, true
		}
	}
	return "", false
}

// hasHeader reports whether one of the headers has the value exactly.
func hasHeader(headers []har.Header, name, value string) bool {
	for i := range headers {
		if headers[i].Value == value && strings.EqualFold(headers[i].Name, name) {
			return true
		}
	}
	return false
}

// The limits of extensions of the redundant list.
const (
	maxExtension = 32
	maxDots      = 4
)

// hasExtension reports whether the last segment of the path of a URL ends with a
// dot and one of the extensions, which may have dots themselves.
func hasExtension(url string, extensions map[string]struct{}) bool {
	name := lastSegment(url)
	var lower [maxExtension]byte
	end := len(name)
	for range maxDots {
		dot := strings.LastIndexByte(name[:end], '.')
		if dot < 0 || len(name)-dot-1 > maxExtension {
			return false
		}
		if _, ok := extensions[string(appendLower(lower[:0], name[dot+1:]))]; ok {
			return true
		}
		end = dot
	}
	return false
}

// looksLikePage reports whether a body begins with "<" and ends with ">".
func looksLikePage(body []byte) bool {
	body = bytes.TrimSpace(body)
	return len(body) > 1 && body[0] == '<' && body[len(body)-1] == '>'
}

// containsFold reports whether s has sub, in lower case ASCII, in any case.
func containsFold(s, sub string) bool {
	if sub == "" {
		return true
	}
	first := sub[0]
	for i := 0; i+len(sub) <= len(s); i++ {
		if lowerByte(s[i]) == first && equalLower(s[i:i+len(sub)], sub) {
			return true
		}
	}
	return false
}

// equalLower compares texts of equal length in ASCII without case; lower is in
// lower case.
func equalLower(s, lower string) bool {
	for i := range len(lower) {
		if lowerByte(s[i]) != lower[i] {
			return false
		}
	}
	return true
}
