package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"harken/ingest"
)

const (
	fetchBytes    = 4 << 20  // what one fetch may bring
	fetchBytesMax = 64 << 20 // for a batch that is larger than that
	fetchWait     = 500 * time.Millisecond
	watchEvery    = 2 * time.Second
)

// A Source reads a topic, and the topic har_<topic> beside it, as a member of a
// consumer group. A batch is what one fetch of one partition brought. Offsets
// are committed by Ack only. A record without the header harken-origin has as
// origin the cluster, topic and partition, and its offset plus one.
type Source struct {
	cfg     Config
	tr      *kafka.Transport
	client  *kafka.Client
	group   *kafka.ConsumerGroup
	cluster string
	batches chan *batch
	given   *batch // what the last Next returned
	free    sync.Pool
	dropped *prometheus.CounterVec

	mu   sync.Mutex
	down bool
}

// A batch owns the bytes of its records until it is given back.
type batch struct {
	ingest.Batch
	recs []ingest.Record
	buf  []byte
}

// NewSource returns a Source. It connects in Run.
func NewSource(cfg Config) (*Source, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	tr, err := cfg.transport()
	if err != nil {
		return nil, err
	}
	dropped, err := ingest.DroppedCounter(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: cfg.Group, Brokers: cfg.Brokers, Topics: []string{cfg.Topic, "har_" + cfg.Topic},
		Dialer:      &kafka.Dialer{ClientID: "harken", Timeout: 10 * time.Second, DualStack: true, TLS: tr.TLS, SASLMechanism: tr.SASL},
		StartOffset: kafka.FirstOffset,
	})
	if err != nil {
		return nil, fmt.Errorf("consumer group: %w", err)
	}
	return &Source{cfg: cfg, tr: tr, client: cfg.client(tr), group: group, batches: make(chan *batch, 2), dropped: dropped}, nil
}

// Run keeps the membership of the group and fetches until ctx is done. Next
// gives batches only while Run runs.
func (s *Source) Run(ctx context.Context) error {
	defer s.tr.CloseIdleConnections()
	stop := context.AfterFunc(ctx, func() { _ = s.group.Close() })
	defer stop()
	if err := s.identify(ctx); err != nil {
		return err
	}
	for wait := backoffMin; ; wait = min(2*wait, backoffMax) {
		before, _ := s.partitionCounts(ctx)
		gen, err := s.group.Next(ctx)
		if ctx.Err() != nil || errors.Is(err, kafka.ErrGroupClosed) {
			return nil
		}
		if err != nil {
			s.say(err)
			if sleep(ctx, wait) != nil {
				return nil
			}
			continue
		}
		wait = backoffMin
		s.say(nil)
		gen.Start(func(ctx context.Context) { s.watch(ctx, before) })
		for topic, parts := range gen.Assignments {
			for _, p := range parts {
				gen.Start(func(ctx context.Context) { s.consume(ctx, gen, topic, p.ID, p.Offset) })
			}
		}
	}
}

// watch returns, and thereby ends the generation, when a topic got partitions or
// came into being: the group's own watcher does not look at topics that did not
// exist when it was joined.
func (s *Source) watch(ctx context.Context, before map[string]int) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, err := s.partitionCounts(ctx)
		if err == nil && !maps.Equal(before, now) {
			return
		}
	}
}

// partitionCounts is the number of partitions of each topic that exists.
func (s *Source) partitionCounts(ctx context.Context) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	res, err := s.client.Metadata(ctx, &kafka.MetadataRequest{Topics: s.topics()})
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for _, t := range res.Topics {
		if n := len(t.Partitions); t.Error == nil && n > 0 {
			counts[t.Name] = n
		}
	}
	return counts, nil
}

func (s *Source) topics() []string { return []string{s.cfg.Topic, "har_" + s.cfg.Topic} }

// identify asks for the cluster's id: the offsets of a topic of the same name in
// another cluster are other origins.
func (s *Source) identify(ctx context.Context) error {
	for wait := backoffMin; ; wait = min(2*wait, backoffMax) {
		reqCtx, cancel := context.WithTimeout(ctx, 10*time.Second)
		res, err := s.client.Metadata(reqCtx, &kafka.MetadataRequest{Topics: []string{s.cfg.Topic}})
		cancel()
		if err == nil {
			s.cluster = res.ClusterID
			return nil
		}
		if ctx.Err() != nil {
			return nil
		}
		s.say(err)
		if sleep(ctx, wait) != nil {
			return nil
		}
	}
}

// Next returns the next batch.
func (s *Source) Next(ctx context.Context) (ingest.Batch, error) {
	if s.given != nil {
		s.free.Put(s.given)
		s.given = nil
	}
	select {
	case <-ctx.Done():
		return ingest.Batch{}, ctx.Err()
	case s.given = <-s.batches:
		return s.given.Batch, nil
	}
}

