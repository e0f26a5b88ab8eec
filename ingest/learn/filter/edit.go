package filter

import (
	"regexp"
	"slices"
	"strings"

	"harken/har"
)

type editKind uint8

const (
	addHeader editKind = iota
	modifyHeader
	deleteHeader
	modifyURL
	replaceBody
)

// An edit changes a request.
type edit struct {
	kind editKind
	name string         // of a header, in lower case
	text string         // the new value, or what replaces a match
	re   *regexp.Regexp // what is replaced; nil: everything
}

// The limits of edits: what an expression replaces can multiply.
const (
	maxEdits        = 50
	maxReplacement  = 1024 // bytes
	maxGroups       = 8    // "$" in a replacement
	maxReplacements = 10_000
)

// execute compiles the edits of a document.
func (c *advancedCompiler) execute(n *node) ([]edit, error) {
	steps, err := requestSteps(n)
	if err != nil {
		return nil, err
	}
	var edits []edit
	for i := range steps.items {
		step := &steps.items[i]
		if step.kind != mapNode || len(step.items) == 0 {
			return nil, step.fail("want an edit, such as modify_header: {name: value}")
		}
		for j := range step.items {
			more, err := c.edit(step.keys[j].text, &step.items[j])
			if err != nil {
				return nil, err
			}
			if edits = append(edits, more...); len(edits) > maxEdits {
				return nil, step.items[j].fail("more than %d edits", maxEdits)
			}
		}
	}
	return edits, nil
}

// requestSteps finds the list of edits: n itself, or that of the only request.
func requestSteps(n *node) (*node, error) {
	if n.kind == mapNode {
		for i := range n.keys {
			if k := n.keys[i].text; k != "type" && k != "requests" {
				return nil, n.items[i].failName("unknown, want type and requests")
			}
		}
		if t := n.get("type"); t != nil && t.text != "single" {
			return nil, t.fail("%.40q is not supported, want single", t.text)
		}
		requests := n.get("requests")
		if requests == nil {
			return nil, n.fail("want a list of edits, or requests")
		}
		if requests.kind != listNode || len(requests.items) != 1 {
			return nil, requests.fail("want a list of one request")
		}
		request := &requests.items[0]
		for i := range request.keys {
			if request.keys[i].text != "req" {
				return nil, request.items[i].failName("not supported, want req")
			}
		}
		if n = request.get("req"); n == nil {
			return nil, request.fail("want req: a list of edits")
		}
	}
	if n.kind != listNode || len(n.items) == 0 {
		return nil, n.fail("want a list of edits")
	}
	return n, nil
}

func (c *advancedCompiler) edit(name string, n *node) ([]edit, error) {
	switch name {
	case "add_header", "modify_header":
		kind := addHeader
		if name == "modify_header" {
			kind = modifyHeader
		}
		return c.headerEdits(kind, n)
	case "delete_header":
		names, err := scalars(n)
		if err != nil {
			return nil, err
		}
		var edits []edit
		for _, s := range names {
			if !isToken(s.text) {
				return nil, s.fail("%.80q is no name of a header", s.text)
			}
			edits = append(edits, edit{kind: deleteHeader, name: strings.ToLower(s.text)})
		}
		return edits, nil
	case "modify_url":
		e, err := c.replacement(edit{kind: modifyURL}, n)
		if err == nil && e.re == nil && !strings.HasPrefix(e.text, "/") && !strings.HasPrefix(e.text, "http://") && !strings.HasPrefix(e.text, "https://") {
			err = n.fail("want a path that begins with /, or an absolute URL")
		}
		return []edit{e}, err
	case "replace_body":
		e, err := c.replacement(edit{kind: replaceBody}, n)
		return []edit{e}, err
	}
	return nil, n.failName("%.40q is not supported, want add_header, modify_header, delete_header, modify_url or replace_body", name)
}

func (c *advancedCompiler) headerEdits(kind editKind, n *node) ([]edit, error) {
	if n.kind != mapNode || len(n.items) == 0 {
		return nil, n.fail("want a map of names and values")
	}
	var edits []edit
	for i := range n.items {
		name, v := n.keys[i].text, &n.items[i]
		if !isToken(name) {
			return nil, v.fail("%.80q is no name of a header", name)
		}
		e, err := c.replacement(edit{kind: kind, name: strings.ToLower(name)}, v)
		if err != nil {
			return nil, err
		}
		if kind == addHeader && e.re != nil {
			return nil, v.fail("there is nothing to replace in a new header")
		}
		if strings.ContainsAny(e.text, "\r\n\x00") {
			return nil, v.fail("a header has no line ends")
		}
		edits = append(edits, e)
	}
	return edits, nil
}

