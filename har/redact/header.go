package redact

import (
	"strings"

	"harken/har"
)

func (w *worker) headers(hs []har.Header) {
	for i := range hs {
		h := &hs[i]
		switch {
		case w.r.all && strings.EqualFold(h.Name, "content-length") && isNumber(h.Value):
		case w.r.all || listed(w.r.headers, h.Name):
			if strings.EqualFold(h.Name, "cookie") {
				h.Value = w.cookieHeader(h.Value)
			} else {
				h.Value = w.mask(h.Value)
			}
		default:
			if v, ok := w.header(h.Name, h.Value); ok {
				h.Value = v
			}
		}
	}
}

// cookieHeader masks each cookie's value: "s=****; t=****;".
func (w *worker) cookieHeader(line string) string {
	var out strings.Builder
	for pair := range strings.SplitSeq(line, ";") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		if out.Len() > 0 {
			out.WriteByte(' ')
		}
		name, v, found := strings.Cut(pair, "=")
		if !found {
			name, v = "", pair
		} else {
			name = strings.TrimSpace(name) + "="
		}
		out.WriteString(name)
		out.WriteString(w.mask(cookieValue(v)))
		out.WriteByte(';')
	}
	return out.String()
}

// cookieValue is a value as the list of cookies has it, so that both have the
// same token.
func cookieValue(v string) string {
	v = strings.TrimSpace(v)
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		v = v[1 : len(v)-1]
	}
	return v
}

func (w *worker) cookies(cs []har.Cookie, header string) {
	hide := w.r.all || listed(w.r.headers, header)
	for i := range cs {
		c := &cs[i]
		if v, ok := w.cookie(hide, c.Name, c.Value); ok {
			c.Value = v
		}
		if w.r.all && c.Path != "/" {
			c.Path = w.optional(c.Path)
		}
	}
}

// cookie is text for a cookie's value, which is often percent-encoded.
func (w *worker) cookie(hide bool, name, v string) (string, bool) {
	sc := scope{hide: hide, key: name, states: w.root}
	if out, ok := w.text(sc, v); ok || hide {
		return out, ok
	}
	if d := unescapePath(v); d != v {
		if out, ok := w.text(sc, d); ok {
			return pathEscape(out), true
		}
	}
	return v, false
}

// header rewrites the value of a header that is not replaced as a whole: the
// cookies, the URLs, and the elements of lists in it.
func (w *worker) header(name, v string) (string, bool) {
	changed := false
	if v != "" && (v[0] == '{' || v[0] == '[') && (w.r.types != nil || len(w.r.paths) > 0) {
		j := rewriter{w: w, s: v}
		if j.document(scope{key: name, states: w.root}) {
			return view(j.finish()), j.changed()
		}
	}
	// Without its content type a body could not be read again.
	if w.r.types != nil && !w.masked(v) && !strings.EqualFold(name, "content-type") {
		if w.r.types(name, v) {
			return w.mask(v), true
		}
		seps := " ,;"
		isCookie := strings.EqualFold(name, "cookie") || strings.EqualFold(name, "set-cookie")
		if isCookie {
			seps = ";"
		}
		if !isCookie {
			w.nest += maxNest // pieces are not documents
		}
		v, changed = w.elements(name, v, seps, isCookie)
		if !isCookie {
			w.nest -= maxNest
		}
	}
	if i := strings.IndexByte(v, '?'); i >= 0 && len(w.r.query) > 0 {
		if out, ok := w.linked(v, i+1); ok {
			return out, true
		}
	}
	return v, changed
}

// elements rewrites those parts of a header between separators that are secrets:
// "Bearer ...", "for=192.0.2.1;by=...", cookies.
func (w *worker) elements(name, v, seps string, isCookie bool) (string, bool) {
	var out strings.Builder
	changed, from := false, 0
	for from < len(v) {
		end := from + strings.IndexAny(v[from:], seps)
		if end < from {
			end = len(v)
		}
		core := strings.Trim(v[from:end], " \t")
		start := from + strings.Index(v[from:end], core)
		stop := start + len(core)
		key := name
		if i := strings.IndexByte(core, '='); i > 0 {
			if isCookie {
				key = core[:i]
			}
			if isCookie || !w.r.types(key, core) { // base64 ends with "="
				start += i + 1
			}
		}
		if stop-start >= 2 && v[start] == '"' && v[stop-1] == '"' {
			start++
			stop--
		}
		text, ok := v[start:stop], false
		if text != "" && text != v {
			text, ok = w.cookie(false, key, text)
		}
		changed = changed || ok
		out.WriteString(v[from:start])
		out.WriteString(text)
		if end < len(v) {
			end++
		}
		out.WriteString(v[stop:end])
		from = end
	}
	if !changed {
		return v, false
	}
	return out.String(), true
}

// linked rewrites the query of the URL in a header (location, referer, link),
// which begins at from: only the values of the keys that are configured.
func (w *worker) linked(v string, from int) (string, bool) {
	var out strings.Builder
	out.WriteString(v[:from])
	changed := false
	for from < len(v) {
		end := from + strings.IndexAny(v[from:], "&#?;, >\"'")
		if end < from {
			end = len(v)
		}
		text, ok := v[from:end], false
		if key, value, found := strings.Cut(text, "="); found && listed(w.r.query, unescape(key)) {
			if m := w.mask(unescape(value)); m != value {
				text, ok = key+"="+m, true
			}
		}
		changed = changed || ok
		out.WriteString(text)
		if end < len(v) {
			out.WriteByte(v[end])
			end++
		}
		from = end
	}
	return out.String(), changed
}
