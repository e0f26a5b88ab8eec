package admin_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"harken/admin"
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

// The log keeps records as they came; who downloads them does not get what was
// redacted.
func TestRecordsAreRedacted(t *testing.T) {
	record := func(source, url, body string, status int) *ingest.Record {
		r, err := ingest.ParseRecord(fmt.Appendf(nil, `{"request":{"method":"GET","url":%q,"headers":[{"name":"x-a","value":"secret1"}]},`+
			`"response":{"status":%d,"headers":[],"content":{"mimeType":"application/json","text":%q}},"_harken":{"account":"1000000","collection":7,"source":%q}}`,
			url, status, body, source))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	recs := someRecords{
		record("MIRRORING", "https://api.example.com/users/4711?k=secret2", `{"m":"secret3"}`, 200),
		record("MIRRORING", "https://api.example.com/nobody/4711", `{"m":"secret3"}`, 404),
		record("HAR", "https://api.example.com/users/4712", `{"m":"secret4"}`, 200),
		record("MIRRORING", "https://unknown.example.com/x", `{"m":"secret5"}`, 404),
	}
	flat, err := ingest.ParseRecord([]byte(`{"path":"/users/4713?k=secret6","method":"GET","requestHeaders":"{\"host\":\"api.example.com\"}","responseHeaders":"{}",` +
		`"statusCode":"200","status":"OK","time":"1699999990","akto_account_id":"1000000","akto_vxlan_id":"0","source":"MIRRORING","type":"HTTP/1.1","requestPayload":"","responsePayload":"{}"}`))
	if err != nil {
		t.Fatal(err)
	}
	recs = append(recs, flat)
	w := start(t, func(c *admin.Config) { c.Records = recs })
	const everything = "secret1 secret2 secret3 secret4 secret5 secret6 4711 4712 4713"
	// holds checks what a download of everything holds, and that all records are in it.
	holds := func(step string, want ...string) {
		t.Helper()
		b := w.want(t, 200, "admin", http.MethodGet, "/api/records.har", nil)
		for s := range strings.FieldsSeq(everything) {
			expected := slices.Contains(want, s)
			if strings.Contains(b, s) != expected {
				t.Errorf("%s: the download has %s: %t, want %t:\n%s", step, s, !expected, expected, b)
			}
		}
		if n := strings.Count(b, `"request":`); n != len(recs) {
			t.Errorf("%s: the download has %d records, want %d", step, n, len(recs))
		}
	}
	holds("nothing is redacted", strings.Fields(everything)...)
	w.call(t, 200, "admin", "addCustomDataType", `{"name":"third","operator":"OR","redacted":true,"valueConditions":{"operator":"AND","predicates":[{"type":"EQUALS_TO","value":"secret3"}]}}`)
	holds("a type is redacted", strings.Fields("secret1 secret2 secret4 secret5 secret6 4711 4712 4713")...)
	w.call(t, 200, "admin", "deleteCustomDataType", `{"name":"third"}`)
	w.call(t, 200, "admin", "redactCollection", `{"apiCollectionId":-1628073687,"redacted":true}`)
	holds("a collection is redacted", "secret1", "secret4", "4712") // what was uploaded is of another collection
	w.call(t, 200, "admin", "redactCollection", `{"apiCollectionId":-1628073687,"redacted":false}`)
	w.call(t, 200, "admin", "toggleRedactFeature", `{"redactPayload":true}`)
	holds("the account is redacted", "secret1", "secret4", "4712") // uploads stay
}
