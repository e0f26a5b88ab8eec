package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"harken/har"
)

// A HARFile is a Sink that writes records into a HAR file.
type HARFile struct {
	mu      sync.Mutex // Puts take turns on the file
	f       *har.File
	entries [][]byte
}

// A LineFile is a Sink that writes one HAR entry a line (ndjson).
type LineFile struct {
	mu    sync.Mutex // Puts take turns on the writer
	w     io.Writer
	close func() error
	file  *os.File // nil unless the writer is a file that can be cut
	end   int64
	buf   []byte
}

var (
	_ Sink = (*HARFile)(nil)
	_ Sink = (*LineFile)(nil)
)

// OpenHARFile opens or makes the HAR file at path with head; entries go behind those that
// are there.
func OpenHARFile(path string, head har.Head) (*HARFile, error) {
	f, err := har.OpenFile(path, head)
	if err != nil {
		return nil, err
	}
	return &HARFile{f: f}, nil
}

// Put appends recs. Records that cannot be decoded from Akto's form are rejected.
func (h *HARFile) Put(_ context.Context, recs ...*Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries = h.entries[:0]
	var rejected []Rejection
	for i, r := range recs {
		if r.Form == FormHAR {
			h.entries = append(h.entries, r.Data)
			continue
		}
		b, err := appendHAR(nil, r)
		if err != nil {
			rejected = append(rejected, Rejection{i, err.Error()})
			continue
		}
		h.entries = append(h.entries, b)
	}
	if len(h.entries) > 0 {
		err := h.f.Append(h.entries...)
		clear(h.entries) // the bytes are the caller's
		if err != nil {
			return fmt.Errorf("write har file: %w", err)
		}
	}
	return rejection(rejected)
}

// Close closes the file.
func (h *HARFile) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.f.Close()
}

func rejection(rejected []Rejection) error {
	if rejected == nil {
		return nil
	}
	return &RejectedError{Records: rejected}
}

// appendHAR appends the entry of r in HAR's form.
func appendHAR(dst []byte, r *Record) ([]byte, error) {
	if r.Form == FormHAR {
		return append(dst, r.Data...), nil
	}
	var e har.Entry
	if err := r.DecodeEntry(&e); err != nil {
		return dst, err
	}
	return har.AppendEntry(dst, &e), nil
}

// NewLineFile returns a LineFile on w, such as standard output. Close leaves w
// open.
func NewLineFile(w io.Writer) *LineFile {
	return &LineFile{w: w, close: func() error { return nil }}
}

// OpenLineFile opens or makes the file at path, mode 0600. Lines go behind those
// that are there; a last line that a crash has cut off is removed.
func OpenLineFile(path string) (*LineFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() { // a pipe or a device
		return &LineFile{w: f, close: f.Close}, nil
	}
	var end int64
	if err == nil {
		end, err = lastLineEnd(f, info.Size())
	}
	if err == nil {
		err = f.Truncate(end)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), f.Close())
	}
	return &LineFile{w: f, close: f.Close, file: f, end: end}, nil
}

// lastLineEnd returns the offset behind the last line feed.
func lastLineEnd(f *os.File, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for size > 0 {
		from := max(0, size-int64(len(buf)))
		n, err := f.ReadAt(buf[:size-from], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		size = from
	}
	return 0, nil
}

// Put writes recs by one write. After an error a file is as it was.
func (l *LineFile) Put(_ context.Context, recs ...*Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = l.buf[:0]
	var rejected []Rejection
	for i, r := range recs {
		start := len(l.buf)
		var err error
		if l.buf, err = appendHAR(l.buf, r); err != nil {
			l.buf = l.buf[:start]
			rejected = append(rejected, Rejection{i, err.Error()})
			continue
		}
		// Line feeds between JSON tokens are space; in strings there are none.
		for line := l.buf[start:]; ; {
			j := bytes.IndexByte(line, '\n')
			if j < 0 {
				break
			}
			line[j] = ' '
			line = line[j:]
		}
		l.buf = append(l.buf, '\n')
	}
	if err := l.write(); err != nil {
		return fmt.Errorf("write records: %w", err)
	}
	if cap(l.buf) > 16<<20 {
		l.buf = nil // a giant record's buffer is not kept
	}
	return rejection(rejected)
}

func (l *LineFile) write() error {
	if l.file == nil {
		_, err := l.w.Write(l.buf)
		return err
	}
	if _, err := l.file.WriteAt(l.buf, l.end); err != nil {
		return errors.Join(err, l.file.Truncate(l.end))
	}
	l.end += int64(len(l.buf))
	return nil
}

// Close closes the file, if OpenLineFile opened one.
func (l *LineFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.close()
}
