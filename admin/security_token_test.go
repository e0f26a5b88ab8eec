package admin_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"harken/admin"
	"harken/admin/auth"
)

// Tokens that only whoever has the key could make, and those that only look like
// it, one by one at the API: as access token, and as refresh cookie.
func TestForgedByKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s, err := auth.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, func(c *admin.Config) { c.Tokens = s })
	cookies, access := w.signIn(t, "admin@example.com", password)
	refresh := strings.TrimPrefix(cookies["refreshToken"], "refreshToken=")
	forge := func(good string, m jwt.SigningMethod, with any, change func(head, claims map[string]any)) string {
		t.Helper()
		claims := jwt.MapClaims{}
		tok, _, err := jwt.NewParser(jwt.WithJSONNumber()).ParseUnverified(good, claims)
		if err != nil {
			t.Fatal(err)
		}
		again := jwt.NewWithClaims(m, claims)
		again.Header["kid"] = tok.Header["kid"]
		if change != nil {
			change(again.Header, claims)
		}
		text, err := again.SignedString(with)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	public := x509.MarshalPKCS1PublicKey(&key.PublicKey)
	pkix, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	claim := func(name string, v any) func(head, claims map[string]any) {
		return func(_, claims map[string]any) { claims[name] = v }
	}
	head := func(name string, v any) func(head, claims map[string]any) {
		return func(head, _ map[string]any) { head[name] = v }
	}
	asAccess := func(status int, token string) {
		t.Helper()
		w.want(t, status, "", http.MethodPost, "/api/me", nil, "access-token: "+token)
	}
	asRefresh := func(status int, token string) {
		t.Helper()
		res, b := w.do(t, "", http.MethodPost, "/dashboard/accessToken", nil, "Cookie: refreshToken="+token, sameSite)
		if res.StatusCode != status || (res.Header.Get("access-token") != "") != (status == 200) {
			t.Errorf("accessToken = %d %s %v, want %d", res.StatusCode, b, res.Header, status)
		}
	}
	asAccess(200, forge(access, jwt.SigningMethodRS256, key, nil)) // or nothing below shows anything
	asRefresh(200, refresh)
	for name, f := range map[string]func(good string) string{
		"none": func(g string) string { return forge(g, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil) },
		"None": func(g string) string {
			return forge(g, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, head("alg", "None"))
		},
		"HS256 DER": func(g string) string { return forge(g, jwt.SigningMethodHS256, public, nil) },
		"HS256 PEM": func(g string) string {
			return forge(g, jwt.SigningMethodHS256, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}), nil)
		},
		"RS512":         func(g string) string { return forge(g, jwt.SigningMethodRS512, key, nil) },
		"PS256":         func(g string) string { return forge(g, jwt.SigningMethodPS256, key, nil) },
		"kid":           func(g string) string { return forge(g, jwt.SigningMethodRS256, key, head("kid", "../../dev/null")) },
		"jwk":           func(g string) string { return forge(g, jwt.SigningMethodRS256, key, head("crit", []string{"jwk"})) },
		"expired":       func(g string) string { return forge(g, jwt.SigningMethodRS256, key, claim("exp", now)) },
		"never expires": func(g string) string { return forge(g, jwt.SigningMethodRS256, key, claim("exp", nil)) },
		"not yet":       func(g string) string { return forge(g, jwt.SigningMethodRS256, key, claim("nbf", now+1)) },
		"of the future": func(g string) string { return forge(g, jwt.SigningMethodRS256, key, claim("iat", now+3600)) },
		"session":       func(g string) string { return forge(g, jwt.SigningMethodRS256, key, claim("sid", "x")) },
		"subject":       func(g string) string { return forge(g, jwt.SigningMethodRS256, key, claim("sub", "passwordReset")) },
		"user":          func(g string) string { return forge(g, jwt.SigningMethodRS256, key, claim("uid", now+1)) },
	} {
		t.Run(name, func(t *testing.T) {
			asAccess(403, f(access))
			asRefresh(401, f(refresh))
		})
	}
	// Each for what it is for only, also when its subject is changed by who has the key.
	asAccess(403, refresh)
	asRefresh(401, access)
	// The e-mail address in a token is for people: who it is of is the user's id.
	me := w.want(t, 200, "", http.MethodPost, "/api/me", nil, "access-token: "+forge(access, jwt.SigningMethodRS256, key, claim("username", "guest@example.com")))
	if !strings.Contains(me, `"username":"admin@example.com"`) {
		t.Errorf("a token with another's address is of %s", me)
	}
	// A refresh token is good while it is stored, and no longer.
	w.want(t, 200, "", http.MethodPost, "/api/logout", nil, "access-token: "+access)
	asAccess(403, access)
	asRefresh(401, refresh)
	// One that has our signature, and was never given out, is as one that was replaced.
	_, access = w.signIn(t, "admin@example.com", password)
	asRefresh(401, forge(access, jwt.SigningMethodRS256, key, claim("sub", auth.RefreshSubject)))
	asAccess(403, access)
}

// Whoever gives a victim a cookie of theirs before the victim signs in does not
// come in with the victim.
func TestSessionFixation(t *testing.T) {
	w := start(t, nil)
	w.setPassword(t, "guest@example.com")
	planted, _ := w.signIn(t, "guest@example.com", password)
	old := "Cookie: " + planted["harken_session"]
	for _, before := range []string{old, "Cookie: harken_session=" + strings.Repeat("a", 52), "Cookie: harken_session="} {
		mine, _ := w.signIn(t, "admin@example.com", password, before)
		if strings.HasSuffix(before, mine["harken_session"]) || mine["harken_session"] == "" {
			t.Errorf("a login with %q keeps the cookie", before)
		}
		if b := w.want(t, 200, "", http.MethodPost, "/api/me", nil, old, sameSite); !strings.Contains(b, "guest@example.com") {
			t.Errorf("the planted cookie is of %s", b)
		}
		again, _ := w.signIn(t, "admin@example.com", password, "Cookie: "+mine["harken_session"])
		if again["harken_session"] == mine["harken_session"] {
			t.Error("two logins share a session")
		}
	}
	// What is in a cookie is not what is stored.
	if _, err := w.db.Session(t.Context(), auth.HashToken(strings.TrimPrefix(planted["harken_session"], "harken_session="))); err != nil {
		t.Error(err)
	}
	w.late.Add(int64(24 * time.Hour))
	w.want(t, 403, "", http.MethodPost, "/api/me", nil, old, sameSite)
}

// Whoever does not exist costs what a wrong password costs: one hash.
func TestLoginTakesOneHash(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.LimitLogin = -1 })
	for _, c := range []struct {
		name, password string
		status         int
	}{
		{"admin@example.com", "wrong7horse", 401},
		{"nobody@example.com", "wrong7horse", 401},
		{"guest@example.com", "wrong7horse", 401}, // who never set one
		{"no address", "wrong7horse", 401},
		{strings.Repeat("x", 300) + "@example.com", "wrong7horse", 401},
		{"admin@example.com", password, 200},
	} {
		before := w.api.HashesRun()
		b := w.want(t, c.status, "", http.MethodPost, "/auth/login", strings.NewReader(`{"username":"`+c.name+`","password":"`+c.password+`"}`))
		if n := w.api.HashesRun() - before; n != 1 {
			t.Errorf("login as %.30s computes %d hashes, want 1", c.name, n)
		}
		if c.status == 401 && b != `{"actionErrors":["the e-mail address or the password is wrong"]}` {
			t.Errorf("login as %.30s says %s", c.name, b)
		}
	}
}
