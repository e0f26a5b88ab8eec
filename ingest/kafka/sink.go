package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"harken/ingest"
)

const (
	// batchMax is how many bytes one produce request may hold: below the 1 MiB that
	// brokers accept by default, counted before compression.
	batchMax = 900 << 10
	// recordOverhead is what a record takes beside key, value and origin.
	recordOverhead = 64
	// partitionsTTL is how soon a partition that was added is used.
	partitionsTTL = time.Minute
)

// A Sink publishes records to one topic. Of each partition at most one produce
// request is under way, and a request is repeated until it is acknowledged
// before the next is sent: a later record never overtakes an earlier one, so the
// sequence of each origin log only rises within a partition. Requests to
// different partitions overlap.
type Sink struct {
	cfg     Config
	codec   kafka.Compression
	client  *kafka.Client
	tr      *kafka.Transport
	balance kafka.Murmur2Balancer
	status  status
	splits  sync.Pool // *split

	published prometheus.Counter
	shrunk    prometheus.Counter
	retries   prometheus.Counter

	mu      sync.Mutex
	parts   []int         // ids of the topic's partitions, rising
	fetched time.Time     // when parts was read
	lanes   map[int]*lane // by partition
}

// NewSink returns a Sink; it does not connect yet. Sinks that share a Registerer
// share their counters.
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
	s := &Sink{cfg: cfg, codec: codec, tr: tr, client: cfg.client(tr), lanes: map[int]*lane{}}
	for _, c := range []struct {
		to         *prometheus.Counter
		name, help string
	}{
		{&s.published, "kafka_published_total", "Records that Kafka acknowledged."},
		{&s.shrunk, "kafka_shrunk_total", "Records that were too large for Kafka and lost bodies."},
		{&s.retries, "kafka_retries_total", "Produce requests that were sent again."},
	} {
		if *c.to, err = counter(cfg.Registerer, c.name, c.help); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func counter(reg prometheus.Registerer, name, help string) (prometheus.Counter, error) {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	if reg == nil {
		return c, nil
	}
	err := reg.Register(c)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if old, ok := already.ExistingCollector.(prometheus.Counter); ok {
			return old, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return c, nil
}

// Close lets go of the connections. Call it after the last Put has returned.
func (s *Sink) Close() { s.tr.CloseIdleConnections() }

// Put publishes recs and returns once Kafka has acknowledged all of them, however
// long that takes, or when ctx is done; then some of them may have been published,
// and giving them again makes repeats. Records that Kafka refuses whatever is
// left out of them are named in an *ingest.RejectedError. If a partition goes away
// while Put waits for it, that is an error, and trying again spreads the records
// anew.
func (s *Sink) Put(ctx context.Context, recs ...*ingest.Record) error {
	if len(recs) == 0 {
		return nil
	}
	parts, err := s.partitions(ctx)
	if err != nil {
		return err
	}
	sp := s.split(recs, parts)
	defer s.splits.Put(sp)
	var wg sync.WaitGroup
	for i := range sp.shares {
		if sh := &sp.shares[i]; len(sh.idx) > 0 {
			wg.Go(func() { sh.rejected, sh.err = s.putPartition(ctx, s.lane(parts[i]), recs, sh.idx) })
		}
	}
	wg.Wait()
	var rejected []ingest.Rejection
	for i := range sp.shares {
		if err := sp.shares[i].err; err != nil {
			return err
		}
		rejected = append(rejected, sp.shares[i].rejected...)
	}
	if len(rejected) > 0 {
		slices.SortFunc(rejected, func(a, b ingest.Rejection) int { return a.Index - b.Index })
		return &ingest.RejectedError{Records: rejected}
	}
	return nil
}

// A split is the records of one Put by partition.
type split struct {
	key    []byte
	shares []share // as the partitions
	places []int   // 0, 1, ...
}

type share struct {
	idx      []int // places of the records in Put's arguments, rising
	rejected []ingest.Rejection
	err      error
}

func (s *Sink) split(recs []*ingest.Record, parts []int) *split {
	sp, ok := s.splits.Get().(*split)
	if !ok {
		sp = &split{key: make([]byte, 0, 64)}
	}
	for len(sp.shares) < len(parts) {
		sp.places = append(sp.places, len(sp.shares))
		sp.shares = append(sp.shares, share{})
	}
	for i := range sp.shares {
		sp.shares[i] = share{idx: sp.shares[i].idx[:0]}
	}
	for i, r := range recs {
		sp.key = append(sp.key[:0], r.Host...)
		sh := &sp.shares[s.balance.Balance(kafka.Message{Key: sp.key}, sp.places[:len(parts)]...)]
		sh.idx = append(sh.idx, i)
	}
	return sp
}

// putPartition sends the records at idx to one partition, in order, in requests
// of at most batchMax bytes.
func (s *Sink) putPartition(ctx context.Context, l *lane, recs []*ingest.Record, idx []int) ([]ingest.Rejection, error) {
	if err := l.take(ctx); err != nil {
		return nil, err
	}
	defer l.release()
	var rejected []ingest.Rejection
	for len(idx) > 0 {
		l.buf, l.values = l.buf[:0], l.values[:0]
		size, n := 0, 0
		for ; n < len(idx) && (size < batchMax || n == 0); n++ {
			r := recs[idx[n]]
			v, err := s.value(r, &l.buf, s.cfg.RecordMax)
			if err != nil {
				rejected = append(rejected, ingest.Rejection{Index: idx[n], Reason: err.Error()})
				continue
			}
			size += len(v.data) + len(r.Host) + len(r.Origin.Log) + recordOverhead
			if size > batchMax && len(l.values) > 0 {
				break
			}
			v.index = idx[n]
			l.values = append(l.values, v)
		}
		idx = idx[n:]
		bad, err := s.produceAll(ctx, l, l.values)
		rejected = append(rejected, bad...)
		if err != nil {
			return rejected, err
		}
	}
	return rejected, nil
}

// value returns what is published for r, at most limit bytes. Akto's form of an
// entry can be twice its size, so the limit is for what is written, not for
// what came.
func (s *Sink) value(r *ingest.Record, buf *[]byte, limit int64) (value, error) {
	room := min(limit, int64(len(r.Data)))
	for cur := r; ; room = int64(len(cur.Data)) - 1 {
		small, changed, err := ingest.Shrink(cur, int(room))
		if err != nil {
			return value{}, err
		}
		cur = small
		v, err := s.encode(cur, buf)
		if err != nil {
			return value{}, err
		}
		if int64(len(v.data)) <= limit {
			if changed {
				s.shrunk.Inc()
			}
			v.rec = r
			return v, nil
		}
	}
}

// encode gives r in the sink's form.
func (s *Sink) encode(r *ingest.Record, buf *[]byte) (value, error) {
	if s.cfg.Form == ingest.FormHAR || r.Form == ingest.FormAkto {
		return value{data: r.Data, form: r.Form}, nil
	}
	n := len(*buf)
	out, err := ingest.AppendAkto(*buf, r)
	if err != nil {
		return value{}, err
	}
	*buf = out
	return value{data: out[n:len(out):len(out)], form: ingest.FormAkto}, nil
}

// produceAll sends values until they are acknowledged. A request that the broker
// finds too large is halved; a single record that is, loses bodies.
func (s *Sink) produceAll(ctx context.Context, l *lane, send []value) ([]ingest.Rejection, error) {
	var rejected []ingest.Rejection
	for n := len(send); len(send) > 0; {
		n = min(n, len(send))
		err := s.produce(ctx, l, send[:n])
		switch {
		case err == nil:
			send, n = send[n:], 2*n
		case !tooLarge(err):
			return rejected, err
		case n > 1:
			n = (n + 1) / 2
		default:
			if reason := s.shrinkFurther(&send[0]); reason != "" {
				rejected = append(rejected, ingest.Rejection{Index: send[0].index, Reason: reason})
				send = send[1:]
			}
		}
	}
	return rejected, nil
}

// shrinkFurther halves what a single record may take; the reason says why that
// is not possible any more.
func (s *Sink) shrinkFurther(v *value) (reason string) {
	small, err := s.value(v.rec, new([]byte), int64(len(v.data))/2)
	if err != nil {
		return "larger than the broker's message.max.bytes even without its bodies: " + err.Error()
	}
	v.data, v.form = small.data, small.form
	return ""
}

func tooLarge(err error) bool {
	return errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.RecordListTooLarge)
}

// produce sends one request until it is acknowledged, found too large, or ctx is
// done.
func (s *Sink) produce(ctx context.Context, l *lane, values []value) error {
	for wait := backoffMin; ; wait = min(2*wait, backoffMax) {
		err := s.send(ctx, l, values)
		switch {
		case err == nil:
			s.published.Add(float64(len(values)))
			s.say(l.name, nil)
			return nil
		case tooLarge(err):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		s.retries.Inc()
		s.say(l.name, err)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		// The topic may have been deleted, which nothing else would notice.
		if parts, err := s.metadata(ctx); err == nil && !slices.Contains(parts, l.part) {
			s.forget()
			return fmt.Errorf("topic %s does not have partition %d any more", s.cfg.Topic, l.part)
		}
	}
}

// send makes one try.
func (s *Sink) send(ctx context.Context, l *lane, values []value) error {
	q := l.request(values)
	res, err := s.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: s.cfg.Topic, Partition: l.part, RequiredAcks: kafka.RequireAll, Compression: s.codec, Records: q,
	})
	if err != nil {
		q.abandon()
		l.req = nil
		return err
	}
	return res.Error
}

func (s *Sink) lane(part int) *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[part]
	if l == nil {
		l = newLane(part)
		s.lanes[part] = l
	}
	return l
}

// say logs when Kafka goes away and when it is back.
func (s *Sink) say(what string, err error) {
	switch s.status.set(what, err) {
	case same:
	case away:
		s.cfg.Log.Warn("kafka does not take records; they wait in the spool", "brokers", strings.Join(s.cfg.Brokers, ","), "topic", s.cfg.Topic, "err", s.cfg.explain(err))
	case back:
		s.cfg.Log.Info("kafka takes records", "topic", s.cfg.Topic)
	}
}

var _ ingest.Sink = (*Sink)(nil)
