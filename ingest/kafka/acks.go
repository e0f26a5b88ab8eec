package kafka

import (
	"context"
	"math"

	"github.com/segmentio/kafka-go"
)

// acks commits the offsets of a partition, never backwards.
type acks struct {
	r     *reader
	token chan struct{} // held while done is looked at or changed, and while a commit is under way
	done  int64
}

func newAcks(r *reader, done int64) *acks {
	return &acks{r: r, token: make(chan struct{}, 1), done: done}
}

func (a *acks) take(ctx context.Context) error {
	select {
	case a.token <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ack acknowledges everything before next. After a rebalance the generation is
// over and the broker refuses the commit; what its batches taught is stored with
// their marks, so whoever reads them again skips them.
func (a *acks) ack(ctx context.Context, next int64) error {
	if err := a.take(ctx); err != nil {
		return err
	}
	defer func() { <-a.token }()
	if next <= a.done {
		return nil
	}
	if err := a.commit(ctx, next); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.r.s.cfg.Log.Debug("offset not committed", "partition", a.r.name, "offset", next, "err", err)
		return nil // a lost commit costs a second reading, which the marks make harmless
	}
	a.done = next
	return nil
}

// pass acknowledges a fetch without records if all before it is acknowledged.
func (a *acks) pass(ctx context.Context, start, next int64) error {
	if err := a.take(ctx); err != nil {
		return err
	}
	defer func() { <-a.token }()
	if a.done != start {
		return nil
	}
	if err := a.commit(ctx, next); err != nil {
		a.r.s.cfg.Log.Debug("offset not committed", "partition", a.r.name, "offset", next, "err", err)
		return nil
	}
	a.done = next
	return nil
}

// end makes later calls of ack do nothing.
func (a *acks) end(ctx context.Context) error {
	if err := a.take(ctx); err != nil {
		return err
	}
	a.done = math.MaxInt64
	<-a.token
	return nil
}

func (a *acks) commit(ctx context.Context, next int64) error {
	r := a.r
	ctx, cancel := context.WithTimeout(ctx, metadataWait)
	defer cancel()
	res, err := r.s.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: r.gen.GroupID, GenerationID: int(r.gen.ID), MemberID: r.gen.MemberID,
		Topics: map[string][]kafka.OffsetCommit{r.topic: {{Partition: r.part, Offset: next}}},
	})
	if err != nil {
		return err
	}
	for _, p := range res.Topics[r.topic] {
		if p.Error != nil {
			return p.Error
		}
	}
	return nil
}
