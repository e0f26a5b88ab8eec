package main

import (
	"os"
	"testing"
)

func TestStatus(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("HOME", t.TempDir())
	f := func(want int, args ...string) {
		t.Helper()
		if got := dispatch(t.Context(), args); got != want {
			t.Errorf("%v: status %d, want %d", args, got, want)
		}
	}
	f(2, "-nope")
	f(2, "serve")
	f(2, "-listen", "here", "-sink", "har:x.har", "-spool", "s")
	f(2, "-listen", "127.0.0.1:0", "-ops", "here", "-sink", "har:x.har", "-spool", "s")
	f(2, "run")
	f(2, "run", "-ops", "127.0.0.1:0", "--", "true")
	f(127, "run", "--", "no-such-command-anywhere")
	if _, err := os.Stat("harken.har"); err == nil {
		t.Error("a command that cannot be started leaves a HAR file")
	}
	f(1, "har", "nofile.har")
	f(2, "har", "-x")
}
