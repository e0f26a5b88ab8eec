package main

import (
	"context"
	"fmt"
	"os"

	"harken/certs"
	"harken/internal/flagenv"
	"harken/internal/wire"
)

// caOptions are the flags of harken-proxy ca.
type caOptions struct {
	dir, p12                        string
	fingerprint, install, uninstall bool
}

func (o *caOptions) define(s *flagenv.Set) {
	s.About("Usage: harken-proxy ca [flags]\n\nPrints the CA's certificate in PEM form; the CA is made when absent.")
	s.Group("What")
	defineCADir(s, &o.dir)
	s.Bool(&o.fingerprint, "fingerprint", false, "print the SHA-256 fingerprint instead")
	s.String(&o.p12, "p12", "", "write a PKCS #12 file of the certificate instead; its password is "+certs.StorePassword, flagenv.Opt{Value: "FILE"})
	s.Bool(&o.install, "install", false, "put it into the system's trust store and the browsers' NSS databases")
	s.Bool(&o.uninstall, "uninstall", false, "take it out of them")
}

// caCommand prints the CA's certificate, or what else is asked of it.
func caCommand(ctx context.Context, args []string) error {
	set := flagenv.New(name+" ca", wire.Env(os.LookupEnv))
	var o caOptions
	o.define(set)
	if err := parse(set, args); err != nil {
		return err
	}
	if err := noArgs(set); err != nil {
		return err
	}
	ca, err := certs.LoadOrCreate(o.dir)
	if err != nil {
		return err
	}
	switch {
	case o.fingerprint:
		fmt.Println(ca.Fingerprint())
	case o.p12 != "":
		b, err := ca.P12(certs.StorePassword)
		if err != nil {
			return err
		}
		return os.WriteFile(o.p12, b, 0o600)
	case o.install, o.uninstall:
		return changeStores(ctx, ca, o.install)
	default:
		_, err = os.Stdout.Write(ca.CertPEM())
	}
	return err
}

func changeStores(ctx context.Context, ca *certs.CA, install bool) error {
	home, err := os.UserHomeDir()
	if err != nil {
		home = ""
	}
	change, done := ca.Uninstall, "removed from"
	if install {
		change, done = ca.Install, "installed in"
	}
	results, err := change(ctx, certs.InstallConfig{Home: home})
	for _, r := range results {
		if r.Err == nil {
			fmt.Printf("%s %s: %s\n", done, r.Store, r.Path)
		}
	}
	return err
}
