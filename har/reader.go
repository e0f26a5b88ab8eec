package har

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// DefaultMaxEntry is how large an entry a Reader accepts unless told otherwise.
const DefaultMaxEntry = 64 << 20

const (
	readSize  = 64 << 10
	maxMember = 64 << 10 // of a member's name, and of log.creator and the like
)

// A Reader reads a HAR document entry by entry. It holds no more than one entry
// and 64 KiB in memory, however long the document is, takes members in any order,
// and tolerates a UTF-8 byte order mark. It is for one goroutine.
//
// An entry that cannot be read is an error for that entry; the next call
// continues behind it. Any other error ends the document.
type Reader struct {
	// MaxEntry is the largest entry in bytes; 0 means DefaultMaxEntry. It is set
	// before the first call of Next.
	MaxEntry int

	r    io.Reader
	buf  []byte
	pos  int   // the next byte in buf
	base int64 // offset of buf[0] in the document
	eof  bool
	err  error // what ended the document

	at       place
	first    bool // of the object or array that is being read
	entries  bool // log.entries was seen
	index    int
	raw      []byte
	start    int64 // offset of the entry
	end      int64 // offset behind the entry
	head     int64 // offset behind the bracket that opens log.entries
	skimming bool  // entries are passed over, for Repair
	odd      bool  // a byte was passed over that no entry of ours has
	log      Log
}

// A Log is what a document says of itself. The zero value stands where it says
// nothing.
type Log struct {
	Version        string
	Creator        string
	CreatorVersion string
	Comment        string
}

type place int

const (
	atStart place = iota
	atRoot
	atLog
	atEntries
	atEnd
)

// An EntryError is an entry that cannot be read. Reading may continue.
type EntryError struct {
	Index  int   // 1-based
	Offset int64 // of the entry in the document
	Err    error
}

// Error names the entry by its number.
func (e *EntryError) Error() string { return "entry " + strconv.Itoa(e.Index) + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *EntryError) Unwrap() error { return e.Err }

// A DocumentError is a document that is not HAR, or not to its end.
type DocumentError struct {
	Offset int64
	Msg    string
}

// Error tells the mistake and the offset.
func (e *DocumentError) Error() string { return fmt.Sprintf("%s at byte %d", e.Msg, e.Offset) }

// NewReader returns a Reader of the document that r holds.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Log returns what the document has said of itself so far: all of it once Next
// has returned io.EOF.
func (r *Reader) Log() Log { return r.log }

// Index returns the 1-based number of the entry that Next gave last.
func (r *Reader) Index() int { return r.index }

// Next returns the bytes of the next entry, which are valid until the next call.
// Its brackets are closed; nothing else of it is checked before Decode. The error
// is io.EOF behind a whole document, *EntryError for an entry larger than
// MaxEntry (the next call continues), else *DocumentError or an error of the
// underlying reader, which all further calls return again.
func (r *Reader) Next() ([]byte, error) {
	if r.MaxEntry <= 0 {
		r.MaxEntry = DefaultMaxEntry
	}
	for r.err == nil {
		var err error
		switch r.at {
		case atStart:
			err = r.begin()
		case atRoot:
			err = r.member((*Reader).rootMember)
		case atLog:
			err = r.member((*Reader).logMember)
		case atEntries:
			var more bool
			if more, err = r.element(); more {
				return r.raw, err
			}
		case atEnd:
			err = r.finish()
		}
		r.err = err
	}
	r.raw = nil
	return nil, r.err
}

// Decode decodes the entry that Next gave last. Its errors are of type
// *EntryError around a *DecodeError whose offset is one in the document.
func (r *Reader) Decode(e *Entry) error {
	err := DecodeEntry(r.raw, e)
	if de, ok := errors.AsType[*DecodeError](err); ok {
		de.Offset += int(r.start)
	}
	if err != nil {
		return &EntryError{Index: r.index, Offset: r.start, Err: err}
	}
	return nil
}

