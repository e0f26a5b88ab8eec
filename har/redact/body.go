package redact

import (
	"encoding/base64"
	"mime"
	"strings"
	"unicode/utf8"

	"harken/har"
)

// maxText is the longest plain text that Types is asked about as a whole.
const maxText = 4 << 10

type kind uint8

const (
	kindPlain kind = iota // anything, JSON above all
	kindLines
	kindEvents
	kindForm
	kindMultipart
	kindXML
	kindGraphQL
	kindGRPC
)

func kindOf(contentType string) kind {
	t := strings.ToLower(contentType)
	has := func(s string) bool { return strings.Contains(t, s) }
	switch {
	case has("application/grpc"):
		return kindGRPC
	case has("ndjson"), has("jsonl"), has("json-l"), has("json-seq"), has("stream+json"):
		return kindLines
	case has("text/event-stream"):
		return kindEvents
	case has("application/json"):
		return kindPlain
	case has("application/x-www-form-urlencoded"):
		return kindForm
	case has("multipart/form-data"):
		return kindMultipart
	case has("xml"), has("soap"):
		return kindXML
	case has("application/graphql"):
		return kindGraphQL
	}
	return kindPlain
}

// bodies reports whether anything in a body can be a secret.
func (w *worker) bodies() bool {
	return w.r.all || w.r.types != nil || len(w.r.paths) > 0 || len(w.r.query) > 0
}

// typedBody gives the body and the media type that take the place of these.
func (w *worker) typedBody(b []byte, hs []har.Header, mimeType string, response bool) (body []byte, media string) {
	contentType, found := har.HeaderValue(hs, "content-type")
	hidden := found && (w.r.all || listed(w.r.headers, "content-type"))
	if contentType == "" || w.masked(contentType) || contentType == Mask {
		contentType = mimeType
	}
	if w.r.all || hidden {
		// The header is about to go, and what reads the entry next, this package
		// included, must find the same type.
		mimeType = mediaType(contentType)
		contentType = mimeType
	}
	if len(b) == 0 || !w.bodies() {
		return b, mimeType
	}
	out, changed := w.body(view(b), contentType, response)
	if !changed {
		return b, mimeType
	}
	return []byte(out), mimeType
}

// mediaType is a content type without the parameters that nobody needs; empty if
// it is not one.
func mediaType(contentType string) string {
	t, params, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.Contains(t, "/") {
		return ""
	}
	if b := params["boundary"]; b != "" {
		if s := mime.FormatMediaType(t, map[string]string{"boundary": b}); s != "" {
			return s
		}
	}
	return t
}

func (w *worker) body(s, contentType string, response bool) (string, bool) {
	t := strings.TrimSpace(strings.TrimPrefix(s, "\uFEFF"))
	if t == "" {
		return s, false
	}
	k := kindOf(contentType)
	if looksJSON(t) && k != kindLines {
		k = kindPlain // whatever it says: errors come as JSON everywhere
	}
	switch k {
	case kindGRPC:
		if w.r.all {
			return Mask, s != Mask
		}
		return w.grpc(s)
	case kindLines:
		j := rewriter{w: w, s: s}
		if j.document(w.top()) && j.changed() {
			return view(j.finish()), true
		}
		return w.lines(s)
	case kindEvents:
		return w.events(s)
	case kindForm:
		if strings.IndexByte(s, '=') >= 0 {
			return w.query(s, true)
		}
	case kindMultipart:
		return w.multipart(s, contentType)
	case kindXML:
		if t[0] == '<' {
			return w.xml(s)
		}
	case kindGraphQL:
		if out, ok := w.graphql(w.top(), s); ok {
			return out, out != s
		}
	case kindPlain:
		if contentType == "" && strings.HasPrefix(s, "<?xml") && !w.r.all {
			return w.xml(s)
		}
	}
	return w.plain(s, contentType, response)
}

// plain rewrites a body that may be JSON, also if it does not say so.
func (w *worker) plain(s, contentType string, response bool) (string, bool) {
	body := strings.TrimPrefix(s, "\uFEFF")
	lead := s[:len(s)-len(body)]
	t := strings.TrimSpace(body)
	if t == "" {
		return s, false
	}
	declared := strings.Contains(strings.ToLower(contentType), "json")
	if w.r.all || declared || looksJSON(t) {
		j := rewriter{w: w, s: body}
		if j.document(w.top()) {
			if !j.changed() {
				return s, false
			}
			return lead + view(j.finish()), true
		}
		if w.beginsWithLine(body) {
			out, changed := w.lines(body)
			return lead + out, changed
		}
		switch {
		case t[0] != '{' && t[0] != '[':
		case w.r.all:
			return "{}", true
		default:
			out := lead + view(j.cut())
			return out, out != s
		}
	}
	if w.r.all {
		return Mask, s != Mask
	}
	if response {
		if out, changed, ok := w.wrapped(s); ok {
			return out, changed
		}
	} else if w.isSecretJWT(t) {
		return Mask, true
	}
	if w.r.types != nil && len(t) <= maxText && utf8.ValidString(t) && !w.masked(t) && w.r.types("", t) {
		return w.mask(t), true
	}
	return s, false
}

