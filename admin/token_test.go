package admin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"harken/admin"
	"harken/admin/auth"
	"harken/internal/store/sqlite"
	"harken/inventory"
)

// signIn signs a user in and returns the cookies and the access token.
func (w *world) signIn(t *testing.T, email, password string, headers ...string) (cookies map[string]string, token string) {
	t.Helper()
	b, err := json.Marshal(map[string]string{"username": email, "password": password})
	if err != nil {
		t.Fatal(err)
	}
	res, body := w.do(t, "", http.MethodPost, "/auth/login", bytes.NewReader(b), headers...)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("login of %s = %d %s", email, res.StatusCode, body)
	}
	cookies = map[string]string{}
	for _, k := range res.Cookies {
		cookies[k.Name] = k.Name + "=" + k.Value
	}
	return cookies, res.Header.Get("access-token")
}

// setPassword gives a user of the world a password.
func (w *world) setPassword(t *testing.T, email string) auth.User {
	t.Helper()
	u, err := w.db.UserByEmail(t.Context(), email)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := auth.NewHasher(1).Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.db.SetPassword(t.Context(), u.ID, hash); err != nil {
		t.Fatal(err)
	}
	return u
}

const sameSite = "Sec-Fetch-Site: same-origin"

// A token that is not exactly ours is refused by one message.
func TestForgedTokens(t *testing.T) {
	w := start(t, nil)
	cookies, good := w.signIn(t, "admin@example.com", password)
	refresh := strings.TrimPrefix(cookies["refreshToken"], "refreshToken=")
	claims, err := signer().Verify(auth.LoginSubject, good, time.Unix(now, 0))
	if err != nil {
		t.Fatal(err)
	}
	sign := func(s *auth.Signer, change func(*auth.Claims)) string {
		t.Helper()
		c := claims
		change(&c)
		token, err := s.Sign(auth.LoginSubject, &c)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	if w.want(t, 200, "", http.MethodPost, "/api/me", nil, "access-token: "+sign(signer(), func(*auth.Claims) {})); t.Failed() {
		t.FailNow()
	}
	member, err := w.db.UserByEmail(t.Context(), "member@example.com")
	if err != nil {
		t.Fatal(err)
	}
	messages := map[string]bool{}
	for name, token := range map[string]string{
		"another key":       sign(newSigner(), func(*auth.Claims) {}),
		"expired":           sign(signer(), func(c *auth.Claims) { c.Expires = time.Unix(now, 0) }),
		"of the future":     sign(signer(), func(c *auth.Claims) { c.Issued = time.Unix(now+3600, 0) }),
		"another session":   sign(signer(), func(c *auth.Claims) { c.Session = "nothing" }),
		"another user":      sign(signer(), func(c *auth.Claims) { c.User = member.ID }),
		"refresh token":     refresh,
		"the session's id":  strings.TrimPrefix(cookies["harken_session"], "harken_session="),
		"none":              "eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + ".",
		"two of them":       good + ", " + good,
		"without signature": strings.Join(strings.Split(good, ".")[:2], ".") + ".",
	} {
		b := w.want(t, 403, "", http.MethodPost, "/api/me", nil, "access-token: "+token)
		if b2 := w.want(t, 403, "", http.MethodPost, "/api/me", nil, "access-token: "+token, "Cookie: "+cookies["harken_session"], sameSite); b2 != b {
			t.Errorf("%s with a good cookie: %s", name, b2)
		}
		messages[b] = true
	}
	if len(messages) != 1 {
		t.Errorf("bad tokens are told apart: %v", messages)
	}
	// An account that the user is not in opens nothing, signed or not.
	w.want(t, 403, "", http.MethodPost, "/api/me", nil, "access-token: "+sign(signer(), func(c *auth.Claims) { c.Account = 5 }))
}

// What counts first: the key, then the token, and then the cookie, which must
// not be of another user.
func TestCredentialsTogether(t *testing.T) {
	w := start(t, nil)
	w.setPassword(t, "guest@example.com")
	admins, admin := w.signIn(t, "admin@example.com", password)
	guests, guest := w.signIn(t, "guest@example.com", password)
	me := func(status int, want string, headers ...string) {
		t.Helper()
		if b := w.want(t, status, "", http.MethodPost, "/api/me", nil, headers...); !strings.Contains(b, want) {
			t.Errorf("with %d headers me is %s, want %s", len(headers), b, want)
		}
	}
	key, badKey := "X-API-KEY: "+w.keys["member"], "X-API-KEY: wrong"
	me(200, "member@", key, "access-token: "+admin, "Cookie: "+guests["harken_session"])
	me(200, "member@", key, "access-token: wrong")
	me(403, "the API key is not known", badKey, "access-token: "+admin)
	me(200, "admin@", "access-token: "+admin, "Cookie: "+admins["harken_session"])
	me(403, "different users", "access-token: "+admin, "Cookie: "+guests["harken_session"])
	me(200, "admin@", "access-token: "+admin, "Cookie: harken_session=gone")
	me(200, "guest@", "access-token: ", "Cookie: "+guests["harken_session"], sameSite)
	me(403, "from the page itself", "access-token: ", "Cookie: "+guests["harken_session"])
	me(200, "guest@", "access-token: "+guest)
	// Neither is sent to an origin that is not ours, and only the key is not at all.
	w.want(t, 403, "admin", http.MethodPost, "/dashboard/accessToken", nil, "Cookie: "+admins["refreshToken"], sameSite)
	w.want(t, 200, "", http.MethodPost, "/dashboard/accessToken", nil, "Cookie: "+admins["refreshToken"], sameSite)
}

// The header account picks an account where none is selected.
func TestAccountHeader(t *testing.T) {
	w := start(t, nil)
	u, err := w.db.UserByEmail(t.Context(), "guest@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.db.AddSession(t.Context(), auth.Session{SID: "s", ID: auth.HashToken("cookie"), User: u.ID, Created: now, LastUsed: now, KeepUntil: now + 60}); err != nil {
		t.Fatal(err)
	}
	token, err := signer().Sign(auth.LoginSubject, &auth.Claims{User: u.ID, Session: "s", Issued: time.Unix(now, 0), Expires: time.Unix(now+60, 0)})
	if err != nil {
		t.Fatal(err)
	}
	for _, credential := range [][]string{{"Cookie: harken_session=cookie", sameSite}, {"access-token: " + token}} {
		me := func(status int, headers ...string) {
			t.Helper()
			w.want(t, status, "", http.MethodPost, "/api/me", nil, append(headers, credential...)...)
		}
		me(403)
		me(200, fmt.Sprint("account: ", inventory.DefaultAccount))
		me(403, "account: 5")
		me(403, "account: 0")
		me(403, "account: 99999999999")
		me(403, "account: x")
	}
}

// A session whose account its user has left gets tokens without one.
func TestRefreshAfterLeaving(t *testing.T) {
	w := start(t, nil)
	u, err := w.db.UserByEmail(t.Context(), "guest@example.com")
	if err != nil {
		t.Fatal(err)
	}
	s := auth.Session{SID: "s", ID: auth.HashToken("cookie"), User: u.ID, Account: 5, Created: now, LastUsed: now, KeepUntil: now}
	c := auth.Claims{User: u.ID, Session: "s", Account: 5, Issued: time.Unix(now, 0), Expires: time.Unix(now+60, 0)}
	text, err := signer().Sign(auth.RefreshSubject, &c)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.db.AddSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := w.db.AddRefreshToken(t.Context(), auth.RefreshToken{Hash: auth.HashToken(text), User: u.ID, Session: "s", Created: now, Expires: now + 60}); err != nil {
		t.Fatal(err)
	}
	res, b := w.do(t, "", http.MethodPost, "/dashboard/accessToken", nil, "Cookie: refreshToken="+text, sameSite)
	token := "access-token: " + res.Header.Get("access-token")
	if res.StatusCode != http.StatusOK {
		t.Fatalf("accessToken = %d %s", res.StatusCode, b)
	}
	w.want(t, 403, "", http.MethodPost, "/api/me", nil, token)
	w.want(t, 200, "", http.MethodPost, "/api/me", nil, token, fmt.Sprint("account: ", inventory.DefaultAccount))
}

// No credential is ever logged, least of all when something fails.
func TestNoCredentialInLog(t *testing.T) {
	var logged bytes.Buffer
	var mu sync.Mutex
	w := start(t, func(c *admin.Config) {
		c.Log = slog.New(slog.NewTextHandler(&lockedWriter{&mu, &logged}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	cookies, token := w.signIn(t, "admin@example.com", password)
	reset := w.want(t, 200, "admin", http.MethodPost, "/api/resetUserPassword", strings.NewReader(`{"userEmail":"guest@example.com"}`))
	var link struct{ PasswordResetToken string }
	if err := json.Unmarshal([]byte(reset), &link); err != nil {
		t.Fatal(err)
	}
	calls := func() {
		w.do(t, "admin", http.MethodPost, "/api/me", nil)
		w.do(t, "", http.MethodPost, "/api/me", nil, "access-token: "+token)
		w.do(t, "", http.MethodPost, "/api/me", nil, "Cookie: "+cookies["harken_session"], sameSite)
		w.do(t, "", http.MethodPost, "/dashboard/accessToken", nil, "Cookie: "+cookies["refreshToken"], sameSite)
		w.do(t, "", http.MethodPost, "/auth/login", strings.NewReader(`{"username":"admin@example.com","password":"`+password+`"}`))
		w.do(t, "", http.MethodPost, "/auth/resetPassword", strings.NewReader(`{"resetPasswordToken":"`+link.PasswordResetToken+`","newPassword":"another8horse"}`))
		w.do(t, "", http.MethodPost, "/signup-email", strings.NewReader(`{"email":"x@y.z","password":"another8horse","invitationCode":"invitation-code"}`))
	}
	calls()
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	calls()
	mu.Lock()
	defer mu.Unlock()
	text := logged.String()
	if strings.Count(text, "request failed") < 6 {
		t.Errorf("failures are logged as\n%s", text)
	}
	for _, secret := range []string{
		w.keys["admin"], token, strings.Split(token, ".")[2], cookies["harken_session"][15:], cookies["refreshToken"][13:], password, "another8horse",
		link.PasswordResetToken, "invitation-code",
	} {
		if strings.Contains(text, secret) {
			t.Errorf("the log has %s:\n%s", secret, text)
		}
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// Guessing in one network slows that network down, and nobody who was signed in
// before, nor anybody elsewhere.
func TestGuessing(t *testing.T) {
	w := start(t, func(c *admin.Config) {
		c.LimitLogin = -1
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	try := func(status int, user, pass, from string, headers ...string) {
		t.Helper()
		b, err := json.Marshal(map[string]string{"username": user, "password": pass})
		if err != nil {
			t.Fatal(err)
		}
		res, body := w.do(t, "", http.MethodPost, "/auth/login", bytes.NewReader(b), append(headers, "X-Forwarded-For: "+from)...)
		if res.StatusCode != status || (status == http.StatusTooManyRequests) != (res.Header.Get("Retry-After") != "") {
			t.Errorf("login of %s from %s = %d %s, want %d", user, from, res.StatusCode, body, status)
		}
	}
	const user = "admin@example.com"
	cookies, _ := w.signIn(t, user, password, "X-Forwarded-For: 192.0.2.200")
	for i := range 10 {
		try(401, user, "wrong", fmt.Sprint("192.0.2.", i))
		try(401, "nobody@example.com", "wrong", fmt.Sprint("192.0.2.", i))
		w.late.Add(int64(time.Second) / 2)
	}
	try(429, user, password, "192.0.2.99")
	try(429, " Admin@example.com", password, "192.0.2.99")
	try(429, "nobody@example.com", "wrong", "192.0.2.99")
	try(200, user, password, "198.51.100.1")                                                // elsewhere
	try(200, user, password, "192.0.2.200")                                                 // a known address
	try(200, user, password, "192.0.2.98", "Cookie: "+cookies["harken_session"])            // a known device
	try(401, user, "wrong", "192.0.2.98", "Cookie: "+cookies["harken_session"])             // which still needs the password
	try(429, "nobody@example.com", "x", "192.0.2.99", "Cookie: "+cookies["harken_session"]) // and is known for its user only
}

// fresh is an API on an empty store.
func fresh(t *testing.T, change func(*admin.Config)) *world {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "h.db"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{db: db, stop: func() error { return nil }}
	cfg := admin.Config{Stores: db, Users: db, Jobs: db, Tokens: signer(), Now: func() time.Time { return time.Unix(now, 0) }}
	if change != nil {
		change(&cfg)
	}
	if w.api, err = admin.New(cfg); err != nil {
		t.Fatal(err)
	}
	w.srv = httptest.NewServer(w.api.Handler())
	t.Cleanup(w.close)
	return w
}

func signupBody(email string) *strings.Reader {
	return strings.NewReader(fmt.Sprintf(`{"email":%q,"password":%q,"invitationCode":""}`, email, password))
}

// The first user needs no invitation, and there is one first user.
func TestFirstSignup(t *testing.T) {
	w := fresh(t, nil)
	var made atomic.Int32
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			res, err := http.Post(w.srv.URL+"/signup-email", "application/json", signupBody(fmt.Sprintf("user%d@example.com", i)))
			if err != nil {
				t.Error(err)
				return
			}
			if res.StatusCode == http.StatusOK {
				made.Add(1)
			}
			_ = res.Body.Close()
		})
	}
	if wg.Wait(); made.Load() != 1 {
		t.Fatalf("%d users were first", made.Load())
	}
	w.want(t, 422, "", http.MethodPost, "/signup-email", signupBody("late@example.com"))
}

// With open signup everybody has an organization and an account of their own.
func TestOpenSignup(t *testing.T) {
	w := fresh(t, func(c *admin.Config) { c.OpenSignup = true })
	for i, want := range []string{"1000000", "1699960000", "1699920000"} {
		email := fmt.Sprintf("user%d@example.com", i)
		res, b := w.do(t, "", http.MethodPost, "/signup-email", signupBody(email))
		if res.StatusCode != http.StatusOK || b != fmt.Sprintf(`{"email":%q,"accountId":%s}`, email, want) {
			t.Errorf("signup = %d %s", res.StatusCode, b)
		}
		token := "access-token: " + res.Header.Get("access-token")
		me := w.want(t, 200, "", http.MethodPost, "/api/me", nil, token, "x-context-source: AGENTIC")
		for _, part := range []string{`"activeAccount":` + want, `"role":"ADMIN"`, `"adminEmail":"` + email, `"name":"My account","isDefault":true`} {
			if !strings.Contains(me, part) {
				t.Errorf("me is %s, want %s", me, part)
			}
		}
		if b := w.want(t, 200, "", http.MethodPost, "/api/getAllCollections", nil, token); !strings.Contains(b, `"Default"`) {
			t.Errorf("collections are %s", b)
		}
		if b := w.want(t, 200, "", http.MethodPost, "/auth/login", strings.NewReader(fmt.Sprintf(`{"username":%q,"password":%q}`, email, password))); b != `{"loginResult":{"redirect":"/"}}` {
			t.Errorf("login with an empty inventory = %s", b)
		}
	}
	w.want(t, 422, "", http.MethodPost, "/signup-email", signupBody("User1@example.com"))
}

// A stranger who asks for a reset does not choose where its link leads, nor
// learns from the answer or its time who exists.
func TestResetLink(t *testing.T) {
	for base, want := range map[string]string{"": "\n\r\n/login?token=", "https://harken.example/x/": "\n\r\nhttps://harken.example/x/login?token="} {
		w := start(t, func(c *admin.Config) { c.PublicURL = base })
		for _, email := range []string{"admin@example.com", "nobody@example.com"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.srv.URL+"/auth/sendPasswordResetLink",
				strings.NewReader(`{"forgotPasswordEmail":"`+email+`"}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "evil.example"
			begun := time.Now()
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if took := time.Since(begun); res.StatusCode != http.StatusOK || took < 250*time.Millisecond {
				t.Errorf("%s: %d after %v", email, res.StatusCode, took)
			}
		}
		names, err := filepath.Glob(filepath.Join(w.mail.Dir, "*"))
		if err != nil || len(names) != 1 {
			t.Fatalf("messages: %v, %v", names, err)
		}
		b, err := os.ReadFile(names[0])
		if err != nil || strings.Contains(string(b), "evil") || !strings.Contains(string(b), want) {
			t.Errorf("the message is %q (%v), want %q in it", b, err, want)
		}
	}
}

// Where a logout may lead: here, and where the operator said.
func TestLogoutURL(t *testing.T) {
	w := start(t, func(c *admin.Config) {
		c.PublicURL, c.Origins = "https://harken.example/", []string{"https://tools.example", "*"}
	})
	for redirect, ok := range map[string]bool{
		"": false, "/": true, "/a?b#c": true, "a": false, "//evil.example": false, `/\evil.example`: false, "/\t/evil.example": false,
		w.srv.URL + "/bye": true, "https://harken.example/bye": true, "https://tools.example/x": true, "http://tools.example/x": false,
		"https://evil.example/": false, "https://harken.example@evil.example/": false, `https://harken.example\@evil.example/`: false,
		"javascript:alert(1)": false, "data:text/html,x": false, "https:evil.example": false, "https:///evil.example": false, "HTTPS://harken.example/": true,
		"\u0020https://harken.example/": false, "https://harken.example.evil.example/": false, "*": false, "*://x": false,
	} {
		b, err := json.Marshal(map[string]string{"redirectUrl": redirect})
		if err != nil {
			t.Fatal(err)
		}
		var out struct{ LogoutURL, RedirectURL string }
		reply := w.want(t, 200, "admin", http.MethodPost, "/api/logout", bytes.NewReader(b))
		if err := json.Unmarshal([]byte(reply), &out); err != nil {
			t.Fatal(err)
		}
		want := "/login"
		if ok {
			want = redirect
		}
		if out.LogoutURL != want || out.RedirectURL != redirect {
			t.Errorf("logout to %q = %s", redirect, reply)
		}
	}
}

// Cookies are for HTTPS only where that is spoken, and never take over an id that
// the client chose.
func TestCookies(t *testing.T) {
	w := start(t, func(c *admin.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.Origins = []string{"https://tools.example"}
	})
	body := fmt.Sprintf(`{"username":"admin@example.com","password":%q}`, password)
	for _, proto := range []string{"http", "https"} {
		res, _ := w.do(t, "", http.MethodPost, "/auth/login", strings.NewReader(body), "X-Forwarded-Proto: "+proto, "Cookie: harken_session=chosen", "Origin: https://tools.example")
		if !strings.Contains(res.Header.Get("Access-Control-Expose-Headers"), "access-token") || res.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("an allowed origin is answered %v", res.Header)
		}
		paths := map[string]string{"harken_session": "/", "refreshToken": "/dashboard"}
		for _, k := range res.Cookies {
			if k.Secure != (proto == "https") || !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.Path != paths[k.Name] || k.Value == "chosen" {
				t.Errorf("over %s the cookie is %v", proto, k)
			}
			delete(paths, k.Name)
		}
		if len(paths) > 0 {
			t.Errorf("over %s there is no cookie %v", proto, paths)
		}
	}
	w.want(t, 403, "", http.MethodPost, "/api/me", nil, "Cookie: harken_session=chosen", sameSite)
	w.want(t, 403, "", http.MethodPost, "/auth/login", strings.NewReader(body), "Origin: https://evil.example")
}

// At the public address cookies are for HTTPS, also when a proxy that is not trusted
// has the certificate; on the machine itself they work without.
func TestCookiesAtPublicAddress(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.PublicURL = "https://Harken.example" })
	for host, want := range map[string]bool{"harken.example": true, "127.0.0.1:8081": false} {
		rec := w.raw(t, http.MethodPost, "/auth/login", fmt.Sprintf(`{"username":"admin@example.com","password":%q}`, password),
			func(r *http.Request) { r.Host = host })
		for _, k := range rec.Result().Cookies() {
			if k.Secure != want {
				t.Errorf("at %s the cookie is %v", host, k)
			}
		}
		if n := len(rec.Result().Cookies()); n != 2 {
			t.Errorf("at %s there are %d cookies: %d %s", host, n, rec.Code, rec.Body)
		}
	}
}

// Signing in, refreshing, switching and signing out at once spoil nothing.
func TestIdentityAtOnce(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.LimitLogin = -1 })
	cookies, token := w.signIn(t, "admin@example.com", password)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			w.want(t, 200, "", http.MethodPost, "/dashboard/accessToken", nil, "Cookie: "+cookies["refreshToken"], sameSite)
			w.want(t, 200, "", http.MethodPost, "/api/createNewAccount", strings.NewReader(`{"newAccountName":"x"}`), "Cookie: "+cookies["harken_session"], sameSite)
			w.want(t, 200, "", http.MethodPost, "/api/goToAccount", strings.NewReader(`{"newAccountId":1000000}`), "access-token: "+token, "Cookie: "+cookies["harken_session"])
		})
	}
	wg.Wait()
	w.want(t, 200, "", http.MethodPost, "/api/logout", nil, "access-token: "+token)
	w.want(t, 401, "", http.MethodPost, "/dashboard/accessToken", nil, "Cookie: "+cookies["refreshToken"], sameSite)
	w.want(t, 403, "", http.MethodPost, "/api/me", nil, "Cookie: "+cookies["harken_session"], sameSite)
}

