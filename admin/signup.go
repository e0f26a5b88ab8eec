package admin

import (
	"context"

	"harken/admin/auth"
	"harken/inventory/fault"
)

type signupRequest struct {
	Email    string `json:"email" api:"required"`
	Password string `json:"password" api:"required"`
	Code     string `json:"invitationCode"`
}

type signupResponse struct {
	Email   string `json:"email"`
	Account int32  `json:"accountId"`
}

// signup makes a user, or adds an account to one, and signs them in: with an
// invitation, or as the first user, or where everybody may.
func (a *API) signup(ctx context.Context, c *call, in signupRequest) (signupResponse, error) {
	if err := a.ownForm(c.r); err != nil {
		return signupResponse{}, err
	}
	email, err := auth.NormalizeEmail(in.Email)
	if err != nil {
		return signupResponse{}, err
	}
	var user auth.User
	var account int32
	if in.Code == "" {
		if user, err = a.signupAlone(ctx, c, email, in.Password); err == nil {
			account, _ = user.HomeAccount()
			err = a.initialize(ctx, account)
		}
	} else {
		user, account, err = a.signupInvited(ctx, c, email, in)
	}
	if err != nil {
		return signupResponse{}, err
	}
	return signupResponse{user.Email, account}, a.begin(ctx, c, &user, account)
}

// signupAlone makes a user with an organization of their own: the first one gets
// the first account.
func (a *API) signupAlone(ctx context.Context, c *call, email, password string) (auth.User, error) {
	closed := fault.New(fault.Invalid, "invitationCode: is required: only who was invited may sign up")
	has, err := a.cfg.Users.HasUsers(ctx)
	if err != nil {
		return auth.User{}, err
	}
	if has && !a.cfg.OpenSignup {
		return auth.User{}, closed
	}
	// Each hash of a password is dear and each account stays, so that strangers
	// may make as many as they may try to sign in.
	if err := a.logins.try(a.clientAddr(c.r)); err != nil {
		return auth.User{}, err
	}
	now := a.cfg.Now().Unix()
	in := auth.NewTenant(email, now)
	if in.User.PasswordHash, err = a.newPassword(ctx, password); err != nil {
		return auth.User{}, err
	}
	if has {
		in.Account.ID = int32(now - auth.AccountStep) //nolint:gosec // ids are seconds until 2038, as published
		return a.cfg.Users.AddTenant(ctx, in)
	}
	if made, err := a.cfg.Users.Install(ctx, in); err != nil {
		return auth.User{}, err
	} else if !made {
		return auth.User{}, closed // somebody else was first
	}
	return a.cfg.Users.UserByEmail(ctx, email)
}

func (a *API) newPassword(ctx context.Context, password string) (string, error) {
	if err := auth.CheckPassword(password); err != nil {
		return "", err
	}
	return a.hasher.Hash(ctx, password)
}

// signupInvited joins who was invited to the account. Who has a user already
// proves it by the password.
func (a *API) signupInvited(ctx context.Context, c *call, email string, in signupRequest) (auth.User, int32, error) {
	bad := fault.New(fault.Invalid, "invitationCode: is not valid for this e-mail address, or no longer pending")
	now := a.cfg.Now()
	hash := auth.HashToken(in.Code)
	inv, err := a.cfg.Users.InvitationByCode(ctx, hash)
	if err := orInternal(err); err != nil {
		return auth.User{}, 0, err
	}
	if err != nil || !inv.Hash.Equal(hash) || inv.Email != email || inv.Expiry <= now.UnixMilli() {
		return auth.User{}, 0, bad
	}
	user, err := a.cfg.Users.UserByEmail(ctx, email)
	if err := orInternal(err); err != nil {
		return auth.User{}, 0, err
	}
	if err == nil {
		// Whoever invites somebody has a code to guess their password with, and may share
		// an address with them: a login by another name counts as one.
		if err := a.logins.try(a.clientAddr(c.r)); err != nil {
			return auth.User{}, 0, err
		}
		ok, err := a.passwordRight(ctx, c, email, &user, in.Password)
		if err == nil && !ok {
			err = fault.New(fault.Invalid, "password: is not that of the user, who exists already")
		}
		if err != nil {
			return auth.User{}, 0, err
		}
	} else {
		user = auth.NewTenant(email, now.Unix()).User
		user.ID, user.Accounts = 0, nil
		if inv.Name != "" {
			user.Name = inv.Name
		}
		if user.PasswordHash, err = a.newPassword(ctx, in.Password); err != nil {
			return auth.User{}, 0, err
		}
	}
	user, err = a.cfg.Users.AcceptInvitation(ctx, inv.ID, user, inv.Grant(user.ID), now.Unix())
	if kind, _ := fault.Of(err); err != nil && kind == fault.NotFound {
		err = bad
	}
	return user, inv.Account, err
}
