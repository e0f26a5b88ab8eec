package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"harken/admin/auth"
)

// PutSubscription stores the subscription of a user.
func (db *DB) PutSubscription(ctx context.Context, s auth.Subscription) error {
	return db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO subscriptions (user, endpoint, auth, p256dh, created) VALUES (?, ?, ?, ?, ?)`,
			s.User, s.Endpoint, s.Auth, s.P256DH, s.Created)
		return err
	})
}

// DeleteSubscription removes one.
func (db *DB) DeleteSubscription(ctx context.Context, user int32, endpoint string) error {
	return db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM subscriptions WHERE user = ? AND endpoint = ?`, user, endpoint)
		return err
	})
}

// Subscriptions returns those of the users of an account.
func (db *DB) Subscriptions(ctx context.Context, account int32) ([]auth.Subscription, error) {
	rows, err := db.r.QueryContext(ctx, `SELECT s.user, s.endpoint, s.auth, s.p256dh, s.created FROM auth_members m
		JOIN subscriptions s ON s.user = m.user WHERE m.account = ? ORDER BY s.user`, account)
	if err != nil {
		return nil, fmt.Errorf("list subscriptions: %w", err)
	}
	defer rows.Close()
	var all []auth.Subscription
	for rows.Next() {
		var s auth.Subscription
		if err := rows.Scan(&s.User, &s.Endpoint, &s.Auth, &s.P256DH, &s.Created); err != nil {
			return nil, fmt.Errorf("list subscriptions: %w", err)
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// SubscribedAccounts returns the accounts that have subscriptions.
func (db *DB) SubscribedAccounts(ctx context.Context) ([]int32, error) {
	rows, err := db.r.QueryContext(ctx, `SELECT DISTINCT m.account FROM subscriptions s JOIN auth_members m ON m.user = s.user ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("list subscribed accounts: %w", err)
	}
	defer rows.Close()
	var ids []int32
	for rows.Next() {
		var id int32
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("list subscribed accounts: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// Subscribed says whether a user has a subscription.
func (db *DB) Subscribed(ctx context.Context, user int32) (bool, error) {
	var has bool
	err := db.r.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM subscriptions WHERE user = ?)`, user).Scan(&has)
	return has, err
}
