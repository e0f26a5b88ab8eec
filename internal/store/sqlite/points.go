package sqlite

import (
	"context"
	"database/sql"
	"strings"
)

// points are the statements of the API's calls that are many, prepared once. They
// read or write a few rows, and run without the cancellation of their callers: the
// driver and database/sql would start a goroutine each to wait for it, which takes
// longer than the statement.
type points struct {
	// Of the readers.
	authVersion, hasMarks, marksOf *sql.Stmt
	samples, sampled               *sql.Stmt
	allCollections                 *sql.Stmt
	// Of the writer.
	addAudit, groups, oneCollection, countDisplay *sql.Stmt
	setCollection, changed, noteTags, setFacts    *sql.Stmt
	savepoint, rollbackTo, release                *sql.Stmt
}

const selectSamples = `SELECT s.seq, s.time, s.record, s.source, s.data FROM endpoints e
	JOIN samples s ON s.id BETWEEN e.id << 4 AND e.id << 4 | 15
	WHERE e.account = ?1 AND e.collection = ?2 AND e.url = ?3 AND e.method = ?4`

// selectSampled reads the row of an endpoint too, with -1 for a sequence: a second
// statement would cost more than what it reads.
const selectSampled = `SELECT -1, 0, facts, ` + groupsOf + `, traffic FROM endpoints e
	WHERE account = ?1 AND collection = ?2 AND url = ?3 AND method = ?4 UNION ALL ` + selectSamples

const selectMarks = `SELECT p.collection, p.url, p.method, p.code, p.header, p.param, p.sensitive, i.params, ` + groupsOf + ` FROM sensitive_params p
	LEFT JOIN endpoints e ON e.account = p.account AND e.collection = p.collection AND e.url = p.url AND e.method = p.method
	LEFT JOIN sensitive_index i ON i.endpoint = e.id WHERE p.account = ?`

const orderMarks = ` ORDER BY p.collection, p.url, p.method, p.code, p.header, p.param`

func (p *points) prepare(ctx context.Context, w, r *sql.DB) error {
	for _, s := range []struct {
		db    *sql.DB
		into  **sql.Stmt
		query string
	}{
		{r, &p.authVersion, selectAuthVersion},
		{r, &p.hasMarks, `SELECT EXISTS (SELECT 1 FROM sensitive_params WHERE account = ?)`},
		{r, &p.marksOf, selectMarks + ` AND p.collection = ?` + orderMarks},
		{r, &p.samples, selectSamples},
		{r, &p.sampled, selectSampled},
		{r, &p.allCollections, selectCollections + ` ORDER BY id`},
		{w, &p.addAudit, `INSERT INTO audit (account, time, row) VALUES (?, ?, ?)`},
		// The planner would rather go through all collections in the order of ids.
		{w, &p.groups, strings.Replace(selectCollections, "FROM collections", "FROM collections INDEXED BY collections_groups", 1) +
			` AND type = 'API_GROUP' ORDER BY id`},
		{w, &p.oneCollection, selectCollections + ` AND id = ?`},
		{w, &p.countDisplay, `SELECT count(*) FROM collections WHERE account = ? AND display = ? AND id <> ?`},
		{w, &p.setCollection, `UPDATE collections SET name = ?, display = ?, description = ?, start_ts = ?, redact = ?, samples_dropped = ?,
			deactivated = ?, out_of_scope = ?, automated = ?, type = ?, tags = ?, access_type = ?, conditions = ? WHERE account = ? AND id = ?`},
		{w, &p.changed, `INSERT INTO config (account, version, settings_version, settings) VALUES (?, 1, 0, '')
			ON CONFLICT DO UPDATE SET version = version + 1`},
		{w, &p.noteTags, `INSERT INTO regroup (account, id, next)
			SELECT ?1, ?2, 0 WHERE EXISTS (SELECT 1 FROM collections WHERE account = ?1 AND type = 'API_GROUP')
			ON CONFLICT DO UPDATE SET next = 0`},
		{w, &p.setFacts, `UPDATE endpoints SET facts = ? WHERE id = ?`},
		{w, &p.savepoint, `SAVEPOINT small`},
		{w, &p.rollbackTo, `ROLLBACK TO small`},
		{w, &p.release, `RELEASE small`},
	} {
		var err error
		if *s.into, err = s.db.PrepareContext(ctx, s.query); err != nil {
			return err
		}
	}
	return nil
}
