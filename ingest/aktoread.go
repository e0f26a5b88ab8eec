package ingest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"harken/har"
)

// parseAkto fills the header of r from the flat form, and refuses what its
// readers refuse.
func (r *Record) parseAkto(m *message) error {
	for _, id := range [...]field{
		fieldPath, fieldMethod, fieldType, fieldStatus, fieldIP, fieldDestIP, fieldAccount,
		fieldRequestPayload, fieldResponsePayload, fieldRequestHeaders, fieldResponseHeaders,
		fieldTag, fieldTags, fieldSource, fieldConnectionType, fieldEvents, fieldHeaders, fieldXID,
	} {
		if raw := m.f[id]; len(raw) > 0 && raw[0] != '"' && raw[0] != 'n' {
			return fmt.Errorf("%s: not a string", fieldNames[id])
		}
	}
	socket := m.isSocket()
	for _, id := range [...]field{fieldPath, fieldMethod} {
		if text, err := m.text(id); err != nil {
			return err
		} else if len(text) == 0 && (id == fieldPath || !socket) {
			return fmt.Errorf("%s: missing or empty", fieldNames[id])
		}
	}
	if code, given, ok := m.number(fieldStatusCode); !given && !socket {
		return errors.New("statusCode: missing")
	} else if given && (!ok || code < 0 || code > 999) {
		return errors.New("statusCode: not a number from 0 to 999")
	}
	if raw := m.f[fieldPending]; len(raw) > 0 && (raw[0] == 't' || raw[0] == 'f') {
		return errors.New("is_pending: a boolean, want a string")
	}
	sec, given, ok := m.number(fieldTime)
	if given && !ok || sec < 0 || sec > 1<<38 {
		return errors.New("time: not a number of seconds")
	}
	if sec > 0 {
		r.Time = time.Unix(sec, 0).UTC()
	}
	host := ""
	err := m.eachHeader(m.requestHeaders(), func(name, value []byte) {
		if strings.EqualFold(string(name), "host") {
			host = string(value)
		}
	})
	if err == nil {
		err = m.eachHeader(fieldResponseHeaders, func(_, _ []byte) {})
	}
	if err != nil {
		return err
	}
	return r.parseAktoIdentity(m, host)
}

func (r *Record) parseAktoIdentity(m *message, host string) error {
	path, _ := m.text(fieldPath) // checked before
	if a := m.lenient(fieldXAuthority); a != "" {
		host = a
	}
	if scheme := m.lenient(fieldXScheme); scheme != "" {
		if _, _, _, absolute := splitURL(path); !absolute {
			path = []byte(scheme + "://" + host)
		}
	}
	var buf [256]byte
	r.Host = keepText(r.Host, appendHost(buf[:0], host, path))
	account, _ := m.text(fieldAccount)
	source, _ := m.text(fieldSource)
	if sourceName(source) == "OTHER" {
		if x := m.lenient(fieldXSource); sourceName([]byte(x)) != "" {
			source = []byte(or(x, string(source)))
		}
	}
	n, _, _ := m.number(fieldCollection)
	r.Collection = clampInt32(n)
	r.ID, _ = ParseID(m.lenient(fieldXID))
	for t := range strings.SplitSeq(m.lenient(fieldXFlags), ",") {
		r.Flags |= parseFlag([]byte(t))
	}
	if m.lenient(fieldPending) == "true" {
		r.Flags |= Pending
	}
	r.Flags |= m.truncated()
	return r.setHeader(account, source, []byte(m.lenient(fieldDirection)))
}

// truncated returns which bodies were left out.
func (m *message) truncated() (f Flags) {
	if m.lenient(fieldXTruncated) != "true" {
		return 0
	}
	if _, given, _ := m.number(fieldXRequestBytes); given {
		f |= RequestTruncated
	}
	if _, given, _ := m.number(fieldXResponseBytes); given {
		f |= ResponseTruncated
	}
	return f
}

// lenient returns a string or a number as text, "" for anything else.
func (m *message) lenient(id field) string {
	raw := m.f[id]
	switch {
	case len(raw) == 0 || raw[0] == 'n' || raw[0] == '{' || raw[0] == '[':
		return ""
	case raw[0] != '"':
		return string(raw)
	}
	s := jsonScanner{b: raw}
	t, _ := s.text() // checked before
	return string(t)
}

