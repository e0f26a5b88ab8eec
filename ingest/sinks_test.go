package ingest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/har"
	"harken/ingest"
)

func TestHARFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.har")
	h, err := ingest.OpenHARFile(path, har.Head{})
	if err != nil {
		t.Fatal(err)
	}
	flat, err := ingest.ParseRecord([]byte(aktoExample))
	if err != nil {
		t.Fatal(err)
	}
	bad := &ingest.Record{Form: ingest.FormAkto, Data: []byte(`{`)}
	err = h.Put(t.Context(), ingest.NewRecord(entry(), time.Unix(1, 0)), bad, flat)
	if r, ok := errors.AsType[*ingest.RejectedError](err); !ok || len(r.Records) != 1 || r.Records[0].Index != 1 {
		t.Errorf("Put = %v, want record 1 rejected", err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Log struct {
			Entries []struct{ Request struct{ Method, URL string } }
		}
	}
	if err := json.Unmarshal(b, &file); err != nil || len(file.Log.Entries) != 2 || file.Log.Entries[1].Request.Method != http.MethodPost {
		t.Errorf("%v: %s", err, b)
	}
}

func TestLineFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.ndjson")
	if err := os.WriteFile(path, []byte("{\"old\":1}\n{\"cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		l, err := ingest.OpenLineFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Put(t.Context(), &ingest.Record{Data: fmt.Appendf(nil, "{\n\"n\":\n%d}", i)}, &ingest.Record{Data: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "{\"old\":1}\n{ \"n\": 0}\n{}\n{ \"n\": 1}\n{}\n"
	if string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
	var out bytes.Buffer
	rec := &ingest.Record{Data: []byte("{\n}")}
	if err := ingest.NewLineFile(&out).Put(t.Context(), rec); err != nil || out.String() != "{ }\n" || string(rec.Data) != "{\n}" {
		t.Errorf("%q, %v; the record is %q", out.String(), err, rec.Data)
	}
}

type posted struct {
	BatchData []json.RawMessage `json:"batchData"`
	Origins   []string          `json:"origins"`
}

// control answers ingestData with what answer says to each request.
func control(t *testing.T, answer func(p posted, w http.ResponseWriter)) *httptest.Server {
	t.Helper()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var p posted
		z, err := gzip.NewReader(req.Body)
		if err == nil {
			err = json.NewDecoder(z).Decode(&p)
		}
		if err != nil || req.URL.Path != "/base/api/ingestData" || req.Header.Get("X-API-KEY") != "k3y" || len(p.Origins) != len(p.BatchData) {
			t.Errorf("%s %s: %v %v", req.Method, req.URL, err, p)
		}
		answer(p, w)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func httpSink(t *testing.T, srv *httptest.Server, maxBytes int64) *ingest.HTTP {
	t.Helper()
	transport, ok := srv.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatal("no transport")
	}
	h, err := ingest.NewHTTP(ingest.HTTPConfig{URL: srv.URL + "/base", APIKey: "k3y", MaxBytes: maxBytes, TLS: transport.TLSClientConfig})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func TestHTTPPostsBoundedBatches(t *testing.T) {
	var got []string
	srv := control(t, func(p posted, w http.ResponseWriter) {
		got = append(got, strings.Join(p.Origins, " ")+" "+string(p.BatchData[0]))
		_, _ = io.WriteString(w, `{"accepted":1,"rejected":[{"index":0,"reason":"no status"}]}`)
	})
	err := httpSink(t, srv, 16).Put(t.Context(), records(5)...)
	want := []string{`l/1 l/2 {"n":0}`, `l/3 l/4 {"n":2}`, `l/5 {"n":4}`}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("requests (-want +got)\n%s", d)
	}
	r, ok := errors.AsType[*ingest.RejectedError](err)
	if d := cmp.Diff([]ingest.Rejection{{Index: 0, Reason: "no status"}, {Index: 2, Reason: "no status"}, {Index: 4, Reason: "no status"}}, r.Records); !ok || d != "" {
		t.Errorf("Put = %v\n%s", err, d)
	}
}

// A request that is refused for its content costs one record, not the batch.
func TestHTTPFindsTheCulprit(t *testing.T) {
	taken := 0
	srv := control(t, func(p posted, w http.ResponseWriter) {
		for _, d := range p.BatchData {
			if string(d) == `{"n":3}` {
				w.WriteHeader(http.StatusUnprocessableEntity)
				return
			}
		}
		taken += len(p.BatchData)
		_, _ = fmt.Fprintf(w, `{"accepted":%d}`, len(p.BatchData))
	})
	err := httpSink(t, srv, 0).Put(t.Context(), records(7)...)
	r, ok := errors.AsType[*ingest.RejectedError](err)
	if !ok || len(r.Records) != 1 || r.Records[0].Index != 3 || taken != 6 {
		t.Errorf("Put = %v, %d taken", err, taken)
	}
}

func TestHTTPErrors(t *testing.T) {
	status, header, body := 0, "", ""
	srv := control(t, func(_ posted, w http.ResponseWriter) {
		w.Header().Set("Retry-After", header)
		w.Header().Set("Location", "http://elsewhere.invalid/")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
	h := httpSink(t, srv, 0)
	f := func(code int, retry, text, want string, after time.Duration) {
		t.Helper()
		status, header, body = code, retry, text
		err := h.Put(t.Context(), records(2)...)
		busy, _ := errors.AsType[*ingest.BusyError](err)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "k3y") || (busy != nil && busy.After != after) || (after > 0 && busy == nil) {
			t.Errorf("%d: %v (%+v), want %q", code, err, busy, want)
		}
		if _, ok := errors.AsType[*ingest.RejectedError](err); ok {
			t.Errorf("%d: rejected for good: %v", code, err)
		}
	}
	f(429, "7", "", "429", 7*time.Second)
	f(503, "", "", "503", 0)
	f(429, "999999", "", "429", time.Hour)
	f(401, "", "", "check the API key", 0)
	f(403, "", "", "check the API key", 0)
	f(404, "", "", "404", 0)
	f(307, "", "", "give the final address", 0)
	f(500, "", "", "500", 0)
	f(200, "", "<html>", "not that of a control plane", 0)
	f(200, "", `{"rejected":[{"index":2}]}`, "rejects record 2 of 2", 0)

	plain, err := ingest.NewHTTP(ingest.HTTPConfig{URL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.Put(t.Context(), records(1)...); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
	for _, bad := range []string{"", "ftp://x/", "x", "https://u:p@h/"} {
		if _, err := ingest.NewHTTP(ingest.HTTPConfig{URL: bad}); err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("NewHTTP(%q) = %v", bad, err)
		}
	}
}
