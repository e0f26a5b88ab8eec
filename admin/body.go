package admin

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"harken/inventory/fault"
)

// maxParts bounds the parts of a multipart form.
const maxParts = 1000

// decodeBody reads the body of a call, in whatever form it came, into a request
// struct. release gives back the memory that the body was counted for; it is
// never nil.
func (a *API) decodeBody(c *call, into any) (release func(), err error) {
	limit := int64(maxBody)
	if c.route.uploads {
		limit = a.cfg.MaxUpload
	}
	b := &budget{a: a, limit: limit}
	if c.r.ContentLength > limit {
		return b.release, tooLarge(limit)
	}
	src := http.MaxBytesReader(c.w, c.r.Body, limit)
	in, err := unzip(c.r, src)
	if err != nil {
		return b.release, b.explain(err)
	}
	f, err := b.parse(c.r.Header.Get("Content-Type"), in)
	if err != nil {
		return b.release, b.explain(err)
	}
	if err := f.addQuery(c.r, into); err != nil {
		return b.release, err
	}
	return b.release, f.decode(into)
}

// addQuery takes from the query what the body does not have, of the fields that may
// stand there.
func (f fields) addQuery(r *http.Request, into any) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	for _, name := range inQuery(reflect.TypeOf(into).Elem()) {
		in, given := q[name]
		if _, both := f[name]; given && !both {
			f[name] = in
		}
	}
	return nil
}

// inQuery lists the fields of a request with a body that may stand in the query
// too: those tagged in:"query".
func inQuery(t reflect.Type) []string {
	var names []string
	for field := range t.Fields() {
		if field.Tag.Get("in") == "query" {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			names = append(names, name)
		}
	}
	return names
}

// decodeQuery decodes the query of a call.
func decodeQuery(r *http.Request, into any) error {
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	return q.decode(into)
}

func parseQuery(r *http.Request) (fields, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.New(fault.Malformed, "the query is malformed")
	}
	return texts(q), nil
}

func texts(q url.Values) fields {
	f := make(fields, len(q))
	for name, v := range q {
		f[name] = field{text: v}
	}
	return f
}

func unzip(r *http.Request, src io.Reader) (io.Reader, error) {
	switch enc := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); enc {
	case "", "identity":
		return src, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(src)
		if errors.Is(err, io.EOF) {
			return strings.NewReader(""), nil
		}
		return z, err
	default:
		return nil, fault.New(fault.Malformed, "Content-Encoding %s is not supported: only gzip is", clip(enc))
	}
}

// A budget reads one body within its own limit and within the memory that all
// uploads share.
type budget struct {
	a     *API
	limit int64 // bytes after decompression
	held  int64
}

func (b *budget) release() {
	b.a.memory.Release(b.held)
	b.held = 0
}

// parse splits a body into fields. A Content-Type that is missing, unknown or
// malformed is read as JSON.
func (b *budget) parse(contentType string, in io.Reader) (fields, error) {
	kind, params, _ := mime.ParseMediaType(contentType)
	switch kind {
	case "multipart/form-data":
		body := bufio.NewReader(in)
		if _, err := body.Peek(1); errors.Is(err, io.EOF) {
			return fields{}, nil
		}
		end := &tail{in: body}
		f, err := b.parseMultipart(multipart.NewReader(end, params["boundary"]))
		if err == nil && !bytes.Contains(end.last, []byte("--"+params["boundary"]+"--")) {
			return nil, fault.New(fault.Malformed, "the form is cut off: it has no end")
		}
		return f, err
	case "application/x-www-form-urlencoded":
		body, err := b.readAll(in)
		if err != nil {
			return nil, err
		}
		q, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, fault.New(fault.Malformed, "the form is malformed")
		}
		return texts(q), nil
	default:
		body, err := b.readAll(in)
		if err != nil {
			return nil, err
		}
		return parseObject(body)
	}
}

// tailSize is how much of its end a tail knows: a boundary has at most 70 bytes
// (RFC 2046, section 5.1.1), and nobody sends more than a line break behind it.
const tailSize = 256

// A tail passes on what it reads, and knows the end of it. package multipart takes a
// form that was cut off at the wrong place for a whole one.
type tail struct {
	in   io.Reader
	last []byte
}

// Read implements io.Reader.
func (t *tail) Read(p []byte) (int, error) {
	n, err := t.in.Read(p)
	t.last = append(t.last, p[max(0, n-tailSize):n]...)
	if over := len(t.last) - tailSize; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	return n, err
}

// parseMultipart reads fields and file parts alike: a file's content is the
// value of its field.
func (b *budget) parseMultipart(m *multipart.Reader) (fields, error) {
	q := url.Values{}
	for n := 0; ; n++ {
		p, err := m.NextPart()
		if errors.Is(err, io.EOF) {
			return texts(q), nil
		}
		if err != nil {
			return nil, err
		}
		if n == maxParts {
			return nil, fault.New(fault.Malformed, "the form has more than %d parts", maxParts)
		}
		text, err := b.readAll(p)
		if err != nil {
			return nil, err
		}
		q[p.FormName()] = append(q[p.FormName()], string(text))
	}
}

// readAll is io.ReadAll that counts what it holds, in steps, before it allocates.
// Small bodies are free, and most are smaller than 512 bytes.
func (b *budget) readAll(in io.Reader) ([]byte, error) {
	var out []byte
	for {
		if len(out) == cap(out) {
			grow := max(512, min(int64(cap(out)), 8<<20))
			if int64(cap(out))+grow > maxBody {
				if !b.a.memory.TryAcquire(grow) {
					return nil, fault.New(fault.Busy, "too many uploads at once; try again later")
				}
				b.held += grow
			}
			bigger := make([]byte, len(out), int64(cap(out))+grow)
			copy(bigger, out)
			out = bigger
		}
		n, err := in.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		b.limit -= int64(n)
		if b.limit < 0 {
			return nil, errTooLarge
		}
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

var errTooLarge = errors.New("body too large")

// explain says what a failure to read the body is to the client.
func (b *budget) explain(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || errors.Is(err, errTooLarge) {
		return tooLarge(0)
	}
	if kind, _ := fault.Of(err); kind != fault.Internal {
		return err
	}
	return fault.New(fault.Malformed, "the body cannot be read: %v", err)
}

func tooLarge(limit int64) error {
	if limit == 0 {
		return fault.New(fault.TooLarge, "the body is larger than allowed")
	}
	return fault.New(fault.TooLarge, "the body is larger than %d bytes", limit)
}
