package admin_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"harken/admin"
	"harken/admin/auth"
	"harken/inventory"
)

// Every row that changes something leaves one row of who did it, without anything
// that lets the reader do the same; reading and failing leave none.
func TestAuditOfAllRows(t *testing.T) {
	secrets := regexp.MustCompile(`(?i)correct7horse|-key-0123|secret|password"|passwd|token"?:"|Code=|Bearer|BTBZMqHH|BCVxsr7N|\?|#`)
	count := func(m *matrix) int {
		_, n, err := m.db.AuditRows(t.Context(), inventory.DefaultAccount, 0, 1<<40, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	done := 0
	reader := newMatrix(t) // of all rows that change nothing
	for _, r := range admin.RouteInfos() {
		m, changes := reader, r.Needs.Access == auth.ReadWrite && r.Needs.Feature != auth.Open
		if changes {
			m = newMatrix(t)
		}
		if status, b := m.call(t, "role-GUEST", r, `{`); status < 400 && r.Verb == http.MethodPost && r.URL != "/dashboard/accessToken" {
			t.Errorf("%s takes anything: %s", r.URL, b)
		}
		if n := count(m); n != 0 {
			t.Errorf("%s that failed leaves %d rows", r.URL, n)
		}
		status, answer := m.call(t, "admin", r, example(t, r))
		want := 0
		if changes && status == http.StatusOK {
			want = 1
			done++
		}
		if n := count(m); n != want {
			t.Errorf("%s (%d %.200s) leaves %d rows, want %d", r.URL, status, answer, n, want)
		}
		if want == 0 {
			continue
		}
		rows, _, err := m.db.AuditRows(t.Context(), inventory.DefaultAccount, 0, 1<<40, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(rows[0])
		if err != nil {
			t.Fatal(err)
		}
		if rows[0].Endpoint != r.URL || rows[0].UserEmail != "admin@example.com" || rows[0].Resource != string(r.Needs.Feature) {
			t.Errorf("%s leaves the row %s", r.URL, b)
		}
		meta, err := json.Marshal(rows[0].Metadata)
		if err != nil {
			t.Fatal(err)
		}
		if found := secrets.Find(meta); found != nil || len(meta) > 2000 {
			t.Errorf("%s notes %q: %.2000s", r.URL, found, meta)
		}
	}
	if done < 40 {
		t.Errorf("only %d rows were seen to change something", done)
	}
}

// What endpoints are named by can hold secrets, and be long.
func TestAuditCutsURLs(t *testing.T) {
	w := start(t, nil)
	w.call(t, 200, "admin", "saveEndpointDescription",
		`{"apiCollectionId":-1628073687,"url":"https://me:hunter22@api.example.com/users/4?api_key=s3cr3t#t0k3n","method":"GET","description":"`+strings.Repeat("d", 100)+`"}`)
	b := w.call(t, 200, "admin", "fetchApiAuditLogsFromDb", "")
	if strings.Contains(b, "hunter22") || strings.Contains(b, "s3cr3t") || strings.Contains(b, "t0k3n") || !strings.Contains(b, `"url":"https://api.example.com/users/4"`) {
		t.Errorf("audit logs = %s", b)
	}
}

// Which collections were touched is noted also where endpoints are listed.
func TestAuditOfLists(t *testing.T) {
	w := start(t, nil)
	w.call(t, 200, "admin", "deleteApis", `{"apiList":[{"apiCollectionId":7,"url":"/x","method":"GET"},`+
		`{"apiCollectionId":"-1628073687","url":"/users/7","method":"get"},{"apiCollectionId":7,"url":"/y","method":"GET"}]}`)
	b := w.call(t, 200, "admin", "fetchApiAuditLogsFromDb", "")
	if !strings.Contains(b, `"metadata":{"apiCollectionIds":[-1628073687,7]}`) {
		t.Errorf("audit logs = %s", b)
	}
}
