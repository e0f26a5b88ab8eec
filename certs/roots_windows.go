package certs

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"unsafe"
)

// systemRoots reads the current user's view of the ROOT store, which includes
// the machine's. Windows fetches rare roots only when they are needed, so those
// are missing.
func systemRoots() (roots []byte, err error) {
	name, err := syscall.UTF16PtrFromString("ROOT")
	if err != nil {
		return nil, err
	}
	store, err := syscall.CertOpenSystemStore(0, name)
	if err != nil {
		return nil, fmt.Errorf("open ROOT store: %w", err)
	}
	defer func() { err = errors.Join(err, syscall.CertCloseStore(store, 0)) }()
	var b bytes.Buffer
	for crt, err := syscall.CertEnumCertificatesInStore(store, nil); err == nil && crt != nil; crt, err = syscall.CertEnumCertificatesInStore(store, crt) {
		// The context is freed by the next call.
		b.Write(encodePEM(slices.Clone(unsafe.Slice(crt.EncodedCert, crt.Length))))
	}
	return b.Bytes(), nil
}
