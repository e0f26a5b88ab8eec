package learn_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/har"
	"harken/ingest"
	"harken/ingest/importer"
	"harken/ingest/importer/harfile"
	"harken/ingest/learn"
	"harken/inventory"
)

const (
	vectorJWT     = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln"
	vectorSafeJWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhPz5-In0.c2ln"
)

// fullMessage is the complete example of the contract, section 1.7.
const fullMessage = `{
  "path": "/shop/orders/48213?expand=items&limit=20",
  "method": "POST",
  "type": "HTTP/1.1",
  "requestHeaders": "{\"host\":\"api.shop.example\",\"content-type\":\"application/json\",\"authorization\":\"Bearer q7-demo\",\"x-forwarded-for\":\"203.0.113.9\"}",
  "requestPayload": "{\"coupon\":\"SPRING\",\"lines\":[{\"sku\":\"A-1\",\"qty\":2}]}",
  "responseHeaders": "{\"content-type\":\"application/json; charset=utf-8\",\"server\":\"envoy\"}",
  "responsePayload": "{\"id\":48213,\"buyer\":{\"email\":\"jo.lee@example.com\"},\"paid\":true}",
  "statusCode": "200",
  "status": "200 OK",
  "time": "1767225600",
  "ip": "10.20.30.40:51544",
  "destIp": "10.20.1.9:8443",
  "direction": "1",
  "akto_account_id": "1000000",
  "akto_vxlan_id": "0",
  "is_pending": "false",
  "source": "MIRRORING",
  "process_id": "8123",
  "socket_id": "17",
  "daemonset_id": "node-3",
  "enabled_graph": "false",
  "tag": "{\"app\":\"orders\",\"team\":\"checkout\"}"
}`

