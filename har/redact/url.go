package redact

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"harken/har"
)

// url rewrites a URL. own is false for those that are values themselves, of
// which only the query is looked at.
func (w *worker) url(s, template string, own bool) string {
	if s == "" {
		return s
	}
	rest, fragment, hasFragment := strings.Cut(s, "#")
	base, query, hasQuery := strings.Cut(rest, "?")
	changed := false
	if own {
		if p, ok := w.path(base, template); ok {
			base, changed = p, true
		}
	}
	if hasQuery {
		if q, ok := w.query(query, false); ok {
			query, changed = q, true
		}
	}
	if hasFragment {
		// Answers of OAuth come in fragments.
		if f, ok := w.query(fragment, false); ok {
			fragment, changed = f, true
		}
	}
	if !changed {
		return s
	}
	if hasQuery {
		base += "?" + query
	}
	if hasFragment {
		base += "#" + fragment
	}
	return base
}

// path rewrites what is before the query.
func (w *worker) path(s, template string) (string, bool) {
	origin, path := "", s
	changed := false
	if !w.r.all && w.r.types == nil && len(w.r.query) == 0 && strings.IndexByte(s, '@') < 0 {
		return s, false
	}
	if i := strings.Index(s, "://"); i > 0 {
		n := strings.IndexByte(s[i+3:], '/')
		if n < 0 {
			n = len(s) - i - 3
		}
		authority := s[i+3 : i+3+n]
		if at := strings.LastIndexByte(authority, '@'); at >= 0 && (w.r.all || listed(w.r.headers, "authorization")) {
			user := w.mask(authority[:at])
			changed = user != authority[:at]
			authority = user + authority[at:]
		}
		origin, path = s[:i+3]+authority, s[i+3+n:]
	}
	if !w.r.all && w.r.types == nil && len(w.r.query) == 0 {
		return origin + path, changed
	}
	hide := hidden(path, template)
	n := 0
	segments := strings.Split(path, "/")
	for i, seg := range segments {
		if seg == "" {
			continue
		}
		sc := scope{hide: w.r.all && hide(n, seg), key: strconv.Itoa(n), states: w.root}
		n++
		if out, ok := w.segment(sc, seg); ok {
			segments[i], changed = out, true
		}
	}
	if !changed {
		return s, false
	}
	return origin + strings.Join(segments, "/"), true
}

// segment rewrites a segment and its parameters (";jsessionid=...").
func (w *worker) segment(sc scope, seg string) (string, bool) {
	name, params, found := strings.Cut(seg, ";")
	out, changed := name, false
	if v, ok := w.text(sc, unescapePath(name)); ok {
		out, changed = pathEscape(v), true
	}
	if !found {
		return out, changed
	}
	list := strings.Split(params, ";")
	for i, p := range list {
		if text, ok := w.pair(p, false); ok {
			list[i], changed = text, true
		}
	}
	return out + ";" + strings.Join(list, ";"), changed
}

// hidden tells which segments, counted without empty ones, are parameters. If
// path and template do not fit, that is all of those that the template does not
// have.
func hidden(path, template string) func(i int, segment string) bool {
	if template == "" {
		return func(int, string) bool { return false }
	}
	if i := strings.Index(template, "://"); i > 0 {
		_, template, _ = strings.Cut(template[i+3:], "/")
	}
	parts := strings.FieldsFunc(template, isSlash)
	if len(strings.FieldsFunc(path, isSlash)) != len(parts) {
		return func(_ int, segment string) bool {
			return !slices.Contains(parts, segment)
		}
	}
	return func(i int, _ string) bool { return isPlaceholder(parts[i]) }
}

func isSlash(r rune) bool { return r == '/' }

// isPlaceholder knows the placeholders of path templates.
func isPlaceholder(segment string) bool {
	switch segment {
	case "INTEGER", "FLOAT", "OBJECT_ID", "VERSIONED", "LOCALE", "STRING":
		return true
	}
	return false
}

// query rewrites a query, or a form, which Config.Paths also are about.
func (w *worker) query(s string, form bool) (string, bool) {
	if !w.bodies() || s == "" {
		return s, false
	}
	var out strings.Builder
	from := 0 // what is before it was copied
	for at := 0; at <= len(s); {
		pair, _, _ := strings.Cut(s[at:], "&")
		end := at + len(pair)
		if text, ok := w.pair(pair, form); ok {
			out.WriteString(s[from:at])
			out.WriteString(text)
			from = end
		}
		at = end + 1
	}
	if out.Len() == 0 {
		return s, false
	}
	out.WriteString(s[from:])
	return out.String(), true
}

func (w *worker) pair(pair string, form bool) (string, bool) {
	key, v, found := strings.Cut(pair, "=")
	if !found {
		// What has no name is a value, and may be a token.
		if pair == "" || !w.r.all {
			return pair, false
		}
		text := w.mask(unescape(pair))
		return text, text != pair
	}
	text, changed := w.named(unescape(key), unescape(v), form)
	if !changed {
		return pair, false
	}
	return key + "=" + queryEscape(text), true
}

// named is text for a parameter.
func (w *worker) named(key, v string, form bool) (string, bool) {
	mark := len(w.arena)
	defer func() { w.arena = w.arena[:mark] }()
	sc := w.top()
	if form {
		sc = w.enter(sc, key)
	}
	sc.key = key
	sc.hide = sc.hide || listed(w.r.query, key)
	if w.graph && key == "query" && !sc.hide {
		if out, ok := w.graphql(w.top(), v); ok {
			return out, out != v
		}
	}
	return w.text(sc, v)
}

func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	if d, err := url.QueryUnescape(s); err == nil {
		return d
	}
	return s
}

func unescapePath(s string) string {
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}

// Asterisks need no escape in a URL, and people look for masks.
func queryEscape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "%2A", "*") }

func pathEscape(s string) string { return strings.ReplaceAll(url.PathEscape(s), "%2A", "*") }

// queryString rewrites the list of the query's parameters, after the URL. With
// everything hidden it is made of the URL: the list does not tell a name without
// "=", which may be a token, from one with an empty value.
func (w *worker) queryString(r *har.Request) {
	list := r.QueryString
	if w.r.all && len(list) > 0 {
		rest, _, _ := strings.Cut(r.URL, "#")
		if _, query, _ := strings.Cut(rest, "?"); query != "" {
			r.QueryString = har.ParseQuery(query)
			return
		}
	}
	for i := range list {
		if v, ok := w.named(list[i].Name, list[i].Value, false); ok {
			list[i].Value = v
		}
	}
}

// params rewrites what other tools say of a form.
func (w *worker) params(list []har.Param) {
	for i := range list {
		p := &list[i]
		if v, ok := w.named(p.Name, p.Value, true); ok && (p.Value != "" || p.FileName == "") {
			p.Value = v
		}
		if p.FileName != "" {
			sc := w.top()
			sc.key = "filename"
			if v, ok := w.text(sc, p.FileName); ok {
				p.FileName = v
			}
		}
		if w.r.all {
			p.ContentType = mediaType(p.ContentType)
		}
	}
}

func isStatusText(status int, s string) bool { return strings.EqualFold(http.StatusText(status), s) }
