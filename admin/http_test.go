package admin_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"harken/admin"
	"harken/admin/auth"
	"harken/ingest"
	"harken/inventory"
	"harken/inventory/fault"
)

func start(t *testing.T, change func(*admin.Config)) *world {
	t.Helper()
	w, err := newWorld(t.Context(), t.TempDir(), change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

// answer is what of a response the tests look at.
type answer struct {
	StatusCode int
	Header     http.Header
	Cookies    []*http.Cookie
}

// do sends a request as a caller ("" is nobody) and returns the answer.
func (w *world) do(t *testing.T, who, method, path string, body io.Reader, headers ...string) (answer, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.srv.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if who != "" {
		req.Header.Set("X-API-KEY", w.keys[who])
	}
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, res.Cookies()}, string(b)
}

func (w *world) want(t *testing.T, status int, who, method, path string, body io.Reader, headers ...string) string {
	t.Helper()
	res, b := w.do(t, who, method, path, body, headers...)
	if res.StatusCode != status {
		t.Errorf("%s %s as %q = %d %.200s, want %d", method, path, who, res.StatusCode, b, status)
	}
	if status >= 400 && !isErrorBody(b) && method != http.MethodHead {
		t.Errorf("%s %s as %q has the error body %.200s", method, path, who, b)
	}
	return b
}

func isErrorBody(b string) bool {
	var body struct {
		ActionErrors []string `json:"actionErrors"`
	}
	return json.Unmarshal([]byte(b), &body) == nil && len(body.ActionErrors) > 0
}

// unread fails the test when it is read: the server must have refused before.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// padded is an empty object of n bytes.
func padded(n int64) io.Reader {
	return io.MultiReader(strings.NewReader("{}"), io.LimitReader(spaces{}, n-2))
}

func zipped(t *testing.T, n int) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.Copy(z, padded(int64(n)))
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return &b
}

// spaces reads as white space without end.
type spaces struct{}

var blanks = bytes.Repeat([]byte(" "), 64<<10)

func (spaces) Read(p []byte) (int, error) {
	return copy(p, blanks), nil
}

func TestBodyCaps(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.MaxUpload = 4 << 20 })
	big := padded
	post := func(status int, who, name string, body io.Reader, headers ...string) {
		t.Helper()
		w.want(t, status, who, http.MethodPost, "/api/"+name, body, headers...)
	}
	// Told by Content-Length, before anything is read.
	for name, limit := range map[string]int64{"me": 1 << 20, "ingestData": 4 << 20} {
		r := httptest.NewRequest(http.MethodPost, "/api/"+name, unread{t})
		r.ContentLength = limit + 1
		r.Header.Set("X-API-KEY", w.keys["admin"])
		rec := httptest.NewRecorder()
		w.srv.Config.Handler.ServeHTTP(rec, r)
		if rec.Code != http.StatusRequestEntityTooLarge || !isErrorBody(rec.Body.String()) {
			t.Errorf("%s with a large Content-Length = %d %s", name, rec.Code, rec.Body)
		}
		// Who may not call gets no further than that.
		r.Header.Set("X-API-KEY", "wrong")
		rec = httptest.NewRecorder()
		if w.srv.Config.Handler.ServeHTTP(rec, r); rec.Code != http.StatusForbidden {
			t.Errorf("%s with a large body and a wrong key = %d", name, rec.Code)
		}
	}
	post(200, "admin", "me", big(1<<20))
	post(413, "admin", "me", big(1<<20+1))
	post(422, "admin", "ingestData", big(4<<20))
	post(413, "admin", "ingestData", big(4<<20+1))
	// The cap is that of what comes out of gzip too, and of a form.
	post(422, "admin", "ingestData", zipped(t, 4<<20), "Content-Encoding: gzip")
	post(413, "admin", "ingestData", zipped(t, 16<<20), "Content-Encoding: gzip")
	form := func(n int64) io.Reader {
		return io.MultiReader(strings.NewReader("--X\r\nContent-Disposition: form-data; name=harString\r\n\r\n"), big(n), strings.NewReader("\r\n--X--"))
	}
	post(413, "admin", "uploadHar", form(5<<20), "Content-Type: multipart/form-data; boundary=X")
	post(422, "admin", "uploadHar", form(3<<20), "Content-Type: multipart/form-data; boundary=X")
	post(413, "admin", "uploadHar", big(5<<20), "Content-Type: application/x-www-form-urlencoded")
	parts := strings.Repeat("--X\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n", 1001) + "--X--"
	post(400, "admin", "uploadHar", strings.NewReader(parts), "Content-Type: multipart/form-data; boundary=X")
	// Nothing of all that stays held.
	for range 20 {
		post(422, "admin", "ingestData", big(4<<20))
	}
	deep := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
	post(400, "admin", "me", strings.NewReader(`{"a":`+deep+`}`))
}

