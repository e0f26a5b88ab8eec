package har

import (
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendEntry appends e to dst as one line of JSON, without a line feed, and
// returns the extended slice. It allocates nothing but the growth of dst.
//
// Members that HAR 1.2 requires are always present, all others are absent when
// they are empty or unknown. Times are milliseconds with at most three decimals
// (microseconds); an unknown required time is -1. Bodies that are UTF-8 are
// written as text, all others as base64. Any other string that is not UTF-8
// (header values above all) is read as ISO 8859-1, which RFC 9110, section 5.5
// names as the historical meaning of such octets: each byte from 0x80 on becomes
// the rune of the same number. The output is always valid UTF-8 and valid JSON,
// and decoding and encoding it again gives the same bytes.
func AppendEntry(dst []byte, e *Entry) []byte {
	dst = append(dst, `{"startedDateTime":"`...)
	dst = appendTime(dst, e.Started)
	dst = append(dst, `","time":`...)
	dst = appendMillis(dst, e.Time)
	dst = append(dst, `,"request":`...)
	dst = appendRequest(dst, &e.Request)
	dst = append(dst, `,"response":`...)
	dst = appendResponse(dst, &e.Response)
	dst = append(dst, `,"cache":{},"timings":`...)
	dst = appendTimings(dst, &e.Timings)
	dst = appendOptional(dst, `,"serverIPAddress":`, e.ServerIPAddress)
	dst = appendOptional(dst, `,"connection":`, e.Connection)
	dst = appendOptional(dst, `,"comment":`, e.Comment)
	if len(e.WebSocketMessages) > 0 {
		// Chrome shows the messages of an imported file only beside this type.
		dst = append(dst, `,"_resourceType":"websocket","_webSocketMessages":`...)
		dst = appendMessages(dst, e.WebSocketMessages)
	}
	if e.Harken != nil {
		dst = append(dst, `,"_harken":`...)
		dst = appendMeta(dst, e.Harken)
	}
	return append(dst, '}')
}

func appendRequest(dst []byte, r *Request) []byte {
	dst = append(dst, `{"method":`...)
	dst = AppendString(dst, r.Method)
	dst = append(dst, `,"url":`...)
	dst = AppendString(dst, r.URL)
	dst = append(dst, `,"httpVersion":`...)
	dst = AppendString(dst, r.HTTPVersion)
	dst = append(dst, `,"cookies":`...)
	dst = appendCookies(dst, r.Cookies)
	dst = append(dst, `,"headers":`...)
	dst = appendPairs(dst, r.Headers)
	dst = append(dst, `,"queryString":`...)
	dst = appendPairs(dst, r.QueryString)
	if r.PostData != nil {
		dst = append(dst, `,"postData":`...)
		dst = appendPostData(dst, r.PostData)
	}
	return appendSizes(dst, r.HeadersSize, r.BodySize)
}

func appendPostData(dst []byte, p *PostData) []byte {
	dst = append(dst, `{"mimeType":`...)
	dst = AppendString(dst, p.MimeType)
	if len(p.Params) > 0 {
		dst = append(dst, `,"params":[`...)
		for i := range p.Params {
			if i > 0 {
				dst = append(dst, ',')
			}
			q := &p.Params[i]
			dst = append(dst, `{"name":`...)
			dst = AppendString(dst, q.Name)
			dst = appendOptional(dst, `,"value":`, q.Value)
			dst = appendOptional(dst, `,"fileName":`, q.FileName)
			dst = appendOptional(dst, `,"contentType":`, q.ContentType)
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	}
	// HAR wants params or text; some readers fail on a postData with neither.
	if p.Body != nil || len(p.Params) == 0 {
		dst = appendBody(dst, p.Body, `,"_encoding":"base64"`)
	}
	return append(dst, '}')
}

func appendResponse(dst []byte, r *Response) []byte {
	dst = append(dst, `{"status":`...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, `,"statusText":`...)
	dst = AppendString(dst, r.StatusText)
	dst = append(dst, `,"httpVersion":`...)
	dst = AppendString(dst, r.HTTPVersion)
	dst = append(dst, `,"cookies":`...)
	dst = appendCookies(dst, r.Cookies)
	dst = append(dst, `,"headers":`...)
	dst = appendPairs(dst, r.Headers)
	dst = append(dst, `,"content":{"size":`...)
	dst = strconv.AppendInt(dst, r.Content.Size, 10)
	// Saved bytes are known where both sizes are; chunk framing can make the
	// wire form the larger one, and then nothing was saved.
	if r.BodySize > 0 && r.Content.Size >= r.BodySize {
		dst = append(dst, `,"compression":`...)
		dst = strconv.AppendInt(dst, r.Content.Size-r.BodySize, 10)
	}
	dst = append(dst, `,"mimeType":`...)
	dst = AppendString(dst, r.Content.MimeType)
	if r.Content.Body != nil {
		dst = appendBody(dst, r.Content.Body, `,"encoding":"base64"`)
	}
	dst = append(dst, `},"redirectURL":`...)
	dst = AppendString(dst, r.RedirectURL)
	return appendSizes(dst, r.HeadersSize, r.BodySize)
}

// appendSizes closes a request or a response.
func appendSizes(dst []byte, headers, body int64) []byte {
	dst = append(dst, `,"headersSize":`...)
	dst = strconv.AppendInt(dst, headers, 10)
	dst = append(dst, `,"bodySize":`...)
	dst = strconv.AppendInt(dst, body, 10)
	return append(dst, '}')
}

func appendTimings(dst []byte, t *Timings) []byte {
	dst = append(dst, '{')
	dst = appendPhase(dst, `"blocked":`, t.Blocked)
	dst = appendPhase(dst, `"dns":`, t.DNS)
	dst = appendPhase(dst, `"connect":`, t.Connect)
	dst = append(dst, `"send":`...)
	dst = appendMillis(dst, t.Send)
	dst = append(dst, `,"wait":`...)
	dst = appendMillis(dst, t.Wait)
	dst = append(dst, `,"receive":`...)
	dst = appendMillis(dst, t.Receive)
	if t.SSL >= 0 {
		dst = append(dst, `,"ssl":`...)
		dst = appendMillis(dst, t.SSL)
	}
	return append(dst, '}')
}

func appendPhase(dst []byte, name string, d time.Duration) []byte {
	if d < 0 {
		return dst
	}
	dst = append(dst, name...)
	return append(appendMillis(dst, d), ',')
}

func appendPairs(dst []byte, hs []Header) []byte {
	dst = append(dst, '[')
	for i := range hs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"name":`...)
		dst = AppendString(dst, hs[i].Name)
		dst = append(dst, `,"value":`...)
		dst = AppendString(dst, hs[i].Value)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func appendCookies(dst []byte, cs []Cookie) []byte {
	dst = append(dst, '[')
	for i := range cs {
		c := &cs[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"name":`...)
		dst = AppendString(dst, c.Name)
		dst = append(dst, `,"value":`...)
		dst = AppendString(dst, c.Value)
		dst = appendOptional(dst, `,"path":`, c.Path)
		dst = appendOptional(dst, `,"domain":`, c.Domain)
		if !c.Expires.IsZero() {
			dst = append(dst, `,"expires":"`...)
			dst = appendTime(dst, c.Expires)
			dst = append(dst, '"')
		}
		if c.HTTPOnly {
			dst = append(dst, `,"httpOnly":true`...)
		}
		if c.Secure {
			dst = append(dst, `,"secure":true`...)
		}
		dst = appendOptional(dst, `,"sameSite":`, c.SameSite)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// Opcodes of RFC 6455, section 11.8.
const (
	opcodeText   = 1
	opcodeBinary = 2
)

// appendMessages writes Chrome's form: time in seconds, binary messages as
// base64. A message of another opcode that is not UTF-8 is base64 too, and says
// so in _encoding, which Chrome passes over.
func appendMessages(dst []byte, ms []WebSocketMessage) []byte {
	dst = append(dst, '[')
	for i := range ms {
		m := &ms[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"type":`...)
		dst = AppendString(dst, m.Type)
		if !m.Time.IsZero() {
			dst = append(dst, `,"time":`...)
			dst = appendMicros(dst, m.Time.UnixMicro(), 6)
		}
		dst = append(dst, `,"opcode":`...)
		dst = strconv.AppendInt(dst, int64(m.Opcode), 10)
		dst = append(dst, `,"data":`...)
		switch {
		case m.Opcode == opcodeBinary:
			dst = appendBase64(dst, m.Data)
		case utf8.Valid(m.Data):
			dst = appendEscaped(dst, m.Data)
		default:
			dst = appendBase64(dst, m.Data)
			dst = append(dst, `,"_encoding":"base64"`...)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func appendMeta(dst []byte, m *Meta) []byte {
	dst = append(dst, `{"v":1`...)
	dst = appendOptional(dst, `,"id":`, m.ID)
	dst = appendOptional(dst, `,"account":`, m.Account)
	dst = appendOptionalInt(dst, `,"collection":`, int64(m.Collection))
	dst = appendOptional(dst, `,"source":`, m.Source)
	dst = appendOptional(dst, `,"direction":`, m.Direction)
	dst = appendOptional(dst, `,"client":`, m.Client)
	dst = appendOptional(dst, `,"server":`, m.Server)
	if len(m.Tags) > 0 {
		dst = append(dst, `,"tags":`...)
		dst = appendTags(dst, m.Tags)
	}
	if t := m.TLS; t != nil {
		start := len(dst)
		dst = append(dst, `,"tls":{`...)
		empty := len(dst)
		dst = appendOptional(dst, `,"version":`, t.Version)
		dst = appendOptional(dst, `,"cipher":`, t.Cipher)
		dst = appendOptional(dst, `,"sni":`, t.SNI)
		dst = appendOptional(dst, `,"alpn":`, t.ALPN)
		if len(dst) == empty {
			dst = dst[:start]
		} else {
			dst = append(slices.Delete(dst, empty, empty+1), '}')
		}
	}
	dst = appendOptionalInt(dst, `,"requestBytes":`, m.RequestBytes)
	dst = appendOptionalInt(dst, `,"responseBytes":`, m.ResponseBytes)
	if len(m.Flags) > 0 {
		dst = append(dst, `,"flags":`...)
		for i, f := range m.Flags {
			dst = append(dst, "[,"[min(i, 1)])
			dst = AppendString(dst, f)
		}
		dst = append(dst, ']')
	}
	dst = appendOptional(dst, `,"error":`, m.Error)
	return append(dst, '}')
}

// appendTags sorts by name, so that equal entries have equal bytes.
func appendTags(dst []byte, tags map[string]string) []byte {
	var few [16]string // most tag sets are smaller: no allocation
	names := slices.AppendSeq(few[:0], maps.Keys(tags))
	slices.Sort(names)
	for i, n := range names {
		dst = append(dst, "{,"[min(i, 1)])
		dst = AppendString(dst, n)
		dst = append(dst, ':')
		dst = AppendString(dst, tags[n])
	}
	return append(dst, '}')
}
