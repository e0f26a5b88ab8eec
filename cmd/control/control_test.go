package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"harken/internal/flagenv"
	"harken/internal/wire"
)

// What is wrong with the command line is said with the flag that is wrong, and
// ends with status 2.
func TestMistakes(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, key := range os.Environ() {
		if k, _, _ := strings.Cut(key, "="); strings.HasPrefix(k, flagenv.Prefix) || strings.HasPrefix(k, "AKTO_") {
			t.Setenv(k, "")
		}
	}
	f := func(want string, args ...string) {
		t.Helper()
		err := run(t.Context(), append([]string{"-listen", "127.0.0.1:0", "-proxy", "127.0.0.1:0"}, args...))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q in it", args, err, want)
			return
		}
		if status := wire.Fail(name, err); status != 2 {
			t.Errorf("%v: status %d, want 2", args, status)
		}
	}
	f("-source: \"ftp:x\" is not accepted", "-source", "ftp:x")
	f("-sink: \"ftp:x\" is not accepted", "-sink", "ftp:x")
	f("-store: \"mysql:x\" is not accepted", "-store", "mysql:x")
	f("unexpected argument \"import\"", "import", "x.har")
	f("unknown flag -nope", "-nope")
	f("-ops: \"here\" is not accepted; want host:port", "-ops", "here")
	f("-public-url: \"here\" is not accepted", "-public-url", "here")
	f("-access-token-lifetime: \"0s\" is not accepted", "-access-token-lifetime", "0s")
	f("-refresh-token-lifetime: \"1ms\" is not accepted", "-refresh-token-lifetime", "1ms")
	f("-trusted-proxies: \"ten\" is not accepted", "-trusted-proxies", "ten")
	f("-cors-origins: \"https://a.example/\" is not accepted", "-cors-origins", "https://b.example:8443,https://a.example/")
	f("-cors-origins: \"a.example\" is not accepted", "-cors-origins", "*,a.example")
	f("-limit-login: \"0\" is not accepted", "-limit-login", "0")
	f("-limit-reset: \"0\" is not accepted", "-limit-reset", "0")
	f("-limit-invite: \"0\" is not accepted", "-limit-invite", "0")
	f("-admin-email: \"boss\" is not accepted; want an e-mail address", "-admin-email", "boss")
	f("-admin-password: the value **** is not accepted: password: must have 8 to 39 characters", "-admin-password", "abc1")
	f("-admin-api-key: the value **** is not accepted: api key: needs 16 to 256", "-admin-api-key", "short")
	f("-max-upload: \"0\" is not accepted", "-max-upload", "0")
	f("-allow-targets: \"10.*\" is not accepted", "-allow-targets", "localhost,10.*")
	f("-plan-limits: \"SEATS=1\" is not accepted", "-plan-limits", "ACTIVE_ENDPOINTS=5,SEATS=1")
	f("-billing-url: \"billing\" is not accepted", "-billing-url", "billing")
	f("-vapid-private-key", "-vapid-public-key", "BAAA")
	f("-vapid-public-key", "-vapid-public-key", "BAAA", "-vapid-private-key", "AAAA", "-vapid-subject", "mailto:a@b.co")
}

func TestBanner(t *testing.T) {
	all := &firstRun{Email: "e", Password: "p", APIKey: "k", Proxy: "http://127.0.0.1:1", Control: "http://127.0.0.1:2", CA: "ca.pem"}
	for _, s := range []*firstRun{all, {Email: "e", Password: "p", APIKey: "k", Control: "http://127.0.0.1:2", CA: "ca.pem"}} {
		got := banner(s, true, "http://127.0.0.1:3/metrics", "first-run.json")
		if n := strings.Count(got, "\n"); n > 15 {
			t.Errorf("the first start prints %d lines, want at most 15:\n%s", n, got)
		}
		if s.Proxy == "" && strings.Contains(got, "record a request") {
			t.Errorf("without a proxy the first start says:\n%s", got)
		}
	}
	if got := banner(all, false, "", "first-run.json"); strings.Contains(got, "password") || strings.Contains(got, " k\n") {
		t.Errorf("a later start tells secrets:\n%s", got)
	}
}

// The page is told where the proxy is, also when it listens on all interfaces.
func TestAddresses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	c := openTest(t, "-data", dir, "-listen", ":0", "-proxy", ":0", "-allow-open")
	w := httptest.NewRecorder()
	c.api.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/health", http.NoBody))
	var health struct{ Proxy string }
	if err := json.Unmarshal(w.Body.Bytes(), &health); err != nil || !strings.HasPrefix(health.Proxy, "127.0.0.1:") {
		t.Errorf("health = %s (%v), want the proxy's address", w.Body, err)
	}
	b, err := os.ReadFile(filepath.Join(dir, firstRunFile))
	if err != nil || strings.Contains(string(b), "[::]") {
		t.Errorf("first-run.json: %s, %v", b, err)
	}
}
