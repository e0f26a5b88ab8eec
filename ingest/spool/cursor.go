package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// errRefill says that the next frame is not in memory as a whole.
var errRefill = errors.New("next frame is not buffered")

// A cursor reads the frames of one segment file up to a limit, by large reads
// into one buffer.
type cursor struct {
	f     *os.File
	table *crc32.Table
	chunk int
	limit int64 // end of what may be read
	base  int64 // file offset of buf[0]
	buf   []byte
	pos   int // in buf
}

// open points the cursor at the start of a segment's frames.
func (c *cursor) open(path string) error {
	c.close()
	f, err := openFile(path, os.O_RDONLY)
	if err != nil {
		return err
	}
	c.f = f
	c.seek(segmentHead)
	return nil
}

func (c *cursor) close() {
	if c.f != nil {
		_ = c.f.Close() // only read from
		c.f = nil
	}
}

func (c *cursor) seek(off int64) { c.base, c.pos, c.buf = off, 0, c.buf[:0] }

func (c *cursor) off() int64 { return c.base + int64(c.pos) }

// next returns the payload of the frame at the cursor and moves behind it: io.EOF
// at the limit, errCorrupt (without moving) if there is no frame. If refill is
// false, the payloads returned since the last refill stay valid, and errRefill
// says that the frame is not in memory.
func (c *cursor) next(refill bool) ([]byte, error) {
	left := c.limit - c.off()
	if left <= 0 {
		return nil, io.EOF
	}
	if left < frameHead {
		return nil, errCorrupt
	}
	if err := c.need(frameHead, refill); err != nil {
		return nil, err
	}
	n := payloadLength(c.buf[c.pos:])
	if !validLength(n) || n > left-frameHead {
		return nil, errCorrupt
	}
	if err := c.need(frameHead+int(n), refill); err != nil {
		return nil, err
	}
	frame := c.buf[c.pos : c.pos+frameHead+int(n) : c.pos+frameHead+int(n)]
	if binary.LittleEndian.Uint32(frame[4:]) != checksum(frame, c.table) {
		return nil, errCorrupt
	}
	c.pos += len(frame)
	return frame[frameHead:], nil
}

func (c *cursor) need(n int, refill bool) error {
	if len(c.buf)-c.pos >= n {
		return nil
	}
	if !refill {
		return errRefill
	}
	off := c.off()
	want := int(min(int64(max(n, c.chunk)), c.limit-off))
	if cap(c.buf) < want || cap(c.buf) > 4*c.chunk && want <= c.chunk {
		c.buf = make([]byte, max(want, c.chunk)) // a giant record's buffer is not kept
	}
	c.base, c.pos, c.buf = off, 0, c.buf[:want]
	got, err := c.f.ReadAt(c.buf, off)
	c.buf = c.buf[:got]
	if got >= n {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return errCorrupt // the file is shorter than it was
	}
	return fmt.Errorf("read %s at %d: %w", c.f.Name(), off, err)
}

// resync moves behind a damaged frame: to the next place that holds a frame with
// a right checksum and a number from lo to hi, or to the limit. It returns the
// bytes that were skipped and whether there is a frame.
func (c *cursor) resync(lo, hi int64) (int64, bool, error) {
	from := c.off()
	at, window := from+1, int64(c.chunk)
	for at < c.limit {
		rest := make([]byte, min(window, c.limit-at))
		n, err := c.f.ReadAt(rest, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, false, fmt.Errorf("read %s at %d: %w", c.f.Name(), at, err)
		}
		whole := n < len(rest) || at+int64(n) == c.limit
		i, found := c.findFrame(rest[:n], c.limit-at, lo, hi)
		switch at += int64(i); {
		case found:
			c.seek(at)
			return at - from, true, nil
		case whole:
			at = c.limit
		case i == 0: // what may be a frame is larger than the window
			window *= 2
		}
	}
	c.seek(c.limit)
	return c.limit - from, false, nil
}

// findFrame returns where in b, of whose file left bytes can be read from b's
// start on, there is a frame; if there is none, from where on more bytes are
// needed to tell.
func (c *cursor) findFrame(b []byte, left, lo, hi int64) (int, bool) {
	i := 0
	for ; i+frameHead+fixedHead <= len(b); i++ {
		n := payloadLength(b[i:])
		if !validLength(n) || n > left-int64(i)-frameHead {
			continue
		}
		if seq := payloadSeq(b[i+frameHead:]); seq < lo || seq > hi {
			continue
		}
		if n > int64(len(b)-i-frameHead) {
			if int64(len(b)) < left { // its end is not in b
				return i, false
			}
			continue
		}
		frame := b[i : i+frameHead+int(n)]
		if binary.LittleEndian.Uint32(frame[4:]) == checksum(frame, c.table) {
			return i, true
		}
	}
	return i, false
}
