package admin

import (
	"context"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"harken/admin/auth"
	"harken/inventory/fault"
)

// maxAccountName bounds the characters of an account's name.
const maxAccountName = 100

type createNewAccountRequest struct {
	Name string `json:"newAccountName" api:"required"`
}

// createNewAccount makes an account in the caller's organization and moves the
// session to it.
func (a *API) createNewAccount(ctx context.Context, c *call, in createNewAccountRequest) (none, error) {
	name := strings.TrimSpace(in.Name)
	switch {
	case name == "":
		return none{}, fault.New(fault.Invalid, "newAccountName: is required")
	case utf8.RuneCountInString(name) > maxAccountName:
		return none{}, fault.New(fault.Invalid, "newAccountName: has more than %d characters", maxAccountName)
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return none{}, fault.New(fault.Invalid, "newAccountName: has characters that cannot be shown")
	case len(c.caller.User.Accounts) > auth.MaxAccounts:
		return none{}, fault.New(fault.Invalid, "you have %d accounts already, which is as many as are allowed", len(c.caller.User.Accounts))
	}
	org, err := a.cfg.Users.Organization(ctx, c.caller.Account)
	if err != nil {
		return none{}, err
	}
	now := a.cfg.Now().Unix()
	account, err := a.cfg.Users.AddAccount(ctx, auth.Account{
		ID: int32(now - auth.AccountStep), Name: name, Organization: org.ID, Created: now, //nolint:gosec // ids are seconds until 2038, as published
	}, auth.Grant{User: c.caller.User.ID, Role: string(auth.Admin), Scopes: auth.AllScopes(string(auth.Admin))})
	if err != nil {
		return none{}, err
	}
	if err := a.initialize(ctx, account.ID); err != nil {
		return none{}, err
	}
	if err := a.move(ctx, c, account.ID); err != nil {
		return none{}, err
	}
	c.w.Header().Set("account", strconv.Itoa(int(account.ID)))
	return none{}, nil
}

// initialize gives a new account its default collection. Settings and filters are
// the defaults as long as nobody changes them, so there is nothing to store.
func (a *API) initialize(ctx context.Context, account int32) error {
	_, err := a.cfg.Stores.Full(account).EnsureCollection(ctx, 0, a.cfg.Now().Unix())
	return err
}

type goToAccountRequest struct {
	Account Int `json:"newAccountId" api:"required"`
}

// goToAccount switches the session to another account of the user, and gives a token
// for it.
func (a *API) goToAccount(ctx context.Context, c *call, in goToAccountRequest) (none, error) {
	id := in.Account.N
	if id < math.MinInt32 || id > math.MaxInt32 || !c.caller.User.In(int32(id)) {
		return none{}, fault.New(fault.Unauthorized, "you are not a member of the account %d", id)
	}
	return none{}, a.move(ctx, c, int32(id))
}

type renameRequest struct {
	Username     string `json:"username" api:"required"`
	Organization string `json:"organization" api:"required of administrators"`
}

// rename stores the names of the caller and, for an administrator, of the
// organization; both are checked before either is stored.
func (a *API) rename(ctx context.Context, c *auth.Caller, in renameRequest) (none, error) {
	n := auth.Names{User: c.User.ID, At: a.cfg.Now().Unix()}
	var err error
	if n.Name, err = auth.CheckUserName("username", in.Username); err != nil {
		return none{}, err
	}
	// An ADMIN whose custom role leaves the administration out is none here.
	if c.Check(auth.Permission{Feature: auth.AdminActions, Access: auth.ReadWrite}) == nil {
		if n.OrganizationName, err = auth.CheckOrganizationName("organization", in.Organization); err != nil {
			return none{}, err
		}
		org, err := a.cfg.Users.Organization(ctx, c.Account)
		if err != nil {
			return none{}, err
		}
		n.Organization = org.ID
	}
	return none{}, a.cfg.Users.Rename(ctx, n)
}
