package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"harken/ingest"
)

const ackSuffix = ".ack"

// A Reader is a named consumer of a Log. It gives the records behind its last
// acknowledged one, in order; what was given and not acknowledged comes again
// after a restart, with the same origins. Its position is a file beside the
// segments that each Ack replaces by rename; it survives the death of any process,
// and is synced if Config.SyncEvery is set. Readers are independent of each other.
type Reader struct {
	l    *Log
	name string
	wait chan struct{} // has room for one wake-up

	// Used by Next alone.
	c    cursor
	seg  *segment
	last int64 // number of the last record before the cursor's limit
	next int64 // number of the next record to give
	in   interner
	recs []ingest.Record
	ptrs []*ingest.Record

	ackMu sync.Mutex // one Ack at a time writes the file

	// Guarded by l.mu.
	given   int64 // number of the last record given
	waiting bool
}

var _ ingest.Source = (*Reader)(nil)

// Positions returns, by name, the last record that each reader there ever was has
// acknowledged, those that are not open included.
func (l *Log) Positions() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.acks)
}

// Begin makes a reader of that name, if there is none, begin behind the record
// acked instead of with the oldest one.
func (l *Log) Begin(name string, acked int64) error {
	if !validName(name) {
		return fmt.Errorf("reader %.70q: want 1 to 64 of a-z, 0-9 and ._-", name)
	}
	l.mu.Lock()
	_, known := l.acks[name]
	if !known {
		l.acks[name] = acked
	}
	l.mu.Unlock()
	if known {
		return nil
	}
	return l.storeAck(name, acked)
}

// Reader opens the reader of that name: lower-case letters, digits and ._-, at
// most 64. A new one begins with the oldest record. Until Forget the log keeps
// records for every reader it has ever had, up to Config.MaxBytes. A name can be
// open once.
func (l *Log) Reader(name string) (*Reader, error) {
	if !validName(name) {
		return nil, fmt.Errorf("reader %.70q: want 1 to 64 of a-z, 0-9 and ._-", name)
	}
	r := &Reader{
		l: l, name: name, wait: make(chan struct{}, 1),
		c:    cursor{table: l.table, chunk: l.cfg.BatchBytes},
		recs: make([]ingest.Record, l.cfg.BatchRecords),
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return nil, ErrClosed
	}
	if l.readers[name] != nil {
		return nil, fmt.Errorf("reader %q of %s is open already", name, l.cfg.Dir)
	}
	acked, known := l.acks[name]
	if !known {
		acked = l.segs[0].first - 1
		l.acks[name] = acked
	}
	r.next, r.given = acked+1, acked
	l.readers[name] = r
	return r, nil
}

// Acked returns the number of the last record that the reader acknowledged.
func (r *Reader) Acked() int64 {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	return r.l.acks[r.name]
}

// Rewind moves the reader back, so that Next gives the records behind number seq
// again, as far as the log still has them: KeepBytes says how long it keeps
// acknowledged ones. It is for a consumer that lost what it had acknowledged, as a
// database does that a power loss took its last commits from. It returns how many
// records behind seq are gone, and does nothing if seq is not before the reader's
// position. It must not be called at the same time as Next.
func (r *Reader) Rewind(seq int64) (gone int64, err error) {
	r.ackMu.Lock()
	defer r.ackMu.Unlock()
	r.l.mu.Lock()
	if r.l.gone || r.l.readers[r.name] != r {
		r.l.mu.Unlock()
		return 0, ErrClosed
	}
	seq = max(seq, 0)
	if seq >= r.next-1 {
		r.l.mu.Unlock()
		return 0, nil
	}
	// From here on the segments behind seq are not acknowledged, so they stay.
	acked := min(seq, r.l.acks[r.name])
	back := acked < r.l.acks[r.name]
	r.l.acks[r.name] = acked
	first := r.l.segs[0].first
	r.next, r.given = max(seq+1, first), min(r.given, seq)
	r.seg = nil
	r.l.mu.Unlock()
	r.c.close()
	gone = max(0, first-seq-1)
	r.lost(gone, "rewind", r.l.cfg.Dir, 0)
	if back {
		if err := r.l.storeAck(r.name, acked); err != nil {
			return gone, fmt.Errorf("rewind reader %q to %d: %w", r.name, seq, err)
		}
	}
	return gone, nil
}

