package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"harken/admin/auth"
	"harken/inventory/fault"
)

const selectSession = "SELECT sid, hash, user, account, address, created, last_used, keep_until FROM auth_sessions WHERE "

// AddSession stores a login session.
func (db *DB) AddSession(ctx context.Context, s auth.Session) error {
	_, err := db.w.ExecContext(ctx, `INSERT INTO auth_sessions (sid, hash, user, account, address, created, last_used, keep_until)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, s.SID, s.ID[:], s.User, s.Account, s.Address, s.Created, s.LastUsed, s.KeepUntil)
	if err != nil {
		return fmt.Errorf("store session: %w", err)
	}
	return nil
}

// Session returns the session whose cookie has a hash.
func (db *DB) Session(ctx context.Context, id auth.Hash) (auth.Session, error) {
	return oneSession(db.r.QueryRowContext(ctx, selectSession+"hash = ?", id[:]))
}

// SessionNamed returns the session of a name.
func (db *DB) SessionNamed(ctx context.Context, sid string) (auth.Session, error) {
	return oneSession(db.r.QueryRowContext(ctx, selectSession+"sid = ?", sid))
}

func oneSession(row *sql.Row) (auth.Session, error) {
	var s auth.Session
	var hash []byte
	err := row.Scan(&s.SID, &hash, &s.User, &s.Account, &s.Address, &s.Created, &s.LastUsed, &s.KeepUntil)
	if errors.Is(err, sql.ErrNoRows) {
		return s, fault.New(fault.NotFound, "no such session")
	}
	if err == nil && copy(s.ID[:], hash) != len(s.ID) {
		err = fmt.Errorf("stored hash has %d bytes", len(hash))
	}
	if err != nil {
		return s, fmt.Errorf("read session: %w", err)
	}
	return s, nil
}

// TouchSession moves the last use of a session forward.
func (db *DB) TouchSession(ctx context.Context, sid string, at int64) error {
	if _, err := db.w.ExecContext(ctx, "UPDATE auth_sessions SET last_used = max(last_used, ?) WHERE sid = ?", at, sid); err != nil {
		return fmt.Errorf("touch session: %w", err)
	}
	return nil
}

// KeepSession moves the KeepUntil of a session forward.
func (db *DB) KeepSession(ctx context.Context, sid string, until int64) error {
	if _, err := db.w.ExecContext(ctx, "UPDATE auth_sessions SET keep_until = max(keep_until, ?) WHERE sid = ?", until, sid); err != nil {
		return fmt.Errorf("keep session: %w", err)
	}
	return nil
}

// MoveSession gives a session another cookie, account, last use and KeepUntil.
func (db *DB) MoveSession(ctx context.Context, s auth.Session) error {
	res, err := db.w.ExecContext(ctx, "UPDATE auth_sessions SET hash = ?, account = ?, last_used = ?, keep_until = max(keep_until, ?) WHERE sid = ?",
		s.ID[:], s.Account, s.LastUsed, s.KeepUntil, s.SID)
	if err != nil {
		return fmt.Errorf("move session: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, fault.New(fault.NotFound, "no such session"))
	}
	return nil
}

// DeleteSession removes a session and its refresh tokens.
func (db *DB) DeleteSession(ctx context.Context, sid string) error {
	if _, err := db.w.ExecContext(ctx, "DELETE FROM auth_sessions WHERE sid = ?", sid); err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}

// DeleteSessionsOf removes every session of a user.
func (db *DB) DeleteSessionsOf(ctx context.Context, user int32) error {
	if _, err := db.w.ExecContext(ctx, "DELETE FROM auth_sessions WHERE user = ?", user); err != nil {
		return fmt.Errorf("delete sessions: %w", err)
	}
	return nil
}

// DeleteIdleSessions removes the sessions that nothing valid names.
func (db *DB) DeleteIdleSessions(ctx context.Context, lastUsed, now int64) (int64, error) {
	res, err := db.w.ExecContext(ctx, `DELETE FROM auth_sessions WHERE last_used < ? AND keep_until < ?
		AND NOT EXISTS (SELECT 1 FROM auth_refresh r WHERE r.session = sid AND r.expires > ?)`, lastUsed, now, now)
	if err != nil {
		return 0, fmt.Errorf("delete idle sessions: %w", err)
	}
	return res.RowsAffected()
}

// KnownAddress says whether a session of a user was begun from an address.
func (db *DB) KnownAddress(ctx context.Context, user int32, address string) (bool, error) {
	var known bool
	err := db.r.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM auth_sessions WHERE user = ? AND address = ?)", user, address).Scan(&known)
	if err != nil {
		return false, fmt.Errorf("read sessions: %w", err)
	}
	return known, nil
}

// AddRefreshToken stores a refresh token, and removes all but the newest of its
// user.
func (db *DB) AddRefreshToken(ctx context.Context, t auth.RefreshToken) error {
	return db.authTx(ctx, "store refresh token", func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO auth_refresh (hash, user, session, created, expires) VALUES (?, ?, ?, ?, ?)",
			t.Hash[:], t.User, t.Session, t.Created, t.Expires); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM auth_refresh WHERE user = ? AND id NOT IN
			(SELECT id FROM auth_refresh WHERE user = ? ORDER BY id DESC LIMIT ?)`, t.User, t.User, auth.KeptRefreshTokens)
		return err
	})
}

