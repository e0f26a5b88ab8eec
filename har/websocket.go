package har

import (
	"net/http"
	"strings"
)

// IsWebSocket reports whether e is about a WebSocket: its handshake (RFC 6455,
// section 4, or RFC 8441), its messages, or both.
func (e *Entry) IsWebSocket() bool {
	if len(e.WebSocketMessages) > 0 {
		return true
	}
	if u := e.Request.URL; len(u) > 5 && (strings.EqualFold(u[:5], "ws://") || strings.EqualFold(u[:6], "wss://")) {
		return true // as browsers write it
	}
	return upgrades(e.Request.Headers) || e.Response.Status == 101 && upgrades(e.Response.Headers)
}

// Method returns the method of the request. The handshake of a WebSocket is a GET
// also where it is an extended CONNECT (RFC 8441).
func (e *Entry) Method() string {
	if e.Request.Method == http.MethodConnect && e.IsWebSocket() {
		return http.MethodGet
	}
	return e.Request.Method
}

func upgrades(hs []Header) bool {
	v, ok := HeaderValue(hs, "upgrade")
	if !ok {
		v, ok = HeaderValue(hs, ":protocol")
	}
	return ok && strings.EqualFold(strings.TrimSpace(v), "websocket")
}