// looksJSON reports what begins as an object or an array does, and not as a
// template or a log line in brackets.
func looksJSON(t string) bool {
	if t == "" || t[0] != '{' && t[0] != '[' {
		return false
	}
	rest := strings.TrimLeft(t[1:], " \t\r\n")
	if rest == "" || strings.HasPrefix(rest, Mask) {
		return true // it was cut, by others or here
	}
	if t[0] == '{' {
		return rest[0] == '"' || rest[0] == '}'
	}
	return strings.IndexByte("{[\"]-0123456789", rest[0]) >= 0 || scalarLen(rest) > 0
}

// beginsWithLine reports that the first of several lines is a document.
func (w *worker) beginsWithLine(s string) bool {
	first, _, found := strings.Cut(s, "\n")
	if first = strings.TrimSpace(first); !found || first == "" || first[0] != '{' && first[0] != '[' {
		return false
	}
	j := rewriter{w: w, s: first}
	return j.document(w.top())
}

// wrapped rewrites the JSON of a response that has something around it; ok is
// false if there is none.
func (w *worker) wrapped(s string) (out string, changed, ok bool) {
	if strings.HasPrefix(s, "data:") || strings.HasPrefix(s, "event:") {
		out, changed = w.events(s)
		return out, changed, true
	}
	from, to := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if strings.HasPrefix(s, ")]}'") {
		from, to = strings.IndexByte(s, '\n'), len(s)
	}
	if from < 0 || to <= from {
		return s, false, false
	}
	inner := s[from+1 : to]
	if !looksJSON(strings.TrimSpace(inner)) {
		return s, false, false
	}
	j := rewriter{w: w, s: inner}
	if !j.document(w.top()) {
		out = s[:from+1] + view(j.cut()) + s[to:]
		return out, out != s, true
	}
	if !j.changed() {
		return s, false, true
	}
	return s[:from+1] + view(j.finish()) + s[to:], true, true
}

// isSecretJWT reports a token one of whose claims is a secret. It is signed, so a
// claim cannot be replaced alone.
func (w *worker) isSecretJWT(t string) bool {
	if !strings.HasPrefix(t, "ey") || strings.Count(t, ".") != 2 {
		return false
	}
	_, rest, _ := strings.Cut(t, ".")
	claims, _, _ := strings.Cut(rest, ".")
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(claims), "="))
	if err != nil {
		return false
	}
	j := rewriter{w: w, s: view(b)}
	return j.document(w.top()) && j.changed()
}

// lines rewrites JSON documents that stand on a line each.
func (w *worker) lines(s string) (string, bool) {
	var out strings.Builder
	changed := false
	for rest := s; rest != ""; {
		line := rest
		if i := strings.IndexByte(rest, '\n'); i >= 0 {
			line, rest = rest[:i+1], rest[i+1:]
		} else {
			rest = ""
		}
		const around = "\x1e \t\r\n\uFEFF"
		core := strings.TrimLeft(line, around)
		lead := line[:len(line)-len(core)]
		core = strings.TrimRight(core, around)
		trail := line[len(lead)+len(core):]
		text, ok := w.one(core)
		changed = changed || ok
		out.WriteString(lead)
		out.WriteString(text)
		out.WriteString(trail)
	}
	if !changed {
		return s, false
	}
	return out.String(), true
}

// one rewrites a text that ought to be a JSON document.
func (w *worker) one(core string) (string, bool) {
	if core == "" {
		return "", false
	}
	j := rewriter{w: w, s: core}
	switch {
	case j.document(w.top()):
		if !j.changed() {
			return core, false
		}
		return view(j.finish()), true
	case w.r.all:
		return "{}", true
	case looksJSON(core):
		out := view(j.cut())
		return out, out != core
	}
	return w.text(w.top(), core)
}

// message rewrites a WebSocket message: JSON, alone or several documents ended by
// record separators (SignalR), also behind digits (Socket.IO).
func (w *worker) message(b []byte) []byte {
	if len(b) == 0 || !w.bodies() {
		return b
	}
	s := view(b)
	if !utf8.ValidString(s) {
		if w.r.all {
			return []byte(Mask)
		}
		return b
	}
	const maxPrefix = 6
	var out strings.Builder
	changed := false
	for i, piece := range strings.Split(s, "\x1e") {
		if i > 0 {
			out.WriteByte(0x1e)
		}
		n := 0
		for n < len(piece) && n < maxPrefix && isDigit(piece[n]) {
			n++
		}
		if rest := piece[n:]; rest != "" && (rest[0] == '{' || rest[0] == '[') {
			out.WriteString(piece[:n])
			text, ok := w.one(rest)
			changed = changed || ok
			out.WriteString(text)
			continue
		}
		if piece != "" {
			text, ok := w.text(w.top(), piece)
			changed = changed || ok
			out.WriteString(text)
		}
	}
	if !changed {
		return b
	}
	return []byte(out.String())
}