// An endless body gives n bytes, then says so and waits until it is let go.
type endless struct {
	n       int
	reached chan struct{}
	ended   <-chan struct{}
}

func (e *endless) Read(p []byte) (int, error) {
	if e.n == 0 {
		close(e.reached)
		<-e.ended
		return 0, io.ErrUnexpectedEOF
	}
	k := copy(p[:min(len(p), e.n)], blanks)
	e.n -= k
	return k, nil
}

func TestTooManyUploads(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.MaxUpload = 64 << 20 })
	// Bodies that never end hold the memory once the server has read them, which they
	// themselves tell: what a client has written may still be on its way.
	ended := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		body := &endless{60 << 20, make(chan struct{}), ended}
		r := httptest.NewRequest(http.MethodPost, "/api/ingestData", body)
		r.Header.Set("X-API-KEY", w.keys["admin"])
		answered := make(chan struct{})
		wg.Go(func() {
			defer close(answered)
			w.srv.Config.Handler.ServeHTTP(httptest.NewRecorder(), r)
		})
		select {
		case <-body.reached:
		case <-answered:
			t.Error("an upload was refused")
		}
	}
	res, body := w.do(t, "admin", http.MethodPost, "/api/ingestData", io.LimitReader(spaces{}, 60<<20))
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" || !isErrorBody(body) {
		t.Errorf("a fourth upload = %d %s", res.StatusCode, body)
	}
	w.want(t, 200, "admin", http.MethodPost, "/api/me", strings.NewReader("{}"))
	close(ended)
	wg.Wait()
}

func TestPathsAndVerbs(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.Origins = []string{"https://tools.example"} })
	w.want(t, 404, "admin", http.MethodPost, "/api/nothing", nil)
	w.want(t, 404, "", http.MethodGet, "/nothing", nil)
	w.want(t, 404, "admin", http.MethodPost, "/api/me/", nil)
	for _, verb := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		res, body := w.do(t, "", verb, "/api/createCollection", nil)
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST, OPTIONS" || !isErrorBody(body) {
			t.Errorf("%s = %d, Allow %q, %s", verb, res.StatusCode, res.Header.Get("Allow"), body)
		}
	}
	res, _ := w.do(t, "", http.MethodOptions, "/api/createCollection", nil, "Origin: https://tools.example", "Access-Control-Request-Method: POST")
	if h := res.Header; res.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "https://tools.example" ||
		!strings.Contains(h.Get("Access-Control-Allow-Headers"), "X-API-KEY") || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("preflight = %d %v", res.StatusCode, res.Header)
	}
	res, _ = w.do(t, "admin", http.MethodPost, "/api/me", nil, "Origin: https://tools.example")
	if res.Header.Get("Access-Control-Allow-Origin") == "" || !strings.Contains(res.Header.Get("Access-Control-Expose-Headers"), "access-token") {
		t.Errorf("answer to an allowed origin has %v", res.Header)
	}
	res, _ = w.do(t, "", http.MethodOptions, "/api/createCollection", nil, "Origin: https://evil.example")
	if res.StatusCode != http.StatusNoContent || res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("preflight of another origin = %d %v", res.StatusCode, res.Header)
	}
}

