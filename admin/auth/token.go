package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"harken/inventory/fault"
)

// The subjects of tokens: what each is for.
const (
	LoginSubject   = "login"
	RefreshSubject = "refreshToken"
)

// signingKey is the name under which the key that signs tokens is sealed.
const signingKey = "token-signing-key"

// keyBits is the size of a new signing key, and the least that is taken.
const keyBits = 2048

// maxToken bounds the text of a token before anything is decoded: ours have some
// 700 bytes.
const maxToken = 4096

// clockSkew is how far the clock of another replica may be ahead of ours.
const clockSkew = time.Minute

// errToken is all that a bad token is told: which check failed helps nobody but
// who is trying.
var errToken = fault.New(fault.Denied, "the access token is not valid; sign in again")

// Claims are what a token says, and who signed it vouches for.
type Claims struct {
	User     int32
	Email    string
	SignedUp bool
	Account  int32 // 0: none
	Session  string
	Issued   time.Time // whole seconds
	Expires  time.Time // whole seconds
}

// wireClaims are Claims as published, in the token.
type wireClaims struct {
	jwt.RegisteredClaims
	Username string `json:"username"`
	SignedUp string `json:"signedUp"`
	User     int32  `json:"uid"`
	Account  int32  `json:"aid"`
	Session  string `json:"sid"`
}

// A Signer makes and checks tokens: JWTs (RFC 7519) signed with RS256 and one
// key. It also takes what the former key signed, until that ends. It is safe for
// concurrent use.
type Signer struct {
	key   *rsa.PrivateKey
	id    string                    // thumbprint of the public key (RFC 7638)
	known map[string]*rsa.PublicKey // that of key, and the former one if there is one, by thumbprint
}

// LogValue shows the id of the key, which is no secret.
func (s *Signer) LogValue() slog.Value { return slog.StringValue(s.id) }

// NewSigner returns the signer of a key of at least 2048 bits.
func NewSigner(key *rsa.PrivateKey) (*Signer, error) {
	s := &Signer{key: key, known: map[string]*rsa.PublicKey{}}
	id, err := s.trust(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	s.id = id
	return s, nil
}

// trust takes from now on what the owner of a key signed, and returns its thumbprint.
func (s *Signer) trust(key *rsa.PublicKey) (string, error) {
	if key.N.BitLen() < keyBits {
		return "", fmt.Errorf("the signing key has %d bits, want at least %d", key.N.BitLen(), keyBits)
	}
	enc := base64.RawURLEncoding
	// The members in the order, and in the form, that RFC 7638 wants.
	jwk, err := json.Marshal(struct {
		E   string `json:"e"`
		Kty string `json:"kty"`
		N   string `json:"n"`
	}{enc.EncodeToString(big.NewInt(int64(key.E)).Bytes()), "RSA", enc.EncodeToString(key.N.Bytes())})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(jwk)
	id := enc.EncodeToString(sum[:])
	s.known[id] = key
	return id, nil
}

// OpenSigner returns the signer whose key the store keeps, sealed, and makes it if
// there is none. Restarts and replicas with the same secret key have the same
// signer. replaced says that there was a key which the sealer does not open: a
// new one is in its place, and tokens signed before are no longer valid.
func OpenSigner(ctx context.Context, store SecretStore, sealer *Sealer) (s *Signer, replaced bool, err error) {
	sealed, err := store.Secret(ctx, signingKey)
	if kind, _ := fault.Of(err); err != nil && kind != fault.NotFound {
		return nil, false, err
	}
	if sealed != nil {
		s, err := openSigner(sealer, sealed)
		if !errors.Is(err, ErrSealed) {
			return s, false, err
		}
	}
	plain, err := newKey(nil)
	if err != nil {
		return nil, false, err
	}
	// Of replicas that start at once, the first one's key is that of all.
	stored, err := store.SwapSecret(ctx, signingKey, sealed, sealer.Seal(signingKey, plain))
	if err != nil {
		return nil, false, err
	}
	s, err = openSigner(sealer, stored)
	return s, sealed != nil, err
}

// newKey makes a signing key in the form in which it is sealed: PKCS #8, and behind it
// the public key of the former one, if there is one whose tokens stay valid.
func newKey(former *Signer) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("make the signing key: %w", err)
	}
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil || former == nil {
		return plain, err
	}
	public, err := x509.MarshalPKIXPublicKey(&former.key.PublicKey)
	return append(plain, public...), err
}

