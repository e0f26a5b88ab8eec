package redact

import "strings"

// A line of an event stream and what ends it.
type line struct{ text, end string }

// events rewrites an event stream (HTML standard, 9.2): the data of each event
// that is JSON, which may stand on several lines, and other data as text.
func (w *worker) events(s string) (string, bool) {
	var out strings.Builder
	var event []line
	for rest := s; rest != ""; {
		var l line
		if i := strings.IndexAny(rest, "\r\n"); i < 0 {
			l.text, rest = rest, ""
		} else {
			n := 1
			if strings.HasPrefix(rest[i:], "\r\n") {
				n = 2
			}
			l.text, l.end, rest = rest[:i], rest[i:i+n], rest[i+n:]
		}
		event = append(event, l)
		if l.text == "" || rest == "" {
			w.event(&out, event)
			event = event[:0]
		}
	}
	return out.String(), out.String() != s
}

// event writes one event.
func (w *worker) event(out *strings.Builder, event []line) {
	var data []string
	for _, l := range event {
		if v, ok := dataOf(l.text); ok {
			data = append(data, v)
		}
	}
	text, dataChanged := w.eventData(strings.Join(data, "\n"))
	written := false
	for _, l := range event {
		if dataChanged && l.end == "\r" {
			l.end = "\n" // lines go, and it might come to stand before a line feed
		}
		_, isData := dataOf(l.text)
		switch {
		case isData && !dataChanged:
			out.WriteString(l.text + l.end)
		case isData && written:
		case isData:
			written = true
			between := l.end
			if between == "" {
				between = "\n"
			}
			out.WriteString("data: " + strings.ReplaceAll(text, "\n", between+"data: ") + l.end)
		default:
			out.WriteString(w.eventField(l.text) + l.end)
		}
	}
}

func dataOf(text string) (string, bool) {
	v, ok := strings.CutPrefix(text, "data:")
	return strings.TrimPrefix(v, " "), ok
}

func (w *worker) eventData(s string) (string, bool) {
	t := strings.TrimSpace(s)
	if t == "" {
		return s, false
	}
	if t[0] == '{' || t[0] == '[' {
		return w.one(t)
	}
	return w.text(w.top(), s)
}

// eventField rewrites a line that is not data.
func (w *worker) eventField(text string) string {
	name, v, found := strings.Cut(text, ":")
	v = strings.TrimPrefix(v, " ")
	switch {
	case text == "" || text == "data" || text == ":":
		return text
	case name == "event" || name == "id":
		sc := w.top()
		sc.key = name
		if v, changed := w.text(sc, v); changed {
			return name + ": " + v
		}
		return text
	case !w.r.all || name == "retry" && found && isNumber(v):
		return text
	}
	return ":"
}

func isNumber(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}
