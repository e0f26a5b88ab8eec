package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"harken/admin/auth"
	"harken/inventory/fault"
)

// Key returns the API key whose token has a hash.
func (db *DB) Key(ctx context.Context, hash auth.Hash) (auth.APIKey, error) {
	var k auth.APIKey
	var stored []byte
	err := db.r.QueryRowContext(ctx, "SELECT id, hash, prefix, name, account, owner, utility, created FROM auth_keys WHERE hash = ?", hash[:]).
		Scan(&k.ID, &stored, &k.Prefix, &k.Name, &k.Account, &k.Owner, &k.Utility, &k.Created)
	if errors.Is(err, sql.ErrNoRows) {
		return k, fault.New(fault.NotFound, "no such API key")
	}
	if err != nil {
		return k, fmt.Errorf("read API key: %w", err)
	}
	if copy(k.Hash[:], stored) != len(k.Hash) {
		return k, fmt.Errorf("read API key: stored hash has %d bytes", len(stored))
	}
	return k, nil
}

// AddKey stores an API key.
func (db *DB) AddKey(ctx context.Context, k auth.APIKey) (auth.APIKey, error) {
	err := db.authTx(ctx, "add API key", func(tx *sql.Tx) error {
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
	_, err = tx.ExecContext(ctx, "INSERT INTO auth_keys (id, hash, prefix, name, account, owner, utility, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		k.ID, k.Hash[:], k.Prefix, k.Name, k.Account, k.Owner, k.Utility, k.Created)
	return k, err
}
