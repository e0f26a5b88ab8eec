package admin_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"harken/admin"
	"harken/admin/auth"
)

// unchanged fails the test if something of the account is not as before.
func (m *matrix) unchanged(t *testing.T, before map[string]string, what string) {
	t.Helper()
	for table, after := range m.rows(t) {
		if after != before[table] {
			t.Errorf("%s changed %s:\n%s\nwas\n%s", what, table, after, before[table])
			before[table] = after
		}
	}
}

// formType is what pages of other sites can send without asking first.
const formType = "Content-Type: application/x-www-form-urlencoded"

// A page of another site that has the browser send our cookies gets nothing done
// and learns nothing, at no endpoint, whatever kind of request it makes.
func TestCrossSite(t *testing.T) {
	m := newMatrix(t)
	cookies, _ := m.signIn(t, "admin@example.com", password)
	cookie := "Cookie: " + cookies["harken_session"]
	before := maps.Clone(m.rows(t))
	own := "Origin: " + m.srv.URL
	foreign := [][]string{
		{}, // curl with a stolen cookie, and browsers of the last decade
		{"Origin: https://evil.example"},
		{"Origin: null"},
		{"Origin: " + m.srv.URL + ".evil.example"},
		{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"},
		{own, "Sec-Fetch-Site: cross-site"},
		{own, "Sec-Fetch-Site: same-site"},
		{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"},
		{"Origin: https://evil.example", formType},
		{"Origin: https://evil.example", "Content-Type: text/plain"},
		{"Origin: https://evil.example", "Content-Type: multipart/form-data; boundary=X"},
		{"Referer: https://evil.example/" + m.srv.URL},
	}
	for _, r := range admin.RouteInfos() {
		if r.Needs.Feature == auth.Open {
			continue
		}
		body := example(t, r)
		path := r.URL
		if r.Verb == http.MethodGet {
			path, body = path+"?"+body, ""
		}
		for _, headers := range foreign {
			m.want(t, 403, "", r.Verb, path, strings.NewReader(body), append(headers, cookie)...)
		}
		m.unchanged(t, before, r.URL+" of another site")
	}
	// Neither cookie does the other's work.
	refresh := "Cookie: " + cookies["refreshToken"]
	for _, headers := range foreign {
		res, b := m.do(t, "", http.MethodPost, "/dashboard/accessToken", strings.NewReader(""), append(headers, refresh)...)
		if res.StatusCode != http.StatusForbidden || res.Header.Get("access-token") != "" {
			t.Errorf("accessToken with %q = %d %s", headers, res.StatusCode, b)
		}
	}
	m.want(t, 403, "", http.MethodPost, "/api/me", nil, "Cookie: refreshToken="+strings.TrimPrefix(cookies["harken_session"], "harken_session="), sameSite)
	m.want(t, 403, "", http.MethodPost, "/api/me", nil, strings.Replace(refresh, "refreshToken=", "harken_session=", 1), sameSite)
	m.want(t, 401, "", http.MethodPost, "/dashboard/accessToken", nil, "Cookie: refreshToken="+strings.TrimPrefix(cookies["harken_session"], "harken_session="), sameSite)
	// The cookie was good all along, and the page itself may.
	m.want(t, 200, "", http.MethodPost, "/api/me", nil, cookie, own)
	m.want(t, 200, "", http.MethodPost, "/api/me", nil, cookie, sameSite)
	m.want(t, 200, "", http.MethodPost, "/dashboard/accessToken", nil, refresh, sameSite)
}

// Signing somebody in or up from another site would have them work in the account
// of whoever made that site.
func TestCrossSiteLogin(t *testing.T) {
	m := newMatrix(t)
	before := maps.Clone(m.rows(t))
	for _, headers := range [][]string{
		{"Origin: https://evil.example"},
		{"Origin: null"},
		{"Sec-Fetch-Site: cross-site"},
		{"Sec-Fetch-Site: same-site"},
		{"Origin: https://evil.example", "Content-Type: text/plain"},
	} {
		for path, body := range map[string]string{
			"/auth/login":   `{"username":"admin@example.com","password":"` + password + `"}`,
			"/signup-email": `{"email":"x@example.com","password":"` + password + `","invitationCode":"x"}`,
		} {
			res, b := m.do(t, "", http.MethodPost, path, strings.NewReader(body), headers...)
			if res.StatusCode != http.StatusForbidden || len(res.Cookies) > 0 {
				t.Errorf("%s with %q = %d %s, %v", path, headers, res.StatusCode, b, res.Cookies)
			}
		}
	}
	m.unchanged(t, before, "a login of another site")
}