// Close gives up the reader; its name can be opened again, at the acknowledged
// position.
func (r *Reader) Close() error {
	r.c.close()
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	if r.l.readers[r.name] == r {
		delete(r.l.readers, r.name)
	}
	return nil
}

// Next returns the next records: at most Config.BatchRecords, about
// Config.BatchBytes, and at least one, for which it waits. It returns io.EOF
// after the last record of a sealed log, and ctx.Err() once ctx is done. The
// batch's Ack may be called from another goroutine.
func (r *Reader) Next(ctx context.Context) (ingest.Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return ingest.Batch{}, err
		}
		at, ended, err := r.locate()
		if err != nil {
			return ingest.Batch{}, err
		}
		if !at {
			if ended {
				return ingest.Batch{}, io.EOF
			}
			select {
			case <-r.wait:
			case <-ctx.Done():
				return ingest.Batch{}, ctx.Err()
			}
			continue
		}
		if err := r.read(); err != nil {
			return ingest.Batch{}, err
		}
		if len(r.ptrs) > 0 {
			last := r.next - 1
			r.l.mu.Lock()
			r.given = last
			r.l.mu.Unlock()
			return ingest.Batch{Partition: "0", Records: r.ptrs, Ack: func(context.Context) error { return r.ack(last) }}, nil
		}
	}
}

// locate moves to the segment of the next record and reports whether there is
// something to read; if not, the next Put wakes the reader, unless the log has
// ended.
func (r *Reader) locate() (at, ended bool, err error) {
	for {
		seg, ended := r.find()
		if seg == nil {
			return false, ended, nil
		}
		if seg == r.seg {
			return true, false, nil
		}
		if err := r.c.open(seg.path); errors.Is(err, os.ErrNotExist) && r.l.forgetMissing(seg) {
			r.l.mu.Lock()
			gone := seg.above(r.next - 1)
			r.l.mu.Unlock()
			r.lost(gone, "missing", seg.path, 0)
			r.next = max(r.next, seg.last+1)
			continue
		} else if err != nil {
			return false, false, fmt.Errorf("read record log: %w", err)
		}
		r.seg = seg
	}
}

// find returns the segment to read from; if the reader has it open, the cursor may
// read up to its present end. A nil segment means that there is nothing to read,
// and ended that there will never be.
func (r *Reader) find() (seg *segment, ended bool) {
	l := r.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.seg != nil && r.seg.removed {
		r.seg = nil // its records were counted when it was removed
	}
	if s := r.seg; s != nil && r.c.off() < s.size {
		r.c.limit, r.last = s.size, s.last
		return s, false
	}
	if s := r.seg; s != nil && s != l.active {
		// Left at its end with records missing: they were cut off.
		if gone := s.above(r.next - 1); gone > 0 {
			l.m.dropped.WithLabelValues("corrupt").Add(float64(gone))
		}
		r.next = max(r.next, s.last+1)
	}
	s := l.segmentOf(r.next)
	if s.first > r.next { // the ones before were dropped
		r.next = s.first
	}
	if s == r.seg || s.last < r.next {
		r.waiting = !l.ended
		return nil, l.ended
	}
	return s, false
}

// read fills ptrs with what one read of the file gives.
func (r *Reader) read() error {
	r.ptrs = r.ptrs[:0]
	for len(r.ptrs) < len(r.recs) {
		payload, err := r.c.next(len(r.ptrs) == 0)
		switch {
		case err == nil:
		case errors.Is(err, errRefill), errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errCorrupt):
			if len(r.ptrs) > 0 {
				return nil // the batch ends before the damage
			}
			if err := r.skipDamage(); err != nil {
				return err
			}
			continue
		default:
			return err
		}
		seq := payloadSeq(payload)
		if seq < r.next || seq > r.last {
			continue // acknowledged before, or left by a Put that failed
		}
		if seq > r.next {
			r.lost(seq-r.next, "corrupt", r.seg.path, r.c.off())
		}
		rec := &r.recs[len(r.ptrs)]
		if err := decodePayload(payload, rec, r.seg.logID, &r.in); errors.Is(err, errVersion) {
			r.c.seek(r.c.off() - int64(len(payload)) - frameHead)
			if len(r.ptrs) > 0 {
				return nil
			}
			return fmt.Errorf("read record log %s at %d: %w", r.seg.path, r.c.off(), err)
		} else if err != nil {
			r.lost(1, "corrupt", r.seg.path, r.c.off())
			r.next = seq + 1
			continue
		}
		r.ptrs = append(r.ptrs, rec)
		r.next = seq + 1
	}
	return nil
}

