package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An upstream whose CA is unknown gives 502 with a reason; -upstream-ca makes
// it work.
func TestUnknownUpstreamCA(t *testing.T) {
	up := newUpstream(t)
	c := startControl(t, t.TempDir())
	res, err := c.client(t, false).Get(up.url(true) + "/shop/orders/1")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != http.StatusBadGateway || !strings.Contains(string(b), "certificate") || strings.Count(strings.TrimSpace(string(b)), "\n") > 2 {
		t.Errorf("answer %d %q, want 502 with a plain reason", res.StatusCode, b)
	}
	eventually(t, func() error {
		for _, e := range c.records(t, "").Log.Entries {
			if strings.Contains(e.Harken.Error, "certificate") {
				return nil
			}
		}
		return fmt.Errorf("no record names the certificate")
	})
	ok := startControl(t, t.TempDir(), "-upstream-ca", up.caFile)
	if res, err = ok.client(t, false).Get(up.url(true) + "/shop/orders/1"); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("with -upstream-ca: %v, %v", res, err)
	}
}

// Bad flags, an unwritable directory and a port in use end with one clear line.
func TestBadStart(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	used := ln.Addr().String()
	dir := t.TempDir()
	blocked := filepath.Join(dir, "file", "data")
	writeFile(t, dir, "file", []byte("a file, not a folder"))
	f := func(bin string, status int, names []string, args ...string) {
		t.Helper()
		out, code := command(t, t.TempDir(), cleanEnv("HOME="+t.TempDir()), bin, args...)
		if code != status {
			t.Errorf("%s %v: exit %d, want %d; %s", filepath.Base(bin), args, code, status, out)
		}
		if n := strings.Count(strings.TrimRight(out, "\n"), "\n"); n != 0 {
			t.Errorf("%v: %d lines, want one: %s", args, n+1, out)
		}
		for _, want := range names {
			if !strings.Contains(out, want) {
				t.Errorf("%v: %q does not name %q", args, out, want)
			}
		}
	}
	for _, bin := range []string{binaries.control, binaries.proxy} {
		f(bin, 2, []string{"-no-such-flag"}, "-no-such-flag")
		f(bin, 2, []string{"-body-max", "lots"}, "-body-max", "lots")
		f(bin, 2, []string{"-log-level", "loud"}, "-log-level", "loud")
	}
	f(binaries.control, 2, []string{"-store", "redis://h/"}, "-store", "redis://h/")
	f(binaries.control, 1, []string{blocked}, "-data", blocked, "-listen", "127.0.0.1:0", "-proxy", "127.0.0.1:0")
	f(binaries.control, 1, []string{used}, "-data", filepath.Join(dir, "d1"), "-listen", used, "-proxy", "127.0.0.1:0")
	f(binaries.control, 1, []string{used}, "-data", filepath.Join(dir, "d2"), "-listen", "127.0.0.1:0", "-proxy", used)
	har := "har:" + filepath.Join(dir, "x.har")
	f(binaries.proxy, 1, []string{used}, "-listen", used, "-sink", har, "-ca-dir", filepath.Join(dir, "ca"), "-spool", filepath.Join(dir, "spool"))
	f(binaries.proxy, 1, []string{blocked}, "-listen", "127.0.0.1:0", "-sink", har, "-ca-dir", filepath.Join(dir, "ca"), "-spool", blocked)
	f(binaries.proxy, 1, []string{blocked}, "-listen", "127.0.0.1:0", "-sink", har, "-ca-dir", blocked, "-spool", filepath.Join(dir, "spool"))
	f(binaries.proxy, 2, []string{"-sink", "ftp://h"}, "-listen", "127.0.0.1:0", "-sink", "ftp://h")
	f(binaries.proxy, 2, []string{"-listen", "-auth", "-allow-open"}, "-listen", "0.0.0.0:0", "-sink", har)
	f(binaries.proxy, 2, []string{"-sink"}, "-listen", "127.0.0.1:0")
}

