package ingest

import (
	"bytes"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
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
func AppendAkto(dst []byte, r *Record) ([]byte, error) { return new(AktoEncoder).Append(dst, r) }

// An AktoEncoder writes records in the form of AppendAkto. It uses the memory that
// one takes for the next, and is for one goroutine; the zero value is ready.
type AktoEncoder struct {
	decoder har.Decoder
	entry   har.Entry
	w       aktoWriter
}

// Append is AppendAkto.
func (a *AktoEncoder) Append(dst []byte, r *Record) ([]byte, error) {
	if r.Form == FormAkto {
		return append(dst, r.Data...), nil
	}
	if err := a.decoder.Decode(r.Data, &a.entry); err != nil {
		return dst, err
	}
	return a.w.record(dst, r, &a.entry), nil
}

// AppendStored appends the record in data, which is of either form. It is for what
// ParseRecord took when it came: the syntax that DecodeEntry does not look at is
// not checked again. received stands in for the time of an entry without one.
func (a *AktoEncoder) AppendStored(dst, data []byte, received time.Time) ([]byte, error) {
	if a.decoder.Decode(data, &a.entry) == nil && a.entry.Request.Method != "" {
		if r, ok := headerOf(&a.entry); ok {
			r.Time = received
			return a.w.record(dst, &r, &a.entry), nil
		}
	}
	r, err := ParseRecord(data)
	if err != nil {
		return dst, err
	}
	return a.Append(dst, r)
}

// headerOf returns what the form shows of the header that Parse makes of an entry,
// false where Parse would refuse it.
func headerOf(e *har.Entry) (Record, bool) {
	m := e.Harken
	if m == nil {
		m = &har.Meta{}
	}
	source := sourceName(m.Source)
	ok := source != "" && checkAccount(m.Account) == nil
	return Record{Account: m.Account, Collection: m.Collection, Source: source, Direction: direction(m.Direction)}, ok
}

type aktoWriter struct {
	b         []byte // what is written so far
	inner     []byte // a value that is put together before it is quoted
	req, resp names
}

// keptSize is how much memory a rare value may need without its being kept for ever.
const keptSize = 256 << 10

// record appends e, which is the entry of r.
func (w *aktoWriter) record(dst []byte, r *Record, e *har.Entry) []byte {
	m := e.Harken
	if m == nil {
		m = &har.Meta{}
	}
	flags := r.Flags | ParseFlags(m.Flags)
	scheme, authority, rest, absolute := splitURL(e.Request.URL)
	w.b = dst
	w.b = append(w.b, '{')
	w.target(r, e, rest)
	w.set(fieldMethod, strings.ToUpper(e.Request.Method))
	w.set(fieldType, aktoType(e))
	reqType := headerValue(e.Request.Headers, "content-type")
	if p := e.Request.PostData; reqType == "" && p != nil {
		reqType = p.MimeType
	}
	w.req.read(e.Request.Headers)
	w.headers(fieldRequestHeaders, e.Request.Headers, &w.req, reqType, authority)
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
	w.resp.read(e.Response.Headers)
	w.headers(fieldResponseHeaders, e.Response.Headers, &w.resp, respType, "")
	// What a side gave up in the middle is not a whole document either.
	cut = flags&(ResponseTruncated|Gap|Aborted) != 0
	respCut := w.body(fieldResponsePayload, fieldXResponseEncoding, e.Response.Content.Body, respType, cut)
	w.status(r, &e.Response)
	t := e.Started
	if t.IsZero() {
		t = r.Time
	}
	w.setInt(fieldTime, max(t.Unix(), 0))
	w.peers(e, m)
	w.identity(r, flags)
	w.tags(m.Tags)
	w.optional(fieldXID, m.ID)
	if absolute {
		w.set(fieldXScheme, scheme)
		if !strings.EqualFold(headerValue(e.Request.Headers, "host"), authority) {
			w.set(fieldXAuthority, authority)
		}
	}
	w.optional(fieldXFlags, strings.Join(flags.Texts(), ","))
	if reqCut || respCut {
		w.set(fieldXTruncated, "true")
	}
	if reqCut {
		w.setInt(fieldXRequestBytes, max(m.RequestBytes, int64(len(body))))
	}
	if respCut {
		w.setInt(fieldXResponseBytes, max(m.ResponseBytes, e.Response.Content.Size, int64(len(e.Response.Content.Body))))
	}
	w.multi(fieldXRequestMulti, e.Request.Headers, &w.req)
	w.multi(fieldXResponseMulti, e.Response.Headers, &w.resp)
	w.optional(fieldXError, m.Error)
	w.b = append(w.b, '}')
	out := w.b
	w.b = nil // it is the caller's
	if cap(w.inner) > keptSize {
		w.inner = nil
	}
	return out
}

// name begins a member. All but the first, which is path, have one before them.
func (w *aktoWriter) name(id field) {
	if id != fieldPath {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, fieldNames[id]...)
	w.b = append(w.b, '"', ':')
}

func (w *aktoWriter) set(id field, v string) {
	w.name(id)
	w.b = har.AppendString(w.b, v)
}

func (w *aktoWriter) setInt(id field, n int64) {
	w.name(id)
	w.b = append(w.b, '"')
	w.b = strconv.AppendInt(w.b, n, 10)
	w.b = append(w.b, '"')
}

// setInner sets a member to the text in w.inner.
func (w *aktoWriter) setInner(id field) {
	w.name(id)
	w.b = har.AppendString(w.b, w.inner)
}

func (w *aktoWriter) optional(id field, v string) {
	if v != "" {
		w.set(id, v)
	}
}

// target writes the path: origin form for what was captured, so that the sniffed
// and the proxied request are one endpoint; the absolute URL for imports.
func (w *aktoWriter) target(r *Record, e *har.Entry, rest string) {
	if imported(r.Source) {
		w.set(fieldPath, e.Request.URL)
		return
	}
	if rest == "" || rest[0] == '?' {
		rest = "/" + rest
	}
	w.set(fieldPath, rest)
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
	code := int64(max(p.Status, 0))
	w.setInt(fieldStatusCode, code)
	if imported(r.Source) {
		w.set(fieldStatus, p.StatusText)
		return
	}
	w.inner = append(strconv.AppendInt(w.inner[:0], code, 10), ' ')
	w.inner = bytes.TrimSpace(append(w.inner, p.StatusText...))
	w.setInner(fieldStatus)
}

func (w *aktoWriter) peers(e *har.Entry, m *har.Meta) {
	w.set(fieldIP, or(m.Client, "null")) // the reference's word for unknown
	w.set(fieldDestIP, e.Server())
}

func (w *aktoWriter) identity(r *Record, flags Flags) {
	w.set(fieldDirection, or(r.Direction, "1"))
	w.set(fieldAccount, or(r.Account, defaultAccount))
	w.setInt(fieldCollection, int64(max(r.Collection, 0)))
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
		w.inner = w.inner[:0]
		for _, c := range body {
			w.inner = utf8.AppendRune(w.inner, rune(c))
		}
		w.setInner(id)
	case !utf8.Valid(body):
		w.base64(id, body)
		w.set(encoding, "base64")
	default:
		w.name(id)
		w.b = har.AppendString(w.b, body)
	}
	return false
}

