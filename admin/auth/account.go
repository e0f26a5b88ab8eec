package auth

import (
	"context"
	"log/slog"
	"strings"

	"harken/inventory"
	"harken/inventory/fault"
)

// MaxAccounts is how many accounts a user may hold and still make another one.
const MaxAccounts = 10

// Ids of accounts after the first: AccountStep seconds before they are made, and
// as many less while that is taken, AccountTries times.
const (
	AccountStep  = 40_000
	AccountTries = 11
)

// maxName bounds names of users and organizations, as published.
const maxName = 24

// An AccountStore keeps what changes about accounts and their members after the
// installation. It is safe for concurrent use.
type AccountStore interface {
	// AddAccount stores an account under a.ID or the first free id of those
	// AccountStep apart below it, joins the user g.User to it with g, and returns
	// what was stored. AccountTries ids taken is fault.Conflict.
	AddAccount(ctx context.Context, a Account, g Grant) (Account, error)
	// AddTenant stores an organization, an account (as AddAccount), a user (as
	// AddUser) and a grant, all or nothing, and returns the user.
	AddTenant(ctx context.Context, in *Installation) (User, error)
	// AcceptInvitation removes a pending invitation and joins the user u to its
	// account with g, all or nothing: the user of that id or, with id 0, a new one
	// as AddUser, with the id of now. What a user may do in an account that they
	// are in already stays as it is. It returns the user; an invitation that is
	// gone is fault.NotFound.
	AcceptInvitation(ctx context.Context, id string, u User, g Grant, now int64) (User, error)
	// Rename stores new names at once.
	Rename(ctx context.Context, n Names) error
}

// Names are what a user, and their organization, are called from a time on.
type Names struct {
	User             int32
	Name             string
	Organization     string // id; empty: only the user
	OrganizationName string
	At               int64 // Unix seconds
}

// CheckUserName returns a user's name trimmed, or why it cannot be one.
func CheckUserName(field, s string) (string, error) { return checkName(field, s, " -") }

// CheckOrganizationName returns an organization's name trimmed, or why it cannot
// be one.
func CheckOrganizationName(field, s string) (string, error) { return checkName(field, s, " -.&") }

func checkName(field, s, marks string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", fault.New(fault.Invalid, "%s: is required", field)
	}
	for _, r := range s {
		if ('a' > r || r > 'z') && ('A' > r || r > 'Z') && ('0' > r || r > '9') && !strings.ContainsRune(marks, r) {
			return "", fault.New(fault.Invalid, "%s: only ASCII letters, digits and %q are allowed", field, marks)
		}
	}
	if len(s) > maxName {
		return "", fault.New(fault.Invalid, "%s: has more than %d characters", field, maxName)
	}
	return s, nil
}

// AllScopes are the product scopes that a role is given in by default.
func AllScopes(role string) map[string]string {
	return map[string]string{"API": role, "ENDPOINT": role, "DAST": role, "AGENTIC": role}
}

// NewTenant returns what the first user of an organization is given: an account,
// and every right in it. The password hash and the key are not set.
func NewTenant(email string, now int64) *Installation {
	org := Organization{ID: uuid(), Name: email, AdminEmail: email}
	id := int32(now) //nolint:gosec // ids are seconds until 2038, as published
	return &Installation{
		Organization: org,
		Account:      Account{ID: inventory.DefaultAccount, Name: DefaultAccountName, Organization: org.ID, Created: now},
		User: User{
			ID: id, Email: email, Name: strings.SplitN(email, "@", 2)[0], Created: now,
			Accounts: []Membership{{Account: inventory.DefaultAccount, Default: true}},
		},
		Grant: Grant{User: id, Account: inventory.DefaultAccount, Role: string(Admin), Scopes: AllScopes(string(Admin))},
	}
}

// A Reset is a pending leave to set a new password. Its token is sent to the user
// and never stored.
type Reset struct {
	Hash    Hash
	User    int32
	ByAdmin bool  // asked for by an administrator, not by who forgot
	Created int64 // Unix seconds
	Expires int64 // Unix seconds
}

// LogValue keeps the hash out of logs.
func (r Reset) LogValue() slog.Value { return slog.GroupValue(slog.Int("user", int(r.User))) }

// A PasswordStore changes passwords. It is safe for concurrent use.
type PasswordStore interface {
	// AddReset stores r in place of the user's former one with the same ByAdmin,
	// unless that was created after a time (Unix seconds). It returns what is
	// pending then, and whether that is r.
	AddReset(ctx context.Context, r Reset, since int64) (Reset, bool, error)
	// Reset returns the reset whose token has a hash and that is valid at a time
	// (Unix seconds), or fault.NotFound.
	Reset(ctx context.Context, hash Hash, now int64) (Reset, error)
	// UseReset takes the reset that Reset would return and does what
	// ReplacePassword does for its user, all or nothing: of two who use it at once,
	// one gets fault.NotFound.
	UseReset(ctx context.Context, hash Hash, now int64, password string) (int32, error)
	// ReplacePassword stores a password hash, and removes the user's sessions,
	// refresh tokens and resets.
	ReplacePassword(ctx context.Context, user int32, password string) error
}
