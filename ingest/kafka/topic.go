package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
)

// metadataWait is how long one question about the topic may take.
const metadataWait = 10 * time.Second

// partitions returns the topic's partitions. They are asked for again after
// partitionsTTL, so that added ones are used; it tries until ctx is done.
func (s *Sink) partitions(ctx context.Context) ([]int, error) {
	s.mu.Lock()
	parts, fresh := s.parts, time.Since(s.fetched) < partitionsTTL
	s.mu.Unlock()
	if parts != nil && fresh {
		return parts, nil
	}
	for wait := backoffMin; ; wait = min(2*wait, backoffMax) {
		got, err := s.metadata(ctx)
		if err == nil {
			s.mu.Lock()
			s.parts, s.fetched = got, time.Now()
			s.mu.Unlock()
			s.say("metadata", nil)
			return got, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if parts != nil { // the topic is known; the broker is away, and producing will wait for it
			return parts, nil
		}
		s.say("metadata", err)
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// metadata returns the ids of the topic's partitions. A topic that does not exist
// is created, and there the next call.
func (s *Sink) metadata(ctx context.Context) ([]int, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataWait)
	defer cancel()
	res, err := s.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{s.cfg.Topic}})
	if err != nil {
		return nil, err
	}
	for _, t := range res.Topics {
		if t.Name != s.cfg.Topic {
			continue
		}
		if errors.Is(t.Error, kafka.UnknownTopicOrPartition) {
			return nil, errors.Join(t.Error, s.create(ctx))
		}
		if t.Error != nil {
			return nil, t.Error
		}
		var ids []int
		for _, p := range t.Partitions {
			ids = append(ids, p.ID)
		}
		slices.Sort(ids)
		if len(ids) > 0 {
			return ids, nil
		}
	}
	return nil, fmt.Errorf("topic %s has no partitions yet", s.cfg.Topic)
}

// create asks for the topic, because not every broker makes topics by itself: with
// the broker's defaults, or as many partitions as it had before it was deleted.
func (s *Sink) create(ctx context.Context) error {
	s.mu.Lock()
	n := len(s.parts)
	s.mu.Unlock()
	if n == 0 {
		n = -1
	}
	res, err := s.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: s.cfg.Topic, NumPartitions: n, ReplicationFactor: -1}}})
	if err != nil {
		return err
	}
	if err := res.Errors[s.cfg.Topic]; err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
		return err
	}
	return nil
}

// forget makes the next Put look at the metadata again.
func (s *Sink) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetched = time.Time{}
}
