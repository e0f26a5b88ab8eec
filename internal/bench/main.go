// Command bench measures whole processes: the recording proxy beside its peers,
// and the pipeline behind it. All figures of a run come from interleaved rounds,
// so that their ratios mean something on a busy machine; absolute numbers do not
// travel. docs/benchmarks.md says what the peers are and how to read the table.
//
// Usage: go run . [-only proxy|pipeline|corpus|learner|api] [-rounds N] [-time D] [-clients N]
// [-sizes BYTES,...] [-h2] [-harken-proxy FILE] [-also NAME=FILE]... [-kafka HOST:PORT]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	o := options{sizes: []int{1 << 10, 64 << 10, 8 << 20}}
	fs := flag.NewFlagSet("bench", flag.ExitOnError)
	role := fs.String("role", "", "internal: what this process is")
	listen := fs.String("listen", "127.0.0.1:0", "internal: where the role listens")
	fs.StringVar(&o.only, "only", "", "`part` to run: proxy, pipeline, corpus, learner or api; empty runs the first two")
	fs.IntVar(&o.rounds, "rounds", 5, "interleaved rounds; medians are shown")
	fs.DurationVar(&o.time, "time", 2*time.Second, "how long one peer and size is measured in a round")
	fs.IntVar(&o.clients, "clients", 32, "clients with a keep-alive connection each; 4 for bodies of 8 MB")
	fs.Func("sizes", "comma-separated `bytes` of response bodies, at most 8 MiB (default 1024,65536,8388608)", o.setSizes)
	fs.BoolVar(&o.h2, "h2", false, "HTTP/2 on both sides; leaves goproxy out, which does not show such requests")
	fs.StringVar(&o.proxy, "harken-proxy", "../../bin/harken-proxy", "the `file` to measure")
	fs.Func("also", "another harken-proxy as `name=file`, measured in the same rounds; repeatable", o.addBinary)
	fs.StringVar(&o.kafka, "kafka", "", "`host:port` of a broker for the Kafka sink; empty leaves it out")
	fs.StringVar(&o.openapi, "openapi", defaultOpenAPI(), "`directory` of OpenAPI documents that the corpus is made of")
	fs.Uint64Var(&o.corpus.Seed, "seed", 1, "of the corpus")
	fs.IntVar(&o.corpus.Hosts, "hosts", 2000, "of the corpus")
	fs.IntVar(&o.corpus.Endpoints, "endpoints", 50_000, "of the corpus")
	fs.IntVar(&o.records, "records", 1_000_000, "of the corpus")
	fs.StringVar(&o.control, "harken-control", "../../bin/harken-control", "the `file` whose API is read; for -only learner")
	fs.StringVar(&o.steps, "steps", "fill,known,new,api,curve", "of -only learner: `list` of what to do; without fill, -keep names a directory that has been filled")
	fs.StringVar(&o.calling, "calls", "", "of -only api: `list` of endpoints to call; empty is all")
	fs.StringVar(&o.profile, "profile", "", "of -only learner and api, write CPU profiles to this `file` with .1, .2 and so on, or the name of the call")
	fs.Func("draw", "how often endpoints are called in the corpus: `mixed`, zipf or uniform", o.setDraw)
	fs.StringVar(&o.keep, "keep", "", "of -only learner: the data `directory` that is filled, and left for others; empty is a temporary one")
	_ = fs.Parse(os.Args[1:])
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *role == "learn":
		err = runLearn(ctx, o.openapi, o.keep, o.records, o.profile)
	case *role != "":
		err = runRole(ctx, *role, *listen, o.h2)
	case o.only != "" && !slices.Contains(parts, o.only):
		err = fmt.Errorf("-only %q: want one of %s", o.only, strings.Join(parts, ", "))
	case o.rounds < 1 || o.clients < 1:
		err = errors.New("-rounds and -clients are at least 1")
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
	h2              bool
	sizes           []int
	also            []binary
	openapi, keep   string
	control         string
	profile         string
	steps           string
	calling         string
	corpus          corpusSize
	records         int
	draw            draw
}

// parts are what -only names; all but corpus, learner and api run without it.
var parts = []string{"proxy", "pipeline", "corpus", "learner", "api"}

// defaultOpenAPI is where the cases of others are, if HARKEN_CASES says so.
func defaultOpenAPI() string {
	if dir := os.Getenv("HARKEN_CASES"); dir != "" {
		return filepath.Join(dir, "openapi")
	}
	return ""
}

// A binary is a harken-proxy to measure beside the one of -harken-proxy.
type binary struct{ name, file string }

func (o *options) setSizes(s string) error {
	o.sizes = nil
	for _, f := range strings.Split(s, ",") {
		n, err := strconv.Atoi(f)
		if err != nil || n < 1 || n > 8<<20 {
			return fmt.Errorf("%q is not between 1 and %d", f, 8<<20)
		}
		o.sizes = append(o.sizes, n)
	}
	return nil
}

func (o *options) setDraw(s string) error {
	i := slices.Index(drawNames, s)
	if i < 0 {
		return fmt.Errorf("want one of %s", strings.Join(drawNames, ", "))
	}
	o.draw = draw(i)
	return nil
}

func (o *options) addBinary(s string) error {
	name, file, ok := strings.Cut(s, "=")
	if !ok {
		return errors.New("want name=file")
	}
	o.also = append(o.also, binary{name, file})
	return nil
}

func runAll(ctx context.Context, o options) error {
	printMachine(ctx, o)
	switch o.only {
	case "corpus":
		return benchCorpus(ctx, o)
	case "learner":
		return benchLearner(ctx, o)
	case "api":
		return benchAPI(ctx, o)
	}
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

// printMachine says what the figures are worth: on a loaded machine only ratios
// and CPU per request are.
func printMachine(ctx context.Context, o options) {
	fmt.Printf("%s, %s/%s, %d CPUs, load %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), load())
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/elazarl/goproxy" {
				fmt.Printf("goproxy %s\n", m.Version)
			}
		}
	}
	if o.only == "pipeline" {
		return
	}
	for _, b := range append([]binary{{"harken", o.proxy}}, o.also...) {
		out, err := exec.CommandContext(ctx, b.file, "version").Output()
		if err != nil {
			continue // said when it is to be started
		}
		fmt.Printf("%s: %s\n", b.name, strings.TrimSpace(string(out)))
	}
}

// load is the load average of the last minute, which includes the benchmark.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
