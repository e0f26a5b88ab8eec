package admin_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"harken/admin"
	"harken/admin/auth"
	"harken/internal/outbound"
	"harken/inventory"
)

func b64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The example of RFC 8291, section 5.
func TestSealPush(t *testing.T) {
	s := &auth.Subscription{
		Auth:   b64(t, "BTBZMqHH6r4Tts7J_aSIgg"),
		P256DH: b64(t, "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
	}
	got, err := admin.SealPush(s, []byte("When I grow up, I want to be a watermelon"),
		b64(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), b64(t, "DGv6ra1nlYgDCS1FRnbzlw"))
	want := "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6" +
		"cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
	if text := base64.RawURLEncoding.EncodeToString(got); err != nil || text != want {
		t.Errorf("sealPush = %s, %v, want %s", text, err, want)
	}
}

// pushService is a push service and the browser behind it.
type pushService struct {
	t      *testing.T
	srv    *httptest.Server
	key    *ecdh.PrivateKey // of the browser
	secret []byte
	vapid  *ecdsa.PrivateKey

	mu     sync.Mutex
	status int
	got    []string // messages, decrypted
}

func newPushService(t *testing.T) *pushService {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	vapid, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &pushService{t: t, key: key, secret: []byte("0123456789abcdef"), vapid: vapid, status: http.StatusCreated}
	p.srv = httptest.NewTLSServer(p)
	t.Cleanup(p.srv.Close)
	return p
}

// ServeHTTP checks who sends (RFC 8292) and decrypts (RFC 8188, RFC 8291).
func (p *pushService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = p.checkSender(r)
	}
	if err == nil {
		var message []byte
		if message, err = p.open(body); err == nil {
			p.got = append(p.got, string(message))
		}
	}
	if err != nil || r.Header.Get("TTL") != "86400" || r.Header.Get("Content-Encoding") != "aes128gcm" {
		p.t.Errorf("%v; header %v", err, r.Header)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(p.status)
}

func (p *pushService) checkSender(r *http.Request) error {
	var token, key string
	for part := range strings.SplitSeq(strings.TrimPrefix(r.Header.Get("Authorization"), "vapid "), ", ") {
		if v, ok := strings.CutPrefix(part, "t="); ok {
			token = v
		}
		if v, ok := strings.CutPrefix(part, "k="); ok {
			key = v
		}
	}
	i := strings.LastIndexByte(token, '.')
	sig, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	if err != nil || len(sig) != 64 {
		return fmt.Errorf("signature of %d bytes: %w", len(sig), err)
	}
	public, err := p.vapid.PublicKey.Bytes()
	if err != nil || key != base64.RawURLEncoding.EncodeToString(public) {
		return errors.New("another key")
	}
	sum := sha256.Sum256([]byte(token[:i]))
	if !ecdsa.Verify(&p.vapid.PublicKey, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return errors.New("wrong signature")
	}
	var claims struct {
		Aud, Sub string
		Exp      int64
	}
	doc, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(doc, &claims)
	}
	if err != nil || claims.Aud != p.srv.URL || claims.Sub != "mailto:ops@example.com" || claims.Exp <= now || claims.Exp > now+86400 {
		return fmt.Errorf("claims %s: %w", doc, err)
	}
	return nil
}

func (p *pushService) open(body []byte) ([]byte, error) {
	if len(body) < 86 || body[20] != 65 {
		return nil, errors.New("no header of aes128gcm")
	}
	salt, point := body[:16], body[21:86]
	peer, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, err
	}
	shared, err := p.key.ECDH(peer)
	if err != nil {
		return nil, err
	}
	ikm, _ := hkdf.Key(sha256.New, shared, p.secret, "WebPush: info\x00"+string(p.key.PublicKey().Bytes())+string(point), 32)
	cek, _ := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	nonce, _ := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, body[86:], nil)
	if err != nil || len(plain) == 0 || plain[len(plain)-1] != 2 {
		return nil, fmt.Errorf("no last record: %w", err)
	}
	return plain[:len(plain)-1], nil
}

