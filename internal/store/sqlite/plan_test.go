package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
)

// What a start and every job read of the table of jobs does not grow with the jobs
// that have ended.
func TestJobQueriesUseIndexes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h.db")
	open(t, path)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	f := func(query, want string) {
		t.Helper()
		rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		found := false
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(detail, want)
			if strings.HasPrefix(detail, "SCAN") {
				t.Errorf("%s: %s", query, detail)
			}
		}
		if !found {
			t.Errorf("%s: does not use %s", query, want)
		}
	}
	f(`UPDATE jobs SET state = 'QUEUED' WHERE finished = 0 AND state = 'RUNNING'`, "jobs_open")
	f(`SELECT min(j.id) FROM jobs j WHERE j.finished = 0 AND j.state = 'QUEUED' AND NOT EXISTS
		(SELECT 1 FROM jobs r WHERE r.finished = 0 AND r.state = 'RUNNING' AND r.account = j.account AND r.kind = j.kind)`, "jobs_open")
	f(`SELECT id FROM jobs WHERE finished <> 0 AND finished < 9 LIMIT 5`, "jobs_finished")
	f(`SELECT id FROM jobs WHERE account = 1 ORDER BY id DESC LIMIT 5`, "jobs_account")
	f(`SELECT id FROM audit WHERE account = 1 AND time < 5 LIMIT 5`, "audit_time")
}
