package har

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// A File is a HAR file that is being written. It is a valid document whenever no
// call of Append is in progress: each overwrites the trailer with its entries and
// a new trailer, by one write. A process killed in the middle of that write
// leaves the entries before it whole; OpenFile and Repair cut what is torn. All
// methods are safe for concurrent use.
type File struct {
	mu    sync.Mutex // makes writers take turns; the write is the only thing it guards besides the fields
	f     *os.File
	end   int64 // offset of the trailer
	first bool  // no entry yet
	dirty bool  // an append failed, and bytes of it may stand behind the trailer
	buf   []byte
}

// ErrLocked means that another process is writing the file.
var ErrLocked = errors.New("another process is writing this file")

// OpenFile opens the HAR file at path to append to it. A file that does not
// exist, or is empty, is made with mode 0600 and the given head. One that was
// torn by the death of its writer is repaired as by Repair. Anything but a HAR
// file that this package wrote is refused and left as it is. Only one process at
// a time can have the file open, where the system has flock(2).
func OpenFile(path string, h Head) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	file, err := openFile(f, h)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), f.Close())
	}
	return file, nil
}

func openFile(f *os.File, h Head) (*File, error) {
	if err := lock(f); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file; use a stream for devices and pipes")
	}
	file := &File{f: f}
	if end, first, ok := wholeTail(f, info.Size()); ok {
		file.end, file.first = end, first
		return file, nil
	}
	rep, err := repair(f, info.Size(), h)
	if err != nil {
		return nil, err
	}
	file.end, file.first = rep.end, rep.Entries == 0
	return file, nil
}

// wholeTail reports whether the file starts and ends as this package leaves it,
// so that it need not be read whole. No entry contains a line feed, so the
// trailer cannot be part of one.
func wholeTail(r io.ReaderAt, size int64) (end int64, first, ok bool) {
	var tail [len(trailer) + 1]byte
	end = size - int64(len(trailer))
	if end < int64(len(headStart)+len(headEnd)) || !startsAsOurs(r) {
		return 0, false, false
	}
	if _, err := r.ReadAt(tail[:], end-1); err != nil || string(tail[1:]) != trailer {
		return 0, false, false
	}
	return end, tail[0] == '[', tail[0] == '[' || tail[0] == '}'
}

func startsAsOurs(r io.ReaderAt) bool {
	var head [len(headStart)]byte
	_, err := r.ReadAt(head[:], 0)
	return err == nil && string(head[:]) == headStart
}

// Append writes encoded entries, each one line of JSON as AppendEntry makes it,
// and the trailer. On an error none of them is in the file, and the file is as it
// was before, unless the system refuses that too; the next Append or OpenFile
// then puts it right.
func (f *File) Append(entries ...[]byte) error {
	if len(entries) == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return fs.ErrClosed
	}
	buf, err := appendRaw(f.buf[:0], f.first, entries)
	if err != nil {
		return err
	}
	end := f.end + int64(len(buf))
	buf = append(buf, trailer...)
	f.buf = buf[:0]
	if cap(buf) > maxKeptBuffer {
		f.buf = nil
	}
	if _, err := f.f.WriteAt(buf, f.end); err != nil {
		f.dirty = true
		if undo := f.undo(); undo != nil {
			return fmt.Errorf("append to %s: %w (and then: %w)", f.f.Name(), err, undo)
		}
		return fmt.Errorf("append to %s: %w", f.f.Name(), err)
	}
	if f.dirty {
		if err := f.f.Truncate(end + int64(len(trailer))); err != nil {
			return fmt.Errorf("append to %s: %w", f.f.Name(), err)
		}
		f.dirty = false
	}
	f.end, f.first = end, false
	return nil
}

// maxKeptBuffer is the largest buffer that a File keeps between calls.
const maxKeptBuffer = 4 << 20

// undo cuts what a failed append wrote.
func (f *File) undo() error {
	if _, err := f.f.WriteAt([]byte(trailer), f.end); err != nil {
		return err
	}
	if err := f.f.Truncate(f.end + int64(len(trailer))); err != nil {
		return err
	}
	f.dirty = false
	return nil
}

// Sync makes what was appended survive the death of the machine.
func (f *File) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return fs.ErrClosed
	}
	return f.f.Sync()
}

// Close closes the file. It may be called more than once.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return nil
	}
	file := f.f
	f.f = nil
	return file.Close()
}
