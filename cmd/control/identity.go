package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"harken/admin"
	"harken/admin/auth"
	"harken/internal/flagenv"
	"harken/internal/store/sqlite"
	"harken/internal/wire"
	"harken/inventory/fault"
)

// identityFlags say how people sign in.
type identityFlags struct {
	secretKey, publicURL   string
	openSignup             bool
	limitReset             int
	access, refresh, reset time.Duration
}

func (f *identityFlags) define(s *flagenv.Set) {
	s.Group("Users")
	s.String(&f.secretKey, "secret-key-file", "", "encrypts the signing key of logins and credentials of other services at rest; "+
		"made when absent, secret.key in -data by default", flagenv.Opt{Value: "FILE"})
	s.String(&f.publicURL, "public-url", "", "address of this control plane in links to people; from the request by default", flagenv.Opt{Value: "URL"})
	s.Bool(&f.openSignup, "open-signup", false, "let everybody sign up, each with an organization of their own", flagenv.Opt{Rare: true})
}

func (f *identityFlags) lifetimes(s *flagenv.Set) {
	s.Duration(&f.access, "access-token-lifetime", admin.DefaultAccessTokenLifetime, "of access tokens", flagenv.Opt{Rare: true})
	s.Duration(&f.refresh, "refresh-token-lifetime", admin.DefaultRefreshTokenLifetime, "of refresh tokens", flagenv.Opt{Rare: true})
	s.Duration(&f.reset, "reset-token-lifetime", admin.DefaultResetTokenLifetime, "of links that set a new password", flagenv.Opt{Rare: true})
}

func (f *identityFlags) check(o *options) error {
	if err := checkAdministrator(o); err != nil {
		return err
	}
	if err := checkAccess(o); err != nil {
		return err
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{
		{"session-idle", o.sessionIdle},
		{"access-token-lifetime", f.access},
		{"refresh-token-lifetime", f.refresh},
		{"reset-token-lifetime", f.reset},
	} {
		if d.value < time.Second {
			return wire.Bad(d.flag, d.value.String(), "a duration of 1s and more", nil)
		}
	}
	if f.publicURL == "" {
		return nil
	}
	u, err := url.Parse(f.publicURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return wire.Bad("public-url", f.publicURL, "an address such as https://harken.example.com", nil)
	}
	return nil
}

// checkAdministrator checks what the first administrator is made of, which may be
// generated.
func checkAdministrator(o *options) error {
	if o.email != "" {
		if _, err := auth.NormalizeEmail(o.email); err != nil {
			return wire.Bad("admin-email", o.email, "an e-mail address", nil)
		}
	}
	for _, s := range []struct {
		flag, value string
		check       func(string) error
	}{
		{"admin-password", o.password, auth.CheckPassword},
		{"admin-api-key", o.apiKey, auth.CheckKey},
	} {
		if s.value == "" {
			continue
		}
		if err := s.check(s.value); err != nil {
			return wire.Bad(s.flag, "****", "", err)
		}
	}
	return nil
}

// checkAccess checks who may call the API, and how often they may try.
func checkAccess(o *options) error {
	for _, l := range []struct {
		flag  string
		value int
	}{
		{"limit-login", o.limitLogin},
		{"limit-reset", o.identity.limitReset},
		{"limit-invite", o.invites.Limit},
	} {
		if l.value == 0 {
			return wire.Bad(l.flag, "0", "a number from 1, or a negative one for no limit", nil)
		}
	}
	for _, origin := range o.corsOrigins {
		// Browsers send no path, and compare as text.
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != origin) {
			return wire.Bad("cors-origins", origin, "an origin such as https://tools.example.com, or *", nil)
		}
	}
	return nil
}

// openIdentity gives the API what signing in needs.
func (c *control) openIdentity(ctx context.Context, o *options, cfg *admin.Config) error {
	f := &o.identity
	path := or(f.secretKey, filepath.Join(o.data, "secret.key"))
	sealer, made, err := auth.LoadSealer(path)
	if err != nil {
		return err
	}
	signer, replaced, err := auth.OpenSigner(ctx, c.store, sealer)
	if err != nil {
		return err
	}
	if replaced {
		c.deps.Log.Warn("the secret key does not open this database: made a new signing key, so everybody signs in again", "file", path, "file_made", made)
	}
	cfg.Tokens, cfg.Sealer = signer, sealer
	cfg.RevealTokens = o.revealTokens
	cfg.Mailer = &admin.Outbox{Dir: filepath.Join(o.data, "outbox")}
	cfg.PublicURL, cfg.OpenSignup, cfg.LimitReset = f.publicURL, f.openSignup, f.limitReset
	cfg.AccessTokenLifetime, cfg.RefreshTokenLifetime, cfg.ResetTokenLifetime = f.access, f.refresh, f.reset
	return nil
}

const aboutReset = `Usage: harken-control reset-password [flags] EMAIL

Gives a user a new random password, prints it, and ends the user's sessions. It
works on the store, whether or not the control plane is running.`

// resetPassword is the sub-command for who is locked out: who may write the store
// needs no other right.
func resetPassword(ctx context.Context, args []string) error {
	set := flagenv.New(name+" reset-password", wire.Env(os.LookupEnv))
	var data, store string
	set.About(aboutReset)
	set.Group("Where")
	set.String(&data, "data", "harken-data", "directory of everything embedded", flagenv.Opt{Value: "DIR"})
	set.String(&store, "store", "sqlite:", "where users are kept; sqlite: is harken.db in -data", flagenv.Opt{Value: "URL"})
	if len(args) > 1 && !strings.HasPrefix(args[0], "-") {
		args = append(slices.Clone(args[1:]), args[0]) // flags may come last
	}
	err := set.Parse(args)
	switch {
	case errors.Is(err, flagenv.ErrHelp):
		return set.Usage(os.Stdout, errors.Is(err, flagenv.ErrHelpAll))
	case err != nil:
		return err
	case len(set.Args()) != 1:
		return wire.MisuseError("reset-password needs one e-mail address; " + name + " reset-password -h says more")
	}
	email, err := auth.NormalizeEmail(set.Args()[0])
	if err != nil {
		return wire.MisuseError(fmt.Sprintf("reset-password: %q is not an e-mail address", set.Args()[0]))
	}
	db, err := openStored(ctx, store, data)
	if err != nil {
		return err
	}
	password, err := replacePassword(ctx, db, email)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	fmt.Printf("The new password of %s is %s\nIt is not shown again; the user's sessions are over.\n", email, password)
	return nil
}

// openStored opens the database that another start made.
func openStored(ctx context.Context, store, data string) (*sqlite.DB, error) {
	path, err := storeFile(store, data)
	if err != nil {
		return nil, err
	}
	// Opening would make a database where there is none.
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no database %s; -data and -store say where it is", path)
	}
	return sqlite.Open(ctx, path)
}

func replacePassword(ctx context.Context, store auth.Store, email string) (string, error) {
	user, err := store.UserByEmail(ctx, email)
	if kind, _ := fault.Of(err); err != nil && kind == fault.NotFound {
		return "", fmt.Errorf("no user has the e-mail address %s", email)
	}
	if err != nil {
		return "", err
	}
	password := auth.NewPassword()
	hash, err := auth.NewHasher(1).Hash(ctx, password)
	if err != nil {
		return "", err
	}
	return password, store.ReplacePassword(ctx, user.ID, hash)
}
