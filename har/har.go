// Package har holds HTTP Archive 1.2 entries: their types, an append encoder,
// a streaming reader that needs constant memory, and a writer to a file that
// survives being cut, and what it takes to make entries of net/http messages. It
// knows nothing of how traffic is captured.
package har

import "time"

// Version is the HAR version that this package reads and writes.
const Version = "1.2"

// An Entry is one exchange: a request and its response. It is the only form in
// which traffic travels inside the program after capture.
//
// Bodies are held as the bytes that a person wants to read: decoded from any
// Content-Encoding, and not base64. The encoder writes UTF-8 bodies as text and
// all others as base64.
type Entry struct {
	Started         time.Time
	Time            time.Duration // total; negative if unknown
	Request         Request
	Response        Response
	Timings         Timings
	ServerIPAddress string
	Connection      string
	Comment         string
	// WebSocketMessages is Chrome's _webSocketMessages.
	WebSocketMessages []WebSocketMessage
	// Harken is the member _harken; nil in entries of other tools.
	Harken *Meta
}

// Server is the address of the server, with its port if that is known; "" if nothing is.
func (e *Entry) Server() string {
	if e.Harken != nil && e.Harken.Server != "" {
		return e.Harken.Server
	}
	return e.ServerIPAddress
}

// A Header is one header field, cookie or query parameter as it was seen.
// Repeated names are separate elements.
type Header struct {
	Name, Value string
}

// A Request is the request of an Entry.
type Request struct {
	Method      string
	URL         string // absolute, without fragment
	HTTPVersion string // "HTTP/1.1", "HTTP/2.0"
	Headers     []Header
	QueryString []Header
	Cookies     []Cookie
	PostData    *PostData
	HeadersSize int64 // bytes on the wire; -1 if unknown
	BodySize    int64 // bytes on the wire, before decoding; -1 if unknown
}

// A Response is the response of an Entry. Status 0 means that there was none.
type Response struct {
	Status      int
	StatusText  string
	HTTPVersion string
	Headers     []Header
	Cookies     []Cookie
	Content     Content
	RedirectURL string
	HeadersSize int64
	BodySize    int64
}

// A Cookie is a cookie of a request (name and value only) or of a response.
type Cookie struct {
	Name, Value  string
	Path, Domain string
	Expires      time.Time // zero if absent
	HTTPOnly     bool
	Secure       bool
	SameSite     string
}

// PostData is the body of a request. Params is only what other tools wrote:
// Harken keeps bodies as bytes.
type PostData struct {
	MimeType string
	Body     []byte
	Params   []Param
}

// A Param is one posted parameter of another tool's HAR.
type Param struct {
	Name, Value, FileName, ContentType string
}

// Content is the body of a response. Size is the length after decoding, also
// when Body holds less of it; Body is nil when there was no text.
type Content struct {
	Size     int64
	MimeType string
	Body     []byte
}

// Timings are the phases of an exchange; negative means "does not apply".
type Timings struct {
	Blocked, DNS, Connect, SSL, Send, Wait, Receive time.Duration
}

// A WebSocketMessage is one message of an upgraded connection.
type WebSocketMessage struct {
	Type   string // "send" or "receive", seen from the client
	Time   time.Time
	Opcode int
	Data   []byte // text, or the decoded bytes of a binary message
}

// Meta is the member _harken of an entry; empty members are absent.
type Meta struct {
	ID            string // sortable: UUIDv7
	Account       string
	Collection    int32
	Source        string // MIRRORING, PCAP, HAR, POSTMAN, OPEN_API, BURP, IMPERVA, SDK or OTHER
	Direction     string // "1" inbound to the observed host, "2" outbound
	Client        string // ip:port
	Server        string // ip:port
	Tags          map[string]string
	TLS           *TLS
	RequestBytes  int64 // true length of a request body whose record was cut
	ResponseBytes int64 // true length of a response body whose record was cut
	Flags         []string
	Error         string
}

// TLS is what is known of an exchange's TLS connection to the server.
type TLS struct {
	Version, Cipher, SNI, ALPN string
}

// Flags of Meta: every way in which an entry is not the whole truth.
const (
	FlagRequestTruncated  = "request-truncated"
	FlagResponseTruncated = "response-truncated"
	FlagGap               = "gap"
	FlagOneSided          = "one-sided"
	FlagMidstream         = "midstream"
	FlagUndecoded         = "undecoded"
	FlagAborted           = "aborted"
	FlagPassthrough       = "passthrough"
	FlagPending           = "pending"
)
