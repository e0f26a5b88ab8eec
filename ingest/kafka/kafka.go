// Package kafka is the Sink and the Source on Apache Kafka. It keeps the two
// promises that exactly-once learning rests on: a partition never gets a later
// record before an earlier one is acknowledged, and every record carries the
// origin that its log gave it.
package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"harken/ingest"
)

// The defaults of Config.
const (
	DefaultTopic     = "akto.api.logs"
	DefaultGroup     = "harken"
	DefaultRecordMax = 900 << 10
)

// The names of the Kafka headers of a record.
const (
	headerFormat = "harken-format"
	headerOrigin = "harken-origin"
)

// A Config says where Kafka is and how to talk to it. Zero values are the
// documented defaults.
type Config struct {
	Brokers     []string // host:port; required
	Topic       string   // akto.api.logs
	Group       string   // harken; the source's consumer group
	TLS         bool
	TLSCA       string // PEM file; empty is the system's roots
	TLSInsecure bool   // does not verify the broker's certificate
	Mechanism   string // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; needed with Username
	Username    string
	Password    Secret
	Form        ingest.Form // how the sink writes values
	RecordMax   int64       // bytes of one value; a larger record loses bodies first
	Compression string      // lz4; or none, gzip, snappy, zstd
	Log         *slog.Logger
	Registerer  prometheus.Registerer
}

// A Secret is text that is never logged.
type Secret string

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("****") }

// String hides the secret.
func (Secret) String() string { return "****" }

// ParseURL reads kafka://[user@]host:port[,host:port...][/topic][?group=...&
// tls=true&tls-ca=FILE&tls-insecure=true&sasl=MECHANISM&compression=CODEC] over
// what base has. A password in it is refused: it would stand in the process
// list. A host without a port has 9092, with tls 9093.
func ParseURL(raw string, base Config) (Config, error) {
	rest, ok := strings.CutPrefix(raw, "kafka://")
	if !ok {
		return base, fmt.Errorf("%q is not a kafka:// URL", raw)
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, topic, _ := strings.Cut(rest, "/")
	c := base
	if user, h, ok := cutLast(hosts, "@"); ok {
		if strings.Contains(user, ":") {
			return base, errors.New("a kafka:// URL does not take a password; give it by environment or file")
		}
		c.Username, hosts = user, h
	}
	if topic != "" {
		if strings.Contains(topic, "/") {
			return base, fmt.Errorf("topic %q has a slash", topic)
		}
		c.Topic = topic
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return base, fmt.Errorf("parameters of %q: %w", raw, err)
	}
	for name, values := range q {
		if err := c.set(name, values[len(values)-1]); err != nil {
			return base, err
		}
	}
	port := "9092"
	if c.TLS {
		port = "9093"
	}
	c.Brokers = nil
	for h := range strings.SplitSeq(hosts, ",") {
		if h == "" {
			return base, fmt.Errorf("%q names no broker", raw)
		}
		if _, _, err := net.SplitHostPort(h); err != nil {
			h = net.JoinHostPort(strings.Trim(h, "[]"), port)
		}
		c.Brokers = append(c.Brokers, h)
	}
	return c, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+len(sep):], true
}

func (c *Config) set(name, value string) (err error) {
	switch name {
	case "group":
		c.Group = value
	case "tls":
		c.TLS, err = strconv.ParseBool(value)
	case "tls-ca":
		c.TLSCA, c.TLS = value, true
	case "tls-insecure":
		c.TLSInsecure, err = strconv.ParseBool(value)
	case "sasl":
		c.Mechanism = strings.ToUpper(value)
	case "compression":
		c.Compression = value
	default:
		return fmt.Errorf("unknown parameter %q; known are group, tls, tls-ca, tls-insecure, sasl, compression", name)
	}
	if err != nil {
		return fmt.Errorf("parameter %s: %q is neither true nor false", name, value)
	}
	return nil
}

func (c *Config) check() error {
	if len(c.Brokers) == 0 {
		return errors.New("no broker is named")
	}
	if c.Topic == "" {
		c.Topic = DefaultTopic
	}
	if c.Group == "" {
		c.Group = DefaultGroup
	}
	if c.RecordMax == 0 {
		c.RecordMax = DefaultRecordMax
	}
	if c.RecordMax < 10_000 {
		return fmt.Errorf("a record limit of %d bytes is below 10000", c.RecordMax)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

func (c *Config) tlsConfig() (*tls.Config, error) {
	if !c.TLS {
		return nil, nil //nolint:nilnil // no TLS is a choice, not an error
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.TLSInsecure} //nolint:gosec // only where the user asks for it
	if c.TLSCA != "" {
		pem, err := os.ReadFile(c.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("CA of the brokers: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA of the brokers: %s holds no certificate", c.TLSCA)
		}
	}
	return conf, nil
}

func (c *Config) mechanism() (sasl.Mechanism, error) {
	if c.Username == "" {
		if c.Mechanism != "" {
			return nil, fmt.Errorf("SASL %s needs a user name", c.Mechanism)
		}
		return nil, nil //nolint:nilnil // no SASL is a choice, not an error
	}
	switch c.Mechanism {
	case "", "PLAIN":
		return plain.Mechanism{Username: c.Username, Password: string(c.Password)}, nil
	case "SCRAM-SHA-256":
		return scram.Mechanism(scram.SHA256, c.Username, string(c.Password))
	case "SCRAM-SHA-512":
		return scram.Mechanism(scram.SHA512, c.Username, string(c.Password))
	}
	return nil, fmt.Errorf("SASL mechanism %q is not PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", c.Mechanism)
}

func (c *Config) codec() (kafka.Compression, error) {
	switch c.Compression {
	case "", "lz4":
		return kafka.Lz4, nil
	case "none":
		return 0, nil
	case "gzip":
		return kafka.Gzip, nil
	case "snappy":
		return kafka.Snappy, nil
	case "zstd":
		return kafka.Zstd, nil
	}
	return 0, fmt.Errorf("compression %q is not none, gzip, snappy, lz4 or zstd", c.Compression)
}

// transport is the connection pool of a sink or a source.
func (c *Config) transport() (*kafka.Transport, error) {
	tlsConf, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	mech, err := c.mechanism()
	if err != nil {
		return nil, err
	}
	return &kafka.Transport{ClientID: "harken", TLS: tlsConf, SASL: mech, DialTimeout: 5 * time.Second, MetadataTTL: 2 * time.Second}, nil
}

// client returns a client over t.
func (c *Config) client(t *kafka.Transport) *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(c.Brokers...), Transport: t, Timeout: 30 * time.Second}
}