// consume fetches one partition until its generation ends.
func (s *Source) consume(ctx context.Context, gen *kafka.Generation, topic string, p int, offset int64) {
	size := int64(fetchBytes)
	for wait := backoffMin; ctx.Err() == nil; {
		res, err := s.client.Fetch(ctx, &kafka.FetchRequest{Topic: topic, Partition: p, Offset: offset, MinBytes: 1, MaxBytes: size, MaxWait: fetchWait})
		if err == nil {
			err = res.Error
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, kafka.OffsetOutOfRange):
			offset = s.outOfRange(ctx, topic, p, offset)
			continue
		case err != nil:
			s.say(err)
			if sleep(ctx, wait) != nil {
				return
			}
			wait = min(2*wait, backoffMax)
			continue
		}
		wait = backoffMin
		s.say(nil)
		b, next, err := s.read(res, topic, p, offset)
		if err != nil {
			s.cfg.Log.Warn("a fetched batch cannot be read", "topic", topic, "partition", p, "offset", next, "err", err)
		}
		if next == offset {
			if offset, size = s.stuck(res, topic, p, offset, size, err); err != nil && sleep(ctx, wait) != nil {
				return
			}
			continue
		}
		offset, size = next, fetchBytes
		if len(b.Records) == 0 {
			s.free.Put(b)
			continue
		}
		b.Ack = func(context.Context) error { return s.commit(gen, topic, p, next) }
		select {
		case s.batches <- b:
		case <-ctx.Done():
			return
		}
	}
}

// read turns a fetch into a batch. next is the offset to go on from: beyond what
// was read, also where a record could not be used.
func (s *Source) read(res *kafka.FetchResponse, topic string, p int, offset int64) (b *batch, next int64, err error) {
	b, ok := s.free.Get().(*batch)
	if !ok {
		b = &batch{}
	}
	b.Partition = topic + "/" + strconv.Itoa(p)
	b.recs, b.buf, b.Records = b.recs[:0], b.buf[:0], b.Records[:0]
	next = offset
	var spans [][2]int
	for {
		r, err := res.Records.ReadRecord()
		if err != nil {
			if !isEOF(err) {
				return b, next, err
			}
			break
		}
		if r.Offset < offset || r.Value == nil { // the batch began before what was asked; or a tombstone
			closeRecord(r)
			next = max(next, r.Offset+1)
			continue
		}
		start := len(b.buf)
		b.buf, err = appendBytes(b.buf, r.Value)
		origin := originOf(r.Headers)
		closeRecord(r)
		if err != nil {
			return b, next, err
		}
		next = r.Offset + 1
		if origin.IsZero() {
			origin = ingest.Origin{Log: "kafka:" + s.cluster + "/" + b.Partition, Seq: r.Offset + 1}
		}
		b.recs = append(b.recs, ingest.Record{Origin: origin})
		spans = append(spans, [2]int{start, len(b.buf)})
	}
	s.parse(b, spans, next)
	return b, next, nil
}

// parse fills the headers of the batch's records from their values. Values that
// are no records are counted and left out.
func (s *Source) parse(b *batch, spans [][2]int, next int64) {
	for i, span := range spans {
		r := &b.recs[i]
		origin := r.Origin
		err := r.Parse(b.buf[span[0]:span[1]:span[1]])
		r.Origin = origin
		switch {
		case err == nil:
			b.Records = append(b.Records, r)
		case errors.Is(err, ingest.ErrProbe):
		case errors.Is(err, ingest.ErrControl):
			s.dropped.WithLabelValues("control-message").Inc()
		default:
			s.dropped.WithLabelValues("unreadable").Inc()
			s.cfg.Log.Debug("a value is not a record", "partition", b.Partition, "before_offset", next, "err", err)
		}
	}
}

// stuck decides what to do when a fetch brought nothing new. An empty partition
// is waited for; a batch larger than the fetch is asked for again with more room;
// what still cannot be read is stepped over and counted.
func (s *Source) stuck(res *kafka.FetchResponse, topic string, p int, offset, size int64, err error) (int64, int64) {
	if err == nil && res.HighWatermark <= offset {
		return offset, size
	}
	if size < fetchBytesMax {
		return offset, size * 2
	}
	s.dropped.WithLabelValues("unreadable").Inc()
	s.cfg.Log.Error("a record on kafka cannot be read and is passed over", "topic", topic, "partition", p, "offset", offset)
	return offset + 1, fetchBytes
}

// outOfRange goes to what the partition still holds and says what retention took.
func (s *Source) outOfRange(ctx context.Context, topic string, p int, offset int64) int64 {
	res, err := s.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {kafka.FirstOffsetOf(p)}}})
	if err != nil || len(res.Topics[topic]) == 0 || res.Topics[topic][0].Error != nil {
		_ = sleep(ctx, backoffMin)
		return offset
	}
	first := res.Topics[topic][0].FirstOffset
	if lost := first - offset; lost > 0 {
		s.dropped.WithLabelValues("kafka-retention").Add(float64(lost))
		s.cfg.Log.Warn("kafka deleted records before they were read", "topic", topic, "partition", p, "records", lost)
	}
	return first
}

// commit acknowledges everything before next. After a rebalance the generation
// is over; what its batches taught is stored with their marks, so whoever reads
// them again skips them.
func (s *Source) commit(gen *kafka.Generation, topic string, p int, next int64) error {
	err := gen.CommitOffsets(map[string]map[int]int64{topic: {p: next}})
	if err != nil {
		s.cfg.Log.Debug("offset not committed", "topic", topic, "partition", p, "offset", next, "err", err)
	}
	return nil //nolint:nilerr // a lost commit costs a second reading, which the marks make harmless
}

// say logs when Kafka goes away and when it is back.
func (s *Source) say(err error) {
	s.mu.Lock()
	changed := s.down != (err != nil)
	s.down = err != nil
	s.mu.Unlock()
	switch {
	case !changed:
	case err != nil:
		s.cfg.Log.Warn("kafka gives no records", "brokers", strings.Join(s.cfg.Brokers, ","), "topic", s.cfg.Topic, "err", err)
	default:
		s.cfg.Log.Info("kafka gives records", "topic", s.cfg.Topic, "group", s.cfg.Group)
	}
}

var _ ingest.Source = (*Source)(nil)
