// Package ingest carries records from where they were captured to where they
// are learned: the Record and its two wire forms, the Sink and Source contracts,
// the Pump between them, and the sinks that need no server (files, HTTP). The
// log on disk and Kafka are packages below it.
package ingest

import (
	"context"
	"time"
)

// A Record is one exchange on its way: a small header, and the entry's bytes as
// they were encoded once. Data is a HAR entry unless Form says otherwise.
type Record struct {
	ID         ID
	Origin     Origin
	Account    string
	Collection int32
	Source     string
	Direction  string
	Host       string // lower-cased, with port; the key on Kafka
	Time       time.Time
	Flags      Flags
	Form       Form
	Data       []byte
}

// An ID is a UUIDv7: sortable, for people and links. Repeats are recognized by
// Origin, never by ID.
type ID [16]byte

// An Origin says which log gave a record its number. It travels beside the bytes
// and is what makes every record count once: per (Log, partition) Seq only
// rises, so a record at or below the stored mark is a repeat. The zero Origin
// means that no log has numbered the record yet.
type Origin struct {
	Log string
	Seq int64
}

// A Form is how Data is written.
type Form uint8

// The two wire forms, told apart by content on reading.
const (
	FormHAR  Form = iota // a HAR 1.2 entry
	FormAkto             // the flat string map of Akto's traffic message
)

// Flags are the flags of har.Meta as bits.
type Flags uint16

// A Sink takes records. Put is safe for concurrent use and does not keep recs
// or their bytes. A nil error means that the sink now answers for every record.
type Sink interface {
	Put(ctx context.Context, recs ...*Record) error
}

// A SinkFunc is a function that is a Sink: filtering, sampling, counting and
// fan-out are functions from Sink to Sink.
type SinkFunc func(ctx context.Context, recs ...*Record) error

// Put calls f.
func (f SinkFunc) Put(ctx context.Context, recs ...*Record) error { return f(ctx, recs...) }

// A Source yields batches until ctx is done. Next is called from one goroutine;
// it blocks until there is at least one record, and returns ctx.Err() once ctx
// is done.
type Source interface {
	Next(ctx context.Context) (Batch, error)
}

// A Batch is a run of records of one partition, in the order in which their
// logs hold them. Records and their bytes are valid until the next call of Next.
// Ack is called at most once, after the records are stored; it may be called
// after later batches were taken, and then acknowledges the earlier ones of the
// partition too. What was never acknowledged is given again after a restart.
type Batch struct {
	Partition string
	Records   []*Record
	Ack       func(context.Context) error
}
