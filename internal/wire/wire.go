// Package wire turns flag values into the parts that both commands run: the
// recorder with its proxy and CA, sinks and sources by URL, the logger and the
// operations listener. It decides nothing that a user did not say.
package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"

	"harken/internal/flagenv"
	"harken/internal/obs"
)

// Topic is the name of the stream of records: the Kafka topic, and the
// directory of the log on disk.
const Topic = "akto.api.logs"

// Env looks variables up, and knows what the reference's variables mean: a
// broker address there is a Kafka sink and source here.
func Env(lookup func(string) (string, bool)) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if v, ok := lookup(name); ok {
			return v, ok
		}
		switch name {
		case flagenv.Variable("sink"), flagenv.Variable("source"):
			for _, old := range []string{"AKTO_KAFKA_BROKER_MAL", "AKTO_KAFKA_BROKER_URL"} {
				if v, ok := lookup(old); ok && v != "" {
					return "kafka://" + v, true
				}
			}
		case flagenv.Variable("kafka-tls"):
			v, ok := lookup("AKTO_KAFKA_SECURITY_PROTOCOL")
			return fmt.Sprint(strings.HasSuffix(v, "SSL")), ok
		}
		return "", false
	}
}

// The passwords of a URL: behind the user's name, and as parameters. The URLs of
// Kafka, with several hosts, are none that net/url reads.
var (
	passwordInURL  = regexp.MustCompile(`(://[^/?#@:]*:).*@`)
	parameterInURL = regexp.MustCompile(`([?&][^=&]*(?i:password|secret|token|key)[^=&]*=)[^&#]*`)
)

// withoutSecrets is a URL as it may be told.
func withoutSecrets(raw string) string {
	return parameterInURL.ReplaceAllString(passwordInURL.ReplaceAllString(raw, "${1}****@"), "${1}****")
}

// Bad is the error of a flag whose value is not accepted; the command prints it
// and exits with status 2. A password in a URL is not told.
func Bad(flag, value, accepted string, err error) error {
	return &flagenv.Error{Flag: flag, Value: withoutSecrets(value), Accepted: accepted, Err: err}
}

// A MisuseError is a mistake on the command line that is not about the value of a
// flag; the command prints it and exits with status 2.
type MisuseError string

func (m MisuseError) Error() string { return string(m) }

// Unexpected is the error of an argument that the command does not take.
func Unexpected(arg, command string) error {
	return MisuseError(fmt.Sprintf("unexpected argument %q; %s -h says what is accepted", arg, command))
}

// Fail prints err on one line as the command's last word and returns the exit
// status: 2 for a mistake on the command line, else 1.
func Fail(command string, err error) int {
	fmt.Fprintf(os.Stderr, "%s: %s\n", command, strings.ReplaceAll(err.Error(), "\n", "; "))
	if _, ok := errors.AsType[*flagenv.Error](err); ok {
		return 2
	}
	if _, ok := errors.AsType[MisuseError](err); ok {
		return 2
	}
	return 1
}

// Listen opens a TCP listener whose error names the flag and the address.
func Listen(ctx context.Context, flag, addr string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, Bad(flag, addr, "host:port", nil)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("-%s %s: %w", flag, addr, cause(err))
	}
	return ln, nil
}

// ServeOps serves the operations listener at the address of -ops until ctx is
// done; wait returns when it has ended.
func ServeOps(ctx context.Context, addr string, cfg obs.HandlerConfig) (bound net.Addr, wait func() error, err error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, nil, Bad("ops", addr, "host:port", nil)
	}
	bound, wait, err = obs.Serve(ctx, addr, obs.Handler(cfg))
	if err != nil {
		return nil, nil, fmt.Errorf("-ops %s: %w", addr, cause(err))
	}
	return bound, wait, nil
}

// Reach is an address at which this machine reaches a listener that is bound to
// addr: of one on all interfaces, the loopback address.
func Reach(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return addr.String()
}

// cause is what the operating system said, without the addresses that the
// message names already.
func cause(err error) error {
	if op, ok := errors.AsType[*os.SyscallError](err); ok {
		return op.Err
	}
	return err
}

// Loopback tells whether an address is reached only from this machine.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
