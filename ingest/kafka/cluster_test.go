package kafka

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"harken/ingest"
)

const (
	testTopic = "akto.api.logs"
	testWait  = 60 * time.Second // until a test gives up; nothing waits that long when it works
)

// newCluster returns a broker of which the test is the only user.
func newCluster(tb testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	tb.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.ClusterID("c1")}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

func testContext(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testWait)
	tb.Cleanup(cancel)
	return ctx
}

func newSink(tb testing.TB, cfg Config) *Sink {
	tb.Helper()
	s, err := NewSink(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// runSource starts a Source; it is stopped, and waited for, by stop or at the end of
// the test.
func runSource(tb testing.TB, cfg Config, change ...func(*Source)) (s *Source, stop func()) {
	tb.Helper()
	s, err := NewSource(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	s.watchEvery = 20 * time.Millisecond
	for _, f := range change {
		f(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				tb.Errorf("Run = %v", err)
			}
		case <-time.After(testWait):
			tb.Error("Run did not end")
		}
	})
	tb.Cleanup(stop)
	return s, stop
}

// records makes n records of one log, from sequence first on, of hosts in turn.
func records(tb testing.TB, log string, first, n int, hosts ...string) []*ingest.Record {
	tb.Helper()
	recs := make([]*ingest.Record, n)
	for i := range recs {
		recs[i] = record(tb, hosts[i%len(hosts)], "", "")
		recs[i].Origin = ingest.Origin{Log: log, Seq: int64(first + i)}
	}
	return recs
}

func record(tb testing.TB, host, request, response string) *ingest.Record {
	tb.Helper()
	post := ""
	if request != "" {
		post = fmt.Sprintf(`,"postData":{"mimeType":"text/plain","text":%q}`, request)
	}
	r, err := ingest.ParseRecord(fmt.Appendf(nil, `{"startedDateTime":"2026-01-02T03:04:05Z","time":1,"request":{"method":"GET","url":"http://%s/a","httpVersion":"HTTP/1.1","cookies":[],"headers":[],"queryString":[]%s,"headersSize":-1,"bodySize":0},"response":{"status":200,"statusText":"OK","httpVersion":"HTTP/1.1","cookies":[],"headers":[],"content":{"size":%d,"mimeType":"text/plain","text":%q},"redirectURL":"","headersSize":-1,"bodySize":0},"cache":{},"timings":{"send":0,"wait":1,"receive":0},"_harken":{"id":"01890a5d-ac96-774b-bcce-b302099a8057","source":"MIRRORING","account":"1000000","direction":"1"}}`,
		host, post, len(response), response))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// A taker applies batches as a store does: by marks, so that repeats are counted
// once.
type taker struct {
	marks   map[string]int64 // of partition and log
	got     map[ingest.Origin]int
	repeats int
	recs    []ingest.Record // copies of what was new
}

func newTaker() *taker {
	return &taker{marks: map[string]int64{}, got: map[ingest.Origin]int{}}
}

func (k *taker) apply(b ingest.Batch) {
	for _, r := range b.Records {
		key := b.Partition + " " + r.Origin.Log
		if r.Origin.Seq <= k.marks[key] {
			k.repeats++
			continue
		}
		k.marks[key] = r.Origin.Seq
		k.got[r.Origin]++
		c := *r
		c.Data = bytes.Clone(r.Data)
		k.recs = append(k.recs, c)
	}
}

// take applies and acknowledges batches until n records are there.
func (k *taker) take(ctx context.Context, tb testing.TB, s *Source, n int) {
	tb.Helper()
	for len(k.recs) < n {
		b, err := s.Next(ctx)
		if err != nil {
			tb.Fatalf("Next = %v with %d of %d records", err, len(k.recs), n)
		}
		k.apply(b)
		if err := b.Ack(ctx); err != nil {
			tb.Fatal("Ack:", err)
		}
	}
}

// once reports records that are missing or came twice.
func (k *taker) once(tb testing.TB, want []*ingest.Record) {
	tb.Helper()
	if len(k.got) != len(want) {
		tb.Errorf("%d records, want %d", len(k.got), len(want))
	}
	for _, r := range want {
		if n := k.got[r.Origin]; n != 1 {
			tb.Errorf("record %v counted %d times", r.Origin, n)
		}
	}
}

// A stored record is what another consumer of the topic sees.
type stored struct {
	part    int
	offset  int64
	key     string
	value   string
	headers map[string]string
}

// topicRecords reads what a partition holds.
func topicRecords(tb testing.TB, c *kfake.Cluster, topic string, part int) []stored {
	tb.Helper()
	ctx := testContext(tb)
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	cl := &kafka.Client{Addr: kafka.TCP(c.ListenAddrs()...), Transport: tr}
	var all []stored
	end := c.PartitionInfo(topic, int32(part)).HighWatermark
	for off := c.PartitionInfo(topic, int32(part)).LogStartOffset; off < end; {
		res, err := cl.Fetch(ctx, &kafka.FetchRequest{Topic: topic, Partition: part, Offset: off, MinBytes: 1, MaxBytes: 1 << 26})
		if err != nil || res.Error != nil {
			tb.Fatal("fetch:", err, res)
		}
		for {
			r, err := res.Records.ReadRecord()
			if err != nil {
				break
			}
			s := stored{part: part, offset: r.Offset, headers: map[string]string{}}
			if r.Key != nil {
				b, _ := io.ReadAll(r.Key)
				s.key = string(b)
			}
			if r.Value != nil {
				b, _ := io.ReadAll(r.Value)
				s.value = string(b)
			}
			for _, h := range r.Headers {
				s.headers[h.Key] = string(h.Value)
			}
			if r.Offset >= off {
				all = append(all, s)
				off = r.Offset + 1
			}
		}
	}
	return all
}

// put writes raw values as some other producer does, one batch each.
func put(tb testing.TB, c *kfake.Cluster, topic string, part int, values ...string) {
	tb.Helper()
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	cl := &kafka.Client{Addr: kafka.TCP(c.ListenAddrs()...), Transport: tr}
	for _, v := range values {
		r := kafka.Record{Value: kafka.NewBytes([]byte(v))}
		if v == "<null>" {
			r.Value = nil
		}
		res, err := cl.Produce(testContext(tb), &kafka.ProduceRequest{Topic: topic, Partition: part, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(r)})
		if err != nil || res.Error != nil {
			tb.Fatal("produce:", err, res)
		}
	}
}

// A logBuffer is a log that is read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// eventually waits until f holds.
func eventually(tb testing.TB, what string, f func() bool) {
	tb.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(testWait); ; {
		if f() {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			tb.Fatalf("never: %s", what)
		}
	}
}

func dropped(tb testing.TB, reg *prometheus.Registry, reason string) int {
	tb.Helper()
	c, err := ingest.DroppedCounter(reg)
	if err != nil {
		tb.Fatal(err)
	}
	return int(testutil.ToFloat64(c.WithLabelValues(reason)))
}

func addPartitions(tb testing.TB, c *kfake.Cluster, topic string, n int) {
	tb.Helper()
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	cl := &kafka.Client{Addr: kafka.TCP(c.ListenAddrs()...), Transport: tr}
	res, err := cl.CreatePartitions(testContext(tb), &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: int32(n)}}})
	if err != nil || res.Errors[topic] != nil {
		tb.Fatal("add partitions:", err, res)
	}
}
