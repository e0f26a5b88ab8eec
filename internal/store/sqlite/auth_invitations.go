package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"harken/admin/auth"
	"harken/inventory/fault"
)

const selectInvitations = `SELECT id, account, email, name, hash, issuer, expiry, role, scopes, collections, restricted FROM auth_invitations WHERE `

// PutInvitation stores an invitation in place of the pending one.
func (db *DB) PutInvitation(ctx context.Context, i auth.Invitation) error {
	return db.authTx(ctx, "store invitation", func(tx *sql.Tx) error {
		// REPLACE would also push out another invitation whose id or code is the same.
		if _, err := tx.ExecContext(ctx, "DELETE FROM auth_invitations WHERE account = ? AND email = ?", i.Account, i.Email); err != nil {
			return err
		}
		return addInvitation(ctx, tx, &i)
	})
}

func addInvitation(ctx context.Context, tx *sql.Tx, i *auth.Invitation) error {
	scopes, err := json.Marshal(i.Scopes)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO auth_invitations (id, account, email, name, hash, issuer, expiry, role, scopes, collections, restricted)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		i.ID, i.Account, i.Email, i.Name, i.Hash[:], i.Issuer, i.Expiry, i.Role, string(scopes), jsonList(i.Collections), i.Restricted)
	return err
}

// Invitation returns what is pending for an e-mail address.
func (db *DB) Invitation(ctx context.Context, account int32, email string) (auth.Invitation, error) {
	return oneInvitation(db.r.QueryRowContext(ctx, selectInvitations+"account = ? AND email = ?", account, email))
}

// InvitationByCode returns the invitation whose code has a hash.
func (db *DB) InvitationByCode(ctx context.Context, hash auth.Hash) (auth.Invitation, error) {
	return oneInvitation(db.r.QueryRowContext(ctx, selectInvitations+"hash = ?", hash[:]))
}

func oneInvitation(row *sql.Row) (auth.Invitation, error) {
	i, err := scanInvitation(row)
	if errors.Is(err, sql.ErrNoRows) {
		return i, fault.New(fault.NotFound, "no such invitation")
	}
	if err != nil {
		return i, fmt.Errorf("read invitation: %w", err)
	}
	return i, nil
}

func scanInvitation(row scanner) (auth.Invitation, error) {
	var i auth.Invitation
	var hash []byte
	var scopes, collections string
	if err := row.Scan(&i.ID, &i.Account, &i.Email, &i.Name, &hash, &i.Issuer, &i.Expiry, &i.Role, &scopes, &collections, &i.Restricted); err != nil {
		return i, err
	}
	if copy(i.Hash[:], hash) != len(i.Hash) {
		return i, fmt.Errorf("stored hash has %d bytes", len(hash))
	}
	return i, errors.Join(json.Unmarshal([]byte(scopes), &i.Scopes), readList(collections, &i.Collections))
}

// Invitations returns what is pending in an account.
func (db *DB) Invitations(ctx context.Context, account int32) ([]auth.Invitation, error) {
	all, err := invitations(ctx, db.r, account)
	if err != nil {
		return nil, fmt.Errorf("list invitations: %w", err)
	}
	return all, nil
}

func invitations(ctx context.Context, q querier, account int32) ([]auth.Invitation, error) {
	return list(ctx, q, scanInvitation, selectInvitations+"account = ? ORDER BY email", account)
}

// TakeInvitation removes an invitation.
func (db *DB) TakeInvitation(ctx context.Context, id string) (bool, error) {
	res, err := db.w.ExecContext(ctx, "DELETE FROM auth_invitations WHERE id = ?", id)
	if err != nil {
		return false, fmt.Errorf("take invitation: %w", err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}
