package extract

import (
	"strings"
	"unicode/utf8"

	"harken/har"
)

// isLines knows the media types of JSON documents in a row: one a line, or one
// behind each record separator (RFC 7464). kind is in lower case.
func isLines(kind string) bool {
	return strings.Contains(kind, "ndjson") || strings.Contains(kind, "jsonl") || strings.Contains(kind, "json-l") ||
		strings.Contains(kind, "json-seq") || strings.Contains(kind, "stream+json")
}

func isEvents(kind string) bool { return strings.Contains(kind, "text/event-stream") }

// lines adds the parameters of NDJSON, as of one document: what a name has in
// several lines are several values. A line that is not whole is passed over.
func (x *Extractor) lines(s string) {
	for line := range strings.SplitSeq(s, "\n") {
		if line = strings.Trim(line, "\x1e \t\r"); line != "" {
			x.json(line)
		}
	}
}

// bulk adds the parameters of a text that does not say that it is NDJSON but
// begins with a line that is a document.
func (x *Extractor) bulk(s string) {
	if first, rest, _ := strings.Cut(s, "\n"); x.json(strings.TrimSpace(first)) {
		x.lines(rest)
	}
}

// events adds the parameters of an event stream (HTML standard, 9.2): of the
// data of those events that are JSON.
func (x *Extractor) events(s string) {
	var data string
	var several strings.Builder
	dispatch := func() {
		if several.Len() > 0 {
			data = several.String()
			several.Reset()
		}
		if data != "" {
			x.json(data)
		}
		data = ""
	}
	for s != "" {
		line := s
		if i := strings.IndexAny(s, "\r\n"); i < 0 {
			s = ""
		} else {
			line, s = s[:i], strings.TrimPrefix(s[i:], "\r")
			s = strings.TrimPrefix(s, "\n")
		}
		if line == "" {
			dispatch()
			continue
		}
		v, ok := strings.CutPrefix(line, "data:")
		switch {
		case !ok:
		case data == "":
			data = v
		default:
			if several.Len() == 0 {
				several.WriteString(data)
			}
			several.WriteByte('\n')
			several.WriteString(v)
		}
	}
	dispatch()
}

// maxPrefix is the number of digits that may stand before the JSON of a message:
// the packet types of Engine.IO and Socket.IO.
const maxPrefix = 6

// messages adds the parameters of the WebSocket messages of a direction that are
// JSON, as of one document.
func (x *Extractor) messages(ms []har.WebSocketMessage, direction string) {
	size := 0
	for i := range ms {
		m := &ms[i]
		if m.Type != direction || len(m.Data) < 2 {
			continue
		}
		if size += len(m.Data); size > MaxBody {
			x.skipped++
			continue
		}
		if !utf8.Valid(m.Data) {
			continue
		}
		// SignalR ends its documents with record separators.
		for s := range strings.SplitSeq(string(m.Data), "\x1e") {
			n := 0
			for n < len(s) && n < maxPrefix && '0' <= s[n] && s[n] <= '9' {
				n++
			}
			x.json(s[n:])
		}
	}
}
