package auth

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"

	"harken/inventory/fault"
)

// DefaultEmail is the e-mail address of the first administrator.
const DefaultEmail = "admin@harken.local"

// DefaultAccountName is the name of the first account.
const DefaultAccountName = "My account"

// BootstrapConfig says who the first administrator is. What is empty is
// DefaultEmail or generated.
type BootstrapConfig struct {
	Email    string
	Password string
	APIKey   string
	Now      int64 // Unix seconds
	Hasher   *Hasher
}

// A FirstRun is what the first administrator needs to know. It holds secrets:
// print it once and log it never.
type FirstRun struct {
	Email    string
	Password string
	APIKey   string
}

// LogValue keeps the secrets out of logs.
func (f FirstRun) LogValue() slog.Value { return slog.StringValue(f.Email) }

// An Installation is what the first start stores, all at once.
type Installation struct {
	Organization Organization
	Account      Account
	User         User
	Grant        Grant
	Key          APIKey // with the zero ID there is none
}

// Bootstrap makes the first organization, account 1000000, administrator and API
// key when no user exists, and returns what it made and true. When there is a
// user it changes nothing and returns false; so it may run at every start.
func Bootstrap(ctx context.Context, s UserStore, cfg BootstrapConfig) (FirstRun, bool, error) {
	if has, err := s.HasUsers(ctx); err != nil || has {
		return FirstRun{}, false, err
	}
	first := FirstRun{Email: cfg.Email, Password: cfg.Password, APIKey: cfg.APIKey}
	if first.Email == "" {
		first.Email = DefaultEmail
	}
	email, err := NormalizeEmail(first.Email)
	if err != nil {
		return FirstRun{}, false, err
	}
	first.Email = email
	if first.Password == "" {
		first.Password = NewPassword()
	}
	if err := CheckPassword(first.Password); err != nil {
		return FirstRun{}, false, err
	}
	if first.APIKey == "" {
		first.APIKey = NewToken()
	}
	if err := CheckKey(first.APIKey); err != nil {
		return FirstRun{}, false, err
	}
	hasher := cfg.Hasher
	if hasher == nil {
		hasher = NewHasher(1)
	}
	hash, err := hasher.Hash(ctx, first.Password)
	if err != nil {
		return FirstRun{}, false, err
	}
	in := NewTenant(first.Email, cfg.Now)
	in.User.PasswordHash = hash
	in.Key = NewAPIKey(first.APIKey, in.User.ID, in.Account.ID, ExternalAPI, cfg.Now)
	made, err := s.Install(ctx, in)
	if err != nil || !made {
		return FirstRun{}, false, err
	}
	return first, true, nil
}

// CheckKey checks the text of an API key that a person chose.
func CheckKey(key string) error {
	if n := len(key); n < 16 || n > 256 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fault.New(fault.Invalid, "api key: needs 16 to 256 visible ASCII characters")
	}
	return nil
}

// uuid returns a random UUID (version 4, RFC 9562).
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
