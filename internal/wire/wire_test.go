package wire_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"harken/ingest"
	"harken/internal/flagenv"
	"harken/internal/wire"
)

func TestEnv(t *testing.T) {
	vars := map[string]string{"AKTO_KAFKA_BROKER_URL": "broker:9092", "AKTO_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}
	env := wire.Env(func(k string) (string, bool) { v, ok := vars[k]; return v, ok })
	f := func(name, want string) {
		t.Helper()
		if got, _ := env(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	f("HARKEN_SINK", "kafka://broker:9092")
	f("HARKEN_SOURCE", "kafka://broker:9092")
	f("HARKEN_KAFKA_TLS", "true")
	f("HARKEN_LISTEN", "")
	vars["HARKEN_SINK"] = "ndjson:-"
	f("HARKEN_SINK", "ndjson:-")
}

func TestLoopback(t *testing.T) {
	f := func(addr string, want bool) {
		t.Helper()
		if got := wire.Loopback(addr); got != want {
			t.Errorf("Loopback(%q) = %v, want %v", addr, got, want)
		}
	}
	f("127.0.0.1:8080", true)
	f("127.8.0.1:0", true)
	f("[::1]:8080", true)
	f("localhost:8080", true)
	f(":8080", false)
	f("0.0.0.0:8080", false)
	f("192.168.1.2:8080", false)
	f("nonsense", false)
}

func TestListenNamesTheAddress(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = wire.Listen(t.Context(), "listen", ln.Addr().String())
	if err == nil || !strings.Contains(err.Error(), ln.Addr().String()) || !strings.Contains(err.Error(), "-listen") || strings.Count(err.Error(), ln.Addr().String()) != 1 {
		t.Errorf("port in use: %v", err)
	}
	if _, err := wire.Listen(t.Context(), "listen", "nonsense"); err == nil {
		t.Error("an address without a port is accepted")
	}
}

// Flags that make no proxy end with an error of that flag, and nothing open.
func TestNewForwardErrors(t *testing.T) {
	sink := ingest.SinkFunc(nil)
	f := func(flag, addr string, change func(*wire.ProxyFlags)) {
		t.Helper()
		var p wire.ProxyFlags
		set := flagenv.New("test", nil)
		p.Define(set)
		if err := set.Parse(nil); err != nil {
			t.Fatal(err)
		}
		change(&p)
		_, err := p.NewForward(t.Context(), deps(), "listen", addr, filepath.Join(t.TempDir(), "ca"), sink)
		e, ok := errors.AsType[*flagenv.Error](err)
		if !ok || e.Flag != flag || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("-%s: %v", flag, err)
		}
	}
	here := "127.0.0.1:0"
	notPEM := filepath.Join(t.TempDir(), "x.pem")
	if err := os.WriteFile(notPEM, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	f("listen", "0.0.0.0:0", func(*wire.ProxyFlags) {})
	f("auth", here, func(p *wire.ProxyFlags) { p.Auth = "s3cret" })
	f("tags", here, func(p *wire.ProxyFlags) { p.Tags = []string{"novalue"} })
	f("account", here, func(p *wire.ProxyFlags) { p.Account = -1 })
	f("collection", here, func(p *wire.ProxyFlags) { p.Collection = 1 << 40 })
	f("upstream-ca", here, func(p *wire.ProxyFlags) { p.UpstreamCA = notPEM })
	f("client-cert", here, func(p *wire.ProxyFlags) { p.ClientCert = notPEM })
	f("upstream-proxy", here, func(p *wire.ProxyFlags) { p.UpstreamProxy = "::nope" })
}
