package admin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"harken/admin"
	"harken/admin/auth"
)

// A body that is too large is refused by every row before a byte of it is read, and
// one that comes without its length as soon as it is too large.
func TestHugeBodies(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.LimitLogin, c.LimitReset, c.Invites.Limit, c.MaxUpload = -1, -1, -1, 8<<20 })
	for _, r := range admin.RouteInfos() {
		if r.Verb != http.MethodPost || r.URL == "/dashboard/accessToken" {
			continue
		}
		for _, c := range []struct {
			who    string
			status int
		}{{"admin", 413}, {"stranger", 403}, {"no_access", 403}} {
			if r.Needs.Feature == auth.Open && c.who != "admin" || r.Needs.Feature == auth.SignedIn && c.who == "no_access" {
				continue
			}
			req := httptest.NewRequest(r.Verb, r.URL, unread{t})
			req.ContentLength = 100 << 20
			req.Header.Set("X-API-KEY", w.keys[c.who])
			rec := httptest.NewRecorder()
			w.srv.Config.Handler.ServeHTTP(rec, req)
			if rec.Code != c.status || !isErrorBody(rec.Body.String()) {
				t.Errorf("%s of 100 MB as %s = %d %s, want %d", r.URL, c.who, rec.Code, rec.Body, c.status)
			}
		}
		read := &counting{}
		req := httptest.NewRequest(r.Verb, r.URL, read)
		req.ContentLength = -1
		req.Header.Set("X-API-KEY", w.keys["admin"])
		rec := httptest.NewRecorder()
		w.srv.Config.Handler.ServeHTTP(rec, req)
		if limit := map[bool]int{true: 8 << 20, false: 1 << 20}[r.Uploads]; rec.Code != 413 || read.n > limit+64<<10 {
			t.Errorf("%s without end = %d after %d bytes", r.URL, rec.Code, read.n)
		}
	}
}

// counting is white space without end that counts what is read of it.
type counting struct{ n int }

func (c *counting) Read(p []byte) (int, error) {
	n := copy(p, blanks)
	c.n += n
	return n, nil
}

// What is no JSON object is 400 at every row, and what is an odd one never 500.
func TestOddBodies(t *testing.T) {
	m := newMatrix(t)
	deep := func(levels int) string {
		return strings.Repeat(`{"a":`, levels-1) + "{}" + strings.Repeat("}", levels-1)
	}
	for _, r := range admin.RouteInfos() {
		if r.Verb != http.MethodPost || r.URL == "/dashboard/accessToken" || r.URL == "/api/logout" {
			continue
		}
		for _, bad := range []string{deep(1001), "[]", "null", "1", `"x"`, "{", "{}{}", `{"a":1,}`, "{'a':1}", "\x00", `{"a":"` + "\x01" + `"}`, "<a/>", "a=b"} {
			m.want(t, 400, "admin", r.Verb, r.URL, strings.NewReader(bad))
		}
		status, answer := m.call(t, "admin", r, deep(1000))
		if status >= 500 || status == 400 {
			t.Errorf("%s of 1000 levels = %d %s", r.URL, status, answer)
		}
		for _, field := range r.Fields {
			for _, v := range []string{`"a\u0000b"`, "\"\xff\xfe\"", `"\ud800"`, `"` + strings.Repeat("é", 1000) + `"`, `"../../../etc/passwd"`, `"'; DROP TABLE auth_users; --"`, `"$ne"`, `{"$ne":1}`} {
				res, b := m.do(t, "limited", r.Verb, r.URL, strings.NewReader(fmt.Sprintf("{%q:%s}", field, v)))
				if res.StatusCode >= 500 || !utf8.ValidString(b) || !json.Valid([]byte(b)) || strings.ContainsRune(b, 0) {
					t.Errorf("%s with %s %q = %d %q", r.URL, field, v, res.StatusCode, b)
				}
			}
		}
	}
	w := m.world
	long := `"` + strings.ReplaceAll(strings.Repeat("[", 1001)+strings.Repeat("]", 1001), `"`, `\"`) + `"`
	if b := w.want(t, 422, "admin", http.MethodPost, "/api/uploadHar", strings.NewReader(`{"apiCollectionId":7,"harString":`+long+`}`)); !strings.Contains(b, "harString") {
		t.Errorf("a deep document is answered %s", b)
	}
}

// Of members with one name the last counts, and unknown ones do not count.
func TestTwins(t *testing.T) {
	w := start(t, nil)
	w.call(t, 200, "admin", "createCollection", `{"collectionName":"first","collectionName":"second","CollectionName":"third","collectionname":4}`)
	if b := w.call(t, 200, "admin", "getAllCollections", `{"nameRegex":"first|second|third"}`); !strings.Contains(b, `"second"`) || strings.Contains(b, `"first"`) || strings.Contains(b, `"third"`) {
		t.Errorf("of twins there are %s", b)
	}
	// The last one is checked, whatever the others were.
	w.call(t, 422, "admin", "getCollection", `{"apiCollectionId":7,"apiCollectionId":"x"}`)
	if b := w.call(t, 200, "admin", "getCollection", `{"apiCollectionId":"x","apiCollectionId":7}`); !strings.Contains(b, "by hand") {
		t.Errorf("getCollection = %s", b)
	}
}

// The type of the body decides how it is read, and nothing else; what claims to be
// something else than it is, is 400.
func TestContentTypes(t *testing.T) {
	w := start(t, nil)
	const body = `{"apiCollectionId":7}`
	for kind, status := range map[string]int{
		"application/json": 200, "application/json; charset=utf-8": 200, "APPLICATION/JSON": 200, "text/plain": 200, "application/xml": 200,
		"application/json;;;": 200, "x": 200, "application/x-www-form-urlencoded": 422, "multipart/form-data": 400, "multipart/form-data; boundary=X": 400,
		"multipart/form-data; boundary=" + strings.Repeat("x", 100): 400,
	} {
		w.want(t, status, "admin", http.MethodPost, "/api/getCollection", strings.NewReader(body), "Content-Type: "+kind)
	}
	w.want(t, 200, "admin", http.MethodPost, "/api/getCollection", strings.NewReader("apiCollectionId=7"), formType)
	w.want(t, 400, "admin", http.MethodPost, "/api/getCollection", strings.NewReader("apiCollectionId=%zz"), formType)
	const part = "--X\r\nContent-Disposition: form-data; name=apiCollectionId\r\n\r\n7\r\n"
	for form, status := range map[string]int{part + "--X--\r\n": 200, part: 400, part + "--X\r\n": 400, part[:50]: 400, "": 422} {
		w.want(t, status, "admin", http.MethodPost, "/api/getCollection", strings.NewReader(form), "Content-Type: multipart/form-data; boundary=X")
	}
	for _, enc := range []string{"br", "deflate", "gzip, gzip", "x"} {
		w.want(t, 400, "admin", http.MethodPost, "/api/getCollection", strings.NewReader(body), "Content-Encoding: "+enc)
	}
	w.want(t, 400, "admin", http.MethodPost, "/api/getCollection", bytes.NewReader([]byte{0x1f, 0x8b, 8, 0, 0}), "Content-Encoding: gzip")
}
