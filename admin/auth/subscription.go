package auth

import (
	"context"
	"log/slog"
)

// A Subscription is where the browser of a user takes web push messages (RFC 8030),
// and the keys to encrypt them with (RFC 8291).
type Subscription struct {
	User     int32
	Endpoint string // URL of the push service
	Auth     []byte // 16 bytes, a secret
	P256DH   []byte // an uncompressed point of P-256
	Created  int64  // Unix seconds
}

// LogValue keeps the secret, and the endpoint, which is one too, out of logs.
func (s Subscription) LogValue() slog.Value { return slog.IntValue(int(s.User)) }

// A SubscriptionStore keeps subscriptions. It is safe for concurrent use.
type SubscriptionStore interface {
	// PutSubscription stores the one subscription of a user.
	PutSubscription(ctx context.Context, s Subscription) error
	// DeleteSubscription removes it if it still has that endpoint.
	DeleteSubscription(ctx context.Context, user int32, endpoint string) error
	// Subscriptions returns those of the users of an account, by user.
	Subscriptions(ctx context.Context, account int32) ([]Subscription, error)
	// SubscribedAccounts returns the accounts of which a user has one.
	SubscribedAccounts(ctx context.Context) ([]int32, error)
	// Subscribed says whether a user has one.
	Subscribed(ctx context.Context, user int32) (bool, error)
}
