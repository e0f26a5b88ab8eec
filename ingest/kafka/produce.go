package kafka

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/segmentio/kafka-go"

	"harken/ingest"
)

// A value is one record as it is written: data is the record's own bytes, or
// was rewritten.
type value struct {
	index int
	rec   *ingest.Record
	data  []byte
	form  ingest.Form
}

// A lane leads to one partition. Who holds its token has the only request that
// is under way there, and the use of the lane's buffers.
type lane struct {
	part   int
	name   string
	token  chan struct{}
	buf    []byte // values that were rewritten
	values []value
	req    *request
}

// keepBuffer is the largest buffer that a lane keeps between calls of Put.
const keepBuffer = 4 << 20

func newLane(part int) *lane {
	return &lane{part: part, name: strconv.Itoa(part), token: make(chan struct{}, 1)}
}

// take waits for the lane's token until ctx is done.
func (l *lane) take(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case l.token <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release gives the token back. The lane lets go of what the records hold.
func (l *lane) release() {
	if cap(l.buf) > keepBuffer {
		l.buf = nil
	}
	clear(l.values[:cap(l.values)])
	l.values = l.values[:0]
	if l.req != nil {
		l.req.values = nil
	}
	<-l.token
}

// request returns the reader of one produce request.
func (l *lane) request(values []value) *request {
	if l.req == nil {
		l.req = newRequest()
	}
	l.req.values, l.req.next = values, 0
	return l.req
}

// A request hands records to the transport, which reads them in a goroutine of its
// own and goes on with it after the call that started it was canceled. Sink
// promises not to keep records or their bytes, so the lock is held while the
// transport has one, and abandon waits for it.
type request struct {
	values []value
	next   int

	held    bool // of mu; only the reading goroutine looks at it
	rec     kafka.Record
	headers [2]kafka.Header
	key     []byte
	origin  []byte
	keyR    payload
	valueR  payload

	mu        sync.Mutex
	abandoned bool
}

var errAbandoned = errors.New("the request was given up")

func newRequest() *request {
	q := &request{key: make([]byte, 0, 64), origin: make([]byte, 0, 64)}
	q.valueR.done = q.release
	q.headers[0].Key, q.headers[1].Key = headerFormat, headerOrigin
	q.rec.Key, q.rec.Value = &q.keyR, &q.valueR
	return q
}

var formTexts = [...][]byte{ingest.FormHAR: []byte("har"), ingest.FormAkto: []byte("akto")}

// ReadRecord is the transport's. The record's time is left to be that of the
// sending: Kafka deletes by it, and would take an imported record of last year
// away before it is read, and refuse one of tomorrow for ever.
func (q *request) ReadRecord() (*kafka.Record, error) {
	q.release()
	q.mu.Lock()
	q.held = true
	if q.abandoned {
		q.release()
		return nil, errAbandoned
	}
	if q.next == len(q.values) {
		q.release()
		return nil, io.EOF
	}
	v := &q.values[q.next]
	q.next++
	q.key = append(q.key[:0], v.rec.Host...)
	q.keyR.Reset(q.key)
	q.valueR.Reset(v.data)
	q.headers[0].Value = formTexts[v.form]
	q.rec.Headers = q.headers[:1]
	if !v.rec.Origin.IsZero() {
		q.origin, _ = v.rec.Origin.AppendText(q.origin[:0])
		q.headers[1].Value = q.origin
		q.rec.Headers = q.headers[:2]
	}
	return &q.rec, nil
}

func (q *request) release() {
	if q.held {
		q.held = false
		q.mu.Unlock()
	}
}

// abandon returns once the transport has none of the records; it gets no more. A
// request that was not read to its end is never sent: the transport encodes all of
// it first.
func (q *request) abandon() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.abandoned, q.values = true, nil
}

// A payload is a kafka.Bytes that says when the transport is done with it.
type payload struct {
	bytes.Reader
	done func()
}

// Close is called by the transport after it has encoded the record.
func (p *payload) Close() error {
	if p.done != nil {
		p.done()
	}
	return nil
}

var _ kafka.RecordReader = (*request)(nil)
