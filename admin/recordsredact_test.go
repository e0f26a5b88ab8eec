package admin_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"harken/admin"
	"harken/ingest"
)

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
