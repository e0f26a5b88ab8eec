package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	certFile = "ca.pem"
	keyFile  = "ca.key"

	// A CA that lasts as long as the machine it runs on: people install it by hand.
	caYears = 10

	// Clocks of phones and virtual machines are often behind; what was just made
	// must already be valid for them.
	backdate = 24 * time.Hour
)

// LoadOrCreate loads the CA from ca.pem and ca.key in dir, or makes one there:
// ECDSA P-256, ten years, path length 0, a subject that names the host, the day
// and the key, so that two CAs are told apart in any trust store. dir is made
// with mode 0700 and the key file with 0600.
//
// Several processes may start at once: the key is put in place first, by a link
// that fails if there is one already, and the certificate is then made for
// whichever key is there; so all end with the same pair, and a crash between
// the two steps is repaired at the next start.
//
// A key file that others can read, a certificate without its key, and whatever
// LoadPEM refuses are errors of one line; nothing is ever overwritten.
func LoadOrCreate(dir string) (*CA, error) {
	certPath, keyPath := filepath.Join(dir, certFile), filepath.Join(dir, keyFile)
	// The certificate is looked for first: as keys come before certificates, one
	// that is alone now has lost its key for good.
	_, err := os.Stat(certPath)
	haveCert := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("load CA: %w", err)
	}
	key, err := loadKey(keyPath)
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("load CA: %w", err)
	case haveCert:
		return nil, fmt.Errorf("load CA: %s is missing, but %s is there; restore the key, or remove the certificate to make a new CA", keyPath, certPath)
	default:
		if key, err = createKey(dir, keyPath); err != nil {
			return nil, fmt.Errorf("create CA: %w", err)
		}
	}
	if !haveCert {
		if err := createCert(certPath, key); err != nil {
			return nil, fmt.Errorf("create CA: %w", err)
		}
	}
	certPEM, err := os.ReadFile(certPath)
	if err != nil {
		return nil, fmt.Errorf("load CA: %w", err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, fmt.Errorf("load CA: %w", err)
	}
	c, err := LoadPEM(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("load CA from %s: %w", certPath, err)
	}
	return c, nil
}

func loadKey(path string) (crypto.Signer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := checkKeyMode(path, info); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

func createKey(dir, path string) (crypto.Signer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	data, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	if err := writeNew(path, data, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	// Read back: another process may have been first.
	return loadKey(path)
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func createCert(path string, key crypto.Signer) error {
	der, err := selfSign(key, hostName(), time.Now())
	if err != nil {
		return err
	}
	if err := writeNew(path, encodePEM(der), 0o644); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// selfSign makes the certificate of a new CA.
func selfSign(key crypto.Signer, host string, now time.Time) ([]byte, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	// A common name has at most 64 characters (RFC 5280 appendix A.1).
	id := sha256.Sum256(pub)
	tmpl := &x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{
			Organization: []string{"Harken"},
			CommonName:   fmt.Sprintf("Harken CA (%.32s, %s, %x)", host, now.UTC().Format(time.DateOnly), id[:3]),
		},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.AddDate(caYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	return x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
}

// hostName is the machine's name with only the characters that every
// certificate viewer shows as they are.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		name = ""
	}
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return -1
	}, name)
	if name == "" {
		return "localhost"
	}
	return name
}

// newSerial is a positive random number of 128 bits.
func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return nil, err
	}
	// RFC 5280 section 4.1.2.2: zero is not allowed.
	if n.Sign() == 0 {
		n.SetInt64(1)
	}
	return n, nil
}

// writeNew makes the file path with all of data, or leaves nothing: it is
// written beside it, flushed, and linked into place. A file that is already
// there stays, and the error is fs.ErrExist.
func writeNew(path string, data []byte, mode fs.FileMode) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if rmErr := os.Remove(tmp.Name()); err == nil && rmErr != nil {
			err = rmErr
		}
	}()
	err = errors.Join(writeAll(tmp, data, mode), tmp.Close())
	if err != nil {
		return err
	}
	err = os.Link(tmp.Name(), path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// No hard links here (FAT, some shared folders of virtual machines). An
	// exclusive create keeps the promise that nothing is overwritten; a second
	// process that starts in this instant may see half a file and stop.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	return errors.Join(writeAll(f, data, mode), f.Close())
}

func writeAll(f *os.File, data []byte, mode fs.FileMode) error {
	if err := f.Chmod(mode); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}
