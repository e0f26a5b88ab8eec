package certs_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"harken/certs"
)

func newIssuer(tb testing.TB, cfg certs.IssuerConfig) *certs.Issuer {
	tb.Helper()
	if cfg.CA == nil {
		cfg.CA = newCA(tb)
	}
	is, err := certs.NewIssuer(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return is
}

func leafOf(tb testing.TB, is *certs.Issuer, host string) *tls.Certificate {
	tb.Helper()
	cert, err := is.Leaf(tb.Context(), host)
	if err != nil {
		tb.Fatal(err)
	}
	return cert
}

func TestLeafNames(t *testing.T) {
	is := newIssuer(t, certs.IssuerConfig{})
	f := func(host, dns, ip string) {
		t.Helper()
		leaf := leafOf(t, is, host).Leaf
		var gotDNS, gotIP string
		if len(leaf.DNSNames) == 1 {
			gotDNS = leaf.DNSNames[0]
		}
		if len(leaf.IPAddresses) == 1 {
			gotIP = leaf.IPAddresses[0].String()
		}
		if gotDNS != dns || gotIP != ip {
			t.Errorf("Leaf(%q) is for %q, %q, want %q, %q", host, leaf.DNSNames, leaf.IPAddresses, dns, ip)
		}
		if want := dns + ip; leaf.Subject.CommonName != want && len(want) <= 64 || len(want) > 64 && leaf.Subject.CommonName != "" {
			t.Errorf("Leaf(%q) has common name %q", host, leaf.Subject.CommonName)
		}
	}
	f("example.com", "example.com", "")
	f("Example.COM.", "example.com", "")
	f("localhost", "localhost", "")
	f("my_service", "my_service", "")
	f("r1---sn-abc.cdn.example", "r1---sn-abc.cdn.example", "")
	f("a-.example", "a-.example", "")
	f("bücher.example", "xn--bcher-kva.example", "")
	f("BÜCHER。example", "xn--bcher-kva.example", "")
	f("xn--bcher-kva.example", "xn--bcher-kva.example", "")
	f("faß.de", "xn--fa-hia.de", "")
	f("127.0.0.1", "", "127.0.0.1")
	f("::1", "", "::1")
	f("[2001:DB8:0::1]", "", "2001:db8::1")
	f("fe80::1%eth0", "", "fe80::1")
	f("::ffff:10.0.0.1", "", "10.0.0.1")
	f("１２７.0.0.1", "", "127.0.0.1")
	long := strings.Repeat("a", 60) + ".example.com"
	f(long, long, "")
	f(strings.Repeat(strings.Repeat("a", 62)+".", 4)+"a", strings.Repeat(strings.Repeat("a", 62)+".", 4)+"a", "")

	for _, host := range []string{
		"", ".", "..", "a..b", "example.com:443", "http://example.com", "a b", "*.example.com", "-a.example", "a/b", "user@host",
		"[::1]:443", "[example.com]", strings.Repeat("a", 64) + ".com", strings.Repeat("abcdefg.", 32) + "com", "a\x00b", "\xff", "é\xff", strings.Repeat("ü", 2000),
	} {
		if cert, err := is.Leaf(t.Context(), host); !errors.Is(err, certs.ErrHost) || cert != nil {
			t.Errorf("Leaf(%.40q) = %v, %v, want ErrHost", host, cert, err)
		}
	}
}

func TestLeafShape(t *testing.T) {
	ca := newCA(t)
	is := newIssuer(t, certs.IssuerConfig{CA: ca})
	a, b := leafOf(t, is, "a.example"), leafOf(t, is, "b.example")
	if a.PrivateKey != b.PrivateKey {
		t.Error("leaves do not share the key")
	}
	if _, ok := a.Leaf.PublicKey.(*ecdsa.PublicKey); !ok {
		t.Errorf("leaf key is %T", a.Leaf.PublicKey)
	}
	if a.Leaf.SerialNumber.Cmp(b.Leaf.SerialNumber) == 0 || a.Leaf.SerialNumber.BitLen() < 96 {
		t.Errorf("serials %x and %x", a.Leaf.SerialNumber, b.Leaf.SerialNumber)
	}
	if got := a.Leaf.ExtKeyUsage; len(got) != 1 || got[0] != x509.ExtKeyUsageServerAuth || a.Leaf.IsCA || a.Leaf.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("usage %v, %v, CA %t", a.Leaf.KeyUsage, got, a.Leaf.IsCA)
	}
	// The CA itself was valid from a day ago, some milliseconds before.
	if d := time.Since(a.Leaf.NotBefore); d < 23*time.Hour || d > 25*time.Hour {
		t.Errorf("backdated by %s, want a day", d)
	}
	if d := time.Until(a.Leaf.NotAfter); d < 89*24*time.Hour || d > 90*24*time.Hour {
		t.Errorf("valid for %s, want 90 days", d)
	}
	if string(a.Leaf.AuthorityKeyId) != string(ca.Certificate().SubjectKeyId) || len(a.Leaf.AuthorityKeyId) == 0 {
		t.Error("authority key id is not the CA's")
	}
	if leafOf(t, is, "A.example.") != a {
		t.Error("another spelling of a host got another certificate")
	}
}

