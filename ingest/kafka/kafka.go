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
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
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

const (
	clientID  = "harken"
	harPrefix = "har_"
)

// The names of the Kafka headers of a record.
const (
	headerFormat = "harken-format"
	headerOrigin = "harken-origin"
)

// The pauses between tries: each is twice the last, and varies by half.
const (
	backoffMin = 100 * time.Millisecond
	backoffMax = 5 * time.Second
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

// hidden stands for a secret wherever one would be printed.
const hidden = "****"

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// String hides the secret.
func (Secret) String() string { return hidden }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return hidden }

// MarshalText hides the secret from encoders such as encoding/json.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// ParseURL reads kafka://[user@]host:port[,host:port...][/topic][?group=...&
// tls=true&tls-ca=FILE&tls-insecure=true&sasl=MECHANISM&compression=CODEC] over
// what base has. A password in it is refused: it would stand in the process
// list. A host without a port has 9092, with tls 9093. Errors say what is wrong
// and never repeat the URL, which may hold a password by mistake.
func ParseURL(raw string, base Config) (Config, error) {
	rest, ok := strings.CutPrefix(raw, "kafka://")
	if !ok {
		return base, errors.New("a Kafka URL begins with kafka://")
	}
	rest, query, _ := strings.Cut(rest, "?")
	c := base
	// A password may hold a slash, so the user part is looked for before the topic.
	if user, hosts, ok := cutLast(rest, "@"); ok {
		if strings.ContainsAny(user, ":/") {
			return base, errors.New("a kafka:// URL does not take a password; give it by environment or file")
		}
		if user == "" {
			return base, errors.New("the user name before @ is empty")
		}
		c.Username, rest = user, hosts
	}
	hosts, topic, _ := strings.Cut(rest, "/")
	if topic != "" {
		c.Topic = topic
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return base, errors.New("the part after ? is not name=value&name=value with %XX escapes")
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if err := c.set(name, q.Get(name)); err != nil {
			return base, err
		}
		if len(q[name]) > 1 {
			return base, fmt.Errorf("parameter %s is given %d times", name, len(q[name]))
		}
	}
	// Naming a CA asks for TLS, whatever the flags said.
	if q.Has("tls-ca") {
		if q.Has("tls") && !c.TLS {
			return base, errors.New("parameters tls=false and tls-ca contradict each other")
		}
		c.TLS = true
	}
	if c.Brokers, err = c.brokers(hosts); err != nil {
		return base, err
	}
	if err := c.checkNames(); err != nil {
		return base, err
	}
	return c, nil
}

// brokers reads host[:port][,host[:port]...].
func (c *Config) brokers(hosts string) ([]string, error) {
	port := "9092"
	if c.TLS {
		port = "9093"
	}
	var addrs []string
	for h := range strings.SplitSeq(hosts, ",") {
		host, p, err := net.SplitHostPort(h)
		if err != nil {
			host, p = strings.Trim(h, "[]"), port
		}
		if host == "" {
			return nil, errors.New("a broker's host name is missing")
		}
		if strings.ContainsAny(host, "[] \t\r\n") {
			return nil, fmt.Errorf("broker %.100q is not host:port", h)
		}
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("broker %.100q: the port is not a number from 1 to 65535", h)
		}
		addrs = append(addrs, net.JoinHostPort(host, p))
	}
	return addrs, nil
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
		c.TLSCA = value
	case "tls-insecure":
		c.TLSInsecure, err = strconv.ParseBool(value)
	case "sasl":
		c.Mechanism = value
	case "compression":
		c.Compression = value
	default:
		return fmt.Errorf("unknown parameter %.40q; known are group, tls, tls-ca, tls-insecure, sasl, compression", name)
	}
	if err != nil {
		return fmt.Errorf("parameter %s is neither true nor false", name)
	}
	return nil
}

// maxTopic is the broker's own limit, less the prefix of the second topic.
const maxTopic = 249 - len(harPrefix)

// checkNames checks what is given of topic, mechanism and compression.
func (c *Config) checkNames() error {
	switch {
	case len(c.Topic) > maxTopic:
		return fmt.Errorf("topic: %d characters are more than %d", len(c.Topic), maxTopic)
	case c.Topic == "." || c.Topic == "..":
		return fmt.Errorf("topic: Kafka does not take the name %q", c.Topic)
	}
	for _, r := range c.Topic {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", r) {
			return fmt.Errorf("topic: %.40q has other characters than letters, digits and ._-", c.Topic)
		}
	}
	if _, err := c.codec(); err != nil {
		return err
	}
	switch strings.ToUpper(c.Mechanism) {
	case "", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
		return nil
	}
	return fmt.Errorf("SASL mechanism %.40q is not PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", c.Mechanism)
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
	return c.checkNames()
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
	var algo scram.Algorithm
	switch strings.ToUpper(c.Mechanism) {
	case "", "PLAIN":
		return plain.Mechanism{Username: c.Username, Password: string(c.Password)}, nil
	case "SCRAM-SHA-256":
		algo = scram.SHA256
	case "SCRAM-SHA-512":
		algo = scram.SHA512
	default:
		return nil, c.checkNames()
	}
	m, err := scram.Mechanism(algo, c.Username, string(c.Password))
	if err != nil { // its text may hold parts of the password
		return nil, fmt.Errorf("SASL %s: the user name or the password has characters that RFC 4013 forbids", algo.Name())
	}
	return m, nil
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
	return &kafka.Transport{
		ClientID: clientID, TLS: tlsConf, SASL: mech, DialTimeout: 5 * time.Second, MetadataTTL: 2 * time.Second,
		// Without names the metadata of all topics of the cluster would come every second.
		MetadataTopics: c.topics(),
	}, nil
}

// client returns a client over t.
func (c *Config) client(t *kafka.Transport) *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(c.Brokers...), Transport: t, Timeout: 30 * time.Second}
}

// topics are the topic itself and the one that uploads of other products use.
func (c *Config) topics() []string { return []string{c.Topic, harPrefix + c.Topic} }
