package capture

import "github.com/prometheus/client_golang/prometheus"

// A dropReason is why an exchange did not become a record.
type dropReason int

const (
	droppedHosts    dropReason = iota // Hosts and SkipHosts
	droppedQueue                      // the queue had no room
	droppedPanic                      // making the entry panicked
	droppedRejected                   // the sink will never take the record
	droppedSize                       // larger than RecordMax without its bodies
	droppedShutdown                   // the grace was over, or Run had returned
	dropReasons
	notDropped dropReason = -1
)

// String returns the reason as metrics have it.
func (d dropReason) String() string {
	switch d {
	case droppedHosts:
		return "hosts"
	case droppedQueue:
		return "queue"
	case droppedPanic:
		return "panic"
	case droppedRejected:
		return "rejected"
	case droppedSize:
		return "record-max"
	case droppedShutdown:
		return "shutdown"
	default:
		return "none"
	}
}

type counts struct {
	seen, put, queued uint64
	dropped           [dropReasons]uint64
	bodies            uint64
	putErrors         uint64
}

// Stats is what a Recorder counted since it was made. The balance closes at all
// times: Seen = Put + Queued + the sum of Dropped.
type Stats struct {
	// Seen counts observed exchanges.
	Seen uint64
	// Put counts the records that the sink answers for.
	Put uint64
	// Queued is the number of exchanges that wait, those being put included.
	Queued uint64
	// Dropped counts exchanges by reason: "hosts", "queue", "panic", "rejected",
	// "record-max", "shutdown". It has every reason.
	Dropped map[string]uint64
	// BodiesDropped counts exchanges that lost all or the rest of a body because
	// the queue was full ("queue-bodies"). They are recorded, with a flag.
	BodiesDropped uint64
	// PutErrors counts failed attempts to put.
	PutErrors uint64
	// QueueBytes is the memory that is in use, bodies in flight included.
	QueueBytes int64
	// Failing says that the last attempt to put failed.
	Failing bool
}

// Stats returns the counts, all taken at one moment.
func (r *Recorder) Stats() Stats {
	c, failing := r.counts()
	s := Stats{
		Seen: c.seen, Put: c.put, Queued: c.queued, Dropped: make(map[string]uint64, dropReasons),
		BodiesDropped: c.bodies, PutErrors: c.putErrors, QueueBytes: r.memory.used.Load(), Failing: failing,
	}
	for i, n := range c.dropped {
		s.Dropped[dropReason(i).String()] = n
	}
	return s
}

func (r *Recorder) counts() (c counts, failing bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count, r.failing
}

// A collector shows a Recorder's counts as metrics, all of one scrape taken at
// one moment so that the balance closes in them too.
type collector struct {
	r                            *Recorder
	seen, put, dropped, bodies   *prometheus.Desc
	errors, queued, bytes, limit *prometheus.Desc
}

func newCollector(r *Recorder) *collector {
	desc := func(name, text string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, text, labels, nil)
	}
	return &collector{
		r:       r,
		seen:    desc("recorder_exchanges_total", "Exchanges that were observed."),
		put:     desc("recorder_records_total", "Records that the sink answers for."),
		dropped: desc("recorder_dropped_total", "Exchanges that did not become a record, by reason.", "reason"),
		bodies:  desc("recorder_bodies_dropped_total", "Exchanges recorded without all of their bodies because the queue was full.", "reason"),
		errors:  desc("recorder_put_errors_total", "Failed attempts to put a batch into the sink."),
		queued:  desc("recorder_queue_exchanges", "Exchanges that wait to be put, those being put included."),
		bytes:   desc("recorder_queue_bytes", "Memory of waiting exchanges and of bodies in flight."),
		limit:   desc("recorder_queue_limit_bytes", "Bound of recorder_queue_bytes."),
	}
}

// Describe sends the descriptions of all metrics.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.seen, c.put, c.dropped, c.bodies, c.errors, c.queued, c.bytes, c.limit} {
		ch <- d
	}
}

// Collect sends all metrics.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	n, _ := c.r.counts()
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter(c.seen, n.seen)
	counter(c.put, n.put)
	for i, v := range n.dropped {
		counter(c.dropped, v, dropReason(i).String())
	}
	counter(c.bodies, n.bodies, "queue-bodies")
	counter(c.errors, n.putErrors)
	gauge(c.queued, float64(n.queued))
	gauge(c.bytes, float64(c.r.memory.used.Load()))
	gauge(c.limit, float64(c.r.cfg.QueueBytes))
}
