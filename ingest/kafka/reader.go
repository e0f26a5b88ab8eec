package kafka

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"harken/ingest"
)

// A reader fetches one partition for one generation of the group.
type reader struct {
	s      *Source
	gen    *kafka.Generation
	topic  string
	part   int
	name   string // of the partition: topic/number
	log    string // the origin log of records without one
	last   string // the log of the last origin
	offset int64  // what to fetch next
	size   int64  // bytes to fetch
	acks   *acks
}

func (s *Source) newReader(gen *kafka.Generation, topic string, part int, offset int64) *reader {
	name := topic + "/" + strconv.Itoa(part)
	return &reader{s: s, gen: gen, topic: topic, part: part, name: name, log: "kafka:" + s.cluster + "/" + name, offset: offset, size: s.fetchBytes}
}

// run fetches until its generation ends.
func (r *reader) run(ctx context.Context) {
	for wait := backoffMin; ctx.Err() == nil; {
		err := r.step(ctx)
		if ctx.Err() != nil {
			return
		}
		r.s.say(r.name, err)
		if err == nil {
			wait = backoffMin
			continue
		}
		_ = sleep(ctx, wait)
		wait = min(2*wait, backoffMax)
	}
}

// step makes one fetch and hands over what it brought.
func (r *reader) step(ctx context.Context) error {
	// Without a commit the group says FirstOffset, which is not a place to go on from.
	if r.offset < 0 {
		first, err := r.first(ctx)
		if err != nil {
			return err
		}
		r.offset = first
	}
	if r.acks == nil {
		r.acks = newAcks(r, r.offset)
	}
	res, err := r.s.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: r.topic, Partition: r.part, Offset: r.offset, MinBytes: 1, MaxBytes: r.size, MaxWait: fetchWait,
	})
	if err == nil {
		err = res.Error
	}
	if errors.Is(err, kafka.OffsetOutOfRange) {
		return r.outOfRange(ctx)
	}
	if err != nil {
		return err
	}
	start := r.offset
	b, next, err := r.read(res)
	if next == start {
		r.s.free.Put(b)
		r.stuck(res, err)
		return err
	}
	r.offset, r.size = next, r.s.fetchBytes
	acks := r.acks
	if len(b.Records) == 0 {
		r.s.free.Put(b)
		// Nobody will acknowledge these; the group's lag is to show that they were read.
		return acks.pass(ctx, start, next)
	}
	b.Ack = func(ctx context.Context) error { return acks.ack(ctx, next) }
	select {
	case r.s.batches <- b:
	case <-ctx.Done():
	}
	return err
}

// A span is a value in its batch's buffer.
type span struct {
	from, to int
	origin   ingest.Origin
}

// read turns a fetch into a batch. next is the offset to go on from: beyond what
// was read, also where a record could not be used.
func (r *reader) read(res *kafka.FetchResponse) (b *batch, next int64, err error) {
	b, ok := r.s.free.Get().(*batch)
	if !ok {
		b = &batch{}
	}
	b.Partition = r.name
	b.buf, b.spans = b.buf[:0], b.spans[:0]
	next = r.offset
	sets := []kafka.RecordReader{res.Records}
	if stream, ok := res.Records.(*protocol.RecordStream); ok {
		sets = stream.Records
	}
	for _, set := range sets {
		// The stream itself steps over the markers of transactions without telling
		// their offsets.
		_, control := set.(*protocol.ControlBatch)
		if next, err = r.readSet(b, set, control, next); err != nil {
			break
		}
	}
	r.parse(b)
	return b, next, err
}

func (r *reader) readSet(b *batch, set kafka.RecordReader, control bool, next int64) (int64, error) {
	for {
		rec, err := set.ReadRecord()
		if errors.Is(err, io.EOF) {
			return next, nil
		}
		if err != nil {
			return next, err
		}
		switch {
		case control, rec.Offset < r.offset: // a batch may begin before what was asked for
		case rec.Value == nil:
			r.s.dropped.WithLabelValues("unreadable").Inc()
		default:
			from := len(b.buf)
			if b.buf, err = appendBytes(b.buf, rec.Value); err != nil {
				b.buf = b.buf[:from]
				break
			}
			b.spans = append(b.spans, span{from, len(b.buf), r.origin(rec)})
		}
		closeRecord(rec)
		if err != nil {
			return next, err
		}
		next = max(next, rec.Offset+1)
	}
}

