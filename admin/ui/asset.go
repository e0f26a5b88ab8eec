package ui

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"strings"
	"time"
)

// An Asset is an answer that is the same for all clients while the program runs.
// It is kept compressed, and given so to clients that take that.
type Asset struct {
	kind  string
	plain []byte // nil: unpacked when somebody wants it so
	small []byte // gzip
	etag  string // without quotes
}

// NewAsset returns an Asset of a media type and a body.
func NewAsset(kind string, body []byte) (*Asset, error) {
	var small bytes.Buffer
	z, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(body); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	a := NewPackedAsset(kind, small.Bytes())
	a.plain = body
	return a, nil
}

// NewPackedAsset returns an Asset of a body in gzip form.
func NewPackedAsset(kind string, small []byte) *Asset {
	h := fnv.New128a()
	_, _ = h.Write(small)
	return &Asset{kind: kind, small: small, etag: hex.EncodeToString(h.Sum(nil))}
}

// ServeHTTP answers with the Asset, or, when the client has it, says so. Clients
// may keep it, and ask each time. Headers that do not concern the body are the
// caller's.
func (a *Asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "private, no-cache")
	h.Add("Vary", "Accept-Encoding")
	body, etag := a.small, a.etag+"-gzip"
	if takesGzip(r.Header) {
		// A representation of its own needs a validator of its own (RFC 9110, 8.8.3.3).
		h.Set("Content-Encoding", "gzip")
	} else {
		var err error
		if body, err = a.unpacked(); err != nil {
			http.Error(w, "internal error", http.StatusInternalServerError)
			return
		}
		etag = a.etag
	}
	h.Set("ETag", `"`+etag+`"`)
	r.Header.Del("Range") // nobody resumes files of this size
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func (a *Asset) unpacked() ([]byte, error) {
	if a.plain != nil {
		return a.plain, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(a.small))
	if err != nil {
		return nil, fmt.Errorf("embedded file: %w", err)
	}
	return io.ReadAll(z)
}

// takesGzip reads Accept-Encoding (RFC 9110, 12.5.3); a weight of zero refuses.
func takesGzip(h http.Header) bool {
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip", "x-gzip", "*":
			q, found := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			return !found || strings.Trim(q, "0.") != ""
		}
	}
	return false
}
