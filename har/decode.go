package har

import (
	"encoding/base64"
	"math"
	"slices"
	"time"
	"unicode/utf8"
)

// unknown is what the decoder gives for a time that is missing or negative.
const unknown = time.Duration(-1)

// DecodeEntry reads the one JSON object in b into e, which it overwrites. b is
// neither kept nor changed: what e holds are parts of one copy of b, so that a
// string kept from e keeps the memory of the whole entry (strings.Clone frees
// it). Bodies may be changed in place; they share nothing with the strings.
//
// The decoder is lenient, as files come from everywhere: unknown members are
// passed over; null, and a value of the wrong type, count as absent; a number
// is taken where a string is wanted and the other way round; of repeated members
// the last counts; sizes and times that are absent are -1 and negative. It
// insists only on JSON, and on the type of request, response, request.method,
// request.url and response.status. A base64 body that is not base64 is kept as
// the text that it is, with FlagUndecoded and an error in e.Harken. Errors are
// of type *DecodeError.
func DecodeEntry(b []byte, e *Entry) error { return new(Decoder).Decode(b, e) }

// A Decoder decodes entries one after the other in memory that it uses again. The
// zero value is ready; it is not safe for concurrent use.
type Decoder struct {
	d decoder
}

// maxReused is the memory for one entry beyond which a Decoder gives it back: most
// entries are small, and few are very large.
const maxReused = 1 << 20

// Decode is DecodeEntry, but all that e holds is valid only until the next Decode.
func (r *Decoder) Decode(b []byte, e *Entry) error {
	d := &r.d
	if cap(d.b) > maxReused {
		d.b = nil
	}
	if cap(d.pairs) > maxReused/64 {
		d.pairs = nil
	}
	d.b, d.pairs = append(d.b[:0], b...), d.pairs[:0]
	d.i, d.depth, d.undecoded = 0, 0, ""
	*e = Entry{
		Time:     unknown,
		Request:  unknownRequest,
		Response: unknownResponse,
		Timings:  unknownTimings,
	}
	if err := d.entry(e); err != nil {
		return err
	}
	if d.peek(); d.i < len(d.b) {
		return d.errorf(d.i, "data after the entry")
	}
	if d.undecoded != "" {
		if e.Harken == nil {
			e.Harken = d.newMeta()
		}
		if !slices.Contains(e.Harken.Flags, FlagUndecoded) {
			e.Harken.Flags = append(e.Harken.Flags, FlagUndecoded)
		}
		if e.Harken.Error == "" {
			e.Harken.Error = d.undecoded
		}
	}
	return nil
}

func (d *decoder) newMeta() *Meta {
	d.harken = Meta{}
	return &d.harken
}

// What is taken for a part that is absent.
var (
	unknownRequest  = Request{HeadersSize: -1, BodySize: -1}
	unknownResponse = Response{HeadersSize: -1, BodySize: -1}
	unknownTimings  = Timings{unknown, unknown, unknown, unknown, unknown, unknown, unknown}
)

func (d *decoder) entry(e *Entry) *DecodeError {
	return object(d, e, func(d *decoder, e *Entry, name string) *DecodeError {
		switch name {
		case "startedDateTime":
			return d.time(&e.Started)
		case "time":
			return d.millis(&e.Time)
		case "request":
			e.Request = unknownRequest
			return required(d, &e.Request, (*decoder).request)
		case "response":
			e.Response = unknownResponse
			return required(d, &e.Response, (*decoder).response)
		case "timings":
			e.Timings = unknownTimings
			return optional(d, &e.Timings, (*decoder).timing)
		case "serverIPAddress":
			return d.string(&e.ServerIPAddress)
		case "connection":
			return d.string(&e.Connection)
		case "comment":
			return d.string(&e.Comment)
		case "_webSocketMessages":
			var err *DecodeError
			e.WebSocketMessages, err = array(d, nil, (*decoder).message)
			return err
		case "_harken":
			e.Harken = nil
			if d.peek() != '{' {
				return d.skip()
			}
			e.Harken = d.newMeta()
			return object(d, e.Harken, (*decoder).meta)
		}
		return d.skip()
	})
}

// required reads an object; null counts as absent.
func required[T any](d *decoder, t *T, f func(d *decoder, t *T, name string) *DecodeError) *DecodeError {
	if d.peek() == 'n' {
		return d.skip()
	}
	return object(d, t, f)
}

// optional reads an object; anything else counts as absent.
func optional[T any](d *decoder, t *T, f func(d *decoder, t *T, name string) *DecodeError) *DecodeError {
	if d.peek() != '{' {
		return d.skip()
	}
	return object(d, t, f)
}

