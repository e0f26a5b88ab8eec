// Package spool is a durable log of records on local disk: the buffer between
// capture and a sink that may be away, and the topic of a control plane that
// needs no Kafka. It is an ingest.Sink, its Readers are ingest.Sources, and Scan
// reads all that it still holds.
//
// Records survive the death of any process once Put returned. They survive the
// loss of power only as far as Config.SyncEvery says. The log knows nothing of
// what is in a record's bytes.
package spool

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"harken/ingest"
)

// MaxRecordBytes is the longest Data of a record that a Log takes.
const MaxRecordBytes = 64 << 20

// The errors of a Log that takes no more records.
var (
	ErrSealed = errors.New("the record log is sealed")
	ErrClosed = errors.New("the record log is closed")
	// ErrInUse is wrapped by Open's error when another process has the log open.
	ErrInUse = errors.New("in use by another process")
)

// Config says where a Log is and how large it may become.
type Config struct {
	// Dir is the directory of this log and of nothing else; it is made, with mode
	// 0700. A topic has one: <data>/akto.api.logs.
	Dir string
	// SegmentBytes is the size at which a new file is begun; 0 is 64 MiB. It is at
	// most an eighth of MaxBytes, so that dropping a segment drops little.
	SegmentBytes int64
	// MaxBytes bounds the segments that some reader has not acknowledged; 0 is
	// 2 GiB. Beyond it the oldest are dropped and their records counted.
	MaxBytes int64
	// KeepBytes bounds the acknowledged segments that are kept for Scan; 0 keeps
	// none but the one that is written to.
	KeepBytes int64
	// SyncEvery is the longest time between fsyncs while records come in; 0 leaves
	// it to the operating system. The fsync is made by the Put that finds it due,
	// and by Close.
	SyncEvery time.Duration
	// BatchRecords and BatchBytes bound a Reader's batches; 0 is 512 records and
	// 1 MiB. A larger record is a batch of its own.
	BatchRecords int
	BatchBytes   int

	Now        func() time.Time      // nil is time.Now
	Log        *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil keeps the metrics to itself
}

// A Log is a log on disk. Its methods are safe for concurrent use.
type Log struct {
	cfg   Config
	log   *slog.Logger
	table *crc32.Table
	lock  *os.File
	m     *metrics
	// writeAt writes to a segment; tests let it fail.
	writeAt func(f *os.File, b []byte, off int64) (int, error)

	// wmu gives records their order. Unlike other mutexes it is held over
	// write(2): there is one end of the log to write to.
	wmu    sync.Mutex
	file   *os.File // of the active segment
	active *segment
	buf    []byte
	broken bool // the active segment has bytes behind its end that could not be cut
	synced time.Time
	sealed bool
	closed bool

	// mu guards what readers see. It is never held over I/O.
	mu      sync.Mutex
	segs    []*segment // by rising first; the last is the active one
	acks    map[string]int64
	readers map[string]*Reader
	ended   bool // sealed, as readers see it
	gone    bool // closed, as readers see it
}

var _ ingest.Sink = (*Log)(nil)

// Open opens the log in cfg.Dir, or makes it. Only one Log at a time may be open
// on a directory, in this or another process.
func Open(cfg Config) (*Log, error) {
	if cfg.Dir == "" {
		return nil, errors.New("record log without a directory")
	}
	setDefaults(&cfg)
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make record log: %w", err)
	}
	l := &Log{
		cfg: cfg, log: logger(cfg.Log), table: castagnoli(), writeAt: (*os.File).WriteAt,
		acks: map[string]int64{}, readers: map[string]*Reader{},
	}
	var err error
	if l.lock, err = lockDir(cfg.Dir); err != nil {
		return nil, err
	}
	if err := l.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open record log %s: %w", cfg.Dir, err), l.abandon())
	}
	if l.m, err = newMetrics(cfg.Registerer, l); err != nil {
		return nil, errors.Join(err, l.abandon())
	}
	return l, nil
}

// abandon gives back what a failing Open has taken.
func (l *Log) abandon() error {
	var err error
	if l.file != nil {
		err = l.file.Close()
	}
	return errors.Join(err, l.lock.Close())
}

func setDefaults(cfg *Config) {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 2 << 30
	}
	if cfg.SegmentBytes <= 0 {
		cfg.SegmentBytes = 64 << 20
	}
	cfg.SegmentBytes = max(min(cfg.SegmentBytes, cfg.MaxBytes/8), segmentHead)
	if cfg.BatchRecords <= 0 {
		cfg.BatchRecords = 512
	}
	if cfg.BatchBytes <= 0 {
		cfg.BatchBytes = 1 << 20
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
}

