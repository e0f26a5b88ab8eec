package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>harken</groupId><artifactId>e2e</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.1.0</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>4.1.0</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>`

// A broker is one real Apache Kafka node in KRaft mode.
type broker struct {
	*process
	dir, plain, sasl, caFile string
	classpath                string
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	lib := cache(t, "kafka")
	if _, err := os.Stat(filepath.Join(lib, "ready")); err != nil {
		writeFile(t, lib, "pom.xml", []byte(pom))
		must(t, lib, os.Environ(), "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib")
		writeFile(t, lib, "ready", nil)
	}
	b := &broker{dir: t.TempDir(), plain: freeAddr(t), sasl: freeAddr(t), classpath: filepath.Join(lib, "lib", "*")}
	controller := freeAddr(t)
	cert, caPEM := testCA(t)
	b.caFile = writeFile(t, b.dir, "ca.pem", caPEM)
	writeFile(t, b.dir, "server.pem", pemOf(t, cert))
	props := fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[3]s
listeners=PLAINTEXT://%[1]s,SASL_SSL://%[2]s,CONTROLLER://%[3]s
advertised.listeners=PLAINTEXT://%[1]s,SASL_SSL://%[2]s
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location=%[4]s/server.pem
log.dirs=%[4]s/data
num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
`, b.plain, b.sasl, controller, b.dir)
	file := writeFile(t, b.dir, "server.properties", []byte(props))
	id := strings.TrimSpace(must(t, b.dir, cleanEnv(), "java", "-cp", b.classpath, "kafka.tools.StorageTool", "random-uuid"))
	lines := strings.Split(id, "\n")
	must(t, b.dir, cleanEnv(), "java", "-cp", b.classpath, "kafka.tools.StorageTool", "format", "-t", lines[len(lines)-1], "-c", file,
		"--add-scram", "SCRAM-SHA-512=[name=bob,password=p4ss-of-bob]")
	b.start(t)
	return b
}

