package admin_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"harken/admin"
)

// smuggled are members that no request has, or that only some have: what a server
// that fills its own structs from requests would let people set.
var smuggled = map[string]string{
	"id": `4242`, "ID": `4242`, "_id": `4242`, "account": `2000000`, "accountId": `2000000`, "Account": `2000000`, "akto_account_id": `"2000000"`,
	"user": `1`, "userId": `1`, "owner": `1`, "Owner": `1`, "utility": `"EXTERNAL_API"`, "Utility": `"EXTERNAL_API"`, "role": `"ADMIN"`, "Role": `"ADMIN"`,
	"scopes": `{"API":"ADMIN"}`, "restricted": `false`, "Restricted": `false`, "collections": `[0,7,8]`, "isAdmin": `true`, "issuer": `1`, "hash": `"x"`,
	"key": `"chosen-key-0123456789"`, "password": `"chosen7password"`, "organization": `"other"`, "sealed": `"x"`, "created": `1`, "startTs": `1`,
	"within": `null`, "Within": `null`, "type": `"API_GROUP"`, "hostName": `"chosen.example"`, "automated": `true`, "featureWiseAllowed": `{}`, "plan": `"p"`,
}

// The same calls with and without members that are not theirs do the same.
func TestMassAssignment(t *testing.T) {
	plain, laden := newMatrix(t), newMatrix(t)
	tables := []string{
		`SELECT user || ' ' || account || ' ' || role || ' ' || scopes || ' ' || collections FROM auth_grants ORDER BY 1`,
		`SELECT user || ' ' || account FROM auth_members ORDER BY 1`,
		`SELECT account || ' ' || owner || ' ' || utility || ' ' || name FROM auth_keys ORDER BY 1`,
		`SELECT id || ' ' || email || ' ' || name FROM auth_users ORDER BY 1`,
		`SELECT id || ' ' || name || ' ' || (organization = 'other') FROM auth_accounts ORDER BY 1`,
	}
	for _, who := range []string{"limited", "guest", "admin"} {
		for _, r := range admin.RouteInfos() {
			if r.Verb != http.MethodPost || strings.Contains(r.URL, "auth/") || strings.Contains(r.URL, "dashboard") || strings.HasPrefix(r.URL, "/api/fetchJob") {
				continue
			}
			body := example(t, r)
			var in map[string]json.RawMessage
			if json.Unmarshal([]byte(body), &in) != nil || in == nil {
				in = map[string]json.RawMessage{}
			}
			for name, value := range smuggled {
				if !slices.Contains(r.Fields, name) {
					in[name] = json.RawMessage(value)
				}
			}
			if r.URL == "/api/ingestData" {
				delete(in, "akto_account_id")
			}
			b, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			status1, answer1 := plain.call(t, who, r, body)
			status2, answer2 := laden.call(t, who, r, string(b))
			if a, b := string(scrub([]byte(answer1))), string(scrub([]byte(answer2))); status1 != status2 || len(a) != len(b) {
				t.Errorf("%s as %s = %d %.300s, with more members %d %.300s", r.URL, who, status1, a, status2, b)
			}
			for _, q := range tables {
				if a, b := plain.strings(t, q), laden.strings(t, q); !slices.Equal(a, b) {
					t.Fatalf("%s as %s with more members: %s\n%v\nnot\n%v", r.URL, who, q, b, a)
				}
			}
		}
	}
	laden.want(t, 403, "", http.MethodPost, "/api/me", nil, "X-API-KEY: chosen-key-0123456789")
	laden.want(t, 401, "", http.MethodPost, "/auth/login", strings.NewReader(`{"username":"limited@example.com","password":"chosen7password"}`))
}
