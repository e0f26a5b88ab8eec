package certs_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"harken/certs"
)

// A machine is a root directory with the given files; directories end in a
// slash, and programs are executable files.
func machine(t *testing.T, paths ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, p := range paths {
		full := filepath.Join(root, p)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(p, "/") {
			if err := os.MkdirAll(full, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(full, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// A programs records the commands it is given and answers as certutil would.
type programs struct {
	calls    []string
	nickname string          // what follows harken- in a listing
	nss      map[string]bool // databases that hold the CA
	err      error
	pem      []byte
}

func (p *programs) run(_ context.Context, name string, args ...string) ([]byte, error) {
	line := name + " " + strings.Join(args, " ")
	p.calls = append(p.calls, line)
	if p.err != nil {
		return []byte("progress\nit broke\n"), p.err
	}
	if name != "certutil" {
		return nil, nil
	}
	var db, nick string
	for i, a := range args {
		switch a {
		case "-d":
			db = args[i+1]
		case "-n":
			nick = args[i+1]
		case "-i":
			p.pem, _ = os.ReadFile(args[i+1])
		}
	}
	switch args[0] {
	case "-A":
		p.nss[db] = true
		p.calls[len(p.calls)-1] = "certutil -A " + db + " " + nick[:7]
	case "-D":
		delete(p.nss, db)
	case "-L":
		if p.nss[db] {
			return []byte("Certificate Nickname\n\nharken-" + p.nickname + "   C,,\n"), nil
		}
	}
	return nil, nil
}

func TestInstallSystem(t *testing.T) {
	ca := newCA(t)
	f := func(store, dir, command string, paths ...string) {
		t.Helper()
		root := machine(t, paths...)
		p := &programs{}
		cfg := certs.InstallConfig{Root: root, Run: p.run}
		for range 2 { // twice is as good as once
			res, err := ca.Install(t.Context(), cfg)
			if err != nil || len(res) != 1 || res[0].Store != store || filepath.Dir(res[0].Path) != filepath.Join(root, dir) {
				t.Fatalf("Install = %+v, %v, want %s in %s", res, err, store, dir)
			}
			if got, err := os.ReadFile(res[0].Path); err != nil || !bytes.Equal(got, ca.CertPEM()) {
				t.Errorf("%s does not hold the CA: %v", res[0].Path, err)
			}
		}
		if want := "chroot " + root + " " + command; strings.TrimSpace(p.calls[0]) != want {
			t.Errorf("ran %q, want %q", p.calls[0], want)
		}
		for range 2 {
			if _, err := ca.Uninstall(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
		}
		if left, err := os.ReadDir(filepath.Join(root, dir)); err != nil || len(left) != 0 {
			t.Errorf("Uninstall left %v, %v", left, err)
		}
	}
	f("system (update-ca-certificates)", "usr/local/share/ca-certificates", "/usr/sbin/update-ca-certificates", "usr/sbin/update-ca-certificates", "usr/local/share/")
	f("system (update-ca-trust)", "etc/pki/ca-trust/source/anchors", "/usr/bin/update-ca-trust extract", "usr/bin/update-ca-trust", "etc/pki/ca-trust/source/")
	f("system (update-ca-certificates)", "etc/pki/trust/anchors", "/usr/sbin/update-ca-certificates", "usr/sbin/update-ca-certificates", "etc/pki/trust/")
	f("system (update-ca-trust)", "etc/ca-certificates/trust-source/anchors", "/usr/bin/update-ca-trust", "usr/bin/update-ca-trust", "etc/ca-certificates/trust-source/")
}

func TestInstallNSS(t *testing.T) {
	ca := newCA(t)
	home := machine(t, ".pki/nssdb/cert9.db", ".mozilla/firefox/abc.default/cert9.db", ".mozilla/firefox/Crash Reports/", ".mozilla/firefox/profiles.ini")
	p := &programs{nss: map[string]bool{}, nickname: strings.ToLower(strings.ReplaceAll(ca.Fingerprint()[:11], ":", ""))}
	cfg := certs.InstallConfig{Root: t.TempDir(), Home: home, Run: p.run}
	for range 2 {
		res, err := ca.Install(t.Context(), cfg)
		if err != nil || len(res) != 2 || len(p.nss) != 2 {
			t.Fatalf("Install = %+v, %v; databases %v", res, err, p.nss)
		}
	}
	if !bytes.Equal(p.pem, ca.CertPEM()) {
		t.Error("certutil was given another certificate")
	}
	if n := strings.Count(strings.Join(p.calls, "\n"), "certutil -A"); n != 2 {
		t.Errorf("added %d times to two databases: %q", n, p.calls)
	}
	if _, err := ca.Uninstall(t.Context(), cfg); err != nil || len(p.nss) != 0 {
		t.Errorf("Uninstall: %v; databases %v", err, p.nss)
	}
}

// A Chromium that never ran has no database yet.
func TestInstallNSSNew(t *testing.T) {
	ca := newCA(t)
	home := t.TempDir()
	p := &programs{nss: map[string]bool{}}
	res, err := ca.Install(t.Context(), certs.InstallConfig{Root: machine(t, "usr/bin/chromium"), Home: home, Run: p.run})
	db := filepath.Join(home, ".pki", "nssdb")
	if err != nil || len(res) != 1 || res[0].Path != db || !p.nss["sql:"+db] {
		t.Errorf("Install = %+v, %v", res, err)
	}
	if len(p.calls) == 0 || p.calls[0] != "certutil -N --empty-password -d sql:"+db {
		t.Errorf("ran %q", p.calls)
	}
}

func TestInstallErrors(t *testing.T) {
	ca := newCA(t)
	f := func(want string, cfg certs.InstallConfig) {
		t.Helper()
		if _, err := ca.Install(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Install = %v, want %q", err, want)
		}
	}
	debian := []string{"usr/sbin/update-ca-certificates", "usr/local/share/"}
	f("no trust store found", certs.InstallConfig{Root: t.TempDir(), Home: t.TempDir()})
	f("no trust store found", certs.InstallConfig{Root: machine(t, debian...), SkipSystem: true})
	f("system (update-ca-certificates): update-ca-certificates: exit status 1: it broke",
		certs.InstallConfig{Root: machine(t, debian...), Run: (&programs{err: errors.New("exit status 1")}).run})
	f("NSS (certutil): certutil is not installed; it is in libnss3-tools",
		certs.InstallConfig{Root: t.TempDir(), Home: machine(t, ".pki/nssdb/cert9.db"), Run: (&programs{err: &exec.Error{Name: "certutil", Err: exec.ErrNotFound}}).run})
	blocked := machine(t, "usr/sbin/update-ca-certificates", "usr/local/share/ca-certificates")
	f("system (update-ca-certificates): mkdir ", certs.InstallConfig{Root: blocked, Run: (&programs{}).run})
}
