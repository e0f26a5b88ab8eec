package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"harken/admin/auth"
	"harken/inventory/fault"
)

// createVersions makes the count of changes of who may do what. Triggers keep it,
// so that no statement, cascade or other process can change these tables and leave
// those who remember what they read behind.
func createVersions(ctx context.Context, tx *sql.Tx) error {
	var script strings.Builder
	script.WriteString("CREATE TABLE auth_version (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL) STRICT;\n" +
		"INSERT INTO auth_version VALUES (1, 1);\n")
	for _, table := range []string{"auth_users", "auth_members", "auth_accounts", "auth_grants", "auth_roles", "auth_keys"} {
		for _, what := range []string{"insert", "update", "delete"} {
			script.WriteString("CREATE TRIGGER " + table + "_" + what + " AFTER " + what + " ON " + table +
				" BEGIN UPDATE auth_version SET version = version + 1; END;\n")
		}
	}
	_, err := tx.ExecContext(ctx, script.String())
	return err
}

// maxRemembered bounds the keys, and the standings, that are remembered.
const maxRemembered = 10_000

// A memory keeps what was read of who may do what, as of one version. It is safe
// for concurrent use.
type memory struct {
	mu        sync.RWMutex
	version   int64
	keys      map[auth.Hash]auth.APIKey
	standings map[member]auth.Standing
}

type member struct{ user, account int32 }

// remembered returns what get finds, if it was read at a version.
func remembered[T any](m *memory, version int64, get func() (T, bool)) (T, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.version != version {
		var none T
		return none, false
	}
	return get()
}

// remember calls put for what was read at a version, unless something newer is
// known.
func (m *memory) remember(version int64, put func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if version < m.version {
		return
	}
	if version > m.version || len(m.keys) >= maxRemembered || len(m.standings) >= maxRemembered {
		m.version, m.keys, m.standings = version, map[auth.Hash]auth.APIKey{}, map[member]auth.Standing{}
	}
	put()
}

// authVersion counts the changes of who may do what that are committed.
func (db *DB) authVersion(ctx context.Context) (int64, error) {
	var v int64
	err := db.points.authVersion.QueryRowContext(context.WithoutCancel(ctx)).Scan(&v)
	return v, err
}

// versionIn is authVersion as a transaction sees it.
func versionIn(ctx context.Context, tx *sql.Tx) (int64, error) {
	var v int64
	err := tx.QueryRowContext(ctx, selectAuthVersion).Scan(&v)
	return v, err
}

const selectAuthVersion = "SELECT version FROM auth_version"

// Key returns the API key whose token has a hash.
func (db *DB) Key(ctx context.Context, hash auth.Hash) (auth.APIKey, error) {
	return recall(ctx, db, "read API key",
		func() (auth.APIKey, bool) { k, ok := db.memory.keys[hash]; return k, ok },
		func(k auth.APIKey) { db.memory.keys[hash] = k },
		func(tx *sql.Tx) (auth.APIKey, error) {
			k, err := scanKey(tx.QueryRowContext(context.WithoutCancel(ctx), selectKeys+"hash = ?", hash[:]))
			if errors.Is(err, sql.ErrNoRows) {
				return k, fault.New(fault.NotFound, "no such API key")
			}
			return k, err
		})
}

// Standing returns who a user is and what they may do in an account.
func (db *DB) Standing(ctx context.Context, user, account int32) (auth.Standing, error) {
	at := member{user, account}
	s, err := recall(ctx, db, "read user",
		func() (auth.Standing, bool) { s, ok := db.memory.standings[at]; return s, ok },
		func(s auth.Standing) { db.memory.standings[at] = s },
		func(tx *sql.Tx) (auth.Standing, error) {
			var s auth.Standing
			var err error
			if s.User, err = readUser(ctx, tx, "u.id = ?", user); err != nil {
				return s, err
			}
			s.Grant, s.Roles, err = readStanding(ctx, tx, user, account)
			return s, err
		})
	if err != nil {
		return auth.Standing{}, err
	}
	return cloneStanding(&s), nil
}

// recall returns what was remembered of the version that is stored now, or reads
// it. What cannot be read is an error, never something older.
func recall[T any](ctx context.Context, db *DB, what string, get func() (T, bool), put func(T), read func(*sql.Tx) (T, error)) (T, error) {
	var v T
	now, err := db.authVersion(ctx)
	if err != nil {
		return v, err
	}
	if v, ok := remembered(&db.memory, now, get); ok {
		return v, nil
	}
	err = db.snapshot(ctx, what, func(tx *sql.Tx) error {
		at, err := versionIn(ctx, tx)
		if err != nil {
			return err
		}
		if v, err = read(tx); err != nil {
			return err
		}
		db.memory.remember(at, func() { put(v) })
		return nil
	})
	return v, err
}

// cloneStanding returns a copy that its owner may change.
func cloneStanding(s *auth.Standing) auth.Standing {
	out := *s
	out.User.Accounts = slices.Clone(s.User.Accounts)
	out.Grant.Scopes, out.Grant.Collections = maps.Clone(s.Grant.Scopes), slices.Clone(s.Grant.Collections)
	out.Roles = slices.Clone(s.Roles)
	for i := range out.Roles {
		r := &out.Roles[i]
		r.Collections, r.Features = slices.Clone(r.Collections), slices.Clone(r.Features)
	}
	return out
}