// load reads the directory. After a clean Close the last segment is continued;
// otherwise a new one begins under a new log id, because a crash of the machine
// may have taken records whose numbers others have already stored as seen, and a
// number must never be given twice under one id.
func (l *Log) load() error {
	if err := l.loadAcks(); err != nil {
		return err
	}
	if err := l.loadSegments(); err != nil {
		return err
	}
	next := int64(1)
	for _, acked := range l.acks {
		next = max(next, acked+1)
	}
	var last *segment
	if len(l.segs) > 0 {
		last = l.segs[len(l.segs)-1]
	}
	clean := last != nil && l.wasClean(last) && next <= last.last+1
	if err := l.markUnclean(); err != nil {
		return err
	}
	if clean {
		f, err := openFile(last.path, os.O_RDWR)
		if err != nil {
			return err
		}
		l.file, l.active = f, last
		return nil
	}
	if last != nil {
		next = max(next, last.last+1)
		if last.first == next { // empty: made anew below
			l.segs = l.segs[:len(l.segs)-1]
		}
	}
	f, seg, err := l.createSegment(next, newLogID())
	if err != nil {
		return err
	}
	l.file, l.active = f, seg
	l.segs = append(l.segs, seg)
	return nil
}

const cleanName = "clean"

func cleanText(s *segment) string { return fmt.Sprintf("%d %d\n", s.last, s.size) }

func (l *Log) wasClean(last *segment) bool {
	b, err := os.ReadFile(filepath.Join(l.cfg.Dir, cleanName))
	return err == nil && string(b) == cleanText(last)
}

// markUnclean removes the mark of a clean Close before anything is appended, and
// sees to it that the removal outlives what follows.
func (l *Log) markUnclean() error {
	err := os.Remove(filepath.Join(l.cfg.Dir, cleanName))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(l.cfg.Dir)
}

func syncDir(dir string) error {
	d, err := openFile(dir, os.O_RDONLY)
	if err != nil {
		return err
	}
	// Not every file system can sync a directory; those keep the order anyway.
	_ = d.Sync()
	return d.Close()
}

// Put appends recs as one write(2) and returns when the operating system has
// them. It does not wait for ctx: a write to local disk is not worth losing a
// record for at shutdown. A record without an Origin gets this log's; a foreign
// one is kept. After an error nothing of recs is in the log, and Put may be tried
// again. A record that the log can never take is named by an
// ingest.RejectedError; the others are in the log then.
func (l *Log) Put(_ context.Context, recs ...*ingest.Record) error {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	switch {
	case l.closed:
		return ErrClosed
	case l.sealed:
		return ErrSealed
	}
	var total int64
	var rejected []ingest.Rejection
	for i, r := range recs {
		n, why := frameSize(r)
		if why != "" {
			rejected = append(rejected, ingest.Rejection{Index: i, Reason: why})
		}
		total += int64(n)
	}
	if len(rejected) < len(recs) {
		if err := l.append(recs, total); err != nil {
			l.m.writeErrors.Inc()
			return fmt.Errorf("append to record log %s: %w", l.cfg.Dir, err)
		}
	}
	if rejected != nil {
		return &ingest.RejectedError{Records: rejected}
	}
	return nil
}

// append writes recs, whose frames need at most total bytes; on disk full once
// more after kept segments were given up for it.
func (l *Log) append(recs []*ingest.Record, total int64) error {
	err := l.tryAppend(recs, total)
	for diskFull(err) && l.removeOldestKept() {
		err = l.tryAppend(recs, total)
	}
	return err
}

// writeChunk bounds the buffer that a Put of many records needs.
const writeChunk = 4 << 20

func (l *Log) tryAppend(recs []*ingest.Record, total int64) error {
	if l.broken || l.active.size > segmentHead && l.active.size+total > l.cfg.SegmentBytes {
		if err := l.roll(); err != nil {
			return err
		}
	}
	start, seq, buf := l.active.size, l.active.last+1, l.buf[:0]
	off := start
	flush := func() error {
		_, err := l.writeAt(l.file, buf, off)
		off += int64(len(buf))
		buf = buf[:0]
		return err
	}
	for _, r := range recs {
		if n, why := frameSize(r); why != "" {
			continue
		} else if len(buf) > 0 && len(buf)+n > writeChunk {
			if err := flush(); err != nil {
				return l.cut(start, err)
			}
		}
		buf = appendFrame(buf, r, seq, l.table)
		seq++
	}
	if cap(buf) <= 2*writeChunk { // a giant record's buffer is not kept
		l.buf = buf
	} else {
		l.buf = nil
	}
	if err := flush(); err != nil {
		return l.cut(start, err)
	}
	if err := l.syncIfDue(); err != nil {
		return l.cut(start, err)
	}
	l.commit(off, seq-1)
	return nil
}

