// Command harken-proxy records HTTP traffic: it is the recorder beside a client
// or a service, and sends what it saw to Kafka, to a control plane, or to a HAR
// or ndjson file.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"harken/internal/flagenv"
	"harken/internal/wire"
)

// version is set by the release build.
var version = "dev"

const name = "harken-proxy"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once, as without a handler.
	context.AfterFunc(ctx, stop)
	floor := heapFloor()
	status := dispatch(ctx, os.Args[1:])
	runtime.KeepAlive(floor)
	os.Exit(status)
}

// heapFloor returns memory that is never touched, and so never takes any: the
// garbage collector counts it, and lets the heap grow by as much more before it
// runs. With the few megabytes that a proxy's heap holds it otherwise runs many
// times a second, for a tenth of all CPU. Unlike a higher GOGC this adds the same
// to a large heap as to a small one. Who sets GOGC or GOMEMLIMIT is left alone.
func heapFloor() []byte {
	const size = 32 << 20
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	return make([]byte, size)
}

// dispatch runs the sub-command and returns the exit status.
func dispatch(ctx context.Context, args []string) int {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	var err error
	status := 0
	switch command {
	case "version", "-version", "--version":
		fmt.Println(name, version)
	case "ca":
		err = caCommand(ctx, args[1:])
	case "har":
		status, err = harCommand(args[1:])
	case "run":
		status, err = runCommand(ctx, args[1:])
	default:
		err = serveCommand(ctx, args)
	}
	if errors.Is(err, errShown) {
		return status
	}
	if err != nil {
		// The status of run is that of its command also when recording failed.
		return max(status, wire.Fail(name, err))
	}
	return status
}

// errShown ends a command that has printed its help.
var errShown = errors.New("shown")

// parse parses flags. Help is printed and gives errShown.
func parse(s *flagenv.Set, args []string) error {
	err := s.Parse(args)
	if errors.Is(err, flagenv.ErrHelp) {
		if err := s.Usage(os.Stdout, errors.Is(err, flagenv.ErrHelpAll)); err != nil {
			return err
		}
		return errShown
	}
	return err
}

// noArgs refuses what stands behind the flags.
func noArgs(s *flagenv.Set) error {
	if rest := s.Args(); len(rest) > 0 {
		return wire.Unexpected(rest[0], name)
	}
	return nil
}
