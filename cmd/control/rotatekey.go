package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"harken/admin/auth"
	"harken/internal/flagenv"
	"harken/internal/wire"
	"harken/inventory/fault"
)

const aboutRotate = `Usage: harken-control rotate-key [flags]

Makes a new key that signs access and refresh tokens. Those of the former key stay
valid until they end, those of the one before it are over. With -revoke those of
the former key are over too, which is for a key that others may know. A control
plane that runs takes the new key when it is started again.`

// rotateKey is the sub-command that replaces the signing key.
func rotateKey(ctx context.Context, args []string) error {
	set := flagenv.New(name+" rotate-key", wire.Env(os.LookupEnv))
	var data, store, secret string
	var revoke bool
	set.About(aboutRotate)
	set.Group("Where")
	set.String(&data, "data", "harken-data", "directory of everything embedded", flagenv.Opt{Value: "DIR"})
	set.String(&store, "store", "sqlite:", "where the key is kept; sqlite: is harken.db in -data", flagenv.Opt{Value: "URL"})
	set.String(&secret, "secret-key-file", "", "file that encrypts it; secret.key in -data by default", flagenv.Opt{Value: "FILE"})
	set.Group("What")
	set.Bool(&revoke, "revoke", false, "tokens of the former key are over at the next start", flagenv.Opt{})
	err := set.Parse(args)
	switch {
	case errors.Is(err, flagenv.ErrHelp):
		return set.Usage(os.Stdout, errors.Is(err, flagenv.ErrHelpAll))
	case err != nil:
		return err
	case len(set.Args()) > 0:
		return wire.Unexpected(set.Args()[0], name+" rotate-key")
	}
	path := or(secret, filepath.Join(data, "secret.key"))
	// Loading would make a key where there is none.
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("secret key: %w; -secret-key-file says where it is", err)
	}
	sealer, _, err := auth.LoadSealer(path)
	if err != nil {
		return err
	}
	db, err := openStored(ctx, store, data)
	if err != nil {
		return err
	}
	err = auth.RotateSigner(ctx, db, sealer, revoke)
	if kind, _ := fault.Of(err); err != nil && kind == fault.NotFound {
		err = errors.New("there is no signing key yet; the first start makes it")
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	fmt.Println("There is a new signing key; a control plane that runs takes it when it is started again.")
	return nil
}
