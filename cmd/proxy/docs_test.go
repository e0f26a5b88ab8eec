package main

import (
	"flag"
	"path/filepath"
	"runtime"
	"testing"

	"harken/internal/archtest"
	"harken/internal/flagenv"
)

var update = flag.Bool("update", false, "rewrite the generated parts of docs")

func TestFlagsPage(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the page shows the directories of Linux")
	}
	const home = "/home/you"
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	f := func(section string, define func(*flagenv.Set)) {
		t.Helper()
		set := flagenv.New(section, nil)
		define(set)
		archtest.Section(t, "../../docs/flags.md", section, archtest.FlagTables(set.Flags(), home), *update)
	}
	f(name, func(s *flagenv.Set) { new(options).define(s, serveDefaults()) })
	f(name+" ca", new(caOptions).define)
	f(name+" run", func(s *flagenv.Set) { new(options).define(s, runDefaults()) })
}

func TestMetricsPage(t *testing.T) {
	set := flagenv.New(name, nil)
	var o options
	o.define(set, serveDefaults())
	dir := t.TempDir()
	if err := set.Parse([]string{
		"-listen", "127.0.0.1:0", "-sink", "har:" + filepath.Join(dir, "x.har"), "-sink", "kafka://127.0.0.1:1/topic",
		"-spool", filepath.Join(dir, "spool"), "-ca-dir", filepath.Join(dir, "ca"), "-log-level", "error",
	}); err != nil {
		t.Fatal(err)
	}
	r, err := newRecorder(t.Context(), &o)
	if err != nil {
		t.Fatal(err)
	}
	archtest.Section(t, "../../docs/metrics.md", name, archtest.MetricTable(t, r.deps.Registry), *update)
	if err := r.close(); err != nil {
		t.Error(err)
	}
}