func BenchmarkAccessToken(b *testing.B) {
	w, err := newWorld(b.Context(), b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(w.close)
	rec := httptest.NewRecorder()
	login := httptest.NewRequest(http.MethodPost, "/auth/login", strings.NewReader(fmt.Sprintf(`{"username":"admin@example.com","password":%q}`, password)))
	w.srv.Config.Handler.ServeHTTP(rec, login)
	token := rec.Header().Get("access-token")
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/api/me", http.NoBody)
		r.Header.Set("access-token", token)
		rec := httptest.NewRecorder()
		if w.srv.Config.Handler.ServeHTTP(rec, r); rec.Code != http.StatusOK {
			b.Fatal(rec.Code, rec.Body)
		}
	}
}

// Calls that refresh at once all get an access token, and one of them the successor.
func TestRefreshAtOnce(t *testing.T) {
	w := start(t, nil)
	cookies, _ := w.signIn(t, "admin@example.com", password)
	var wg sync.WaitGroup
	var successors atomic.Int32
	for range 8 {
		wg.Go(func() {
			res, b := w.do(t, "", http.MethodPost, "/dashboard/accessToken", nil, "Cookie: "+cookies["refreshToken"], sameSite)
			if res.StatusCode != http.StatusOK || res.Header.Get("access-token") == "" {
				t.Errorf("accessToken = %d %s", res.StatusCode, b)
			}
			successors.Add(int32(len(res.Cookies)))
		})
	}
	if wg.Wait(); successors.Load() != 1 {
		t.Errorf("there are %d successors", successors.Load())
	}
}
