package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"harken/admin/auth"
	"harken/internal/obs"
	"harken/internal/wire"
)

// firstRun is what harken-data/first-run.json holds.
type firstRun struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	APIKey   string `json:"apiKey"`
	Proxy    string `json:"proxy"`
	Control  string `json:"control"`
	CA       string `json:"ca"`
}

// welcome makes the first administrator, starts the operations listener, and
// says where everything is. Secrets are told at the first start only.
func (c *control) welcome(ctx context.Context, o *options) error {
	said := firstRun{Control: "http://" + wire.Reach(c.ln.Addr()), CA: filepath.Join(o.data, "ca", "ca.pem")}
	if c.forward != nil {
		said.Proxy = "http://" + wire.Reach(c.forward.Addr)
	}
	first, err := c.firstAdministrator(ctx, o, &said)
	if err != nil {
		return err
	}
	ops := ""
	if o.ops != "" {
		addr, wait, err := wire.ServeOps(ctx, o.ops, obs.HandlerConfig{Registry: c.deps.Registry, Health: c.health, Pprof: true, Log: c.deps.Log})
		if err != nil {
			return err
		}
		c.opsWait, ops = wait, "http://"+addr.String()+"/metrics"
	}
	fmt.Print(banner(&said, first, ops, filepath.Join(o.data, firstRunFile)))
	return nil
}

const firstRunFile = "first-run.json"

// firstAdministrator makes the administrator if there is no user yet, and tells
// whether it did. The secrets are in the file before they are in the store, so
// that no crash can leave an administrator whose password nobody knows.
func (c *control) firstAdministrator(ctx context.Context, o *options, said *firstRun) (bool, error) {
	if has, err := c.store.HasUsers(ctx); err != nil || has {
		return false, err
	}
	path := filepath.Join(o.data, firstRunFile)
	said.Email, said.Password, said.APIKey = o.email, o.password, o.apiKey
	if b, err := os.ReadFile(path); err == nil {
		var before firstRun
		if json.Unmarshal(b, &before) == nil {
			said.Email, said.Password, said.APIKey = or(o.email, before.Email), or(o.password, before.Password), or(o.apiKey, before.APIKey)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	said.Email = or(said.Email, auth.DefaultEmail)
	said.Password = or(said.Password, auth.NewPassword())
	said.APIKey = or(said.APIKey, auth.NewToken())
	b, err := json.MarshalIndent(said, "", "  ") //nolint:gosec // the file is there to hold them, for its owner alone
	if err != nil {
		return false, err
	}
	if err := writeSecret(path, append(b, '\n')); err != nil {
		return false, err
	}
	_, made, err := auth.Bootstrap(ctx, c.store, auth.BootstrapConfig{Email: said.Email, Password: said.Password, APIKey: said.APIKey, Now: time.Now().Unix()})
	if err != nil {
		return false, fmt.Errorf("first administrator: %w", errors.Join(err, os.Remove(path)))
	}
	// Hashing the password took memory that nothing needs for a long time.
	debug.FreeOSMemory()
	return made, nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// writeSecret writes a file that only its owner reads, whole or not at all.
func writeSecret(path string, b []byte) error {
	tmp := path + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// banner is what a start prints: at most 15 lines.
func banner(s *firstRun, first bool, ops, file string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", name, version)
	line := func(what, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %-9s %s\n", what, value)
		}
	}
	line("proxy", s.Proxy)
	line("page", s.Control+"/")
	line("metrics", ops)
	if s.Proxy != "" {
		line("CA", s.CA)
	}
	if !first {
		return b.String()
	}
	line("e-mail", s.Email)
	line("password", s.Password)
	line("API key", s.APIKey)
	fmt.Fprintf(&b, "  (also in %s, and not shown again)\n", file)
	if s.Proxy == "" {
		b.WriteString("Try: open the page, fetch the HAR.\n")
	} else {
		b.WriteString("Try: record a request, open the page, fetch the HAR.\n")
		host := strings.Replace(s.Control, "127.0.0.1", "localhost", 1)
		fmt.Fprintf(&b, "  curl --noproxy '' -x %s %s/healthz\n", s.Proxy, host)
	}
	fmt.Fprintf(&b, "  %s/\n", s.Control)
	fmt.Fprintf(&b, "  curl -o records.har -H 'X-API-KEY: %s' %s/api/records.har\n", s.APIKey, s.Control)
	return b.String()
}
