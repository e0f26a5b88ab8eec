package certs_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"harken/certs"
)

// newKey makes a key; failing to is the test's end.
func newKey(tb testing.TB, kind string) crypto.Signer {
	tb.Helper()
	var (
		key crypto.Signer
		err error
	)
	switch kind {
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "p384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// authority is the template of a valid CA certificate.
func authority(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(1000 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
}

// signed makes the PEM of tmpl for key, signed by parent's key, or by itself.
func signed(tb testing.TB, tmpl *x509.Certificate, key crypto.Signer, parent *x509.Certificate, parentKey crypto.Signer) []byte {
	tb.Helper()
	if parent == nil {
		parent, parentKey = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), parentKey)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func keyPEM(tb testing.TB, key crypto.Signer) []byte {
	tb.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func loadPEM(tb testing.TB, cert, key []byte) *certs.CA {
	tb.Helper()
	ca, err := certs.LoadPEM(cert, key)
	if err != nil {
		tb.Fatal(err)
	}
	return ca
}

// issue asks for a leaf of host and verifies it as a client would that trusts
// only the CA and got only what a handshake sends.
func issue(tb testing.TB, ca *certs.CA, host string) *x509.Certificate {
	tb.Helper()
	is, err := certs.NewIssuer(certs.IssuerConfig{CA: ca})
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := is.Leaf(tb.Context(), host)
	if err != nil {
		tb.Fatal(err)
	}
	roots, inter := x509.NewCertPool(), x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca.CertPEM()) {
		tb.Fatal("CertPEM holds no certificate")
	}
	for _, der := range cert.Certificate[1:] {
		crt, err := x509.ParseCertificate(der)
		if err != nil {
			tb.Fatal(err)
		}
		inter.AddCert(crt)
	}
	if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: inter, DNSName: host}); err != nil {
		tb.Fatalf("leaf of %q: %v", host, err)
	}
	return cert.Leaf
}

func TestLoadPEMKeys(t *testing.T) {
	for _, kind := range []string{"rsa", "p256", "p384", "ed25519"} {
		key := newKey(t, kind)
		cert := signed(t, authority("Own "+kind), key, nil, nil)
		issue(t, loadPEM(t, cert, keyPEM(t, key)), "example.com")
	}
	ec := newKey(t, "p256").(*ecdsa.PrivateKey)
	der, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	// openssl ecparam -genkey writes the parameters first.
	sec1 := append(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{5, 0}}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})...)
	issue(t, loadPEM(t, signed(t, authority("Own"), ec, nil, nil), sec1), "example.com")
	old := newKey(t, "rsa").(*rsa.PrivateKey)
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(old)})
	issue(t, loadPEM(t, signed(t, authority("Own"), old, nil, nil), pkcs1), "example.com")
}

func TestLoadPEMChain(t *testing.T) {
	rootKey, midKey, subKey := newKey(t, "rsa"), newKey(t, "p256"), newKey(t, "p256")
	root, mid, sub := authority("Root"), authority("Middle"), authority("Issuing")
	rootPEM := signed(t, root, rootKey, nil, nil)
	midPEM := signed(t, mid, midKey, root, rootKey)
	subPEM := signed(t, sub, subKey, mid, midKey)
	f := func(anchor string, parts ...[]byte) {
		t.Helper()
		ca := loadPEM(t, bytes.Join(parts, []byte("some text\n")), keyPEM(t, subKey))
		if got := ca.Certificate().Subject.CommonName; got != anchor {
			t.Errorf("anchor = %s, want %s", got, anchor)
		}
		if leaf := issue(t, ca, "example.com"); leaf.Issuer.CommonName != "Issuing" {
			t.Errorf("leaf issued by %s", leaf.Issuer)
		}
	}
	f("Root", subPEM, midPEM, rootPEM)
	f("Root", rootPEM, midPEM, subPEM)
	f("Middle", subPEM, midPEM)
	f("Issuing", subPEM)
}

func TestLoadPEMRefusals(t *testing.T) {
	key, other := newKey(t, "p256"), newKey(t, "p256")
	good := signed(t, authority("Own"), key, nil, nil)
	f := func(want string, cert, key []byte) {
		t.Helper()
		_, err := certs.LoadPEM(cert, key)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("LoadPEM = %v, want one line with %q", err, want)
		}
	}
	with := func(change func(*x509.Certificate)) []byte {
		tmpl := authority("Own")
		change(tmpl)
		return signed(t, tmpl, key, nil, nil)
	}
	f("no CERTIFICATE block", nil, keyPEM(t, key))
	f("no PRIVATE KEY block", good, nil)
	f("certificate 1", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), keyPEM(t, key))
	f("private key: ", good, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}))
	f("is encrypted", good, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}))
	f(`"OPENSSH PRIVATE KEY" is not supported`, good, pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("x")}))
	f("does not belong to the certificate (CN=Own)", good, keyPEM(t, other))
	f("(CN=Stray) does not belong to the chain", append(signed(t, authority("Stray"), other, nil, nil), good...), keyPEM(t, key))
	f("is not a certificate authority", with(func(c *x509.Certificate) { c.IsCA = false; c.KeyUsage = 0 }), keyPEM(t, key))
	f("may not sign certificates (no keyCertSign)", with(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }), keyPEM(t, key))
	f("no serverAuth", with(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), keyPEM(t, key))
	f("expired at", with(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), keyPEM(t, key))
	f("is not valid before", with(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }), keyPEM(t, key))

	root := authority("Root")
	root.MaxPathLenZero = true
	rootPEM := signed(t, root, other, nil, nil)
	f("allows 0 authorities below it and has 1", append(signed(t, authority("Own"), key, root, other), rootPEM...), keyPEM(t, key))

	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	f("has 1024 bits", signed(t, authority("Weak"), weak, nil, nil), keyPEM(t, weak))
}

func TestFingerprint(t *testing.T) {
	key := newKey(t, "p256")
	ca := loadPEM(t, signed(t, authority("Own"), key, nil, nil), keyPEM(t, key))
	fp := ca.Fingerprint()
	if len(fp) != 95 || strings.Count(fp, ":") != 31 || fp != strings.ToUpper(fp) {
		t.Errorf("Fingerprint = %q, want 32 upper-case pairs", fp)
	}
	block, rest := pem.Decode(ca.CertPEM())
	if block == nil || len(rest) != 0 || !bytes.Equal(block.Bytes, ca.CertDER()) || !bytes.Equal(ca.CertDER(), ca.Certificate().Raw) {
		t.Error("CertPEM, CertDER and Certificate differ")
	}
}
