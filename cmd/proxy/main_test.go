package main

import (
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"os"
	"path/filepath"
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

// Records that the sink of run does not take are neither lost nor called
// delivered, and the command that is told sends them.
func TestRunKeepsUndelivered(t *testing.T) {
	if testing.Short() {
		t.Skip("waits five seconds for a sink that is away")
	}
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("TMPDIR", dir)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer upstream.Close()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HARKEN_TEST_URL", upstream.URL)
	away := httptest.NewUnstartedServer(http.NotFoundHandler())
	away.Listener.Close()
	sink := "http://" + away.Listener.Addr().String() + "/"
	if got := dispatch(t.Context(), []string{"run", "-ca-dir", "ca", "-sink", sink, "--", exe, "-test.run", "^TestFetchHelper$"}); got != 1 {
		t.Errorf("status %d of a run whose records were not delivered, want 1", got)
	}
	kept, err := filepath.Glob("harken-run-*/spool/*/*.log")
	if err != nil || len(kept) == 0 {
		t.Fatalf("no spool was kept: %v", err)
	}
}

// TestFetchHelper is the command of TestRunKeepsUndelivered.
func TestFetchHelper(t *testing.T) {
	url := os.Getenv("HARKEN_TEST_URL")
	if url == "" {
		t.Skip("run by another test")
	}
	proxy, err := neturl.Parse(os.Getenv("HTTP_PROXY"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}
