package main

import (
	"context"
	"fmt"
	"os"

	"harken/certs"
	"harken/internal/flagenv"
	"harken/internal/wire"
)

// caCommand prints the CA's certificate, or what else is asked of it.
func caCommand(ctx context.Context, args []string) error {
	set := flagenv.New(name+" ca", wire.Env(os.LookupEnv))
	set.About("Usage: harken-proxy ca [flags]\n\nPrints the CA's certificate in PEM form; the CA is made when absent.")
	var dir, p12 string
	var fingerprint, install, uninstall bool
	set.Group("What")
	defineCADir(set, &dir)
	set.Bool(&fingerprint, "fingerprint", false, "print the SHA-256 fingerprint instead")
	set.String(&p12, "p12", "", "write a PKCS #12 file of the certificate instead; its password is "+certs.StorePassword, flagenv.Opt{Value: "FILE"})
	set.Bool(&install, "install", false, "put it into the system's trust store and the browsers' NSS databases")
	set.Bool(&uninstall, "uninstall", false, "take it out of them")
	if err := parse(set, args); err != nil {
		return err
	}
	if err := noArgs(set); err != nil {
		return err
	}
	ca, err := certs.LoadOrCreate(dir)
	if err != nil {
		return err
	}
	switch {
	case fingerprint:
		fmt.Println(ca.Fingerprint())
	case p12 != "":
		b, err := ca.P12(certs.StorePassword)
		if err != nil {
			return err
		}
		return os.WriteFile(p12, b, 0o600)
	case install, uninstall:
		return changeStores(ctx, ca, install)
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
