package auth

import (
	"context"
	"log/slog"
)

// A Session is a login of a person. It has a cookie, and tokens that name it; when
// it is removed, none of them is valid any more.
type Session struct {
	SID      string // public name, in tokens
	ID       Hash   // of the text in the cookie
	User     int32
	Account  int32  // selected
	Address  string // of the client that signed in, as limits count it
	Created  int64  // Unix seconds
	LastUsed int64  // Unix seconds
	// KeepUntil is when the last access token that names the session ends, Unix
	// seconds: until then it is there for them, though its cookie be idle.
	KeepUntil int64
}

// LogValue keeps the hash out of logs.
func (s Session) LogValue() slog.Value { return slog.StringValue(s.SID) }

// A SessionStore keeps login sessions by the hash of their id. It is safe for
// concurrent use.
type SessionStore interface {
	// AddSession stores s.
	AddSession(ctx context.Context, s Session) error
	// Session returns the session whose cookie has a hash, or fault.NotFound.
	Session(ctx context.Context, id Hash) (Session, error)
	// SessionNamed returns the session of a name, or fault.NotFound.
	SessionNamed(ctx context.Context, sid string) (Session, error)
	// TouchSession moves the last use (Unix seconds) of a session forward.
	TouchSession(ctx context.Context, sid string, at int64) error
	// KeepSession moves the KeepUntil (Unix seconds) of a session forward.
	KeepSession(ctx context.Context, sid string, until int64) error
	// MoveSession gives a session another cookie, account, last use and KeepUntil.
	// One that is gone is fault.NotFound.
	MoveSession(ctx context.Context, s Session) error
	// DeleteSession removes a session and its refresh tokens; one that is gone is
	// no error.
	DeleteSession(ctx context.Context, sid string) error
	// DeleteSessionsOf removes every session of a user, and all refresh tokens.
	DeleteSessionsOf(ctx context.Context, user int32) error
	// DeleteIdleSessions removes the sessions that are of no use to anybody at a
	// time (all Unix seconds): last used before another one, and with neither
	// access nor refresh tokens that are valid. It returns how many those were.
	DeleteIdleSessions(ctx context.Context, lastUsed, now int64) (int64, error)
	// KnownAddress says whether a session of a user was begun from an address.
	KnownAddress(ctx context.Context, user int32, address string) (bool, error)
}

// A RefreshToken lets a session have new access tokens. Its text is in a cookie
// and never stored. It is used once: its successor takes its place.
type RefreshToken struct {
	Hash     Hash
	User     int32
	Session  string // name of the session
	Created  int64  // Unix seconds, of the first of its line
	Expires  int64  // Unix seconds
	Replaced int64  // Unix seconds, when its successor took its place; 0: it is the latest
}

// KeptRefreshTokens is how many refresh tokens of a user are valid: the newest.
const KeptRefreshTokens = 10

// A RefreshStore keeps refresh tokens. It is safe for concurrent use.
type RefreshStore interface {
	// AddRefreshToken stores t, and removes all but the KeptRefreshTokens newest of
	// its user.
	AddRefreshToken(ctx context.Context, t RefreshToken) error
	// RefreshToken returns the token that has a hash, be it the latest of its line or
	// the one before, or fault.NotFound.
	RefreshToken(ctx context.Context, hash Hash) (RefreshToken, error)
	// ReplaceRefreshToken puts a token in the place of the latest of a line, at a time,
	// and forgets the one before that. It is false when old is not the latest, or has
	// itself replaced one since another time (both Unix seconds): of two who replace a
	// token at once, one gets true.
	ReplaceRefreshToken(ctx context.Context, old, next Hash, at, since int64) (bool, error)
	// EndReplayed is DeleteSession of a session of a user that has a refresh token,
	// and says whether there was one.
	EndReplayed(ctx context.Context, sid string, user int32) (bool, error)
	// DeleteRefreshTokensOf removes all of a user.
	DeleteRefreshTokensOf(ctx context.Context, user int32) error
}

// A SecretStore keeps sealed values by name. It is safe for concurrent use.
type SecretStore interface {
	// Secret returns the sealed value of a name, or fault.NotFound.
	Secret(ctx context.Context, name string) ([]byte, error)
	// SwapSecret stores a sealed value if what is there is old, nil being nothing,
	// and returns what is there then.
	SwapSecret(ctx context.Context, name string, old, sealed []byte) ([]byte, error)
}
