package extract

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"harken/har"
)

// body adds the parameters of a body, by its content type. Of a body that was
// cut only the whole lines of NDJSON and the whole events of an event stream
// count.
func (x *Extractor) body(b []byte, headers []har.Header, mimeType string, truncated bool) {
	if len(b) > MaxBody {
		x.skipped++
		return
	}
	contentType := value(headers, "content-type")
	if contentType == "" {
		contentType = mimeType
	}
	kind := strings.ToLower(contentType)
	if truncated && !isLines(kind) && !isEvents(kind) {
		return
	}
	if strings.Contains(kind, "application/grpc") {
		// Before anything is done to the bytes: they are not text.
		x.grpc(b, headers)
		return
	}
	if len(b) == 0 {
		return
	}
	raw := view(b)
	s := raw
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	s = strings.TrimSpace(strings.TrimPrefix(s, "\uFEFF"))
	if s == "" {
		return
	}
	switch {
	case isLines(kind): // before JSON, whose name application/jsonl begins with
		x.lines(s)
		return
	case isEvents(kind):
		x.events(s)
		return
	case strings.Contains(kind, "application/json"):
	case strings.Contains(kind, "application/x-www-form-urlencoded"):
		if x.form(s) {
			return
		}
	case strings.Contains(kind, "multipart/form-data"):
		if x.multipart(raw, contentType) { // files are not text
			return
		}
	case strings.Contains(kind, "xml"), strings.Contains(kind, "soap"):
		if x.xml(s) {
			return
		}
	}
	x.plain(s)
}

// plain adds the parameters of text that may be JSON, or of what JSON comes
// wrapped in: JSONP in responses, a JWT in requests.
func (x *Extractor) plain(s string) {
	switch s[0] {
	case '{', '[':
		// Bulk requests are NDJSON and call themselves JSON.
		if !x.json(s) && strings.IndexByte(s, '\n') > 0 {
			x.bulk(s)
		}
	case '<':
	case 'e':
		if x.place == RequestBody {
			x.jwt(s)
			return
		}
		fallthrough
	default:
		if x.place == ResponseBody {
			x.wrapped(s)
		}
	}
}

// wrapped adds the parameters of a response that is not JSON at first sight.
func (x *Extractor) wrapped(s string) {
	switch {
	case strings.HasPrefix(s, ")]}'"): // kept from being run as a script
		if i := strings.IndexByte(s, '\n'); i > 0 && i < 16 {
			x.json(s[i+1:])
		}
	case strings.HasPrefix(s, "data:"), strings.HasPrefix(s, "event:"):
		x.events(s)
	default:
		x.jsonp(s)
	}
}

// jsonp adds what is between the first "(" and the last ")".
func (x *Extractor) jsonp(s string) {
	open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if open > 0 && end > open && s[open+1] == '{' {
		x.json(s[open+1 : end])
	}
}

// jwt adds the claims of a body that is a JWT.
func (x *Extractor) jwt(s string) {
	if !strings.HasPrefix(s, "ey") || strings.Count(s, ".") != 2 {
		return
	}
	_, rest, _ := strings.Cut(s, ".")
	payload, _, _ := strings.Cut(rest, ".")
	enc := base64.RawURLEncoding
	if strings.ContainsAny(payload, "+/") {
		enc = base64.RawStdEncoding
	}
	if claims, err := enc.DecodeString(strings.TrimRight(payload, "=")); err == nil {
		x.json(strings.ToValidUTF8(string(claims), "\uFFFD"))
	}
}

// value gives the first value of a header, whose name is in lower case here.
func value(headers []har.Header, name string) string {
	for i := range headers {
		if len(headers[i].Name) == len(name) && strings.EqualFold(headers[i].Name, name) {
			return headers[i].Value
		}
	}
	return ""
}
