package ingest

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"harken/har"
)

// ErrProbe stands in.
var ErrProbe = errors.New("probe")

// DecodeEntry stands in.
func (r *Record) DecodeEntry(e *har.Entry) error { return har.DecodeEntry(r.Data, e) }

// DroppedCounter stands in.
func DroppedCounter(reg prometheus.Registerer) (*prometheus.CounterVec, error) {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "records_dropped_total", Help: "h"}, []string{"reason"})
	if reg == nil {
		return c, nil
	}
	err := reg.Register(c)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		return already.ExistingCollector.(*prometheus.CounterVec), nil
	}
	return c, err
}