func (d *decoder) request(r *Request, name string) *DecodeError {
	switch name {
	case "method":
		return d.requiredString(&r.Method)
	case "url":
		return d.requiredString(&r.URL)
	case "httpVersion":
		return d.string(&r.HTTPVersion)
	case "headers":
		return d.headers(&r.Headers)
	case "queryString":
		return d.headers(&r.QueryString)
	case "cookies":
		return d.cookies(&r.Cookies)
	case "postData":
		r.PostData = nil
		if d.peek() != '{' {
			return d.skip()
		}
		r.PostData = &d.post
		return d.postData(r.PostData)
	case "headersSize":
		return d.size(&r.HeadersSize)
	case "bodySize":
		return d.size(&r.BodySize)
	}
	return d.skip()
}

func (d *decoder) response(r *Response, name string) *DecodeError {
	switch name {
	case "status":
		return d.status(&r.Status)
	case "statusText":
		return d.string(&r.StatusText)
	case "httpVersion":
		return d.string(&r.HTTPVersion)
	case "headers":
		return d.headers(&r.Headers)
	case "cookies":
		return d.cookies(&r.Cookies)
	case "content":
		r.Content = Content{}
		if d.peek() != '{' {
			return d.skip()
		}
		return d.content(&r.Content)
	case "redirectURL":
		return d.string(&r.RedirectURL)
	case "headersSize":
		return d.size(&r.HeadersSize)
	case "bodySize":
		return d.size(&r.BodySize)
	}
	return d.skip()
}

// A body is the members that postData and content have in common. The encoding
// may stand before or behind the text.
type body struct {
	size     int64
	mimeType string
	text     []byte
	encoding string
	params   []Param
}

func (d *decoder) body(b *body, name string) *DecodeError {
	switch name {
	case "size":
		return d.size(&b.size)
	case "mimeType":
		return d.string(&b.mimeType)
	case "text":
		return d.bytes(&b.text)
	case "encoding", "_encoding":
		return d.string(&b.encoding)
	case "params":
		var err *DecodeError
		b.params, err = array(d, nil, func(d *decoder, p *Param) *DecodeError { return optional(d, p, (*decoder).param) })
		return err
	}
	return d.skip()
}

func (d *decoder) postData(p *PostData) *DecodeError {
	b := &d.part
	*b = body{}
	err := object(d, b, (*decoder).body)
	*p = PostData{MimeType: b.mimeType, Params: b.params, Body: d.decoded(b.text, b.encoding, "request.postData.text")}
	return err
}

func (d *decoder) content(c *Content) *DecodeError {
	b := &d.part
	*b = body{size: math.MinInt64}
	err := object(d, b, (*decoder).body)
	*c = Content{Size: b.size, MimeType: b.mimeType, Body: d.decoded(b.text, b.encoding, "response.content.text")}
	if b.size < 0 {
		c.Size = int64(len(c.Body))
	}
	return err
}

// decoded undoes base64, with line ends, without padding or in the alphabet of
// URLs too.
func (d *decoder) decoded(text []byte, encoding, member string) []byte {
	if encoding != "base64" || len(text) == 0 {
		return text
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(text)))
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if n, err := enc.Decode(out, text); err == nil {
			return out[:n:n]
		}
	}
	d.undecoded = member + " is not base64"
	return text
}

func (d *decoder) param(p *Param, name string) *DecodeError {
	switch name {
	case "name":
		return d.string(&p.Name)
	case "value":
		return d.string(&p.Value)
	case "fileName":
		return d.string(&p.FileName)
	case "contentType":
		return d.string(&p.ContentType)
	}
	return d.skip()
}

func (d *decoder) timing(t *Timings, name string) *DecodeError {
	switch name {
	case "blocked":
		return d.millis(&t.Blocked)
	case "dns":
		return d.millis(&t.DNS)
	case "connect":
		return d.millis(&t.Connect)
	case "ssl":
		return d.millis(&t.SSL)
	case "send":
		return d.millis(&t.Send)
	case "wait":
		return d.millis(&t.Wait)
	case "receive":
		return d.millis(&t.Receive)
	}
	return d.skip()
}

