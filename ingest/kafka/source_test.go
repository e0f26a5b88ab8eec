package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"harken/ingest"
)

func TestRoundTrip(t *testing.T) {
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		for _, form := range []ingest.Form{ingest.FormHAR, ingest.FormAkto} {
			t.Run(codec+"/"+form.String(), func(t *testing.T) {
				c := newCluster(t, kfake.SeedTopics(3, testTopic))
				cfg := Config{Brokers: c.ListenAddrs(), Form: form, Compression: codec}
				want := records(t, "log1", 1, 100, hosts...)
				if err := newSink(t, cfg).Put(testContext(t), want...); err != nil {
					t.Fatal(err)
				}
				s, _ := runSource(t, cfg)
				k := newTaker()
				k.take(testContext(t), t, s, len(want))
				k.once(t, want)
				for _, r := range k.recs {
					w := want[r.Origin.Seq-1]
					if r.Form != form || r.Host != w.Host || r.Account != w.Account || r.Source != w.Source || !r.Time.Equal(w.Time) {
						t.Errorf("got %+v, want %+v", r, w)
					}
					if form == ingest.FormHAR && string(r.Data) != string(w.Data) {
						t.Errorf("data %s, want %s", r.Data, w.Data)
					}
				}
			})
		}
	}
}

// A repeat keeps its origin, so that marks skip it.
func TestRepeatsAreCountedOnce(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(2, testTopic))
	for range 5 {
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: testTopic, Err: kerr.RequestTimedOut, Count: 2})
	}
	cfg := Config{Brokers: c.ListenAddrs()}
	sink := newSink(t, cfg)
	want := records(t, "log1", 1, 100, hosts...)
	for i := 0; i < 100; i += 20 {
		if err := sink.Put(testContext(t), want[i:i+20]...); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := runSource(t, cfg)
	k := newTaker()
	k.take(testContext(t), t, s, len(want))
	k.once(t, want)
}

func TestSourceReadsWhatIsNoRecord(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, testTopic))
	good := string(record(t, "a", "", "").Data)
	put(t, c, testTopic, 0, good, `{"testConnectionString":"kafkaInit"}`, `{"group_name":"g","vxlanId":7}`, "ping", "", "<null>", good, "[]")
	reg := prometheus.NewRegistry()
	s, _ := runSource(t, Config{Brokers: c.ListenAddrs(), Registerer: reg})
	ctx := testContext(t)
	k := newTaker()
	k.take(ctx, t, s, 2)
	var got []ingest.Origin
	for _, r := range k.recs {
		got = append(got, r.Origin)
	}
	if d := cmp.Diff([]ingest.Origin{{Log: "kafka:c1/" + testTopic + "/0", Seq: 1}, {Log: "kafka:c1/" + testTopic + "/0", Seq: 7}}, got); d != "" {
		t.Errorf("origins (-want +got)\n%s", d)
	}
	eventually(t, "all are counted", func() bool { return dropped(t, reg, "unreadable") == 4 })
	if n := dropped(t, reg, "control-message"); n != 1 {
		t.Errorf("%d control messages, want 1", n)
	}
	put(t, c, testTopic, 0, "ping")
	eventually(t, "values without records are committed", func() bool { return committed(c, testTopic, 0) == 9 })
}

func committed(c *kfake.Cluster, topic string, part int32) int64 {
	g := c.GroupInfo(DefaultGroup)
	if g == nil {
		return -1
	}
	if o, ok := g.Commits[topic][part]; ok {
		return o.Offset
	}
	return -1
}

// A partition that was empty when it was first read loses nothing.
func TestSourceWaitsAtAnEmptyPartition(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, testTopic))
	reg := prometheus.NewRegistry()
	s, _ := runSource(t, Config{Brokers: c.ListenAddrs(), Registerer: reg}, func(s *Source) { s.fetchBytesMax = s.fetchBytes })
	fetched := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: testTopic, Observe: true, Count: -1})
	eventually(t, "three empty fetches", func() bool { return fetched.Hits() >= 3 })
	want := records(t, "log1", 1, 10, "a")
	if err := newSink(t, Config{Brokers: c.ListenAddrs()}).Put(testContext(t), want...); err != nil {
		t.Fatal(err)
	}
	k := newTaker()
	k.take(testContext(t), t, s, len(want))
	k.once(t, want)
	if n := dropped(t, reg, "unreadable"); n != 0 {
		t.Errorf("%d dropped", n)
	}
}

