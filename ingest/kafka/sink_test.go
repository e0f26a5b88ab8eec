package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"harken/ingest"
)

func TestSinkWrites(t *testing.T) {
	for _, form := range []ingest.Form{ingest.FormHAR, ingest.FormAkto} {
		t.Run(form.String(), func(t *testing.T) {
			c := newCluster(t, kfake.SeedTopics(1, testTopic))
			s := newSink(t, Config{Brokers: c.ListenAddrs(), Form: form})
			recs := []*ingest.Record{record(t, "a.example:81", "", "x"), record(t, "b.example", "", "y")}
			recs[0].Origin = ingest.Origin{Log: "log1", Seq: 7}
			if err := s.Put(testContext(t), recs...); err != nil {
				t.Fatal(err)
			}
			got := topicRecords(t, c, testTopic, 0)
			if len(got) != 2 {
				t.Fatalf("%d records, want 2", len(got))
			}
			for i, want := range []map[string]string{{"harken-format": form.String(), "harken-origin": "log1/7"}, {"harken-format": form.String()}} {
				if got[i].key != recs[i].Host || fmt.Sprint(got[i].headers) != fmt.Sprint(want) {
					t.Errorf("record %d: key %q, headers %v, want %q, %v", i, got[i].key, got[i].headers, recs[i].Host, want)
				}
				r, err := ingest.ParseRecord([]byte(got[i].value))
				if err != nil || r.Form != form || r.Host != recs[i].Host {
					t.Errorf("record %d: %v, %+v", i, err, r)
				}
				if form == ingest.FormHAR && got[i].value != string(recs[i].Data) {
					t.Errorf("record %d: the bytes were changed: %s", i, got[i].value)
				}
			}
			if n := testutil.ToFloat64(s.published); n != 2 {
				t.Errorf("published %v, want 2", n)
			}
		})
	}
}

// ordered reports a partition in which a sequence that was not there before comes
// after a later one: learners would take it for a repeat and lose it.
func ordered(t *testing.T, c *kfake.Cluster, parts int, want int) (repeats int) {
	t.Helper()
	seen := map[string]bool{}
	for p := range parts {
		last := 0
		for _, r := range topicRecords(t, c, testTopic, p) {
			var seq int
			if _, err := fmt.Sscanf(r.headers[headerOrigin], "log1/%d", &seq); err != nil {
				t.Fatal(err)
			}
			switch {
			case seq > last:
				last, seen[r.headers[headerOrigin]] = seq, true
			default:
				repeats++
			}
		}
	}
	if len(seen) != want {
		t.Errorf("%d of %d records count", len(seen), want)
	}
	return repeats
}

var hosts = []string{"a", "b", "c", "d", "e", "f", "g"}

func TestSinkKeepsOrderUnderErrors(t *testing.T) {
	c := newCluster(t, kfake.NumBrokers(2), kfake.SeedTopics(3, testTopic))
	for _, e := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend, kerr.NotEnoughReplicas, kerr.CorruptMessage} {
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: testTopic, Err: e, Count: 1})
	}
	s := newSink(t, Config{Brokers: c.ListenAddrs()})
	ctx := testContext(t)
	const n = 300
	recs := records(t, "log1", 1, n, hosts...)
	for i := 0; i < n; i += 10 {
		if i == 100 {
			c.ShufflePartitionLeaders()
		}
		if err := s.Put(ctx, recs[i:i+10]...); err != nil {
			t.Fatal(err)
		}
	}
	if ordered(t, c, 3, n) == 0 {
		t.Error("no repeats, so the timeouts did not store anything")
	}
	if testutil.ToFloat64(s.retries) == 0 {
		t.Error("nothing was tried again")
	}
}

// A mute is a connection whose broker's next answer is lost with it.
type mute struct {
	net.Conn
	lose *atomic.Int32
}

func (m *mute) Write(b []byte) (int, error) {
	if n := m.lose.Load(); n > 0 && m.lose.CompareAndSwap(n, n-1) {
		_ = m.Close()
		return 0, net.ErrClosed
	}
	return m.Conn.Write(b)
}

