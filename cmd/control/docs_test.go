package main

import (
	"flag"
	"path/filepath"
	"testing"

	"harken/internal/archtest"
	"harken/internal/flagenv"
)

var update = flag.Bool("update", false, "rewrite the generated parts of docs")

func TestFlagsPage(t *testing.T) {
	set := flagenv.New(name, nil)
	var o options
	o.define(set)
	archtest.Section(t, "../../docs/flags.md", name, archtest.FlagTables(set.Flags(), "/home/you"), *update)
	client := flagenv.New(name+" api", nil)
	new(apiClient).define(client)
	archtest.Section(t, "../../docs/flags.md", name+" api", archtest.FlagTables(client.Flags(), "/home/you"), *update)
}

func TestMetricsPage(t *testing.T) {
	c := openTest(t)
	archtest.Section(t, "../../docs/metrics.md", name, archtest.MetricTable(t, c.deps.Registry), *update)
}

// openTest opens everything in a directory of its own; args come on top.
func openTest(t *testing.T, args ...string) *control {
	t.Helper()
	set := flagenv.New(name, nil)
	var o options
	o.define(set)
	base := []string{"-listen", "127.0.0.1:0", "-proxy", "127.0.0.1:0", "-log-level", "error", "-data", filepath.Join(t.TempDir(), "data")}
	if err := set.Parse(append(base, args...)); err != nil {
		t.Fatal(err)
	}
	c, err := open(t.Context(), &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
