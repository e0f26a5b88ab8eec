package har

import "strings"

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

func upgrades(hs []Header) bool {
	v, ok := HeaderValue(hs, "upgrade")
	if !ok {
		v, ok = HeaderValue(hs, ":protocol")
	}
	return ok && strings.EqualFold(strings.TrimSpace(v), "websocket")
}
