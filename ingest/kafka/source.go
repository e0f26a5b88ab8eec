package kafka

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"harken/ingest"
)

const (
	fetchBytes    = 1 << 20  // what one fetch may bring, compressed
	fetchBytesMax = 64 << 20 // for a batch that is larger than that
	fetchWait     = 500 * time.Millisecond
	watchEvery    = 2 * time.Second
	leaveWait     = 2 * time.Second // for the group's coordinator, at the end
)

// A Source reads a topic, and the topic har_<topic> beside it where that exists,
// as a member of a consumer group. A batch is what one fetch of one partition
// brought. Offsets are committed by Ack only. A record without the header
// harken-origin has as origin the cluster, topic and partition, and its offset
// plus one.
type Source struct {
	cfg     Config
	tr      *kafka.Transport
	client  *kafka.Client
	batches chan *batch
	given   *batch    // what the last Next returned
	free    sync.Pool // *batch
	dropped *prometheus.CounterVec
	status  status
	cluster string // set by Run while nothing is fetched

	fetchBytes, fetchBytesMax int64
	watchEvery                time.Duration
}

// A batch owns the bytes of its records until it is given back.
type batch struct {
	ingest.Batch
	recs  []ingest.Record
	spans []span
	buf   []byte
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
	return &Source{
		cfg: cfg, tr: tr, client: cfg.client(tr), batches: make(chan *batch, 2), dropped: dropped,
		fetchBytes: fetchBytes, fetchBytesMax: fetchBytesMax, watchEvery: watchEvery,
	}, nil
}

// Run keeps the membership of the group and fetches until ctx is done; then it
// leaves the group and returns nil. Next gives batches only while Run runs. Run is
// called once.
func (s *Source) Run(ctx context.Context) error {
	defer s.tr.CloseIdleConnections()
	for wait := backoffMin; ; {
		seen, cluster, err := s.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		s.say("metadata", err)
		switch {
		case err != nil:
			_ = sleep(ctx, wait)
			wait = min(2*wait, backoffMax)
		case len(seen) == 0: // neither topic exists yet
			_ = sleep(ctx, s.watchEvery)
		default:
			wait, s.cluster = backoffMin, cluster
			s.runGroup(ctx, seen)
		}
	}
}

// look returns the number of partitions of each topic that exists, and the
// cluster's id: the offsets of a topic of the same name in another cluster are
// other origins.
func (s *Source) look(ctx context.Context) (counts map[string]int, cluster string, err error) {
	ctx, cancel := context.WithTimeout(ctx, metadataWait)
	defer cancel()
	res, err := s.client.Metadata(ctx, &kafka.MetadataRequest{Topics: s.cfg.topics()})
	if err != nil {
		return nil, "", err
	}
	counts = map[string]int{}
	for _, t := range res.Topics {
		if n := len(t.Partitions); t.Error == nil && n > 0 {
			counts[t.Name] = n
		}
	}
	return counts, res.ClusterID, nil
}

// runGroup is a member of the group until ctx is done or a topic came into being.
// Only topics that exist are subscribed to: kafka-go's group leader assigns
// nothing at all if it does not find one of them.
func (s *Source) runGroup(ctx context.Context, seen map[string]int) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var d dialer
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: s.cfg.Group, Brokers: s.cfg.Brokers, Topics: names(seen), StartOffset: kafka.FirstOffset, JoinGroupBackoff: time.Second,
		Dialer: &kafka.Dialer{ClientID: clientID, Timeout: 10 * time.Second, TLS: s.tr.TLS, SASLMechanism: s.tr.SASL, DialFunc: d.dial},
	})
	if err != nil {
		s.say("group", fmt.Errorf("consumer group: %w", err))
		_ = sleep(ctx, backoffMax)
		return
	}
	defer func() {
		// A join waits for all other members, up to half a minute. Leaving may
		// still connect, but not for long.
		cancel()
		d.cut()
		stop := time.AfterFunc(leaveWait, d.close)
		defer stop.Stop()
		_ = group.Close()
	}()
	for {
		gen, err := group.Next(ctx)
		if ctx.Err() != nil {
			return
		}
		s.say("group", err)
		if err != nil {
			_ = sleep(ctx, backoffMin)
			continue
		}
		s.status.forget()
		// The next generation comes only after all of these have returned.
		gen.Start(func(genCtx context.Context) {
			if s.watch(genCtx, seen) {
				cancel()
			}
		})
		for topic, parts := range gen.Assignments {
			for _, p := range parts {
				r := s.newReader(gen, topic, p.ID, p.Offset)
				gen.Start(r.run)
			}
		}
	}
}

func names(seen map[string]int) (topics []string) {
	for t := range maps.Keys(seen) {
		topics = append(topics, t)
	}
	return topics
}

// watch returns, and thereby ends the generation, when a topic got partitions,
// which it notes in seen, or came into being, which it reports. Topics that
// vanish are left to the readers' errors.
func (s *Source) watch(ctx context.Context, seen map[string]int) (born bool) {
	tick := time.NewTicker(s.watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		now, _, err := s.look(ctx)
		if err != nil {
			continue
		}
		grown := false
		for topic, n := range now {
			was, known := seen[topic]
			if !known {
				return true
			}
			if n > was {
				seen[topic], grown = n, true
			}
		}
		if grown {
			return false
		}
	}
}

// Next returns the next batch. What the last one held is not valid any more.
func (s *Source) Next(ctx context.Context) (ingest.Batch, error) {
	if s.given != nil {
		s.free.Put(s.given)
		s.given = nil
	}
	if ctx.Err() != nil {
		return ingest.Batch{}, ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ingest.Batch{}, ctx.Err()
	case s.given = <-s.batches:
		return s.given.Batch, nil
	}
}

// say logs when Kafka goes away and when it is back.
func (s *Source) say(what string, err error) {
	switch s.status.set(what, err) {
	case same:
	case away:
		s.cfg.Log.Warn("kafka gives no records", "brokers", strings.Join(s.cfg.Brokers, ","), "topic", s.cfg.Topic, "err", s.cfg.explain(err))
	case back:
		s.cfg.Log.Info("kafka gives records", "topic", s.cfg.Topic, "group", s.cfg.Group)
	}
}

var _ ingest.Source = (*Source)(nil)
