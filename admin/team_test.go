package admin_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"harken/admin"
	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
)

// call posts a body as a caller and returns the answer, whose status must be right.
func (w *world) call(t *testing.T, status int, who, name, body string, headers ...string) string {
	t.Helper()
	return w.want(t, status, who, http.MethodPost, "/api/"+name, strings.NewReader(body), headers...)
}

// Of administrators who demote each other at once, one is left, and only those
// who still were one got what they asked for.
func TestLastAdminAtOnce(t *testing.T) {
	for _, name := range []string{"makeAdmin", "updateUserScopeRoleMapping", "removeUser"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, nil)
			people := []string{"admin", "member", "developer", "guest"}
			for _, p := range people[1:] {
				w.call(t, 200, "admin", "makeAdmin", fmt.Sprintf(`{"email":"%s@example.com","userRole":"ADMIN"}`, p))
			}
			var wg sync.WaitGroup
			for i := range 12 {
				by, target := people[i%4], people[(i+1+i/4)%4]
				wg.Go(func() {
					body := fmt.Sprintf(`{"email":"%s@example.com","userRole":"GUEST","scopeRoleMapping":{"API":"GUEST"}}`, target)
					if res, b := w.do(t, by, http.MethodPost, "/api/"+name, strings.NewReader(body)); res.StatusCode >= 500 {
						t.Errorf("%s of %s by %s: %d %s", name, target, by, res.StatusCode, b)
					}
				})
			}
			wg.Wait()
			team, err := w.db.Team(t.Context(), inventory.DefaultAccount)
			if err != nil {
				t.Fatal(err)
			}
			admins := 0
			for i := range team.Members {
				if team.Members[i].Grant.In("API") == auth.Admin {
					admins++
				}
			}
			if admins != 1 {
				t.Errorf("%d administrators are left, want 1", admins)
			}
		})
	}
}

// A session that is open follows its user's role.
func TestRoleOfLiveSession(t *testing.T) {
	w := start(t, nil)
	res, _ := w.do(t, "", http.MethodPost, "/auth/login", strings.NewReader(`{"username":"admin@example.com","password":"`+password+`"}`))
	var cookie string
	for _, c := range res.Cookies {
		if c.Name == "harken_session" {
			cookie = c.Name + "=" + c.Value
		}
	}
	headers := []string{"Cookie: " + cookie, "Origin: " + w.srv.URL}
	w.call(t, 200, "", "fetchAdminSettings", "", headers...)
	w.call(t, 200, "admin", "makeAdmin", `{"email":"member@example.com","userRole":"ADMIN"}`)
	w.call(t, 200, "member", "makeAdmin", `{"email":"admin@example.com","userRole":"GUEST"}`)
	w.call(t, 403, "", "fetchAdminSettings", "", headers...)
	w.call(t, 200, "", "getAllCollections", "", headers...)
	w.call(t, 200, "member", "updateUserScopeRoleMapping", `{"email":"admin@example.com","scopeRoleMapping":{"API":"NO_ACCESS"}}`)
	res, _ = w.do(t, "", http.MethodPost, "/api/me", nil, headers...)
	if res.StatusCode != http.StatusForbidden || res.Header.Get("X-No-Access-Error") != "true" {
		t.Errorf("me without access = %d, X-No-Access-Error %q", res.StatusCode, res.Header.Get("X-No-Access-Error"))
	}
	w.call(t, 200, "member", "removeUser", `{"email":"admin@example.com"}`)
	w.call(t, 403, "", "me", "", headers...)
	w.call(t, 403, "", "logout", "", headers...) // the session is gone
	w.call(t, 403, "admin", "logout", "")        // and so is the key
}

