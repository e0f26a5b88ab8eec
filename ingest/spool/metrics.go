package spool

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"harken/ingest"
)

type metrics struct {
	reg         prometheus.Registerer
	own         []prometheus.Collector
	appended    prometheus.Counter
	writeErrors prometheus.Counter
	dropped     *prometheus.CounterVec
}

// newMetrics registers the metrics of l. Two logs of one process need registerers
// that tell them apart (prometheus.WrapRegistererWith).
func newMetrics(reg prometheus.Registerer, l *Log) (*metrics, error) {
	m := &metrics{
		reg: reg,
		appended: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "spool_records_appended_total", Help: "Records put into the log.",
		}),
		writeErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "spool_write_errors_total", Help: "Puts that failed, such as on a full disk.",
		}),
	}
	gauge := func(name, help string, f func(Stats) int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return float64(f(l.Stats())) })
	}
	m.own = []prometheus.Collector{
		m.appended, m.writeErrors,
		gauge("spool_bytes", "Bytes of all segments.", func(s Stats) int64 { return s.Bytes }),
		gauge("spool_segments", "Segments on disk.", func(s Stats) int64 { return int64(s.Segments) }),
		gauge("spool_last_sequence", "Number of the newest record.", func(s Stats) int64 { return s.Last }),
		gauge("spool_records_unsent", "Records that some reader has not acknowledged.", func(s Stats) int64 { return s.Unsent }),
		gauge("spool_unsent_bytes", "Bytes of the segments that hold unsent records.", func(s Stats) int64 { return s.UnsentBytes }),
	}
	var err error
	if m.dropped, err = ingest.DroppedCounter(reg); err != nil || reg == nil {
		return m, err
	}
	for i, c := range m.own {
		if err := reg.Register(c); err != nil {
			m.own = m.own[:i]
			m.unregister()
			return nil, fmt.Errorf("register metrics of the record log: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) unregister() {
	if m.reg == nil {
		return
	}
	for _, c := range m.own {
		m.reg.Unregister(c)
	}
}
