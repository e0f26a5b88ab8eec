package main

import (
	"os"
	"path/filepath"

	"harken/internal/flagenv"
	"harken/internal/wire"
)

// options are the flags of harken-proxy and of harken-proxy run.
type options struct {
	log    wire.LogFlags
	proxy  wire.ProxyFlags
	sinks  wire.Sinks
	listen string
	ops    string
	sink   []string
	caDir  string
	spool  string
}

// defaults are what differs between the two commands.
type defaults struct {
	listen string
	sink   []string
	sinkUsage,
	spool, ops string // without ops there is no such listener
}

func (o *options) define(s *flagenv.Set, d defaults) {
	s.Group("Where")
	s.String(&o.listen, "listen", d.listen, "proxy address", flagenv.Opt{Value: "ADDR"})
	s.List(&o.sink, "sink", d.sink, d.sinkUsage, flagenv.Opt{Whole: true, Value: "URL", Accepted: wire.SinkURLs})
	s.Secret(&o.sinks.APIKey, "api-key", "API key for an https:// sink")
	if d.ops != "" {
		s.String(&o.ops, "ops", d.ops, "listener for /healthz, /readyz and /metrics; its address is printed", flagenv.Opt{Value: "ADDR"})
	}
	s.String(&o.spool, "spool", d.spool, "durable buffer between capture and sinks", flagenv.Opt{Value: "DIR"})
	defineCADir(s, &o.caDir)
	o.log.Define(s)
	o.proxy.Define(s)
	o.sinks.Kafka.Define(s)
}

func defineCADir(s *flagenv.Set, dir *string) {
	s.String(dir, "ca-dir", defaultDir(os.UserConfigDir, ""), "CA key and certificate; made when absent", flagenv.Opt{Value: "DIR"})
}

// defaultDir is a directory of ours below one of the user's; without a home it
// is below the working directory.
func defaultDir(base func() (string, error), sub string) string {
	dir, err := base()
	if err != nil {
		dir = "."
	}
	return filepath.Join(dir, "harken", sub)
}
