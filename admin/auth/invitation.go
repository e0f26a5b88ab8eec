package auth

import (
	"context"
	"log/slog"
)

// An Invitation asks a person to join an account. Its code is sent to that
// person and never stored.
type Invitation struct {
	ID      string // opaque
	Account int32
	Email   string // of who is invited, normalized
	Name    string
	Hash    Hash  // of the code
	Issuer  int32 // user
	Expiry  int64 // Unix milliseconds, as published
	Role    string
	Scopes  map[string]string // scope to role; empty: Role in the scope API
}

// LogValue keeps the hash out of logs.
func (i Invitation) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", i.ID), slog.Int("account", int(i.Account)))
}

// An InvitationStore keeps pending invitations. What is not there is
// fault.NotFound. It is safe for concurrent use.
type InvitationStore interface {
	// PutInvitation stores i in place of what is pending for its account and
	// e-mail address.
	PutInvitation(ctx context.Context, i Invitation) error
	// Invitation returns what is pending for an e-mail address in an account.
	Invitation(ctx context.Context, account int32, email string) (Invitation, error)
	// InvitationByCode returns the invitation whose code has a hash.
	InvitationByCode(ctx context.Context, hash Hash) (Invitation, error)
	// Invitations returns what is pending in an account, by e-mail address.
	Invitations(ctx context.Context, account int32) ([]Invitation, error)
	// TakeInvitation removes an invitation and reports whether it was there: of two
	// who take it at once, one gets true.
	TakeInvitation(ctx context.Context, id string) (bool, error)
}
