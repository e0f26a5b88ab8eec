package flagenv_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/internal/flagenv"
)

var update = flag.Bool("update", false, "rewrite golden files")

// environment is a lookup in pairs of name and value.
func environment(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

type settings struct {
	Listen, Level, Key string
	Queue              int
	Rate               float64
	Open               bool
	Grace              time.Duration
	Spool              int64
	Hosts, Sinks, Skip []string
}

func newSet(v *settings, env func(string) (string, bool)) *flagenv.Set {
	s := flagenv.New("demo", env)
	s.About("Usage: demo [flags] FILE\n\nDemo shows flags.")
	s.String(&v.Listen, "listen", "127.0.0.1:8080", "address to listen on", flagenv.Opt{Value: "ADDR", Fallback: []string{"OLD_LISTEN", "OLDER_LISTEN"}})
	s.Bool(&v.Open, "allow-open", false, "listen beyond loopback without authentication")
	s.Group("Recording")
	s.Size(&v.Spool, "spool-max", 2<<30, "bytes of unsent records; beyond it the oldest are dropped, one by one and counted, until the rest fits again")
	s.List(&v.Sinks, "sink", []string{"har:harken.har"}, "where records go; repeatable", flagenv.Opt{Whole: true, Value: "URL", Accepted: "a URL", Check: func(v string) error {
		if !strings.Contains(v, ":") {
			return errors.New("it has no scheme")
		}
		return nil
	}})
	s.Globs(&v.Hosts, "hosts", nil, "hosts to record")
	s.List(&v.Skip, "skip", []string{"a", "b"}, "what to skip")
	s.Group("Advanced")
	s.Int(&v.Queue, "queue", 100, "records in flight", flagenv.Opt{Rare: true})
	s.Float(&v.Rate, "rate", 0.5, "share of records kept", flagenv.Opt{Rare: true})
	s.Duration(&v.Grace, "grace", time.Hour, "time to finish")
	s.Enum(&v.Level, "log-level", "info", "least level logged", []string{"debug", "info", "warn"}, flagenv.Opt{Fallback: []string{"OLD_LEVEL"}})
	s.Secret(&v.Key, "api-key", "key of the control API", flagenv.Opt{Fallback: []string{"OLD_KEY"}})
	return s
}

func TestOrder(t *testing.T) {
	f := func(want, origin string, env []string, args ...string) {
		t.Helper()
		var v settings
		s := newSet(&v, environment(env...))
		if err := s.Parse(args); err != nil {
			t.Fatalf("Parse(%q): %v", args, err)
		}
		if v.Listen != want || s.Origin("listen") != origin {
			t.Errorf("Parse(%q) with %q: listen = %q from %q, want %q from %q", args, env, v.Listen, s.Origin("listen"), want, origin)
		}
	}
	f("127.0.0.1:8080", "", nil)
	f(":3", "OLDER_LISTEN", []string{"OLDER_LISTEN", ":3"})
	f(":2", "OLD_LISTEN", []string{"OLDER_LISTEN", ":3", "OLD_LISTEN", ":2"})
	f(":3", "OLDER_LISTEN", []string{"OLDER_LISTEN", ":3", "OLD_LISTEN", ""})
	f(":1", "HARKEN_LISTEN", []string{"OLD_LISTEN", ":2", "HARKEN_LISTEN", ":1"})
	f("", "HARKEN_LISTEN", []string{"OLD_LISTEN", ":2", "HARKEN_LISTEN", ""})
	f(":0", "-listen", []string{"HARKEN_LISTEN", ":1"}, "-listen", ":0")
	f(":0", "-listen", nil, "--listen=:9", "-listen=:0")
	f("", "-listen", []string{"HARKEN_LISTEN", ":1"}, "-listen=")
	f("-x", "-listen", nil, "-listen", "-x")
}

func TestParse(t *testing.T) {
	f := func(change func(*settings), rest []string, env []string, args ...string) {
		t.Helper()
		var got, want settings
		if err := newSet(&want, nil).Parse(nil); err != nil {
			t.Fatal(err)
		}
		change(&want)
		s := newSet(&got, environment(env...))
		if err := s.Parse(args); err != nil {
			t.Fatalf("Parse(%q): %v", args, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("Parse(%q) with %q (-want +got):\n%s", args, env, d)
		}
		if !slices.Equal(s.Args(), rest) {
			t.Errorf("Parse(%q): rest = %q, want %q", args, s.Args(), rest)
		}
	}
	f(func(*settings) {}, nil, nil)
	f(func(v *settings) { v.Open = true }, []string{"true"}, nil, "-allow-open", "true")
	f(func(v *settings) { v.Open = true }, []string{"-queue", "1"}, nil, "-allow-open=yes", "--", "-queue", "1")
	f(func(v *settings) { v.Open = true }, []string{"-"}, []string{"HARKEN_ALLOW_OPEN", "on"}, "-")
	f(func(v *settings) { v.Queue = -4 }, nil, nil, "-queue", "-4")
	f(func(v *settings) { v.Queue, v.Rate = 7, 0.25 }, nil, []string{"HARKEN_QUEUE", " 7\n", "HARKEN_RATE", ".25"})
	f(func(*settings) {}, nil, []string{"HARKEN_QUEUE", "", "HARKEN_GRACE", "", "HARKEN_SPOOL_MAX", "", "HARKEN_ALLOW_OPEN", "", "HARKEN_LOG_LEVEL", ""})
	f(func(v *settings) { v.Grace, v.Spool, v.Level = 90*time.Second, 900<<10, "warn" }, nil, []string{"OLD_LEVEL", "warn"}, "-grace", "1.5m", "-spool-max=900KiB")
	f(func(v *settings) { v.Sinks = []string{"kafka://h1,h2/t", "har:a b.har"} }, nil, nil, "-sink", "kafka://h1,h2/t", "-sink", "har:a b.har")
	f(func(v *settings) { v.Sinks = []string{"kafka://h1,h2/t", "har:x"} }, nil, []string{"HARKEN_SINK", "kafka://h1,h2/t\n har:x"})
	f(func(v *settings) { v.Sinks = []string{"har:y"} }, nil, []string{"HARKEN_SINK", "har:x"}, "-sink", "har:y")
	f(func(v *settings) { v.Hosts = []string{"a.example", "*.b.example", "c"} }, nil, nil, "-hosts", "A.example, *.b.example,", "-hosts=c")
	f(func(v *settings) { v.Skip = nil }, nil, []string{"HARKEN_SKIP", ""})
	f(func(v *settings) { v.Skip = nil }, nil, nil, "-skip=")
}

func TestErrors(t *testing.T) {
	f := func(want string, env []string, args ...string) {
		t.Helper()
		var v settings
		err := newSet(&v, environment(env...)).Parse(args)
		if _, ok := errors.AsType[*flagenv.Error](err); !ok || err.Error() != want {
			t.Errorf("Parse(%q) with %q:\n got %v\nwant %s", args, env, err, want)
		}
	}
	f("unknown flag -lisen; did you mean -listen? -h lists the flags of demo", nil, "-lisen", "x")
	f("unknown flag -zzzzzz; -h lists the flags of demo", nil, "-zzzzzz=1")
	f("unknown flag --listen; did you mean -listen? -h lists the flags of demo", nil, "---listen")
	f("-queue: the value is missing; want a whole number", nil, "-queue")
	f("-listen: the value is missing; want a value: ADDR", nil, "-listen")
	f(`-queue: "many" is not accepted; want a whole number`, nil, "-queue", "many")
	f(`-queue: "99999999999999999999" is not accepted: it is out of range; want a whole number`, nil, "-queue", "99999999999999999999")
	f(`HARKEN_QUEUE (-queue): "many" is not accepted; want a whole number`, []string{"HARKEN_QUEUE", "many"})
	f(`OLD_LEVEL (-log-level): "TRACE" is not accepted; want one of debug, info, warn`, []string{"OLD_LEVEL", "TRACE"})
	f(`-rate: "NaN" is not accepted; want a number`, nil, "-rate", "NaN")
	f(`-allow-open: "maybe" is not accepted; want true or false`, nil, "-allow-open=maybe")
	f(`-grace: "10" is not accepted: the unit is missing; want a duration such as 500ms, 10s, 5m or 24h`, nil, "-grace", "10")
	f(`-grace: "-1s" is not accepted: it is negative; want a duration such as 500ms, 10s, 5m or 24h`, nil, "-grace", "-1s")
	f(`-spool-max: "2G" is not accepted; want a size such as 512B, 900KiB, 1MiB, 2GiB or 1MB`, nil, "-spool-max", "2G")
	f(`-sink: "x" is not accepted: "x": it has no scheme; want a URL`, nil, "-sink", "x")
	f(`-hosts: "a,[b" is not accepted: "[b" is not a pattern; want patterns such as api.example.com or *.example.com`, nil, "-hosts", "a,[b")
	f(`-queue: "a\nb" is not accepted; want a whole number`, nil, "-queue", "a\nb")
	f(`-queue: "`+strings.Repeat("x", 80)+`..." is not accepted; want a whole number`, nil, "-queue", strings.Repeat("x", 200))
	f(`HARKEN_API_KEY_FILE (-api-key-file): "/nonexistent/key" is not accepted: no such file or directory; want a readable file`, []string{"HARKEN_API_KEY_FILE", "/nonexistent/key"})
	f(`-api-key-file: "b" is not accepted: -api-key is given too; want one of the two`, nil, "-api-key", "a", "-api-key-file", "b")
}

func TestSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("from-file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(want string, env []string, args ...string) {
		t.Helper()
		var v settings
		if err := newSet(&v, environment(env...)).Parse(args); err != nil || v.Key != want {
			t.Errorf("Parse(%q) with %q: key = %q, %v, want %q", args, env, v.Key, err, want)
		}
	}
	f("", nil)
	f("arg", []string{"HARKEN_API_KEY", "env", "HARKEN_API_KEY_FILE", file}, "-api-key", "arg")
	f("from-file", []string{"HARKEN_API_KEY", "env"}, "-api-key-file", file)
	f("env", []string{"HARKEN_API_KEY", "env", "HARKEN_API_KEY_FILE", file, "OLD_KEY", "old"})
	f("from-file", []string{"HARKEN_API_KEY_FILE", file, "OLD_KEY", "old"})
	f("old", []string{"OLD_KEY", "old"})

	var v string
	s := flagenv.New("demo", environment("HARKEN_TOKEN", "hunter2"))
	s.Secret(&v, "token", "a token", flagenv.Opt{Accepted: "a long one", Check: func(string) error { return errors.New("it is short") }})
	const want = "HARKEN_TOKEN (-token): the value **** is not accepted: it is short; want a long one"
	if err := s.Parse(nil); err == nil || err.Error() != want {
		t.Errorf("bad secret: %v, want %s", err, want)
	}
	v = "password"
	s = flagenv.New("demo", nil)
	s.String(&v, "x", "do-not-show", "a default that is secret", flagenv.Opt{Secret: true})
	for fl := range s.Flags() {
		if fl.Default != "" {
			t.Errorf("Flags: %+v shows a secret", fl)
		}
	}
}

func TestHelp(t *testing.T) {
	var v settings
	for _, arg := range []string{"-h", "--help", "-help"} {
		if err := newSet(&v, nil).Parse([]string{arg}); !errors.Is(err, flagenv.ErrHelp) || errors.Is(err, flagenv.ErrHelpAll) {
			t.Errorf("Parse(%s) = %v, want ErrHelp", arg, err)
		}
	}
	if err := newSet(&v, nil).Parse([]string{"-h", "all"}); !errors.Is(err, flagenv.ErrHelp) || !errors.Is(err, flagenv.ErrHelpAll) {
		t.Errorf("Parse(-h all) = %v, want ErrHelpAll", err)
	}
}

func TestUsage(t *testing.T) {
	var v settings
	s := newSet(&v, nil)
	for _, c := range []struct {
		file string
		all  bool
	}{{"usage.txt", false}, {"usage_all.txt", true}} {
		var b strings.Builder
		if err := s.Usage(&b, c.all); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", c.file)
		if *update {
			if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), b.String()); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.file, d)
		}
	}
}

func TestFlags(t *testing.T) {
	var v settings
	var names []string
	for f := range newSet(&v, nil).Flags() {
		names = append(names, f.Name)
		if f.Name == "spool-max" {
			want := flagenv.Flag{
				Name: "spool-max", Variable: "HARKEN_SPOOL_MAX", Default: "2GiB", Group: "Recording", Value: "SIZE",
				Usage: f.Usage, Accepted: "a size such as 512B, 900KiB, 1MiB, 2GiB or 1MB",
			}
			if d := cmp.Diff(want, f); d != "" {
				t.Errorf("spool-max (-want +got):\n%s", d)
			}
		}
	}
	want := []string{"listen", "allow-open", "spool-max", "sink", "hosts", "skip", "queue", "rate", "grace", "log-level", "api-key", "api-key-file"}
	if !slices.Equal(names, want) {
		t.Errorf("Flags = %q, want %q", names, want)
	}
}

func TestDefinitionMistakes(t *testing.T) {
	for _, name := range []string{"", "h", "help", "-x", "Upper", "a_b", "twice"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("defining %q did not panic", name)
				}
			}()
			var v string
			s := flagenv.New("demo", nil)
			s.String(&v, "twice", "", "")
			s.String(&v, name, "", "")
		}()
	}
}
