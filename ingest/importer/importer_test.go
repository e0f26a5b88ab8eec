package importer_test

import (
	"testing"

	"harken/ingest/importer"
)

func TestProblemString(t *testing.T) {
	f := func(p importer.Problem, want string) {
		t.Helper()
		if got := p.String(); got != want {
			t.Errorf("String(%+v) = %q, want %q", p, got, want)
		}
		if got := importer.Fatal([]importer.Problem{{}, p}); got != p.Fatal {
			t.Errorf("Fatal(%+v) = %v", p, got)
		}
	}
	f(importer.Problem{Msg: "not JSON"}, "not JSON")
	f(importer.Problem{Operation: "entry 3", Index: 3, Msg: "request.url is missing", Fatal: true}, "Error in entry 3: request.url is missing")
	f(importer.Problem{Index: 2, Msg: "odd"}, "In operation 2: odd")
}
