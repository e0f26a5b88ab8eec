// Package filter decides which records the inventory learns from. It holds the
// rules that need no settings of an account, and does not count what it drops.
package filter

import (
	"strings"

	"harken/har"
)

// The names of the rules that drop a record, for metrics. They are stable.
const (
	Status      = "status"       // neither 200 to 299 nor 302
	Ignored     = "ignored"      // the request has the header x-akto-ignore
	Options     = "options"      // the method is OPTIONS
	Extension   = "extension"    // the path is that of a static file
	ContentType = "content_type" // the request sends a script or a picture
)

// sourcePostman is the source of imported Postman collections: a saved response
// is what its author wanted to keep, whatever its status, and a request may have
// none.
const sourcePostman = "POSTMAN"

// Keep reports whether the inventory learns from an entry of the source, and if
// not, the rule that drops it. Successful exchanges are kept, status 200 to 299
// and 302; those of source POSTMAN whatever their status. Dropped are exchanges
// that carry the header x-akto-ignore with any value, OPTIONS, paths that end
// like static files (.js, .png; not .json, which APIs use), and requests whose
// content type has "javascript" or "png" in it. The first rule in that order
// gives the name.
func Keep(e *har.Entry, source string) (keep bool, rule string) {
	status := e.Response.Status
	if (status < 200 || status > 299) && status != 302 && source != sourcePostman {
		return false, Status
	}
	if _, ok := header(e.Request.Headers, "x-akto-ignore"); ok {
		return false, Ignored
	}
	if strings.EqualFold(e.Request.Method, "OPTIONS") {
		return false, Options
	}
	if isStatic(e.Request.URL) {
		return false, Extension
	}
	if contentType, ok := header(e.Request.Headers, "content-type"); ok && contentType != "" {
		contentType = strings.ToLower(contentType)
		if strings.Contains(contentType, "javascript") || strings.Contains(contentType, "png") {
			return false, ContentType
		}
	}
	return true, ""
}

// isStatic reports whether the path of a URL ends like a static file.
func isStatic(url string) bool {
	if i := strings.IndexAny(url, "?#"); i >= 0 {
		url = url[:i]
	}
	if i := strings.Index(url, "://"); i >= 0 && strings.IndexByte(url[:i], '/') < 0 {
		// A host may end like a file: shop.js.
		url = url[i+3:]
		slash := strings.IndexByte(url, '/')
		if slash < 0 {
			return false
		}
		url = url[slash:]
	}
	name := url[strings.LastIndexByte(url, '/')+1:]
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

// header gives the first value of a header, whose name is in lower case here.
func header(headers []har.Header, name string) (value string, ok bool) {
	for i := range headers {
		if len(headers[i].Name) == len(name) && strings.EqualFold(headers[i].Name, name) {
			return headers[i].Value, true
		}
	}
	return "", false
}
