package wire

import (
	"os"

	"harken/ingest"
	"harken/ingest/kafka"
	"harken/internal/flagenv"
)

// LogFlags are how a command logs.
type LogFlags struct {
	Level, Format string
}

// Define adds the flags to s.
func (f *LogFlags) Define(s *flagenv.Set) {
	format := "json"
	if Terminal(os.Stderr) {
		format = "text"
	}
	s.Enum(&f.Level, "log-level", "info", "least level of what is logged", []string{"debug", "info", "warn", "error"}, flagenv.Opt{Fallback: []string{"AKTO_LOG_LEVEL"}})
	s.Enum(&f.Format, "log-format", format, "how it is logged; text by default on a terminal", []string{"text", "json"})
}

// Terminal tells whether f is a terminal.
func Terminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// ProxyFlags are the flags of the proxy and its recorder. Both commands have
// them, under the same names.
type ProxyFlags struct {
	BodyMax, SpoolMax int64
	Hosts, SkipHosts  []string
	TunnelHosts       []string
	UpstreamProxy     string
	UpstreamCA        string
	UpstreamInsecure  bool
	ClientCert        string
	KeyLog            string
	Auth              string
	AllowOpen         bool
	Account           int
	Collection        int
	Tags              []string
}

// Define adds the flags to s.
func (f *ProxyFlags) Define(s *flagenv.Set) {
	s.Group("Recording")
	s.Size(&f.BodyMax, "body-max", 1<<20, "bytes of each body kept in a record; traffic itself is never cut")
	s.Size(&f.SpoolMax, "spool-max", 2<<30, "beyond it the oldest unsent records are dropped and counted")
	s.Globs(&f.Hosts, "hosts", nil, "hosts to record; empty records all")
	s.Globs(&f.SkipHosts, "skip-hosts", nil, "hosts not to record")
	s.Int(&f.Account, "account", 1000000, "account put into records")
	s.Int(&f.Collection, "collection", 0, "collection put into records")
	s.List(&f.Tags, "tags", nil, "key=value labels put into records", flagenv.Opt{Value: "KEY=VALUE"})
	s.Group("Proxy")
	s.Globs(&f.TunnelHosts, "tunnel-hosts", nil, "hosts whose TLS is never opened")
	s.String(&f.UpstreamProxy, "upstream-proxy", "", "proxy to go through: http://, https:// or socks5://", flagenv.Opt{Value: "URL"})
	s.String(&f.UpstreamCA, "upstream-ca", "", "PEM file of CAs that upstream servers may use, beside the system's", flagenv.Opt{Value: "FILE"})
	s.Bool(&f.UpstreamInsecure, "upstream-insecure", false, "accept any upstream certificate")
	s.String(&f.ClientCert, "client-cert", "", "PEM file of a certificate and its key for upstream servers that ask for one", flagenv.Opt{Value: "FILE"})
	s.String(&f.KeyLog, "keylog", "", "file to write TLS session keys to, in NSS key log format", flagenv.Opt{Value: "FILE", Rare: true})
	s.Secret(&f.Auth, "auth", "user:password required from clients", flagenv.Opt{Value: "USER:PASSWORD"})
	s.Bool(&f.AllowOpen, "allow-open", false, "listen beyond loopback without -auth")
}

// KafkaFlags are what a kafka:// URL leaves out.
type KafkaFlags struct {
	Format    string
	RecordMax int64
	cfg       kafka.Config
	password  string
}

// Define adds the flags to s.
func (f *KafkaFlags) Define(s *flagenv.Set) {
	s.Group("Kafka")
	s.Enum(&f.Format, "record-format", "har", "how records are written to Kafka", []string{"har", "akto"})
	s.Size(&f.RecordMax, "kafka-record-max", kafka.DefaultRecordMax, "a larger record loses its larger body first", flagenv.Opt{Fallback: []string{"AKTO_KAFKA_MAX_REQUEST_SIZE"}})
	s.String(&f.cfg.Topic, "kafka-topic", Topic, "topic, where the URL names none", flagenv.Opt{Fallback: []string{"AKTO_KAFKA_TOPIC_NAME", "AKTO_KAFKA_TOPIC"}})
	s.String(&f.cfg.Group, "kafka-group", kafka.DefaultGroup, "consumer group, where the URL names none", flagenv.Opt{Fallback: []string{"AKTO_KAFKA_GROUP_ID_CONFIG"}, Rare: true})
	s.String(&f.cfg.Username, "kafka-username", "", "SASL user", flagenv.Opt{Fallback: []string{"KAFKA_USERNAME", "AKTO_KAFKA_USERNAME"}})
	s.Secret(&f.password, "kafka-password", "SASL password", flagenv.Opt{Fallback: []string{"KAFKA_PASSWORD", "AKTO_KAFKA_PASSWORD"}})
	s.String(&f.cfg.Mechanism, "kafka-sasl", "", "SASL mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; PLAIN where there is a user", flagenv.Opt{Fallback: []string{"AKTO_KAFKA_SASL_MECHANISM"}})
	s.Bool(&f.cfg.TLS, "kafka-tls", false, "TLS to the brokers", flagenv.Opt{Fallback: []string{"USE_TLS"}})
	s.String(&f.cfg.TLSCA, "kafka-tls-ca", "", "PEM file of the brokers' CA", flagenv.Opt{Value: "FILE", Fallback: []string{"TLS_CA_CERT_PATH"}})
	s.Bool(&f.cfg.TLSInsecure, "kafka-tls-insecure", false, "accept any certificate of a broker", flagenv.Opt{Fallback: []string{"INSECURE_SKIP_VERIFY"}, Rare: true})
	s.String(&f.cfg.Compression, "kafka-compression", "lz4", "none, gzip, snappy, lz4 or zstd", flagenv.Opt{Rare: true})
}

// Config is the Kafka configuration of a kafka:// URL.
func (f *KafkaFlags) Config(flag, raw string, d Deps) (kafka.Config, error) {
	base := f.cfg
	base.Password = kafka.Secret(f.password)
	base.RecordMax = f.RecordMax
	if f.Format == "akto" {
		base.Form = ingest.FormAkto
	}
	base.Log, base.Registerer = d.Log, d.Registry
	c, err := kafka.ParseURL(raw, base)
	if err != nil {
		return c, Bad(flag, raw, "kafka://host:port/topic", err)
	}
	return c, nil
}
