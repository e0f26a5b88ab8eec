package har_test

import (
	"testing"

	"harken/har"
)

func TestIsWebSocket(t *testing.T) {
	f := func(want bool, e har.Entry) {
		t.Helper()
		if got := e.IsWebSocket(); got != want {
			t.Errorf("IsWebSocket(%+v) = %t", e, got)
		}
	}
	head := func(name, value string) []har.Header { return []har.Header{{Name: name, Value: value}} }
	f(false, har.Entry{})
	f(false, har.Entry{Response: har.Response{Status: 101}})
	f(false, har.Entry{Response: har.Response{Status: 101, Headers: head("Upgrade", "h2c")}})
	f(false, har.Entry{Response: har.Response{Status: 426, Headers: head("Upgrade", "websocket")}})
	f(true, har.Entry{Response: har.Response{Status: 101, Headers: head("upgrade", " WebSocket")}})
	f(true, har.Entry{Request: har.Request{Headers: head("Upgrade", "websocket")}})
	f(true, har.Entry{Request: har.Request{Method: "CONNECT", Headers: head(":protocol", "websocket")}})
	f(true, har.Entry{Request: har.Request{URL: "wss://h/a"}})
	f(true, har.Entry{Request: har.Request{URL: "WS://h/a"}})
	f(false, har.Entry{Request: har.Request{URL: "ws://"}})
	f(true, har.Entry{WebSocketMessages: make([]har.WebSocketMessage, 1)})
}