// replacement compiles a new value, or {regex_replace: {regex, replace_with}}.
func (c *advancedCompiler) replacement(e edit, n *node) (edit, error) {
	if n.kind == scalarNode {
		e.text = n.text
		if len(e.text) > MaxText {
			return e, n.fail("%d bytes, want at most %d", len(e.text), MaxText)
		}
		return e, nil
	}
	replace := n.get("regex_replace")
	if n.kind != mapNode || len(n.items) != 1 || replace == nil {
		return e, n.fail("want a text, or regex_replace: {regex, replace_with}")
	}
	re, with := replace.get("regex"), replace.get("replace_with")
	if re == nil || with == nil || len(replace.items) != 2 || re.kind != scalarNode || with.kind > scalarNode {
		return e, replace.fail("want regex and replace_with, both texts")
	}
	e.text = with.text
	if len(e.text) > maxReplacement || strings.Count(e.text, "$") > maxGroups {
		return e, with.fail("want at most %d bytes and %d groups", maxReplacement, maxGroups)
	}
	var err error
	e.re, err = c.expression(re)
	return e, err
}

// apply makes the edit, in new slices.
func (d *edit) apply(e *har.Entry) {
	switch d.kind {
	case addHeader:
		e.Request.Headers = append(slices.Clip(e.Request.Headers), har.Header{Name: d.name, Value: d.text})
	case modifyHeader:
		d.modifyHeader(e)
	case deleteHeader:
		headers := make([]har.Header, 0, len(e.Request.Headers))
		for _, h := range e.Request.Headers {
			if !strings.EqualFold(h.Name, d.name) {
				headers = append(headers, h)
			}
		}
		e.Request.Headers = headers
	case modifyURL:
		d.modifyURL(e)
	case replaceBody:
		if p := e.Request.PostData; p != nil {
			c := *p
			c.Body, c.Params = []byte(d.replace(string(p.Body))), nil
			e.Request.PostData = &c
		}
	}
}

func (d *edit) modifyHeader(e *har.Entry) {
	headers := slices.Clone(e.Request.Headers)
	there := false
	for i := range headers {
		if strings.EqualFold(headers[i].Name, d.name) {
			headers[i].Value = oneLine(d.replace(headers[i].Value))
			there = true
		}
	}
	if !there && d.name == "host" {
		if host := ownHost(e); host != "" {
			headers = append(headers, har.Header{Name: "host", Value: oneLine(d.replace(host))})
		}
	}
	e.Request.Headers = headers
}

// modifyURL changes path and query, and keeps the rest unless the new URL is
// absolute.
func (d *edit) modifyURL(e *har.Entry) {
	old := e.Request.URL
	if i := strings.IndexByte(old, '#'); i >= 0 {
		old = old[:i]
	}
	path := target(old)
	after := oneLine(d.replace(path))
	if d.re == nil && !strings.HasPrefix(after, "/") {
		e.Request.URL = after
	} else {
		if !strings.HasPrefix(after, "/") {
			after = "/" + after
		}
		e.Request.URL = strings.TrimSuffix(old, path) + after
	}
	e.Request.QueryString = nil
	if _, query, ok := strings.Cut(target(e.Request.URL), "?"); ok && query != "" {
		e.Request.QueryString = har.ParseQuery(query)
	}
}

// replace gives the new value of a text.
func (d *edit) replace(s string) string {
	if d.re == nil {
		return d.text
	}
	matches := d.re.FindAllStringSubmatchIndex(s, maxReplacements)
	if len(matches) == 0 {
		return s
	}
	var out []byte
	end := 0
	for _, m := range matches {
		out = append(out, s[end:m[0]]...)
		out = d.re.ExpandString(out, d.text, s, m)
		end = m[1]
	}
	return string(append(out, s[end:]...))
}

// oneLine keeps what was found in a body or path from ending a line.
func oneLine(s string) string {
	if !strings.ContainsAny(s, "\r\n") {
		return s
	}
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(s)
}
