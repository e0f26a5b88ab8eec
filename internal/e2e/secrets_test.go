package e2e

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A tour is a walk through everything, with a secret at every place that takes one.
type tour struct {
	*control
	kept     []string // secrets that are stored, sealed or as hashes, and never in the clear
	answered bytes.Buffer
	n        int
}

// secret makes one up; its text says where it was.
func (s *tour) secret(where string) string {
	s.n++
	text := fmt.Sprintf("zq%s%d%s", where, s.n, rand.Text()[:12])
	plant(text)
	return text
}

func (s *tour) keep(where string) string {
	text := s.secret(where)
	s.kept = append(s.kept, text)
	return text
}

// ask makes a call whose answer may be an error, which must not tell what it was
// given.
func (s *tour) ask(t *testing.T, name string, in any, headers ...string) string {
	t.Helper()
	res, b := s.do(t, name, in, headers...)
	if res.StatusCode >= 400 {
		fmt.Fprintf(&s.answered, "%s %d %s\n", name, res.StatusCode, b)
	}
	return b
}

// Whatever secret is where, nothing that is printed, counted or listed has it, at
// the most talkative level and in both forms of the log.
func TestSecretsAreKept(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) { keepSecrets(t, format) })
	}
}

func keepSecrets(t *testing.T, format string) {
	up := newUpstream(t)
	dir := t.TempDir()
	s := &tour{control: &control{dir: dir}}
	vapid, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private := base64.RawURLEncoding.EncodeToString(vapid.Bytes())
	plant(private)
	billingToken := s.secret("billing")
	billing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no: "+r.Header.Get("Authorization"), http.StatusBadGateway)
	}))
	t.Cleanup(billing.Close)
	password, key := "zq8Pass"+rand.Text()[:12], s.secret("adminkey")
	plant(password)
	s.kept = append(s.kept, password, key, billingToken, private)
	listen, proxy := freeAddr(t), freeAddr(t)
	s.env = []string{"HARKEN_ADMIN_PASSWORD=" + password, "HARKEN_BILLING_TOKEN=" + billingToken, "HARKEN_BILLING_URL=" + billing.URL + "/" + s.secret("billingurl")}
	s.args = []string{
		"-data", filepath.Join(dir, "harken-data"), "-listen", listen, "-proxy", proxy, "-log-level", "debug", "-log-format", format,
		"-admin-api-key-file", writeFile(t, dir, "apikey", []byte(key+"\n")), "-limit-login", "-1", "-limit-invite", "-1", "-limit-reset", "-1",
		"-allow-targets", "127.0.0.1", "-vapid-subject", "mailto:ops@example.com", "-upstream-ca", up.caFile,
		"-vapid-public-key", base64.RawURLEncoding.EncodeToString(vapid.PublicKey().Bytes()), "-vapid-private-key-file", writeFile(t, dir, "vapid", []byte(private)),
	}
	s.restart(t)
	b, err := os.ReadFile(filepath.Join(dir, "harken-data", "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	plant(strings.TrimSpace(string(b)))
	s.visitAPI(t)
	s.visitProxy(t, s.client(t, false), up)
	s.visitProxy(t, s.client(t, true), up)
	s.visitRows(t)
	s.search(t)
	s.stop(t)
	s.searchFiles(t)
	s.visitRecorder(t, up, format)
}

// visitAPI does what people do, with right and wrong credentials.
func (s *tour) visitAPI(t *testing.T) {
	t.Helper()
	admin := "X-API-KEY: " + s.APIKey
	s.ask(t, "/auth/login", obj{"username": s.Email, "password": s.secret("wrongpassword")})
	s.ask(t, "/auth/login", obj{"username": s.secret("passwordasname") + "@example.com", "password": "x"})
	access, cookies := s.login(t, s.Email, s.Password)
	s.ask(t, "me", obj{}, "access-token: "+access)
	s.ask(t, "me", obj{}, "access-token: "+access+"x")
	s.ask(t, "me", obj{}, "access-token: "+s.secret("token"))
	s.ask(t, "me", obj{}, "Cookie: "+cookies["harken_session"])
	s.ask(t, "me", obj{}, "Cookie: "+cookies["harken_session"], "Origin: http://"+hostOf(s.Control))
	s.ask(t, "me", obj{}, "X-API-KEY: "+s.secret("unknownkey"))
	s.ask(t, "me", obj{}, "Authorization: Bearer "+s.secret("bearer"))
	s.ask(t, "me?key="+s.secret("query"), obj{}, admin)
	s.ask(t, "/dashboard/accessToken", obj{}, "Cookie: "+cookies["refreshToken"], "Sec-Fetch-Site: same-origin")
	s.ask(t, "/dashboard/accessToken", obj{}, "Cookie: refreshToken="+s.secret("refresh"), "Sec-Fetch-Site: same-origin")
	newPassword := "zq8New" + rand.Text()[:12]
	s.join(t, "member@example.com", newPassword, "MEMBER")
	s.kept = append(s.kept, newPassword)
	var reset struct{ PasswordResetToken string }
	s.call(t, http.StatusOK, "resetUserPassword", obj{"userEmail": "member@example.com"}, &reset, admin)
	plant(reset.PasswordResetToken)
	s.kept = append(s.kept, reset.PasswordResetToken)
	s.ask(t, "/auth/sendPasswordResetLink", obj{"forgotPasswordEmail": s.Email})
	s.ask(t, "/auth/resetPassword", obj{"resetPasswordToken": reset.PasswordResetToken, "newPassword": s.secret("short") + "\u00e9"})
	s.ask(t, "/auth/resetPassword", obj{"resetPasswordToken": reset.PasswordResetToken, "newPassword": s.keep("8again")})
	s.ask(t, "/auth/resetPassword", obj{"resetPasswordToken": s.secret("reset"), "newPassword": s.secret("8more")})
	s.ask(t, "/signup-email", obj{"email": "x@example.com", "password": s.secret("8signup"), "invitationCode": s.secret("code")})
	var made struct{ APITokenList []struct{ Key string } }
	s.call(t, http.StatusOK, "addApiToken", obj{"tokenUtility": "EXTERNAL_API"}, &made, admin)
	plant(made.APITokenList[0].Key)
	s.kept = append(s.kept, made.APITokenList[0].Key)
	s.ask(t, "me", obj{}, "X-API-KEY: "+made.APITokenList[0].Key)
	s.call(t, http.StatusOK, "addTestRoles", obj{"roleName": "r", "authParamData": []obj{{"where": "HEADER", "key": "x", "value": s.keep("testrole")}}}, nil, admin)
	s.ask(t, "addTestRoles", obj{"roleName": "r", "authParamData": []obj{{"where": "HEADER", "key": "x", "value": s.secret("twice")}}}, admin)
	s.ask(t, "addTestRoles", obj{"roleName": "q", "authParamData": []obj{{"where": "HEADER", "key": "x y", "value": s.secret("bad")}}}, admin)
	push := obj{"endpoint": "http://127.0.0.1:1/" + s.secret("push"), "keys": obj{"auth": s.secret("pushauth"), "p256dh": s.secret("pushkey")}}
	s.ask(t, "saveSubscription", obj{"subscription": push}, admin)
	s.ask(t, "provisionSubscription", obj{"customerId": "c", "planId": "p", "billingPeriod": "monthly", "successUrl": "https://a.example/?t=" + s.secret("success"), "cancelUrl": "https://a.example/"}, admin)
	s.ask(t, "refreshUsageDataForOrg", obj{}, admin)
	s.ask(t, "applyAccessType", obj{}, admin)
	s.ask(t, "resetCollectionAccessTypes", obj{}, admin)
	s.ask(t, "logout", obj{"redirectUrl": "https://evil.example/?t=" + s.secret("logout")}, "access-token: "+access)
	s.ask(t, "me", obj{}, "access-token: "+access)
}

// visitProxy sends requests full of secrets, to upstreams that answer and to some
// that do not.
func (s *tour) visitProxy(t *testing.T, client *http.Client, up *upstream) {
	t.Helper()
	for _, base := range []string{up.url(false), up.url(true), "http://127.0.0.1:1", "https://127.0.0.1:1"} {
		for _, path := range []string{"/shop/orders/1", "/shop/missing/1", "/abort", "/nothing"} {
			u := base + path + "?api_key=" + s.secret("query") + "&q=" + s.secret("word")
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, u, strings.NewReader(`{"password":"`+s.secret("body")+`"}`))
			if err != nil {
				t.Fatal(err)
			}
			req.URL.User = url.UserPassword("u", s.secret("userinfo"))
			req.Header.Set("Authorization", "Bearer "+s.secret("authorization"))
			req.Header.Set("Cookie", "sid="+s.secret("cookie"))
			req.Header.Set("X-Api-Key", s.secret("header"))
			req.Header.Set("Content-Type", "application/json")
			if res, err := client.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		}
	}
}

