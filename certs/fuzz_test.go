package certs_test

import (
	"crypto/x509"
	"errors"
	"testing"
	"unicode/utf8"

	"harken/certs"
)

// Whatever Leaf accepts is a certificate that verifies for the name in it, and
// asking with that name gives the same certificate.
func FuzzLeaf(f *testing.F) {
	for _, s := range []string{"example.com", "Example.COM.", "bücher.example", "127.0.0.1", "[::1]", "fe80::1%eth0", "a_b", "xn--a", "１.1.1.1", "a..b", "1.2.3", "\u00ad.a"} {
		f.Add(s)
	}
	ca := newCA(f)
	is := newIssuer(f, certs.IssuerConfig{CA: ca})
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	f.Fuzz(func(t *testing.T, host string) {
		cert, err := is.Leaf(t.Context(), host)
		if err != nil {
			if !errors.Is(err, certs.ErrHost) {
				t.Fatalf("Leaf(%q) = %v, want ErrHost", host, err)
			}
			return
		}
		var name string
		switch leaf := cert.Leaf; {
		case len(leaf.DNSNames) == 1 && len(leaf.IPAddresses) == 0:
			name = leaf.DNSNames[0]
		case len(leaf.DNSNames) == 0 && len(leaf.IPAddresses) == 1:
			name = leaf.IPAddresses[0].String()
		default:
			t.Fatalf("Leaf(%q) names %q and %v", host, leaf.DNSNames, leaf.IPAddresses)
		}
		if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Fatalf("Leaf(%q) for %q: %v", host, name, err)
		}
		if again, err := is.Leaf(t.Context(), name); err != nil || again != cert {
			t.Fatalf("Leaf(%q) is not Leaf(%q): %v", name, host, err)
		}
	})
}

// Whatever LoadPEM accepts can issue, and its own PEM loads again with the key.
func FuzzLoadPEM(f *testing.F) {
	key := newKey(f, "p256")
	cert := signed(f, authority("Own"), key, nil, nil)
	f.Add(cert, keyPEM(f, key))
	f.Add(append(signed(f, authority("Other"), newKey(f, "ed25519"), nil, nil), cert...), keyPEM(f, key))
	f.Add(cert, []byte("-----BEGIN EC PRIVATE KEY-----\n-----END EC PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), keyPEM(f, newKey(f, "rsa")))
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		ca, err := certs.LoadPEM(cert, key)
		if err != nil {
			if !utf8.ValidString(err.Error()) && utf8.Valid(cert) {
				t.Fatalf("error is not text: %q", err)
			}
			return
		}
		if _, err := certs.NewIssuer(certs.IssuerConfig{CA: ca}); err != nil {
			t.Fatal(err)
		}
		if ca.Fingerprint() == "" || len(ca.MobileConfig()) == 0 {
			t.Fatal("a CA without a fingerprint")
		}
	})
}