func TestHandshake(t *testing.T) {
	ca := newCA(t)
	is := newIssuer(t, certs.IssuerConfig{CA: ca})
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	for _, host := range []string{"example.com", "xn--bcher-kva.example", "127.0.0.1", "::1"} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			client, server := net.Pipe()
			done := make(chan error, 1)
			go func() {
				srv := tls.Server(server, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
					return is.Leaf(h.Context(), host)
				}})
				done <- errors.Join(srv.HandshakeContext(t.Context()), srv.Close())
			}()
			c := tls.Client(client, &tls.Config{RootCAs: roots, ServerName: host, MinVersion: version, MaxVersion: version})
			if err := c.HandshakeContext(t.Context()); err != nil {
				t.Errorf("%s: client: %v", host, err)
			}
			// Reads the server's close_notify, which would block it otherwise.
			_, _ = c.Read(make([]byte, 1))
			if err := <-done; err != nil {
				t.Errorf("%s: server: %v", host, err)
			}
			_ = c.Close()
		}
	}
}

func TestSingleFlight(t *testing.T) {
	is := newIssuer(t, certs.IssuerConfig{Capacity: 8})
	var wg sync.WaitGroup
	for h := range 4 {
		got := make([]*tls.Certificate, 16)
		for i := range got {
			wg.Go(func() { got[i], _ = is.Leaf(t.Context(), fmt.Sprintf("h%d.example", h)) })
		}
		wg.Wait()
		for _, c := range got {
			if c == nil || c != got[0] {
				t.Fatalf("h%d: two certificates for one host", h)
			}
		}
	}
}

func TestCapacity(t *testing.T) {
	is := newIssuer(t, certs.IssuerConfig{Capacity: 2})
	a, b := leafOf(t, is, "a.example"), leafOf(t, is, "b.example")
	leafOf(t, is, "a.example")
	leafOf(t, is, "c.example") // b goes: it was used least recently
	if leafOf(t, is, "a.example") != a {
		t.Error("a was dropped")
	}
	if leafOf(t, is, "b.example") == b {
		t.Error("b was kept beyond the capacity")
	}
}

func TestRenewal(t *testing.T) {
	ca := newCA(t) // outside the bubble: files and the real clock
	synctest.Test(t, func(t *testing.T) {
		start := ca.Certificate().NotBefore.Add(365 * 24 * time.Hour)
		epoch := time.Now()
		is := newIssuer(t, certs.IssuerConfig{CA: ca, Now: func() time.Time { return start.Add(time.Since(epoch)) }})
		const day = 24 * time.Hour
		first := leafOf(t, is, "a.example")
		<-time.After(60*day - time.Second)
		if leafOf(t, is, "a.example") != first {
			t.Error("renewed with more than a third of its life left")
		}
		<-time.After(2 * time.Second)
		second := leafOf(t, is, "a.example")
		if second == first {
			t.Error("not renewed with less than a third of its life left")
		}
		if leafOf(t, is, "a.example") != second {
			t.Error("renewed twice")
		}
	})
}

// Near the end of the CA leaves end with it, are not made anew for each
// question, and stop.
func TestEndOfCA(t *testing.T) {
	ca := newCA(t)
	now := ca.Certificate().NotAfter.Add(-time.Hour)
	is := newIssuer(t, certs.IssuerConfig{CA: ca, Now: func() time.Time { return now }})
	leaf := leafOf(t, is, "a.example")
	if !leaf.Leaf.NotAfter.Equal(ca.Certificate().NotAfter) {
		t.Errorf("leaf ends at %s, CA at %s", leaf.Leaf.NotAfter, ca.Certificate().NotAfter)
	}
	now = now.Add(59 * time.Minute)
	if leafOf(t, is, "a.example") != leaf {
		t.Error("made anew although it cannot last longer")
	}
	now = now.Add(2 * time.Minute)
	if _, err := is.Leaf(t.Context(), "a.example"); err == nil || !strings.Contains(err.Error(), "the CA expired at") {
		t.Errorf("Leaf of an expired CA: %v", err)
	}
	now = ca.Certificate().NotBefore.Add(time.Minute)
	if got := leafOf(t, is, "b.example").Leaf.NotBefore; got.Before(ca.Certificate().NotBefore) {
		t.Errorf("leaf valid from %s, before its CA", got)
	}
}

func TestNameConstraints(t *testing.T) {
	tmpl := authority("Constrained")
	tmpl.PermittedDNSDomainsCritical, tmpl.PermittedDNSDomains = true, []string{"corp.example"}
	key := newKey(t, "p256")
	is := newIssuer(t, certs.IssuerConfig{CA: loadPEM(t, signed(t, tmpl, key, nil, nil), keyPEM(t, key))})
	leafOf(t, is, "api.corp.example")
	if _, err := is.Leaf(t.Context(), "example.com"); err == nil || !strings.Contains(err.Error(), "example.com") {
		t.Errorf("Leaf outside the name constraints: %v, want an error", err)
	}
}

func TestNewIssuerConfig(t *testing.T) {
	ca := newCA(t)
	for _, cfg := range []certs.IssuerConfig{{}, {CA: ca, Capacity: -1}, {CA: ca, Validity: time.Minute}, {CA: ca, Validity: 200 * 24 * time.Hour}} {
		if _, err := certs.NewIssuer(cfg); err == nil {
			t.Errorf("NewIssuer(%+v) took it", cfg)
		}
	}
}

func TestLeafContext(t *testing.T) {
	is := newIssuer(t, certs.IssuerConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// Only waiting for another's signing ends with ctx; a hit or an own signing is not waiting.
	if _, err := is.Leaf(ctx, "a.example"); err != nil {
		t.Errorf("Leaf with a done context: %v", err)
	}
}
