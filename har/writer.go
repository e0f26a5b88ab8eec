package har

import (
	"bytes"
	"fmt"
	"io"
)

// How every document of this package starts, which is how Repair knows its own
// files, and how it ends.
const (
	headStart = `{"log":{"version":"1.2","creator":{"name":"Harken"`
	headEnd   = `,"entries":[`
	trailer   = "\n]}}\n"
)

// A Head is what a document says before its entries.
type Head struct {
	Version string // of the program, for log.creator.version
	Comment string // log.comment; absent if empty
}

// append writes everything up to the first entry. HAR requires a version of the
// creator, so there always is one.
func (h Head) append(dst []byte) []byte {
	dst = append(dst, headStart...)
	dst = append(dst, `,"version":`...)
	dst = AppendString(dst, h.Version)
	dst = append(dst, '}')
	dst = appendOptional(dst, `,"comment":`, h.Comment)
	return append(dst, headEnd...)
}

// appendRaw writes entries, one a line; first says that none stand before them.
func appendRaw(dst []byte, first bool, entries [][]byte) ([]byte, error) {
	for _, e := range entries {
		if len(e) < len(`{"":0}`) || e[0] != '{' || e[1] != '"' || e[len(e)-1] != '}' || bytes.IndexByte(e, '\n') >= 0 {
			return nil, fmt.Errorf("entry of %d bytes is not one line of a JSON object", len(e))
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, '\n')
		dst = append(dst, e...)
	}
	return dst, nil
}

// A Writer writes a HAR document to something that is not a file, such as an
// HTTP response. It writes through at each call and is for one goroutine.
type Writer struct {
	w     io.Writer
	head  Head
	begun bool
	first bool
	buf   []byte
	err   error
}

// NewWriter returns a Writer of a document with that head. Nothing is written
// before the first call of Write or Close.
func NewWriter(w io.Writer, h Head) *Writer { return &Writer{w: w, head: h, first: true} }

// SetComment sets log.comment. It has an effect until the first entry is written,
// and after that none.
func (w *Writer) SetComment(comment string) { w.head.Comment = comment }

// Write writes encoded entries, each one line of JSON as AppendEntry makes it.
// An entry that is not is an error and none of the call is written; the Writer
// stays usable. An error of the underlying writer is returned by all later calls.
func (w *Writer) Write(entries ...[]byte) error {
	if w.err != nil {
		return w.err
	}
	buf := w.buf[:0]
	if !w.begun {
		buf = w.head.append(buf)
	}
	buf, err := appendRaw(buf, w.first, entries)
	if err != nil {
		return err
	}
	w.begun = true
	w.first = w.first && len(entries) == 0
	return w.write(buf)
}

// Close ends the document. It does not close the underlying writer.
func (w *Writer) Close() error {
	if err := w.Write(); err != nil {
		return err
	}
	return w.write(append(w.buf[:0], trailer...))
}

func (w *Writer) write(b []byte) error {
	w.buf = b
	if len(b) > 0 {
		_, w.err = w.w.Write(b)
	}
	return w.err
}
