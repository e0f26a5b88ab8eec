package spool

import (
	"errors"
	"os"
	"syscall"
)

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// retain removes segments: acknowledged ones beyond KeepBytes, and, counting
// their records as dropped, unacknowledged ones beyond MaxBytes.
func (l *Log) retain() {
	l.mu.Lock()
	acked := l.minAcked()
	var kept, unsent int64
	for _, s := range l.segs[:len(l.segs)-1] {
		if s.above(acked) == 0 {
			kept += s.size
		} else {
			unsent += s.size
		}
	}
	// Room for the active segment is part of the limit.
	room := l.cfg.MaxBytes - max(l.cfg.SegmentBytes, l.active.size)
	var drop []*segment
	var lost int64
	for len(l.segs) > 1 {
		s := l.segs[0]
		if s.above(acked) == 0 {
			if kept <= l.cfg.KeepBytes {
				break
			}
			kept -= s.size
		} else {
			if unsent <= room {
				break
			}
			unsent -= s.size
			lost += s.above(l.minGiven())
		}
		drop = append(drop, s)
		s.removed = true
		l.segs = l.segs[1:]
	}
	l.mu.Unlock()
	if lost > 0 {
		l.m.dropped.WithLabelValues("spool-full").Add(float64(lost))
		l.log.Warn("record log full, oldest records dropped", "dir", l.cfg.Dir, "records", lost)
	}
	l.unlink(drop)
}

// minGiven is like minAcked, but counts what readers were given: a batch in the
// hands of a reader is not lost with its segment. The caller holds mu.
func (l *Log) minGiven() int64 {
	given := int64(-1)
	for name, a := range l.acks {
		if r := l.readers[name]; r != nil {
			a = max(a, r.given)
		}
		if given < 0 || a < given {
			given = a
		}
	}
	return max(given, 0)
}

// removeOldestKept makes room on a full disk: it removes the oldest segment if
// every reader has acknowledged it, and reports whether it did.
func (l *Log) removeOldestKept() bool {
	l.mu.Lock()
	if len(l.segs) < 2 || l.segs[0].above(l.minAcked()) > 0 {
		l.mu.Unlock()
		return false
	}
	s := l.segs[0]
	s.removed = true
	l.segs = l.segs[1:]
	l.mu.Unlock()
	l.unlink([]*segment{s})
	return true
}

func (l *Log) unlink(segs []*segment) {
	for _, s := range segs {
		if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			// It is found again at the next Open, and removed then.
			l.log.Warn("segment not removed", "path", s.path, "err", err)
		}
	}
}

// forgetMissing takes a segment whose file someone removed out of the log, and
// reports whether it could: the active one cannot be missed.
func (l *Log) forgetMissing(s *segment) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.removed {
		return true
	}
	for i, have := range l.segs[:len(l.segs)-1] {
		if have == s {
			s.removed = true
			l.segs = append(l.segs[:i:i], l.segs[i+1:]...)
			return true
		}
	}
	return false
}
