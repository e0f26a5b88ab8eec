package extract

import (
	"encoding/base64"
	"errors"
	"io"
	"iter"
	"mime"
	"mime/multipart"
	"slices"
	"strings"
)

// form adds the pairs of a URL-encoded form and reports whether there were any.
// It is split before it is decoded, so that encoded separators are part of their
// value. The values of a key that comes several times are those of an array.
func (x *Extractor) form(s string) bool {
	x.countKeys()
	n := 0
	for key := range pairs(s) {
		if n++; n <= MaxValues {
			x.counts[key]++
		}
	}
	for key, v := range pairs(s) {
		x.field(unescape(key), unescape(v), x.counts[key] > 1)
	}
	return n > 0
}

// pairs yields the pairs of a form, still encoded. What has no "=" is not one.
func pairs(s string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for rest := s; rest != ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, "&")
			if key, v, ok := strings.Cut(pair, "="); ok && key != "" && !yield(key, v) {
				return
			}
		}
	}
}

func (x *Extractor) countKeys() {
	if x.counts == nil {
		x.counts = map[string]int{}
	}
	clear(x.counts)
}

// field adds a member that is text, and what it holds if it is a JSON document.
func (x *Extractor) field(key, v string, repeated bool) {
	base := x.push(member(key))
	if repeated {
		elem := x.push("$")
		x.add(v, Text)
		x.nested(v)
		x.pop(elem)
	} else {
		x.add(v, Text)
		x.nested(v)
	}
	x.pop(base)
}

// maxPart is how much of a part of a multipart form is kept. Of a file it makes
// as much base64 as is looked at of a value. maxJSONPart is for parts that look
// like JSON, which are read whole or not at all.
const (
	maxPart     = 4 << 10
	maxJSONPart = 1 << 20
)

// A part is one part of a multipart form.
type part struct {
	name, file, contentType string
	data                    []byte // the beginning
	json                    []byte // all of it, where it looks like JSON
}

// multipart adds the fields of a multipart form: text as it is, of files their
// filename, contentType and content (base64, of the beginning). It reports
// whether the body was dealt with; a form that ends before its last boundary has
// no parameters.
func (x *Extractor) multipart(s, contentType string) bool {
	_, params, err := mime.ParseMediaType(contentType)
	boundary := params["boundary"]
	if err != nil || boundary == "" || !strings.Contains(s, "--"+boundary) {
		return x.form(strings.ToValidUTF8(s, "\uFFFD"))
	}
	parts, ok := x.readParts(s, boundary)
	if !ok {
		return true
	}
	x.countKeys()
	for i := range parts {
		x.counts[parts[i].name]++
	}
	for i := range parts {
		p := &parts[i]
		repeated := x.counts[p.name] > 1
		if p.file == "" {
			x.field(p.name, strings.ToValidUTF8(string(p.whole()), "\uFFFD"), repeated)
			continue
		}
		base, elem := x.push(member(p.name)), 0
		if repeated {
			elem = x.push("$")
		}
		x.field("filename", p.file, false)
		x.field("contentType", p.contentType, false)
		x.field("content", base64.StdEncoding.EncodeToString(p.data), false)
		if strings.Contains(p.contentType, "json") { // how browsers send JSON beside files
			x.nested(strings.ToValidUTF8(string(p.json), "\uFFFD"))
		}
		if repeated {
			x.pop(elem)
		}
		x.pop(base)
	}
	return true
}

func (p *part) whole() []byte {
	if p.json != nil {
		return p.json
	}
	return p.data
}

func (x *Extractor) readParts(s, boundary string) (parts []part, ok bool) {
	if !strings.Contains(s, "--"+boundary+"--") {
		return nil, false // the reader takes a cut in a part's header for the end
	}
	r := multipart.NewReader(strings.NewReader(s), boundary)
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts, true
		}
		if err != nil {
			return nil, false
		}
		if len(parts) >= MaxValues {
			x.skipped++ // the rest, unread: each part costs the reader a kilobyte
			return parts, true
		}
		if p.FormName() == "" {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(p, maxPart))
		if err != nil {
			return nil, false
		}
		one := part{name: p.FormName(), file: p.FileName(), contentType: p.Header.Get("Content-Type"), data: data}
		if len(data) > 0 && (data[0] == '{' || data[0] == '[') {
			rest, err := io.ReadAll(io.LimitReader(p, maxJSONPart))
			if err != nil {
				return nil, false
			}
			if len(rest) < maxJSONPart {
				one.json = slices.Concat(data, rest)
			}
		}
		parts = append(parts, one)
	}
}