// headers reads a list of names and values into the room that the lists of an
// entry share: one allocation for the lists of most entries. When it grows, the
// earlier lists keep the old one.
func (d *decoder) headers(dst *[]Header) *DecodeError {
	if d.pairs == nil {
		d.pairs = make([]Header, 0, min(32, 1+len(d.b)/64))
	}
	start := len(d.pairs)
	all, err := array(d, d.pairs, func(d *decoder, h *Header) *DecodeError {
		return optional(d, h, func(d *decoder, h *Header, name string) *DecodeError {
			switch name {
			case "name":
				return d.string(&h.Name)
			case "value":
				return d.string(&h.Value)
			}
			return d.skip()
		})
	})
	if all == nil {
		*dst = nil
		return err
	}
	d.pairs = all
	*dst = all[start:len(all):len(all)]
	return err
}

func (d *decoder) cookies(dst *[]Cookie) *DecodeError {
	var err *DecodeError
	*dst, err = array(d, nil, func(d *decoder, c *Cookie) *DecodeError { return optional(d, c, (*decoder).cookie) })
	return err
}

func (d *decoder) cookie(c *Cookie, name string) *DecodeError {
	switch name {
	case "name":
		return d.string(&c.Name)
	case "value":
		return d.string(&c.Value)
	case "path":
		return d.string(&c.Path)
	case "domain":
		return d.string(&c.Domain)
	case "expires":
		return d.time(&c.Expires)
	case "httpOnly":
		return d.bool(&c.HTTPOnly)
	case "secure":
		return d.bool(&c.Secure)
	case "sameSite":
		return d.string(&c.SameSite)
	}
	return d.skip()
}

// A message is a WebSocketMessage and how its data is written, which may stand
// behind it.
type message struct {
	WebSocketMessage
	encoding string
}

func (d *decoder) message(dst *WebSocketMessage) *DecodeError {
	m := message{WebSocketMessage: WebSocketMessage{Opcode: opcodeText}}
	err := optional(d, &m, func(d *decoder, m *message, name string) *DecodeError {
		switch name {
		case "type":
			return d.string(&m.Type)
		case "time":
			return d.seconds(&m.Time)
		case "opcode":
			n := int64(opcodeText)
			err := d.number(&n, 0)
			m.Opcode = int(n)
			return err
		case "data":
			return d.bytes(&m.Data)
		case "_encoding":
			return d.string(&m.encoding)
		}
		return d.skip()
	})
	if m.Opcode == opcodeBinary {
		m.encoding = "base64"
	}
	m.Data = d.decoded(m.Data, m.encoding, "_webSocketMessages.data")
	*dst = m.WebSocketMessage
	return err
}

func (d *decoder) meta(m *Meta, name string) *DecodeError {
	switch name {
	case "id":
		return d.string(&m.ID)
	case "account":
		return d.string(&m.Account)
	case "collection":
		n := int64(0)
		err := d.number(&n, 0)
		if m.Collection = int32(n); int64(m.Collection) != n {
			m.Collection = 0
		}
		return err
	case "source":
		return d.string(&m.Source)
	case "direction":
		return d.string(&m.Direction)
	case "client":
		return d.string(&m.Client)
	case "server":
		return d.string(&m.Server)
	case "tags":
		m.Tags = nil
		return optional(d, &m.Tags, (*decoder).tag)
	case "tls":
		m.TLS = nil
		d.secure = TLS{}
		err := optional(d, &d.secure, (*decoder).tls)
		if d.secure != (TLS{}) {
			m.TLS = &d.secure
		}
		return err
	case "requestBytes":
		return d.number(&m.RequestBytes, 0)
	case "responseBytes":
		return d.number(&m.ResponseBytes, 0)
	case "flags":
		var err *DecodeError
		m.Flags, err = array(d, nil, (*decoder).string)
		return err
	case "error":
		return d.string(&m.Error)
	}
	return d.skip()
}

// tag makes names UTF-8 at once: two that the encoder would write alike must
// not be two keys of the map.
func (d *decoder) tag(tags *map[string]string, name string) *DecodeError {
	var value string
	if err := d.string(&value); err != nil {
		return err
	}
	if !utf8.ValidString(name) {
		name = latin1(name)
	}
	if *tags == nil {
		*tags = make(map[string]string)
	}
	(*tags)[name] = value
	return nil
}

func latin1(s string) string {
	var b []byte
	for i := range len(s) {
		b = utf8.AppendRune(b, rune(s[i]))
	}
	return string(b)
}

func (d *decoder) tls(t *TLS, name string) *DecodeError {
	switch name {
	case "version":
		return d.string(&t.Version)
	case "cipher":
		return d.string(&t.Cipher)
	case "sni":
		return d.string(&t.SNI)
	case "alpn":
		return d.string(&t.ALPN)
	}
	return d.skip()
}