func (b *broker) start(t *testing.T) {
	t.Helper()
	b.process = start(t, b.dir, "java", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", b.classpath, "kafka.Kafka", filepath.Join(b.dir, "server.properties"))
	eventually(t, func() error {
		conn, err := kafka.DialContext(t.Context(), "tcp", b.plain)
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Brokers()
		return err
	})
}

// A recorder is a running harken-proxy.
type recorder struct {
	*process
	addr, ca string
}

func startProxy(t *testing.T, env []string, args ...string) *recorder {
	t.Helper()
	dir := t.TempDir()
	r := &recorder{addr: freeAddr(t), ca: filepath.Join(dir, "ca", "ca.pem")}
	for _, e := range env {
		k, v, _ := strings.Cut(e, "=")
		t.Setenv(k, v)
	}
	r.process = start(t, dir, binaries.proxy, append([]string{"-listen", r.addr, "-ca-dir", filepath.Join(dir, "ca"), "-spool", filepath.Join(dir, "spool")}, args...)...)
	eventually(t, func() error {
		conn, err := net.Dial("tcp", r.addr)
		if err != nil {
			return fmt.Errorf("%w; %s", err, r.output())
		}
		return conn.Close()
	})
	return r
}

// numbered sends n requests with ids from first on, evenly over the time given.
func numbered(t *testing.T, r *recorder, up *upstream, first, n int, over time.Duration) {
	t.Helper()
	client := proxyClient(t, r.addr, r.ca, false)
	began := time.Now()
	for i := range n {
		wait(t.Context(), time.Until(began.Add(over*time.Duration(i)/time.Duration(n))))
		body := fmt.Sprintf(`{"n":%d,"email":"jo.lee@example.com"}`, i)
		res, err := client.Post(fmt.Sprintf("%s/numbered/%d?page=%d", up.url(i%2 == 0), first+i, i%7), "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
}

// inventory is what the control plane knows of all numbered endpoints, without
// times: "collection METHOD url" to counts and typed params.
func (c *control) inventory(t *testing.T, up *upstream) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, secure := range []bool{false, true} {
		host := up.url(secure)[strings.Index(up.url(secure), "//")+2:]
		id, ok := c.collectionOf(t, host)
		if !ok {
			continue
		}
		for k, info := range c.infos(t, id) {
			var params struct{ Data struct{ Params []apiParam } }
			c.api(t, "loadParamsOfEndpoint", obj{"apiCollectionId": id, "url": info.ID.URL, "method": info.ID.Method}, &params)
			var lines []string
			for _, p := range params.Data.Params {
				slices.Sort(p.Values.Elements)
				if p.IsHeader { // dates and ports differ between runs
					p.Values.Elements = nil
				}
				lines = append(lines, fmt.Sprintf("%+v", p))
			}
			slices.Sort(lines)
			out[fmt.Sprintf("%v %s", secure, k)] = fmt.Sprintf("%d %v\n%s", info.Count, info.ResponseCodes, strings.Join(lines, "\n"))
		}
	}
	return out
}

// waitCounted waits until the numbered endpoints have been counted n times, and
// a little longer, to see that nothing comes twice.
func waitCounted(t *testing.T, c *control, n int) {
	t.Helper()
	eventually(t, func() error {
		if got := counted(t, c); got != n {
			return fmt.Errorf("%d counted, want %d", got, n)
		}
		return nil
	})
	time.Sleep(2 * time.Second)
	if got := counted(t, c); got != n {
		t.Errorf("%d counted after a while, want %d", got, n)
	}
}

func TestKafka(t *testing.T) {
	b := newBroker(t)
	up := newUpstream(t)
	c := startControl(t, t.TempDir(), "-proxy", "", "-source", "kafka://"+b.plain+"/akto.api.logs?group=plain")
	total := 0
	t.Run("same as embedded", func(t *testing.T) {
		const n = 2000
		r := startProxy(t, nil, "-upstream-ca", up.caFile, "-sink", "kafka://"+b.plain+"/akto.api.logs")
		numbered(t, r, up, 0, n, 0)
		total += n
		waitCounted(t, c, total)
		embedded := startControl(t, t.TempDir(), "-upstream-ca", up.caFile)
		numbered(t, &recorder{process: embedded.process, addr: hostOf(embedded.Proxy), ca: embedded.CA}, up, 0, n, 0)
		waitCounted(t, embedded, n)
		want, got := embedded.inventory(t, up), c.inventory(t, up)
		if !maps.Equal(want, got) {
			t.Errorf("by Kafka:\n%v\nembedded:\n%v", got, want)
		}
	})
	t.Run("akto form", func(t *testing.T) {
		const n = 200
		r := startProxy(t, nil, "-upstream-ca", up.caFile, "-sink", "kafka://"+b.plain+"/akto.api.logs", "-record-format", "akto")
		numbered(t, r, up, 10_000, n, 0)
		total += n
		waitCounted(t, c, total)
		checkAkto(t, b, n)
	})
	restart := func() { b.start(t) } // it outlives the subtest
	t.Run("outage", func(t *testing.T) {
		const n = 4000
		r := startProxy(t, nil, "-upstream-ca", up.caFile, "-sink", "kafka://"+b.plain+"/akto.api.logs")
		done := make(chan struct{})
		go func() {
			defer close(done)
			wait(t.Context(), 3*time.Second)
			b.kill(t)
			wait(t.Context(), 30*time.Second)
			restart()
		}()
		numbered(t, r, up, 20_000, n, 36*time.Second)
		<-done
		total += n
		waitCounted(t, c, total)
	})
	t.Run("SASL_SSL with SCRAM", func(t *testing.T) {
		const n = 500
		query := "?tls-ca=" + b.caFile + "&sasl=SCRAM-SHA-512"
		sasl := []string{"KAFKA_USERNAME=bob", "KAFKA_PASSWORD=p4ss-of-bob"}
		r := startProxy(t, sasl, "-upstream-ca", up.caFile, "-sink", "kafka://"+b.sasl+"/secure"+query)
		secure := startControl(t, t.TempDir(), "-proxy", "", "-source", "kafka://"+b.sasl+"/secure"+query+"&group=secure")
		numbered(t, r, up, 30_000, n, 0)
		waitCounted(t, secure, n)
		if strings.Contains(r.output()+secure.output(), "p4ss-of-bob") {
			t.Error("the password is in the output")
		}
	})
}

var (
	digits = regexp.MustCompile(`^\d+$`)
	source = regexp.MustCompile(`^(HAR|PCAP|MIRRORING|SDK|OTHER|POSTMAN)$`)
	origin = regexp.MustCompile(`^/numbered/\d+\?page=\d$`)
)

// checkAkto reads the topic and compares the messages in Akto form with the
// published contract.
func checkAkto(t *testing.T, b *broker, want int) {
	t.Helper()
	n := 0
	for p := range 3 {
		conn, err := kafka.DialLeader(t.Context(), "tcp", b.plain, "akto.api.logs", p)
		if err != nil {
			t.Fatal(err)
		}
		last, err := conn.ReadLastOffset()
		conn.Close()
		if err != nil {
			t.Fatal(err)
		}
		r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.plain}, Topic: "akto.api.logs", Partition: p})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		for at := int64(0); at < last; {
			m, err := r.ReadMessage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			at = m.Offset + 1
			headers := map[string]string{}
			for _, h := range m.Headers {
				headers[h.Key] = string(h.Value)
			}
			if headers["harken-origin"] == "" || string(m.Key) == "" {
				t.Fatalf("message without origin or key: %v", headers)
			}
			if headers["harken-format"] == "akto" {
				n++
				checkAktoMessage(t, m)
			}
		}
		cancel()
		r.Close()
	}
	if n != want {
		t.Errorf("%d messages in Akto form, want %d", n, want)
	}
}

