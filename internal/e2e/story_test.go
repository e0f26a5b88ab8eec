package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A team's days with Harken, as curl sees them: signing in, inviting, roles and
// what they hide, tokens, a restart, a forgotten password, and signing out.
func TestStory(t *testing.T) {
	up := newUpstream(t)
	c := startControl(t, t.TempDir(), "-upstream-ca", up.caFile, "-invite-same-domain-only", "-limit-login", "-1")
	for n := range 5 {
		for _, path := range []string{"/shop/orders/", "/numbered/"} {
			if _, err := c.client(t, false).Get(up.url(false) + path + fmt.Sprint(n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var hand struct{ APICollectionID int }
	c.api(t, "createCollection", obj{"collectionName": "by hand"}, &hand)
	host := 0
	eventually(t, func() error {
		var ok bool
		if host, ok = c.collectionOf(t, hostOf(up.url(false))); !ok {
			return fmt.Errorf("nothing is learned")
		}
		return nil
	})

	// The administrator signs in with what the first start told.
	admin, cookies := c.login(t, c.Email, c.Password)
	c.call(t, 403, "me", obj{}, nil, "Cookie: "+cookies["harken_session"])
	res := c.call(t, 200, "/dashboard/accessToken", obj{}, nil, "Cookie: "+cookies["refreshToken"], "Sec-Fetch-Site: same-origin")
	fresh, next := given(res)
	if fresh == "" || fresh == admin || next["refreshToken"] == "" || next["refreshToken"] == cookies["refreshToken"] {
		t.Errorf("the new access token is %q, and the cookies are %v", fresh, next)
	}
	cookies["refreshToken"] = next["refreshToken"]
	as := func(token string) string { return "access-token: " + token }

	// Guests come by the link of a message, and see a part.
	domain := c.Email[strings.IndexByte(c.Email, '@'):]
	c.call(t, 422, "inviteUsers", obj{"inviteeEmail": "jo@elsewhere.example", "inviteeRole": "GUEST"}, nil, as(fresh))
	c.call(t, 200, "inviteUsers", obj{"inviteeEmail": "jo" + domain, "inviteeName": "Jo", "inviteeRole": "GUEST"}, nil, as(fresh))
	link := c.mailed(t, "jo"+domain)
	guest := c.accept(t, link, "correct7horse")
	c.call(t, 422, "/signup-email", obj{"email": "jo" + domain, "password": "correct7horse", "invitationCode": "used"}, nil)
	c.call(t, 200, "getAllCollections", obj{}, nil, as(guest))
	c.call(t, 403, "createCollection", obj{"collectionName": "x"}, nil, as(guest))
	c.call(t, 403, "fetchSampleData", obj{"apiCollectionId": host, "url": "/shop/orders/1", "method": "GET"}, nil, as(guest))
	c.call(t, 403, "inviteUsers", obj{"inviteeEmail": "x" + domain, "inviteeRole": "GUEST"}, nil, as(guest))
	c.call(t, 403, "addApiToken", obj{"tokenUtility": "BURP"}, nil, as(guest))

	// A role of one collection: the other ones do not exist for who has it.
	c.call(t, 200, "createCustomRole", obj{"roleName": "hand-only", "baseRole": "MEMBER", "apiCollectionIds": []int{hand.APICollectionID}}, nil, as(fresh))
	c.call(t, 200, "makeAdmin", obj{"email": "jo" + domain, "userRole": "hand-only"}, nil, as(fresh))
	var seen struct {
		APICollections []struct{ ID int } `json:"apiCollections"`
	}
	c.call(t, 200, "getAllCollections", obj{}, &seen, as(guest))
	if len(seen.APICollections) != 1 || seen.APICollections[0].ID != hand.APICollectionID {
		t.Errorf("with the role collections %v are visible", seen.APICollections)
	}
	for _, id := range []int{host, 4242} {
		_, b := c.do(t, "fetchApiInfosForCollection", obj{"apiCollectionId": id}, as(guest))
		if want := fmt.Sprintf(`{"actionErrors":["apiCollectionId: no collection with the id %d"]}`, id); b != want {
			t.Errorf("a hidden collection is answered %s, want %s", b, want)
		}
	}
	c.call(t, 422, "deleteCollection", obj{"apiCollectionId": host}, nil, as(guest))
	c.call(t, 422, "deleteCustomRole", obj{"roleName": "hand-only"}, nil, as(fresh)) // somebody has it

	// Tokens are what their owner may do, and end at once.
	var made struct {
		APITokenList []struct {
			ID  int
			Key string
		}
	}
	c.call(t, 200, "addApiToken", obj{"tokenUtility": "EXTERNAL_API"}, &made, as(guest))
	key := made.APITokenList[0]
	plant(key.Key)
	c.call(t, 200, "getAllCollections", obj{}, &seen, "X-API-KEY: "+key.Key)
	c.call(t, 403, "fetchAdminSettings", obj{}, nil, "X-API-KEY: "+key.Key)

	// A restart ends nobody's work.
	if code := c.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	c.restart(t)
	c.call(t, 200, "me", obj{}, nil, as(admin))
	c.call(t, 200, "me", obj{}, nil, as(guest))
	c.call(t, 200, "me", obj{}, nil, "X-API-KEY: "+key.Key)
	c.call(t, 200, "me", obj{}, nil, "Cookie: "+cookies["harken_session"], "Sec-Fetch-Site: same-origin")
	res = c.call(t, 200, "/dashboard/accessToken", obj{}, nil, "Cookie: "+cookies["refreshToken"], "Sec-Fetch-Site: same-origin")
	fresh, _ = given(res)
	c.call(t, 200, "deleteApiToken", obj{"apiTokenId": key.ID}, nil, as(guest))
	c.call(t, 403, "me", obj{}, nil, "X-API-KEY: "+key.Key)

	// A forgotten password, set beside the running control plane.
	out := c.resetPassword(t, "jo"+domain)
	told := regexp.MustCompile(`new password of \S+ is (\S+)`).FindStringSubmatch(out)
	if told == nil {
		t.Fatalf("reset-password says %s", out)
	}
	plant(told[1])
	c.call(t, 403, "me", obj{}, nil, as(guest))
	c.call(t, 401, "/auth/login", obj{"username": "jo" + domain, "password": "correct7horse"}, nil)
	guest, _ = c.login(t, "jo"+domain, told[1])
	// And one by a link of the administrator's.
	var reset struct{ PasswordResetToken, PasswordResetURL string }
	c.call(t, 200, "resetUserPassword", obj{"userEmail": "jo" + domain}, &reset, as(fresh))
	plant(reset.PasswordResetToken)
	if reset.PasswordResetURL != "http://"+hostOf(c.Control)+"/login?token="+reset.PasswordResetToken {
		t.Errorf("the link is %s", reset.PasswordResetURL)
	}
	c.call(t, 200, "me", obj{}, nil, as(guest)) // until it is used
	c.call(t, 200, "/auth/resetPassword", obj{"resetPasswordToken": reset.PasswordResetToken, "newPassword": "another8horse"}, nil)
	c.call(t, 422, "/auth/resetPassword", obj{"resetPasswordToken": reset.PasswordResetToken, "newPassword": "another8horse"}, nil)
	c.call(t, 403, "me", obj{}, nil, as(guest))
	guest, _ = c.login(t, "jo"+domain, "another8horse")
	c.call(t, 200, "me", obj{}, nil, as(guest))

	// Who is taken out, and who signs out, is out.
	c.call(t, 200, "removeUser", obj{"email": "jo" + domain}, nil, as(fresh))
	c.call(t, 403, "me", obj{}, nil, as(guest))
	c.call(t, 401, "/auth/login", obj{"username": "jo" + domain, "password": "another8horse"}, nil)
	c.call(t, 200, "logout", obj{}, nil, as(fresh))
	for _, old := range []string{admin, fresh} {
		c.call(t, 403, "me", obj{}, nil, as(old))
	}
	c.call(t, 401, "/dashboard/accessToken", obj{}, nil, "Cookie: "+cookies["refreshToken"], "Sec-Fetch-Site: same-origin")
	c.call(t, 403, "me", obj{}, nil, "Cookie: "+cookies["harken_session"], "Sec-Fetch-Site: same-origin")
	c.call(t, 200, "me", obj{}, nil, "X-API-KEY: "+c.APIKey)
}

// mailed returns the link in the message to somebody.
func (c *control) mailed(t *testing.T, to string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(c.dir, "harken-data", "outbox", "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if link := regexp.MustCompile(`http://\S+`).FindString(string(b)); strings.Contains(string(b), "To: <"+to+">") && link != "" {
			return link
		}
	}
	t.Fatalf("no message to %s in %q", to, files)
	return ""
}

// resetPassword runs the sub-command and returns what it prints, which is for a
// person and holds the secret.
func (c *control) resetPassword(t *testing.T, email string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binaries.control, "reset-password", "-data", filepath.Join(c.dir, "harken-data"), email)
	cmd.Dir, cmd.Env = c.dir, cleanEnv()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("reset-password: %v: %s", err, &out)
	}
	return out.String()
}

// A job whose process is killed runs again in the next one, and ends.
func TestKilledJob(t *testing.T) {
	c := startControl(t, t.TempDir(), "-proxy", "")
	var batch []any
	for n := range 400 {
		batch = append(batch, obj{
			"startedDateTime": time.Now().UTC().Format(time.RFC3339), "time": 3, "_harken": obj{"source": "MIRRORING", "direction": "1", "client": "10.0.0.1:1"},
			"request":  obj{"method": "GET", "url": fmt.Sprintf("http://h%d.example.com/things/x%dy", n%50, n), "headers": []obj{{"name": "host", "value": fmt.Sprintf("h%d.example.com", n%50)}}},
			"response": obj{"status": 200, "content": obj{"mimeType": "application/json", "text": `{"a":1}`}},
		})
	}
	c.api(t, "ingestData", obj{"batchData": batch}, nil)
	eventually(t, func() error {
		var cols struct {
			APICollections []struct{ URLsCount int } `json:"apiCollections"`
		}
		c.api(t, "getAllCollections", obj{"hostNameRegex": "example"}, &cols)
		learned := 0
		for _, col := range cols.APICollections {
			if col.URLsCount > 0 { // a collection is there before what it holds
				learned++
			}
		}
		if learned < 50 {
			return fmt.Errorf("%d hosts learned", learned)
		}
		return nil
	})
	type jobs struct {
		Jobs []struct {
			ID                    int64
			Type, State, Error    string
			StartedAt, FinishedAt int64
		}
	}
	caught := false
	for round := 0; round < 20 && !caught; round++ {
		c.api(t, "resetCollectionAccessTypes", obj{}, nil)
		c.kill(t) // the reply is there, and the job stored; it is seldom done
		caught = unfinished(t, filepath.Join(c.dir, "harken-data", "harken.db"))
		c.restart(t)
		var all jobs
		eventually(t, func() error {
			c.api(t, "fetchJobs", obj{}, &all)
			for _, j := range all.Jobs {
				if j.State != "SUCCEEDED" || j.FinishedAt == 0 {
					return fmt.Errorf("job %+v", j)
				}
			}
			return nil
		})
		if len(all.Jobs) != round+1 {
			t.Errorf("%d jobs after %d kills", len(all.Jobs), round+1)
		}
	}
	if !caught {
		t.Error("no job was under way when its process was killed")
	}
	var got struct {
		APICollections []struct{ HostName, AccessType string } `json:"apiCollections"`
	}
	c.api(t, "getAllCollections", obj{"hostNameRegex": "example"}, &got)
	for _, col := range got.APICollections {
		if col.AccessType != "Internal" {
			t.Errorf("%s is %q after the job", col.HostName, col.AccessType)
		}
	}
}

// unfinished says whether a store that nobody has open holds a job that has not ended.
func unfinished(t *testing.T, file string) bool {
	t.Helper()
	out := must(t, filepath.Dir(file), os.Environ(), "python3", "-c",
		`import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
print(json.dumps(db.execute("SELECT count(*) FROM jobs WHERE state IN ('QUEUED', 'RUNNING')").fetchone()[0]))`, file)
	var n int
	if err := json.Unmarshal([]byte(out), &n); err != nil {
		t.Fatal(err, out)
	}
	return n > 0
}
