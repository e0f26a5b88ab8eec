package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrSealed says that a sealed value does not open: another key sealed it, under
// another name, or it was changed since.
var ErrSealed = errors.New("the secret key does not open what is sealed")

// sealKey is the length of a secret key: that of AES-256.
const sealKey = 32

// sealVersion is the first byte of what is sealed, so that the form can change.
const sealVersion = 1

// A Sealer encrypts what must be kept but not read by those who get hold of the
// database: the key that signs tokens, credentials of other services. It is
// AES-256-GCM with random nonces, good for some billions of values (NIST SP
// 800-38D, 8.3). It is safe for concurrent use.
type Sealer struct{ aead cipher.AEAD }

// NewSealer returns the sealer of a key of 32 bytes.
func NewSealer(key []byte) (*Sealer, error) {
	if len(key) != sealKey {
		return nil, fmt.Errorf("the secret key has %d bytes, want %d", len(key), sealKey)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead}, nil
}

// Seal encrypts a value under a name. Only the same name opens it again, so that
// a value cannot be put in the place of another one.
func (s *Sealer) Seal(name string, plain []byte) []byte {
	out := make([]byte, 1+s.aead.NonceSize(), 1+s.aead.NonceSize()+len(plain)+s.aead.Overhead())
	out[0] = sealVersion
	_, _ = rand.Read(out[1:]) // never fails since Go 1.24
	return s.aead.Seal(out, out[1:], plain, []byte(name))
}

// Open returns what was sealed under a name, or ErrSealed.
func (s *Sealer) Open(name string, sealed []byte) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < 1+n || sealed[0] != sealVersion {
		return nil, ErrSealed
	}
	plain, err := s.aead.Open(nil, sealed[1:1+n], sealed[1+n:], []byte(name))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// LoadSealer reads the key file (32 bytes in base64) at path, and makes it, with
// mode 0600, if there is none; made says so. Of several processes that make it at
// once, one does, and all read the same.
func LoadSealer(path string) (s *Sealer, made bool, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if made, err = makeKey(path); err == nil {
			b, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("secret key: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(key) != sealKey {
		// What is in the file is not told: it may be most of a key.
		return nil, false, fmt.Errorf("secret key: %s does not hold %d bytes in base64", path, sealKey)
	}
	s, err = NewSealer(key)
	return s, made, err
}

// makeKey writes a new key file, whole or not at all, unless there is one.
func makeKey(path string) (bool, error) {
	key := make([]byte, sealKey)
	_, _ = rand.Read(key) // never fails since Go 1.24
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*")
	if err != nil {
		return false, err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // a leftover is another random key
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return false, err
	}
	// Unlike rename, link does not replace the file of whoever was first.
	err = os.Link(f.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}
