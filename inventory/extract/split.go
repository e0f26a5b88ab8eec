package extract

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"harken/har"
)

// A Part is a request within the request of an entry: one field of a GraphQL
// operation, or one call of JSON-RPC. It shares memory with the entry.
type Part struct {
	// URL is that of the entry with what tells the part from others appended to
	// its path: "/query/Q/user" for the field user of the query Q, "/tools/list"
	// for the method of a call. The query is kept.
	URL string

	call    string      // the JSON of a call
	rest    []rawMember // the members of a GraphQL request beside its document
	leaves  []leaf      // what the field selects, and the arguments
	request *graphRequest
}

// A rawMember is a member of a JSON object, its value not parsed.
type rawMember struct{ name, value string }

// The limits of splitting. What is beyond them is not made a part of, and counted
// by Skipped.
const (
	// MaxParts is the number of parts of one entry. It is smaller where body and
	// response are large: each part goes with the response once more.
	MaxParts = 50

	maxPartBytes = 64 << 20 // of all parts of an entry, with their responses
	maxMethod    = 128      // bytes of the method of a call
)

// Split gives the parts of an entry whose request is one of GraphQL (the URL
// contains "graph", and the body or the parameter query is a valid document) or
// of JSON-RPC (the URL contains "mcp", "sse" or "message"; alone or in an array).
// For all other entries, which have to be taken as they are, it gives nil and
// does not allocate.
//
// The parameters of a part are found by Part: those of a field are its leaves
// ("query.user.name", true), its arguments ("query.user.__args.id", the value or
// that of the variable) and what else the request holds ("variables#id").
func (x *Extractor) Split(e *har.Entry) []Part {
	base, query, _ := strings.Cut(e.Request.URL, "?")
	graph := strings.Contains(base, "graph")
	rpc := strings.Contains(base, "mcp") || strings.Contains(base, "sse") || strings.Contains(base, "message")
	if !graph && !rpc {
		return nil
	}
	var body []byte
	if p := e.Request.PostData; p != nil && !cutRequest(e) {
		body = p.Body
	}
	if len(body) > MaxBody {
		return nil
	}
	s := splitter{x: x, url: e.Request.URL, limit: max(1, min(MaxParts, maxPartBytes/(1+len(body)+len(e.Response.Content.Body))))}
	if rpc && bytes.Contains(body, []byte("jsonrpc")) {
		s.calls(body)
	}
	if graph && len(s.parts) == 0 {
		if bytes.Contains(body, []byte("query")) || len(body) > 0 && isGraphQL(e) {
			s.graphBody(e, body)
		} else if len(body) == 0 && strings.Contains(query, "query=") {
			s.graphQuery(query)
		}
	}
	return s.parts
}

func cutRequest(e *har.Entry) bool {
	return e.Harken != nil && (slices.Contains(e.Harken.Flags, har.FlagGap) || slices.Contains(e.Harken.Flags, har.FlagRequestTruncated))
}

// isGraphQL reports a body that is a document itself.
func isGraphQL(e *har.Entry) bool { return hasType(e, "application/graphql") }

func hasType(e *har.Entry, name string) bool {
	t := value(e.Request.Headers, "content-type")
	if t == "" {
		t = e.Request.PostData.MimeType
	}
	return len(t) >= len(name) && strings.EqualFold(t[:len(name)], name)
}

// A splitter makes the parts of one entry.
type splitter struct {
	x     *Extractor
	url   string
	limit int
	parts []Part
	work  int // leaves and nodes of selections that were visited
}

func (s *splitter) add(p Part) {
	if len(s.parts) == s.limit {
		s.x.skipped++
		return
	}
	s.parts = append(s.parts, p)
}

// at appends to the path of the URL.
func (s *splitter) at(suffix string) string {
	i := strings.IndexAny(s.url, "?#")
	if i < 0 {
		i = len(s.url)
	}
	return strings.TrimSuffix(s.url[:i], "/") + suffix + s.url[i:]
}

// maxElementsOf is how many elements of an array of requests are looked at, and
// how many members of a request.
const maxElementsOf = 1000

// objects gives the object that a body is, or the objects in the array that it is.
func (x *Extractor) objects(body []byte) []json.RawMessage {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\uFEFF")))
	if len(body) == 0 || !json.Valid(body) {
		return nil
	}
	switch body[0] {
	case '{':
		return []json.RawMessage{body}
	case '[':
		var list []json.RawMessage
		dec := json.NewDecoder(bytes.NewReader(body))
		_, _ = dec.Token() // it is valid
		for dec.More() {
			var raw json.RawMessage
			if len(list) == maxElementsOf {
				x.skipped++
				return list
			}
			if dec.Decode(&raw) != nil {
				return nil
			}
			list = append(list, raw)
		}
		return list
	}
	return nil
}

// membersOf gives the members of a JSON object, at most so many. Of those with the
// same name the last counts.
func (x *Extractor) membersOf(raw []byte) map[string]json.RawMessage {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	all := map[string]json.RawMessage{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil
		}
		text, _ := name.(string)
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return nil
		}
		if _, known := all[text]; !known && len(all) == maxElementsOf {
			x.skipped++
			return all
		}
		all[text] = v
	}
	return all
}

// calls adds the calls of JSON-RPC. What has no method is an answer.
func (s *splitter) calls(body []byte) {
	for _, raw := range s.x.objects(bytes.ToValidUTF8(body, []byte("\uFFFD"))) {
		if len(s.parts) == s.limit {
			s.x.skipped++ // without having parsed it
			continue
		}
		var call struct {
			Version any    `json:"jsonrpc"`
			Method  string `json:"method"`
		}
		if json.Unmarshal(raw, &call) != nil || call.Version == nil {
			continue
		}
		if m := strings.Trim(call.Method, "/"); isMethod(m) {
			s.add(Part{URL: s.at("/" + m), call: string(raw)})
		}
	}
}

// isMethod reports what can stand in a path as it is.
func isMethod(m string) bool {
	for i := range len(m) {
		c := m[i]
		if ('a' > c|0x20 || c|0x20 > 'z') && ('0' > c || c > '9') && strings.IndexByte("_-./$:", c) < 0 {
			return false
		}
	}
	return m != "" && len(m) <= maxMethod
}

// part adds the parameters of the request of a part.
func (x *Extractor) part(p *Part) {
	if p.call != "" {
		x.json(p.call)
		return
	}
	for _, m := range p.rest {
		base := x.push(member(m.name))
		x.raw(m.value)
		x.pop(base)
	}
	for i := range p.leaves {
		l := &p.leaves[i]
		base := x.push(l.name)
		if l.value == nil {
			x.add("true", Bool)
		} else {
			x.graphValue(l.value, p.request)
		}
		x.pop(base)
	}
}

// raw adds any JSON value at the path.
func (x *Extractor) raw(s string) {
	p := scanner{x: x, s: strings.TrimSpace(s)}
	m := x.mark()
	x.finish(m, p.value(0) && p.end())
}
