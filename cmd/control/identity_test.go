package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"harken/admin"
	"harken/internal/wire"
)

// post calls the API of c and returns the status and the header of the answer.
func post(t *testing.T, c *control, path, body string, headers ...string) (int, http.Header) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		r.Header.Set(k, v)
	}
	c.api.Handler().ServeHTTP(w, r)
	return w.Code, w.Header()
}

func credentials(email, password string) string {
	b, _ := json.Marshal(map[string]string{"username": email, "password": password})
	return string(b)
}

// Tokens outlive the process, and not the loss of the key file, which is said.
func TestSigningKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	args := []string{"-data", dir, "-admin-email", "a@example.com", "-admin-password", "correct7horse"}
	c := openTest(t, args...)
	code, h := post(t, c, "/auth/login", credentials("a@example.com", "correct7horse"))
	token := h.Get("access-token")
	if code != http.StatusOK || token == "" {
		t.Fatalf("login = %d %v", code, h)
	}
	key := filepath.Join(dir, "secret.key")
	if st, err := os.Stat(key); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("secret.key: %v, %v", st, err)
	}
	me := func(c *control, want int) {
		t.Helper()
		if code, _ := post(t, c, "/api/me", "", "access-token: "+token); code != want {
			t.Errorf("me = %d, want %d", code, want)
		}
	}
	me(c, http.StatusOK)
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	c = openTest(t, args...)
	me(c, http.StatusOK)

	var logged bytes.Buffer
	o := &options{data: dir}
	reopen := func() string {
		t.Helper()
		logged.Reset()
		c.deps.Log = slog.New(slog.NewTextHandler(&logged, nil))
		if err := c.openIdentity(t.Context(), o, &admin.Config{}); err != nil {
			t.Fatal(err)
		}
		return logged.String()
	}
	if got := reopen(); got != "" {
		t.Errorf("with its key file it logs %s", got)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if got := reopen(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "the secret key does not open this database") {
		t.Errorf("without its key file it logs %s", got)
	}
	if got := reopen(); got != "" {
		t.Errorf("after that it logs %s", got)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	me(openTest(t, args...), http.StatusForbidden)
}

// stdout returns what f prints.
func stdout(t *testing.T, f func()) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdout
	os.Stdout = w
	defer func() { os.Stdout = old }()
	f()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Who is locked out gets a new password, also while the control plane runs.
func TestResetPassword(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	reset := func(args ...string) (string, error) {
		var err error
		out := stdout(t, func() { err = run(t.Context(), append([]string{"reset-password"}, args...)) })
		return out, err
	}
	if _, err := reset("-data", dir, "a@example.com"); err == nil || !strings.Contains(err.Error(), "there is no database") {
		t.Errorf("without a database: %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the data directory was made")
	}
	c := openTest(t, "-data", dir, "-admin-email", "a@example.com", "-admin-password", "correct7horse")
	code, h := post(t, c, "/auth/login", credentials("a@example.com", "correct7horse"))
	if code != http.StatusOK {
		t.Fatalf("login = %d", code)
	}
	token := "access-token: " + h.Get("access-token")
	out, err := reset("-data", dir, " A@example.com")
	m := regexp.MustCompile(`^The new password of a@example\.com is (\S{20})\n`).FindStringSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("reset-password prints %q, %v", out, err)
	}
	if code, _ := post(t, c, "/api/me", "", token); code != http.StatusForbidden {
		t.Errorf("me with the former session = %d", code)
	}
	for password, want := range map[string]int{"correct7horse": http.StatusUnauthorized, m[1]: http.StatusOK} {
		if code, _ := post(t, c, "/auth/login", credentials("a@example.com", password)); code != want {
			t.Errorf("login with %q = %d, want %d", password, code, want)
		}
	}
	for _, bad := range [][]string{{}, {"a@example.com", "b@example.com"}, {"nobody"}, {"-store", "mysql:x", "a@example.com"}, {"-nope", "a@example.com"}} {
		if _, err := reset(bad...); err == nil || wire.Fail(name, err) != 2 {
			t.Errorf("reset-password %v: %v", bad, err)
		}
	}
	if out, err := reset("a@example.com", "-data", dir); err != nil || !strings.HasPrefix(out, "The new password") {
		t.Errorf("reset-password with flags last prints %q, %v", out, err)
	}
	if _, err := reset("-data", dir, "b@example.com"); err == nil || !strings.Contains(err.Error(), "no user has") {
		t.Errorf("reset-password of a stranger: %v", err)
	}
}

// Who has a token keeps it when the signing key is replaced, unless it is revoked.
func TestRotateKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	rotate := func(args ...string) error {
		var err error
		_ = stdout(t, func() { err = run(t.Context(), append([]string{"rotate-key"}, args...)) })
		return err
	}
	if err := rotate("-data", dir); err == nil || !strings.Contains(err.Error(), "-secret-key-file says where") {
		t.Errorf("without a key file: %v", err)
	}
	args := []string{"-data", dir, "-admin-email", "a@example.com", "-admin-password", "correct7horse"}
	c := openTest(t, args...)
	_, h := post(t, c, "/auth/login", credentials("a@example.com", "correct7horse"))
	reopened := func(want int) {
		t.Helper()
		if err := c.close(); err != nil {
			t.Fatal(err)
		}
		c = openTest(t, args...)
		if code, _ := post(t, c, "/api/me", "", "access-token: "+h.Get("access-token")); code != want {
			t.Errorf("me = %d, want %d", code, want)
		}
	}
	if err := rotate("-data", dir); err != nil { // while the control plane runs
		t.Fatal(err)
	}
	reopened(http.StatusOK)
	if err := rotate("-data", dir, "-revoke"); err != nil {
		t.Fatal(err)
	}
	reopened(http.StatusForbidden)
	for _, bad := range [][]string{{"x"}, {"-nope"}, {"-data", dir, "-store", "mysql:x"}} {
		if err := rotate(bad...); err == nil || wire.Fail(name, err) != 2 {
			t.Errorf("rotate-key %v: %v", bad, err)
		}
	}
	empty := filepath.Join(t.TempDir(), "e")
	if err := rotate("-data", empty, "-secret-key-file", filepath.Join(dir, "secret.key")); err == nil || !strings.Contains(err.Error(), "there is no database") {
		t.Errorf("without a database: %v", err)
	}
}