func TestMounts(t *testing.T) {
	w := start(t, nil)
	for path, want := range map[string]string{
		"/": "<!doctype html>", "/login": "<!doctype html>", "/ui/app.js": "import", "/healthz": "ok", "/readyz": "ok", "/metrics": "up 1", "/ca": "the CA", "/ca/x.pem": "the CA",
	} {
		if got := w.want(t, 200, "", http.MethodGet, path, nil); !strings.Contains(got, want) {
			t.Errorf("GET %s = %.100q", path, got)
		}
		w.want(t, 405, "", http.MethodDelete, path, nil)
	}
	get := func(remote string, headers ...string) int {
		r := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		r.RemoteAddr, r.Host = remote, "localhost:8081"
		for _, h := range headers {
			k, v, _ := strings.Cut(h, ": ")
			r.Header.Set(k, v)
			if k == "Host" {
				r.Host = v
			}
		}
		rec := httptest.NewRecorder()
		w.srv.Config.Handler.ServeHTTP(rec, r)
		return rec.Code
	}
	for _, c := range []struct {
		want    int
		remote  string
		headers []string
	}{
		{200, "127.0.0.1:9", nil},
		{200, "[::1]:9", nil},
		{200, "[::ffff:127.0.0.1]:9", nil},
		{403, "192.0.2.1:9", nil},
		{403, "127.0.0.1:9", []string{"X-Forwarded-For: 192.0.2.1"}},
		{403, "127.0.0.1:9", []string{"Host: rebound.example:8081"}},
		{403, "192.0.2.1:9", []string{"X-API-KEY: wrong"}},
		{200, "192.0.2.1:9", []string{"X-API-KEY: " + w.keys["guest"]}},
		{403, "192.0.2.1:9", []string{"X-API-KEY: " + w.keys["no_access"]}},
	} {
		if got := get(c.remote, c.headers...); got != c.want {
			t.Errorf("metrics for %s %v = %d, want %d", c.remote, c.headers, got, c.want)
		}
	}
}

// broken panics where an endpoint uses it, and fails where a caller is found.
type broken struct{ inventory.Stores }

func (broken) Full(int32) inventory.FullStore { return nil }

func TestFailures(t *testing.T) {
	var logged bytes.Buffer
	w := start(t, func(c *admin.Config) {
		c.Stores = broken{c.Stores}
		c.Log = slog.New(slog.NewTextHandler(&logged, nil))
	})
	if b := w.want(t, 500, "admin", http.MethodPost, "/api/getAllCollections", nil); !strings.Contains(b, `"internal error"`) {
		t.Errorf("a panic is answered by %s", b)
	}
	if !strings.Contains(logged.String(), "panic") || !strings.Contains(logged.String(), "collections.go") {
		t.Errorf("the panic is logged as %s", &logged)
	}
	// An error of the store is told to nobody but the log, and opens no door.
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	logged.Reset()
	b := w.want(t, 500, "admin", http.MethodPost, "/api/me", nil)
	if strings.Contains(b, "sql") || !strings.Contains(logged.String(), "closed") {
		t.Errorf("a closed store is answered by %s and logged as %s", b, &logged)
	}
	w.want(t, 500, "", http.MethodPost, "/auth/login", strings.NewReader(`{"username":"a@b","password":"x"}`))
}

// A download that fails halfway must not look whole.
func TestBrokenDownload(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.Records = tornRecords{} })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.srv.URL+"/api/records.har", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-KEY", w.keys["admin"])
	res, err := http.DefaultClient.Do(req)
	if err == nil {
		_, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
	}
	if err == nil {
		t.Error("a torn download ends without an error")
	}
}

