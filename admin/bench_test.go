package admin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"harken/inventory"
)

// One request for a tiny answer: credential, role, decoding, encoding.
func BenchmarkMe(b *testing.B) {
	w, err := newWorld(b.Context(), b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer w.close()
	bench(b, w, "me", "{}")
}

// The listing that the page asks for every few seconds.
func BenchmarkFetchAPIInfos(b *testing.B) {
	w, err := newWorld(b.Context(), b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer w.close()
	u := &inventory.AccountUpdate{}
	for i := range 1000 {
		e := inventory.Endpoint{
			EndpointKey: inventory.EndpointKey{Collection: 7, URL: "/things/" + strconv.Itoa(i), Method: "GET"}, Count: 1, LastSeen: now,
		}
		for j := range 20 {
			e.Params = append(e.Params, inventory.Param{
				ParamKey: inventory.ParamKey{ResponseCode: 200, Name: fmt.Sprintf("p%02d", j), Type: "GENERIC"}, Count: 1,
				Values: []string{"a", "b", "c", "d"},
			})
		}
		u.Endpoints = append(u.Endpoints, e)
	}
	if err := w.db.Apply(b.Context(), &inventory.Update{Accounts: map[int32]*inventory.AccountUpdate{inventory.DefaultAccount: u}}); err != nil {
		b.Fatal(err)
	}
	bench(b, w, "fetchApiInfosForCollection", `{"apiCollectionId":7}`)
}

// What the page asks for when an endpoint is opened.
func BenchmarkLoadParams(b *testing.B)   { benchEndpoint(b, "loadParamsOfEndpoint", "") }
func BenchmarkFetchSamples(b *testing.B) { benchEndpoint(b, "fetchSampleData", "") }

// A small change with its audit row, by callers of whom each waits for its own.
func BenchmarkSaveDescription(b *testing.B) {
	benchEndpoint(b, "saveEndpointDescription", `,"description":"what it does"`)
}

// benchEndpoint calls an endpoint of the API for one that has 15 parameters and ten
// samples.
func benchEndpoint(b *testing.B, name, more string) {
	b.Helper()
	w, err := newWorld(b.Context(), b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer w.close()
	k := inventory.EndpointKey{Collection: 7, URL: "/things", Method: "GET"}
	e := inventory.Endpoint{EndpointKey: k, Count: 1, LastSeen: now}
	u := &inventory.AccountUpdate{}
	for i := range 15 {
		e.Params = append(e.Params, inventory.Param{
			ParamKey: inventory.ParamKey{ResponseCode: 200, Name: fmt.Sprintf("p%02d", i), Type: "GENERIC"}, Count: 1,
			Values: []string{"a", "b", "c", "d"},
		})
	}
	data := []byte(`{"startedDateTime":"2026-01-02T03:04:05Z","time":5,"request":{"method":"GET","url":"https://example.com/things","httpVersion":"HTTP/1.1",` +
		`"cookies":[],"headers":[{"name":"Accept","value":"*/*"}],"queryString":[],"headersSize":-1,"bodySize":0},"response":{"status":200,` +
		`"statusText":"OK","httpVersion":"HTTP/1.1","cookies":[],"headers":[{"name":"Content-Type","value":"application/json"}],` +
		`"content":{"size":13,"mimeType":"application/json","text":"{\"a\":\"b c d\"}"},"redirectURL":"","headersSize":-1,"bodySize":13},"cache":{},` +
		`"timings":{"send":1,"wait":3,"receive":1}}`)
	for i := range inventory.MaxSamples {
		u.Samples = append(u.Samples, inventory.Sample{Endpoint: k, Account: inventory.DefaultAccount, Time: now + int64(i), Source: "MIRRORING", Data: data})
	}
	u.Endpoints = append(u.Endpoints, e)
	if err := w.db.Apply(b.Context(), &inventory.Update{Accounts: map[int32]*inventory.AccountUpdate{inventory.DefaultAccount: u}}); err != nil {
		b.Fatal(err)
	}
	bench(b, w, name, `{"apiCollectionId":7,"url":"/things","method":"GET"`+more+`}`)
}

func bench(b *testing.B, w *world, name, body string) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/api/"+name, strings.NewReader(body))
		r.Header.Set("X-API-KEY", w.keys["admin"])
		rec := httptest.NewRecorder()
		w.srv.Config.Handler.ServeHTTP(rec, r)
		if rec.Code != http.StatusOK {
			b.Fatal(rec.Code, rec.Body)
		}
		b.SetBytes(int64(rec.Body.Len()))
	}
}
