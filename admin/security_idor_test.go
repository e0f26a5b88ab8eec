package admin_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"harken/admin"
	"harken/admin/auth"
)

// vault is what the administrator of the foreign account has, and beside each the
// name of something that nobody has.
type vault struct{ collection, group, user, token, job, role, email, invited, testRole pair }

type pair struct{ foreign, unknown string }

func (m *matrix) fillVault(t *testing.T) *vault {
	t.Helper()
	ask := func(name, body, want string) string {
		t.Helper()
		found := regexp.MustCompile(want).FindStringSubmatch(m.call200(t, "foreign", name, body))
		if found == nil {
			t.Fatalf("%s gives no %s", name, want)
		}
		return found[1]
	}
	foreign, err := m.db.UserByEmail(t.Context(), "foreign@matrix.example")
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{
		collection: pair{ask("createCollection", `{"collectionName":"vault"}`, `"id":(\d+)`), "987654321"},
		group:      pair{ask("createCustomCollection", `{"collectionName":"vault group"}`, `"id":(\d+)`), "987654322"},
		user:       pair{fmt.Sprint(foreign.ID), "77"},
		token:      pair{ask("addApiToken", `{"tokenUtility":"EXTERNAL_API"}`, `"id":(\d+)`), "77"},
		role:       pair{"VAULT-ROLE", "MISSING-ROLE"},
		email:      pair{"foreign@matrix.example", "missing@matrix.example"},
		invited:    pair{"pending@matrix.example", "nobody@matrix.example"},
		testRole: pair{
			ask("addTestRoles", `{"roleName":"vault","authParamData":[{"where":"HEADER","key":"a","value":"vault-secret"}]}`, `"id":"(\w+)"`),
			"0123456789abcdef01234567",
		},
	}
	m.call200(t, "foreign", "createCustomRole", `{"roleName":"vault-role","baseRole":"MEMBER"}`)
	m.call200(t, "foreign", "inviteUsers", `{"inviteeEmail":"pending@matrix.example","inviteeRole":"GUEST"}`)
	m.call200(t, "foreign", "applyAccessType", "")
	jobs, err := m.api.JobsEnded(t.Context(), matrixForeign)
	if err != nil || len(jobs) == 0 {
		t.Fatal(jobs, err)
	}
	v.job = pair{fmt.Sprint(jobs[len(jobs)-1].ID), "424242"}
	return v
}

func (m *matrix) call200(t *testing.T, who, name, body string) string {
	t.Helper()
	return m.want(t, 200, who, http.MethodPost, "/api/"+name, strings.NewReader(body))
}

// values are the pairs of JSON values that a field of a name can have.
func (v *vault) values(field string) []pair {
	same := func(format string, all ...pair) []pair {
		var out []pair
		for _, p := range all {
			out = append(out, pair{fmt.Sprintf(format, p.foreign), fmt.Sprintf(format, p.unknown)})
		}
		return out
	}
	switch strings.ToLower(field) {
	case "apicollectionid":
		return same("%s", v.collection, v.group)
	case "apicollectionids":
		return same("[%s]", v.collection, v.group)
	case "apicollections":
		return same(`[{"id":%s}]`, v.collection, v.group)
	case "apilist", "apiinfokeylist":
		return same(`[{"apiCollectionId":%s,"url":"/users/INTEGER","method":"GET"}]`, v.collection)
	case "email", "useremail", "inviteeemail":
		return same("%q", v.email, v.invited)
	case "apitokenid":
		return same("%s", v.token)
	case "jobid":
		return same("%s", v.job)
	case "rolename", "userrole", "inviteerole":
		return same("%q", v.role)
	case "scoperolemapping":
		return same(`{"API":%q}`, v.role)
	case "usercollectionmap":
		return append(same(`{"%s":[7]}`, v.user), same(`{"1700000001":[%s]}`, v.collection)...)
	case "newaccountid":
		return []pair{{fmt.Sprint(matrixForeign), "2000001"}}
	case "id":
		return append(same("%q", v.testRole), same("%s", v.collection)...)
	case "collectionname":
		return []pair{{`"vault"`, `"vaulu"`}, {`"vault group"`, `"vaulu group"`}}
	default:
		return nil
	}
}