// foreign makes account 2000000 with an administrator, an invitation, a role and
// a key, and returns the key's id. The store has no way to do so yet.
func foreign(t *testing.T, w *world, dir string) int32 {
	t.Helper()
	raw, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "harken.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.ExecContext(t.Context(), `INSERT INTO auth_accounts (id, name, created, organization)
		SELECT 2000000, 'other', 1, id FROM auth_organizations`); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	u, err := w.db.AddUser(ctx, auth.User{ID: 2, Email: "far@example.com", Accounts: []auth.Membership{{Account: 2000000}}})
	if err != nil {
		t.Fatal(err)
	}
	w.keys["far"] = "far-key"
	k, kerr := w.db.AddKey(ctx, auth.NewAPIKey("far-key", u.ID, 2000000, auth.ExternalAPI, now+100))
	err = w.db.EditTeam(ctx, 2000000, func(t *auth.Team) error {
		t.Members[0].Grant.Role = "ADMIN"
		t.Roles = []auth.CustomRole{{Name: "FARROLE", Base: auth.Guest}}
		t.Invitations = []auth.Invitation{{ID: "far", Email: "invited@example.com", Issuer: u.ID, Expiry: 1e15, Role: "GUEST"}}
		return nil
	})
	if err := errors.Join(err, kerr); err != nil {
		t.Fatal(err)
	}
	return k.ID
}

// What belongs to another account does not exist, whatever the request says.
func TestOtherAccount(t *testing.T) {
	dir := t.TempDir()
	w, err := newWorld(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	key := foreign(t, w, dir)
	unknown := func(name, body, part string) {
		t.Helper()
		for _, more := range []string{`"accountId":2000000,"account":2000000`, `"account":"2000000"`} {
			if b := w.call(t, 422, "admin", name, `{`+more+`,`+body+`}`, "account: 2000000"); !strings.Contains(b, part) {
				t.Errorf("%s answers %s, want %q", name, b, part)
			}
		}
	}
	unknown("makeAdmin", `"email":"far@example.com","userRole":"GUEST"`, "email: no user far@example.com")
	unknown("updateUserScopeRoleMapping", `"email":"far@example.com"`, "email: no user")
	unknown("removeUser", `"email":"far@example.com"`, "email: no user")
	unknown("removeInvitation", `"email":"invited@example.com"`, "email: no invitation")
	unknown("deleteCustomRole", `"roleName":"farrole"`, "roleName: no role FARROLE")
	unknown("updateCustomRole", `"roleName":"farrole","baseRole":"ADMIN"`, "roleName: no role FARROLE")
	unknown("makeAdmin", `"email":"guest@example.com","userRole":"farrole"`, "userRole: no role FARROLE")
	unknown("updateUserCollections", `"userCollectionMap":{"2":[7]}`, "userCollectionMap: no user 2")
	if b := w.call(t, 200, "admin", "deleteApiToken", fmt.Sprintf(`{"apiTokenId":%d}`, key)); !strings.Contains(b, "false") {
		t.Errorf("deleteApiToken of another account = %s", b)
	}
	for _, name := range []string{"getTeamData", "getCustomRoles", "getAllUsersCollections", "fetchApiTokens", "getRoleHierarchy"} {
		if b := w.call(t, 200, "admin", name, ""); strings.Contains(strings.ToLower(b), "far") || strings.Contains(b, "invited@") {
			t.Errorf("%s shows another account: %s", name, b)
		}
	}
	// It is all there, for who it belongs to.
	b := w.call(t, 200, "far", "getTeamData", "")
	if !strings.Contains(b, "far@example.com") || !strings.Contains(b, "invited@example.com") || strings.Contains(b, "guest@") {
		t.Errorf("getTeamData of the other account = %s", b)
	}
	// The same name may be taken in both.
	w.call(t, 200, "admin", "createCustomRole", `{"roleName":"farrole","baseRole":"MEMBER"}`)
	w.call(t, 200, "admin", "inviteUsers", `{"inviteeEmail":"invited@example.com","inviteeRole":"GUEST"}`)
	w.call(t, 200, "far", "removeInvitation", `{"email":"invited@example.com"}`)
	if b := w.call(t, 200, "admin", "getTeamData", ""); !strings.Contains(b, "invited@example.com") {
		t.Errorf("removeInvitation took that of another account: %s", b)
	}
}

// A change of grants in between two steps of a request must not be undone by it.
func TestCreateCollectionAtOnce(t *testing.T) {
	w := start(t, nil)
	team, err := w.db.Team(t.Context(), inventory.DefaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	limited, err := team.Member("limited@example.com")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { w.call(t, 200, "limited", "createCollection", fmt.Sprintf(`{"collectionName":"c%d"}`, i)) })
	}
	wg.Go(func() {
		w.call(t, 200, "admin", "updateUserScopeRoleMapping", `{"email":"limited@example.com","scopeRoleMapping":{"API":"MEMBER","DAST":"GUEST"}}`)
	})
	wg.Wait()
	g, err := w.db.Grant(t.Context(), limited.ID, inventory.DefaultAccount)
	if err != nil || len(g.Collections) != 9 || g.Scopes["DAST"] != "GUEST" {
		t.Errorf("grant = %+v, %v; want nine collections and the new mapping", g, err)
	}
	var all struct{ APICollections []struct{ ID int32 } }
	if err := json.Unmarshal([]byte(w.call(t, 200, "limited", "getAllCollections", "")), &all); err != nil || len(all.APICollections) != 9 {
		t.Errorf("%d collections are visible, %v", len(all.APICollections), err)
	}
}

// mailer refuses everything while broken is set.
type mailer struct {
	broken bool
	sent   []admin.Mail
}

func (m *mailer) Send(_ context.Context, mail admin.Mail) error {
	if m.broken {
		return errors.New("no post today")
	}
	m.sent = append(m.sent, mail)
	return nil
}

func invite(t *testing.T, w *world, status int, body string, headers ...string) string {
	t.Helper()
	b := w.call(t, status, "admin", "inviteUsers", body, headers...)
	var out struct{ FinalInviteCode string }
	if err := json.Unmarshal([]byte(b), &out); err != nil {
		t.Fatal(err)
	}
	return out.FinalInviteCode
}

func TestInvitationLink(t *testing.T) {
	f := func(public, asked, host, want string) {
		t.Helper()
		m := &mailer{}
		w := start(t, func(c *admin.Config) {
			c.PublicURL, c.Mailer = public, m
			c.Now = func() time.Time { return time.Unix(now, 0) }
		})
		if want == "" {
			want = w.srv.URL
		}
		asked = strings.ReplaceAll(asked, "HOST", strings.TrimPrefix(w.srv.URL, "http://"))
		link := invite(t, w, 200, fmt.Sprintf(`{"inviteeEmail":"a@b.co","inviteeRole":"GUEST","websiteHostName":%q}`, asked), host)
		want = strings.ReplaceAll(want, "HOST", strings.TrimPrefix(w.srv.URL, "http://"))
		code, ok := strings.CutPrefix(link, want+"/signup?signupInvitationCode=")
		if !ok {
			t.Errorf("with the public URL %q, %q gives the link %s, want %s", public, asked, link, want)
			return
		}
		code, _, _ = strings.Cut(code, "&")
		i, err := w.db.InvitationByCode(t.Context(), auth.HashToken(code))
		if err != nil || i.Email != "a@b.co" || i.Expiry != (now+7*86400)*1000 || i.Scopes["API"] != "GUEST" {
			t.Errorf("the code stands for %+v, %v", i, err)
		}
		if len(m.sent) != 1 || m.sent[0].To != "a@b.co" || !strings.Contains(m.sent[0].Text, link) {
			t.Errorf("sent %v", m.sent)
		}
	}
	none := "X-Nothing: 1"
	f("", "", none, "")
	f("", "http://HOST", none, "")
	f("", "https://HOST/", none, "https://HOST")
	f("", "https://HOST@evil.example", none, "")
	f("", "https://evil.example/HOST", none, "")
	f("", "//evil.example", none, "")
	f("", "javascript://HOST/%0aalert(1)", none, "")
	f("", "https://user:pw@HOST", none, "")
	f("", "HOST.evil.example", none, "")
	f("https://harken.example.com/base/", "", none, "https://harken.example.com/base")
	f("https://harken.example.com", "https://HARKEN.example.com/x?y#z", none, "https://harken.example.com")
	f("https://harken.example.com", "http://harken.example.com", none, "https://harken.example.com")
	f("https://harken.example.com", "http://HOST", none, "https://harken.example.com")
	f("", "", "X-Forwarded-Host: evil.example", "")
}

func TestInvitationFails(t *testing.T) {
	m := &mailer{broken: true}
	clock := time.Unix(now, 0)
	w := start(t, func(c *admin.Config) {
		c.Mailer, c.Invites = m, admin.Invites{Limit: -1, Lifetime: time.Minute, SameDomain: true}
		c.Now = func() time.Time { return clock }
	})
	body := `{"inviteeEmail":"a@example.com","inviteeRole":"GUEST"}`
	if b := w.call(t, 500, "admin", "inviteUsers", body); strings.Contains(b, "post") {
		t.Errorf("the answer tells internals: %s", b)
	}
	if all, err := w.db.Invitations(t.Context(), inventory.DefaultAccount); err != nil || len(all) != 0 {
		t.Errorf("an invitation that nobody got is pending: %v, %v", all, err)
	}
	m.broken = false
	if b := w.call(t, 422, "admin", "inviteUsers", `{"inviteeEmail":"a@other.com","inviteeRole":"GUEST"}`); !strings.Contains(b, "inviteeEmail: must be of the domain example.com") {
		t.Errorf("another domain: %s", b)
	}
	w.call(t, 422, "admin", "inviteUsers", `{"inviteeEmail":"a@example.com","inviteeRole":"GUEST","inviteeName":"a\r\nBcc: b@c.de"}`)
	invite(t, w, 200, body)
	// After its time it is pending no more.
	clock = clock.Add(time.Minute)
	if b := w.call(t, 200, "admin", "getTeamData", ""); strings.Contains(b, "a@example.com") {
		t.Errorf("an expired invitation is listed: %s", b)
	}
	w.call(t, 422, "admin", "removeInvitation", `{"email":"a@example.com"}`)
	for range 20 {
		invite(t, w, 200, body) // without a limit
	}
}

func TestConfigOfInvites(t *testing.T) {
	w := start(t, nil)
	c := admin.Config{Stores: w.db, Users: w.db, Tokens: signer(), Invites: admin.Invites{Lifetime: time.Millisecond}}
	if _, err := admin.New(c); err == nil {
		t.Error("New takes a lifetime of a millisecond")
	}
}

// With the reference's rule an API key can touch neither keys nor invitations.
func TestStrictBlocklist(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.StrictKeyBlocklist = true })
	for _, name := range []string{"inviteUsers", "logout", "addApiToken", "deleteApiToken", "fetchApiTokens"} {
		if b := w.call(t, 403, "admin", name, `{"tokenUtility":"BURP"}`); !strings.Contains(b, "API key may not call "+name) {
			t.Errorf("%s = %s", name, b)
		}
	}
	w.call(t, 200, "admin", "getTeamData", "")
}

// What goes wrong while it is found out what somebody may do is not a leave.
func TestDenyOnError(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.Users = onFire{c.Users} })
	for _, name := range []string{"me", "getAllCollections", "logout", "makeAdmin"} {
		w.call(t, 500, "admin", name, `{"email":"guest@example.com","userRole":"ADMIN"}`)
	}
}

// onFire is a store that does not find out what somebody may do.
type onFire struct{ auth.Store }

func (onFire) Standing(context.Context, int32, int32) (auth.Standing, error) {
	return auth.Standing{}, errors.New("disk on fire")
}

// Who is removed while a key is made for them has none afterwards.
func TestRemoveWhileAddingKeys(t *testing.T) {
	w := start(t, nil)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			res, b := w.do(t, "member", http.MethodPost, "/api/addApiToken", strings.NewReader(`{"tokenUtility":"BURP"}`))
			if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusForbidden {
				t.Errorf("addApiToken = %d %s", res.StatusCode, b)
			}
		})
	}
	wg.Go(func() { w.call(t, 200, "admin", "removeUser", `{"email":"member@example.com"}`) })
	wg.Wait()
	u, err := w.db.UserByEmail(t.Context(), "member@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := w.db.Keys(t.Context(), u.ID, inventory.DefaultAccount); err != nil || len(keys) != 0 {
		t.Errorf("%d keys are left, %v", len(keys), err)
	}
	_, err = auth.NewCaller(t.Context(), w.db, w.db, u.ID, inventory.DefaultAccount, "API")
	if kind, _ := fault.Of(err); kind != fault.Denied {
		t.Errorf("NewCaller for who is gone = %v", err)
	}
}

// Who invites somebody does not guess their password by the invitation, not even from
// where they are signed in.
func TestGuessByInvitation(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.LimitLogin = 4 })
	w.signIn(t, "admin@example.com", password)
	err := w.db.PutInvitation(t.Context(), auth.Invitation{
		ID: "1", Account: inventory.DefaultAccount, Issuer: now, Email: "admin@example.com", Hash: auth.HashToken("code"), Expiry: 1e15, Role: "GUEST",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{422, 422, 422, 429} {
		w.want(t, status, "", http.MethodPost, "/signup-email",
			strings.NewReader(`{"email":"admin@example.com","password":"guess1234","invitationCode":"code"}`))
	}
	w.want(t, 429, "", http.MethodPost, "/auth/login", strings.NewReader(`{"username":"admin@example.com","password":"x"}`))
}

// Who is invited by somebody who sees some collections only sees no more, and
// comes in with the role of the invitation.
func TestInvitedSignsUp(t *testing.T) {
	w := start(t, nil)
	sign := func(body string) string {
		t.Helper()
		b := w.call(t, 200, "limited", "inviteUsers", body)
		var out struct{ FinalInviteCode string }
		if err := json.Unmarshal([]byte(b), &out); err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(out.FinalInviteCode)
		if err != nil {
			t.Fatal(err)
		}
		in, err := json.Marshal(map[string]string{
			"email": u.Query().Get("signupEmailId"), "invitationCode": u.Query().Get("signupInvitationCode"), "password": password,
		})
		if err != nil {
			t.Fatal(err)
		}
		res, b := w.do(t, "", http.MethodPost, "/signup-email", strings.NewReader(string(in)))
		if res.StatusCode != http.StatusOK {
			t.Fatalf("signup = %d %s", res.StatusCode, b)
		}
		w.want(t, 422, "", http.MethodPost, "/signup-email", strings.NewReader(string(in)))
		return "access-token: " + res.Header.Get("access-token")
	}
	token := sign(`{"inviteeEmail":"new+1@example.org","inviteeRole":"GUEST"}`)
	if b := w.call(t, 200, "", "getAllCollections", "", token); !strings.Contains(b, "by hand") || strings.Contains(b, "api.example.com") {
		t.Errorf("who is invited by a limited user sees %s", b)
	}
	if b := w.call(t, 200, "", "me", "", token); !strings.Contains(b, `"role":"GUEST"`) {
		t.Errorf("me = %s", b)
	}
	w.call(t, 403, "", "createCollection", `{"collectionName":"x"}`, token)
	res, _ := w.do(t, "", http.MethodPost, "/api/me", nil, token, "x-context-source: DAST")
	if res.StatusCode != http.StatusForbidden || res.Header.Get("X-No-Access-Error") != "true" {
		t.Errorf("me in another scope = %d", res.StatusCode)
	}
	w.call(t, 200, "", "logout", "", token, "x-context-source: DAST")
	w.call(t, 403, "", "me", "", token)

	// Who is removed is out at once, with token and all.
	token = sign(`{"inviteeEmail":"two@example.org","inviteeRole":"MEMBER"}`)
	w.call(t, 200, "", "me", "", token)
	w.call(t, 200, "admin", "removeUser", `{"email":"two@example.org"}`)
	w.call(t, 403, "", "me", "", token)
	res, b := w.do(t, "", http.MethodPost, "/auth/login", strings.NewReader(`{"username":"two@example.org","password":"`+password+`"}`))
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("login of who was removed = %d %s", res.StatusCode, b)
	}
}

// Keys are shown again only where that is asked for, and then to who owns them.
func TestRevealTokens(t *testing.T) {
	dir := t.TempDir()
	keys := func(reveal bool, who string) []string {
		t.Helper()
		w, err := newWorld(t.Context(), dir, func(c *admin.Config) { c.RevealTokens = reveal })
		if err != nil {
			t.Fatal(err)
		}
		defer w.close()
		var made, listed struct {
			APITokenList []struct{ Key string }
		}
		if err := json.Unmarshal([]byte(w.call(t, 200, who, "addApiToken", `{"tokenUtility":"BURP"}`)), &made); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(w.call(t, 200, who, "fetchApiTokens", "")), &listed); err != nil {
			t.Fatal(err)
		}
		all := []string{made.APITokenList[0].Key}
		for _, k := range listed.APITokenList {
			all = append(all, k.Key)
		}
		return all
	}
	k := keys(true, "member")
	if len(k) != 3 || len(k[0]) != auth.TokenLen || k[2] != k[0] || len(k[1]) != auth.PrefixLen {
		t.Errorf("when asked for, keys are listed as %d", lengths(k))
	}
	dir = t.TempDir()
	if k := keys(false, "member"); len(k) != 3 || len(k[2]) != auth.PrefixLen || !strings.HasPrefix(k[0], k[2]) {
		t.Errorf("unasked, keys are listed as %d", lengths(k))
	}
}

func lengths(all []string) (n []int) {
	for _, s := range all {
		n = append(n, len(s))
	}
	return n
}
