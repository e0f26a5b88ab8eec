package ingest

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"harken/har"
)

// A field is a member of a message at its top level that this package knows.
type field int

const (
	fieldRequest field = iota // of a HAR entry
	fieldResponse
	fieldStarted
	fieldHarken
	fieldProbe // of other messages
	fieldGroupName
	fieldVxlanID
	fieldVPCCIDR
	fieldAccountID
	fieldPath // of the flat form
	fieldMethod
	fieldType
	fieldRequestHeaders
	fieldRequestPayload
	fieldResponseHeaders
	fieldResponsePayload
	fieldStatusCode
	fieldStatus
	fieldTime
	fieldIP
	fieldDestIP
	fieldDirection
	fieldAccount
	fieldCollection
	fieldPending
	fieldSource
	fieldTag
	fieldTags
	fieldConnectionType // of WebSockets
	fieldEvents
	fieldHeaders
	fieldXID // our extensions; a reader may pass over all of them
	fieldXScheme
	fieldXAuthority
	fieldXSource
	fieldXFlags
	fieldXTruncated
	fieldXRequestBytes
	fieldXResponseBytes
	fieldXRequestEncoding
	fieldXResponseEncoding
	fieldXRequestMulti
	fieldXResponseMulti
	fieldXError
	numFields
)

var fieldNames = [numFields]string{
	"request", "response", "startedDateTime", "_harken",
	"testConnectionString", "group_name", "vxlanId", "vpc_cidr", "account_id",
	"path", "method", "type", "requestHeaders", "requestPayload", "responseHeaders", "responsePayload",
	"statusCode", "status", "time", "ip", "destIp", "direction", "akto_account_id", "akto_vxlan_id",
	"is_pending", "source", "tag", "tags", "connection_type", "events", "headers",
	"x_id", "x_scheme", "x_authority", "x_source", "x_flags", "x_truncated", "x_requestBytes", "x_responseBytes",
	"x_requestEncoding", "x_responseEncoding", "x_requestHeaders_multi", "x_responseHeaders_multi", "x_error",
}

var fieldIDs = func() map[string]field {
	m := make(map[string]field, numFields)
	for i, n := range fieldNames {
		m[n] = field(i)
	}
	return m
}()

const defaultAccount = "1000000"

// AppendAkto appends r in the flat string form of Akto's traffic message: one
// JSON object in which every value is a string, headers are JSON in a string, and
// what the form cannot say is in members that begin with x_. A record in that form
// already is copied.
func AppendAkto(dst []byte, r *Record) ([]byte, error) {
	if r.Form == FormAkto {
		return append(dst, r.Data...), nil
	}
	var e har.Entry
	if err := r.DecodeEntry(&e); err != nil {
		return dst, err
	}
	return appendAkto(dst, r, &e), nil
}

func appendAkto(dst []byte, r *Record, e *har.Entry) []byte {
	m := e.Harken
	if m == nil {
		m = &har.Meta{}
	}
	flags := r.Flags | ParseFlags(m.Flags)
	scheme, authority, rest, absolute := splitURL([]byte(e.Request.URL))
	w := aktoWriter{b: append(dst, '{')}
	w.target(r, e, rest)
	w.set(fieldMethod, strings.ToUpper(e.Request.Method))
	w.set(fieldType, aktoType(e))
	reqType := headerValue(e.Request.Headers, "content-type")
	if p := e.Request.PostData; reqType == "" && p != nil {
		reqType = p.MimeType
	}
	w.headers(fieldRequestHeaders, e.Request.Headers, reqType, string(authority))
	var body []byte
	if e.Request.PostData != nil {
		body = e.Request.PostData.Body
	}
	cut := flags&(RequestTruncated|Gap) != 0
	reqCut := w.body(fieldRequestPayload, fieldXRequestEncoding, body, reqType, cut)
	respType := headerValue(e.Response.Headers, "content-type")
	if respType == "" {
		respType = e.Response.Content.MimeType
	}
	w.headers(fieldResponseHeaders, e.Response.Headers, respType, "")
	// What a side gave up in the middle is not a whole document either.
	cut = flags&(ResponseTruncated|Gap|Aborted) != 0
	respCut := w.body(fieldResponsePayload, fieldXResponseEncoding, e.Response.Content.Body, respType, cut)
	w.status(r, &e.Response)
	t := e.Started
	if t.IsZero() {
		t = r.Time
	}
	w.set(fieldTime, strconv.FormatInt(max(t.Unix(), 0), 10))
	w.peers(e, m)
	w.identity(r, flags)
	w.optional(fieldTag, tagText(m.Tags))
	w.optional(fieldXID, m.ID)
	if absolute {
		w.set(fieldXScheme, string(scheme))
		if !strings.EqualFold(headerValue(e.Request.Headers, "host"), string(authority)) {
			w.set(fieldXAuthority, string(authority))
		}
	}
	w.optional(fieldXFlags, strings.Join(flags.Texts(), ","))
	if reqCut || respCut {
		w.set(fieldXTruncated, "true")
	}
	if reqCut {
		w.set(fieldXRequestBytes, strconv.FormatInt(trueSize(m.RequestBytes, int64(len(body))), 10))
	}
	if respCut {
		size := max(e.Response.Content.Size, int64(len(e.Response.Content.Body)))
		w.set(fieldXResponseBytes, strconv.FormatInt(trueSize(m.ResponseBytes, size), 10))
	}
	w.multi(fieldXRequestMulti, e.Request.Headers)
	w.multi(fieldXResponseMulti, e.Response.Headers)
	w.optional(fieldXError, m.Error)
	return append(w.b, '}')
}

