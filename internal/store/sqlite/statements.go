package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// chunk is the number of endpoints that are read by one statement: most of what a
// single one costs is the statement.
const chunk = 64

// selectChunk reads the endpoints of up to chunk keys, each with the number of its
// key. A key of NULLs finds nothing.
func selectChunk() string {
	var keys strings.Builder
	for i := range chunk {
		if i > 0 {
			keys.WriteByte(',')
		}
		fmt.Fprintf(&keys, "(%d,?,?,?)", i)
	}
	return `SELECT k.column1, e.id, e.sampled, i.next, i.params, e.facts, e.params, e.traffic FROM (VALUES ` + keys.String() + `) k CROSS JOIN endpoints e
		ON e.account = ? AND e.collection = k.column2 AND e.url = k.column3 AND e.method = k.column4
		LEFT JOIN sensitive_index i ON i.endpoint = e.id`
}

// statements are prepared once. A database keeps them per connection.
type statements struct {
	// Of the writer.
	getEndpoints, addEndpoint, setEndpoint *sql.Stmt
	addType, putSample, countURL           *sql.Stmt
	hasCollection, putMark, addDropped     *sql.Stmt
	delChanges, addChange, mergeDue        *sql.Stmt
	addDrop, countDrops, newDrop           *sql.Stmt
	putIndex                               *sql.Stmt
	addSensitive, delSensitive             *sql.Stmt
	saveSensitive                          *sql.Stmt
	configOf, definitionsOf, redactedOf    *sql.Stmt
	version, addMember                     *sql.Stmt
	// Of the readers.
	collection, hostCollection *sql.Stmt
	endpoint, endpoints        *sql.Stmt
	config, isGroup            *sql.Stmt
	members, keys, memberKeys  *sql.Stmt
	templates                  *sql.Stmt
}

