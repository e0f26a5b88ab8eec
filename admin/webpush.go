package admin

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"harken/admin/auth"
	"harken/internal/outbound"
)

// ErrSubscriptionGone says that the push service knows a subscription no longer.
var ErrSubscriptionGone = errors.New("the subscription is gone")

// A Pusher brings messages to browsers. It is safe for concurrent use.
type Pusher interface {
	// Push sends a message, at most MaxPush bytes, to a subscription; the error is
	// ErrSubscriptionGone if it should be forgotten.
	Push(ctx context.Context, s *auth.Subscription, message []byte) error
	// PublicKey is what browsers subscribe with, in base64url.
	PublicKey() string
}

// MaxPush is the number of bytes of a message: what every push service takes (RFC
// 8030, section 7.2), without the header, padding and tag of its encryption.
const MaxPush = pushRecord - 103

const (
	pushRecord = 4096
	pushTTL    = 24 * time.Hour // that a push service keeps a message for a browser that is off
	pointLen   = 65             // an uncompressed point of P-256
	vapidLife  = 12 * time.Hour // at most 24 h (RFC 8292, section 2)
)

// WebPush is a Pusher for the services of browsers: RFC 8030, with messages
// encrypted by RFC 8291 and the sender named by RFC 8292 (VAPID).
type WebPush struct {
	key     *ecdsa.PrivateKey
	public  string // base64url of the point
	subject string
	client  *outbound.Client
	now     func() time.Time
}

var _ Pusher = (*WebPush)(nil)

// NewWebPush checks the VAPID keys: public is the base64url text of the point that
// browsers subscribe with; private the base64url text of the scalar, as most tools
// print it, or PEM. subject is a mailto: or https: URL by which the operator of a
// push service reaches this one's.
func NewWebPush(public, private, subject string, client *outbound.Client, now func() time.Time) (*WebPush, error) {
	key, err := vapidKey(private)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	given, err := decodeBase64(public)
	if err != nil || !bytes.Equal(given, point) {
		return nil, errors.New("public key: is not that of the private key, in base64url")
	}
	if u, err := url.Parse(subject); err != nil || u.Scheme != "mailto" && (u.Scheme != "https" || u.Host == "") {
		return nil, errors.New("subject: want a mailto: or https: URL")
	}
	return &WebPush{key, base64.RawURLEncoding.EncodeToString(point), subject, client, now}, nil
}

func vapidKey(text string) (*ecdsa.PrivateKey, error) {
	text = strings.TrimSpace(text)
	if block, _ := pem.Decode([]byte(text)); block != nil {
		if k, err := x509.ParseECPrivateKey(block.Bytes); err == nil && k.Curve == elliptic.P256() {
			return k, nil
		}
		k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if ec, ok := k.(*ecdsa.PrivateKey); err == nil && ok && ec.Curve == elliptic.P256() {
			return ec, nil
		}
		return nil, errors.New("the PEM block holds no key of P-256")
	}
	raw, err := decodeBase64(text)
	if err != nil {
		return nil, errors.New("is neither PEM nor base64url")
	}
	return ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
}

// decodeBase64 reads base64url, or base64, with or without padding: browsers and
// tools differ.
func decodeBase64(s string) ([]byte, error) {
	s = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(strings.TrimSpace(s), "="))
	return base64.RawURLEncoding.DecodeString(s)
}

// PublicKey returns the public VAPID key.
func (p *WebPush) PublicKey() string { return p.public }

// Push encrypts a message and sends it.
func (p *WebPush) Push(ctx context.Context, s *auth.Subscription, message []byte) error {
	body, err := encryptPush(s, message)
	if err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoint, bytes.NewReader(body))
	if err != nil {
		return errors.New("the endpoint is no URL") // which may be a secret
	}
	token, err := p.token(req.URL)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	h := req.Header
	h.Set("Authorization", "vapid t="+token+", k="+p.public)
	h.Set("Content-Encoding", "aes128gcm")
	h.Set("Content-Type", "application/octet-stream")
	h.Set("TTL", fmt.Sprint(int(pushTTL.Seconds())))
	h.Set("Urgency", "normal")
	res, err := p.client.Do(req)
	switch {
	case err != nil:
		return err
	case res.Status == http.StatusNotFound || res.Status == http.StatusGone:
		return ErrSubscriptionGone
	case res.Status/100 != 2:
		return fmt.Errorf("the push service %s answered %d", req.URL.Host, res.Status)
	}
	return nil
}

// token is the signed statement of who sends to a push service (RFC 8292, section
// 2): a JWT by ES256.
func (p *WebPush) token(u *url.URL) (string, error) {
	claims, err := json.Marshal(map[string]any{"aud": u.Scheme + "://" + u.Host, "exp": p.now().Add(vapidLife).Unix(), "sub": p.subject})
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + enc.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	if err != nil {
		return "", err
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return text + "." + enc.EncodeToString(sig), nil
}

// encryptPush is RFC 8291, section 3.4: one record of aes128gcm (RFC 8188), keyed by
// a fresh key pair, the browser's key and its secret.
func encryptPush(s *auth.Subscription, message []byte) ([]byte, error) {
	if len(message) > MaxPush {
		return nil, fmt.Errorf("the message has %d bytes, at most %d are sent", len(message), MaxPush)
	}
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails since Go 1.24
	return sealPush(s, message, own, salt)
}

func sealPush(s *auth.Subscription, message []byte, own *ecdh.PrivateKey, salt []byte) ([]byte, error) {
	peer, err := ecdh.P256().NewPublicKey(s.P256DH)
	if err != nil {
		return nil, err
	}
	shared, err := own.ECDH(peer)
	if err != nil {
		return nil, err
	}
	point := own.PublicKey().Bytes()
	ikm, err := hkdf.Key(sha256.New, shared, s.Auth, "WebPush: info\x00"+string(s.P256DH)+string(point), 32)
	if err != nil {
		return nil, err
	}
	cek, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	out := binary.BigEndian.AppendUint32(append([]byte{}, salt...), pushRecord)
	out = append(append(out, pointLen), point...)
	// The delimiter 2 ends the last record.
	return aead.Seal(out, nonce, append(append([]byte{}, message...), 2), nil), nil
}
