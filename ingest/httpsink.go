package ingest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"harken/har"
)

// HTTPConfig says to which control plane an HTTP sink posts.
type HTTPConfig struct {
	// URL is the address of the control plane, such as https://control/; its path,
	// if any, is kept before api/ingestData.
	URL string
	// APIKey is sent as X-API-KEY. It is never part of an error.
	APIKey string
	// MaxBytes bounds the records of one request before compression; 0 is 4 MiB. A
	// larger record is a request of its own.
	MaxBytes int64
	// Timeout bounds one request; 0 is 60 s.
	Timeout time.Duration
	// TLS is for private authorities and client certificates; nil is the default,
	// which verifies.
	TLS *tls.Config

	Now func() time.Time // nil is time.Now
}

// An HTTP is a Sink that posts records to the ingestData endpoint of a control
// plane, which answers once they are durable. It sends origins along, so that a
// request whose answer was lost may be sent again.
type HTTP struct {
	cfg    HTTPConfig
	url    string
	client *http.Client
	zips   sync.Pool // of *gzip.Writer, which are a megabyte each
}

var _ Sink = (*HTTP)(nil)

// NewHTTP returns an HTTP sink. It connects to nothing.
func NewHTTP(cfg HTTPConfig) (*HTTP, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("sink address: want http://host/ or https://host/")
	}
	if u.User != nil {
		return nil, errors.New("sink address: give the API key by its own setting, not in the address")
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 4 << 20
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &HTTP{cfg: cfg, url: u.JoinPath("api/ingestData").String()}
	h.client = &http.Client{
		Timeout: cfg.Timeout,
		// A redirect would send the key to an address that nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: cfg.TLS, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		},
	}
	return h, nil
}

// Close closes idle connections.
func (h *HTTP) Close() error {
	h.client.CloseIdleConnections()
	return nil
}

// Put posts recs in one or more requests. An error other than a RejectedError
// means that none of them may be taken as delivered; a BusyError says when the
// control plane wants to be asked again.
func (h *HTTP) Put(ctx context.Context, recs ...*Record) error {
	var rejected []Rejection
	for from := 0; from < len(recs); {
		to, size := from, int64(0)
		for to < len(recs) && (to == from || size+int64(len(recs[to].Data)) <= h.cfg.MaxBytes) {
			size += int64(len(recs[to].Data))
			to++
		}
		part, err := h.post(ctx, recs[from:to], from)
		if err != nil {
			return err
		}
		rejected = append(rejected, part...)
		from = to
	}
	return rejection(rejected)
}

// post sends recs, whose first is the record number first of the Put. A request
// that is refused for what is in it is halved until the culprit is alone.
func (h *HTTP) post(ctx context.Context, recs []*Record, first int) ([]Rejection, error) {
	reply, err := h.roundTrip(ctx, recs)
	if refused, ok := errors.AsType[*refusedError](err); ok {
		if len(recs) == 1 {
			return []Rejection{{first, refused.Error()}}, nil
		}
		half := len(recs) / 2
		low, err := h.post(ctx, recs[:half], first)
		if err != nil {
			return nil, err
		}
		high, err := h.post(ctx, recs[half:], first+half)
		return append(low, high...), err
	}
	if err != nil {
		return nil, err
	}
	var rejected []Rejection
	for _, r := range reply.Rejected {
		if r.Index < 0 || r.Index >= len(recs) {
			return nil, fmt.Errorf("post records: the answer rejects record %d of %d", r.Index, len(recs))
		}
		rejected = append(rejected, Rejection{first + r.Index, r.Reason})
	}
	return rejected, nil
}

type ingestReply struct {
	Accepted int `json:"accepted"`
	Rejected []struct {
		Index  int    `json:"index"`
		Reason string `json:"reason"`
	} `json:"rejected"`
}

// A refusedError is an answer that says that the request's content is wrong.
type refusedError struct{ status string }

func (e *refusedError) Error() string { return "the control plane answered " + e.status }

func (h *HTTP) roundTrip(ctx context.Context, recs []*Record) (*ingestReply, error) {
	body, err := h.encode(recs)
	if err != nil {
		return nil, fmt.Errorf("post records: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("post records: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "gzip")
	if h.cfg.APIKey != "" {
		req.Header.Set("X-API-KEY", h.cfg.APIKey)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("post records: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return nil, fmt.Errorf("post records: read answer: %w", err)
	}
	if err := h.checkStatus(resp, text); err != nil {
		return nil, err
	}
	reply := new(ingestReply)
	if err := json.Unmarshal(text, reply); err != nil {
		return nil, fmt.Errorf("post records: the answer of %s is not that of a control plane: %w", h.url, err)
	}
	return reply, nil
}

func (h *HTTP) checkStatus(resp *http.Response, text []byte) error {
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		return nil
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		err := fmt.Errorf("post records: %s answered %s", h.url, resp.Status)
		return &BusyError{After: retryAfter(resp.Header.Get("Retry-After"), h.cfg.Now()), Err: err}
	case code == http.StatusBadRequest || code == http.StatusRequestEntityTooLarge || code == http.StatusUnprocessableEntity:
		return &refusedError{fmt.Sprintf("%s %.200q", resp.Status, text)}
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("post records: %s answered %s: check the API key and its permissions", h.url, resp.Status)
	case code >= 300 && code < 400:
		return fmt.Errorf("post records: %s answered %s to %.200q: give the final address", h.url, resp.Status, resp.Header.Get("Location"))
	default:
		return fmt.Errorf("post records: %s answered %s", h.url, resp.Status)
	}
}

// retryAfter reads either form of RFC 9110, section 10.2.3; 0 if there is none.
// An hour is the most that is believed.
func retryAfter(v string, now time.Time) time.Duration {
	var d time.Duration
	if sec, err := strconv.Atoi(v); err == nil {
		d = time.Duration(min(max(sec, 0), 3600)) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), time.Hour)
}

// encode writes a request's body. Records are JSON already and are copied.
func (h *HTTP) encode(recs []*Record) ([]byte, error) {
	var out bytes.Buffer
	z, ok := h.zips.Get().(*gzip.Writer)
	if !ok {
		var err error
		if z, err = gzip.NewWriterLevel(&out, gzip.BestSpeed); err != nil {
			return nil, err
		}
	}
	defer h.zips.Put(z)
	z.Reset(&out)
	sep := `{"batchData":[`
	for _, r := range recs {
		if _, err := io.WriteString(z, sep); err != nil {
			return nil, err
		}
		if _, err := z.Write(r.Data); err != nil {
			return nil, err
		}
		sep = ","
	}
	origins := []byte(`],"origins":[`)
	for i, r := range recs {
		if i > 0 {
			origins = append(origins, ',')
		}
		origins = har.AppendString(origins, r.Origin.String())
	}
	if _, err := z.Write(append(origins, "]}"...)); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
