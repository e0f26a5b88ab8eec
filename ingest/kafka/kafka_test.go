package kafka

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestParseURL(t *testing.T) {
	base := Config{Topic: "base", Group: "g0"}
	f := func(raw string, want Config) {
		t.Helper()
		got, err := ParseURL(raw, base)
		if err != nil {
			t.Errorf("ParseURL(%q) = %v", raw, err)
		} else if d := cmp.Diff(want, got); d != "" {
			t.Errorf("ParseURL(%q) (-want +got)\n%s", raw, d)
		}
	}
	f("kafka://h", Config{Brokers: []string{"h:9092"}, Topic: "base", Group: "g0"})
	f("kafka://h:1/", Config{Brokers: []string{"h:1"}, Topic: "base", Group: "g0"})
	f("kafka://h:1,h2/t.o_p-1", Config{Brokers: []string{"h:1", "h2:9092"}, Topic: "t.o_p-1", Group: "g0"})
	f("kafka://h?tls=true", Config{Brokers: []string{"h:9093"}, Topic: "base", Group: "g0", TLS: true})
	f("kafka://h?tls-ca=/a%20b.pem", Config{Brokers: []string{"h:9093"}, Topic: "base", Group: "g0", TLS: true, TLSCA: "/a b.pem"})
	f("kafka://[::1],[fe80::1]:7,::2/t", Config{Brokers: []string{"[::1]:9092", "[fe80::1]:7", "[::2]:9092"}, Topic: "t", Group: "g0"})
	f("kafka://me@h/t?group=x&sasl=scram-sha-512&compression=zstd&tls-insecure=1&tls=1", Config{
		Brokers: []string{"h:9093"}, Topic: "t", Group: "x", Username: "me", Mechanism: "scram-sha-512", Compression: "zstd", TLS: true, TLSInsecure: true,
	})
	f("kafka://me@corp@h", Config{Brokers: []string{"h:9092"}, Topic: "base", Group: "g0", Username: "me@corp"})
}

func TestParseURLRefuses(t *testing.T) {
	f := func(raw, want string) {
		t.Helper()
		got, err := ParseURL(raw, Config{})
		if err == nil {
			t.Errorf("ParseURL(%q) = %+v, want an error", raw, got)
			return
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("ParseURL(%q) = %q, want %q in it", raw, err, want)
		}
		if strings.Contains(err.Error(), "s3cr") {
			t.Errorf("ParseURL(%q) = %q shows the password", raw, err)
		}
	}
	f("", "kafka://")
	f("kafak://me:s3cr3t@h", "kafka://")
	f("kafka://", "host name is missing")
	f("kafka://h,,h2", "host name is missing")
	f("kafka://:9092", "host name is missing")
	f("kafka://h:", "port")
	f("kafka://h:0", "port")
	f("kafka://h:99999", "port")
	f("kafka://h:http", "port")
	f("kafka://h h", "not host:port")
	f("kafka://me:s3cr3t@h", "password")
	f("kafka://me:s3cr/3t@h/t", "password")
	f("kafka://@h", "user name")
	f("kafka://h/a/b", "topic")
	f("kafka://h/..", "topic")
	f("kafka://h/t%20x", "topic")
	f("kafka://h/"+strings.Repeat("t", 246), "246 characters")
	f("kafka://h?password=s3cr3t", `"password"`)
	f("kafka://h?tls=s3cr3t", "parameter tls ")
	f("kafka://h?tls-insecure=", "parameter tls-insecure")
	f("kafka://h?group=%zz", "escapes")
	f("kafka://h?group=a&group=b", "2 times")
	f("kafka://h?tls=false&tls-ca=x", "contradict")
	f("kafka://h?sasl=NTLM", "NTLM")
	f("kafka://h?compression=rar", "rar")
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{
		"kafka://h", "kafka://me@h:1,[::1]:2,h3/t?group=g&tls=true&tls-ca=f&sasl=PLAIN&compression=none", "kafka://a:b@h", "kafka://h/%2f?x", "x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := ParseURL(raw, Config{})
		if err != nil {
			return
		}
		if len(c.Brokers) == 0 || len(c.Brokers) != strings.Count(strings.Join(c.Brokers, ","), ",")+1 {
			t.Fatalf("ParseURL(%q) has brokers %q", raw, c.Brokers)
		}
		if strings.ContainsAny(c.Username, ":/") {
			t.Fatalf("ParseURL(%q) took the user name %q", raw, c.Username)
		}
		// What was read reads again to the same.
		again := "kafka://"
		if c.Username != "" {
			again += c.Username + "@"
		}
		again += strings.Join(c.Brokers, ",") + "/" + c.Topic
		if strings.Contains(again[len("kafka://"):], "?") {
			t.Skip("a user name with a question mark")
		}
		got, err := ParseURL(again, Config{TLS: c.TLS})
		if err != nil {
			t.Fatalf("ParseURL(%q) of %q = %v", again, raw, err)
		}
		if !cmp.Equal(got.Brokers, c.Brokers) || got.Topic != c.Topic || got.Username != c.Username {
			t.Fatalf("ParseURL(%q) = %+v, from %q = %+v", again, got, raw, c)
		}
	})
}

func TestConfigErrors(t *testing.T) {
	dir := t.TempDir()
	noCert := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(noCert, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	ok := Config{Brokers: []string{"h:1"}}
	f := func(want string, change func(*Config)) {
		t.Helper()
		c := ok
		change(&c)
		_, sinkErr := NewSink(c)
		_, sourceErr := NewSource(c)
		for _, err := range []error{sinkErr, sourceErr} {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr") {
				t.Errorf("%+v: error %v, want %q in it and no password", c, err, want)
			}
		}
	}
	f("no broker", func(c *Config) { c.Brokers = nil })
	f("9999", func(c *Config) { c.RecordMax = 9999 })
	f("compression", func(c *Config) { c.Compression = "rar" })
	f("topic", func(c *Config) { c.Topic = "a b" })
	f("NTLM", func(c *Config) { c.Mechanism, c.Username = "NTLM", "u" })
	f("user name", func(c *Config) { c.Mechanism = "PLAIN" })
	f("no such file", func(c *Config) { c.TLS, c.TLSCA = true, filepath.Join(dir, "none.pem") })
	f("holds no certificate", func(c *Config) { c.TLS, c.TLSCA = true, noCert })
	f("RFC 4013", func(c *Config) { c.Mechanism, c.Username, c.Password = "SCRAM-SHA-256", "u", "s3cr\u0007t" })
	for _, m := range []string{"", "plain", "scram-sha-256", "SCRAM-SHA-512"} {
		c := ok
		c.Mechanism, c.Username, c.Password, c.TLS = m, "u", "s3cr3t", true
		if _, err := NewSink(c); err != nil {
			t.Errorf("mechanism %q: %v", m, err)
		}
	}
}

func TestSecretIsHidden(t *testing.T) {
	var log logBuffer
	c := Config{Username: "u", Password: "s3cr3t"}
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "password", c.Password)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "password", c.Password)
	text, err := json.Marshal(c.Password)
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(text) + fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c.Password, c.Password)
	if strings.Contains(all, "s3cr") {
		t.Errorf("the password shows: %s", all)
	}
}

func TestSinksShareARegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	for range 2 {
		if _, err := NewSink(Config{Brokers: []string{"h:1"}, Registerer: reg}); err != nil {
			t.Fatal(err)
		}
		if _, err := NewSource(Config{Brokers: []string{"h:1"}, Registerer: reg}); err != nil {
			t.Fatal(err)
		}
	}
}
