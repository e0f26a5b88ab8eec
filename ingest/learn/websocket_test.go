package learn_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"harken/har"
	"harken/ingest"
	"harken/inventory"
)

// socketParams checks the endpoint that a WebSocket taught.
func socketParams(t *testing.T, es []inventory.Endpoint, url string, want ...string) {
	t.Helper()
	if len(es) != 1 || es[0].Method != http.MethodGet || es[0].URL != url || es[0].APIType != "WEBSOCKET" || !slices.Equal(es[0].ResponseCodes, []int{101}) {
		t.Fatalf("learned %+v, want GET %s", es, url)
	}
	has(t, &es[0], want...)
}

// TestWebSocketOfHAR learns what a browser exported: a handshake with status 101
// and the messages after it.
func TestWebSocketOfHAR(t *testing.T) {
	const entry = `{"startedDateTime":"2026-01-01T00:00:00Z","time":5,"_resourceType":"websocket",
		"_webSocketMessages":[{"type":"send","time":1767225600.1,"opcode":1,"data":"{\"join\":\"room-7\"}"},
			{"type":"receive","time":1767225600.2,"opcode":1,"data":"{\"from\":{\"mail\":\"jo.lee@example.com\"}}"},
			{"type":"receive","time":1767225600.3,"opcode":2,"data":"AAEC"}],
		"request":{"method":"GET","url":"wss://chat.example/rooms/42?token=x1","httpVersion":"HTTP/1.1","headers":[{"name":"Upgrade","value":"websocket"}]},
		"response":{"status":101,"statusText":"Switching Protocols","headers":[{"name":"Upgrade","value":"websocket"}],"content":{}}}`
	const silent = `{"request":{"method":"GET","url":"wss://chat.example/rooms/43","headers":[]},"response":{"status":101,"headers":[]}}`
	db, es := imported(t, entry, silent)
	socketParams(t, es, "/rooms/INTEGER", "-1 body join GENERIC 1x [room-7]", "101 body from#mail EMAIL 1x [jo.lee@example.com]",
		"-1 query token GENERIC 1x [x1]", "-1 url 1 INTEGER_32 2x [42 43] 42..43")
	if es[0].Count != 2 {
		t.Errorf("it counts %d, want both", es[0].Count)
	}
	if got := sensitiveOf(t, db, &es[0]); got != "101 from#mail EMAIL" {
		t.Errorf("sensitive samples of %q", got)
	}
}

// TestWebSocketOfTheProxy learns live ones, in HTTP/1.1 and in HTTP/2 (RFC 8441),
// as one endpoint.
func TestWebSocketOfTheProxy(t *testing.T) {
	live := func(seq int64, method, header, value string) *ingest.Record {
		x := get("https://chat.example/live")
		x.method, x.status = method, 101
		x.headers = []string{"Host: chat.example", header + ": " + value}
		x.responseHeads = []string{"Upgrade: websocket", "Connection: Upgrade"}
		return withMeta(t, x.record(seq), func(e *har.Entry) {
			e.WebSocketMessages = []har.WebSocketMessage{{Type: "send", Opcode: 1, Data: []byte(`42["say",{"text":"hi"}]`)}}
		})
	}
	db := openStore(t)
	learnAll(t, db, live(1, "GET", "Upgrade", "websocket"), live(2, "CONNECT", ":protocol", "websocket"))
	es := inventoryOf(t, db, account)
	socketParams(t, es, "/live", "-1 body json#$#text GENERIC 2x [hi]")
	if es[0].Collection != inventory.HashID("chat.example") {
		t.Errorf("it is in collection %d, want that of its host", es[0].Collection)
	}
}

// TestWebSocketOfTheWire learns handshakes in the flat form, and frames where they
// come with one.
func TestWebSocketOfTheWire(t *testing.T) {
	_, es := learned(t, fields{"type": "websocket", "path": "/feed?x=1", "statusCode": "101", "status": "101 Switching Protocols"})
	socketParams(t, es, "/feed", "-1 query x INTEGER_32 1x [1]")

	events := func(m fields, events string) fields {
		m["events"], m["path"] = events, "/feed"
		return m
	}
	for name, m := range map[string]fields{
		"an object":  events(fields{"type": "WEBSOCKET", "statusCode": "101"}, `{"opcode":1,"payload":"{\"a\":1}","fin":true,"direction":"send"}`),
		"an array":   events(fields{"connection_type": "WebSocket", "statusCode": "101"}, `[{"opcode":9,"payload":""},{"opcode":1,"payload":"{\"a\":1}"}]`),
		"fragments":  events(fields{"source": "WEBSOCKET_TRAFFIC", "statusCode": "101"}, `[{"opcode":"1","payload":"{\"a\"","fin":"false"},{"opcode":0,"payload":":1}","fin":true}]`),
		"a document": events(fields{"type": "WEBSOCKET", "statusCode": "101"}, `[{"opcode":1,"payload":{"a":1},"fin":true},{"opcode":1,"payload":"{\"b\":","fin":false}]`),
		"no status":  events(fields{"type": "WEBSOCKET", "statusCode": nil, "method": nil, "requestHeaders": nil, "headers": `{"host":"h.example"}`}, `{"opcode":1,"payload":"{\"a\":1}"}`),
	} {
		t.Run(name, func(t *testing.T) {
			_, es := learned(t, m)
			socketParams(t, es, "/feed", "-1 body a INTEGER_32 1x [1] 1..1")
		})
	}
	_, es = learned(t, events(fields{"type": "WEBSOCKET", "statusCode": "101"}, `[{"opcode":1,"payload":"{\"a\":1}","direction":"receive"}]`))
	socketParams(t, es, "/feed", "101 body a INTEGER_32")
	for _, bad := range []string{"", "x", "[", "[1]", `{"opcode":{}}`, `[{"opcode":1e9}]`, `[{"opcode":0,"payload":"x"}]`, "null"} {
		_, es := learned(t, events(fields{"type": "WEBSOCKET", "statusCode": "101"}, bad))
		socketParams(t, es, "/feed")
	}
	// Frames without a path belong to no endpoint that could be named.
	if err := rejected(t, fields{"type": "WEBSOCKET", "path": nil, "events": "[]"}); err == nil || !strings.Contains(err.Error(), "path") {
		t.Errorf("frames alone: %v", err)
	}
	if err := rejected(t, fields{"type": "WEBSOCKET", "events": []int{1}}); err == nil || !strings.Contains(err.Error(), "events") {
		t.Errorf("events that are no string: %v", err)
	}
}