// eachHeader walks over the headers, which are a JSON object inside a string.
// Values that are not strings are given as they are written.
func (m *message) eachHeader(id field, yield func(name, value []byte)) error {
	text, err := m.text(id)
	if err != nil || len(text) == 0 || string(text) == "null" {
		return err
	}
	s := jsonScanner{b: text}
	var name []byte
	err = s.document(func(n []byte) error {
		name = n
		switch s.kind() {
		case '"':
			v, err := s.text()
			if err == nil {
				yield(name, v)
			}
			return err
		case 'n':
			return fmt.Errorf("value of %.40q is null", name)
		}
		v, err := s.skip()
		if err == nil {
			yield(name, v)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", fieldNames[id], err)
	}
	return nil
}

func decodeAkto(r *Record, e *har.Entry) error {
	var m message
	if err := m.scan(r.Data); err != nil {
		return err
	}
	*e = har.Entry{
		Started: r.Time, Time: -1,
		Timings: har.Timings{Blocked: -1, DNS: -1, Connect: -1, SSL: -1, Send: -1, Wait: -1, Receive: -1},
	}
	version := m.lenient(fieldType)
	if m.isSocket() {
		version = "HTTP/1.1"
		e.WebSocketMessages = m.messages()
	}
	if err := decodeAktoRequest(&m, &e.Request, version); err != nil {
		return err
	}
	if err := decodeAktoResponse(&m, &e.Response, version); err != nil {
		return err
	}
	e.Harken = aktoMeta(&m, r)
	server := e.Harken.Server
	if host, _, err := net.SplitHostPort(server); err == nil {
		server = host
	}
	e.ServerIPAddress = server
	return nil
}

func aktoMeta(m *message, r *Record) *har.Meta {
	meta := &har.Meta{
		Account: r.Account, Collection: r.Collection, Source: r.Source, Direction: r.Direction,
		Client: known(m.lenient(fieldIP)), Server: known(m.lenient(fieldDestIP)),
		Flags: r.Flags.Texts(), Error: m.lenient(fieldXError),
	}
	if !r.ID.IsZero() {
		meta.ID = r.ID.String()
	}
	meta.RequestBytes, _, _ = m.number(fieldXRequestBytes)
	meta.ResponseBytes, _, _ = m.number(fieldXResponseBytes)
	id := fieldTag
	if m.lenient(fieldTag) == "" {
		id = fieldTags // the name that the other consumer reads
	}
	// Labels that cannot be read are no reason to lose the record.
	_ = m.eachHeader(id, func(name, value []byte) {
		if meta.Tags == nil {
			meta.Tags = map[string]string{}
		}
		meta.Tags[string(name)] = string(value)
	})
	return meta
}

func known(addr string) string {
	if addr == "null" {
		return ""
	}
	return addr
}

func decodeAktoRequest(m *message, q *har.Request, version string) error {
	q.Method, q.HTTPVersion, q.HeadersSize, q.BodySize = strings.ToUpper(m.lenient(fieldMethod)), version, -1, -1
	var err error
	if q.Method == "" {
		q.Method = http.MethodGet // of a WebSocket
	}
	if q.Headers, err = m.headers(m.requestHeaders(), fieldXRequestMulti); err != nil {
		return err
	}
	q.URL = aktoURL(m, q.Headers, version)
	_, query, _ := strings.Cut(q.URL, "?")
	q.QueryString = queryPairs(query)
	contentType := headerValue(q.Headers, "content-type")
	body := m.body(fieldRequestPayload, fieldXRequestEncoding, contentType)
	if len(body) > 0 {
		q.PostData = &har.PostData{MimeType: contentType, Body: body}
	}
	return nil
}

func decodeAktoResponse(m *message, p *har.Response, version string) error {
	code, given, ok := m.number(fieldStatusCode)
	if !given && m.isSocket() {
		code, ok = http.StatusSwitchingProtocols, true
	}
	if !ok || code < 0 || code > 999 {
		return errors.New("statusCode: not a status")
	}
	p.Status, p.HTTPVersion, p.HeadersSize, p.BodySize = int(code), version, -1, -1
	text := m.lenient(fieldStatus)
	if rest, ok := strings.CutPrefix(text, m.lenient(fieldStatusCode)); ok && (rest == "" || rest[0] == ' ') {
		text = strings.TrimSpace(rest)
	}
	p.StatusText = text
	var err error
	if p.Headers, err = m.headers(fieldResponseHeaders, fieldXResponseMulti); err != nil {
		return err
	}
	p.RedirectURL = headerValue(p.Headers, "location")
	p.Content.MimeType = headerValue(p.Headers, "content-type")
	p.Content.Body = m.body(fieldResponsePayload, fieldXResponseEncoding, p.Content.MimeType)
	p.Content.Size = int64(len(p.Content.Body))
	if n, given, _ := m.number(fieldXResponseBytes); given {
		p.Content.Size = max(n, p.Content.Size)
	}
	return nil
}

// headers returns the fields of one side; those whose values are listed in multi
// once for each value.
func (m *message) headers(id, multi field) ([]har.Header, error) {
	lists := map[string][]string{}
	// An extension that cannot be read is passed over.
	_ = m.eachHeader(multi, func(name, value []byte) {
		if len(value) == 0 || value[0] != '[' {
			return
		}
		s := jsonScanner{b: value}
		_ = s.array(func() error {
			if s.kind() != '"' {
				_, err := s.skip()
				return err
			}
			t, err := s.text()
			lists[string(name)] = append(lists[string(name)], string(t))
			return err
		})
	})
	var hs []har.Header
	err := m.eachHeader(id, func(name, value []byte) {
		n := strings.ToLower(string(name))
		if list := lists[n]; len(list) > 0 {
			for _, v := range list {
				hs = append(hs, har.Header{Name: n, Value: v})
			}
			delete(lists, n)
			return
		}
		hs = append(hs, har.Header{Name: n, Value: string(value)})
	})
	return hs, err
}

// requestHeaders is the field of the request headers, which has another name where
// frames of WebSockets are.
func (m *message) requestHeaders() field {
	if m.f[fieldRequestHeaders] == nil && m.f[fieldHeaders] != nil {
		return fieldHeaders
	}
	return fieldRequestHeaders
}

// aktoURL makes the URL absolute. The form does not tell the scheme of what was
// captured; without our extension it is a guess.
func aktoURL(m *message, hs []har.Header, version string) string {
	path := m.lenient(fieldPath)
	path, _, _ = strings.Cut(path, "#")
	if _, _, _, absolute := splitURL(path); absolute {
		return path
	}
	host := or(m.lenient(fieldXAuthority), headerValue(hs, "host"))
	scheme := m.lenient(fieldXScheme)
	if scheme == "" {
		forwarded, _, _ := strings.Cut(headerValue(hs, "x-forwarded-proto"), ",")
		switch forwarded = strings.ToLower(strings.TrimSpace(forwarded)); {
		case forwarded == "http" || forwarded == "https":
			scheme = forwarded
		case strings.HasSuffix(host, ":443") || strings.HasPrefix(version, "HTTP/2"):
			scheme = "https"
		default:
			scheme = "http"
		}
		if m.isSocket() {
			scheme = "ws" + strings.TrimPrefix(scheme, "http")
		}
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return scheme + "://" + host + path
}

// queryPairs splits a query and decodes its parts where that is possible.
func queryPairs(query string) []har.Header {
	var pairs []har.Header
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if s, err := url.QueryUnescape(name); err == nil {
			name = s
		}
		if s, err := url.QueryUnescape(value); err == nil {
			value = s
		}
		pairs = append(pairs, har.Header{Name: name, Value: value})
	}
	return pairs
}

// body returns the bytes of a payload: base64 where our extension says so and for
// gRPC, the bytes of the ISO 8859-1 view of multipart, else the text.
func (m *message) body(id, encoding field, contentType string) []byte {
	text := m.lenient(id)
	if text == "" {
		return nil
	}
	switch {
	case m.lenient(encoding) == "base64" || isGRPC(contentType):
		if b, err := base64.StdEncoding.DecodeString(text); err == nil {
			return b
		}
	case isMultipart(contentType):
		b := make([]byte, 0, len(text))
		for _, c := range text {
			if c > 0xff {
				return []byte(text) // from a producer that does not know the rule
			}
			b = append(b, byte(c)) //nolint:gosec // at most 0xff
		}
		return b
	}
	return []byte(text)
}
