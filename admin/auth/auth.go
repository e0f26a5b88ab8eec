// Package auth knows who uses the control API and what they may do: users, roles,
// API keys and sessions, how their secrets are made, hashed and checked, and
// which part of the inventory a caller sees. It does not know HTTP, and it
// leaves storing to the implementers of its small store interfaces.
package auth

import "context"

// A Store keeps everything of this package.
type Store interface { //nolint:interfacebloat // no method of its own: it names the small stores that endpoints use
	UserStore
	KeyStore
	SessionStore
	AuditStore
	PlanStore
	SubscriptionStore
	PluginStore
	InvitationStore
	TeamStore
	AccountStore
	RefreshStore
	PasswordStore
	SecretStore
}

// A UserStore keeps organizations, accounts, users and what they may do. What
// is not there is fault.NotFound. It is safe for concurrent use.
type UserStore interface {
	// HasUsers says whether any user exists.
	HasUsers(ctx context.Context) (bool, error)
	// Install stores the first organization, account, user, grant and API key:
	// all of them, or, when any user exists already, nothing and false.
	Install(ctx context.Context, in *Installation) (bool, error)
	// User returns a user with all memberships.
	User(ctx context.Context, id int32) (User, error)
	// UserByEmail is User by e-mail address, in any letter case.
	UserByEmail(ctx context.Context, email string) (User, error)
	// SetPassword replaces the password hash of a user.
	SetPassword(ctx context.Context, id int32, hash string) error
	// RecordLogin stores the time (Unix seconds) of a user's latest login.
	RecordLogin(ctx context.Context, id int32, at int64) error
	// Grant returns what a user may do in an account; a user without an entry
	// there is fault.NotFound.
	Grant(ctx context.Context, user, account int32) (Grant, error)
	// PutGrant stores g in place of what the user may do in that account now.
	PutGrant(ctx context.Context, g Grant) error
	// AddUser stores a user under u.ID or the next free id above it, joins the
	// accounts of u.Accounts, and returns what was stored. An e-mail address
	// that is taken is fault.Conflict.
	AddUser(ctx context.Context, u User) (User, error)
	// Organization returns the organization that an account belongs to.
	Organization(ctx context.Context, account int32) (Organization, error)
}

// A KeyStore keeps API keys by the hash of their token. It is safe for
// concurrent use.
type KeyStore interface {
	// Key returns the key whose token has a hash, or fault.NotFound.
	Key(ctx context.Context, hash Hash) (APIKey, error)
	// AddKey stores a key under k.ID or the next free id above it, and returns
	// what was stored. The owner must belong to the account, else it is fault.Denied.
	AddKey(ctx context.Context, k APIKey) (APIKey, error)
	// Keys returns the keys that a user has in an account, by id.
	Keys(ctx context.Context, owner, account int32) ([]APIKey, error)
	// DeleteKey removes a key of a user in an account and reports whether there was
	// one with that id.
	DeleteKey(ctx context.Context, id, owner, account int32) (bool, error)
}

// A PluginStore keeps when the plugin of a user, as that for Burp, last sent data.
type PluginStore interface {
	// StampData stores a time (Unix seconds); an earlier one than is stored changes
	// nothing.
	StampData(ctx context.Context, account, user int32, at int64) error
	// LastData returns it; 0 if there was none.
	LastData(ctx context.Context, account, user int32) (int64, error)
}
