// Package extract finds the parameters of an exchange: headers, query, path
// segments, and what bodies of JSON, NDJSON, event streams, forms, multipart,
// XML, gRPC, JSONP and JWT and the messages of WebSockets hold; and it splits
// GraphQL and JSON-RPC requests into their fields and calls. It does not judge
// values beyond naming their type, and keeps nothing of an exchange.
//
// Text that merely encodes something (base64, JSON within a string of JSON) is
// not looked into; JSON in a field of a form is.
package extract

import (
	"slices"
	"strconv"
	"strings"

	"harken/har"
	"harken/inventory/datatype"
)

// A Place is where in an exchange a parameter stands.
type Place uint8

// The places.
const (
	RequestHeader Place = iota
	ResponseHeader
	RequestBody
	Query
	ResponseBody
	URLParam
)

// Position gives the place as far as it decides whether a value is sensitive.
func (p Place) Position() datatype.Position {
	switch p {
	case RequestHeader:
		return datatype.RequestHeader
	case ResponseHeader:
		return datatype.ResponseHeader
	case ResponseBody:
		return datatype.ResponsePayload
	default:
		return datatype.RequestPayload
	}
}

// A Kind is what sort of value a parameter has.
type Kind uint8

// The kinds.
const (
	Text Kind = iota
	Number
	Bool
	Null
	EmptyObject
)

// A Param is one occurrence of a parameter.
type Param struct {
	Place Place
	// Status is the response's status for what belongs to the response, -1 for
	// what belongs to the request.
	Status int
	// Name is the header's name in lower case; the query key, decoded; the decimal
	// index of the path segment, from 0; or the flattened path of a body: members
	// joined by "#", "$" for the elements of an array ("user#emails#$#v"), below
	// "json" when the body is an array, and "NUMBER" for members without a letter.
	// It may be kept.
	Name string
	// Value is the text, decoded; a number as it was written; "true" or "false";
	// empty for null and the empty object. It is cut after MaxValue bytes. It may
	// share memory with the whole body: what is kept must be cloned.
	Value string
	Kind  Kind
}

// Type names the type of the value.
func (p *Param) Type(d *datatype.Detector) datatype.Name {
	switch p.Kind {
	case Number:
		return d.Number(p.Key(), p.Value)
	case Bool:
		if p.Value == "true" {
			return datatype.True
		}
		return datatype.False
	case Null:
		return datatype.Null
	case EmptyObject:
		return datatype.Other
	default:
		return d.Text(p.Key(), p.Value)
	}
}

// Key gives the last part of the name, which rules about keys look at; for the
// elements of an array that is the name of the array.
func (p *Param) Key() string {
	name := p.Name
	if p.Place != RequestBody && p.Place != ResponseBody {
		return name
	}
	for strings.HasSuffix(name, "#$") {
		name = name[:len(name)-2]
	}
	return name[datatype.LastMember(name):]
}

// The limits of one entry. What is beyond them is left out and counted by
// Skipped; the rest of the entry is still read.
const (
	// MaxValue is the length to which values are cut: one byte more than is looked
	// at, so that a cut shows.
	MaxValue = datatype.MaxValue + 1
	// MaxParams is the number of distinct parameters of one body, of the query,
	// and of the headers of one side.
	MaxParams = 1000
	// MaxValues is the number of occurrences that one body yields.
	MaxValues = 10_000
	// MaxName is the longest name, in bytes.
	MaxName = 1 << 10
	// MaxDepth is the deepest nesting of a body that is read at all.
	MaxDepth = 512
	// MaxBody is the largest body, in bytes, that is read at all.
	MaxBody = 32 << 20

	maxCookies = 100 // that are looked at in one header
	minTyped   = 6   // bytes of the shortest value with a type, a@b.de
)

// An Extractor finds parameters. It holds buffers that it uses again, so it is
// not safe for concurrent use. The zero value is ready.
type Extractor struct {
	names   names
	pending []Param
	path    []byte // the name of the value at hand
	mute    int    // levels of the path that were too long to be written down

	place    Place
	status   int
	distinct int
	skipped  uint64

	counts map[string]int // of the keys of a form
}

// Skipped gives the number of values, or whole bodies, that limits have kept out
// since the Extractor was made.
func (x *Extractor) Skipped() uint64 { return x.skipped }

// Entry yields the parameters of an entry: of its headers, its query, the path
// segments where template has placeholders (none if template is empty), and its
// bodies and WebSocket messages. A body that is cut, has a gap, or is not valid
// yields nothing, and so does a side whose flag says that it was truncated; only
// of NDJSON and event streams the whole lines and events count. Messages that the
// client sent are of the request, others of the response.
//
// Headers are a parameter each. Of cookie and set-cookie the values of those
// cookies that have a type of their own (an e-mail address, not a number or plain
// text) are further occurrences of the header.
//
// e is not changed; what is yielded must not be used by the caller after e
// changes, names excepted.
func (x *Extractor) Entry(e *har.Entry, template string, yield func(Param)) {
	x.entry(e, nil, template, yield)
}

// Part yields the parameters of a part of e that Split has given, as Entry does
// for a whole entry: the headers and the response are those of e.
func (x *Extractor) Part(e *har.Entry, p *Part, template string, yield func(Param)) {
	x.entry(e, p, template, yield)
}

