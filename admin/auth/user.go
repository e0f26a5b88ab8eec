package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"harken/inventory/fault"
)

// A User is a person. The e-mail address is stored in lower case.
type User struct {
	ID           int32
	Email        string
	Name         string
	PasswordHash string // PHC text of Hasher
	Accounts     []Membership
	Created      int64 // Unix seconds
	LastLogin    int64 // Unix seconds; 0 before the first
}

// A Membership is a user's place in an account.
type Membership struct {
	Account int32
	Name    string // of the account, filled on reading
	Default bool   // the account that a login selects
}

// In says whether the user belongs to an account.
func (u *User) In(account int32) bool {
	for _, m := range u.Accounts {
		if m.Account == account {
			return true
		}
	}
	return false
}

// HomeAccount returns the account that a login selects: the default one, else the
// lowest id. It is false for a user without accounts.
func (u *User) HomeAccount() (int32, bool) {
	var lowest int32
	for i, m := range u.Accounts {
		if m.Default {
			return m.Account, true
		}
		if i == 0 || m.Account < lowest {
			lowest = m.Account
		}
	}
	return lowest, len(u.Accounts) > 0
}

// An Account is a tenant: everything learned belongs to exactly one.
type Account struct {
	ID           int32
	Name         string
	Organization string
	Created      int64 // Unix seconds
}

// An Organization groups accounts.
type Organization struct {
	ID         string // UUID
	Name       string
	AdminEmail string
}

// NormalizeEmail trims and lower-cases an e-mail address, and refuses text that
// cannot be one. Whether mail arrives there is not its business.
func NormalizeEmail(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	local, domain, ok := strings.Cut(s, "@")
	bad := !ok || local == "" || domain == "" || len(s) > 254 || !utf8.ValidString(s) ||
		strings.ContainsAny(s, "<>\"(),;:\\") || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) }) || strings.Contains(domain, "@") ||
		strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".")
	if bad {
		return "", fault.New(fault.Invalid, "email: not an e-mail address")
	}
	return s, nil
}
