package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"harken/certs"
	"harken/internal/flagenv"
	"harken/internal/wire"
)

const runAbout = `Usage: harken-proxy run [flags] -- COMMAND [ARGUMENT...]

Runs COMMAND with its traffic sent through a proxy of its own, whose CA it trusts
without any set-up, and records it. The exit status is the command's.`

// nodePreload makes Node's fetch and http modules use the proxy: they know no
// proxy variables before Node 22.
//
//go:embed preload.cjs
var nodePreload []byte

// interruptGrace is how long the command has to end by itself after a signal.
const interruptGrace = 3 * time.Second

// statusNotFound is what shells exit with for a command that cannot be started.
const statusNotFound = 127

func runDefaults() defaults {
	return defaults{listen: "127.0.0.1:0", sink: []string{"har:harken.har"}, sinkUsage: "where records go, repeatable"}
}

// runCommand records what one command does and returns its exit status.
func runCommand(ctx context.Context, args []string) (int, error) {
	set := flagenv.New(name+" run", wire.Env(os.LookupEnv))
	set.About(runAbout)
	var o options
	o.define(set, runDefaults())
	if err := parse(set, args); err != nil {
		return 0, err
	}
	argv := set.Args()
	if len(argv) == 0 {
		return 0, wire.MisuseError("the command to run is missing; " + name + " run [flags] -- COMMAND [ARGUMENT...]")
	}
	if set.Origin("log-level") == "" {
		o.log.Level = "warn" // the terminal is the command's
	}
	if _, err := exec.LookPath(argv[0]); err != nil {
		return statusNotFound, err
	}
	dir, err := os.MkdirTemp("", "harken-run-")
	if err != nil {
		return 0, err
	}
	var keep bool
	defer func() {
		if !keep {
			_ = os.RemoveAll(dir)
		}
	}()
	if o.spool == "" {
		o.spool = filepath.Join(dir, "spool")
	}
	r, err := newRecorder(ctx, &o)
	if err != nil {
		return 0, err
	}
	trust, err := writeTrust(dir, r.forward.CA)
	if err != nil {
		return 0, errors.Join(err, r.close())
	}
	recording, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	recorded := make(chan error, 1)
	go func() { recorded <- r.run(recording) }()
	status, err := runChild(ctx, argv, trust.environ(os.Environ(), r.forward.Addr, o.proxy.Auth))
	stop()
	err = errors.Join(err, <-recorded)
	stats := r.forward.Stats()
	fmt.Fprintf(os.Stderr, "%s: %d exchanges recorded, %d dropped; %s\n", name, stats.Put, stats.Seen-stats.Put, strings.Join(o.sink, ", "))
	if r.unsent > 0 {
		keep = true // the spool may be in it
		err = errors.Join(err, undelivered(r.unsent, &o))
	}
	return status, err
}

// undelivered says how records that no sink took get there later. The command's
// work is done, but not ours.
func undelivered(n int64, o *options) error {
	return fmt.Errorf("%d records were not delivered and are kept; send them with: %s run -spool %s -sink %s -- true",
		n, name, o.spool, strings.Join(o.sink, " -sink "))
}

// runChild runs the command with our terminal and returns its exit status; a
// signal that ends it counts as 128 plus its number, as shells say it.
func runChild(ctx context.Context, argv, env []string) (int, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // running it is what the user asked for
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdin, os.Stdout, os.Stderr, env
	// A signal from the terminal has reached the command too; only if it does not
	// end by that is it told again.
	cmd.Cancel = func() error {
		time.AfterFunc(interruptGrace, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
		return nil
	}
	cmd.WaitDelay = 2 * interruptGrace
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return statusNotFound, err
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}

// trustFiles are the files by which the runtimes learn to trust the CA.
type trustFiles struct {
	ca, bundle, java, node string
}

func writeTrust(dir string, ca *certs.CA) (trustFiles, error) {
	bundle, err := ca.TrustBundle()
	if err != nil {
		return trustFiles{}, err
	}
	java, err := ca.JavaTrustStore(certs.StorePassword)
	if err != nil {
		return trustFiles{}, err
	}
	f := trustFiles{
		ca: filepath.Join(dir, "ca.pem"), bundle: filepath.Join(dir, "bundle.pem"),
		java: filepath.Join(dir, "truststore.p12"), node: filepath.Join(dir, "preload.cjs"),
	}
	for path, b := range map[string][]byte{f.ca: ca.CertPEM(), f.bundle: bundle, f.java: java, f.node: nodePreload} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return trustFiles{}, err
		}
	}
	return f, nil
}

// environ is env with the proxy and trust variables of the common runtimes.
// Loopback and private hosts go through the proxy too: nothing is excepted.
func (f trustFiles) environ(env []string, proxy net.Addr, auth string) []string {
	through := url.URL{Scheme: "http", Host: proxy.String()}
	if user, password, ok := strings.Cut(auth, ":"); ok {
		through.User = url.UserPassword(user, password)
	}
	set := map[string]string{
		"NO_PROXY": "", "no_proxy": "",
		"NODE_EXTRA_CA_CERTS": f.ca, "DENO_CERT": f.ca, "HARKEN_PROXY_URL": through.String(),
	}
	for _, v := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		set[v], set[strings.ToLower(v)] = through.String(), through.String()
	}
	for _, v := range []string{
		"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "PIP_CERT",
		"CARGO_HTTP_CAINFO", "NIX_SSL_CERT_FILE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "BUNDLE_SSL_CA_CERT",
	} {
		set[v] = f.bundle
	}
	host, port, err := net.SplitHostPort(proxy.String())
	if err != nil {
		host, port = proxy.String(), ""
	}
	java := []string{
		"-Djavax.net.ssl.trustStore=" + f.java, "-Djavax.net.ssl.trustStoreType=PKCS12", "-Djavax.net.ssl.trustStorePassword=" + certs.StorePassword,
		"-Dhttp.proxyHost=" + host, "-Dhttp.proxyPort=" + port, "-Dhttps.proxyHost=" + host, "-Dhttps.proxyPort=" + port, "-Dhttp.nonProxyHosts=",
	}
	appendTo := map[string]string{"JAVA_TOOL_OPTIONS": strings.Join(java, " "), "NODE_OPTIONS": "--require=" + f.node}
	var out []string
	for _, e := range env {
		k, v, _ := strings.Cut(e, "=")
		if more, ok := appendTo[k]; ok {
			appendTo[k] = strings.TrimSpace(v + " " + more)
			continue
		}
		if _, ok := set[k]; !ok {
			out = append(out, e)
		}
	}
	for _, m := range []map[string]string{set, appendTo} {
		for k, v := range m {
			out = append(out, k+"="+v)
		}
	}
	return out
}