func (x *Extractor) entry(e *har.Entry, part *Part, template string, yield func(Param)) {
	x.names.trim()
	x.headers(RequestHeader, -1, e.Request.Headers, yield)
	x.headers(ResponseHeader, e.Response.Status, e.Response.Headers, yield)
	url := e.Request.URL
	if part != nil {
		url = part.URL
	}
	x.urlParams(url, template, yield)
	x.query(url, yield)

	var flags []string
	if e.Harken != nil {
		flags = e.Harken.Flags
	}
	if slices.Contains(flags, har.FlagGap) {
		return // on either side
	}
	x.begin(RequestBody, -1)
	if part != nil {
		x.part(part)
	} else if p := e.Request.PostData; p != nil {
		x.body(p.Body, e.Request.Headers, p.MimeType, slices.Contains(flags, har.FlagRequestTruncated))
	}
	x.messages(e.WebSocketMessages, "send")
	x.flush(yield)

	x.begin(ResponseBody, e.Response.Status)
	c := &e.Response.Content
	x.body(c.Body, e.Response.Headers, c.MimeType, slices.Contains(flags, har.FlagResponseTruncated))
	x.messages(e.WebSocketMessages, "receive")
	x.flush(yield)
}

func (x *Extractor) headers(place Place, status int, headers []har.Header, yield func(Param)) {
	for i := range headers {
		h := &headers[i]
		// Pseudo headers of HTTP/2 and what other tools put there with spaces are
		// not headers.
		if h.Name == "" || h.Name[0] == ':' || strings.IndexByte(h.Name, ' ') >= 0 {
			continue
		}
		if i >= MaxParams || len(h.Name) > MaxName {
			x.skipped++
			continue
		}
		x.path = x.path[:0]
		for j := range len(h.Name) {
			c := h.Name[j]
			if 'A' <= c && c <= 'Z' {
				c |= 0x20
			}
			x.path = append(x.path, c)
		}
		name := x.names.get(x.path).text
		yield(Param{Place: place, Status: status, Name: name, Value: cut(h.Value)})
		if name == "cookie" || name == "set-cookie" {
			x.cookies(place, status, name, h.Value, yield)
		}
	}
	x.path = x.path[:0]
}

// cookies yields the values of cookies that have a type of their own, under the
// name of the header: names of cookies are often made up, one for each visitor.
func (x *Extractor) cookies(place Place, status int, name, line string, yield func(Param)) {
	for n := 0; line != ""; n++ {
		if n == maxCookies {
			x.skipped++
			return
		}
		var pair string
		if pair, line, _ = strings.Cut(line, ";"); name == "set-cookie" {
			line = "" // attributes
		}
		_, v, ok := strings.Cut(pair, "=")
		v = strings.Trim(v, " \t\"")
		if !ok || len(v) < minTyped {
			continue
		}
		v = cut(unescapePath(v))
		switch datatype.OfText(v) {
		case datatype.Generic, datatype.Integer32, datatype.Integer64, datatype.Float:
		default:
			yield(Param{Place: place, Status: status, Name: name, Value: v})
		}
	}
}

func (x *Extractor) query(url string, yield func(Param)) {
	url, _, _ = strings.Cut(url, "#")
	_, rest, _ := strings.Cut(url, "?")
	for n := 0; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		key, value, _ := strings.Cut(pair, "=")
		if key = unescape(key); key == "" {
			continue
		}
		if n++; n > MaxParams || len(key) > MaxName {
			x.skipped++
			continue
		}
		x.path = append(x.path[:0], key...)
		yield(Param{Place: Query, Status: -1, Name: x.names.get(x.path).text, Value: cut(unescape(value))})
	}
	x.path = x.path[:0]
}

func (x *Extractor) urlParams(url, template string, yield func(Param)) {
	if template == "" {
		return
	}
	path := pathOf(url)
	if segments(path) != segments(template) {
		return
	}
	for i := 0; template != ""; i++ {
		var t, value string
		t, template = segment(template)
		value, path = segment(path)
		if isPlaceholder(t) {
			yield(Param{Place: URLParam, Status: -1, Name: strconv.Itoa(i), Value: cut(unescapePath(value))})
		}
	}
}

// begin starts a body.
func (x *Extractor) begin(place Place, status int) {
	x.place, x.status, x.distinct, x.mute = place, status, 0, 0
	x.path, x.pending = x.path[:0], x.pending[:0]
	x.names.begin()
}

// flush yields what a body held. Nothing is yielded before a body was read to
// its end: half a document is none.
func (x *Extractor) flush(yield func(Param)) {
	for i := range x.pending {
		yield(x.pending[i])
	}
	clear(x.pending) // the values would hold the body
	x.pending = x.pending[:0]
}

// drop forgets what was found of a body that turned out not to be valid.
func (x *Extractor) drop() {
	clear(x.pending)
	x.pending = x.pending[:0]
	x.path, x.mute = x.path[:0], 0
}

// push appends a member to the path and gives what pop needs.
func (x *Extractor) push(member string) (base int) {
	base = len(x.path)
	if x.mute > 0 || base+1+len(member) > MaxName {
		x.mute++
		return base
	}
	if base > 0 {
		x.path = append(x.path, '#')
	}
	x.path = append(x.path, member...)
	return base
}

func (x *Extractor) pop(base int) {
	if x.mute > 0 {
		x.mute--
		return
	}
	x.path = x.path[:base]
}

// add notes a value at the path.
func (x *Extractor) add(value string, kind Kind) {
	if x.mute > 0 || len(x.pending) >= MaxValues {
		x.skipped++
		return
	}
	name := x.names.find(x.path)
	if name == nil || !x.names.seen(name) {
		// Only a name that counts is made: a body may have a million members.
		if x.distinct == MaxParams {
			x.skipped++
			return
		}
		x.distinct++
		name = x.names.get(x.path)
		x.names.mark(name)
	}
	x.pending = append(x.pending, Param{Place: x.place, Status: x.status, Name: name.text, Value: cut(value), Kind: kind})
}