// fullExample is R1.
func fullExample(t *testing.T) {
	t.Helper()
	r, err := ingest.ParseRecord([]byte(fullMessage))
	if err != nil {
		t.Fatal(err)
	}
	r.Origin = ingest.Origin{Log: logID, Seq: 1}
	db := openStore(t)
	learnAll(t, db, r)
	e, err := db.Account(account).Endpoint(t.Context(), inventory.EndpointKey{Collection: 1591742918, URL: "/shop/orders/INTEGER", Method: "POST"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"-1 header authorization GENERIC 1x [Bearer q7-demo]",
		"-1 header content-type GENERIC 1x [application/json]",
		"-1 header host GENERIC 1x [api.shop.example]",
		"-1 header x-forwarded-for IP_ADDRESS 1x [203.0.113.9]",
		"-1 url 2 INTEGER_32 1x [48213] 48213..48213",
		"-1 query expand GENERIC 1x [items]",
		"-1 query limit INTEGER_32 1x [20] 20..20",
		"-1 body coupon GENERIC 1x [SPRING]",
		"-1 body lines#$#qty INTEGER_32 1x [2] 2..2",
		"-1 body lines#$#sku GENERIC 1x [A-1]",
		"200 header content-type GENERIC 1x [application/json; charset=utf-8]",
		"200 header server GENERIC 1x [envoy]",
		"200 body buyer#email EMAIL 1x [jo.lee@example.com]",
		"200 body id INTEGER_32 1x [48213] 48213..48213",
		"200 body paid TRUE 1x [true]",
	}
	if d := cmp.Diff(want, params(&e)); d != "" {
		t.Errorf("params (-want +got):\n%s", d)
	}
	// PRIVATE by the default list; the reference, which tests only its first entry,
	// says PUBLIC.
	if got := fmt.Sprintf("%v %v %d %v %s", e.AuthTypes, e.AccessTypes, e.Discovered, e.ResponseCodes, e.APIType); got != "[[BEARER]] [PRIVATE] 1767225600 [200] REST" {
		t.Errorf("facts = %s", got)
	}
}

func typeVectors() map[string]func(*testing.T) {
	// in learns a response in which the value of k is a JSON text.
	in := func(want ...string) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			for i := 0; i < len(want); i += 2 {
				_, es := learned(t, fields{"responsePayload": `{"k":` + want[i] + `}`})
				has(t, &es[0], "200 body k "+want[i+1]+" ")
			}
		}
	}
	return map[string]func(*testing.T){
		"D1": func(t *testing.T) {
			t.Helper()
			db, es := learned(t, fields{"responsePayload": `{"k":"4539 1488 0343 6467"}`})
			has(t, &es[0], "200 body k CREDIT_CARD")
			if got := sensitiveOf(t, db, &es[0]); got != "200 k CREDIT_CARD" {
				t.Errorf("sensitive samples of %q", got)
			}
		},
		"D2": in(`4539148803436467`, "CREDIT_CARD"),
		"D3": in(`"4539148803436468"`, "INTEGER_64"),
		"D4": in(`"123-45-6789"`, "SSN"),
		"D5": in(`"jo.lee@example.com"`, "EMAIL", `"jo@shop.technology"`, "EMAIL"), // the second by RULE; the reference: GENERIC
		"D6": in(`"+16502530000"`, "PHONE_NUMBER", `"6502530000"`, "INTEGER_64"),
		"D7": func(t *testing.T) {
			t.Helper()
			db, es := learned(t, fields{"responsePayload": `{"k":"10.20.30.40"}`, "requestHeaders": headersOf(t, "x-at: 10.20.30.40")})
			has(t, &es[0], "200 body k IP_ADDRESS", "-1 header x-at IP_ADDRESS")
			if got := sensitiveOf(t, db, &es[0]); got != "200 k IP_ADDRESS" {
				t.Errorf("sensitive samples of %q", got)
			}
		},
		"D8":  in(`"`+vectorJWT+`"`, "JWT"),
		"D9":  in(`"`+vectorSafeJWT+`"`, "JWT"), // RULE; the reference: GENERIC
		"D10": in(`"1M8GDM9AXKP042788"`, "VIN", `"5YJSA1E26HF000337"`, "GENERIC"),
		"D11": in(`"3f2b8c1e-9a4d-4e6f-8b7a-2c1d0e9f8a7b"`, "UUID"),
		"D12": func(t *testing.T) {
			t.Helper()
			in(`true`, "TRUE", `null`, "NULL", `""`, "GENERIC", `{}`, "OTHER", `3.9`, "FLOAT")(t)
			_, es := learned(t, fields{"responsePayload": `{"k":3.9}`})
			has(t, &es[0], "200 body k FLOAT 1x [3.9] 3..3")
		},
		"D13": in(`"1234567890123456789"`, "INTEGER_64"), // RULE; the reference: FLOAT
		"D14": func(t *testing.T) { // RULE; the reference: NULL
			t.Helper()
			_, es := learned(t, fields{"responsePayload": `{"totals":{"2024":5}}`})
			has(t, &es[0], "200 body totals#NUMBER INTEGER_32 1x [5] 5..5")
		},
		"D15": func(t *testing.T) {
			t.Helper()
			db := openStore(t)
			define(t, db, inventory.CustomDataTypes, "GEO", `{"name":"GEO","active":true,
				"valueConditions":{"operator":"AND","predicates":[{"type":"REGEX","value":"[a-z]{2}-\\d{3}"}]}}`)
			es := learnedBy(t, db, fields{"responsePayload": `{"zone":"fr-204"}`})
			has(t, &es[0], "200 body zone GEO 1x [fr-204]")
		},
		"D16": func(t *testing.T) {
			t.Helper()
			var ms []fields
			for i := range 60 {
				ms = append(ms, fields{"responsePayload": fmt.Sprintf(`{"word":"w%d","num":%d}`, i, i)})
			}
			db := openStore(t)
			l, stop := start(t, learn.Config{Source: newSource(7, wired(t, ms...)...), Stores: db, FlushRecords: 7})
			if err := l.WaitFor(t.Context(), mark, 60); err != nil {
				t.Fatal(err)
			}
			stop()
			e := inventoryOf(t, db, account)[0]
			has(t, &e, "200 body num INTEGER_32 60x [] 0..59", "200 body word GENERIC 60x []")
			for i := range e.Params {
				if p := &e.Params[i]; p.Name == "word" && p.Domain() != "ANY" || p.Name == "num" && p.Domain() != "RANGE" {
					t.Errorf("%s has the domain %s", p.Name, p.Domain())
				}
			}
		},
	}
}

// sensitiveOf lists the parameters of which there are sensitive samples.
func sensitiveOf(t *testing.T, db inventory.Stores, e *inventory.Endpoint) string {
	t.Helper()
	samples, err := db.Full(account).SensitiveSamples(t.Context(), e.EndpointKey)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, s := range samples {
		for _, k := range s.Params {
			all = append(all, fmt.Sprint(k.ResponseCode, " ", k.Name, " ", k.Type))
		}
	}
	return strings.Join(all, ", ")
}

