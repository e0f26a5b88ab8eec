package admin_test

import (
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"harken/admin"
)

// sentMails are the texts of all messages so far.
func (w *world) sentMails(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(w.mail.Dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	return out
}

// The host that a client names, in any of the headers for it, is in no message.
func TestPoisonedHost(t *testing.T) {
	for public, want := range map[string]string{"": "\r\n\r\n/", "https://harken.example": "https://harken.example/"} {
		w := start(t, func(c *admin.Config) { c.PublicURL = public })
		poison := func(r *http.Request) {
			r.Header.Set("X-API-KEY", w.keys["admin"])
			r.Host = "evil.example"
			for _, h := range []string{"X-Forwarded-Host", "X-Host", "X-Original-Host", "X-Forwarded-Server", "Forwarded"} {
				r.Header.Set(h, "evil.example")
			}
			r.Header.Set("X-Forwarded-Proto", "https")
			r.Header.Set("Forwarded", "host=evil.example;proto=https")
		}
		for path, body := range map[string]string{
			"/api/inviteUsers":            `{"inviteeEmail":"x@example.org","inviteeRole":"GUEST","websiteHostName":"https://evil.example"}`,
			"/auth/sendPasswordResetLink": `{"forgotPasswordEmail":"guest@example.com"}`,
		} {
			if rec := w.raw(t, http.MethodPost, path, body, poison); rec.Code != http.StatusOK {
				t.Errorf("%s = %d %s", path, rec.Code, rec.Body)
			}
		}
		mails := w.sentMails(t)
		if len(mails) != 2 {
			t.Errorf("%d messages were sent", len(mails))
		}
		for _, m := range mails {
			if strings.Contains(m, "evil") || !strings.Contains(m, want) {
				t.Errorf("with the address %q the message is %s", public, m)
			}
		}
		if public == "" {
			continue
		}
		for path, body := range map[string]string{
			"/api/inviteUsers":       `{"inviteeEmail":"y@example.org","inviteeRole":"GUEST","websiteHostName":"https://evil.example"}`,
			"/api/resetUserPassword": `{"userEmail":"member@example.com"}`,
		} {
			if rec := w.raw(t, http.MethodPost, path, body, poison); strings.Contains(rec.Body.String(), "evil") || !strings.Contains(rec.Body.String(), want) {
				t.Errorf("%s = %d %s", path, rec.Code, rec.Body)
			}
		}
	}
}

// Nothing that somebody writes becomes a header of a message, or another message.
func TestMailInjection(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.Invites.Limit, c.LimitReset = -1, -1 })
	for _, evil := range []string{
		`x@example.org\r\nBcc: y@example.org`, `x@example.org\nBcc: y@example.org`, `x@example.org,y@example.org`, `x@example.org>\u0000`, `x@exa\u0000mple.org`,
		`\"x\" <y@example.org>`, `x@example.org\u2028Bcc: y`, `x@example.org\u0085Bcc: y`, `x@[127.0.0.1]`, `x@example`,
	} {
		b := w.call(t, 422, "admin", "inviteUsers", `{"inviteeEmail":"`+evil+`","inviteeRole":"GUEST"}`)
		if !strings.Contains(b, "inviteeEmail") {
			t.Errorf("an invitation of %s is answered %s", evil, b)
		}
		w.want(t, 200, "", http.MethodPost, "/auth/sendPasswordResetLink", strings.NewReader(`{"forgotPasswordEmail":"`+evil+`"}`))
	}
	for _, name := range []string{`A\r\nBcc: y@example.org`, `A\nB`, `A\u0000`, `A\u007f`, strings.Repeat("A", 101)} {
		w.call(t, 422, "admin", "inviteUsers", `{"inviteeEmail":"x@example.org","inviteeName":"`+name+`","inviteeRole":"GUEST"}`)
	}
	if mails := w.sentMails(t); len(mails) != 0 {
		t.Fatalf("there are messages: %q", mails)
	}
	w.call(t, 200, "admin", "inviteUsers", `{"inviteeEmail":"x@example.org","inviteeName":"Bcc: y@example.org\u2028\u202eSubject: z","inviteeRole":"GUEST"}`)
	// An address that is odd and no more is mailed to like any other.
	w.call(t, 200, "admin", "inviteUsers", `{"inviteeEmail":"x..y@example.org","inviteeRole":"GUEST"}`)
	for _, text := range w.sentMails(t) {
		m, err := mail.ReadMessage(strings.NewReader(text))
		if err != nil || len(m.Header) != 5 || !strings.HasSuffix(m.Header.Get("To"), "@example.org>") || m.Header.Get("Subject") != "Invitation to Harken" {
			t.Errorf("the message is %q (%v)", text, err)
		}
	}
}
