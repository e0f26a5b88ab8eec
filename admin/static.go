package admin

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"hash/fnv"
	"net/http"
	"reflect"
	"strings"
	"time"
)

// A static is an answer that is the same for all callers while the program runs.
type static struct {
	kind         string
	plain, small []byte // small is gzip
	etag         string // without quotes
}

func newStatic(kind string, b []byte) (*static, error) {
	var small bytes.Buffer
	z, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(b); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	h := fnv.New128a()
	_, _ = h.Write(b)
	return &static{kind, b, small.Bytes(), hex.EncodeToString(h.Sum(nil))}, nil
}

// cached is an endpoint with a static answer. Clients keep it and ask each time
// whether it has changed.
func cached(f func(*API) (*static, error)) endpoint {
	return endpoint{
		verb: http.MethodGet, in: reflect.TypeFor[none](), out: reflect.TypeFor[file](), cached: true,
		serve: func(a *API, c *call) error {
			s, err := f(a)
			if err != nil {
				return err
			}
			s.send(c.w, c.r)
			return nil
		},
	}
}

func (s *static) send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", s.kind)
	h.Set("Cache-Control", "private, no-cache")
	h.Add("Vary", "Accept-Encoding")
	body, etag := s.plain, s.etag
	if takesGzip(r.Header) {
		// A representation of its own needs a validator of its own (RFC 9110, 8.8.3.3).
		body, etag = s.small, s.etag+"-gzip"
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", `"`+etag+`"`)
	r.Header.Del("Range") // nobody resumes a document of this size, and 206 is not documented
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// takesGzip reads Accept-Encoding (RFC 9110, 12.5.3); a weight of zero refuses.
func takesGzip(h http.Header) bool {
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if name == "gzip" || name == "x-gzip" || name == "*" {
			q, found := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			return !found || strings.Trim(q, "0.") != ""
		}
	}
	return false
}

// openAPI gives this description of the API, as an OpenAPI 3.1 document. It is
// made of the same table that answers, and is answered compressed when asked.
func (a *API) openAPI() (*static, error) { return a.spec() }
