package admin_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// specOf is the document as the first test server served it.
var specOf = func() func(w *world) (*openapi3.T, error) {
	var once sync.Once
	var doc *openapi3.T
	var err error
	return func(w *world) (*openapi3.T, error) {
		once.Do(func() {
			var req *http.Request
			if req, err = http.NewRequest(http.MethodGet, w.srv.URL+"/api/openapi.json", http.NoBody); err != nil {
				return
			}
			req.Header.Set("X-API-KEY", w.keys["admin"])
			var res *http.Response
			if res, err = http.DefaultClient.Do(req); err != nil {
				return
			}
			defer res.Body.Close()
			var b []byte
			if b, err = io.ReadAll(res.Body); err != nil {
				return
			}
			if doc, err = openapi3.NewLoader().LoadFromData(b); err == nil {
				err = doc.Validate(context.Background())
			}
		})
		return doc, err
	}
}()

// conforms says whether the answer to a request is one that the document allows,
// and, of an answer that is no error, whether the request is.
func conforms(w *world, req *http.Request, body []byte, res *http.Response, answer []byte) error {
	doc, err := specOf(w)
	if err != nil {
		return fmt.Errorf("the document: %w", err)
	}
	item := doc.Paths.Value(req.URL.Path)
	if item == nil {
		return nil // not an endpoint
	}
	method := req.Method
	if item.GetOperation(method) == nil { // HEAD, and verbs that are refused
		for method = range item.Operations() {
			break
		}
	}
	op := item.GetOperation(method)
	if op.Responses.Value(fmt.Sprint(res.StatusCode)) == nil && res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("%s: the document does not know the status %d", req.URL.Path, res.StatusCode)
	}
	if method != req.Method {
		return nil
	}
	asked := req.Clone(context.Background())
	asked.Body = io.NopCloser(bytes.NewReader(body))
	in := &openapi3filter.RequestValidationInput{
		Request: asked, Route: &routers.Route{Spec: doc, Path: req.URL.Path, PathItem: item, Method: method, Operation: op},
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if res.StatusCode == http.StatusOK && strings.HasPrefix(asked.Header.Get("Content-Type"), "application/json") && len(bytes.TrimSpace(body)) > 0 {
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			return fmt.Errorf("%s succeeds with what the document forbids: %w", req.URL.Path, err)
		}
	}
	if err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.StatusCode, Header: res.Header,
		Body: io.NopCloser(bytes.NewReader(answer)), Options: in.Options,
	}); err != nil {
		return fmt.Errorf("%s: %w", req.URL.Path, err)
	}
	return nil
}

// The document is served as it is, compressed, or not at all when the client has
// it.
func TestDocumentCaching(t *testing.T) {
	w := start(t, nil)
	get := func(status int, headers ...string) (answer, string) {
		t.Helper()
		res, b := w.do(t, "admin", http.MethodGet, "/api/openapi.json", nil, headers...)
		if res.StatusCode != status {
			t.Errorf("openapi.json with %q = %d", headers, res.StatusCode)
		}
		return res, b
	}
	res, plain := get(200, "Accept-Encoding: identity")
	if res.Header.Get("Content-Encoding") != "" || !json.Valid([]byte(plain)) || res.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("openapi.json = %v, %.100s", res.Header, plain)
	}
	packed, b := get(200, "Accept-Encoding: br;q=1.0, gzip;q=0.8")
	z, err := gzip.NewReader(strings.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(z); err != nil || string(all) != plain || len(b) > len(plain)/4 {
		t.Errorf("%d bytes packed of %d, %v", len(b), len(plain), err)
	}
	if packed.Header.Get("ETag") == res.Header.Get("ETag") || packed.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("packed: %v", packed.Header)
	}
	get(200, "Accept-Encoding: gzip;q=0")
	get(200, "Range: bytes=0-10", "Accept-Encoding: identity")
	get(304, "Accept-Encoding: identity", "If-None-Match: "+res.Header.Get("ETag"))
	get(304, "Accept-Encoding: gzip", "If-None-Match: "+packed.Header.Get("ETag"))
	get(200, "Accept-Encoding: gzip", `If-None-Match: "old"`)
	t.Logf("%d bytes, %d packed", len(plain), len(b))
}
