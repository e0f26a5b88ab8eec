package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"software.sslmate.com/src/go-pkcs12"
)

// StorePassword is the password of the trust stores that the install page
// serves. They hold no secret: it is Java's own default, so that commands need
// not repeat it, and known to everyone.
const StorePassword = pkcs12.DefaultPassword

// P12 is a PKCS#12 trust store that holds only the certificate that clients
// must trust, and no key. It is encrypted with 3DES and SHA-1, on purpose: that
// is all that older iOS, macOS, Android and Windows versions read, newer ones
// and OpenSSL 3 read it too, and a public certificate needs no better.
func (c *CA) P12(password string) ([]byte, error) {
	data, err := pkcs12.LegacyDES.EncodeTrustStoreEntries([]pkcs12.TrustStoreEntry{{Cert: c.anchor, FriendlyName: c.name()}}, password)
	if err != nil {
		return nil, fmt.Errorf("encode PKCS#12: %w", err)
	}
	return data, nil
}

// TrustBundle is the system's roots and this CA as PEM: what SSL_CERT_FILE,
// REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE want, which replace the system's roots
// and do not add to them. Without system roots (a container from scratch) it is
// this CA alone.
func (c *CA) TrustBundle() ([]byte, error) {
	roots, err := systemRoots()
	if err != nil {
		return nil, fmt.Errorf("read system roots: %w", err)
	}
	return c.TrustBundleWith(roots), nil
}

// TrustBundleWith is this CA and the certificates in roots, PEM with anything
// between the blocks: for a user who already has a bundle of their own.
func (c *CA) TrustBundleWith(roots []byte) []byte {
	var b bytes.Buffer
	b.Write(c.CertPEM())
	for der := range certificateBlocks(roots) {
		if !bytes.Equal(der, c.anchor.Raw) {
			b.Write(encodePEM(der))
		}
	}
	return b.Bytes()
}

// JavaTrustStore is a PKCS#12 trust store for -Djavax.net.ssl.trustStore, which
// replaces Java's own: the system's roots and this CA. Java 8 and later read
// it. System roots that cannot be parsed are left out, as Java could not use
// them either.
func (c *CA) JavaTrustStore(password string) ([]byte, error) {
	roots, err := systemRoots()
	if err != nil {
		return nil, fmt.Errorf("read system roots: %w", err)
	}
	// Java folds aliases to lower case and keeps one certificate of each.
	entries := []pkcs12.TrustStoreEntry{{Cert: c.anchor, FriendlyName: "harken"}}
	seen := map[string]bool{string(c.anchor.Raw): true}
	for der := range certificateBlocks(roots) {
		crt, err := x509.ParseCertificate(der)
		if err != nil || seen[string(der)] {
			continue
		}
		seen[string(der)] = true
		sum := sha256.Sum256(der)
		entries = append(entries, pkcs12.TrustStoreEntry{Cert: crt, FriendlyName: fmt.Sprintf("root-%x", sum[:8])})
	}
	data, err := pkcs12.LegacyDES.EncodeTrustStoreEntries(entries, password)
	if err != nil {
		return nil, fmt.Errorf("encode Java trust store: %w", err)
	}
	return data, nil
}

// certificateBlocks yields the DER of every certificate in PEM data.
func certificateBlocks(data []byte) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for rest := data; ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				return
			}
			if block.Type == "CERTIFICATE" && !yield(block.Bytes) {
				return
			}
		}
	}
}

// MobileConfig is an Apple configuration profile (iOS, iPadOS, macOS) that
// offers the CA as a trusted root. Its identifiers come from the certificate:
// installing it again replaces it, and another CA's stays beside it. It is not
// signed; the system shows that, and that it must be trusted by hand.
func (c *CA) MobileConfig() []byte {
	sum := sha256.Sum256(c.anchor.Raw)
	id := fmt.Sprintf("proxy.harken.ca.%x", sum[:4])
	return fmt.Appendf(nil, mobileConfig,
		xmlText(c.name()+".crt"), wrapBase64(c.anchor.Raw), xmlText(c.name()), id, uuid(sum[:16]), xmlText(c.name()), id, uuid(sum[16:]))
}

const mobileConfig = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>PayloadContent</key>
	<array>
		<dict>
			<key>PayloadCertificateFileName</key>
			<string>%s</string>
			<key>PayloadContent</key>
			<data>
%s			</data>
			<key>PayloadDescription</key>
			<string>Adds a root certificate, so that this device trusts the Harken proxy</string>
			<key>PayloadDisplayName</key>
			<string>%s</string>
			<key>PayloadIdentifier</key>
			<string>%s.root</string>
			<key>PayloadType</key>
			<string>com.apple.security.root</string>
			<key>PayloadUUID</key>
			<string>%s</string>
			<key>PayloadVersion</key>
			<integer>1</integer>
		</dict>
	</array>
	<key>PayloadDescription</key>
	<string>Lets the Harken proxy whose certificate this is record the HTTPS traffic that this device sends through it. Remove it when you are done.</string>
	<key>PayloadDisplayName</key>
	<string>%s</string>
	<key>PayloadIdentifier</key>
	<string>%s</string>
	<key>PayloadRemovalDisallowed</key>
	<false/>
	<key>PayloadType</key>
	<string>Configuration</string>
	<key>PayloadUUID</key>
	<string>%s</string>
	<key>PayloadVersion</key>
	<integer>1</integer>
</dict>
</plist>
`

// uuid writes 16 bytes as a UUID of version 8 (RFC 9562 section 5.8).
func uuid(b []byte) string {
	u := [16]byte(b)
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]))
}

func xmlText(s string) string {
	var b strings.Builder
	// A strings.Builder does not fail, and what XML cannot hold is replaced.
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

// wrapBase64 writes lines of 52 characters behind three tabs, as Apple's own
// tools do.
func wrapBase64(data []byte) string {
	var b strings.Builder
	for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(data)), 52) {
		fmt.Fprintf(&b, "\t\t\t%s\n", line)
	}
	return b.String()
}
