package ingest

import (
	"encoding/json"
	"strings"

	"harken/har"
)

// isSocket reports a message about a WebSocket: its handshake, or frames of it.
// Such messages need neither a method nor a status.
func (m *message) isSocket() bool {
	return strings.EqualFold(m.lenient(fieldType), "WEBSOCKET") || strings.EqualFold(m.lenient(fieldConnectionType), "WEBSOCKET") ||
		m.lenient(fieldSource) == "WEBSOCKET_TRAFFIC"
}

// Opcodes of frames (RFC 6455, section 11.8).
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
)

// frame is one of the member events.
type frame struct {
	Opcode    json.Number     `json:"opcode"`
	Payload   json.RawMessage `json:"payload"`
	Fin       json.RawMessage `json:"fin"`
	Direction json.RawMessage `json:"direction"`
}

// messages puts the frames of events together, which are an object or an array of
// objects in a string. What is not of this form is passed over: the handshake
// counts without it.
func (m *message) messages() []har.WebSocketMessage {
	text := strings.TrimSpace(m.lenient(fieldEvents))
	var frames []frame
	switch {
	case strings.HasPrefix(text, "["):
		if json.Unmarshal([]byte(text), &frames) != nil {
			return nil
		}
	case strings.HasPrefix(text, "{"):
		frames = make([]frame, 1)
		if json.Unmarshal([]byte(text), &frames[0]) != nil {
			return nil
		}
	}
	var all []har.WebSocketMessage
	open := map[string]int{} // the unfinished message of a direction
	for i := range frames {
		f := &frames[i]
		kind := socketSide(unquoted(f.Direction))
		data := []byte(unquoted(f.Payload))
		fin := unquoted(f.Fin) != "false"
		opcode := opText
		if n, err := f.Opcode.Int64(); err == nil {
			opcode = int(n)
		}
		switch at, some := open[kind]; {
		case opcode == opContinuation && some:
			all[at].Data = append(all[at].Data, data...)
		case opcode == opText || opcode == opBinary:
			open[kind] = len(all)
			all = append(all, har.WebSocketMessage{Type: kind, Opcode: opcode, Data: data})
		default:
			continue // control frames; the end of what began before
		}
		if fin {
			delete(open, kind)
		}
	}
	whole := all[:0] // half a message is none
	for i, one := range all {
		if at, some := open[one.Type]; !some || at != i {
			whole = append(whole, one)
		}
	}
	return whole
}

// socketSide is the direction as the client sees it.
func socketSide(direction string) string {
	switch strings.ToLower(direction) {
	case "2", "receive", "received", "server", "out", "outbound", "egress", "response":
		return "receive"
	}
	return "send"
}

// unquoted gives the text of a JSON string, and any other value as it is written.
func unquoted(raw json.RawMessage) string {
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}