type tornRecords struct{}

func (tornRecords) Scan(_ context.Context, _, _ time.Time, yield func(*ingest.Record) error) error {
	if err := yield(&ingest.Record{Account: "1000000", Source: "HAR", Data: []byte(`{"a":1}`)}); err != nil {
		return err
	}
	return errors.New("the disk is gone")
}

type someRecords []*ingest.Record

func (s someRecords) Scan(_ context.Context, _, _ time.Time, yield func(*ingest.Record) error) error {
	for _, r := range s {
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

// A record is in the collection in which it was learned: that of all hosts with odd
// characters, that of a host without the port of the scheme, the default one of an address.
func TestRecordsOfCollections(t *testing.T) {
	var recs someRecords
	for _, target := range []string{"GET http://we<ird.example/odd", "get http://odd.example:80/port", "GET http://10.0.0.1:8080/v4", "GET http://[fe80::1]/v6"} {
		method, url, _ := strings.Cut(target, " ")
		r, err := ingest.ParseRecord(fmt.Appendf(nil, `{"request":{"method":%q,"url":%q,"headers":[]},"response":{"status":200,"headers":[]},"_harken":{"account":"1000000","source":"MIRRORING"}}`, method, url))
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, r)
	}
	w := start(t, func(c *admin.Config) { c.Records = recs })
	db := w.db.Account(inventory.DefaultAccount)
	ids := []int32{0, 0, 0, 0}
	for i, host := range []string{"special_char_host", "odd.example"} {
		col, err := db.HostCollection(t.Context(), host, now)
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = col.ID
	}
	for i, id := range ids {
		b := w.want(t, 200, "admin", http.MethodGet, fmt.Sprintf("/api/records.har?collection=%d", id), nil)
		for j, r := range recs {
			if got, want := strings.Contains(b, string(r.Data)), id == ids[j]; got != want {
				t.Errorf("the records of the collection of record %d have record %d: %t, want %t", i, j, got, want)
			}
		}
	}
}

// Without a record log the stored samples are given, and that is said.
func TestRecordsFromSamples(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.Records = nil })
	for query, want := range map[string]bool{
		"": true, "?collection=-1628073687": true, "?collection=7": false,
		"?collection=-1628073687&endpoint=GET+/users/8": true, "?collection=-1628073687&endpoint=POST+/users": false,
		fmt.Sprintf("?from=%d", now): false, fmt.Sprintf("?to=%d", now): true,
	} {
		b := w.want(t, 200, "admin", http.MethodGet, "/api/records.har"+query, nil)
		if strings.Contains(b, "users/42") != want || !strings.Contains(b, `"comment"`) || !json.Valid([]byte(b)) {
			t.Errorf("records.har%s = %.300s, want the sample: %v", query, b, want)
		}
	}
}

