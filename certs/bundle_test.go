package certs_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"
)

func TestP12(t *testing.T) {
	ca := newCA(t)
	for _, password := range []string{"changeit", "", "pässword"} {
		data, err := ca.P12(password)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pkcs12.DecodeTrustStore(data, password)
		if err != nil || len(got) != 1 || !got[0].Equal(ca.Certificate()) {
			t.Errorf("P12(%q) holds %v, %v", password, got, err)
		}
		if _, err := pkcs12.DecodeTrustStore(data, "other"); err == nil {
			t.Errorf("P12(%q) opens with another password", password)
		}
	}
}

func TestTrustBundle(t *testing.T) {
	ca := newCA(t)
	bundle, err := ca.TrustBundle()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(bundle, ca.CertPEM()) {
		t.Error("the bundle does not begin with the CA")
	}
	other := signed(t, authority("Private root"), newKey(t, "p256"), nil, nil)
	mine := "# comment\n" + string(other) + "\n# the CA again\n" + string(ca.CertPEM()) + "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"
	want := string(ca.CertPEM()) + string(other)
	if got := string(ca.TrustBundleWith([]byte(mine))); got != want {
		t.Errorf("TrustBundleWith =\n%s\nwant\n%s", got, want)
	}
	if got := ca.TrustBundleWith(nil); !bytes.Equal(got, ca.CertPEM()) {
		t.Error("a bundle of nothing is not the CA alone")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(bundle) {
		t.Fatal("the bundle holds no certificate")
	}
	if _, err := issue(t, ca, "example.com").Verify(x509.VerifyOptions{Roots: pool, DNSName: "example.com"}); err != nil {
		t.Errorf("leaf against the bundle: %v", err)
	}
}

func TestJavaTrustStore(t *testing.T) {
	ca := newCA(t)
	data, err := ca.JavaTrustStore("changeit")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pkcs12.DecodeTrustStore(data, "changeit")
	if err != nil || len(got) == 0 || !got[0].Equal(ca.Certificate()) {
		t.Fatalf("trust store holds %d certificates, %v, or does not begin with the CA", len(got), err)
	}
	bundle, err := ca.TrustBundle()
	if err != nil {
		t.Fatal(err)
	}
	if roots := bytes.Count(bundle, []byte("BEGIN CERTIFICATE")); len(got) < roots-3 {
		t.Errorf("trust store holds %d of %d certificates", len(got), roots)
	}

	// Where there is a Java, it is asked too; the checks above do not need it.
	keytool, err := exec.LookPath("keytool")
	if err != nil {
		t.Log("keytool is not installed: read with go-pkcs12 only")
		return
	}
	store := filepath.Join(t.TempDir(), "trust.p12")
	if err := os.WriteFile(store, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), keytool, "-J-Duser.language=en", "-list", "-keystore", store, "-storepass", "changeit").CombinedOutput()
	if err != nil {
		t.Fatalf("keytool: %v\n%s", err, out)
	}
	if n := strings.Count(string(out), "trustedCertEntry"); n != len(got) || !strings.Contains(string(out), ca.Fingerprint()) {
		t.Errorf("keytool lists %d of %d entries, or not the CA:\n%.500s", n, len(got), out)
	}
}

func TestMobileConfig(t *testing.T) {
	key := newKey(t, "p256")
	ca := loadPEM(t, signed(t, authority(`A <b> & "c"`), key, nil, nil), keyPEM(t, key))
	profile := ca.MobileConfig()
	if !bytes.Equal(profile, ca.MobileConfig()) {
		t.Error("two profiles of one CA differ")
	}
	var texts []string
	for dec := xml.NewDecoder(bytes.NewReader(profile)); ; {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if s, ok := tok.(xml.CharData); ok && strings.TrimSpace(string(s)) != "" {
			texts = append(texts, strings.TrimSpace(string(s)))
		}
	}
	all := strings.Join(texts, "\x00")
	for _, want := range []string{"com.apple.security.root", "PayloadType\x00Configuration", `A <b> & "c"`} {
		if !strings.Contains(all, want) {
			t.Errorf("profile lacks %q", want)
		}
	}
	for i, s := range texts {
		if s == "PayloadContent" && strings.HasPrefix(texts[i+1], "MI") {
			der, err := base64.StdEncoding.DecodeString(strings.Map(func(r rune) rune {
				if r == '\n' || r == '\t' {
					return -1
				}
				return r
			}, texts[i+1]))
			if err != nil || !bytes.Equal(der, ca.CertDER()) {
				t.Errorf("profile holds another certificate: %v", err)
			}
			return
		}
	}
	t.Error("profile holds no certificate")
}

// What a person downloads is what openssl understands, where it is installed.
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("openssl is not installed: verified with crypto/x509 only, in the other tests")
		return
	}
	ca, dir := newCA(t), t.TempDir()
	leaf := issue(t, ca, "example.com")
	p12, err := ca.P12("changeit")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"ca.pem": ca.CertPEM(), "ca.p12": p12,
		"leaf.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := func(want string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), openssl, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("openssl %q: %v, want %q in\n%s", args, err, want, out)
		}
	}
	f("leaf.pem: OK", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "example.com", "-CAfile", "ca.pem", "leaf.pem")
	f(ca.Fingerprint(), "x509", "-in", "ca.pem", "-noout", "-fingerprint", "-sha256")
	f("BEGIN CERTIFICATE", "pkcs12", "-in", "ca.p12", "-passin", "pass:changeit", "-nokeys")
}
