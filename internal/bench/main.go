// Command bench measures whole processes: the recording proxy beside its peers,
// and the pipeline behind it. All figures of a run come from interleaved rounds,
// so that their ratios mean something on a busy machine; absolute numbers do not
// travel.
//
// Usage: go run . [-rounds N] [-time D] [-clients N] [-only proxy|pipeline]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	var o options
	fs := flag.NewFlagSet("bench", flag.ExitOnError)
	role := fs.String("role", "", "internal: what this process is")
	listen := fs.String("listen", "127.0.0.1:0", "internal: where the role listens")
	fs.IntVar(&o.rounds, "rounds", 5, "interleaved rounds; medians are shown")
	fs.DurationVar(&o.time, "time", 2*time.Second, "how long one cell of one round takes")
	fs.IntVar(&o.clients, "clients", 32, "clients with a connection each")
	fs.StringVar(&o.only, "only", "", "proxy or pipeline")
	fs.StringVar(&o.kafka, "kafka", "", "host:port of a broker for the Kafka sink; empty leaves it out")
	fs.StringVar(&o.proxy, "harken-proxy", "../../bin/harken-proxy", "the binary to measure")
	_ = fs.Parse(os.Args[1:])
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *role != "":
		err = runRole(ctx, *role, *listen)
	default:
		err = runAll(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds, clients int
	time            time.Duration
	only, proxy     string
	kafka           string
}

func runAll(ctx context.Context, o options) error {
	if o.only != "pipeline" {
		if err := benchProxies(ctx, o); err != nil {
			return err
		}
	}
	if o.only != "proxy" {
		return benchPipeline(ctx, o)
	}
	return nil
}