func checkAktoMessage(t *testing.T, m kafka.Message) {
	t.Helper()
	var f map[string]string // every scalar is a string
	if err := json.Unmarshal(m.Value, &f); err != nil {
		t.Fatalf("%v: %s", err, m.Value)
	}
	is := func(name string, ok bool) {
		if !ok {
			t.Fatalf("%s = %q in %s", name, f[name], m.Value)
		}
	}
	is("path", origin.MatchString(f["path"]))
	is("method", f["method"] == "POST")
	is("type", f["type"] == "HTTP/1.1")
	is("statusCode", f["statusCode"] == "200")
	is("status", f["status"] == "200 OK" || f["status"] == "200") // HTTP/2 has no reason phrase
	is("time", digits.MatchString(f["time"]) && len(f["time"]) == 10)
	is("akto_account_id", f["akto_account_id"] == "1000000")
	is("akto_vxlan_id", f["akto_vxlan_id"] == "0")
	is("is_pending", f["is_pending"] == "false")
	is("source", source.MatchString(f["source"]) && f["source"] == "MIRRORING")
	is("direction", f["direction"] == "1")
	is("ip", strings.HasPrefix(f["ip"], "127.0.0.1:"))
	is("destIp", strings.HasPrefix(f["destIp"], "127.0.0.1:"))
	is("requestPayload", strings.HasPrefix(f["requestPayload"], `{"n":`))
	is("responsePayload", f["responsePayload"] == f["requestPayload"])
	for _, name := range []string{"requestHeaders", "responseHeaders"} {
		var h map[string]string
		if err := json.Unmarshal([]byte(f[name]), &h); err != nil {
			t.Fatalf("%s: %v in %s", name, err, m.Value)
		}
		for k := range h {
			is(name, k == strings.ToLower(k) && !strings.HasPrefix(k, ":"))
		}
		if name == "requestHeaders" {
			is(name, h["host"] == string(m.Key))
		}
	}
}