func (p *pushService) pusher(allow ...string) *admin.WebPush {
	p.t.Helper()
	g, err := outbound.NewGuard(allow)
	if err != nil {
		p.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(p.srv.Certificate())
	client, err := outbound.New(outbound.Config{Guard: g, TLS: &tls.Config{RootCAs: roots}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(client.CloseIdle)
	public, private := p.keys()
	push, err := admin.NewWebPush(public, private, "mailto:ops@example.com", client, func() time.Time { return time.Unix(now, 0) })
	if err != nil {
		p.t.Fatal(err)
	}
	return push
}

func (p *pushService) keys() (public, private string) {
	point, _ := p.vapid.PublicKey.Bytes()
	raw, _ := p.vapid.Bytes()
	return base64.RawURLEncoding.EncodeToString(point), base64.RawURLEncoding.EncodeToString(raw)
}

func (p *pushService) subscription() string {
	return fmt.Sprintf(`{"subscription":{"endpoint":"%s/send/1","keys":{"auth":"%s","p256dh":"%s"},"expirationTime":null}}`, p.srv.URL,
		base64.StdEncoding.EncodeToString(p.secret), base64.RawURLEncoding.EncodeToString(p.key.PublicKey().Bytes()))
}

func (p *pushService) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	got := p.got
	p.got = nil
	return got
}

func (p *pushService) answer(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
}

func TestNotifications(t *testing.T) {
	p := newPushService(t)
	var at atomic.Int64 // seconds
	at.Store(now)
	w := start(t, func(c *admin.Config) {
		c.Push, c.Now = p.pusher("127.0.0.1"), func() time.Time { return time.Unix(at.Load(), 0) }
	})
	look := w.api.Notifier()
	want := func(status int, list ...string) {
		t.Helper()
		p.answer(status)
		if err := look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := p.take(); strings.Join(got, "\n") != strings.Join(list, "\n") {
			t.Errorf("pushed %q, want %q", got, list)
		}
	}
	learn := func(url, typ string) {
		t.Helper()
		err := w.db.Apply(t.Context(), &inventory.Update{Accounts: map[int32]*inventory.AccountUpdate{inventory.DefaultAccount: {Endpoints: []inventory.Endpoint{{
			EndpointKey: inventory.EndpointKey{Collection: 7, Method: "GET", URL: url}, Count: 1, Discovered: at.Load(), LastSeen: at.Load(),
			Params: []inventory.Param{{ParamKey: inventory.ParamKey{ResponseCode: 200, Name: "x", Type: typ}, Count: 1, FirstSeen: at.Load(), LastSeen: at.Load()}},
		}}}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	learn("/nobody", "EMAIL")
	want(201)
	for _, who := range []string{"admin", "guest", "limited"} {
		w.want(t, 200, who, http.MethodPost, "/api/saveSubscription", strings.NewReader(p.subscription()))
	}
	public, _ := p.keys()
	if got := w.want(t, 200, "admin", http.MethodPost, "/api/me", strings.NewReader("")); !strings.Contains(got, `"subscription":true,"pushKey":"`+public+`"`) {
		t.Errorf("me = %s", got)
	}

	// The guest may not see sensitive data; the others are told, and once.
	one := `{"title":"Harken","body":"New sensitive parameter: EMAIL in GET /nobody"}`
	want(201, one, one)
	want(201)
	learn("/plain", "GENERIC")
	learn("/a", "EMAIL")
	learn("/b", "CREDIT_CARD")
	want(201) // ten minutes are not over
	at.Add(600)
	two := `{"title":"Harken","body":"2 new sensitive parameters, such as EMAIL in GET /a"}`
	want(201, two, two)

	// A job that failed is told to administrators.
	if err := w.failJob(t); err != nil {
		t.Fatal(err)
	}
	at.Add(600)
	want(201, `{"title":"Harken","body":"A job failed: accessTypes (job 1)"}`)

	// A subscription that is gone is forgotten; one that fails is kept.
	at.Add(600)
	learn("/c", "EMAIL")
	three := `{"title":"Harken","body":"New sensitive parameter: EMAIL in GET /c"}`
	want(500, three, three)
	at.Add(600)
	learn("/d", "EMAIL")
	four := strings.Replace(three, "/c", "/d", 1)
	want(410, four, four)
	subs, err := w.db.Subscriptions(t.Context(), inventory.DefaultAccount)
	if err != nil || len(subs) != 1 { // the guest's
		t.Errorf("%d subscriptions are left, %v", len(subs), err)
	}
}

// failJob lets a job of the account fail.
func (w *world) failJob(t *testing.T) error {
	t.Helper()
	if err := w.stop(); err != nil {
		return err
	}
	w.stop = func() error { return nil }
	w.want(t, 200, "admin", http.MethodPost, "/api/applyAccessType", strings.NewReader(""))
	j, _, err := w.db.TakeJob(t.Context(), now)
	if err != nil {
		return err
	}
	return w.db.EndJob(t.Context(), j.ID, "FAILED", now+600, "no")
}

// A subscription that names a private address is not pushed to.
func TestPushIsGuarded(t *testing.T) {
	p := newPushService(t)
	s := &auth.Subscription{Endpoint: p.srv.URL + "/secret-path", Auth: p.secret, P256DH: p.key.PublicKey().Bytes()}
	err := p.pusher().Push(context.Background(), s, []byte("x"))
	if _, ok := errors.AsType[*outbound.RefusedError](err); !ok || strings.Contains(err.Error(), "secret-path") {
		t.Errorf("Push = %v, want it refused", err)
	}
	if err := p.pusher("127.0.0.1").Push(t.Context(), s, make([]byte, admin.MaxPush)); err != nil {
		t.Errorf("the longest message: %v", err)
	}
	if err := p.pusher("127.0.0.1").Push(t.Context(), s, make([]byte, admin.MaxPush+1)); err == nil {
		t.Error("a longer message was sent")
	}
	if got := p.take(); len(got) != 1 || len(got[0]) != admin.MaxPush {
		t.Errorf("%d messages came", len(got))
	}
}

func TestVAPIDKeys(t *testing.T) {
	p := newPushService(t)
	public, private := p.keys()
	sec1, err := x509.MarshalECPrivateKey(p.vapid)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(p.vapid)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := newPushService(t).keys()
	f := func(public, private, subject, want string) {
		t.Helper()
		_, err := admin.NewWebPush(public, private, subject, nil, nil)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("NewWebPush = %v, want %q", err, want)
		}
		if err != nil && private != "" && strings.Contains(err.Error(), private) {
			t.Error("the error shows the key")
		}
	}
	const subject = "mailto:a@example.com"
	f(public, private+"\n", subject, "")
	f(public+"=", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})), "https://example.com/contact", "")
	f(public, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), subject, "")
	f(other, private, subject, "public key")
	f("", private, subject, "public key")
	f(public, "", subject, "private key")
	f(public, "not base64!", subject, "private key")
	f(public, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})), subject, "private key")
	f(public, private, "a@example.com", "subject")
}