type muteListener struct {
	net.Listener
	lose *atomic.Int32
}

func (l muteListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &mute{c, l.lose}, nil
}

func TestSinkRepeatsWhenTheAnswerIsLost(t *testing.T) {
	var lose atomic.Int32
	c := newCluster(t, kfake.SeedTopics(1, testTopic), kfake.ListenFn(func(network, addr string) (net.Listener, error) {
		l, err := net.Listen(network, addr)
		return muteListener{l, &lose}, err
	}))
	var produced atomic.Int32
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if n := produced.Add(1); n%3 == 1 && n < 20 {
			lose.Store(1)
		}
		return nil, nil, false
	})
	s := newSink(t, Config{Brokers: c.ListenAddrs()})
	recs := records(t, "log1", 1, 100, hosts...)
	for i := 0; i < len(recs); i += 10 {
		if err := s.Put(testContext(t), recs[i:i+10]...); err != nil {
			t.Fatal(err)
		}
	}
	if ordered(t, c, 1, len(recs)) == 0 {
		t.Error("no repeats, so no answer was lost")
	}
}

func TestSinkRepeatsAfterTimeout(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, testTopic), kfake.SleepOutOfOrder())
	hold := make(chan struct{})
	var first atomic.Bool
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if first.CompareAndSwap(false, true) {
			c.SleepControl(func() { <-hold })
		}
		return nil, nil, false
	})
	s := newSink(t, Config{Brokers: c.ListenAddrs()})
	s.client.Timeout = 300 * time.Millisecond
	recs := records(t, "log1", 1, 20, "a")
	if err := s.Put(testContext(t), recs[:10]...); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(testContext(t), recs[10:]...); err != nil {
		t.Fatal(err)
	}
	close(hold) // the request that was given up is stored last of all
	ordered(t, c, 1, 20)
}

func TestSinkHasOneRequestInFlight(t *testing.T) {
	const parts = 3
	c := newCluster(t, kfake.SeedTopics(parts, testTopic), kfake.SleepOutOfOrder())
	var inFlight [parts]atomic.Int32
	var most, overlap atomic.Int32
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		p := req.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Partition
		most.Store(max(most.Load(), inFlight[p].Add(1)))
		all := int32(0)
		for i := range inFlight {
			all += inFlight[i].Load()
		}
		overlap.Store(max(overlap.Load(), all))
		c.SleepControl(func() { <-time.After(3 * time.Millisecond) })
		inFlight[p].Add(-1)
		return nil, nil, false
	})
	s := newSink(t, Config{Brokers: c.ListenAddrs()})
	ctx := testContext(t)
	var wg sync.WaitGroup
	for g := range 4 {
		recs := records(t, fmt.Sprintf("log%d", g), 1, 140, hosts...)
		wg.Go(func() {
			for i := 0; i < len(recs); i += 14 {
				if err := s.Put(ctx, recs[i:i+14]...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if most.Load() != 1 {
		t.Errorf("%d requests were under way for one partition", most.Load())
	}
	if overlap.Load() < 2 {
		t.Error("requests to different partitions did not overlap")
	}
}

// Canceled calls must not leave the transport with bytes that the caller reuses.
func TestSinkCancelKeepsNothing(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(2, testTopic))
	s := newSink(t, Config{Brokers: c.ListenAddrs()})
	recs := records(t, "log1", 1, 400, hosts...)
	if err := s.Put(testContext(t), recs[0]); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*20*time.Microsecond)
		_ = s.Put(ctx, recs...)
		cancel()
		for _, r := range recs {
			data := r.Data
			r.Data = append([]byte(nil), data...)
			clear(data) // the race detector sees who still reads it
		}
	}
	for p := range 2 {
		for _, r := range topicRecords(t, c, testTopic, p) {
			if _, err := ingest.ParseRecord([]byte(r.value)); err != nil {
				t.Fatalf("a damaged record was published: %v", err)
			}
		}
	}
}

func TestSinkCancel(t *testing.T) {
	// Nothing listens there.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	for _, a := range []string{addr, silent.Addr().String()} {
		s := newSink(t, Config{Brokers: []string{a}})
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		err := s.Put(ctx, records(t, "log1", 1, 1, "a")...)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Put = %v", err)
		}
	}
}

