package learn

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"harken/ingest"
)

// metrics are the numbers of a Learner.
type metrics struct {
	learned, filtered, repeats, undecodable, probes prometheus.Counter
	dropped                                         *prometheus.CounterVec
	batch, flush                                    prometheus.Histogram
	storeErrors, absorbed                           prometheus.Counter
	merge                                           prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	records := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "learner_records_total",
		Help: "Records that the learner took, by what became of them.",
	}, []string{"result"})
	m := &metrics{
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "learner_batch_seconds", Help: "Time to learn one batch, without storing it.", Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		}),
		flush: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "learner_flush_seconds", Help: "Time to store one update.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
		}),
		storeErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "learner_store_errors_total", Help: "Updates or reads that the store refused; they are tried again.",
		}),
		absorbed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "learner_absorbed_urls_total", Help: "URLs that templates took over because they look alike.",
		}),
		merge: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "learner_merge_seconds", Help: "Time to look for look-alikes in one collection.", Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		}),
		learned: records.WithLabelValues("learned"), filtered: records.WithLabelValues("filtered"),
		repeats: records.WithLabelValues("repeat"), undecodable: records.WithLabelValues("undecodable"),
		probes: records.WithLabelValues("probe"),
	}
	var err error
	if m.dropped, err = ingest.DroppedCounter(reg); err != nil {
		return nil, err
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{records, m.batch, m.flush, m.merge, m.absorbed, m.storeErrors} {
		err = errors.Join(err, reg.Register(c))
	}
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return m, nil
}
