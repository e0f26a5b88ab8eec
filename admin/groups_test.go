package admin_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"harken/admin"
	"harken/inventory"
)

// What is uploaded is kept as it was, and that of a Burp key stamps its user.
func TestUploadedHARIsKept(t *testing.T) {
	w := start(t, nil)
	const har = `{"log":{"entries":[{"request":{"method":"GET","url":"http://a.example/"},"response":{"status":200}}]}}`
	upload := func(who string) {
		t.Helper()
		w.want(t, 200, who, http.MethodPost, "/api/uploadHar", strings.NewReader(fmt.Sprintf(`{"apiCollectionId":7,"harString":%q}`, har)))
	}
	upload("admin")
	upload("burp")
	st := w.db.Full(inventory.DefaultAccount)
	files, err := st.Files(t.Context())
	if err != nil || len(files) != 2 || files[0].Type != inventory.FileHAR || files[0].Collection != 7 || files[0].Uploaded != now {
		t.Fatalf("Files = %+v, %v; want both uploads", files, err)
	}
	f, err := st.File(t.Context(), files[1].ID)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(f.Data))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || string(text) != har {
		t.Errorf("the file is %q, %v", text, err)
	}
	var stamps []int64
	for _, name := range []string{"burp", "admin"} {
		u, err := w.db.UserByEmail(t.Context(), name+"@example.com")
		if err != nil {
			t.Fatal(err)
		}
		at, err := w.db.LastData(t.Context(), inventory.DefaultAccount, u.ID)
		if err != nil {
			t.Fatal(err)
		}
		stamps = append(stamps, at)
	}
	if stamps[0] != now || stamps[1] != 0 {
		t.Errorf("data was last sent at %v, want by the plugin's user only", stamps)
	}
	w.want(t, 200, "admin", http.MethodPost, "/api/redactCollection", strings.NewReader(`{"apiCollectionId":7,"redacted":true}`))
	upload("admin")
	if files, err := st.Files(t.Context()); err != nil || len(files) != 0 {
		t.Errorf("a redacted collection has the files %v, %v", files, err)
	}
}

// What another version of the program will import is not there yet.
func TestNotYet(t *testing.T) {
	w := start(t, nil)
	for _, name := range []string{
		"importDataFromOpenApiSpec", "importSwaggerLogs", "importImpervaSchema", "importFromUrl", "addOrUpdatePostmanCred", "createPostmanApi",
		"savePostmanCollection", "ingestPostman", "deletePostmanImportLogs", "getPostmanCredential", "fetchPostmanWorkspaces", "fetchCollections",
		"importDataFromPostmanFile", "importPostmanWorkspace", "fetchPostmanImportLogs", "fetchSwaggerImportLogs", "generateOpenApiFile",
		"fetchOpenApiSchema", "fetchImportUploads",
	} {
		w.want(t, 404, "admin", http.MethodPost, "/api/"+name, nil)
	}
}

// Two endpoints of one URL in different collections are one name in a group.
func TestGroupWithTwins(t *testing.T) {
	w := start(t, nil)
	st := w.db.Full(inventory.DefaultAccount)
	twin := inventory.Endpoint{
		EndpointKey: inventory.EndpointKey{Collection: 7, URL: "/users/INTEGER", Method: "GET"}, Count: 1,
		Params: []inventory.Param{{ParamKey: inventory.ParamKey{ResponseCode: -1, Query: true, Name: "twin", Type: "GENERIC"}, Count: 1}},
	}
	if err := w.db.Apply(t.Context(), &inventory.Update{Accounts: map[int32]*inventory.AccountUpdate{
		inventory.DefaultAccount: {Endpoints: []inventory.Endpoint{twin}},
	}}); err != nil {
		t.Fatal(err)
	}
	w.want(t, 200, "member", http.MethodPost, "/api/updateCustomCollection",
		strings.NewReader(`{"apiCollectionId":9,"conditions":[{"type":"METHOD","data":{"method":"GET"}}]}`))
	b := w.want(t, 200, "guest", http.MethodPost, "/api/loadParamsOfEndpoint", strings.NewReader(`{"apiCollectionId":9,"url":"/users/5","method":"GET"}`))
	if !strings.Contains(b, `"twin"`) || !strings.Contains(b, `"mail"`) {
		t.Errorf("params of both are not there: %s", b)
	}
	w.want(t, 200, "member", http.MethodPost, "/api/saveEndpointDescription",
		strings.NewReader(`{"apiCollectionId":9,"url":"/users/5","method":"GET","description":"both"}`))
	for _, col := range []int32{7, inventory.HashID("api.example.com")} {
		twin.Collection = col
		if e, err := st.Endpoint(t.Context(), twin.EndpointKey); err != nil || e.Description != "both" {
			t.Errorf("the endpoint in %d is %+v, %v", col, e, err)
		}
	}
}

// Without a record log the samples of a group are those of its endpoints.
func TestGroupRecordsWithoutLog(t *testing.T) {
	w := start(t, func(c *admin.Config) { c.Records = nil })
	w.want(t, 200, "member", http.MethodPost, "/api/updateCustomCollection",
		strings.NewReader(`{"apiCollectionId":9,"conditions":[{"type":"REGEX","data":{"regex":"INTEGER"}}]}`))
	w.want(t, 200, "admin", http.MethodPost, "/api/updateUserCollections", strings.NewReader(`{"userCollectionMap":{"1700000005":[9]}}`))
	for path, want := range map[string]int{
		"?collection=9": 1, "?collection=9&endpoint=GET+/users/1": 1, "?collection=7": 0, "": 1, "?collection=-1628073687": 1,
	} {
		for _, who := range []string{"admin", "limited"} {
			if who == "limited" && strings.Contains(path, "=7") || who == "limited" && strings.Contains(path, "=-1") {
				continue
			}
			if b := w.want(t, 200, who, http.MethodGet, "/api/records.har"+path, nil); strings.Count(b, "users/42") != want {
				t.Errorf("records.har%s for %s has not %d samples: %s", path, who, want, b)
			}
		}
	}
}

// BenchmarkGetAllCollections lists 2,000 hosts, a tenth of them in no environment.
func BenchmarkGetAllCollections(b *testing.B) {
	w, err := newWorld(b.Context(), b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer w.close()
	if err := manyHosts(b.Context(), w, 2000); err != nil {
		b.Fatal(err)
	}
	bench(b, w, "getAllCollections", "{}")
}

func manyHosts(ctx context.Context, w *world, n int) error {
	st := w.db.Account(inventory.DefaultAccount)
	for i := range n {
		if _, err := st.HostCollection(ctx, fmt.Sprintf("svc-%d.staging.corp%d.com", i, i%10), now); err != nil {
			return err
		}
	}
	return nil
}
