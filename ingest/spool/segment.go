package spool

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A segment file begins with a magic number, the log's id (16 bytes), the number
// of its first record, the time it was made (both int64) and a CRC-32C of these.
const (
	segmentMagic  = "HARKLOG1"
	segmentHead   = 8 + 16 + 8 + 8 + 4
	segmentSuffix = ".log"
)

// A segment is one file of the log. Its fields are guarded by Log.mu; size and
// last of the newest one grow.
type segment struct {
	path    string
	logID   string
	first   int64 // number of the first record
	last    int64 // number of the last record; first-1 if there is none
	size    int64 // committed bytes, header included
	removed bool
}

// above returns how many of the segment's records have numbers above acked.
func (s *segment) above(acked int64) int64 { return max(0, s.last-max(acked, s.first-1)) }

func segmentPath(dir string, first int64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", first, segmentSuffix))
}

func newLogID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func appendSegmentHead(dst []byte, logID string, first int64, now time.Time, table *crc32.Table) []byte {
	start := len(dst)
	dst = append(dst, segmentMagic...)
	dst, _ = hex.AppendDecode(dst, []byte(logID))                   // of newLogID
	dst = binary.LittleEndian.AppendUint64(dst, uint64(first))      //nolint:gosec // positive
	dst = binary.LittleEndian.AppendUint64(dst, uint64(now.Unix())) //nolint:gosec // two's complement
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], table))
}

// parseSegmentHead returns the log id of a segment whose first record is first.
func parseSegmentHead(b []byte, first int64, table *crc32.Table) (string, bool) {
	if len(b) < segmentHead || string(b[:8]) != segmentMagic ||
		binary.LittleEndian.Uint32(b[segmentHead-4:]) != crc32.Checksum(b[:segmentHead-4], table) ||
		binary.LittleEndian.Uint64(b[24:]) != uint64(first) { //nolint:gosec // positive
		return "", false
	}
	return hex.EncodeToString(b[8:24]), true
}

// createSegment makes the file of a segment that begins with first and opens it
// for writing. A file of that name without records may be there.
func (l *Log) createSegment(first int64, logID string) (*os.File, *segment, error) {
	path := segmentPath(l.cfg.Dir, first)
	f, err := openFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, nil, err
	}
	head := appendSegmentHead(nil, logID, first, l.cfg.Now(), l.table)
	if _, err := l.writeAt(f, head, 0); err != nil {
		_ = f.Close()
		_ = os.Remove(path) // the next try makes it anew
		return nil, nil, err
	}
	return f, &segment{path: path, logID: logID, first: first, last: first - 1, size: segmentHead}, nil
}

// loadSegments finds the segments on disk. It truncates a torn tail of the last
// one; what was being written when a process died was never acknowledged.
func (l *Log) loadSegments() error {
	entries, err := os.ReadDir(l.cfg.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		if !ok {
			continue
		}
		first, err := strconv.ParseInt(name, 10, 64)
		if err != nil || first < 1 || len(name) != 20 {
			continue
		}
		seg := &segment{path: filepath.Join(l.cfg.Dir, e.Name()), first: first}
		if err := l.loadHead(seg); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		l.segs = append(l.segs, seg)
	}
	slices.SortFunc(l.segs, func(a, b *segment) int { return int(min(max(a.first-b.first, -1), 1)) })
	for i, s := range l.segs {
		if i+1 < len(l.segs) {
			s.last = l.segs[i+1].first - 1
		} else if err := l.recoverTail(s); err != nil {
			return err
		}
	}
	return nil
}

// loadHead reads a segment's size and id. A damaged header is written anew with a
// new id: its records are fine, and lose only the memory of having been seen.
func (l *Log) loadHead(s *segment) error {
	f, err := openFile(s.path, os.O_RDWR)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	s.size = info.Size()
	var head [segmentHead]byte
	n, err := f.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var ok bool
	if s.logID, ok = parseSegmentHead(head[:n], s.first, l.table); ok {
		return nil
	}
	if s.size < segmentHead { // died while making it
		if err := os.Remove(s.path); err != nil {
			return err
		}
		return fs.ErrNotExist
	}
	s.logID = newLogID()
	l.log.Warn("segment header damaged, log id renewed", "path", s.path)
	_, err = f.WriteAt(appendSegmentHead(nil, s.logID, s.first, l.cfg.Now(), l.table), 0)
	return err
}

// recoverTail finds the last record of the last segment and cuts what follows.
func (l *Log) recoverTail(s *segment) error {
	c := cursor{table: l.table, chunk: 1 << 20, limit: s.size}
	if err := c.open(s.path); err != nil {
		return err
	}
	defer c.close()
	s.last = s.first - 1
	for {
		payload, err := c.next(true)
		at := c.off()
		switch {
		case err == nil:
			s.last = max(s.last, payloadSeq(payload))
			continue
		case errors.Is(err, io.EOF):
			return nil
		case !errors.Is(err, errCorrupt):
			return err
		}
		// A frame further on means damage in the middle, which readers skip.
		skipped, found, err := c.resync(s.last+1, math.MaxInt64)
		if err != nil {
			return err
		}
		if found {
			continue
		}
		l.log.Warn("torn end of log cut off", "path", s.path, "offset", at, "bytes", skipped)
		s.size = at
		return os.Truncate(s.path, at)
	}
}

// openFile opens a file of the log. Its directory is the operator's choice.
func openFile(path string, flag int) (*os.File, error) {
	return os.OpenFile(path, flag, 0o600)
}

// logger is l, or one that discards.
func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}