func recordVectors() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"R1": fullExample,
		"R2": func(t *testing.T) {
			t.Helper()
			if err := rejected(t, fields{"requestHeaders": map[string]string{"host": "api.shop.example"}}); err == nil || !strings.Contains(err.Error(), "requestHeaders") {
				t.Errorf("headers that are an object: %v", err)
			}
		},
		"R3": func(t *testing.T) {
			t.Helper()
			db, es := learned(t, fields{"requestHeaders": `{"host":["api.shop.example"]}`})
			c, err := db.Account(account).Collection(t.Context(), es[0].Collection)
			if err != nil || c.HostName != "special_char_host" {
				t.Errorf("collection = %+v, %v", c, err)
			}
			has(t, &es[0], `-1 header host GENERIC 1x [["api.shop.example"]]`)
		},
		"R4": func(t *testing.T) {
			t.Helper()
			if err := rejected(t, fields{"source": "PROXY"}); err == nil || !strings.Contains(err.Error(), "source") {
				t.Errorf("an unknown source: %v", err)
			}
		},
		"R5": probed,
		"R6": func(t *testing.T) {
			t.Helper()
			refused(t, "status", fields{"statusCode": "404"})
			kept(t, fields{"statusCode": "302"})
			refused(t, "status", fields{"statusCode": "304"})
			refused(t, "status", fields{"statusCode": "101"}) // of no WebSocket
		},
		"R7": func(t *testing.T) {
			t.Helper()
			refused(t, "ignored", fields{"requestHeaders": headersOf(t, "X-Akto-Ignore: 0")})
		},
		"R8": func(t *testing.T) {
			t.Helper()
			refused(t, "extension", fields{"path": "/assets/app.js?v=3"})
			kept(t, fields{"path": "/users.json"}) // RULE; the reference's default list has json
		},
		"R15": func(t *testing.T) { // RULE; [H] rejects the record
			t.Helper()
			_, es := learned(t, fields{"method": "POST", "requestPayload": `{"a":1`, "requestHeaders": headersOf(t, "content-type: application/json")})
			if len(es) != 1 || slices.ContainsFunc(params(&es[0]), func(p string) bool { return strings.HasPrefix(p, "-1 body") }) {
				t.Errorf("%+v", es)
			}
		},
		"R21": redactedCollection,
		"R22": func(t *testing.T) {
			t.Helper()
			_, es := learned(t, fields{
				"path": "/graphql", "method": "POST", "requestPayload": `{"query":"query Q{user(id:5){name}}"}`,
				"requestHeaders": headersOf(t, "content-type: application/json"),
			})
			if len(es) != 1 || es[0].URL != "/graphql/query/Q/user" || es[0].APIType != "GRAPHQL" {
				t.Fatalf("%+v", es)
			}
			has(t, &es[0], "-1 body query.user.__args.id", "-1 body query.user.name")
		},
		"R23": func(t *testing.T) { // RULE; the reference does not decode it
			t.Helper()
			_, es := imported(t, `{"request":{"method":"GET","url":"https://a.b/r","httpVersion":"HTTP/1.1","headers":[]},"startedDateTime":"2026-01-01T00:00:00Z",
				"response":{"status":200,"headers":[],"content":{"mimeType":"application/json","encoding":"base64","text":"eyJvayI6MX0="}}}`)
			if len(es) != 1 {
				t.Fatalf("%+v", es)
			}
			has(t, &es[0], "200 body ok INTEGER_32 1x [1] 1..1")
		},
		"R24": func(t *testing.T) {
			t.Helper()
			db, es := imported(t, `{"request":{"method":"GET","url":"https://a.b/without"}}`,
				`{"request":{"method":"GET","url":"https://a.b/with"},"response":{"status":200}}`)
			dropped, err := db.Account(account).Dropped(t.Context())
			if len(es) != 1 || es[0].URL != "/with" || err != nil || dropped["status"] != 1 {
				t.Errorf("%+v, dropped %v, %v", es, dropped, err)
			}
		},
	}
}

