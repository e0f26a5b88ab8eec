// Package certs is the certificate authority of the recorder: the CA itself
// (made once, or a user's own), the leaf certificates that it issues for
// intercepted hosts, the page from which people install it, and the trust
// stores that programs want it in. It does no TLS and knows nothing of proxies.
package certs

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A CA is a certificate authority whose key is at hand. It does not change
// after it was made and is safe for concurrent use.
//
// Two certificates matter: the issuing certificate, whose key signs leaves, and
// the anchor, which clients must trust. They are the same unless a user's own
// CA is an intermediate one and its file also holds the root.
type CA struct {
	key    crypto.Signer
	issuer *x509.Certificate
	anchor *x509.Certificate
	// sent are the certificates that follow the leaf in a handshake.
	sent []*x509.Certificate
	// path are all certificates from the issuing one to the anchor.
	path []*x509.Certificate
}

// LoadPEM makes a CA from a user's own certificate and key. certPEM holds the
// issuing certificate and, in any order, the certificates above it; keyPEM an
// RSA (2048 bits or more), ECDSA or Ed25519 key as PKCS#8, PKCS#1 or SEC 1,
// not encrypted. The chain without its self-signed root is sent to clients.
// Expired certificates, certificates that may not sign servers' certificates
// (RFC 5280 sections 4.2.1.3, 4.2.1.9 and 4.2.1.12) and certificates that do
// not belong to the chain are errors, which name them.
func LoadPEM(certPEM, keyPEM []byte) (*CA, error) {
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, err
	}
	all, err := parseCertificates(certPEM)
	if err != nil {
		return nil, err
	}
	path, err := orderPath(all, key)
	if err != nil {
		return nil, err
	}
	c := &CA{key: key, issuer: path[0], anchor: path[len(path)-1], path: path}
	for _, crt := range path {
		if !selfSigned(crt) {
			c.sent = append(c.sent, crt)
		}
	}
	now := time.Now()
	for i, crt := range path {
		if err := checkAuthority(crt, i, now); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Certificate is the certificate that clients must trust. It must not be
// changed.
func (c *CA) Certificate() *x509.Certificate { return c.anchor }

// CertDER is the certificate that clients must trust, in DER.
func (c *CA) CertDER() []byte { return slices.Clone(c.anchor.Raw) }

// CertPEM is the certificate that clients must trust, in PEM, ending in a
// newline.
func (c *CA) CertPEM() []byte { return encodePEM(c.anchor.Raw) }

// Fingerprint is the SHA-256 digest of the certificate that clients must trust,
// as upper-case hexadecimal pairs joined by colons: the form that browsers,
// operating systems and openssl show.
func (c *CA) Fingerprint() string {
	sum := sha256.Sum256(c.anchor.Raw)
	var b strings.Builder
	for i, x := range sum {
		if i > 0 {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%02X", x)
	}
	return b.String()
}

// name is the common name of the anchor, or its whole subject.
func (c *CA) name() string {
	if cn := c.anchor.Subject.CommonName; cn != "" {
		return cn
	}
	return c.anchor.Subject.String()
}

// expires is the time after which the first certificate of the path is invalid.
func (c *CA) expires() time.Time {
	t := c.issuer.NotAfter
	for _, crt := range c.path {
		if crt.NotAfter.Before(t) {
			t = crt.NotAfter
		}
	}
	return t
}

// starts is the time before which some certificate of the path is not valid.
func (c *CA) starts() time.Time {
	t := c.issuer.NotBefore
	for _, crt := range c.path {
		if crt.NotBefore.After(t) {
			t = crt.NotBefore
		}
	}
	return t
}

func encodePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func selfSigned(crt *x509.Certificate) bool {
	return bytes.Equal(crt.RawSubject, crt.RawIssuer) && crt.CheckSignatureFrom(crt) == nil
}

func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		crt, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(all)+1, err)
		}
		all = append(all, crt)
	}
	if len(all) == 0 {
		return nil, errors.New("no CERTIFICATE block in the PEM data")
	}
	return all, nil
}

// publicKey is what every public key of the standard library can do.
type publicKey interface{ Equal(crypto.PublicKey) bool }

// orderPath sorts all from the certificate of key to the highest above it.
func orderPath(all []*x509.Certificate, key crypto.Signer) ([]*x509.Certificate, error) {
	own, ok := key.Public().(publicKey)
	if !ok {
		return nil, fmt.Errorf("key type %T is not supported", key)
	}
	i := slices.IndexFunc(all, func(crt *x509.Certificate) bool { return own.Equal(crt.PublicKey) })
	if i < 0 {
		return nil, fmt.Errorf("the key does not belong to the certificate (%s)", all[0].Subject)
	}
	path := []*x509.Certificate{all[i]}
	rest := slices.Delete(slices.Clone(all), i, i+1)
	for len(rest) > 0 {
		top := path[len(path)-1]
		i := slices.IndexFunc(rest, func(crt *x509.Certificate) bool {
			return !selfSigned(top) && bytes.Equal(top.RawIssuer, crt.RawSubject) && top.CheckSignatureFrom(crt) == nil
		})
		if i < 0 {
			return nil, fmt.Errorf("certificate (%s) does not belong to the chain of (%s)", rest[0].Subject, path[0].Subject)
		}
		path = append(path, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	return path, nil
}

// checkAuthority says why crt, which has below other authorities under it,
// cannot stand above a server's certificate.
func checkAuthority(crt *x509.Certificate, below int, now time.Time) error {
	const day = "2006-01-02 15:04 MST"
	name := crt.Subject.String()
	switch {
	case !crt.BasicConstraintsValid || !crt.IsCA:
		return fmt.Errorf("certificate (%s) is not a certificate authority", name)
	case crt.KeyUsage != 0 && crt.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Errorf("certificate (%s) may not sign certificates (no keyCertSign)", name)
	case (crt.MaxPathLen > 0 || crt.MaxPathLenZero) && below > crt.MaxPathLen:
		return fmt.Errorf("certificate (%s) allows %d authorities below it and has %d", name, crt.MaxPathLen, below)
	case !signsServers(crt):
		return fmt.Errorf("certificate (%s) may not sign certificates of servers (no serverAuth)", name)
	case now.After(crt.NotAfter):
		return fmt.Errorf("certificate (%s) expired at %s", name, crt.NotAfter.UTC().Format(day))
	case now.Before(crt.NotBefore):
		return fmt.Errorf("certificate (%s) is not valid before %s; is the clock right?", name, crt.NotBefore.UTC().Format(day))
	}
	return nil
}

func signsServers(crt *x509.Certificate) bool {
	if len(crt.ExtKeyUsage) == 0 && len(crt.UnknownExtKeyUsage) == 0 {
		return true
	}
	return slices.Contains(crt.ExtKeyUsage, x509.ExtKeyUsageAny) || slices.Contains(crt.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
}
