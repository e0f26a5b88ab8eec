package auth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
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
// key. It is safe for concurrent use.
type Signer struct {
	key *rsa.PrivateKey
	id  string // thumbprint of the public key (RFC 7638)
}

// LogValue shows the id of the key, which is no secret.
func (s *Signer) LogValue() slog.Value { return slog.StringValue(s.id) }

// NewSigner returns the signer of a key of at least 2048 bits.
func NewSigner(key *rsa.PrivateKey) (*Signer, error) {
	if key.N.BitLen() < keyBits {
		return nil, fmt.Errorf("the signing key has %d bits, want at least %d", key.N.BitLen(), keyBits)
	}
	enc := base64.RawURLEncoding
	// The members in the order, and in the form, that RFC 7638 wants.
	jwk, err := json.Marshal(struct {
		E   string `json:"e"`
		Kty string `json:"kty"`
		N   string `json:"n"`
	}{enc.EncodeToString(big.NewInt(int64(key.E)).Bytes()), "RSA", enc.EncodeToString(key.N.Bytes())})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(jwk)
	return &Signer{key, enc.EncodeToString(sum[:])}, nil
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
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, false, fmt.Errorf("make the signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, false, fmt.Errorf("make the signing key: %w", err)
	}
	// Of replicas that start at once, the first one's key is that of all.
	stored, err := store.SwapSecret(ctx, signingKey, sealed, sealer.Seal(signingKey, der))
	if err != nil {
		return nil, false, err
	}
	s, err = openSigner(sealer, stored)
	return s, sealed != nil, err
}

func openSigner(sealer *Sealer, sealed []byte) (*Signer, error) {
	der, err := sealer.Open(signingKey, sealed)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	key, ok := k.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("signing key: is not RSA")
	}
	return NewSigner(key)
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
		if _, has := t.Header["crit"]; has || t.Header["kid"] != s.id {
			return nil, errToken
		}
		return &s.key.PublicKey, nil
	})
	if err != nil || w.IssuedAt == nil || w.IssuedAt.After(now.Add(clockSkew)) || w.User == 0 || w.Session == "" {
		return Claims{}, errToken
	}
	return Claims{
		User: w.User, Email: w.Username, SignedUp: w.SignedUp == "true", Account: w.Account, Session: w.Session,
		Issued: w.IssuedAt.Time, Expires: w.ExpiresAt.Time,
	}, nil
}