// visitRows calls every row with secrets where none belongs.
func (s *tour) visitRows(t *testing.T) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+hostOf(s.Control)+"/api/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-KEY", s.APIKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var doc struct{ Paths map[string]any }
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil || len(doc.Paths) < 80 {
		t.Fatal(len(doc.Paths), err)
	}
	for path := range doc.Paths {
		if path == "/api/logout" || path == "/api/records.har" {
			continue
		}
		s.ask(t, path, obj{"password": s.secret("row"), "token": s.secret("row"), "authorization": s.secret("row")}, "X-API-KEY: "+s.APIKey)
		s.ask(t, path, obj{"password": s.secret("row")}, "X-API-KEY: "+s.secret("rowkey"), "access-token: "+s.secret("rowtoken"))
	}
}

// search looks through everything that can be read of the process.
func (s *tour) search(t *testing.T) {
	t.Helper()
	admin := "X-API-KEY: " + s.APIKey
	eventually(t, func() error {
		if b := s.ask(t, "fetchJobs", obj{"states": "QUEUED,RUNNING"}, admin); !strings.Contains(b, `"total":0`) {
			return fmt.Errorf("jobs are not done: %s", b)
		}
		return nil
	})
	res, err := http.Get("http://" + hostOf(s.Control) + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	metrics, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{
		"metrics": string(metrics), "errors": s.answered.String(),
		"audit rows": s.ask(t, "fetchApiAuditLogsFromDb", obj{"limit": 1000}, admin), "jobs": s.ask(t, "fetchJobs", obj{"limit": 1000}, admin),
		"test roles": s.ask(t, "fetchTestRoles", obj{}, admin), "tokens": s.ask(t, "fetchApiTokens", obj{}, admin), "team": s.ask(t, "getTeamData", obj{}, admin),
		"settings": s.ask(t, "fetchAdminSettings", obj{}, admin), "me": s.ask(t, "me", obj{}, admin), "health": s.ask(t, "health", obj{}),
	}
	for _, f := range []string{"cmdline", "comm"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.cmd.Process.Pid, f))
		if err != nil {
			t.Fatal(err)
		}
		seen[f] = string(b)
	}
	for where, text := range seen {
		findPlanted(t, where, text)
	}
	if len(s.answered.String()) < 5000 || strings.Count(seen["audit rows"], "apiEndpoint") < 5 {
		t.Errorf("the tour saw little: %d bytes of errors, %s", s.answered.Len(), seen["audit rows"])
	}
}

