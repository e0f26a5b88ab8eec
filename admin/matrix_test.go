package admin_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"harken/admin"
	"harken/admin/auth"
	"harken/inventory"
)

// matrixForeign is an account of which the others know nothing.
const matrixForeign = 2_000_000

// The published table of roles: per feature group, what ADMIN, MEMBER,
// THREAT_ENGINEER, THREAT_VIEWER, DEVELOPER, GUEST and NO_ACCESS have.
var (
	matrixRoles = []string{"ADMIN", "MEMBER", "THREAT_ENGINEER", "THREAT_VIEWER", "DEVELOPER", "GUEST", "NO_ACCESS", "WHATEVER"}

	matrixAccess = map[auth.Feature]string{
		auth.APICollections: "WWWWRR-R",
		auth.TrafficFilters: "WWWWRR-R",
		auth.SensitiveData:  "WWWW----",
		auth.SampleData:     "WWWW----",
		auth.Integrations:   "WRRRWR-R",
		auth.Billing:        "WRRRWR-R",
		auth.APITokens:      "WWWWWR-R",
		auth.InviteMembers:  "WWWWRR-R",
		auth.UserActions:    "WWWWWW-W",
		auth.AdminActions:   "W-------",
		auth.SignedIn:       "WWWWWWWW",
		auth.Open:           "WWWWWWWW",
	}
)