// origin reads the header harken-origin. One that cannot be read counts as absent:
// the record is then known by its offset.
func (r *reader) origin(rec *kafka.Record) ingest.Origin {
	for _, h := range rec.Headers {
		if h.Key != headerOrigin {
			continue
		}
		// Most records of a partition come from few logs, whose id is one text then.
		if n := len(r.last); n > 0 && len(h.Value) > n && string(h.Value[:n]) == r.last && h.Value[n] == '/' {
			if seq, ok := sequence(h.Value[n+1:]); ok {
				return ingest.Origin{Log: r.last, Seq: seq}
			}
		}
		if o, err := ingest.ParseOrigin(string(h.Value)); err == nil {
			r.last = o.Log
			return o
		}
	}
	return ingest.Origin{Log: r.log, Seq: rec.Offset + 1}
}

// sequence reads a positive decimal as ingest.ParseOrigin does, of up to 18 digits.
func sequence(digits []byte) (n int64, ok bool) {
	if len(digits) == 0 || len(digits) > 18 || digits[0] == '0' {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// parse fills the batch's records from their values. Values that are no records
// are counted and left out; agents' probes are passed over, as is agreed.
func (r *reader) parse(b *batch) {
	if cap(b.recs) < len(b.spans) {
		b.recs = append(b.recs[:cap(b.recs)], make([]ingest.Record, len(b.spans)-cap(b.recs))...)
	}
	b.recs, b.Records = b.recs[:len(b.spans)], b.Records[:0]
	for i, sp := range b.spans {
		rec := &b.recs[i] // a used one: texts that stay the same are not made again
		err := rec.Parse(b.buf[sp.from:sp.to:sp.to])
		rec.Origin = sp.origin
		switch {
		case err == nil:
			b.Records = append(b.Records, rec)
		case errors.Is(err, ingest.ErrProbe):
		case errors.Is(err, ingest.ErrControl):
			r.s.dropped.WithLabelValues("control-message").Inc()
		default:
			r.s.dropped.WithLabelValues("unreadable").Inc()
			r.s.cfg.Log.Debug("a value is not a record", "partition", b.Partition, "before_offset", r.offset, "err", err)
		}
	}
}

// stuck decides what to do when a fetch brought nothing new. An empty partition
// is waited for; a batch larger than the fetch is asked for again with more room;
// what still cannot be read is stepped over and counted.
func (r *reader) stuck(res *kafka.FetchResponse, err error) {
	switch {
	case err == nil && res.HighWatermark <= r.offset:
	case r.size < r.s.fetchBytesMax:
		r.size *= 2
	default:
		r.s.dropped.WithLabelValues("unreadable").Inc()
		r.s.cfg.Log.Error("a record on kafka cannot be read and is passed over", "topic", r.topic, "partition", r.part, "offset", r.offset)
		r.offset, r.size = r.offset+1, r.s.fetchBytes
	}
}

// first asks for the first offset that the partition still holds.
func (r *reader) first(ctx context.Context) (int64, error) {
	res, err := r.s.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{r.topic: {kafka.FirstOffsetOf(r.part)}}})
	if err != nil {
		return 0, err
	}
	for _, p := range res.Topics[r.topic] {
		if p.Partition == r.part {
			return p.FirstOffset, p.Error
		}
	}
	return 0, kafka.UnknownTopicOrPartition
}

// outOfRange goes to what the partition still holds and says what retention took.
func (r *reader) outOfRange(ctx context.Context) error {
	first, err := r.first(ctx)
	if err != nil {
		return err
	}
	if lost := first - r.offset; lost > 0 {
		r.s.dropped.WithLabelValues("kafka-retention").Add(float64(lost))
		r.s.cfg.Log.Warn("kafka deleted records before they were read", "topic", r.topic, "partition", r.part, "records", lost)
	} else {
		r.s.cfg.Log.Warn("kafka holds less than was read, as if the topic were new; it is read from its start", "topic", r.topic, "partition", r.part, "offset", r.offset, "first", first)
		// Batches of before must not commit offsets that do not exist.
		if err := r.acks.end(ctx); err != nil {
			return err
		}
		r.acks = nil
	}
	r.offset = first
	return nil
}

// appendBytes adds what is left of r to dst.
func appendBytes(dst []byte, r kafka.Bytes) ([]byte, error) {
	at := len(dst)
	dst = slices.Grow(dst, r.Len())[:at+r.Len()]
	_, err := io.ReadFull(r, dst[at:])
	return dst, err
}

func closeRecord(r *kafka.Record) {
	if r.Key != nil {
		_ = r.Key.Close()
	}
	if r.Value != nil {
		_ = r.Value.Close()
	}
}