func (r *Reader) skipDamage() error {
	at := r.c.off()
	skipped, found, err := r.c.resync(r.next, r.last)
	if err != nil {
		return err
	}
	r.l.log.Warn("damaged bytes in record log skipped", "path", r.seg.path, "offset", at, "bytes", skipped)
	if !found {
		r.lost(r.last-r.next+1, "corrupt", r.seg.path, at)
		r.next = max(r.next, r.last+1)
	}
	return nil
}

func (r *Reader) lost(n int64, reason, path string, off int64) {
	if n <= 0 {
		return
	}
	r.l.m.dropped.WithLabelValues(reason).Add(float64(n))
	r.l.log.Warn("records lost in record log", "records", n, "reason", reason, "path", path, "offset", off, "reader", r.name)
}

// ack stores seq as acknowledged, and lets go of segments that nobody needs.
func (r *Reader) ack(seq int64) error {
	r.ackMu.Lock()
	defer r.ackMu.Unlock()
	r.l.mu.Lock()
	acked, gone := r.l.acks[r.name], r.l.gone || r.l.readers[r.name] != r
	r.l.mu.Unlock()
	if gone {
		return ErrClosed
	}
	if seq <= acked {
		return nil
	}
	if err := r.l.storeAck(r.name, seq); err != nil {
		return fmt.Errorf("acknowledge %d of reader %q: %w", seq, r.name, err)
	}
	r.l.mu.Lock()
	r.l.acks[r.name] = seq
	more := len(r.l.segs) > 1
	r.l.mu.Unlock()
	if more {
		r.l.retain()
	}
	return nil
}

// wake wakes the readers that wait. The caller holds mu.
func (l *Log) wake() {
	for _, r := range l.readers {
		if r.waiting {
			r.waiting = false
			select {
			case r.wait <- struct{}{}:
			default:
			}
		}
	}
}

// Forget removes the position of a reader that will not come back, so that the
// log no longer keeps records for it. The reader must not be open.
func (l *Log) Forget(name string) error {
	l.mu.Lock()
	if l.readers[name] != nil {
		l.mu.Unlock()
		return fmt.Errorf("forget reader %q: it is open", name)
	}
	_, known := l.acks[name]
	delete(l.acks, name)
	l.mu.Unlock()
	if !known {
		return nil
	}
	err := os.Remove(filepath.Join(l.cfg.Dir, name+ackSuffix))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget reader %q: %w", name, err)
	}
	return nil
}

func (l *Log) storeAck(name string, seq int64) error {
	path := filepath.Join(l.cfg.Dir, name+ackSuffix)
	f, err := openFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.Write(append(strconv.AppendInt(make([]byte, 0, 24), seq, 10), '\n'))
	if err == nil && l.cfg.SyncEvery > 0 {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// loadAcks reads the positions of the readers. One that cannot be read means
// reading all again, which is always right: repeats are known by their origin.
func (l *Log) loadAcks() error {
	entries, err := os.ReadDir(l.cfg.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ackSuffix)
		if !ok || !validName(name) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(l.cfg.Dir, e.Name()))
		if err != nil {
			return err
		}
		seq, err := strconv.ParseInt(strings.TrimSuffix(string(b), "\n"), 10, 64)
		if err != nil || seq < 0 {
			l.log.Warn("position of reader damaged, all is read again", "reader", name)
			seq = 0
		}
		l.acks[name] = seq
	}
	return nil
}
