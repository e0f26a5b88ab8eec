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
	"runtime"
	"runtime/debug"
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
	floor := tuneHeap()
	err := run(ctx, os.Args[1:])
	runtime.KeepAlive(floor)
	if err != nil {
		os.Exit(wire.Fail(name, err))
	}
}

// Bounds of the heap: below floor the garbage collector rests, without which it
// takes a tenth of all CPU of a busy API; near limit it works harder, which keeps
// the process under 300 MB with a million-record inventory at no measurable cost.
// What is alive may exceed the limit. In between the heap may be three times what is
// alive. floor is never touched, so it takes no memory, but it counts.
const (
	floorSize = 4 << 20
	softLimit = 225<<20 + floorSize
	gcPercent = 200
)

// tuneHeap sets these bounds, unless GOGC or GOMEMLIMIT do, and returns the floor.
func tuneHeap() []byte {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(softLimit)
	return make([]byte, floorSize)
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