func TestSourceNoticesTopicsAndPartitions(t *testing.T) {
	c := newCluster(t, kfake.DefaultNumPartitions(1))
	cfg := Config{Brokers: c.ListenAddrs()}
	s, _ := runSource(t, cfg)
	ctx := testContext(t)
	k := newTaker()
	sink := newSink(t, cfg)
	want := records(t, "log1", 1, 30, hosts...)
	if err := sink.Put(ctx, want[:10]...); err != nil { // makes the topic
		t.Fatal(err)
	}
	k.take(ctx, t, s, 10)
	if err := c.CreateTopic("har_"+testTopic, 1, nil); err != nil {
		t.Fatal(err)
	}
	put(t, c, "har_"+testTopic, 0, string(record(t, "a", "", "").Data))
	k.take(ctx, t, s, 11)
	addPartitions(t, c, testTopic, 3)
	put(t, c, testTopic, 2, string(record(t, "a", "", "").Data))
	k.take(ctx, t, s, 12)
	if k.got[ingest.Origin{Log: "kafka:c1/har_" + testTopic + "/0", Seq: 1}] != 1 || k.got[ingest.Origin{Log: "kafka:c1/" + testTopic + "/2", Seq: 1}] != 1 {
		t.Errorf("got %v", k.got)
	}
}

// Two members of one group share the partitions, hand them over, and lose nothing.
func TestRebalance(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(4, testTopic))
	cfg := Config{Brokers: c.ListenAddrs()}
	sink := newSink(t, cfg)
	want := records(t, "log1", 1, 400, hosts...)
	ctx := testContext(t)
	write := func(from, to int) {
		for i := from; i < to; i += 20 {
			if err := sink.Put(ctx, want[i:i+20]...); err != nil {
				t.Error(err)
			}
		}
	}
	k := newTaker() // one store of marks, as of one database
	write(0, 100)
	s1, stop1 := runSource(t, cfg)
	k.take(ctx, t, s1, 50)
	acked := map[string]int64{}
	for p := range int32(4) {
		acked[fmt.Sprint(testTopic, "/", p)] = committed(c, testTopic, p)
	}
	s2, _ := runSource(t, cfg)
	// The first is asked to let go only at its next heartbeat, so both are drained.
	merged := make(chan ingest.Batch)
	next := make(chan struct{})
	for _, s := range []*Source{s1, s2} {
		go func() {
			for {
				b, err := s.Next(ctx)
				if err != nil {
					return
				}
				select {
				case merged <- b:
				case <-ctx.Done():
					return
				}
				select {
				case <-next:
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	drain := func(n int) {
		for len(k.recs) < n {
			select {
			case b := <-merged:
				k.apply(b)
				if err := b.Ack(ctx); err != nil {
					t.Fatal(err)
				}
				next <- struct{}{}
			case <-ctx.Done():
				t.Fatalf("%d of %d records", len(k.recs), n)
			}
		}
	}
	write(100, 200)
	drain(200)
	if _, err := c.WaitGroupStable(ctx, DefaultGroup, 2); err != nil {
		t.Fatal(err)
	}
	write(200, 300)
	drain(300)
	stop1()
	write(300, 400)
	drain(400)
	k.once(t, want)
	for p := range int32(4) {
		if was, is := acked[fmt.Sprint(testTopic, "/", p)], committed(c, testTopic, p); is < was {
			t.Errorf("partition %d: the commit went from %d to %d", p, was, is)
		}
	}
}

func TestAckNeverGoesBack(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, testTopic))
	good := string(record(t, "a", "", "").Data)
	s, _ := runSource(t, Config{Brokers: c.ListenAddrs()})
	ctx := testContext(t)
	var acks []func(context.Context) error
	for range 3 {
		put(t, c, testTopic, 0, good)
		b, err := s.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		acks = append(acks, b.Ack)
	}
	for i, want := range map[int]int64{1: 2} {
		if err := acks[i](ctx); err != nil || committed(c, testTopic, 0) != want {
			t.Fatalf("Ack %d = %v, committed %d", i, err, committed(c, testTopic, 0))
		}
	}
	if err := acks[0](ctx); err != nil || committed(c, testTopic, 0) != 2 {
		t.Errorf("an old Ack = %v, committed %d", err, committed(c, testTopic, 0))
	}
	if err := acks[2](ctx); err != nil || committed(c, testTopic, 0) != 3 {
		t.Errorf("the last Ack = %v, committed %d", err, committed(c, testTopic, 0))
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := acks[2](done); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Ack = %v", err)
	}
}

// What was acknowledged is not given again, what was not is.
func TestSourceGoesOnFromItsAcks(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, testTopic))
	good := string(record(t, "a", "", "").Data)
	put(t, c, testTopic, 0, good)
	cfg := Config{Brokers: c.ListenAddrs()}
	s, stop := runSource(t, cfg)
	ctx := testContext(t)
	b, err := s.Next(ctx)
	if err != nil || len(b.Records) != 1 {
		t.Fatal(err, b)
	}
	if err := b.Ack(ctx); err != nil {
		t.Fatal(err)
	}
	put(t, c, testTopic, 0, good)
	unacked, err := s.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if err := unacked.Ack(ctx); err != nil { // too late, and harmless
		t.Errorf("a late Ack = %v", err)
	}
	s, _ = runSource(t, cfg)
	if b, err = s.Next(ctx); err != nil || b.Records[0].Origin.Seq != 2 {
		t.Errorf("Next = %v, %v, want the second record", b.Records, err)
	}
}