// imported learns the entries of a HAR file.
func imported(t *testing.T, entries ...string) (inventory.Stores, []inventory.Endpoint) {
	t.Helper()
	file := `{"log":{"version":"1.2","creator":{"name":"x","version":"1"},"entries":[` + strings.Join(entries, ",") + `]}}`
	var rs []*ingest.Record
	err := harfile.Parse(t.Context(), strings.NewReader(file), func(e *har.Entry, ps []importer.Problem) error {
		if e == nil || importer.Fatal(ps) {
			t.Errorf("problems %v", ps)
			return nil
		}
		e.Harken = &har.Meta{Source: "HAR", Collection: 9}
		r := ingest.NewRecord(e, e.Started)
		r.Origin = ingest.Origin{Log: logID, Seq: int64(len(rs) + 1)}
		rs = append(rs, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	db := openStore(t)
	learnAll(t, db, rs...)
	return db, inventoryOf(t, db, account)
}

// redactedCollection is R21, as the API gives the sample: in the flat form.
func redactedCollection(t *testing.T) {
	t.Helper()
	db := openStore(t)
	if _, err := db.Account(account).AddCollection(t.Context(), inventory.Collection{ID: 5, Name: "r", Redact: true}); err != nil {
		t.Fatal(err)
	}
	es := learnedBy(t, db, fields{
		"path": "/a?tok=9", "method": "POST", "requestPayload": `{"n":[5,{"m":"x"}]}`, "akto_vxlan_id": "5", "source": "PCAP", "ip": "10.0.0.1:5",
		"destIp": "10.0.0.2:80", "requestHeaders": headersOf(t, "cookie: s=1; t=2", "content-type: application/json"),
	})
	samples, err := db.Account(account).Samples(t.Context(), es[0].EndpointKey)
	if err != nil || len(samples) != 1 {
		t.Fatalf("samples = %v, %v", samples, err)
	}
	data, err := ingest.AppendAkto(nil, &ingest.Record{Source: "MIRRORING", Data: samples[0].Data})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"path": "/a?tok=****", "requestPayload": `{"n":["****",{"m":"****"}]}`, "ip": "****", "destIp": "****"} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
	if h := got["requestHeaders"]; !strings.Contains(h, "s=****;") || !strings.Contains(h, "t=****;") {
		t.Errorf("headers = %s", h)
	}
}

func formVectors() map[string]func(*testing.T) {
	request := func(contentType, body string, want ...string) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			_, es := learned(t, fields{"method": "POST", "requestPayload": body, "requestHeaders": headersOf(t, "content-type: "+contentType)})
			var got []string
			for _, p := range params(&es[0]) {
				if strings.HasPrefix(p, "-1 body ") {
					got = append(got, p)
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		}
	}
	const form = "application/x-www-form-urlencoded"
	return map[string]func(*testing.T){
		"R9":  request(form, "a=1&b=hello%20there", "-1 body a INTEGER_32 1x [1] 1..1", "-1 body b GENERIC 1x [hello there]"),
		"R10": request(form, "q=x%26y%3Dz", "-1 body q GENERIC 1x [x&y=z]"), // RULE; the reference decodes first: q=x, y=z
		"R11": request("application/grpc", "AAAAAAkIlgESBHBpbmc=", "-1 body param_1 INTEGER_32 1x [150] 150..150", "-1 body param_2 GENERIC 1x [ping]"),
		"R12": func(t *testing.T) {
			t.Helper()
			_, es := learned(t, fields{"responsePayload": `[{"id":1},{"id":2}]`})
			has(t, &es[0], "200 body json#$#id INTEGER_32 2x [1 2] 1..2")
		},
		"R13": func(t *testing.T) {
			t.Helper()
			_, es := learned(t, fields{"responsePayload": `cb({"ok":true})`, "responseHeaders": `{"content-type":"text/javascript"}`})
			has(t, &es[0], "200 body ok TRUE 1x")
		},
		"R14": request("text/xml", `<?xml version="1.0"?><e:Envelope xmlns:e="u"><e:Body><id>7</id></e:Body></e:Envelope>`,
			"-1 body id INTEGER_32 1x [7] 7..7"),
	}
}

func authVectors() map[string]func(*testing.T) {
	auth := func(want string, headers ...string) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			_, es := learned(t, fields{"requestHeaders": headersOf(t, headers...)})
			if got := fmt.Sprint(es[0].AuthTypes); got != want {
				t.Errorf("%q: %s, want %s", headers, got, want)
			}
		}
	}
	access := func(t *testing.T, want string, m fields, s inventory.Settings) {
		t.Helper()
		db := openStore(t)
		configure(t, db, s)
		es := learnedBy(t, db, m)
		if got := strings.Join(es[0].AccessTypes, " "); got != want {
			t.Errorf("%v: %s, want %s", m, got, want)
		}
	}
	return map[string]func(*testing.T){
		"R16": auth("[[API_KEY BASIC]]", "authorization: Basic YTpi", "x-api-key: k"),
		"R17": func(t *testing.T) { // what of them counts is tested where it is served
			t.Helper()
			_, es := learned(t, fields{}, fields{"requestHeaders": headersOf(t, "authorization: Bearer x")})
			if got := fmt.Sprint(es[0].AuthTypes); got != "[[BEARER] [UNAUTHENTICATED]]" {
				t.Errorf("auth = %s", got)
			}
		},
		"R18": auth("[[JWT]]", "cookie: sid="+vectorJWT),
		"R19": func(t *testing.T) {
			t.Helper()
			h := headersOf(t, "x-forwarded-for: 8.8.8.8", "host: api.partner.com")
			access(t, "PUBLIC", fields{"ip": "10.1.1.1:5", "requestHeaders": h}, inventory.Settings{})
			access(t, "THIRD_PARTY", fields{"ip": "10.1.1.1:5", "requestHeaders": h, "direction": "2"}, inventory.Settings{})
		},
		"R20": func(t *testing.T) {
			t.Helper()
			access(t, "PARTNER", fields{"ip": "10.1.1.1", "destIp": "8.8.4.4"}, inventory.Settings{PartnerIPs: []string{"8.8.4.0/24"}})
		},
	}
}
