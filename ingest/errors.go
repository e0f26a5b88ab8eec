package ingest

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A RejectedError is what a Sink's Put returns when it answers for every record
// but those named here, and will never take these: trying again is of no use. A
// Pump counts them, logs the first reason, and goes on.
type RejectedError struct {
	Records []Rejection // by rising Index
}

// A Rejection is one record of a Put that the Sink refused for good. Index is
// the record's place in Put's arguments, from 0.
type Rejection struct {
	Index  int
	Reason string
}

// Reject returns a RejectedError of one record.
func Reject(index int, reason string) *RejectedError {
	return &RejectedError{Records: []Rejection{{index, reason}}}
}

func (e *RejectedError) Error() string {
	if len(e.Records) == 0 {
		return "records rejected"
	}
	return fmt.Sprintf("%d records rejected; record %d: %s", len(e.Records), e.Records[0].Index, e.Records[0].Reason)
}

// A BusyError is returned by a Sink whose other end asked for a pause, such as
// with Retry-After. A Pump waits for it instead of its own backoff.
type BusyError struct {
	After time.Duration
	Err   error
}

func (e *BusyError) Error() string { return e.Err.Error() }

// Unwrap returns what the other end said.
func (e *BusyError) Unwrap() error { return e.Err }

// DroppedCounter returns the counter records_dropped_total{reason}, which all
// stages share, registering it with reg when it is not there yet. A nil reg gives
// a counter that nobody reads.
func DroppedCounter(reg prometheus.Registerer) (*prometheus.CounterVec, error) {
	return register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "records_dropped_total",
		Help: "Records that were lost, by reason.",
	}, []string{"reason"}))
}

// register registers c, or returns the equal collector that is there already.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) (C, error) {
	if reg == nil {
		return c, nil
	}
	err := reg.Register(c)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if old, ok := already.ExistingCollector.(C); ok {
			return old, nil
		}
	}
	if err != nil {
		return c, fmt.Errorf("register metrics: %w", err)
	}
	return c, nil
}