func (s *statements) prepare(ctx context.Context, w, r *sql.DB) error {
	for _, p := range []struct {
		db    *sql.DB
		into  **sql.Stmt
		query string
	}{
		{w, &s.getEndpoints, selectChunk()},
		{w, &s.addEndpoint, `INSERT INTO endpoints (account, collection, url, method, count, discovered, last_seen, sampled, facts, params, traffic)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{w, &s.setEndpoint, `UPDATE endpoints SET count = ?, discovered = ?, last_seen = ?, sampled = ?, facts = ?, params = ?, traffic = ? WHERE id = ?`},
		{w, &s.addType, `INSERT OR IGNORE INTO param_types (account, type, collection, endpoint) VALUES (?, ?, ?, ?)`},
		{w, &s.putSample, `INSERT OR REPLACE INTO samples (id, seq, time, record, source, data) VALUES (?, ?, ?, ?, ?, ?)`},
		{w, &s.countURL, `UPDATE collections SET urls = urls + ? WHERE account = ? AND id = ?`},
		{w, &s.hasCollection, `SELECT redact FROM collections WHERE account = ? AND id = ?`},
		{w, &s.putMark, `INSERT INTO marks (log, part, shard, seq, updated) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq), updated = excluded.updated`},
		{w, &s.addDropped, `INSERT INTO dropped (account, rule, records) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET records = records + excluded.records`},
		{w, &s.delChanges, `DELETE FROM changes WHERE endpoint = ?`},
		{w, &s.addChange, `INSERT OR REPLACE INTO changes (endpoint, kind, detail, account, collection, time) VALUES (?, ?, ?, ?, ?, ?)`},
		{w, &s.mergeDue, `INSERT INTO templates (account, collection, version, due) VALUES (?, ?, 0, 1) ON CONFLICT DO UPDATE SET due = 1 WHERE due = 0`},
		{w, &s.addDrop, `UPDATE drops SET records = records + ?1, last = max(last, ?2),
			example = CASE WHEN ?3 IS NULL OR last > ?2 THEN example ELSE ?3 END WHERE account = ?4 AND rule = ?5 AND host = ?6`},
		{w, &s.countDrops, `SELECT count(*) FROM drops WHERE account = ?`},
		{w, &s.newDrop, `INSERT INTO drops (account, rule, host, records, last, example) VALUES (?, ?, ?, ?, ?, ?)`},
		{w, &s.putIndex, `INSERT OR REPLACE INTO sensitive_index (endpoint, next, params) VALUES (?, ?, ?)`},
		{w, &s.addSensitive, `INSERT OR REPLACE INTO sensitive_samples (endpoint, seq, time, record, source, data) VALUES (?, ?, ?, ?, ?, ?)`},
		{w, &s.saveSensitive, `INSERT OR REPLACE INTO sensitive_samples (endpoint, seq, time, record, source, data)
			SELECT ?, ?, time, record, source, data FROM samples WHERE id = ? AND seq = ?`},
		{w, &s.delSensitive, `DELETE FROM sensitive_samples WHERE endpoint = ? AND seq = ?`},
		{w, &s.configOf, `SELECT version, settings FROM config WHERE account = ?`},
		{w, &s.definitionsOf, `SELECT id, doc, updated FROM definitions WHERE account = ? AND kind = ? ORDER BY pos`},
		{w, &s.redactedOf, `SELECT id FROM collections WHERE account = ? AND redact`},
		{w, &s.addMember, `INSERT INTO members (account, grp, endpoint) VALUES (?, ?, ?)`},
		{w, &s.version, `SELECT version FROM config WHERE account = ?`},
		{r, &s.config, `SELECT version FROM config WHERE account = ?`},
		{r, &s.collection, selectCollections + ` AND id = ?`},
		{r, &s.hostCollection, selectCollections + ` AND host = ?`},
		{r, &s.endpoint, `SELECT facts, params, traffic, ` + groupsOf + ` FROM endpoints e WHERE account = ? AND collection = ? AND url = ? AND method = ?`},
		{r, &s.endpoints, `SELECT collection, url, method, facts, ` + groupsOf + ` FROM endpoints e
			WHERE account = ? AND collection = ? ORDER BY url, method LIMIT ? OFFSET ?`},
		{r, &s.members, `SELECT e.collection, e.url, e.method, e.facts, ` + groupsOf + ` FROM members m CROSS JOIN endpoints e ON e.id = m.endpoint
			WHERE m.account = ? AND m.grp = ? ORDER BY m.endpoint LIMIT ? OFFSET ?`},
		{r, &s.keys, `SELECT collection, url, method FROM endpoints WHERE account = ? AND collection = ?`},
		{r, &s.memberKeys, `SELECT e.collection, e.url, e.method FROM members m CROSS JOIN endpoints e ON e.id = m.endpoint WHERE m.account = ? AND m.grp = ?`},
		{r, &s.templates, selectTemplates},
		{r, &s.isGroup, `SELECT count(*) FROM collections WHERE account = ? AND id = ? AND type = 'API_GROUP'`},
	} {
		var err error
		if *p.into, err = p.db.PrepareContext(ctx, p.query); err != nil {
			return err
		}
	}
	return nil
}

// within returns a copy whose writing statements belong to tx.
func (s *statements) within(ctx context.Context, tx *sql.Tx) statements {
	return statements{
		getEndpoints: tx.StmtContext(ctx, s.getEndpoints), addEndpoint: tx.StmtContext(ctx, s.addEndpoint),
		setEndpoint: tx.StmtContext(ctx, s.setEndpoint), addType: tx.StmtContext(ctx, s.addType),
		putSample: tx.StmtContext(ctx, s.putSample), countURL: tx.StmtContext(ctx, s.countURL),
		hasCollection: tx.StmtContext(ctx, s.hasCollection), putMark: tx.StmtContext(ctx, s.putMark),
		addDropped: tx.StmtContext(ctx, s.addDropped), delChanges: tx.StmtContext(ctx, s.delChanges),
		addChange: tx.StmtContext(ctx, s.addChange), mergeDue: tx.StmtContext(ctx, s.mergeDue),
		addDrop: tx.StmtContext(ctx, s.addDrop), countDrops: tx.StmtContext(ctx, s.countDrops), newDrop: tx.StmtContext(ctx, s.newDrop),
		putIndex:     tx.StmtContext(ctx, s.putIndex),
		addSensitive: tx.StmtContext(ctx, s.addSensitive), delSensitive: tx.StmtContext(ctx, s.delSensitive),
		saveSensitive: tx.StmtContext(ctx, s.saveSensitive), configOf: tx.StmtContext(ctx, s.configOf),
		definitionsOf: tx.StmtContext(ctx, s.definitionsOf), redactedOf: tx.StmtContext(ctx, s.redactedOf),
		version: tx.StmtContext(ctx, s.version),
	}
}