// A Put that waits behind another one for a partition ends with its own context.
func TestSinkCancelWhileWaiting(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, testTopic))
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: testTopic, Err: kerr.NotEnoughReplicas, Count: -1})
	s := newSink(t, Config{Brokers: c.ListenAddrs()})
	ctx, cancel := context.WithCancel(testContext(t))
	done := make(chan error, 1)
	go func() { done <- s.Put(ctx, records(t, "log1", 1, 1, "a")...) }()
	eventually(t, "a retry", func() bool { return testutil.ToFloat64(s.retries) > 0 })
	short, cancelShort := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancelShort()
	if err := s.Put(short, records(t, "log2", 1, 1, "a")...); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second Put = %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the first Put = %v", err)
	}
}

func TestSinkTooLarge(t *testing.T) {
	for _, form := range []ingest.Form{ingest.FormHAR, ingest.FormAkto} {
		t.Run(form.String(), func(t *testing.T) {
			c := newCluster(t, kfake.SeedTopics(1, testTopic), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "20000"}))
			s := newSink(t, Config{Brokers: c.ListenAddrs(), Compression: "none", Form: form})
			recs := records(t, "log1", 1, 60, "a")
			large := record(t, "a", "", strings.Repeat(`"`, 50_000))
			large.Origin = recs[20].Origin
			recs[20] = large
			// Its address alone is too large, whatever is left out.
			hopeless := record(t, "a", "", "")
			hopeless.Origin = recs[40].Origin
			hopeless.Data = []byte(strings.Replace(string(hopeless.Data), `"headers":[]`, `"headers":[`+strings.TrimSuffix(strings.Repeat(`{"name":"n","value":"`+strings.Repeat("v", 1000)+`"},`, 190), ",")+`]`, 1))
			recs[40] = hopeless
			err := s.Put(testContext(t), recs...)
			rej, ok := errors.AsType[*ingest.RejectedError](err)
			if !ok || len(rej.Records) != 1 || rej.Records[0].Index != 40 || !strings.Contains(rej.Records[0].Reason, "message.max.bytes") {
				t.Fatalf("Put = %v, want record 40 rejected", err)
			}
			if ordered(t, c, 1, 59) != 0 {
				t.Error("repeats without a reason")
			}
			for _, r := range topicRecords(t, c, testTopic, 0) {
				if r.headers[headerOrigin] != "log1/21" {
					continue
				}
				got, err := ingest.ParseRecord([]byte(r.value))
				if err != nil || got.Flags&ingest.ResponseTruncated == 0 {
					t.Errorf("record 20: %v, flags %v", err, got)
				}
			}
			if n := testutil.ToFloat64(s.shrunk); n != 1 {
				t.Errorf("shrunk %v, want 1", n)
			}
		})
	}
}