// RefreshToken returns the refresh token that has a hash.
func (db *DB) RefreshToken(ctx context.Context, hash auth.Hash) (auth.RefreshToken, error) {
	t := auth.RefreshToken{Hash: hash}
	err := db.r.QueryRowContext(ctx, `SELECT user, session, created, expires, 0 FROM auth_refresh WHERE hash = ?1
		UNION ALL SELECT user, session, created, expires, replaced FROM auth_refresh WHERE before = ?1`, hash[:]).
		Scan(&t.User, &t.Session, &t.Created, &t.Expires, &t.Replaced)
	if errors.Is(err, sql.ErrNoRows) {
		return t, fault.New(fault.NotFound, "no such refresh token")
	}
	if err != nil {
		return t, fmt.Errorf("read refresh token: %w", err)
	}
	return t, nil
}

// ReplaceRefreshToken puts a token in the place of the latest of a line.
func (db *DB) ReplaceRefreshToken(ctx context.Context, old, next auth.Hash, at, since int64) (bool, error) {
	return db.alters(ctx, "replace refresh token", "UPDATE auth_refresh SET before = hash, hash = ?, replaced = ? WHERE hash = ? AND replaced < ?",
		next[:], at, old[:], since)
}

// EndReplayed removes a session that has a refresh token.
func (db *DB) EndReplayed(ctx context.Context, sid string, user int32) (bool, error) {
	return db.alters(ctx, "end session", `DELETE FROM auth_sessions WHERE sid = ? AND user = ?
		AND EXISTS (SELECT 1 FROM auth_refresh WHERE session = sid)`, sid, user)
}

// alters runs a statement and says whether it changed anything.
func (db *DB) alters(ctx context.Context, what, stmt string, args ...any) (bool, error) {
	res, err := db.w.ExecContext(ctx, stmt, args...)
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// DeleteRefreshTokensOf removes all refresh tokens of a user.
func (db *DB) DeleteRefreshTokensOf(ctx context.Context, user int32) error {
	if _, err := db.w.ExecContext(ctx, "DELETE FROM auth_refresh WHERE user = ?", user); err != nil {
		return fmt.Errorf("delete refresh tokens: %w", err)
	}
	return nil
}

// Secret returns a sealed value.
func (db *DB) Secret(ctx context.Context, name string) ([]byte, error) {
	return secret(ctx, db.r, name)
}

func secret(ctx context.Context, q execer, name string) ([]byte, error) {
	var sealed []byte
	err := q.QueryRowContext(ctx, "SELECT sealed FROM auth_secrets WHERE name = ?", name).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "no such secret")
	}
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	return sealed, nil
}

// SwapSecret stores a sealed value in place of an old one.
func (db *DB) SwapSecret(ctx context.Context, name string, old, sealed []byte) (stored []byte, err error) {
	err = db.authTx(ctx, "store secret", func(tx *sql.Tx) error {
		if old == nil {
			_, err = tx.ExecContext(ctx, "INSERT INTO auth_secrets (name, sealed) VALUES (?, ?) ON CONFLICT DO NOTHING", name, sealed)
		} else {
			_, err = tx.ExecContext(ctx, "UPDATE auth_secrets SET sealed = ? WHERE name = ? AND sealed = ?", sealed, name, old)
		}
		if err != nil {
			return err
		}
		stored, err = secret(ctx, tx, name)
		return err
	})
	return stored, err
}
