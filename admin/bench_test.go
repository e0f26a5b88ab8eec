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