func (w *aktoWriter) base64(id field, body []byte) {
	w.name(id)
	w.b = append(w.b, '"')
	w.b = base64.StdEncoding.AppendEncode(w.b, body)
	w.b = append(w.b, '"')
}

func isGRPC(contentType string) bool { return contains(contentType, "application/grpc") }

func isMultipart(contentType string) bool { return contains(contentType, "multipart/form-data") }

// contains reports whether a content type has a part, which is lower case, in any
// letter case.
func contains(contentType, part string) bool {
	for i := 0; i+len(part) <= len(contentType); i++ {
		if strings.EqualFold(contentType[i:i+len(part)], part) {
			return true
		}
	}
	return false
}

func headerValue(hs []har.Header, name string) string {
	for _, h := range hs {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// tags writes the labels as a JSON object, sorted, if there are any.
func (w *aktoWriter) tags(tags map[string]string) {
	if len(tags) == 0 {
		return
	}
	w.inner = append(w.inner[:0], '{')
	for i, n := range slices.Sorted(maps.Keys(tags)) {
		if i > 0 {
			w.inner = append(w.inner, ',')
		}
		w.inner = append(har.AppendString(w.inner, n), ':')
		w.inner = har.AppendString(w.inner, tags[n])
	}
	w.inner = append(w.inner, '}')
	w.setInner(fieldTag)
}
