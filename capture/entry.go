package capture

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"harken/har"
	"harken/ingest"
	"harken/internal/glob"
)

// maxErrorText bounds _harken.error.
const maxErrorText = 1 << 10

// Entry returns the exchange as a HAR entry, and its flags: those of the
// exchange, and what became of the bodies. The entry has no identity yet (id,
// account, collection, tags), and shares the memory of the exchange, so it must
// not be used after the exchange was observed.
//
// Sizes of HAR keep the truth of the wire: bodySize is what was transferred,
// encoded as it was. content.size is the length after decoding if it is known,
// also when less is kept, else the length of what is kept. When the record's
// body was cut, _harken has the true length: decoded if known, else as
// transferred.
//
// If the server gave no response, the status is 0 also when the proxy itself
// answered the client: the error says why, and the comment what the client got.
// The flag aborted is the observer's to set, as only it knows whether a server
// refused or a client gave up; it is added to a response that ended with an Err.
func (x *Exchange) Entry() (*har.Entry, ingest.Flags) {
	return new(maker).entry(x)
}

// A maker makes entries. What it returns is valid until its next use.
type maker struct {
	dec     decoder
	e       har.Entry
	meta    har.Meta
	post    har.PostData
	flags   ingest.Flags
	codings []string
	texts   map[netip.AddrPort]addressText
}

// An addressText is an address as records have it. Making the texts of the same
// few addresses for every exchange was a tenth of what recording allocated.
type addressText struct{ whole, host string }

// maxTexts bounds the texts that are kept.
const maxTexts = 256

func (m *maker) address(a netip.AddrPort) addressText {
	if !a.IsValid() {
		return addressText{}
	}
	if t, ok := m.texts[a]; ok {
		return t
	}
	if m.texts == nil || len(m.texts) >= maxTexts {
		m.texts = make(map[netip.AddrPort]addressText)
	}
	ip := a.Addr().Unmap()
	t := addressText{whole: netip.AddrPortFrom(ip, a.Port()).String(), host: ip.WithZone("").String()}
	m.texts[a] = t
	return t
}

func (m *maker) entry(x *Exchange) (*har.Entry, ingest.Flags) {
	m.dec.trim()
	m.flags = x.Flags
	server := m.address(x.Server)
	m.meta = har.Meta{
		Source: orElse(x.Source, "MIRRORING"), Direction: orElse(x.Direction, "1"),
		Client: m.address(x.Client).whole, Server: server.whole, TLS: x.TLS,
	}
	m.e = har.Entry{
		Started: x.Started, Time: x.Total, Timings: x.Timings,
		Connection: x.Connection, WebSocketMessages: x.WebSocket, Harken: &m.meta,
		ServerIPAddress: server.host,
	}
	if x.Err != nil {
		m.fail("", x.Err)
	}
	if x.Err != nil && x.Status != 0 {
		m.flags |= ingest.Aborted
	}
	if x.Status == 0 && x.Answered != 0 {
		m.e.Comment = "no response from the server; the proxy answered " + strconv.Itoa(x.Answered)
	}
	m.request(x)
	m.response(x)
	m.meta.Flags = m.flags.Texts()
	return &m.e, m.flags
}

func (m *maker) request(x *Exchange) {
	msg := &x.Request
	r := &m.e.Request
	*r = har.Request{
		Method: x.Method, URL: requestURL(x), HTTPVersion: msg.Proto,
		Headers: header(msg), HeadersSize: headerSize(msg), BodySize: msg.Body.Size(),
	}
	if _, query, ok := strings.Cut(r.URL, "?"); ok {
		r.QueryString = har.ParseQuery(query)
	}
	r.Cookies = har.RequestCookies(msg.Header)
	if r.BodySize == 0 || m.flags&ingest.Passthrough != 0 {
		return
	}
	m.post = har.PostData{MimeType: field(msg.Header, "content-type")}
	r.PostData = &m.post
	b := m.body(0, msg)
	m.post.Body = b.body
	if b.short {
		m.flags |= ingest.RequestTruncated
		m.meta.RequestBytes = trueSize(b, r.BodySize)
	}
}