// The limit is for what is written: Akto's form escapes JSON twice.
func TestSinkLimitsTheWrittenForm(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, testTopic))
	s := newSink(t, Config{Brokers: c.ListenAddrs(), Form: ingest.FormAkto, RecordMax: 12_000})
	rec := record(t, "a", "", strings.Repeat(`"\`, 2_500))
	if len(rec.Data) > 12_000 {
		t.Fatalf("the entry has %d bytes", len(rec.Data))
	}
	bad := record(t, "a", "", "")
	bad.Data = []byte(`{"request":` + strings.Repeat(" ", 13_000))
	err := s.Put(testContext(t), bad, rec)
	if rej, ok := errors.AsType[*ingest.RejectedError](err); !ok || len(rej.Records) != 1 || rej.Records[0].Index != 0 {
		t.Errorf("Put = %v, want record 0 rejected", err)
	}
	got := topicRecords(t, c, testTopic, 0)
	if len(got) != 1 || len(got[0].value) > 12_000 {
		t.Fatalf("%d records, want one of at most 12000 bytes", len(got))
	}
}

func TestSinkMakesTheTopic(t *testing.T) {
	c := newCluster(t, kfake.DefaultNumPartitions(2))
	s := newSink(t, Config{Brokers: c.ListenAddrs()})
	recs := records(t, "log1", 1, 20, hosts...)
	if err := s.Put(testContext(t), recs[:10]...); err != nil {
		t.Fatal(err)
	}
	if n := len(c.PartitionInfos(testTopic)); n != 2 {
		t.Errorf("%d partitions, want the broker's default 2", n)
	}
	if err := c.DeleteTopic(testTopic); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(testContext(t), recs[10:]...); err != nil {
		t.Fatal(err)
	}
	ordered(t, c, 2, 10)
}

func TestSinkRespreadsWhenAPartitionIsGone(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(4, testTopic))
	s := newSink(t, Config{Brokers: c.ListenAddrs()})
	recs := records(t, "log1", 1, 30, hosts...)
	if err := s.Put(testContext(t), recs...); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.DeleteTopic(testTopic), c.CreateTopic(testTopic, 1, nil)); err != nil {
		t.Fatal(err)
	}
	err := s.Put(testContext(t), recs...)
	if err == nil || !strings.Contains(err.Error(), "does not have partition") {
		t.Fatalf("Put = %v, want that a partition is gone", err)
	}
	if err := s.Put(testContext(t), recs...); err != nil {
		t.Fatal(err)
	}
}

func TestSinkSpreadsOverPartitions(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(3, testTopic))
	s := newSink(t, Config{Brokers: c.ListenAddrs()})
	recs := records(t, "log1", 1, 70, hosts...)
	if err := s.Put(testContext(t), recs...); err != nil {
		t.Fatal(err)
	}
	at, used := map[string]int{}, map[int]bool{}
	for p := range 3 {
		for _, r := range topicRecords(t, c, testTopic, p) {
			if was, ok := at[r.key]; ok && was != p {
				t.Errorf("host %s is in the partitions %d and %d", r.key, was, p)
			}
			at[r.key], used[p] = p, true
		}
	}
	if len(at) != len(hosts) || len(used) < 2 {
		t.Errorf("hosts %v", at)
	}
	if n := ordered(t, c, 3, 70); n != 0 {
		t.Errorf("%d repeats", n)
	}
}

func TestSinkSurvivesBrokerRestart(t *testing.T) {
	dir := t.TempDir()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, testTopic), kfake.DataDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	addrs, port := c.ListenAddrs(), portOf(t, c)
	var log logBuffer
	s := newSink(t, Config{Brokers: addrs, Log: log.logger()})
	recs := records(t, "log1", 1, 100, hosts...)
	if err := s.Put(testContext(t), recs[:50]...); err != nil {
		t.Fatal(err)
	}
	c.Close()
	done := make(chan error, 1)
	ctx := testContext(t)
	go func() { done <- s.Put(ctx, recs[50:]...) }()
	eventually(t, "a retry", func() bool { return testutil.ToFloat64(s.retries) > 1 })
	c = newCluster(t, kfake.Ports(port), kfake.DataDir(dir))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	ordered(t, c, 2, 100)
	if n := strings.Count(log.String(), "kafka does not take records"); n != 1 {
		t.Errorf("said %d times that Kafka is away, want once:\n%s", n, log.String())
	}
	if n := strings.Count(log.String(), "kafka takes records"); n != 1 {
		t.Errorf("said %d times that Kafka is back, want once:\n%s", n, log.String())
	}
}

func portOf(t *testing.T, c *kfake.Cluster) (port int) {
	t.Helper()
	a := c.ListenAddrs()[0]
	if _, err := fmt.Sscanf(a[strings.LastIndex(a, ":"):], ":%d", &port); err != nil {
		t.Fatal(err)
	}
	return port
}
