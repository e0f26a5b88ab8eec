package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"harken/admin/auth"
	"harken/inventory/fault"
)

// AddAccount stores an account and joins a user to it.
func (db *DB) AddAccount(ctx context.Context, a auth.Account, g auth.Grant) (auth.Account, error) {
	err := db.authTx(ctx, "add account", func(tx *sql.Tx) error {
		var err error
		if a.ID, err = freeAccount(ctx, tx, a.ID); err != nil {
			return err
		}
		if err := insertAccount(ctx, tx, &a); err != nil {
			return err
		}
		g.Account = a.ID
		return join(ctx, tx, &g)
	})
	return a, err
}

// freeAccount returns the first free id for an account.
func freeAccount(ctx context.Context, tx *sql.Tx, want int32) (int32, error) {
	for range auth.AccountTries {
		var taken bool
		if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM auth_accounts WHERE id = ?)", want).Scan(&taken); err != nil {
			return 0, err
		}
		if !taken {
			return want, nil
		}
		want -= auth.AccountStep
	}
	return 0, fault.New(fault.Conflict, "no id is free for another account now; try again later")
}

// join makes a user a member of an account with a grant.
func join(ctx context.Context, tx *sql.Tx, g *auth.Grant) error {
	if _, err := tx.ExecContext(ctx, "INSERT INTO auth_members (user, account, is_default) VALUES (?, ?, FALSE)", g.User, g.Account); err != nil {
		return err
	}
	return putGrant(ctx, tx, g)
}

// AddTenant stores an organization with an account and a user.
func (db *DB) AddTenant(ctx context.Context, in *auth.Installation) (auth.User, error) {
	var u auth.User
	err := db.authTx(ctx, "add tenant", func(tx *sql.Tx) error {
		t := *in
		var err error
		if t.Account.ID, err = freeAccount(ctx, tx, t.Account.ID); err != nil {
			return err
		}
		if t.User.ID, err = freeID(ctx, tx, "auth_users", t.User.ID); err != nil {
			return err
		}
		t.User.Accounts = []auth.Membership{{Account: t.Account.ID, Default: true}}
		t.Grant.User, t.Grant.Account = t.User.ID, t.Account.ID
		u, err = install(ctx, tx, &t)
		return err
	})
	return u, err
}

// AcceptInvitation takes an invitation and joins a user to its account.
func (db *DB) AcceptInvitation(ctx context.Context, id string, u auth.User, g auth.Grant, now int64) (auth.User, error) {
	err := db.authTx(ctx, "accept invitation", func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "DELETE FROM auth_invitations WHERE id = ? RETURNING account", id).Scan(&g.Account)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.New(fault.NotFound, "the invitation is no longer pending")
		}
		if err != nil {
			return err
		}
		if u.ID == 0 {
			u.ID, u.Accounts = int32(now), nil //nolint:gosec // ids are seconds until 2038, as published
			if u, err = addUser(ctx, tx, u); err != nil {
				return err
			}
		}
		g.User = u.ID
		if u.In(g.Account) {
			return nil
		}
		return join(ctx, tx, &g)
	})
	if err != nil {
		return u, err
	}
	return db.User(ctx, u.ID)
}

// Rename stores new names of a user and an organization.
func (db *DB) Rename(ctx context.Context, n auth.Names) error {
	return db.authTx(ctx, "rename", func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE auth_users SET name = ?, named = ? WHERE id = ?", n.Name, n.At, n.User)
		if err := changed(res, err, "no such user"); err != nil || n.Organization == "" {
			return err
		}
		res, err = tx.ExecContext(ctx, "UPDATE auth_organizations SET name = ?, named = ? WHERE id = ?", n.OrganizationName, n.At, n.Organization)
		return changed(res, err, "no such organization")
	})
}

// changed returns fault.NotFound with a message when a statement changed nothing.
func changed(res sql.Result, err error, msg string) error {
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, fault.New(fault.NotFound, "%s", msg))
	}
	return nil
}

// AddReset stores a reset unless there is a newer one.
func (db *DB) AddReset(ctx context.Context, r auth.Reset, since int64) (auth.Reset, bool, error) {
	added := false
	err := db.authTx(ctx, "store password reset", func(tx *sql.Tx) error {
		pending, err := scanReset(tx.QueryRowContext(ctx, selectReset+"user = ? AND by_admin = ? AND created > ?", r.User, r.ByAdmin, since))
		if kind, _ := fault.Of(err); err == nil || kind != fault.NotFound {
			r = pending
			return err
		}
		added = true
		_, err = tx.ExecContext(ctx, `INSERT INTO auth_resets (user, by_admin, hash, created, expires) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (user, by_admin) DO UPDATE SET hash = excluded.hash, created = excluded.created, expires = excluded.expires`,
			r.User, r.ByAdmin, r.Hash[:], r.Created, r.Expires)
		return err
	})
	return r, added && err == nil, err
}

const selectReset = "SELECT hash, user, by_admin, created, expires FROM auth_resets WHERE "

func scanReset(row *sql.Row) (auth.Reset, error) {
	var r auth.Reset
	var hash []byte
	err := row.Scan(&hash, &r.User, &r.ByAdmin, &r.Created, &r.Expires)
	if errors.Is(err, sql.ErrNoRows) {
		return r, fault.New(fault.NotFound, "no such password reset")
	}
	if err == nil && copy(r.Hash[:], hash) != len(r.Hash) {
		err = fmt.Errorf("stored hash has %d bytes", len(hash))
	}
	if err != nil {
		return r, fmt.Errorf("read password reset: %w", err)
	}
	return r, nil
}

// Reset returns a reset that is still valid.
func (db *DB) Reset(ctx context.Context, hash auth.Hash, now int64) (auth.Reset, error) {
	return scanReset(db.r.QueryRowContext(ctx, selectReset+"hash = ? AND expires > ?", hash[:], now))
}

// UseReset takes a reset and replaces the password of its user.
func (db *DB) UseReset(ctx context.Context, hash auth.Hash, now int64, password string) (int32, error) {
	var user int32
	err := db.authTx(ctx, "reset password", func(tx *sql.Tx) error {
		r, err := scanReset(tx.QueryRowContext(ctx, selectReset+"hash = ? AND expires > ?", hash[:], now))
		if err != nil {
			return err
		}
		user = r.User
		return replacePassword(ctx, tx, user, password)
	})
	return user, err
}

// ReplacePassword stores a password hash and ends what the old one began.
func (db *DB) ReplacePassword(ctx context.Context, user int32, password string) error {
	return db.authTx(ctx, "replace password", func(tx *sql.Tx) error {
		return replacePassword(ctx, tx, user, password)
	})
}

func replacePassword(ctx context.Context, tx *sql.Tx, user int32, password string) error {
	res, err := tx.ExecContext(ctx, "UPDATE auth_users SET password = ? WHERE id = ?", password, user)
	if err := changed(res, err, "no such user"); err != nil {
		return err
	}
	for _, table := range []string{"auth_sessions", "auth_refresh", "auth_resets"} {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE user = ?", user); err != nil {
			return err
		}
	}
	return nil
}