// Read is Next and Decode.
func (r *Reader) Read(e *Entry) error {
	if _, err := r.Next(); err != nil {
		return err
	}
	return r.Decode(e)
}

func (r *Reader) fail(msg string) error {
	if !r.entries {
		msg = "not a HAR document: " + msg
	}
	return &DocumentError{Offset: r.offset(), Msg: msg}
}

func (r *Reader) offset() int64 { return r.base + int64(r.pos) }

// wrong reports what stands where something else was wanted.
func (r *Reader) wrong(want string) error {
	c, err := r.peek()
	if errors.Is(err, io.EOF) {
		return r.fail("the document ends where " + want + " was expected")
	}
	if err != nil {
		return err
	}
	found := kindOf(c)
	if bytes.IndexByte([]byte("tfn"), c) >= 0 && !literal(r.buf[r.pos:]) {
		found = strconv.QuoteRune(rune(c))
	}
	return r.fail("want " + want + ", found " + found)
}

// literal says whether text begins with a literal, and not with a word that only
// has the first letter of one.
func literal(b []byte) bool {
	return bytes.HasPrefix(b, []byte("true")) || bytes.HasPrefix(b, []byte("false")) || bytes.HasPrefix(b, []byte("null"))
}

func (r *Reader) begin() error {
	for len(r.buf) < 3 && !r.eof {
		if err := r.fill(0); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	switch b := r.buf; {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		r.pos = 3
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return r.fail("it is UTF-16, and JSON is UTF-8")
	case bytes.HasPrefix(b, []byte("\x1f\x8b")):
		return r.fail("it is compressed with gzip")
	case bytes.HasPrefix(b, []byte("PK")):
		return r.fail("it is a ZIP archive")
	}
	if c, err := r.peek(); err != nil || c != '{' {
		return r.wrong("an object")
	}
	r.pos++
	r.at, r.first = atRoot, true
	return nil
}

// member reads one member of the root or of log, or the end of it.
func (r *Reader) member(f func(*Reader, string) error) error {
	c, err := r.peek()
	if err != nil {
		return r.wrong("a member")
	}
	if c == '}' {
		r.pos++
		r.first = false
		if r.at--; r.at == atStart {
			r.at = atEnd
		}
		return nil
	}
	if !r.first {
		if c != ',' {
			return r.wrong("',' or '}'")
		}
		r.pos++
	}
	r.first = false
	if c, err = r.peek(); err != nil || c != '"' {
		return r.wrong("a member name")
	}
	key, whole, err := r.value(maxMember)
	if err != nil {
		return err
	}
	l := decoder{b: bytes.Clone(key)}
	name, bad := l.text()
	if !whole || bad != nil {
		return r.fail("a member name that is no string")
	}
	if c, err = r.peek(); err != nil || c != ':' {
		return r.wrong("':'")
	}
	r.pos++
	return f(r, view(name))
}

func (r *Reader) rootMember(name string) error {
	if name != "log" {
		_, _, err := r.value(0)
		return err
	}
	if c, err := r.peek(); err != nil || c != '{' {
		return r.wrong("an object as log")
	}
	r.pos++
	r.at, r.first = atLog, true
	return nil
}

func (r *Reader) logMember(name string) error {
	switch name {
	case "entries":
		if c, err := r.peek(); err != nil || c != '[' {
			return r.wrong("an array as log.entries")
		}
		r.pos++
		r.at, r.first, r.entries = atEntries, true, true
		r.head = r.offset()
		return nil
	case "version", "creator", "comment":
		b, whole, err := r.value(maxMember)
		if err == nil && whole {
			r.describe(name, b)
		}
		return err
	}
	_, _, err := r.value(0)
	return err
}

// describe keeps what it can read; a document is not refused for these.
func (r *Reader) describe(name string, b []byte) {
	d := decoder{b: bytes.Clone(b)}
	switch name {
	case "version":
		_ = d.string(&r.log.Version)
	case "comment":
		_ = d.string(&r.log.Comment)
	case "creator":
		_ = optional(&d, &r.log, func(d *decoder, l *Log, name string) *DecodeError {
			switch name {
			case "name":
				return d.string(&l.Creator)
			case "version":
				return d.string(&l.CreatorVersion)
			}
			return d.skip()
		})
	}
}

// element reads the next entry, or the end of the array and then reports false.
func (r *Reader) element() (bool, error) {
	c, err := r.peek()
	if err != nil {
		return false, r.wrong("an entry or ']'")
	}
	if c == ']' {
		r.pos++
		r.at, r.first = atLog, false
		return false, nil
	}
	if !r.first {
		if c != ',' {
			return false, r.wrong("',' or ']'")
		}
		r.pos++
		if c, err = r.peek(); err != nil || c == ']' {
			return false, r.wrong("an entry")
		}
	}
	limit := r.MaxEntry
	if r.skimming {
		limit = 0
	}
	r.start = r.offset()
	raw, whole, err := r.value(limit)
	if err != nil {
		if de, ok := errors.AsType[*DocumentError](err); ok {
			de.Msg = "entry " + strconv.Itoa(r.index+1) + ": " + de.Msg
		}
		return false, err
	}
	r.first = false
	r.index++
	r.raw, r.end = raw, r.offset()
	if !whole && !r.skimming {
		r.raw = nil
		return true, &EntryError{Index: r.index, Offset: r.start, Err: fmt.Errorf("larger than %d bytes", r.MaxEntry)}
	}
	return true, nil
}

func (r *Reader) finish() error {
	_, err := r.peek()
	switch {
	case err == nil:
		return r.fail("there is data behind the document")
	case !errors.Is(err, io.EOF):
		return err
	case !r.entries:
		return r.fail("it has no member log.entries")
	}
	return io.EOF
}

// peek skips white space and returns the next byte without taking it.
func (r *Reader) peek() (byte, error) {
	for {
		for r.pos < len(r.buf) {
			switch c := r.buf[r.pos]; c {
			case ' ', '\t', '\n', '\r':
				r.pos++
			default:
				return c, nil
			}
		}
		if err := r.fill(len(r.buf)); err != nil {
			return 0, err
		}
	}
}

// value passes over the value that comes next. It returns its bytes and true, or
// false if they are more than limit; then they were not kept.
func (r *Reader) value(limit int) ([]byte, bool, error) {
	if c, err := r.peek(); err != nil || c == ',' || c == ']' || c == '}' || c == ':' {
		return nil, false, r.wrong("a value")
	}
	var s span
	keep := limit > 0
	from := r.pos
	for {
		n, done := s.feed(r.buf[r.pos:])
		if b := r.buf[r.pos : r.pos+n]; r.skimming && (bytes.IndexByte(b, 0) >= 0 || bytes.IndexByte(b, '\n') >= 0) {
			r.odd = true
		}
		r.pos += n
		keep = keep && r.pos-from <= limit
		if done {
			return r.buf[from:r.pos], keep, nil
		}
		if !keep {
			from = r.pos
		}
		held := r.pos - from
		if err := r.fill(from); err != nil {
			if errors.Is(err, io.EOF) {
				err = r.fail("the document ends inside a value")
			}
			return nil, false, err
		}
		from = r.pos - held
	}
}

// fill reads more, and drops what is in front of from.
func (r *Reader) fill(from int) error {
	if r.eof {
		return io.EOF
	}
	if from > 0 {
		n := copy(r.buf, r.buf[from:])
		r.buf = r.buf[:n]
		r.pos -= from
		r.base += int64(from)
	}
	if cap(r.buf)-len(r.buf) < readSize {
		grown := make([]byte, len(r.buf), max(2*cap(r.buf), 2*readSize))
		copy(grown, r.buf)
		r.buf = grown
	}
	for range 100 {
		n, err := r.r.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		switch {
		case errors.Is(err, io.EOF):
			r.eof = true
			if n == 0 {
				return io.EOF
			}
			return nil
		case err != nil:
			return fmt.Errorf("read HAR: %w", err)
		case n > 0:
			return nil
		}
	}
	return io.ErrNoProgress
}
