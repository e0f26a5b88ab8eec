// Command harken-control is the control plane: it learns an API inventory from
// recorded traffic and serves it over /api and a page. By default everything
// runs in its one process: the recording proxy, the log, the learner, the store.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"harken/internal/flagenv"
	"harken/internal/wire"
)

// version is set by the release build.
var version = "dev"

const name = "harken-control"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once, as without a handler.
	context.AfterFunc(ctx, stop)
	tuneHeap()
	err := run(ctx, os.Args[1:])
	if err != nil {
		os.Exit(wire.Fail(name, err))
	}
}

// run parses the command line and runs the control plane until ctx is done.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "api" {
		c := apiClient{in: os.Stdin, out: os.Stdout, env: wire.Env(os.LookupEnv)}
		return c.run(ctx, args[1:])
	}
	if len(args) > 0 && (args[0] == "version" || args[0] == "-version" || args[0] == "--version") {
		fmt.Println(name, version)
		return nil
	}
	if len(args) > 0 && args[0] == "reset-password" {
		return resetPassword(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == "rotate-key" {
		return rotateKey(ctx, args[1:])
	}
	set := flagenv.New(name, wire.Env(os.LookupEnv))
	var o options
	o.define(set)
	err := set.Parse(args)
	switch {
	case errors.Is(err, flagenv.ErrHelp):
		return set.Usage(os.Stdout, errors.Is(err, flagenv.ErrHelpAll))
	case err != nil:
		return err
	case len(set.Args()) > 0:
		return wire.Unexpected(set.Args()[0], name)
	}
	c, err := open(ctx, &o)
	if err != nil {
		return err
	}
	return c.run(ctx)
}
