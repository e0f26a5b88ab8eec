package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"harken/ingest"
)

// batchMax is how many bytes of values one produce request may hold: below the
// 1 MiB that brokers accept by default, counted before compression.
const batchMax = 900 << 10

const (
	backoffMin = 100 * time.Millisecond
	backoffMax = 5 * time.Second
)

// A Sink publishes records to one topic. Of each partition at most one produce
// request is under way, and a request is repeated until it is acknowledged
// before the next is sent: a later record never overtakes an earlier one, so the
// sequence of each origin log only rises within a partition.
type Sink struct {
	cfg     Config
	codec   kafka.Compression
	client  *kafka.Client
	tr      *kafka.Transport
	balance kafka.Murmur2Balancer

	published prometheus.Counter
	shrunk    prometheus.Counter
	retries   prometheus.Counter

	mu      sync.Mutex
	parts   []int               // ids of the topic's partitions
	fetched time.Time           // when parts was read
	locks   map[int]*sync.Mutex // one a partition
	down    bool                // said so in the log
	buffers sync.Pool           // *[]byte for values that are rewritten
}

// NewSink returns a Sink; it does not connect yet.
func NewSink(cfg Config) (*Sink, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	codec, err := cfg.codec()
	if err != nil {
		return nil, err
	}
	tr, err := cfg.transport()
	if err != nil {
		return nil, err
	}
	s := &Sink{cfg: cfg, codec: codec, tr: tr, client: cfg.client(tr), locks: map[int]*sync.Mutex{}}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	s.published = counter("kafka_published_total", "Records that Kafka acknowledged.")
	s.shrunk = counter("kafka_shrunk_total", "Records that were too large for Kafka and lost bodies.")
	s.retries = counter("kafka_retries_total", "Produce requests that were sent again.")
	if cfg.Registerer != nil {
		for _, m := range []prometheus.Collector{s.published, s.shrunk, s.retries} {
			if err := cfg.Registerer.Register(m); err != nil {
				return nil, fmt.Errorf("register metrics: %w", err)
			}
		}
	}
	return s, nil
}

// Close lets go of the connections.
func (s *Sink) Close() { s.tr.CloseIdleConnections() }

