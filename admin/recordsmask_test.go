package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"harken/ingest"
	"harken/inventory"
)

// Records of hosts that have another name, of addresses with a collection of their own,
// and of what was dropped are given as the inventory stores them.
func TestMaskedRecords(t *testing.T) {
	w := start(t, nil)
	st := w.db.Full(inventory.DefaultAccount)
	ids := map[string]int32{}
	for _, host := range []string{"pay.example", "10.0.0.1:8080", "wiz.example"} {
		c, err := st.HostCollection(t.Context(), host, now)
		if err != nil {
			t.Fatal(err)
		}
		ids[host] = c.ID
	}
	template := inventory.Endpoint{EndpointKey: inventory.EndpointKey{Collection: ids["pay.example"], URL: "/people/STRING", Method: "GET"}, Count: 1}
	u := &inventory.Update{Accounts: map[int32]*inventory.AccountUpdate{inventory.DefaultAccount: {Endpoints: []inventory.Endpoint{template}}}}
	if err := w.db.Apply(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	w.sink.recs = nil
	add := func(source, url, more string) {
		r, err := ingest.ParseRecord(fmt.Appendf(nil, `{"startedDateTime":"2023-11-14T22:13:10Z","request":{"method":"GET","url":%q,"headers":[{"name":"X-Team","value":%q}]},`+
			`"response":{"status":200,"content":{"mimeType":"application/json","text":"{\"mail\":\"jo.secret@example.com\"}"}},"_harken":{"account":"1000000","source":%q}}`, url, more, source))
		if err != nil {
			t.Fatal(err)
		}
		w.sink.recs = append(w.sink.recs, r)
	}
	add("MIRRORING", "http://api.example/people/zxqv", "payroll")
	add("MIRRORING", "http://api.example/nothing/6502530", "payroll")
	add("MIRRORING", "http://10.0.0.1:8080/a", "none")
	add("WIZ", "http://wiz.example/a", "none")
	call := func(path, body string) {
		t.Helper()
		w.want(t, 200, "admin", "POST", "/api/"+path, strings.NewReader(body))
	}
	records := func(collection int32, n int, hidden ...string) {
		t.Helper()
		got := w.want(t, 200, "admin", "GET", fmt.Sprintf("/api/records.har?collection=%d", collection), nil)
		if c := strings.Count(got, `"startedDateTime"`); c != n {
			t.Errorf("collection %d has %d records, want %d: %s", collection, c, n, got)
		}
		for _, h := range hidden {
			if strings.Contains(got, h) {
				t.Errorf("collection %d shows %s: %s", collection, h, got)
			}
		}
	}
	call("updateCollectionNameMapper", `{"apiCollectionNameMapper":{"k":{"headerName":"x-team","regex":"pay.*","newName":"Pay.example"}}}`)
	records(ids["pay.example"], 2)
	records(ids["10.0.0.1:8080"], 1)
	records(ids["wiz.example"], 1)
	call("redactCollection", fmt.Sprintf(`{"apiCollectionId":%d,"redacted":true}`, ids["pay.example"]))
	records(ids["pay.example"], 2, "zxqv", "6502530", "secret", "payroll")
	call("addCustomDataType", `{"name":"SECRET","sensitiveAlways":true,"redacted":true,"active":true,"operator":"AND",
		"valueConditions":{"operator":"AND","predicates":[{"type":"REGEX","value":"jo\\.secret.*"}]}}`)
	records(ids["wiz.example"], 1, "jo.secret")
	// A host that has no collection may be one that a redacted collection was made of.
	add("MIRRORING", "http://nobody.example/a?k=hush", "none")
	if all := w.want(t, 200, "admin", "GET", "/api/records.har", nil); strings.Contains(all, "hush") || !strings.Contains(all, "nobody.example") {
		t.Errorf("all records: %s", all)
	}
}