func TestSourceOffsetOutOfRange(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, testTopic))
	good := string(record(t, "a", "", "").Data)
	put(t, c, testTopic, 0, good, good)
	reg := prometheus.NewRegistry()
	cfg := Config{Brokers: c.ListenAddrs(), Registerer: reg}
	s, stop := runSource(t, cfg)
	k := newTaker()
	k.take(testContext(t), t, s, 2)
	stop()
	put(t, c, testTopic, 0, good, good, good, good)
	if err := c.DeleteRecords(testTopic, 0, 5); err != nil {
		t.Fatal(err)
	}
	s, _ = runSource(t, cfg)
	b, err := s.Next(testContext(t))
	if err != nil || b.Records[0].Origin.Seq != 6 {
		t.Errorf("Next = %v, %v, want offset 5", b.Records, err)
	}
	if n := dropped(t, reg, "kafka-retention"); n != 3 {
		t.Errorf("%d records counted as deleted, want 3", n)
	}
}

// A topic that was made anew is read from its start, and old acks commit nothing.
func TestSourceTopicMadeAnew(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, testTopic))
	good := string(record(t, "a", "", "").Data)
	put(t, c, testTopic, 0, good, good, good)
	var log logBuffer
	s, _ := runSource(t, Config{Brokers: c.ListenAddrs(), Log: log.logger()})
	ctx := testContext(t)
	k := newTaker()
	var old ingest.Batch
	for n := 0; n < 3; {
		b, err := s.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		n, old = n+len(b.Records), b
	}
	if err := errors.Join(c.DeleteTopic(testTopic), c.CreateTopic(testTopic, 1, nil)); err != nil {
		t.Fatal(err)
	}
	put(t, c, testTopic, 0, good)
	b, err := s.Next(ctx)
	if err != nil || b.Records[0].Origin.Seq != 1 {
		t.Fatalf("Next = %v, %v, want offset 0", b.Records, err)
	}
	if err := old.Ack(ctx); err != nil || committed(c, testTopic, 0) > 1 {
		t.Errorf("the old Ack = %v, committed %d", err, committed(c, testTopic, 0))
	}
	k.apply(b)
	if err := b.Ack(ctx); err != nil || committed(c, testTopic, 0) != 1 {
		t.Errorf("Ack = %v, committed %d", err, committed(c, testTopic, 0))
	}
	if !strings.Contains(log.String(), "as if the topic were new") {
		t.Error("not a word about the new topic")
	}
}

func TestSourceHugeRecord(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, testTopic), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "20000000"}))
	cfg := Config{Brokers: c.ListenAddrs(), RecordMax: 16 << 20, Compression: "none"}
	want := records(t, "log1", 1, 3, "a")
	huge := record(t, "a", "", strings.Repeat("x", 6<<20))
	huge.Origin = want[1].Origin
	want[1] = huge
	if err := newSink(t, cfg).Put(testContext(t), want...); err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	cfg.Registerer = reg
	s, _ := runSource(t, cfg, func(s *Source) { s.fetchBytes = 1 << 10 })
	k := newTaker()
	k.take(testContext(t), t, s, 3)
	k.once(t, want)
	if n := dropped(t, reg, "unreadable"); n != 0 {
		t.Errorf("%d dropped", n)
	}
}

