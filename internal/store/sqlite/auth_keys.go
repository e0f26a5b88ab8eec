package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"harken/admin/auth"
	"harken/inventory/fault"
)

const selectKeys = "SELECT id, hash, prefix, name, account, owner, utility, created, sealed FROM auth_keys WHERE "

func scanKey(row scanner) (auth.APIKey, error) {
	var k auth.APIKey
	var hash, sealed []byte
	if err := row.Scan(&k.ID, &hash, &k.Prefix, &k.Name, &k.Account, &k.Owner, &k.Utility, &k.Created, &sealed); err != nil {
		return k, err
	}
	k.Sealed = string(sealed)
	if copy(k.Hash[:], hash) != len(k.Hash) {
		return k, fmt.Errorf("stored hash has %d bytes", len(hash))
	}
	return k, nil
}

// Keys returns the keys that a user has in an account.
func (db *DB) Keys(ctx context.Context, owner, account int32) ([]auth.APIKey, error) {
	all, err := list(ctx, db.r, scanKey, selectKeys+"owner = ? AND account = ? ORDER BY id", owner, account)
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	return all, nil
}

// DeleteKey removes a key of a user in an account.
func (db *DB) DeleteKey(ctx context.Context, id, owner, account int32) (bool, error) {
	res, err := db.w.ExecContext(ctx, "DELETE FROM auth_keys WHERE id = ? AND owner = ? AND account = ?", id, owner, account)
	if err != nil {
		return false, fmt.Errorf("delete API key: %w", err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// AddKey stores an API key, if its owner belongs to the account: a key that is
// made while its owner is removed must not stay.
func (db *DB) AddKey(ctx context.Context, k auth.APIKey) (auth.APIKey, error) {
	err := db.authTx(ctx, "add API key", func(tx *sql.Tx) error {
		var member bool
		if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM auth_members WHERE user = ? AND account = ?)",
			k.Owner, k.Account).Scan(&member); err != nil {
			return err
		}
		if !member {
			return fault.New(fault.Denied, "the user does not belong to the account %d", k.Account)
		}
		var err error
		k, err = addKey(ctx, tx, k)
		return err
	})
	return k, err
}

func addKey(ctx context.Context, tx *sql.Tx, k auth.APIKey) (auth.APIKey, error) {
	id, err := freeID(ctx, tx, "auth_keys", k.ID)
	if err != nil {
		return k, err
	}
	k.ID = id
	_, err = tx.ExecContext(ctx, "INSERT INTO auth_keys (id, hash, prefix, name, account, owner, utility, created, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		k.ID, k.Hash[:], k.Prefix, k.Name, k.Account, k.Owner, k.Utility, k.Created, []byte(k.Sealed))
	return k, err
}
