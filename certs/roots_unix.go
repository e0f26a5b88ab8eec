//go:build !windows

package certs

import (
	"errors"
	"io/fs"
	"os"
)

// rootFiles are where systems keep all their roots in one PEM file. macOS has
// its own file, too, beside the keychains.
func rootFiles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Alpine, Arch, Gentoo
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
		"/etc/pki/tls/certs/ca-bundle.crt",                  // older Fedora, RHEL
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/ssl/cert.pem",                                 // macOS, Alpine, OpenBSD
		"/usr/local/share/certs/ca-root-nss.crt",            // FreeBSD
	}
}

// systemRoots is the first file that is there, or nothing.
func systemRoots() ([]byte, error) {
	for _, path := range rootFiles() {
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return data, err
	}
	return nil, nil
}
