package auth_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"harken/admin/auth"
	"harken/inventory/fault"
)

func newKey(t *testing.T) (*rsa.PrivateKey, *auth.Signer) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s, err := auth.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, s
}

var tokenTime = time.Unix(1_700_000_000, 0).UTC()

func claims() *auth.Claims {
	return &auth.Claims{
		User: 7, Email: "a@b.c", SignedUp: true, Account: 1000000, Session: "s", Issued: tokenTime, Expires: tokenTime.Add(2 * time.Hour),
	}
}

func sign(t *testing.T, s *auth.Signer, subject string, c *auth.Claims) string {
	t.Helper()
	text, err := s.Sign(subject, c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// part decodes a part of a token.
func part(t *testing.T, token string, i int) map[string]any {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSigner(t *testing.T) {
	_, s := newKey(t)
	token := sign(t, s, auth.LoginSubject, claims())
	if token == sign(t, s, auth.LoginSubject, claims()) {
		t.Error("two tokens are equal")
	}
	got, err := s.Verify(auth.LoginSubject, token, tokenTime.Add(2*time.Hour-time.Second))
	got.Issued, got.Expires = got.Issued.UTC(), got.Expires.UTC()
	if d := cmp.Diff(*claims(), got); err != nil || d != "" {
		t.Errorf("Verify: %v (-want +got):\n%s", err, d)
	}
	head, body := part(t, token, 0), part(t, token, 1)
	if head["alg"] != "RS256" || head["typ"] != "JWT" || len(head["kid"].(string)) != 43 {
		t.Errorf("the header is %v", head)
	}
	delete(body, "jti")
	want := map[string]any{
		"sub": "login", "username": "a@b.c", "signedUp": "true", "uid": 7., "aid": 1000000., "sid": "s",
		"iat": float64(tokenTime.Unix()), "exp": float64(tokenTime.Add(2 * time.Hour).Unix()),
	}
	if d := cmp.Diff(want, body); d != "" {
		t.Errorf("claims (-want +got):\n%s", d)
	}
}

// What is not exactly our token is refused, whatever is wrong with it, by one
// message.
func TestVerifyRefuses(t *testing.T) {
	key, s := newKey(t)
	otherKey, other := newKey(t)
	kid := part(t, sign(t, s, auth.LoginSubject, claims()), 0)["kid"]
	public := x509.MarshalPKCS1PublicKey(&key.PublicKey)
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: public})
	forge := func(m jwt.SigningMethod, key any, change func(head map[string]any, c jwt.MapClaims)) string {
		t.Helper()
		c := jwt.MapClaims{
			"sub": "login", "username": "a@b.c", "signedUp": "true", "uid": 7, "aid": 1000000, "sid": "s",
			"iat": tokenTime.Unix(), "exp": tokenTime.Add(time.Hour).Unix(),
		}
		tok := jwt.NewWithClaims(m, c)
		tok.Header["kid"] = kid
		if change != nil {
			change(tok.Header, c)
		}
		text, err := tok.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	claim := func(name string, v any) string {
		return forge(jwt.SigningMethodRS256, key, func(_ map[string]any, c jwt.MapClaims) {
			if c[name] = v; v == nil {
				delete(c, name)
			}
		})
	}
	header := func(name string, v any) string {
		return forge(jwt.SigningMethodRS256, key, func(h map[string]any, _ jwt.MapClaims) {
			if h[name] = v; v == nil {
				delete(h, name)
			}
		})
	}
	good := forge(jwt.SigningMethodRS256, key, nil)
	if _, err := s.Verify(auth.LoginSubject, good, tokenTime); err != nil {
		t.Fatalf("what is forged well: %v", err)
	}
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"empty": "", "text": "x", "two parts": parts[0] + "." + parts[1], "four parts": good + ".x", "no signature": parts[0] + "." + parts[1] + ".",
		"none":                    forge(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
		"HS256 of the public key": forge(jwt.SigningMethodHS256, public, nil),
		"HS256 of the PEM":        forge(jwt.SigningMethodHS256, publicPEM, nil),
		"RS512":                   forge(jwt.SigningMethodRS512, key, nil),
		"PS256":                   forge(jwt.SigningMethodPS256, key, nil),
		"another key":             forge(jwt.SigningMethodRS256, otherKey, nil),
		"another issuer":          sign(t, other, auth.LoginSubject, claims()),
		"wrong kid":               header("kid", "k"),
		"no kid":                  header("kid", nil),
		"kid of another type":     header("kid", []string{"k"}),
		"critical extension":      header("crit", []string{"b64"}),
		"wrong subject":           claim("sub", "refreshToken"),
		"no subject":              claim("sub", nil),
		"expired":                 claim("exp", tokenTime.Unix()),
		"no end":                  claim("exp", nil),
		"end of another type":     claim("exp", "tomorrow"),
		"not yet valid":           claim("nbf", tokenTime.Add(time.Second).Unix()),
		"of the future":           claim("iat", tokenTime.Add(2*time.Minute).Unix()),
		"of no time":              claim("iat", nil),
		"no session":              claim("sid", nil),
		"no user":                 claim("uid", nil),
		"user of another type":    claim("uid", "7"),
		"user out of range":       claim("uid", 1e12),
		"changed claims":          parts[0] + "." + strings.Split(claim("uid", 8), ".")[1] + "." + parts[2],
		"trailing bits":           good[:len(good)-1] + string(good[len(good)-1]+1),
		"padding":                 good + "==",
		"huge":                    claim("x", strings.Repeat("x", 5000)),
	} {
		c, err := s.Verify(auth.LoginSubject, token, tokenTime)
		if kind, msg := fault.Of(err); kind != fault.Denied || msg != "the access token is not valid; sign in again" || c != (auth.Claims{}) {
			t.Errorf("%s: Verify = %+v, %v", name, c, err)
		}
	}
	if _, err := s.Verify(auth.RefreshSubject, good, tokenTime); err == nil {
		t.Error("an access token is taken for a refresh token")
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := auth.NewSigner(weak); err == nil {
		t.Error("a key of 1024 bits is taken")
	}
}

// What anybody sends is refused, or was signed by the key: never a panic.
func FuzzVerify(f *testing.F) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	s, err := auth.NewSigner(key)
	if err != nil {
		f.Fatal(err)
	}
	good, err := s.Sign(auth.LoginSubject, claims())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := s.Verify(auth.LoginSubject, token, tokenTime)
		if (err == nil) != (token == good) || err != nil && c != (auth.Claims{}) {
			t.Errorf("Verify(%q) = %+v, %v", token, c, err)
		}
	})
}