// Put publishes recs and returns once Kafka has acknowledged all of them, however
// long that takes, or when ctx is done. A record that Kafka refuses whatever is
// left out of it is named in an *ingest.RejectedError.
func (s *Sink) Put(ctx context.Context, recs ...*ingest.Record) error {
	parts, err := s.partitions(ctx)
	if err != nil {
		return err
	}
	byPart := map[int][]int{}
	for i, r := range recs {
		p := s.balance.Balance(kafka.Message{Key: []byte(r.Host)}, parts...)
		byPart[p] = append(byPart[p], i)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	rejected := &ingest.RejectedError{}
	var first error
	for p, idx := range byPart {
		wg.Go(func() {
			bad, err := s.putPartition(ctx, p, recs, idx)
			mu.Lock()
			defer mu.Unlock()
			rejected.Records = append(rejected.Records, bad...)
			if err != nil && first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	if first != nil {
		return first
	}
	if len(rejected.Records) > 0 {
		slices.SortFunc(rejected.Records, func(a, b ingest.Rejection) int { return a.Index - b.Index })
		return rejected
	}
	return nil
}

// putPartition sends the records at idx to one partition, in order, in requests
// of at most batchMax bytes.
func (s *Sink) putPartition(ctx context.Context, p int, recs []*ingest.Record, idx []int) ([]ingest.Rejection, error) {
	lock := s.lock(p)
	lock.Lock()
	defer lock.Unlock()
	var rejected []ingest.Rejection
	buf := s.buffer()
	defer s.buffers.Put(buf)
	for len(idx) > 0 {
		*buf = (*buf)[:0]
		var values []value
		size := 0
		for len(idx) > len(values) {
			i := idx[len(values)]
			v, err := s.value(recs[i], buf, s.cfg.RecordMax)
			if err != nil {
				v.reason = err.Error()
			} else if size += len(v.data); size > batchMax && len(values) > 0 {
				break
			}
			v.index, v.rec = i, recs[i]
			values = append(values, v)
		}
		idx = idx[len(values):]
		bad, err := s.produceAll(ctx, p, values)
		rejected = append(rejected, bad...)
		if err != nil {
			return rejected, err
		}
	}
	return rejected, nil
}

func (s *Sink) buffer() *[]byte {
	if b, ok := s.buffers.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

// A value is one record as it is written: data is the record's own bytes, or
// was rewritten.
type value struct {
	index  int
	rec    *ingest.Record
	data   []byte
	format string
	reason string // why it cannot be written
}

// value returns what is published for r, at most limit bytes.
func (s *Sink) value(r *ingest.Record, buf *[]byte, limit int64) (value, error) {
	if int64(len(r.Data)) > limit {
		small, _, err := ingest.Shrink(r, int(limit))
		if err != nil {
			return value{}, fmt.Errorf("shrink: %w", err)
		}
		s.shrunk.Inc()
		r = small
	}
	if s.cfg.Form == ingest.FormHAR {
		format := "har"
		if r.Form == ingest.FormAkto {
			format = "akto"
		}
		return value{data: r.Data, format: format}, nil
	}
	n := len(*buf)
	out, err := ingest.AppendAkto(*buf, r)
	if err != nil {
		return value{}, err
	}
	*buf = out
	return value{data: out[n:len(out):len(out)], format: "akto"}, nil
}

// produceAll sends values until they are acknowledged. A request that the broker
// finds too large is halved; a single record that is, loses bodies.
func (s *Sink) produceAll(ctx context.Context, p int, values []value) ([]ingest.Rejection, error) {
	var rejected []ingest.Rejection
	send := values[:0:0]
	for _, v := range values {
		if v.reason != "" {
			rejected = append(rejected, ingest.Rejection{Index: v.index, Reason: v.reason})
			continue
		}
		send = append(send, v)
	}
	for len(send) > 0 {
		n := len(send)
		for {
			err := s.produceOnce(ctx, p, send[:n])
			if err == nil {
				break
			}
			if !tooLarge(err) {
				return rejected, err
			}
			if n > 1 {
				n = (n + 1) / 2
				continue
			}
			if reason := s.shrinkFurther(&send[0]); reason != "" {
				rejected = append(rejected, ingest.Rejection{Index: send[0].index, Reason: reason})
				break
			}
		}
		send = send[n:]
	}
	return rejected, nil
}

// shrinkFurther halves what a single record may take; the reason says why that
// is not possible any more.
func (s *Sink) shrinkFurther(v *value) string {
	limit := int64(len(v.data)) / 2
	if limit < 1000 {
		return "larger than the broker's message.max.bytes even without its bodies"
	}
	own := []byte(nil)
	small, err := s.value(v.rec, &own, limit)
	if err != nil {
		return err.Error()
	}
	if len(small.data) >= len(v.data) {
		return "larger than the broker's message.max.bytes even without its bodies"
	}
	v.data, v.format = small.data, small.format
	return ""
}

func tooLarge(err error) bool {
	return errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.RecordListTooLarge)
}

// produceOnce sends one request until it is acknowledged, found too large, or
// ctx is done.
func (s *Sink) produceOnce(ctx context.Context, p int, values []value) error {
	records := make([]kafka.Record, len(values))
	headers := make([]kafka.Header, 0, 2*len(values))
	for wait := backoffMin; ; wait = min(2*wait, backoffMax) {
		headers = headers[:0]
		for i, v := range values {
			first := len(headers)
			headers = append(headers, kafka.Header{Key: headerFormat, Value: []byte(v.format)})
			if !v.rec.Origin.IsZero() {
				headers = append(headers, kafka.Header{Key: headerOrigin, Value: []byte(v.rec.Origin.String())})
			}
			records[i] = kafka.Record{
				Time: v.rec.Time, Key: kafka.NewBytes([]byte(v.rec.Host)), Value: kafka.NewBytes(v.data),
				Headers: headers[first:len(headers):len(headers)],
			}
		}
		err := s.request(ctx, p, records)
		switch {
		case err == nil:
			s.published.Add(float64(len(values)))
			s.say(nil)
			return nil
		case tooLarge(err):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		s.retries.Inc()
		s.say(err)
		s.forget()
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (s *Sink) request(ctx context.Context, p int, records []kafka.Record) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	res, err := s.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: s.cfg.Topic, Partition: p, RequiredAcks: kafka.RequireAll, Compression: s.codec, Records: kafka.NewRecordReader(records...),
	})
	if err != nil {
		return err
	}
	return res.Error
}

// partitions returns the topic's partitions. They are asked for again after a
// minute, so that added ones are used; it tries until ctx is done.
func (s *Sink) partitions(ctx context.Context) ([]int, error) {
	s.mu.Lock()
	parts, fresh := s.parts, time.Since(s.fetched) < time.Minute
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
			s.say(nil)
			return got, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if parts != nil { // the topic is known; the broker is away, and producing will wait for it
			return parts, nil
		}
		s.say(err)
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func (s *Sink) metadata(ctx context.Context) ([]int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
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
		if len(ids) > 0 {
			return ids, nil
		}
	}
	return nil, fmt.Errorf("topic %s has no partitions yet", s.cfg.Topic)
}

// create asks for the topic with the broker's defaults: not every broker makes
// topics by itself. The next look at the metadata finds it.
func (s *Sink) create(ctx context.Context) error {
	res, err := s.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: s.cfg.Topic, NumPartitions: -1, ReplicationFactor: -1}}})
	if err != nil {
		return err
	}
	if err := res.Errors[s.cfg.Topic]; err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
		return err
	}
	return nil
}

func (s *Sink) lock(p int) *sync.Mutex {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.locks[p]
	if l == nil {
		l = &sync.Mutex{}
		s.locks[p] = l
	}
	return l
}

// forget makes the next Put look at the metadata again.
func (s *Sink) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetched = time.Time{}
}

// say logs when Kafka goes away and when it is back, not every try.
func (s *Sink) say(err error) {
	s.mu.Lock()
	changed := s.down != (err != nil)
	s.down = err != nil
	s.mu.Unlock()
	switch {
	case !changed:
	case err != nil:
		s.cfg.Log.Warn("kafka does not take records; they wait in the spool", "brokers", strings.Join(s.cfg.Brokers, ","), "topic", s.cfg.Topic, "err", err)
	default:
		s.cfg.Log.Info("kafka takes records", "topic", s.cfg.Topic)
	}
}

// sleep waits for about d, or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d/2 + rand.N(d)) //nolint:gosec // jitter, not a secret
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

var _ ingest.Sink = (*Sink)(nil)