func (m *maker) response(x *Exchange) {
	msg := &x.Response
	r := &m.e.Response
	*r = har.Response{
		Status: x.Status, StatusText: x.StatusText, HTTPVersion: msg.Proto,
		Headers: header(msg), HeadersSize: headerSize(msg), BodySize: msg.Body.Size(),
	}
	if m.flags&ingest.Passthrough != 0 {
		return
	}
	if x.Status == 0 && msg.Body == nil {
		r.BodySize = -1
		return
	}
	r.Cookies = har.ResponseCookies(msg.Header, x.Started.Add(max(0, x.Total)))
	r.RedirectURL = field(msg.Header, "location")
	r.Content.MimeType = field(msg.Header, "content-type")
	if r.BodySize == 0 {
		return
	}
	b := m.body(1, msg)
	r.Content.Body = b.body
	r.Content.Size = b.size
	if b.size < 0 {
		r.Content.Size = int64(len(b.body))
	}
	if b.short {
		m.flags |= ingest.ResponseTruncated
		m.meta.ResponseBytes = trueSize(b, r.BodySize)
	}
}

// body decodes the body of a message. The result is short if the record has not
// all of it.
func (m *maker) body(which int, msg *Message) decoded {
	raw, size := msg.Body.Bytes(), msg.Body.Size()
	cut := int64(len(raw)) < size
	m.codings = codings(m.codings[:0], msg.Header)
	if len(m.codings) == 0 || len(raw) == 0 {
		return decoded{body: raw, size: size, short: cut}
	}
	b := m.dec.decode(which, m.codings, raw, msg.Body.limit)
	if b.err != nil {
		m.flags |= ingest.Undecoded
		m.fail([2]string{"request body: ", "response body: "}[which], b.err)
		return decoded{body: raw, size: size, short: cut}
	}
	if cut {
		b.size, b.short = -1, true
	}
	if len(b.body) == 0 {
		b.body = nil
	}
	return b
}

// dropLarger takes the larger body out of the entry, the response's together with
// WebSocket messages, and reports whether there was one. It is for records that are larger than may be.
func (m *maker) dropLarger() bool {
	c := &m.e.Response.Content
	req, resp := int64(len(m.post.Body)), int64(len(c.Body))
	for i := range m.e.WebSocketMessages {
		resp += int64(len(m.e.WebSocketMessages[i].Data))
	}
	if m.e.Request.PostData == nil {
		req = 0
	}
	switch {
	case req == 0 && resp == 0:
		return false
	case req > resp:
		m.post.Body = nil
		m.flags |= ingest.RequestTruncated
		m.meta.RequestBytes = max(m.meta.RequestBytes, req)
	default:
		m.meta.ResponseBytes = max(m.meta.ResponseBytes, int64(len(c.Body)))
		c.Body, m.e.WebSocketMessages = nil, nil
		m.flags |= ingest.ResponseTruncated
	}
	m.meta.Flags = m.flags.Texts()
	return true
}

// fail adds err to the entry's error.
func (m *maker) fail(what string, err error) {
	text := what + err.Error()
	if m.meta.Error != "" {
		text = m.meta.Error + "; " + text
	}
	m.meta.Error = strings.ToValidUTF8(text[:min(len(text), maxErrorText)], "")
}

// requestURL returns the absolute URL.
func requestURL(x *Exchange) string {
	if x.Flags&ingest.Passthrough == 0 {
		// A "#" that a client sent as it is belongs to what the server saw; as a
		// fragment it would be cut off.
		return har.JoinURL(x.Scheme, x.Host, strings.ReplaceAll(x.Target, "#", "%23"))
	}
	// The port is all that a reader can tell tunnels to one host apart by.
	if _, port := glob.SplitPort(x.Host); port == "" {
		return "https://" + x.Host + ":443/"
	}
	return "https://" + x.Host + "/"
}

// header returns the headers and trailers of a message.
func header(msg *Message) []har.Header {
	if len(msg.Trailer) == 0 {
		return msg.Header
	}
	return slices.Concat(msg.Header, msg.Trailer)
}

func headerSize(msg *Message) int64 {
	if msg.HeaderSize <= 0 {
		return -1
	}
	return msg.HeaderSize
}

// trueSize returns the length of a body whose record was cut.
func trueSize(b decoded, wire int64) int64 {
	if b.size >= 0 {
		return b.size
	}
	return wire
}

func field(header []har.Header, name string) string {
	v, _ := har.HeaderValue(header, name)
	return v
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// recordHost returns the host as records have it: lower-cased, with its port
// unless that is the scheme's default.
func recordHost(x *Exchange) string {
	host := strings.ToLower(x.Host)
	name, port := glob.SplitPort(host)
	if port == "443" && x.Scheme == "https" || port == "80" && x.Scheme == "http" {
		return name
	}
	return host
}
