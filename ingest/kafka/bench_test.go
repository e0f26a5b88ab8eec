package kafka

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"harken/ingest"
)

// benchBrokers are a real broker's where HARKEN_BENCH_KAFKA=host:port names one,
// else those of an in-process one that keeps nothing.
func benchBrokers(b *testing.B) []string {
	b.Helper()
	if a := os.Getenv("HARKEN_BENCH_KAFKA"); a != "" {
		return []string{a}
	}
	return newCluster(b, kfake.BlackholeProduce(), kfake.DefaultNumPartitions(1)).ListenAddrs()
}

// benchTopic makes a topic of its own and deletes it afterwards.
func benchTopic(b *testing.B, addrs []string, parts int) string {
	b.Helper()
	topic := fmt.Sprintf("bench-%d-%d", parts, time.Now().UnixNano())
	tr := &kafka.Transport{}
	cl := &kafka.Client{Addr: kafka.TCP(addrs...), Transport: tr, Timeout: testWait}
	res, err := cl.CreateTopics(testContext(b), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: parts, ReplicationFactor: 1}}})
	if err != nil || res.Errors[topic] != nil {
		b.Fatal("create topic:", err, res)
	}
	b.Cleanup(func() {
		_, _ = cl.DeleteTopics(testContext(b), &kafka.DeleteTopicsRequest{Topics: []string{topic}})
		tr.CloseIdleConnections()
	})
	return topic
}

// benchRecords are records of about 2 KB as JSON APIs make them.
func benchRecords(b *testing.B, n int) []*ingest.Record {
	b.Helper()
	recs := make([]*ingest.Record, n)
	for i := range recs {
		var body strings.Builder
		for j := 0; body.Len() < 1200; j++ {
			fmt.Fprintf(&body, `{"id":%d,"name":"user %x","price":%d.%02d},`, i*j*7919%1000003, i*j*104729, i%991, j%100)
		}
		recs[i] = record(b, fmt.Sprintf("api%d.example.com", i%16), "", body.String())
		recs[i].Origin = ingest.Origin{Log: "0123456789abcdef0123456789abcdef", Seq: int64(i + 1)}
	}
	return recs
}

func BenchmarkSinkPut(b *testing.B) {
	addrs := benchBrokers(b)
	for _, codec := range []string{"lz4", "snappy", "zstd", "none"} {
		for _, parts := range []int{1, 3} {
			for _, n := range []int{500, 5000} {
				b.Run(fmt.Sprintf("%s/partitions=%d/batch=%d", codec, parts, n), func(b *testing.B) {
					s := newSink(b, Config{Brokers: addrs, Topic: benchTopic(b, addrs, parts), Compression: codec})
					recs := benchRecords(b, n)
					size := 0
					for _, r := range recs {
						size += len(r.Data)
					}
					ctx := testContext(b)
					if err := s.Put(ctx, recs...); err != nil {
						b.Fatal(err)
					}
					b.SetBytes(int64(size))
					b.ReportAllocs()
					for b.Loop() {
						if err := s.Put(ctx, recs...); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
				})
			}
		}
	}
}

func BenchmarkSourceNext(b *testing.B) {
	addrs := benchBrokers(b)
	if os.Getenv("HARKEN_BENCH_KAFKA") == "" {
		addrs = newCluster(b).ListenAddrs()
	}
	topic := benchTopic(b, addrs, 3)
	s := newSink(b, Config{Brokers: addrs, Topic: topic})
	recs := benchRecords(b, 5000)
	ctx := testContext(b)
	src, _ := runSource(b, Config{Brokers: addrs, Topic: topic, Group: topic})
	const rounds = 4
	size, n := 0, 0
	round := func() {
		for n < rounds*len(recs) {
			batch, err := src.Next(ctx)
			if err != nil {
				b.Fatal(err)
			}
			for _, r := range batch.Records {
				size += len(r.Data)
			}
			n += len(batch.Records)
			if err := batch.Ack(ctx); err != nil {
				b.Fatal(err)
			}
		}
		n = 0
	}
	fill := func() {
		for range rounds {
			if err := s.Put(ctx, recs...); err != nil {
				b.Fatal(err)
			}
		}
	}
	fill()
	round() // joining the group is not what is measured
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		fill()
		b.StartTimer()
		round()
	}
	b.ReportMetric(float64(rounds*len(recs))*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