// Two processes do not share a data directory.
func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	c := startControl(t, dir)
	out, code := command(t, dir, cleanEnv(), binaries.control, "-data", filepath.Join(dir, "harken-data"), "-listen", "127.0.0.1:0", "-proxy", "127.0.0.1:0")
	if code != 1 || !strings.Contains(out, "harken-data") {
		t.Errorf("second start: exit %d, %s", code, out)
	}
	if code := c.stop(t); code != 0 {
		t.Errorf("exit %d after SIGTERM, want 0", code)
	}
}

// The recorder links no server, no database; both binaries are static and have
// a version.
func TestBinaries(t *testing.T) {
	for _, bin := range []string{binaries.proxy, binaries.control} {
		for _, arg := range []string{"-version", "version"} {
			if out := must(t, t.TempDir(), cleanEnv(), bin, arg); !strings.HasPrefix(out, filepath.Base(bin)+" ") {
				t.Errorf("%s %s: %q", bin, arg, out)
			}
		}
		if out := must(t, t.TempDir(), cleanEnv(), bin, "-h"); !strings.Contains(out, "HARKEN_LISTEN") || !strings.Contains(out, "-listen") {
			t.Errorf("%s -h does not show flags with their variables", bin)
		}
	}
	out := must(t, repo(), cleanEnv(), "go", "version", "-m", binaries.proxy)
	for _, bad := range []string{"gin-gonic", "mongo-driver", "modernc.org/sqlite"} {
		if strings.Contains(out, bad) {
			t.Errorf("harken-proxy links %s", bad)
		}
	}
	if out, err := exec.Command("ldd", binaries.proxy).CombinedOutput(); err == nil {
		t.Errorf("harken-proxy is not static: %s", out)
	}
}

// A fresh clone runs with Go only, prints at most 15 lines, and the lines it
// tells people to try work when pasted.
func TestFreshClone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "clone")
	must(t, t.TempDir(), cleanEnv(), "git", "clone", "-q", repo(), dir)
	bin := filepath.Join(dir, "run-control")
	must(t, dir, cleanEnv(), "go", "build", "-o", bin, "./cmd/control")
	listen, proxy := freeAddr(t), freeAddr(t)
	p := start(t, dir, bin, "-listen", listen, "-proxy", proxy)
	eventually(t, func() error {
		if res, err := http.Get("http://" + listen + "/readyz"); err != nil || res.StatusCode != 200 {
			return fmt.Errorf("not ready: %v; %s", err, p.output())
		}
		return nil
	})
	lines := strings.Split(strings.TrimRight(p.output(), "\n"), "\n")
	if len(lines) > 15 {
		t.Errorf("first start prints %d lines, at most 15:\n%s", len(lines), p.output())
	}
	var curls int
	for _, line := range lines {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "curl "):
			curls++
			must(t, dir, cleanEnv(), "sh", "-ec", line+" >pasted-"+fmt.Sprint(curls))
		case strings.HasPrefix(line, "http://") && !strings.Contains(line, " "):
			must(t, dir, cleanEnv(), "curl", "-sSf", "-o", "page.html", line)
		}
	}
	if curls != 2 {
		t.Errorf("%d curl lines to paste, want 2:\n%s", curls, p.output())
	}
	b, err := os.ReadFile(filepath.Join(dir, "records.har"))
	if err != nil {
		t.Fatal(err)
	}
	if h := parseHAR(t, strings.NewReader(string(b))); len(h.Log.Entries) != 1 {
		t.Errorf("records.har has %d entries after one curl through the proxy, want 1", len(h.Log.Entries))
	}
	st, err := os.Stat(filepath.Join(dir, "harken-data", "first-run.json"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("first-run.json: %v, %v", st, err)
	}
	if code := p.stop(t); code != 0 {
		t.Errorf("exit %d after SIGTERM, want 0", code)
	}
	again := start(t, dir, bin, "-listen", listen, "-proxy", proxy)
	eventually(t, func() error {
		if !strings.Contains(again.output(), listen) {
			return fmt.Errorf("second start says %q", again.output())
		}
		return nil
	})
	if strings.Contains(again.output(), "password") {
		t.Errorf("the password is told twice: %s", again.output())
	}
}
