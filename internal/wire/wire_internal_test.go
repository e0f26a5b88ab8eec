package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"harken/internal/obs"
)

func TestFail(t *testing.T) {
	f := func(want int, err error) {
		t.Helper()
		if got := Fail("test", err); got != want {
			t.Errorf("Fail(%v) = %d, want %d", err, got, want)
		}
	}
	f(2, Bad("listen", "x", "host:port", nil))
	f(2, errors.Join(fmt.Errorf("wrapped: %w", Bad("listen", "x", "host:port", nil)), nil))
	f(2, Unexpected("x", "test"))
	f(1, errors.New("disk full"))
}

// What a user put into a URL by mistake is not printed.
func TestBadHidesSecrets(t *testing.T) {
	f := func(value, want string) {
		t.Helper()
		if got := Bad("sink", value, "a URL", nil).Error(); !strings.Contains(got, `"`+want+`"`) {
			t.Errorf("Bad of %s = %s, want %s in it", value, got, want)
		}
	}
	f("kafka://bob:s3cret@h1:9092,h2:9092/t", "kafka://bob:****@h1:9092,h2:9092/t")
	f("kafka://h/t?group=g&sasl.password=s3cret&tls=1", "kafka://h/t?group=g&sasl.password=****&tls=1")
	f("https://me:s3cret@control.example/", "https://me:****@control.example/")
	f("https://control.example/?api-key=s3cret", "https://control.example/?api-key=****")
	f("ftp://h:21/x", "ftp://h:21/x")
	f("kafka://h1:9092,h2:9092/t", "kafka://h1:9092,h2:9092/t")
}

func TestReach(t *testing.T) {
	f := func(ip, want string) {
		t.Helper()
		if got := Reach(&net.TCPAddr{IP: net.ParseIP(ip), Port: 80}); got != want {
			t.Errorf("Reach(%s) = %s, want %s", ip, got, want)
		}
	}
	f("::", "127.0.0.1:80")
	f("0.0.0.0", "127.0.0.1:80")
	f("192.0.2.7", "192.0.2.7:80")
	f("::1", "[::1]:80")
}

// A page that everyone reads tells no absolute paths.
func TestShownDir(t *testing.T) {
	t.Setenv("HOME", "/home/you")
	t.Setenv("XDG_CONFIG_HOME", "")
	config, err := os.UserConfigDir()
	if err != nil {
		t.Fatal(err)
	}
	f := func(dir, want string) {
		t.Helper()
		if got := shownDir(dir); got != want {
			t.Errorf("shownDir(%q) = %q, want %q", dir, got, want)
		}
	}
	f(filepath.Join(config, "harken"), "")
	f(filepath.Join("harken-data", "ca"), filepath.Join("harken-data", "ca"))
	f("/srv/private/ca", "DIRECTORY")
	f("../ca", "DIRECTORY")
	f("my data/ca", "DIRECTORY")
}

// What is wrong with -ops is said once, with the flag.
func TestServeOps(t *testing.T) {
	if _, _, err := ServeOps(t.Context(), "here", obs.HandlerConfig{}); err == nil || Fail("test", err) != 2 {
		t.Errorf("-ops here: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	addr, wait, err := ServeOps(ctx, "127.0.0.1:0", obs.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = ServeOps(ctx, addr.String(), obs.HandlerConfig{})
	if err == nil || strings.Count(err.Error(), addr.String()) != 1 || Fail("test", err) != 1 {
		t.Errorf("-ops %s twice: %v", addr, err)
	}
	stop()
	if err := wait(); err != nil {
		t.Error(err)
	}
}