// foreignRows dumps what the foreign account owns.
func (m *matrix) foreignRows(t *testing.T) string {
	t.Helper()
	var out []string
	for _, table := range m.strings(t, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`) {
		cols := m.strings(t, `SELECT name FROM pragma_table_info('`+table+`')`)
		if slices.Contains(cols, "account") && !strings.Contains(table, "session") && !strings.Contains(table, "audit") {
			out = append(out, m.strings(t, `SELECT '`+table+` ' || quote(`+strings.Join(cols, `) || ',' || quote(`)+`) FROM `+table+
				fmt.Sprint(` WHERE account = `, matrixForeign))...)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// In every field that names something, what another account has is the same as what
// nobody has: for the answer, and for what is stored.
func TestForeignIDs(t *testing.T) {
	m := newMatrix(t)
	v := m.fillVault(t)
	before := m.foreignRows(t)
	if n := strings.Count(before, "\n"); n < 8 {
		t.Fatalf("the foreign account has only %s", before)
	}
	made := []string{"createCollection", "createCustomCollection", "createCustomRole", "addTestRoles", "addApisToCustomCollection", "editCollectionName"}
	numbers := regexp.MustCompile(`17000000\d\d`)
	tried := 0
	rows := admin.RouteInfos()
	// Last, for what it makes is found by others.
	at := slices.IndexFunc(rows, func(r admin.RouteInfo) bool { return r.URL == "/api/inviteUsers" })
	rows = append(slices.Delete(slices.Clone(rows), at, at+1), rows[at])
	for _, r := range rows {
		if r.Needs.Feature == auth.Open || slices.Contains(made, strings.TrimPrefix(r.URL, "/api/")) {
			continue // making what has the same name elsewhere is nobody's business
		}
		var body map[string]json.RawMessage
		if json.Unmarshal([]byte(example(t, r)), &body) != nil || body == nil {
			body = map[string]json.RawMessage{}
		}
		for _, field := range r.Fields {
			for _, p := range v.values(field) {
				tried++
				ask := func(value string) (int, string) {
					in := maps.Clone(body)
					in[field] = json.RawMessage(value)
					b, err := json.Marshal(in)
					if err != nil {
						t.Fatal(err)
					}
					status, answer := m.call(t, "admin", r, string(b))
					answer = string(scrub([]byte(answer)))
					for _, n := range []string{strings.Trim(value, `[]{}"`), p.foreign, p.unknown, v.user.foreign, v.user.unknown, v.role.foreign, v.role.unknown, v.collection.foreign, v.collection.unknown} {
						answer = regexp.MustCompile(`(^|\W)`+regexp.QuoteMeta(n)+`($|\W)`).ReplaceAllString(answer, "${1}X$2")
					}
					return status, numbers.ReplaceAllString(answer, "N")
				}
				ask(p.unknown) // what the rest of the request does is done then
				status1, answer1 := ask(p.foreign)
				status2, answer2 := ask(p.unknown)
				if status1 != status2 || answer1 != answer2 {
					t.Errorf("%s with %s: %s is answered %d %.300s, and %s %d %.300s", r.URL, field, p.foreign, status1, answer1, p.unknown, status2, answer2)
				}
				if after := m.foreignRows(t); after != before {
					t.Errorf("%s with %s %s changed the foreign account:\n%s\nwas\n%s", r.URL, field, p.foreign, after, before)
					before = after
				}
			}
		}
	}
	if tried < 60 {
		t.Errorf("only %d fields and values were tried", tried)
	}
}

// Ids of one's own account that are somebody else's there: tokens and, for who may
// not manage people, everything about them.
func TestNeighborsIDs(t *testing.T) {
	m := newMatrix(t)
	key := m.call200(t, "admin", "addApiToken", `{"tokenUtility":"BURP"}`)
	id := regexp.MustCompile(`"id":(\d+)`).FindStringSubmatch(key)[1]
	for _, who := range []string{"member", "developer", "role-ADMIN", "limited"} {
		if b := m.call200(t, who, "deleteApiToken", `{"apiTokenId":`+id+`}`); b != `{"apiTokenDeleted":false}` {
			t.Errorf("%s deletes another's token: %s", who, b)
		}
		if b := m.call200(t, who, "fetchApiTokens", ""); strings.Contains(b, `"id":`+id) {
			t.Errorf("%s sees another's token: %s", who, b)
		}
	}
	for _, r := range admin.RouteInfos() {
		if r.Needs.Feature != auth.AdminActions {
			continue
		}
		for _, who := range []string{"member", "limited", "guest", "role-THREAT_ENGINEER"} {
			if status, b := m.call(t, who, r, example(t, r)); status != 403 {
				t.Errorf("%s as %s = %d %s", r.URL, who, status, b)
			}
		}
	}
}
