package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// do makes a request of the control API as curl does: with the headers that are
// given and nothing else. A name without a slash is an endpoint below /api/.
func (c *control) do(t *testing.T, name string, in any, headers ...string) (*http.Response, string) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(name, "/") {
		name = "/api/" + name
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+hostOf(c.Control)+name, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
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
	plant(res.Header.Get("access-token"))
	for _, k := range res.Cookies() {
		plant(k.Value)
	}
	return res, string(b)
}

// call is do for an answer whose status is known. out, unless nil, takes its JSON.
func (c *control) call(t *testing.T, status int, name string, in, out any, headers ...string) *http.Response {
	t.Helper()
	res, b := c.do(t, name, in, headers...)
	if res.StatusCode != status {
		t.Fatalf("%s = %d %.500s, want %d", name, res.StatusCode, b, status)
	}
	if out != nil {
		if err := json.Unmarshal([]byte(b), out); err != nil {
			t.Fatalf("%s: %v in %.500s", name, err, b)
		}
	}
	return res
}

// login returns the access token of a user, and their cookies.
func (c *control) login(t *testing.T, email, password string) (token string, cookies map[string]string) {
	t.Helper()
	res := c.call(t, http.StatusOK, "/auth/login", obj{"username": email, "password": password}, nil)
	return given(res)
}

// given returns the credentials that an answer brings.
func given(res *http.Response) (token string, cookies map[string]string) {
	cookies = map[string]string{}
	for _, k := range res.Cookies() {
		cookies[k.Name] = k.Name + "=" + k.Value
	}
	return res.Header.Get("access-token"), cookies
}

// join invites somebody as the administrator, signs them up by the link that they
// are sent, and returns their access token.
func (c *control) join(t *testing.T, email, password, role string) (token string) {
	t.Helper()
	var invited struct{ FinalInviteCode string }
	c.call(t, http.StatusOK, "inviteUsers", obj{"inviteeEmail": email, "inviteeName": "New", "inviteeRole": role}, &invited, "X-API-KEY: "+c.APIKey)
	return c.accept(t, invited.FinalInviteCode, password)
}

// accept signs somebody up by the link that they were sent.
func (c *control) accept(t *testing.T, text, password string) (token string) {
	t.Helper()
	link, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	q := link.Query()
	plant(q.Get("signupInvitationCode"), password)
	res := c.call(t, http.StatusOK, "/signup-email", obj{
		"email": q.Get("signupEmailId"), "password": password, "invitationCode": q.Get("signupInvitationCode"),
	}, nil)
	token, _ = given(res)
	return token
}
