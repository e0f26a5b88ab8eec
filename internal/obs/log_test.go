package obs_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"harken/internal/obs"
)

func TestNewLogger(t *testing.T) {
	f := func(level, format, want string) {
		t.Helper()
		var b strings.Builder
		log, err := obs.NewLogger(&b, level, format)
		if err != nil {
			t.Fatalf("NewLogger(%q, %q): %v", level, format, err)
		}
		log.Debug("d")
		log.Info("i")
		log.Warn("w")
		log.Error("e", "host_name", "a b")
		var got strings.Builder
		for line := range strings.Lines(b.String()) {
			if format == "text" {
				_, msg, _ := strings.Cut(line, "msg=")
				got.WriteString(msg[:1])
				continue
			}
			var rec struct{ Msg string }
			if err := json.Unmarshal([]byte(line), &rec); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			got.WriteString(rec.Msg)
		}
		if got.String() != want {
			t.Errorf("NewLogger(%q, %q) logs %q, want %q", level, format, got.String(), want)
		}
	}
	f("debug", "text", "diwe")
	f("info", "json", "iwe")
	f("", "", "iwe")
	f("WARN", "auto", "we")
	f("error", "JSON", "e")
	for _, c := range [][2]string{{"loud", "text"}, {"info", "xml"}} {
		if _, err := obs.NewLogger(os.Stderr, c[0], c[1]); err == nil || !strings.Contains(err.Error(), "want ") {
			t.Errorf("NewLogger(%q) = %v, want an error that says what is accepted", c, err)
		}
	}
}