func trueSize(meta, have int64) int64 { return max(meta, have) }

type aktoWriter struct {
	b    []byte
	some bool
}

func (w *aktoWriter) name(id field) {
	if w.some {
		w.b = append(w.b, ',')
	}
	w.some = true
	w.b = append(w.b, '"')
	w.b = append(w.b, fieldNames[id]...)
	w.b = append(w.b, '"', ':')
}

func (w *aktoWriter) set(id field, v string) {
	w.name(id)
	w.b = appendJSON(w.b, v)
}

func (w *aktoWriter) optional(id field, v string) {
	if v != "" {
		w.set(id, v)
	}
}

// target writes the path: origin form for what was captured, so that the sniffed
// and the proxied request are one endpoint; the absolute URL for imports.
func (w *aktoWriter) target(r *Record, e *har.Entry, rest []byte) {
	if imported(r.Source) {
		w.set(fieldPath, e.Request.URL)
		return
	}
	path := string(rest)
	if path == "" || path[0] == '?' {
		path = "/" + path
	}
	w.set(fieldPath, path)
}

func imported(source string) bool {
	switch source {
	case "HAR", "POSTMAN", "OPEN_API", "BURP", "IMPERVA":
		return true
	}
	return false
}

// aktoType is the protocol; a WebSocket handshake is known by it.
func aktoType(e *har.Entry) string {
	if e.IsWebSocket() && (e.Response.Status == 101 || len(e.WebSocketMessages) > 0) {
		return "WEBSOCKET"
	}
	return e.Request.HTTPVersion
}

// status writes the status text as the sniffer does, "200 OK", and as HAR does for
// imports.
func (w *aktoWriter) status(r *Record, p *har.Response) {
	code := strconv.Itoa(max(p.Status, 0))
	w.set(fieldStatusCode, code)
	if text := p.StatusText; imported(r.Source) {
		w.set(fieldStatus, text)
	} else {
		w.set(fieldStatus, strings.TrimSpace(code+" "+text))
	}
}

func (w *aktoWriter) peers(e *har.Entry, m *har.Meta) {
	client, server := m.Client, m.Server
	if client == "" {
		client = "null" // the reference's word for unknown
	}
	if server == "" {
		server = e.ServerIPAddress
	}
	w.set(fieldIP, client)
	w.set(fieldDestIP, server)
}

