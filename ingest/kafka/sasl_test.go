package kafka

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// testTLS returns a broker's TLS configuration for 127.0.0.1 and the file of its CA.
func testTLS(t *testing.T) (conf *tls.Config, ca string) {
	t.Helper()
	srv := httptest.NewTLSServer(nil)
	srv.Close()
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: srv.TLS.Certificates, MinVersion: tls.VersionTLS12}, ca
}

func TestSASL(t *testing.T) {
	conf, ca := testTLS(t)
	for _, mech := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mech, func(t *testing.T) {
			c := newCluster(t, kfake.SeedTopics(1, testTopic), kfake.EnableSASL(), kfake.Superuser(mech, "bob", "s3cr3t"), kfake.TLS(conf))
			cfg := Config{Brokers: c.ListenAddrs(), TLS: true, TLSCA: ca, Mechanism: strings.ToLower(mech), Username: "bob", Password: "s3cr3t"}
			want := records(t, "log1", 1, 5, "a")
			if err := newSink(t, cfg).Put(testContext(t), want...); err != nil {
				t.Fatal(err)
			}
			s, stop := runSource(t, cfg)
			k := newTaker()
			k.take(testContext(t), t, s, 5)
			k.once(t, want)
			stop()

			refused(t, "password is wrong", cfg, func(c *Config) { c.Password = "wr0ng" })
			refused(t, "password is wrong", cfg, func(c *Config) { c.Username = "eve" })
		})
	}
}

func TestBrokerWantsMore(t *testing.T) {
	conf, _ := testTLS(t)
	c := newCluster(t, kfake.SeedTopics(1, testTopic), kfake.TLS(conf))
	refused(t, "expects TLS", Config{Brokers: c.ListenAddrs()}, func(*Config) {})
	c = newCluster(t, kfake.SeedTopics(1, testTopic), kfake.EnableSASL())
	refused(t, "or a user name", Config{Brokers: c.ListenAddrs()}, func(*Config) {})
}

func TestTLSRefused(t *testing.T) {
	conf, ca := testTLS(t)
	c := newCluster(t, kfake.SeedTopics(1, testTopic), kfake.TLS(conf))
	cfg := Config{Brokers: c.ListenAddrs(), TLS: true, TLSCA: ca}
	refused(t, "certificate", cfg, func(c *Config) { c.TLSCA = "" })
	cfg.TLSCA, cfg.TLSInsecure = "", true
	if err := newSink(t, cfg).Put(testContext(t), records(t, "log1", 1, 1, "a")...); err != nil {
		t.Errorf("with TLSInsecure: %v", err)
	}
}

// refused checks that sink and source say what is wrong, once, and no password.
func refused(t *testing.T, want string, cfg Config, change func(*Config)) {
	t.Helper()
	change(&cfg)
	var sinkLog, sourceLog logBuffer
	cfg.Log = sinkLog.logger()
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	put := make(chan error, 1)
	sink := newSink(t, cfg)
	go func() { put <- sink.Put(ctx, records(t, "log1", 1, 1, "a")...) }()
	eventually(t, "the sink says so", func() bool { return sinkLog.String() != "" })
	cancel()
	if err := <-put; err == nil {
		t.Error("Put succeeded")
	}
	cfg.Log = sourceLog.logger()
	_, stop := runSource(t, cfg)
	eventually(t, "the source says so", func() bool { return sourceLog.String() != "" })
	stop()
	for _, log := range []string{sinkLog.String(), sourceLog.String()} {
		if strings.Count(log, "level=WARN") != 1 || !strings.Contains(strings.ToLower(log), strings.ToLower(want)) || strings.Contains(log, "s3cr3t") || strings.Contains(log, "wr0ng") {
			t.Errorf("log %q, want one warning with %q and no password", log, want)
		}
	}
}
