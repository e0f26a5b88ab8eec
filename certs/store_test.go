package certs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"harken/certs"
)

func newCA(tb testing.TB) *certs.CA {
	tb.Helper()
	ca, err := certs.LoadOrCreate(filepath.Join(tb.TempDir(), "ca"))
	if err != nil {
		tb.Fatal(err)
	}
	return ca
}

func TestLoadOrCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	ca, err := certs.LoadOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	crt := ca.Certificate()
	if pub, ok := crt.PublicKey.(*ecdsa.PublicKey); !ok || pub.Curve != elliptic.P256() {
		t.Errorf("public key is %T", crt.PublicKey)
	}
	if !crt.IsCA || !crt.MaxPathLenZero || crt.MaxPathLen != 0 {
		t.Errorf("CA %t, path length %d (%t), want a CA with path length 0", crt.IsCA, crt.MaxPathLen, crt.MaxPathLenZero)
	}
	if life := time.Until(crt.NotAfter); life < 9*365*24*time.Hour || life > 11*365*24*time.Hour {
		t.Errorf("valid for %s, want ten years", life)
	}
	if cn := crt.Subject.CommonName; len(cn) > 64 || !strings.HasPrefix(cn, "Harken CA (") || !strings.Contains(cn, time.Now().UTC().Format("2006-")) {
		t.Errorf("common name %q", cn)
	}
	mode := func(path string, want os.FileMode) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != want {
			t.Errorf("%s has mode %#o, want %#o", path, info.Mode().Perm(), want)
		}
	}
	mode(dir, 0o700)
	mode(filepath.Join(dir, "ca.key"), 0o600)
	mode(filepath.Join(dir, "ca.pem"), 0o644)
	key, err := os.ReadFile(filepath.Join(dir, "ca.key"))
	if err != nil || !bytes.HasPrefix(key, []byte("-----BEGIN PRIVATE KEY-----")) {
		t.Errorf("ca.key is not PKCS#8: %v", err)
	}
	again, err := certs.LoadOrCreate(dir)
	if err != nil || again.Fingerprint() != ca.Fingerprint() {
		t.Errorf("second LoadOrCreate: %v, or another CA", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("dir holds %v, %v, want two files", entries, err)
	}
	if other := newCA(t); other.Certificate().Subject.String() == crt.Subject.String() {
		t.Errorf("two CAs have the subject %s", crt.Subject)
	}
	issue(t, ca, "example.com")
}

// All who start at once end with the same pair.
func TestLoadOrCreateAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	var wg sync.WaitGroup
	prints := make([]string, 16)
	for i := range prints {
		wg.Go(func() {
			ca, err := certs.LoadOrCreate(dir)
			if err != nil {
				t.Error(err)
				return
			}
			prints[i] = ca.Fingerprint()
		})
	}
	wg.Wait()
	for _, fp := range prints {
		if fp != prints[0] {
			t.Fatalf("two CAs: %s and %s", fp, prints[0])
		}
	}
}

// A crash after the key was written is repaired.
func TestLoadOrCreateKeyOnly(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t, "p256")
	if err := os.WriteFile(filepath.Join(dir, "ca.key"), keyPEM(t, key), 0o600); err != nil {
		t.Fatal(err)
	}
	ca, err := certs.LoadOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !key.(*ecdsa.PrivateKey).PublicKey.Equal(ca.Certificate().PublicKey) {
		t.Error("the key was not kept")
	}
}

func TestLoadOrCreateRefusals(t *testing.T) {
	key := newKey(t, "p256")
	cert := signed(t, authority("Own"), key, nil, nil)
	f := func(want string, mode os.FileMode, cert, key []byte) {
		t.Helper()
		dir := t.TempDir()
		write := func(name string, data []byte, mode os.FileMode) {
			if data == nil {
				return
			}
			if err := os.WriteFile(filepath.Join(dir, name), data, mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
		}
		write("ca.pem", cert, 0o644)
		write("ca.key", key, mode)
		_, err := certs.LoadOrCreate(dir)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), dir) {
			t.Errorf("LoadOrCreate = %v, want one line with %q and the path", err, want)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "ca.pem")); cert != nil && (err != nil || !bytes.Equal(got, cert)) {
			t.Errorf("%s: ca.pem was changed", want)
		}
	}
	if runtime.GOOS != "windows" {
		f("can be read by others (mode 0644); run: chmod 600", 0o644, cert, keyPEM(t, key))
		f("can be read by others (mode 0640)", 0o640, cert, keyPEM(t, key))
	}
	f("ca.key is missing", 0o600, cert, nil)
	f("no PRIVATE KEY block", 0o600, cert, []byte("nonsense"))
	f("does not belong to the certificate", 0o600, cert, keyPEM(t, newKey(t, "p256")))
	old := authority("Old")
	old.NotAfter = time.Now().Add(-time.Hour)
	f("(CN=Old) expired at", 0o600, signed(t, old, key, nil, nil), keyPEM(t, key))
	f("no CERTIFICATE block", 0o600, []byte{}, keyPEM(t, key))
}