func (w *aktoWriter) identity(r *Record, flags Flags) {
	w.set(fieldDirection, or(r.Direction, "1"))
	w.set(fieldAccount, or(r.Account, defaultAccount))
	w.set(fieldCollection, strconv.Itoa(int(max(r.Collection, 0))))
	w.set(fieldPending, strconv.FormatBool(flags&Pending != 0))
	source := or(r.Source, "OTHER")
	// One of the two shipped consumers refuses records of sources that it does
	// not know.
	switch source {
	case "OPEN_API", "BURP", "IMPERVA":
		w.set(fieldSource, "OTHER")
		w.set(fieldXSource, source)
	default:
		w.set(fieldSource, source)
	}
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

// headers writes a header object inside a string: lower-case names, one value
// each. authority fills in for an absent host.
func (w *aktoWriter) headers(id field, hs []har.Header, contentType, authority string) {
	names, values := joinHeaders(hs)
	add := func(name, value string) {
		if value != "" && !slices.Contains(names, name) {
			names, values = append(names, name), append(values, value)
		}
	}
	if id == fieldRequestHeaders {
		add("host", or(headerValue(hs, ":authority"), authority))
		if !slices.Contains(names, "host") { // the form has no record without
			names, values = append(names, "host"), append(values, "")
		}
	}
	if contentType != "x-unknown" {
		add("content-type", contentType)
	}
	inner := []byte{'{'}
	for i, n := range names {
		if i > 0 {
			inner = append(inner, ',')
		}
		inner = append(appendJSON(inner, n), ':')
		inner = appendJSON(inner, values[i])
	}
	w.name(id)
	w.b = appendJSON(w.b, append(inner, '}'))
}

// headerName returns the name under which a field is published, "" if it is not:
// pseudo headers, and names with a space, which are no fields at all.
func headerName(name string) string {
	if name == "" || name[0] == ':' || strings.ContainsAny(name, " \t") {
		return ""
	}
	return strings.ToLower(name)
}

func joinHeaders(hs []har.Header) (names, values []string) {
	for _, h := range hs {
		n := headerName(h.Name)
		if n == "" {
			continue
		}
		i := slices.Index(names, n)
		if i < 0 {
			names, values = append(names, n), append(values, h.Value)
			continue
		}
		switch n {
		case "host": // a joined host would be another host
		case "set-cookie":
			values[i] = h.Value
		case "cookie":
			values[i] += "; " + h.Value
		default:
			values[i] += ", " + h.Value
		}
	}
	return names, values
}

// multi writes the full list of values of repeated fields, if there are any.
func (w *aktoWriter) multi(id field, hs []har.Header) {
	var inner []byte
	for i, h := range hs {
		n := headerName(h.Name)
		same := func(o har.Header) bool { return headerName(o.Name) == n }
		if n == "" || slices.ContainsFunc(hs[:i], same) || !slices.ContainsFunc(hs[i+1:], same) {
			continue
		}
		if inner == nil {
			inner = append(inner, '{')
		} else {
			inner = append(inner, ',')
		}
		inner = append(appendJSON(inner, n), ':', '[')
		for j, o := range hs[i:] {
			if same(o) {
				if j > 0 {
					inner = append(inner, ',')
				}
				inner = appendJSON(inner, o.Value)
			}
		}
		inner = append(inner, ']')
	}
	if inner != nil {
		w.name(id)
		w.b = appendJSON(w.b, append(inner, '}'))
	}
}

// body writes a payload and reports whether it was left out because it was cut:
// half a JSON document would teach the reader parameters that do not exist.
func (w *aktoWriter) body(id, encoding field, body []byte, contentType string, cut bool) bool {
	switch {
	case cut:
		w.set(id, "")
		return true
	case len(body) == 0:
		w.set(id, "")
	case isGRPC(contentType):
		w.base64(id, body)
	case isMultipart(contentType):
		// One character a byte: readers encode it as ISO 8859-1 before parsing.
		w.name(id)
		w.b = appendLatin1(w.b, body)
	case !utf8.Valid(body):
		w.base64(id, body)
		w.set(encoding, "base64")
	default:
		w.name(id)
		w.b = appendJSON(w.b, body)
	}
	return false
}

func (w *aktoWriter) base64(id field, body []byte) {
	w.name(id)
	w.b = append(w.b, '"')
	w.b = base64.StdEncoding.AppendEncode(w.b, body)
	w.b = append(w.b, '"')
}

func appendLatin1(dst, body []byte) []byte {
	dst = append(dst, '"')
	for _, c := range body {
		if c < utf8.RuneSelf {
			dst = appendJSONContent(dst, []byte{c})
		} else {
			dst = utf8.AppendRune(dst, rune(c))
		}
	}
	return append(dst, '"')
}

func isGRPC(contentType string) bool {
	return strings.Contains(strings.ToLower(contentType), "application/grpc")
}

func isMultipart(contentType string) bool {
	return strings.Contains(strings.ToLower(contentType), "multipart/form-data")
}

func headerValue(hs []har.Header, name string) string {
	for _, h := range hs {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// tagText writes the labels as a JSON object, sorted, "" if there are none.
func tagText(tags map[string]string) string {
	if len(tags) == 0 {
		return ""
	}
	names := make([]string, 0, len(tags))
	for n := range tags {
		names = append(names, n)
	}
	slices.Sort(names)
	b := []byte{'{'}
	for i, n := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendJSON(b, n), ':')
		b = appendJSON(b, tags[n])
	}
	return string(append(b, '}'))
}
