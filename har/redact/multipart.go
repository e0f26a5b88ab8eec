package redact

import (
	"mime"
	"strings"
	"unicode/utf8"
)

// multipart rewrites the fields and files of a form. With everything hidden only
// the names of the fields and media types are left of what is around them. A part
// that is cut is treated as if it were whole.
func (w *worker) multipart(s, contentType string) (string, bool) {
	_, params, err := mime.ParseMediaType(contentType)
	boundary := params["boundary"]
	if err != nil || boundary == "" || !strings.Contains(s, "--"+boundary) {
		if strings.IndexByte(s, '=') >= 0 {
			return w.query(s, true) // a form that says it is another
		}
		return w.plain(s, contentType, false)
	}
	delimiter := "--" + boundary
	var out strings.Builder
	at := delimiterAt(s, delimiter, 0)
	if at < 0 {
		if w.r.all {
			return Mask, true
		}
		return s, false
	}
	if !w.r.all {
		out.WriteString(s[:at])
	}
	for {
		at += len(delimiter)
		if strings.HasPrefix(s[at:], "--") {
			if w.r.all {
				out.WriteString(delimiter + "--\r\n")
			} else {
				out.WriteString(delimiter + s[at:])
			}
			break
		}
		next := delimiterAt(s, delimiter, at)
		part := s[at:]
		if next >= 0 {
			part = s[at:next]
		}
		out.WriteString(delimiter)
		w.part(&out, part)
		if next < 0 {
			break
		}
		at = next
	}
	if out.String() == s {
		return s, false
	}
	return out.String(), true
}

// delimiterAt gives the place of the next delimiter that begins a line.
func delimiterAt(s, delimiter string, from int) int {
	for {
		n := strings.Index(s[from:], delimiter)
		if n < 0 {
			return -1
		}
		n += from
		if n == 0 || s[n-1] == '\n' {
			rest := s[n+len(delimiter):]
			if rest == "" || strings.IndexByte("\r\n -\t", rest[0]) >= 0 {
				return n
			}
		}
		from = n + len(delimiter)
	}
}

// part writes what is between two delimiters: the end of a line, the part's
// headers, an empty line, and the content with the line end that belongs to the
// next delimiter.
func (w *worker) part(out *strings.Builder, s string) {
	head, content, found := cutHead(s)
	if !found {
		head, content = "\r\n", ""
		if !w.r.all {
			head = s
		}
	}
	end := ""
	for _, e := range []string{"\r\n", "\n"} {
		if c, ok := strings.CutSuffix(content, e); ok {
			content, end = c, e
			break
		}
	}
	name, file, contentType := partFields(head)
	mark := len(w.arena)
	sc := w.enter(w.top(), name)
	w.arena = w.arena[:mark]
	sc.hide = sc.hide || listed(w.r.query, name)
	if w.r.all {
		out.WriteString(cleanHead(name, file, w.mask(file), contentType))
		out.WriteString(w.mask(content) + "\r\n")
		return
	}
	fsc := sc
	fsc.key = "filename"
	if f, ok := w.text(fsc, file); ok && file != "" {
		head = cleanHead(name, file, f, contentType)
	}
	out.WriteString(head)
	switch {
	case content == "":
	case sc.hide:
		content = w.mask(content)
	case isOwnBody(contentType) && w.nest < maxNest:
		w.nest++
		content, _ = w.body(content, contentType, false)
		w.nest--
	case utf8.ValidString(content):
		content, _ = w.text(sc, content)
	}
	out.WriteString(content + end)
}

// isOwnBody reports a part that is not a text or a JSON document.
func isOwnBody(contentType string) bool {
	switch kindOf(contentType) {
	case kindLines, kindEvents, kindForm, kindXML:
		return true
	default:
		return false
	}
}

// cutHead splits a part behind the first empty line.
func cutHead(s string) (head, content string, found bool) {
	best := -1
	for _, blank := range []string{"\r\n\r\n", "\n\n"} {
		if i := strings.Index(s, blank); i >= 0 && (best < 0 || i+len(blank) < best) {
			best = i + len(blank)
		}
	}
	if best < 0 {
		return s, "", false
	}
	return s[:best], s[best:], true
}

func partFields(head string) (name, file, contentType string) {
	for l := range strings.Lines(head) {
		key, v, _ := strings.Cut(strings.TrimSpace(l), ":")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "content-disposition":
			if _, params, err := mime.ParseMediaType(strings.TrimSpace(v)); err == nil {
				name, file = params["name"], params["filename"]
			}
		case "content-type":
			contentType = mediaType(strings.TrimSpace(v))
		}
	}
	return name, file, contentType
}

var quoteEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "")

// cleanHead makes the headers of a part anew, so that nothing else is left in
// them.
func cleanHead(name, oldFile, file, contentType string) string {
	h := "\r\nContent-Disposition: form-data"
	if name != "" {
		h += `; name="` + quoteEscaper.Replace(name) + `"`
	}
	if oldFile != "" {
		h += `; filename="` + quoteEscaper.Replace(file) + `"`
	}
	if contentType != "" {
		h += "\r\nContent-Type: " + contentType
	}
	return h + "\r\n\r\n"
}