// Records stay as they are until the next Next.
func TestSourceKeepsABatchUntilNext(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(1, testTopic))
	cfg := Config{Brokers: c.ListenAddrs()}
	sink := newSink(t, cfg)
	s, _ := runSource(t, cfg)
	ctx := testContext(t)
	for i := range 20 {
		if err := sink.Put(ctx, records(t, "log1", i*10+1, 10, hosts...)...); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	for seen < 200 {
		b, err := s.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		before := make([]string, len(b.Records))
		for i, r := range b.Records {
			before[i] = fmt.Sprint(r.Origin, r.Host, string(r.Data))
		}
		runtime.Gosched()
		for i, r := range b.Records {
			if now := fmt.Sprint(r.Origin, r.Host, string(r.Data)); now != before[i] {
				t.Fatalf("record changed from %s to %s", before[i], now)
			}
		}
		seen += len(b.Records)
	}
}

func TestSourceSurvivesErrors(t *testing.T) {
	c := newCluster(t, kfake.NumBrokers(2), kfake.SeedTopics(2, testTopic))
	for _, e := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownServerError, kerr.ReplicaNotAvailable} {
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: testTopic, Err: e, Count: 2})
	}
	for _, k := range []kmsg.Key{kmsg.ListOffsets, kmsg.OffsetCommit} {
		c.Fault(kfake.Fault{Keys: []kmsg.Key{k}, Topic: testTopic, Err: kerr.NotLeaderForPartition, Count: 1})
	}
	cfg := Config{Brokers: c.ListenAddrs()}
	want := records(t, "log1", 1, 50, hosts...)
	if err := newSink(t, cfg).Put(testContext(t), want...); err != nil {
		t.Fatal(err)
	}
	s, _ := runSource(t, cfg)
	k := newTaker()
	k.take(testContext(t), t, s, 50)
	k.once(t, want)
}

func TestSourceSurvivesBrokerRestart(t *testing.T) {
	dir := t.TempDir()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, testTopic), kfake.DataDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	port := portOf(t, c)
	cfg := Config{Brokers: c.ListenAddrs()}
	sink := newSink(t, cfg)
	ctx := testContext(t)
	want := records(t, "log1", 1, 100, hosts...)
	if err := sink.Put(ctx, want[:50]...); err != nil {
		t.Fatal(err)
	}
	var log logBuffer
	cfg.Log = log.logger()
	s, _ := runSource(t, cfg)
	k := newTaker()
	k.take(ctx, t, s, 50)
	c.Close()
	eventually(t, "the source notices", func() bool { return strings.Contains(log.String(), "kafka gives no records") })
	newCluster(t, kfake.Ports(port), kfake.DataDir(dir))
	if err := sink.Put(ctx, want[50:]...); err != nil {
		t.Fatal(err)
	}
	k.take(ctx, t, s, 100)
	k.once(t, want)
	eventually(t, "the source says that it is over", func() bool { return strings.Contains(log.String(), "kafka gives records") })
}

func TestSourceCancel(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent := l.Addr().String() // takes connections and says nothing
	defer func() { _ = l.Close() }()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	c := newCluster(t, kfake.SeedTopics(1, testTopic))
	joins := newCluster(t, kfake.SeedTopics(1, testTopic), kfake.SleepOutOfOrder())
	hold := make(chan struct{})
	defer close(hold)
	joining := make(chan struct{}, 10)
	joins.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		joins.KeepControl()
		joining <- struct{}{}
		joins.SleepControl(func() { <-hold })
		return nil, nil, false
	})
	for name, a := range map[string]string{"silent": silent, "gone": gone.Addr().String(), "empty": c.ListenAddrs()[0], "joining": joins.ListenAddrs()[0]} {
		t.Run(name, func(t *testing.T) {
			s, stop := runSource(t, Config{Brokers: []string{a}})
			ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
			defer cancel()
			if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Next = %v", err)
			}
			if name == "joining" {
				<-joining
			}
			stop() // in the join it is held up until the end of the test
		})
	}
}

// Run and its readers end while nobody calls Next and more batches wait.
func TestSourceEndsWithBatchesWaiting(t *testing.T) {
	c := newCluster(t, kfake.SeedTopics(4, testTopic))
	cfg := Config{Brokers: c.ListenAddrs()}
	sink := newSink(t, cfg)
	s, stop := runSource(t, cfg)
	for i := range 10 {
		if err := sink.Put(testContext(t), records(t, "log1", i*20+1, 20, hosts...)...); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "batches wait", func() bool { return len(s.batches) == cap(s.batches) })
	stop()
	buf := make([]byte, 1<<20)
	eventually(t, "no reader is left", func() bool {
		return !strings.Contains(string(buf[:runtime.Stack(buf, true)]), "(*reader).")
	})
}

func TestNewSourceStartsNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	if _, err := NewSource(Config{Brokers: []string{"127.0.0.1:1"}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= before })
}