// matrix is a world with a caller for every case, and a way to see what changed.
type matrix struct {
	*world
	look *sql.Conn // beside the server's own
	seen string    // data_version of look when rows was last made
	last map[string]string
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	dir, ctx := t.TempDir(), t.Context()
	w, err := newWorld(ctx, dir, func(c *admin.Config) { c.LimitLogin, c.LimitReset, c.Invites.Limit = -1, -1, -1 })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	add := func(name string, account int32, g auth.Grant) {
		u, err := w.db.AddUser(ctx, auth.User{
			ID: now, Email: name + "@matrix.example", Name: name, Accounts: []auth.Membership{{Account: account}},
		})
		if err != nil {
			t.Fatal(err)
		}
		g.User, g.Account = u.ID, account
		if err := w.db.PutGrant(ctx, g); err != nil {
			t.Fatal(err)
		}
		w.keys[name] = name + "-matrix-key-0123456789"
		if _, err := w.db.AddKey(ctx, auth.NewAPIKey(w.keys[name], u.ID, account, auth.ExternalAPI, now)); err != nil {
			t.Fatal(err)
		}
	}
	for _, role := range matrixRoles {
		add("role-"+role, inventory.DefaultAccount, auth.Grant{Role: role})
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "harken.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	look, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m := &matrix{world: w, look: look}
	m.addAccount(t, matrixForeign)
	add("foreign", matrixForeign, auth.Grant{Role: "ADMIN"})
	return m
}

// addAccount stores an account of an organization of its own.
func (m *matrix) addAccount(t *testing.T, id int32) {
	t.Helper()
	for _, s := range []string{
		`INSERT INTO auth_organizations (id, name, admin_email) VALUES ('other', 'other', 'boss@other.example')`,
		fmt.Sprintf(`INSERT INTO auth_accounts (id, name, created, organization) VALUES (%d, 'other', %d, 'other')`, id, now),
	} {
		if _, err := m.look.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}

// rows dumps what the account 1000000 owns, people included, and leaves out what
// every call may touch: sessions, audit rows.
func (m *matrix) rows(t *testing.T) map[string]string {
	t.Helper()
	version := m.strings(t, `PRAGMA data_version`)[0]
	if version == m.seen {
		return m.last
	}
	out := map[string]string{}
	m.seen, m.last = version, out
	for _, table := range m.strings(t, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`) {
		if strings.Contains(table, "session") || strings.Contains(table, "audit") || table == "auth_version" {
			continue // the last counts what any account changes
		}
		cols := m.strings(t, `SELECT name FROM pragma_table_info('`+table+`')`)
		where := ""
		switch {
		case slices.Contains(cols, "account"):
			where = ` WHERE account = ` + fmt.Sprint(inventory.DefaultAccount)
		case table == "auth_accounts":
			where = ` WHERE id = ` + fmt.Sprint(inventory.DefaultAccount)
		case table == "auth_organizations":
			where = ` WHERE id <> 'other'`
		case table == "auth_users":
			where = ` WHERE email NOT LIKE 'foreign@%'`
		case slices.Contains(cols, "organization"):
			where = ` WHERE organization <> 'other'`
		case slices.Contains(cols, "user"):
			where = ` WHERE user NOT IN (SELECT id FROM auth_users WHERE email LIKE 'foreign@%')`
		}
		out[table] = strings.Join(m.strings(t, `SELECT quote(`+strings.Join(cols, `) || ',' || quote(`)+`) AS r FROM `+table+where+` ORDER BY r`), "\n")
	}
	return out
}

func (m *matrix) strings(t *testing.T, query string) []string {
	t.Helper()
	rows, err := m.look.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// call makes a request as someone and returns status and body.
func (m *matrix) call(t *testing.T, who string, r admin.RouteInfo, body string) (status int, answer string) {
	t.Helper()
	url := m.srv.URL + r.URL
	if r.Verb == http.MethodGet && body != "" {
		url += "?" + body
		body = ""
	}
	req, err := http.NewRequestWithContext(t.Context(), r.Verb, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-API-KEY", m.keys[who])
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

var exampleCall = regexp.MustCompile(`^(api|http) (\S+) (.*)$`)

// example is the request with which the script of a row first succeeds.
func example(t *testing.T, r admin.RouteInfo) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + path.Base(r.URL) + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	ar := txtar.Parse(b)
	for line := range strings.Lines(string(ar.Comment)) {
		m := exampleCall.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || !strings.Contains(m[3], path.Base(r.URL)) {
			continue
		}
		if r.Verb == http.MethodGet {
			for word := range strings.FieldsSeq(m[3]) {
				if _, query, ok := strings.Cut(word, "?"); ok {
					return query
				}
			}
			continue
		}
		last := strings.TrimPrefix(m[3][strings.LastIndexByte(m[3], ' ')+1:], "@")
		for _, f := range ar.Files {
			if f.Name == last {
				return string(f.Data)
			}
		}
	}
	return ""
}

// Every row times every role: who lacks the access gets 403, who has it is never
// stopped by 401, 403 or 500.
func TestMatrixRoles(t *testing.T) {
	m := newMatrix(t)
	for _, r := range admin.RouteInfos() {
		access, ok := matrixAccess[r.Needs.Feature]
		if !ok {
			t.Errorf("%s needs %s, which the matrix does not know", r.URL, r.Needs.Feature)
			continue
		}
		if r.Needs.Feature == auth.Open {
			continue
		}
		for i, role := range matrixRoles {
			want := access[i] == 'W' || access[i] == 'R' && r.Needs.Access == auth.Read
			status, body := m.call(t, "role-"+role, r, "")
			if denied := status == http.StatusForbidden; denied == want || status >= 500 || status == http.StatusUnauthorized {
				t.Errorf("%s as %s is %d (%s), want allowed %v", r.URL, role, status, body, want)
			}
			if denied := status == http.StatusForbidden; denied && !strings.Contains(body, `"actionErrors":["`) {
				t.Errorf("%s as %s says %s", r.URL, role, body)
			}
		}
		for _, who := range []string{"stranger", ""} {
			if status, _ := m.call(t, who, r, ""); status != http.StatusForbidden {
				t.Errorf("%s with the key %q is %d, want 403", r.URL, m.keys[who], status)
			}
		}
	}
}

// Every row times every utility of API keys.
func TestMatrixUtilities(t *testing.T) {
	m := newMatrix(t)
	reach := map[string][]string{
		"burp": {"/api/uploadHar", "/api/ingestData", "/api/importInBurp", "/api/sendHealthCheck"},
		"cicd": {"/api/getAllCollections", "/api/fetchAllTestSuites"},
	}
	for _, r := range admin.RouteInfos() {
		if r.Needs.Feature == auth.Open {
			continue
		}
		for _, who := range []string{"burp", "cicd", "slack"} {
			status, body := m.call(t, who, r, "")
			if want := slices.Contains(reach[who], r.URL); (status != http.StatusForbidden) != want {
				t.Errorf("%s with a key for %s is %d (%s), want allowed %v", r.URL, who, status, body, want)
			}
		}
	}
}

// planted is what nobody outside the account, or outside the collections of the
// host, may ever read.
var planted = regexp.MustCompile(`a@b\.co|by hand|asleep|other\.example\.com|zxqv|kplm|admin@example\.com|bob|secretive`)

// An administrator of another account sends every documented request: nothing of
// this account is shown or changed.
func TestMatrixOtherAccount(t *testing.T) {
	m := newMatrix(t)
	before := maps.Clone(m.rows(t))
	for _, r := range admin.RouteInfos() {
		if r.Needs.Feature == auth.Open || r.URL == "/api/openapi.json" { // which tells examples
			continue
		}
		body := example(t, r)
		status, answer := m.call(t, "foreign", r, body)
		if status >= 500 {
			t.Errorf("%s is %d: %s", r.URL, status, answer)
		}
		if found := planted.FindString(answer); found != "" && !strings.Contains(body, found) {
			t.Errorf("%s from another account shows %q: %s", r.URL, found, answer)
		}
		for table, after := range m.rows(t) {
			if after != before[table] {
				t.Errorf("%s from another account changed %s:\n%s\nwas\n%s", r.URL, table, after, before[table])
				before[table] = after
			}
		}
	}
}

// A caller who sees the collection 7 alone cannot tell a hidden collection from
// one that does not exist, whatever field names it.
func TestMatrixInvisible(t *testing.T) {
	m := newMatrix(t)
	hidden, unknown := "-1628073687", "1628073687"
	naming := regexp.MustCompile(`(?i)collection|apilist|conditions|^id$`)
	ids := regexp.MustCompile(`-?1628073687|\b[789]\b`)
	before := maps.Clone(m.rows(t))
	for _, r := range admin.RouteInfos() {
		if r.Needs.Feature == auth.Open || r.Needs.Feature == auth.AdminActions {
			continue
		}
		body := example(t, r)
		if !slices.ContainsFunc(r.Fields, naming.MatchString) || !ids.MatchString(body) {
			continue
		}
		status1, answer1 := m.call(t, "limited", r, ids.ReplaceAllString(body, hidden))
		status2, answer2 := m.call(t, "limited", r, ids.ReplaceAllString(body, unknown))
		answer1 = strings.ReplaceAll(answer1, hidden, unknown)
		if status1 != status2 || answer1 != answer2 {
			t.Errorf("%s tells a hidden collection (%d %s) from an unknown one (%d %s)", r.URL, status1, answer1, status2, answer2)
		}
		if status1 >= 500 || planted.MatchString(strings.ReplaceAll(answer1, "by hand", "")) && !planted.MatchString(body) {
			t.Errorf("%s is %d: %s", r.URL, status1, answer1)
		}
		for table, after := range m.rows(t) {
			if after != before[table] {
				t.Errorf("%s changed %s in hidden collections:\n%s\nwas\n%s", r.URL, table, after, before[table])
			}
			before[table] = after
		}
	}
}

// Ids of every kind, in every field, of every size: no row answers 500.
func TestMatrixFields(t *testing.T) {
	m := newMatrix(t)
	values := []string{`null`, `-1`, `0`, `99999999999999999999`, `1.5`, `"x"`, `""`, `[]`, `[null]`, `{}`, `[{}]`, `{"a":[1]}`, `true`, `"1,2,x"`, `[[[]]]`, `"\u0000"`}
	for _, r := range admin.RouteInfos() {
		if r.Verb != http.MethodPost || r.URL == "/api/logout" {
			continue
		}
		for _, field := range r.Fields {
			for _, v := range values {
				body := fmt.Sprintf(`{%q:%s}`, field, v)
				if ex := example(t, r); ex != "" {
					var o map[string]json.RawMessage
					if json.Unmarshal([]byte(ex), &o) == nil && o != nil {
						o[field] = json.RawMessage(v)
						b, err := json.Marshal(o)
						if err != nil {
							t.Fatal(err)
						}
						body = string(b)
					}
				}
				status, answer := m.call(t, "limited", r, body)
				if status >= 500 || !json.Valid([]byte(answer)) || bytes.Contains([]byte(answer), []byte("goroutine")) {
					t.Errorf("%s of %s is %d: %s", r.URL, body, status, answer)
				}
			}
		}
	}
}
