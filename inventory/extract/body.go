package extract

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"harken/har"
)

// body adds the parameters of a body, by its content type.
func (x *Extractor) body(b []byte, headers []har.Header, mimeType string) {
	if len(b) > MaxBody {
		x.skipped++
		return
	}
	contentType := value(headers, "content-type")
	if contentType == "" {
		contentType = mimeType
	}
	kind := strings.ToLower(contentType)
	if strings.Contains(kind, "application/grpc") {
		// Before anything is done to the bytes: they are not text.
		x.grpc(b, headers)
		return
	}
	if len(b) == 0 {
		return
	}
	raw := string(b)
	s := raw
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	s = strings.TrimSpace(strings.TrimPrefix(s, "\uFEFF"))
	if s == "" {
		return
	}
	switch {
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
		x.json(s)
	case '<':
	case 'e':
		if x.place == RequestBody {
			x.jwt(s)
			return
		}
		fallthrough
	default:
		if x.place == ResponseBody {
			x.jsonp(s)
		}
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
