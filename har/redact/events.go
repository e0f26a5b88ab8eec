package redact

import "strings"

// A line of an event stream and what ends it.
type line struct{ text, end string }

// events rewrites an event stream (HTML standard, 9.2): the data of each event
// that is JSON, which may stand on several lines, and other data as text.
func (w *worker) events(s string) (string, bool) {
	var out strings.Builder
	var event []line
	changed := false
	for s != "" {
		var l line
		if i := strings.IndexAny(s, "\r\n"); i < 0 {
			l.text, s = s, ""
		} else {
			n := 1
			if strings.HasPrefix(s[i:], "\r\n") {
				n = 2
			}
			l.text, l.end, s = s[:i], s[i:i+n], s[i+n:]
		}
		event = append(event, l)
		if l.text == "" || s == "" {
			changed = w.event(&out, event) || changed
			event = event[:0]
		}
	}
	return out.String(), changed
}

// event writes one event.
func (w *worker) event(out *strings.Builder, event []line) (changed bool) {
	var data []string
	last := line{}
	for _, l := range event {
		if v, ok := dataOf(l.text); ok {
			data, last = append(data, v), l
		}
	}
	joined := strings.Join(data, "\n")
	text, dataChanged := w.eventData(joined)
	written := false
	for _, l := range event {
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
			out.WriteString("data: " + strings.ReplaceAll(text, "\n", between+"data: ") + last.end)
		default:
			field, ok := w.eventField(l.text)
			changed = changed || ok
			out.WriteString(field + l.end)
		}
	}
	return changed || dataChanged
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
func (w *worker) eventField(text string) (string, bool) {
	name, v, found := strings.Cut(text, ":")
	v = strings.TrimPrefix(v, " ")
	switch {
	case text == "" || text == "data" || text == ":":
		return text, false
	case name == "event" || name == "id":
		sc := w.top()
		sc.key = name
		v, changed := w.text(sc, v)
		if !changed {
			return text, false
		}
		return name + ": " + v, true
	case !w.r.all || name == "retry" && found && isNumber(v):
		return text, false
	}
	return ":", true
}

func isNumber(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}