// RotateSigner puts a new signing key in the place of the one that the store keeps.
// Tokens of that one stay valid as long as they are, or, with revoke, no longer;
// those of the one before are over. Signers that are open do not know the new key.
func RotateSigner(ctx context.Context, store SecretStore, sealer *Sealer, revoke bool) error {
	sealed, err := store.Secret(ctx, signingKey)
	if err != nil {
		return err
	}
	former, err := openSigner(sealer, sealed)
	if err != nil {
		return err
	}
	if revoke {
		former = nil
	}
	plain, err := newKey(former)
	if err != nil {
		return err
	}
	next := sealer.Seal(signingKey, plain)
	stored, err := store.SwapSecret(ctx, signingKey, sealed, next)
	if err == nil && !bytes.Equal(stored, next) {
		return fault.New(fault.Conflict, "the signing key was changed at the same time")
	}
	return err
}

func openSigner(sealer *Sealer, sealed []byte) (*Signer, error) {
	plain, err := sealer.Open(signingKey, sealed)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	var first asn1.RawValue
	former, err := asn1.Unmarshal(plain, &first)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	k, err := x509.ParsePKCS8PrivateKey(first.FullBytes)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	key, ok := k.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("signing key: is not RSA")
	}
	s, err := NewSigner(key)
	if err != nil || len(former) == 0 {
		return s, err
	}
	p, err := x509.ParsePKIXPublicKey(former)
	if err != nil {
		return nil, fmt.Errorf("former signing key: %w", err)
	}
	public, ok := p.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("former signing key: is not RSA")
	}
	_, err = s.trust(public)
	return s, err
}

// Sign returns a token for a subject. No two tokens are equal.
func (s *Signer) Sign(subject string, c *Claims) (string, error) {
	signedUp := "false"
	if c.SignedUp {
		signedUp = "true"
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, wireClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject: subject, IssuedAt: jwt.NewNumericDate(c.Issued), ExpiresAt: jwt.NewNumericDate(c.Expires),
			ID: rand.Text(), // RS256 is deterministic, and refresh tokens are told apart by their hash
		},
		Username: c.Email, SignedUp: signedUp, User: c.User, Account: c.Account, Session: c.Session,
	})
	t.Header["kid"] = s.id
	text, err := t.SignedString(s.key)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return text, nil
}

// Verify returns the claims of a token for a subject that this signer made and
// that is valid at a time. Everything else is fault.Denied with one message. It
// does not know what was revoked.
func (s *Signer) Verify(subject, token string, now time.Time) (Claims, error) {
	if len(token) > maxToken {
		return Claims{}, errToken
	}
	var w wireClaims
	p := jwt.NewParser(
		// RFC 8725, 3.1: the algorithm is ours to choose, or "none" and HS256 with the
		// public key would be signatures.
		jwt.WithValidMethods([]string{jwt.SigningMethodRS256.Alg()}),
		jwt.WithSubject(subject), jwt.WithExpirationRequired(), jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(func() time.Time { return now }),
	)
	_, err := p.ParseWithClaims(token, &w, func(t *jwt.Token) (any, error) {
		// RFC 7515, 4.1.11: an extension that must be understood is not.
		id, _ := t.Header["kid"].(string)
		key := s.known[id]
		if _, has := t.Header["crit"]; has || key == nil {
			return nil, errToken
		}
		return key, nil
	})
	if err != nil || w.IssuedAt == nil || w.IssuedAt.After(now.Add(clockSkew)) || w.User == 0 || w.Session == "" {
		return Claims{}, errToken
	}
	return Claims{
		User: w.User, Email: w.Username, SignedUp: w.SignedUp == "true", Account: w.Account, Session: w.Session,
		Issued: w.IssuedAt.Time, Expires: w.ExpiresAt.Time,
	}, nil
}