func findPlanted(t *testing.T, where, text string) {
	t.Helper()
	planted.Lock()
	defer planted.Unlock()
	for _, s := range planted.list {
		if at := strings.Index(text, s); at >= 0 {
			t.Errorf("%s have the secret %.16s...: %s", where, s, text[max(0, at-200):min(len(text), at+len(s)+50)])
		}
	}
}

// searchFiles looks for what is stored only as a hash or sealed.
func (s *tour) searchFiles(t *testing.T) {
	t.Helper()
	data := filepath.Join(s.dir, "harken-data")
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "first-run.json" || strings.Contains(path, "outbox") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, secret := range s.kept {
			if bytes.Contains(b, []byte(secret)) {
				t.Errorf("%s has the secret %.16s in the clear", path, secret)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// visitRecorder does the same with the recorder alone, whose clients, sinks and
// brokers want credentials.
func (s *tour) visitRecorder(t *testing.T, up *upstream, format string) {
	t.Helper()
	dir := t.TempDir()
	user, sasl, key := s.secret("proxyauth"), s.secret("sasl"), s.secret("sinkkey")
	addr, ca := freeAddr(t), filepath.Join(dir, "ca")
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, `{"actionErrors":["`+r.Header.Get("X-API-KEY")+`"]}`, http.StatusForbidden)
	}))
	t.Cleanup(refuses.Close)
	p := startWith(t, cleanEnv("HARKEN_AUTH=me:"+user, "HARKEN_KAFKA_PASSWORD="+sasl), dir, binaries.proxy,
		"-listen", addr, "-ca-dir", ca, "-spool", filepath.Join(dir, "spool"), "-log-level", "debug", "-log-format", format, "-upstream-ca", up.caFile,
		"-sink", "kafka://127.0.0.1:1/topic", "-kafka-username", "me", "-sink", refuses.URL, "-api-key-file", writeFile(t, dir, "key", []byte(key)),
	)
	eventually(t, func() error {
		if _, err := os.Stat(filepath.Join(ca, "ca.pem")); err != nil {
			return fmt.Errorf("%w: %s", err, p.output())
		}
		res, err := http.Get("http://" + addr + "/")
		if err == nil {
			res.Body.Close()
		}
		return err
	})
	for _, password := range []string{user, s.secret("wrongproxyauth")} {
		client := proxyClient(t, "http://me:"+password+"@"+addr, filepath.Join(ca, "ca.pem"), false)
		tr, _ := client.Transport.(*http.Transport)
		tr.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: addr, User: url.UserPassword("me", password)})
		s.visitProxy(t, client, up)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	findPlanted(t, "the arguments", string(b))
	if code := p.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	if len(p.output()) < 500 {
		t.Errorf("the recorder says little: %s", p.output())
	}
}