// commit shows readers what was written.
func (l *Log) commit(size, last int64) {
	l.mu.Lock()
	l.m.appended.Add(float64(last - l.active.last))
	l.active.size, l.active.last = size, last
	l.wake()
	l.mu.Unlock()
}

// cut takes back what a failed write left behind the end.
func (l *Log) cut(end int64, cause error) error {
	if err := l.file.Truncate(end); err != nil {
		l.broken = true
		return errors.Join(cause, err)
	}
	return cause
}

func (l *Log) syncIfDue() error {
	if l.cfg.SyncEvery <= 0 {
		return nil
	}
	now := l.cfg.Now()
	if now.Sub(l.synced) < l.cfg.SyncEvery {
		return nil
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	l.synced = now
	return nil
}

// roll begins a new segment and removes what the limits no longer allow.
func (l *Log) roll() error {
	if l.cfg.SyncEvery > 0 {
		if err := l.file.Sync(); err != nil {
			return err
		}
	}
	f, seg, err := l.createSegment(l.active.last+1, l.active.logID)
	if err != nil {
		return err
	}
	old := l.file
	l.file, l.broken = f, false
	l.mu.Lock()
	l.active = seg
	l.segs = append(l.segs, seg)
	l.mu.Unlock()
	if l.cfg.SyncEvery > 0 {
		if err := syncDir(l.cfg.Dir); err != nil {
			return errors.Join(err, old.Close())
		}
	}
	if err := old.Close(); err != nil {
		return err
	}
	l.retain()
	return nil
}

// Seal ends the log for writing: Put returns ErrSealed, and a Reader that has
// given all records returns io.EOF. It is how a command drains its log.
func (l *Log) Seal() {
	l.wmu.Lock()
	l.sealed = true
	l.wmu.Unlock()
	l.mu.Lock()
	l.ended = true
	l.wake()
	l.mu.Unlock()
}

// Close seals the log and gives up its directory. Readers must not be used any
// more; a late Ack returns ErrClosed.
func (l *Log) Close() error {
	l.Seal()
	l.wmu.Lock()
	defer l.wmu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.mu.Lock()
	l.gone = true
	readers := make([]*Reader, 0, len(l.readers))
	for _, r := range l.readers {
		readers = append(readers, r)
	}
	l.mu.Unlock()
	for _, r := range readers {
		r.ackMu.Lock()   // an Ack under way writes its file before the lock is free
		r.ackMu.Unlock() //nolint:staticcheck // waits only
	}
	l.m.unregister()
	var err error
	if l.cfg.SyncEvery > 0 {
		err = l.file.Sync()
	}
	err = errors.Join(err, l.file.Close())
	if err == nil && !l.broken {
		err = os.WriteFile(filepath.Join(l.cfg.Dir, cleanName), []byte(cleanText(l.active)), 0o600)
	}
	if err = errors.Join(err, l.lock.Close()); err != nil {
		return fmt.Errorf("close record log %s: %w", l.cfg.Dir, err)
	}
	return nil
}

// Stats are the sizes of a Log at one moment.
type Stats struct {
	LogID       string // of the records put now
	Segments    int
	Bytes       int64 // of all segments
	First, Last int64 // numbers of the oldest and newest record; Last < First if there is none
	Unsent      int64 // records that some reader has not acknowledged
	UnsentBytes int64 // of the segments that hold them
}

// Stats returns the log's sizes.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{LogID: l.active.logID, Segments: len(l.segs), First: l.segs[0].first, Last: l.active.last}
	acked := l.minAcked()
	for _, seg := range l.segs {
		s.Bytes += seg.size
		if n := seg.above(acked); n > 0 {
			s.Unsent += n
			s.UnsentBytes += seg.size
		}
	}
	return s
}

// IDs returns the ids of the segments that the log still has, oldest first: the
// Origin.Log of its records. Their numbers go on rising from one to the next.
func (l *Log) IDs() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]string, len(l.segs))
	for i, s := range l.segs {
		ids[i] = s.logID
	}
	return slices.Compact(ids)
}

// minAcked returns up to which number every reader has acknowledged; without
// readers nothing is. The caller holds mu.
func (l *Log) minAcked() int64 {
	acked := int64(-1)
	for _, a := range l.acks {
		if acked < 0 || a < acked {
			acked = a
		}
	}
	return max(acked, 0)
}

// segmentOf returns the oldest segment that ends at or behind seq, or the active
// one. The caller holds mu.
func (l *Log) segmentOf(seq int64) *segment {
	i := slices.IndexFunc(l.segs, func(s *segment) bool { return s.last >= seq })
	if i < 0 {
		return l.active
	}
	return l.segs[i]
}

func validName(name string) bool {
	return name != "" && len(name) <= 64 && name[0] != '.' &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}
