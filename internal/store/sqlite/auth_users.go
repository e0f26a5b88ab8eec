package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"harken/admin/auth"
	"harken/inventory/fault"
)

var _ auth.Store = (*DB)(nil)

// execer is what *sql.DB and *sql.Tx share.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// HasUsers says whether any user exists.
func (db *DB) HasUsers(ctx context.Context) (bool, error) {
	return hasUsers(ctx, db.r)
}

func hasUsers(ctx context.Context, q execer) (bool, error) {
	var has bool
	if err := q.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM auth_users)").Scan(&has); err != nil {
		return false, fmt.Errorf("look for users: %w", err)
	}
	return has, nil
}

// Install stores the first installation, unless there is a user.
func (db *DB) Install(ctx context.Context, in *auth.Installation) (bool, error) {
	var made bool
	err := db.authTx(ctx, "install", func(tx *sql.Tx) error {
		has, err := hasUsers(ctx, tx)
		if err != nil || has {
			return err
		}
		made = true
		in.User, err = install(ctx, tx, in)
		return err
	})
	return made && err == nil, err
}

// install stores all of an installation and returns the user.
func install(ctx context.Context, tx *sql.Tx, in *auth.Installation) (auth.User, error) {
	org := &in.Organization
	if _, err := tx.ExecContext(ctx, "INSERT INTO auth_organizations (id, name, admin_email) VALUES (?, ?, ?)",
		org.ID, org.Name, org.AdminEmail); err != nil {
		return in.User, err
	}
	if err := insertAccount(ctx, tx, &in.Account); err != nil {
		return in.User, err
	}
	u, err := addUser(ctx, tx, in.User)
	if err != nil {
		return u, err
	}
	if err := putGrant(ctx, tx, &in.Grant); err != nil {
		return u, err
	}
	if in.Key.ID == 0 {
		return u, nil
	}
	_, err = addKey(ctx, tx, in.Key)
	return u, err
}

func insertAccount(ctx context.Context, tx *sql.Tx, a *auth.Account) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO auth_accounts (id, name, created, organization) VALUES (?, ?, ?, ?)",
		a.ID, a.Name, a.Created, a.Organization)
	return err
}

// User returns a user with all memberships.
func (db *DB) User(ctx context.Context, id int32) (auth.User, error) {
	return db.user(ctx, "u.id = ?", id)
}

// UserByEmail returns a user by e-mail address, in any letter case.
func (db *DB) UserByEmail(ctx context.Context, email string) (auth.User, error) {
	return db.user(ctx, "u.email = ?", email)
}

const userQuery = `SELECT u.id, u.email, u.name, u.password, u.created, u.last_login, m.account, a.name, m.is_default
	FROM auth_users u LEFT JOIN auth_members m ON m.user = u.id LEFT JOIN auth_accounts a ON a.id = m.account WHERE `

// user reads a user and the memberships in one statement, so that both are of
// one moment.
func (db *DB) user(ctx context.Context, where string, arg any) (auth.User, error) {
	return readUser(ctx, db.r, where, arg)
}

func readUser(ctx context.Context, q querier, where string, arg any) (auth.User, error) {
	var u auth.User
	rows, err := q.QueryContext(ctx, userQuery+where+" ORDER BY m.account", arg)
	if err != nil {
		return u, fmt.Errorf("read user: %w", err)
	}
	defer rows.Close()
	found := false
	for rows.Next() {
		found = true
		var account sql.NullInt32
		var name sql.NullString
		var isDefault sql.NullBool
		if err := rows.Scan(&u.ID, &u.Email, &u.Name, &u.PasswordHash, &u.Created, &u.LastLogin, &account, &name, &isDefault); err != nil {
			return u, fmt.Errorf("read user: %w", err)
		}
		if account.Valid {
			u.Accounts = append(u.Accounts, auth.Membership{Account: account.Int32, Name: name.String, Default: isDefault.Bool})
		}
	}
	if err := rows.Err(); err != nil {
		return u, fmt.Errorf("read user: %w", err)
	}
	if !found {
		return u, fault.New(fault.NotFound, "no such user")
	}
	return u, nil
}