func TestSessions(t *testing.T) {
	clock := time.Unix(now, 0)
	w := start(t, func(c *admin.Config) {
		c.Now = func() time.Time { return clock }
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	credentials := fmt.Sprintf(`{"username":"admin@example.com","password":%q}`, password)
	login := func(headers ...string) *http.Cookie {
		t.Helper()
		res, b := w.do(t, "", http.MethodPost, "/auth/login", strings.NewReader(credentials), headers...)
		if res.StatusCode != http.StatusOK || len(res.Cookies) != 2 {
			t.Fatalf("login = %d %s", res.StatusCode, b)
		}
		return res.Cookies[0]
	}
	k := login()
	if k.Secure || !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.Path != "/" {
		t.Errorf("the cookie is %v", k)
	}
	if k := login("X-Forwarded-Proto: https"); !k.Secure {
		t.Errorf("behind HTTPS the cookie is %v", k)
	}
	me := func(status int) {
		t.Helper()
		w.want(t, status, "", http.MethodPost, "/api/me", nil, "Cookie: "+k.Name+"="+k.Value, "Sec-Fetch-Site: same-origin")
	}
	// Use keeps a session alive, idling ends it.
	for range 4 {
		clock = clock.Add(29 * time.Minute)
		me(200)
	}
	clock = clock.Add(30*time.Minute + time.Second)
	me(403)

	// Of a user who is gone from the account nothing works any more.
	k = login()
	user, err := w.db.UserByEmail(t.Context(), "admin@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.db.DeleteSessionsOf(t.Context(), user.ID); err != nil {
		t.Fatal(err)
	}
	me(403)
	stray, err := w.db.AddUser(t.Context(), auth.User{ID: 5, Email: "stray@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.db.AddKey(t.Context(), auth.NewAPIKey("stray-key", stray.ID, inventory.DefaultAccount, auth.ExternalAPI, now))
	if kind, _ := fault.Of(err); kind != fault.Denied {
		t.Errorf("AddKey for who is not in the account = %v", err)
	}
}

func TestLoginLimit(t *testing.T) {
	w := start(t, func(c *admin.Config) {
		c.LimitLogin = 3
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	try := func(status int, from string) {
		t.Helper()
		var headers []string
		if from != "" {
			headers = append(headers, "X-Forwarded-For: "+from)
		}
		res, b := w.do(t, "", http.MethodPost, "/auth/login", strings.NewReader(`{"username":"x@y.z","password":"x"}`), headers...)
		if res.StatusCode != status || (status == 429) != (res.Header.Get("Retry-After") == "3600") || !isErrorBody(b) {
			t.Errorf("login from %q = %d, Retry-After %q, want %d", from, res.StatusCode, res.Header.Get("Retry-After"), status)
		}
	}
	for range 3 {
		try(401, "")
	}
	try(429, "")
	try(401, "192.0.2.1")
	// Of IPv6 a whole /64 is one client, and only the last hop is believed.
	try(401, "2001:db8::1")
	try(401, "192.0.2.1, 2001:db8::2")
	try(401, "192.0.2.2, 2001:db8::3")
	try(429, "192.0.2.3, 2001:db8::4")
}

func TestStrictKeyBlocklist(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.StrictKeyBlocklist = true })
	w.want(t, 403, "admin", http.MethodPost, "/api/logout", nil)
	w.want(t, 200, "admin", http.MethodPost, "/api/me", nil)
}

func TestLargeRecord(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.MaxRecord = 1000 })
	body := fmt.Sprintf(`{"apiCollectionId":7,"content":{"log":{"entries":[{"request":{"method":"POST","url":"http://a.example/","postData":{"text":%q}},"response":{"status":200,"content":{"text":%q}}}]}}}`,
		strings.Repeat("a", 900), strings.Repeat("b", 900))
	b := w.want(t, 200, "admin", http.MethodPost, "/api/uploadHar", strings.NewReader(body))
	last := w.sink.recs[len(w.sink.recs)-1]
	if !strings.Contains(b, "entry 1: record too large") || len(last.Data) > 1000 || last.Flags != ingest.RequestTruncated|ingest.ResponseTruncated {
		t.Errorf("uploadHar = %s; the record has %d bytes and the flags %v", b, len(last.Data), last.Flags.Texts())
	}
	for _, r := range []string{"refused.example", "a.example"} {
		b := w.want(t, 200, "admin", http.MethodPost, "/api/ingestData",
			strings.NewReader(`{"batchData":[{"request":{"method":"GET","url":"http://`+r+`/"},"response":{"status":200}}]}`))
		if strings.Contains(b, "refused by the sink") != (r == "refused.example") {
			t.Errorf("ingestData for %s = %s", r, b)
		}
	}
}

func TestNew(t *testing.T) {
	for _, cfg := range []admin.Config{{}, {Stores: broken{}}} {
		if _, err := admin.New(cfg); err == nil {
			t.Errorf("New(%+v) has no error", cfg)
		}
	}
}