// memory is a SecretStore.
type memory struct {
	mu sync.Mutex
	m  map[string][]byte
}

func (s *memory) Secret(_ context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.m[name]; ok {
		return b, nil
	}
	return nil, fault.New(fault.NotFound, "no such secret")
}

func (s *memory) SwapSecret(_ context.Context, name string, old, sealed []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes.Equal(s.m[name], old) {
		s.m[name] = sealed
	}
	return s.m[name], nil
}

func TestOpenSigner(t *testing.T) {
	ctx, store := t.Context(), &memory{m: map[string][]byte{}}
	path := filepath.Join(t.TempDir(), "secret.key")
	sealer := func() *auth.Sealer {
		t.Helper()
		s, _, err := auth.LoadSealer(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	// Replicas that start at once agree.
	const replicas = 3
	signers := make([]*auth.Signer, replicas)
	var wg sync.WaitGroup
	for i := range replicas {
		wg.Go(func() {
			seal, _, err := auth.LoadSealer(path)
			if err == nil {
				signers[i], _, err = auth.OpenSigner(ctx, store, seal)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	if wg.Wait(); t.Failed() {
		t.FailNow()
	}
	token := sign(t, signers[0], auth.LoginSubject, claims())
	again, replaced, err := auth.OpenSigner(ctx, store, sealer())
	if err != nil || replaced {
		t.Fatalf("OpenSigner = replaced %v, %v", replaced, err)
	}
	for i, s := range append([]*auth.Signer{again}, signers...) {
		if _, err := s.Verify(auth.LoginSubject, token, tokenTime); err != nil {
			t.Errorf("signer %d: %v", i, err)
		}
	}
	for _, b := range store.m {
		if _, err := x509.ParsePKCS8PrivateKey(b); err == nil {
			t.Error("the key is stored in the clear")
		}
	}
	// Without its key file the database has a new signing key.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	fresh, replaced, err := auth.OpenSigner(ctx, store, sealer())
	if err != nil || !replaced {
		t.Fatalf("OpenSigner without the key file = replaced %v, %v", replaced, err)
	}
	if _, err := fresh.Verify(auth.LoginSubject, token, tokenTime); err == nil {
		t.Error("a token of the lost key is valid")
	}
	if _, replaced, err := auth.OpenSigner(ctx, store, sealer()); err != nil || replaced {
		t.Errorf("OpenSigner after that = replaced %v, %v", replaced, err)
	}
}

// A new key takes tokens of the former one, but not of the one before, nor, when
// that is revoked, of any.
func TestRotateSigner(t *testing.T) {
	ctx, store := t.Context(), &memory{m: map[string][]byte{}}
	sealer, err := auth.NewSealer(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	rotate := func(revoke bool) *auth.Signer {
		t.Helper()
		if err := auth.RotateSigner(ctx, store, sealer, revoke); err != nil {
			t.Fatal(err)
		}
		s, replaced, err := auth.OpenSigner(ctx, store, sealer)
		if err != nil || replaced {
			t.Fatalf("OpenSigner = replaced %v, %v", replaced, err)
		}
		return s
	}
	takes := func(s *auth.Signer, token string, want bool) {
		t.Helper()
		if _, err := s.Verify(auth.LoginSubject, token, tokenTime); (err == nil) != want {
			t.Errorf("Verify: %v, want it taken: %v", err, want)
		}
	}
	first, _, err := auth.OpenSigner(ctx, store, sealer)
	if err != nil {
		t.Fatal(err)
	}
	token := sign(t, first, auth.LoginSubject, claims())
	second := rotate(false)
	takes(second, token, true)
	seconds := sign(t, second, auth.LoginSubject, claims())
	takes(second, seconds, true)
	takes(first, seconds, false)
	third := rotate(false)
	takes(third, token, false)
	takes(third, seconds, true)
	thirds := sign(t, third, auth.LoginSubject, claims())
	takes(rotate(true), thirds, false)
	wrong, err := auth.NewSealer([]byte(strings.Repeat("w", 32)))
	if err != nil {
		t.Fatal(err)
	}
	if err := auth.RotateSigner(ctx, store, wrong, false); !errors.Is(err, auth.ErrSealed) {
		t.Errorf("RotateSigner with another secret key: %v", err)
	}
	if err := auth.RotateSigner(ctx, &memory{m: map[string][]byte{}}, sealer, false); err == nil {
		t.Error("RotateSigner rotates what is not there")
	}
}

func TestSealer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret.key")
	s, made, err := auth.LoadSealer(path)
	if err != nil || !made {
		t.Fatalf("LoadSealer = made %v, %v", made, err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the key file: %v, %v", st.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("beside the key file there is %v, %v", left, err)
	}
	again, made, err := auth.LoadSealer(path)
	if err != nil || made {
		t.Fatalf("LoadSealer = made %v, %v", made, err)
	}
	sealed := s.Seal("a", []byte("hunter22"))
	if bytes.Contains(sealed, []byte("hunter22")) || bytes.Equal(sealed, s.Seal("a", []byte("hunter22"))) {
		t.Errorf("Seal = %q", sealed)
	}
	if got, err := again.Open("a", sealed); err != nil || string(got) != "hunter22" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if _, err := s.Open("b", sealed); err == nil {
		t.Error("another name opens it")
	}
	for i := range sealed {
		torn := bytes.Clone(sealed)
		torn[i] ^= 1
		if _, err := s.Open("a", torn); err == nil {
			t.Errorf("with byte %d changed it opens", i)
		}
		if _, err := s.Open("a", sealed[:i]); err == nil {
			t.Errorf("cut to %d bytes it opens", i)
		}
	}
	other, err := auth.NewSealer(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Open("a", sealed); err == nil {
		t.Error("another key opens it")
	}
	if _, err := auth.NewSealer(make([]byte, 16)); err == nil {
		t.Error("a key of 16 bytes is taken")
	}
	for _, bad := range []string{"", "short", base64.StdEncoding.EncodeToString(make([]byte, 31)), "!!!"} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := auth.LoadSealer(path); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("LoadSealer of %q: %v", bad, err)
		}
	}
}

func TestNames(t *testing.T) {
	f := func(s, wantUser, wantOrg string) {
		t.Helper()
		user, uerr := auth.CheckUserName("username", s)
		org, oerr := auth.CheckOrganizationName("organization", s)
		if user != wantUser || org != wantOrg || (uerr == nil) != (wantUser != "") || (oerr == nil) != (wantOrg != "") {
			t.Errorf("%q is the user %q (%v) and the organization %q (%v)", s, user, uerr, org, oerr)
		}
	}
	f(" Jo Doe-2 ", "Jo Doe-2", "Jo Doe-2")
	f("A & B Co.", "", "A & B Co.")
	f("under_score", "", "")
	f("é", "", "")
	f("", "", "")
	f("  ", "", "")
	f(strings.Repeat("a", 24), strings.Repeat("a", 24), strings.Repeat("a", 24))
	f(strings.Repeat("a", 25), "", "")
	f("a\nb", "", "")
}