// SetPassword replaces the password hash of a user.
func (db *DB) SetPassword(ctx context.Context, id int32, hash string) error {
	return db.changeUser(ctx, "UPDATE auth_users SET password = ? WHERE id = ?", hash, id)
}

// RecordLogin stores the time of a user's latest login.
func (db *DB) RecordLogin(ctx context.Context, id int32, at int64) error {
	return db.changeUser(ctx, "UPDATE auth_users SET last_login = ? WHERE id = ?", at, id)
}

func (db *DB) changeUser(ctx context.Context, stmt string, args ...any) error {
	res, err := db.w.ExecContext(ctx, stmt, args...)
	if err != nil {
		return fmt.Errorf("change user: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, fault.New(fault.NotFound, "no such user"))
	}
	return nil
}

// AddUser stores a user and joins the accounts.
func (db *DB) AddUser(ctx context.Context, u auth.User) (auth.User, error) {
	err := db.authTx(ctx, "add user", func(tx *sql.Tx) error {
		var err error
		u, err = addUser(ctx, tx, u)
		return err
	})
	return u, err
}

// addUser stores a user whose e-mail address is free.
func addUser(ctx context.Context, tx *sql.Tx, u auth.User) (auth.User, error) {
	var taken bool
	if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM auth_users WHERE email = ?)", u.Email).Scan(&taken); err != nil {
		return u, err
	}
	if taken {
		return u, fault.New(fault.Conflict, "a user with the e-mail address %s exists", u.Email)
	}
	id, err := freeID(ctx, tx, "auth_users", u.ID)
	if err != nil {
		return u, err
	}
	u.ID = id
	if _, err := tx.ExecContext(ctx, "INSERT INTO auth_users (id, email, name, password, created, last_login) VALUES (?, ?, ?, ?, ?, ?)",
		u.ID, u.Email, u.Name, u.PasswordHash, u.Created, u.LastLogin); err != nil {
		return u, err
	}
	for i := range u.Accounts {
		m := &u.Accounts[i]
		if _, err := tx.ExecContext(ctx, "INSERT INTO auth_members (user, account, is_default) VALUES (?, ?, ?)",
			u.ID, m.Account, m.Default); err != nil {
			return u, err
		}
		if err := tx.QueryRowContext(ctx, "SELECT name FROM auth_accounts WHERE id = ?", m.Account).Scan(&m.Name); err != nil {
			return u, err
		}
	}
	return u, nil
}

// freeID returns the first id at or above want that a table does not use. The
// caller holds the only write transaction, so it stays free.
func freeID(ctx context.Context, tx *sql.Tx, table string, want int32) (int32, error) {
	for id := want; ; id++ {
		var taken bool
		q := "SELECT EXISTS (SELECT 1 FROM " + table + " WHERE id = ?)"
		if err := tx.QueryRowContext(ctx, q, id).Scan(&taken); err != nil {
			return 0, err
		}
		if !taken {
			return id, nil
		}
	}
}

// Organization returns the organization that an account belongs to.
func (db *DB) Organization(ctx context.Context, account int32) (auth.Organization, error) {
	var o auth.Organization
	err := db.r.QueryRowContext(ctx, `SELECT o.id, o.name, o.admin_email FROM auth_organizations o
		JOIN auth_accounts a ON a.organization = o.id WHERE a.id = ?`, account).Scan(&o.ID, &o.Name, &o.AdminEmail)
	if errors.Is(err, sql.ErrNoRows) {
		return o, fault.New(fault.NotFound, "no such account")
	}
	if err != nil {
		return o, fmt.Errorf("read organization: %w", err)
	}
	return o, nil
}

// authTx runs f in a write transaction.
func (db *DB) authTx(ctx context.Context, what string, f func(*sql.Tx) error) error {
	tx, err := db.w.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := f(tx); err != nil {
		return fmt.Errorf("%s: %w", what, joinRollback(err, tx))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
