// Package capture holds what was seen on the wire, the Exchange, and the
// Recorder, which decides what of it is kept and turns it into records. How an
// exchange is seen is the matter of the packages below it.
package capture

import (
	"net/netip"
	"time"

	"harken/har"
	"harken/ingest"
)

// An Exchange is one request and its response as seen on the wire. It does not
// change after it was observed.
//
// A connection whose TLS was not opened is an Exchange with the flag
// Passthrough: Method CONNECT, the Host that was asked for, the SNI and ALPN in
// TLS, and Bodies of limit 0 that count the bytes of each direction.
type Exchange struct {
	Started    time.Time // first byte of the request
	Total      time.Duration
	Timings    har.Timings
	Client     netip.AddrPort
	Server     netip.AddrPort // zero if no connection was made
	Connection string         // names the client's connection
	Scheme     string         // "http" or "https"
	Host       string         // the authority that the client asked, lower-cased, without a default port
	Method     string
	Target     string // path and query as sent; an absolute target is reduced to them
	Request    Message
	Response   Message
	Status     int    // of the final response of the server; 0 if there was none
	Answered   int    // the status that the proxy gave the client for want of a response; 0 if none
	StatusText string // the reason phrase; empty on HTTP/2
	TLS        *har.TLS
	Source     string // har.Meta's; "" is MIRRORING
	Direction  string // "1" or "2"; "" is "1"
	Flags      ingest.Flags
	Err        error // what ended the exchange early; its text is recorded
	// WebSocket holds the messages of an upgraded connection.
	WebSocket []har.WebSocketMessage

	charged int64 // what its head takes of the Recorder's queue
}

// A Message is one side of an Exchange.
type Message struct {
	Proto      string // "HTTP/1.1", "HTTP/2.0"
	Header     []har.Header
	Trailer    []har.Header // recorded after the headers, as HAR has no place for them
	HeaderSize int64        // bytes on the wire; 0 or less if unknown
	Body       *Body        // nil if there was none; without transfer codings
}
