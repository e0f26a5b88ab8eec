package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"harken/ingest"
)

// Scan calls yield for every record that the log still holds and whose time is
// not before from and before to (a zero time is no limit), in the log's order, up
// to what was there when Scan began. A record that came here twice from another
// log is given once. The record and its bytes are valid during the call only.
// Scan may run beside everything else; segments that are removed meanwhile and
// damaged frames are passed over. It returns yield's error, or ctx's.
func (l *Log) Scan(ctx context.Context, from, to time.Time, yield func(*ingest.Record) error) error {
	l.mu.Lock()
	segs := slices.Clone(l.segs)
	ends := make([]segment, len(segs))
	for i, s := range segs {
		ends[i] = *s
	}
	l.mu.Unlock()
	s := scan{
		c: cursor{table: l.table, chunk: l.cfg.BatchBytes}, from: from, to: to,
		yield: yield, seen: map[string]int64{}, dir: l.cfg.Dir,
	}
	defer s.c.close()
	for i := range ends {
		if err := s.segment(ctx, &ends[i]); err != nil {
			return err
		}
	}
	return nil
}

type scan struct {
	c        cursor
	in       interner
	rec      ingest.Record
	from, to time.Time
	yield    func(*ingest.Record) error
	seen     map[string]int64 // highest number by foreign log
	next     int64
	dir      string
}

func (s *scan) segment(ctx context.Context, seg *segment) error {
	if err := s.c.open(seg.path); errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("scan record log: %w", err)
	}
	s.c.limit = seg.size
	s.next = max(s.next, seg.first)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		payload, err := s.c.next(true)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errCorrupt):
			// Counted by the readers; here it is only not shown.
			if _, _, err := s.c.resync(s.next, seg.last); err != nil {
				return err
			}
			continue
		default:
			return err
		}
		if err := s.record(payload, seg); err != nil {
			return err
		}
	}
}

func (s *scan) record(payload []byte, seg *segment) error {
	seq := payloadSeq(payload)
	if seq < s.next || seq > seg.last {
		return nil // left by a Put that failed
	}
	s.next = seq + 1
	if err := decodePayload(payload, &s.rec, seg.logID, &s.in); errors.Is(err, errCorrupt) {
		return nil
	} else if err != nil {
		return fmt.Errorf("scan record log %s: %w", s.dir, err)
	}
	r := &s.rec
	if r.Origin.Log != seg.logID {
		if r.Origin.Seq <= s.seen[r.Origin.Log] {
			return nil
		}
		s.seen[r.Origin.Log] = r.Origin.Seq
	}
	if !s.from.IsZero() && r.Time.Before(s.from) || !s.to.IsZero() && !r.Time.Before(s.to) {
		return nil
	}
	return s.yield(r)
}
