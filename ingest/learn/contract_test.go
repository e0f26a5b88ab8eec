package learn_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/ingest"
	"harken/ingest/learn"
	"harken/internal/store/sqlite"
	"harken/inventory"
)

// contract are the vectors of the learning contract, by name, through the learner
// and, but for those about HAR, from the flat form of the wire. Where one says
// RULE, the result is ours and not the reference's, which stands beside it.
func contract() map[string]func(*testing.T) {
	all := map[string]func(*testing.T){}
	for _, part := range []map[string]func(*testing.T){
		templateVectors(), mergeVectors(), typeVectors(), collectionVectors(), recordVectors(), authVectors(), formVectors(),
	} {
		maps.Copy(all, part)
	}
	return all
}

// TestContract runs every vector, and fails if one is missing.
func TestContract(t *testing.T) {
	all := contract()
	var names []string
	for _, group := range []struct {
		letter string
		n      int
	}{{"T", 19}, {"M", 8}, {"D", 16}, {"C", 9}, {"R", 24}} {
		for i := range group.n {
			names = append(names, fmt.Sprint(group.letter, i+1))
		}
	}
	for _, name := range names {
		run := all[name]
		if run == nil {
			t.Errorf("there is no vector %s", name)
			continue
		}
		t.Run(name, run)
	}
	for name := range all {
		if !slices.Contains(names, name) {
			t.Errorf("there is no vector %s in the contract", name)
		}
	}
}

// fields are members of a message in the flat form that are not the usual ones.
type fields map[string]any

// flat makes a message of the wire.
func flat(tb testing.TB, change fields) []byte {
	tb.Helper()
	m := fields{
		"path": "/a", "method": "GET", "type": "HTTP/1.1", "requestHeaders": `{"host":"api.shop.example"}`, "requestPayload": "",
		"responseHeaders": `{"content-type":"application/json"}`, "responsePayload": "", "statusCode": "200", "status": "200 OK",
		"time": "1767225600", "ip": "", "destIp": "", "direction": "1", "akto_account_id": "1000000", "akto_vxlan_id": "0",
		"is_pending": "false", "source": "MIRRORING",
	}
	maps.Copy(m, change)
	data, err := json.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// headersOf gives the JSON of headers, "name: value".
func headersOf(tb testing.TB, lines ...string) string {
	tb.Helper()
	m := map[string]string{"host": "api.shop.example"}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		m[name] = value
	}
	data, err := json.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

// wired reads messages as they come from a topic.
func wired(tb testing.TB, messages ...fields) []*ingest.Record {
	tb.Helper()
	var rs []*ingest.Record
	for i, m := range messages {
		r, err := ingest.ParseRecord(flat(tb, m))
		if err != nil {
			tb.Fatalf("message %d: %v", i, err)
		}
		r.Origin = ingest.Origin{Log: logID, Seq: int64(i + 1)}
		rs = append(rs, r)
	}
	return rs
}

// rejected reads a message that is no record.
func rejected(tb testing.TB, m fields) error {
	tb.Helper()
	_, err := ingest.ParseRecord(flat(tb, m))
	return err
}

// learned are the endpoints that messages teach an empty store.
func learned(t *testing.T, messages ...fields) (*sqlite.DB, []inventory.Endpoint) {
	t.Helper()
	db := openStore(t)
	return db, learnedBy(t, db, messages...)
}

func learnedBy(t *testing.T, db *sqlite.DB, messages ...fields) []inventory.Endpoint {
	t.Helper()
	learnAll(t, db, wired(t, messages...)...)
	return inventoryOf(t, db, account)
}

// has checks that an endpoint has parameters, by the beginnings of their lines.
func has(t *testing.T, e *inventory.Endpoint, want ...string) {
	t.Helper()
	have := params(e)
	for _, w := range want {
		if !slices.ContainsFunc(have, func(p string) bool { return strings.HasPrefix(p, w) }) {
			t.Errorf("%s %s has %q, want %q", e.Method, e.URL, have, w)
		}
	}
}

func templateVectors() map[string]func(*testing.T) {
	f := func(method, path, want, param string) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			_, es := learned(t, fields{"method": method, "path": path})
			if len(es) != 1 || es[0].URL != want || es[0].Method != method {
				t.Fatalf("%s %s: %+v, want %s", method, path, es, want)
			}
			if param != "" {
				has(t, &es[0], "-1 url "+param)
			}
		}
	}
	both := func(fs ...func(*testing.T)) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			for _, f := range fs {
				f(t)
			}
		}
	}
	withVersions := func(t *testing.T) {
		t.Helper()
		db := openStore(t)
		configure(t, db, inventory.Settings{MergeVersions: true})
		es := learnedBy(t, db, fields{"path": "/v2/customers/991"})
		if len(es) != 1 || es[0].URL != "/VERSIONED/customers/INTEGER" { // RULE; the reference: without the leading slash
			t.Errorf("with versions: %+v", es)
		}
	}
	stored := func(t *testing.T, want []string, m fields) {
		t.Helper()
		db := openStore(t)
		learnAll(t, db, wired(t, fields{"path": "/shop/orders/5"})...)
		rs := wired(t, fields{}, m)[1:] // a restart: another learner
		learnAll(t, db, rs...)
		if d := cmp.Diff(want, urls(t, db)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
	return map[string]func(*testing.T){
		"T1": f("GET", "/shop/orders/48213?x=1", "/shop/orders/INTEGER", "2 INTEGER_32 1x [48213] 48213..48213"),
		"T2": f("GET", "/shop/orders/-7", "/shop/orders/INTEGER", "2 INTEGER_32 1x [-7] -7..-7"),
		"T3": f("GET", "/shop/orders/12.75", "/shop/orders/FLOAT", "2 FLOAT"),
		"T4": f("GET", "/files/64b7f0c2a91e4d3f8c5b6a70", "/files/OBJECT_ID", "1 GENERIC"),
		"T5": f("GET", "/sessions/3f2b8c1e-9a4d-4e6f-8b7a-2c1d0e9f8a7b/events", "/sessions/STRING/events", "1 UUID"),
		"T6": f("GET", "/invoices/inv20240017", "/invoices/STRING", "1 GENERIC"),
		"T7": f("GET", "/devices/ab12", "/devices/ab12", ""),
		"T8": both(f("GET", "/v2/customers/991", "/v2/customers/INTEGER", "2 INTEGER_32"), withVersions),
		"T9": both(f("GET", "/contacts/jo.lee@example.com", "/contacts/STRING", "1 EMAIL"),
			f("GET", "/contacts/jo.lee%40example.com", "/contacts/STRING", "1 EMAIL")), // RULE; the reference: static
		"T10": f("GET", "/hosts/10.20.30.40", "/hosts/STRING", "1 IP_ADDRESS"),
		"T11": f("GET", "/contacts/+16502530000", "/contacts/STRING", "1 PHONE_NUMBER"),
		"T12": f("GET", "/files/12345678901234567890", "/files/INTEGER", "1 "), // RULE; the reference: /files/FLOAT
		"T13": f("POST", "/graphql/77", "/graphql/77", ""),
		// RULE; the reference keeps the origin in the URL, and counts it: param 5.
		"T14": f("GET", "https://api.shop.example/shop/orders/55", "/shop/orders/INTEGER", "2 INTEGER_32 1x [55] 55..55"),
		"T15": f("GET", "/shop/order-items/getUser", "/shop/order-items/getUser", ""),
		"T16": f("GET", "/123/summary", "/INTEGER/summary", "0 INTEGER_32"), // RULE; the reference: INTEGER/summary
		"T17": func(t *testing.T) {
			t.Helper()
			stored(t, []string{"GET /shop/orders/INTEGER 1", "GET /shop/orders/search 1"}, fields{"path": "/shop/orders/search"})
		},
		"T18": func(t *testing.T) {
			t.Helper()
			stored(t, []string{"GET /shop/orders/INTEGER 1", "POST /shop/orders/INTEGER 1"}, fields{"path": "/shop/orders/5", "method": "POST"})
		},
		"T19": f("GET", "/reports/2024-01-15", "/reports/STRING", "1 GENERIC"), // RULE; the reference: static
	}
}

func mergeVectors() map[string]func(*testing.T) {
	names := strings.Fields("zxqv kplm qztw wjxk vbnq hgfz tqpl mzrk dxvw jqkn pwzt")
	vendors := func(body string, names ...string) (ms []fields) {
		for _, n := range names {
			ms = append(ms, fields{"path": "/vendors/" + n + "/stats", "responsePayload": body})
		}
		return ms
	}
	apart := func(format string, names ...string) (want []string) {
		for _, n := range names {
			want = append(want, fmt.Sprintf("GET "+format+" 1", n))
		}
		slices.Sort(want)
		return want
	}
	f := func(want []string, ms ...fields) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			db, _ := learned(t, ms...)
			if d := cmp.Diff(want, urls(t, db)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		}
	}
	paths := func(all ...string) (ms []fields) {
		for _, p := range all {
			ms = append(ms, fields{"path": p})
		}
		return ms
	}
	words := strings.Fields("cart orders users books music films houses trees stones rivers clouds birds lions tables chairs doors windows floors roofs gardens")
	var shops []string
	for _, w := range words {
		shops = append(shops, "/shop/"+w)
	}
	const static = "/vendors/%s/stats"
	return map[string]func(*testing.T){
		"M1": f([]string{"GET /vendors/STRING/stats 11"}, vendors(`{"a":1,"b":2}`, names...)...),
		"M2": f(apart(static, names[:10]...), vendors(`{"a":1,"b":2}`, names[:10]...)...),
		"M3": f(apart(static, names...), append(vendors(`{"a":1,"b":1,"c":1}`, names[:5]...), vendors(`{"x":1,"y":1,"z":1}`, names[5:]...)...)...),
		"M4": f(apart("/shop/%s", words...), paths(shops...)...),
		"M5": f([]string{"GET /qztw/x/wjxk 1", "GET /zxqv/x/kplm 1"}, paths("/zxqv/x/kplm", "/qztw/x/wjxk")...),
		"M6": func(t *testing.T) { // RULE: its history joins; the reference loses it
			t.Helper()
			db := openStore(t)
			c, err := db.Account(account).HostCollection(t.Context(), "api.shop.example", 1)
			if err != nil {
				t.Fatal(err)
			}
			u := &inventory.Update{Accounts: map[int32]*inventory.AccountUpdate{account: {Endpoints: []inventory.Endpoint{{
				EndpointKey: inventory.EndpointKey{Collection: c.ID, URL: "/shop/orders/7", Method: "GET"}, Count: 5, Discovered: 100, LastSeen: 200,
			}}}}}
			if err := db.Apply(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			es := learnedBy(t, db, fields{"path": "/shop/orders/8"})
			if len(es) != 1 || es[0].URL != "/shop/orders/INTEGER" || es[0].Count != 6 || es[0].Discovered != 100 {
				t.Fatalf("inventory = %+v", es)
			}
			has(t, &es[0], "-1 url 2 INTEGER_32 6x [7 8] 7..8")
		},
		"M7": f([]string{"GET /docs/LOCALE/intro 2"}, paths("/docs/en-US/intro", "/docs/pt-BR/intro")...), // [H]
		"M8": func(t *testing.T) {
			t.Helper()
			var ms []fields
			for i, n := range names {
				body := `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1}`
				if i >= 5 {
					body = `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1}`
				}
				ms = append(ms, fields{
					"path": "/vendors/" + n + "/stats", "method": "POST", "requestPayload": body,
					"requestHeaders": headersOf(t, "content-type: application/json"),
				})
			}
			db, _ := learned(t, ms...)
			if got := urls(t, db); len(got) != len(names) {
				t.Errorf("%q, want all apart", got)
			}
		},
	}
}

func collectionVectors() map[string]func(*testing.T) {
	f := func(want int32, host string, m fields, headers string) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			m["requestHeaders"] = headers
			db, es := learned(t, m)
			if len(es) != 1 || es[0].Collection != want {
				t.Fatalf("%v: %+v, want one endpoint in collection %d", m, es, want)
			}
			if c, err := db.Account(account).Collection(t.Context(), want); err != nil || c.HostName != host {
				t.Errorf("%v: collection %+v, %v; want host %q", m, c, err, host)
			}
		}
	}
	return map[string]func(*testing.T){
		"C1": f(1591742918, "api.shop.example", fields{}, `{"Host":"API.Shop.Example"}`),
		"C2": f(1152232367, "api.shop.example:8443", fields{}, `{"host":"api.shop.example:8443"}`),
		"C3": f(0, "", fields{"akto_vxlan_id": "-1"}, `{"host":"10.20.30.40:8080"}`),
		"C4": f(1767225600, "", fields{"source": "HAR", "akto_vxlan_id": "1767225600"}, `{"host":"api.shop.example"}`),
		"C5": f(1264658667, "special_char_host", fields{}, `{"host":"a<b.example"}`),
		"C6": clashAndRestart,
		"C7": f(1591742918, "api.shop.example", fields{}, `{":authority":"api.shop.example"}`), // RULE and [M]; [H]: the vxlan id
		// RULE and [M]; [H]: 12.
		"C8": f(1591742918, "api.shop.example", fields{"source": "SDK", "akto_vxlan_id": "12"}, `{"host":"api.shop.example"}`),
		"C9": func(t *testing.T) {
			t.Helper()
			db := openStore(t)
			configure(t, db, inventory.Settings{NameMapper: map[string]inventory.NameMapping{
				"1": {Header: "x-team", Regex: "pay.*", NewName: "payments.example"},
			}})
			es := learnedBy(t, db, fields{"requestHeaders": `{"host":"api.shop.example","x-team":"payroll"}`})
			if len(es) != 1 || es[0].Collection != -1232227415 {
				t.Errorf("%+v", es)
			}
		},
	}
}

// clashAndRestart is C6. RULE: after a restart of learner and store the second
// host still has its own collection; the reference takes the first host's then.
func clashAndRestart(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "h.db")
	want := map[string]string{"/a": "-991632103 1", "/b": "-991632102 1"}
	for round, message := range []fields{
		{"requestHeaders": `{"host":"pan.example"}`, "path": "/a"},
		{"requestHeaders": `{"host":"pc0.example"}`, "path": "/b"},
		{"requestHeaders": `{"host":"pc0.example"}`, "path": "/b"},
	} {
		db, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		rs := wired(t, message)
		rs[0].Origin.Seq = int64(round + 1)
		learnAll(t, db, rs...)
		got := map[string]string{}
		for _, e := range inventoryOf(t, db, account) {
			got[e.URL] = fmt.Sprint(e.Collection, " ", e.Count)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			continue
		}
		if round == 2 {
			want["/b"] = "-991632102 2"
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("round %d (-want +got):\n%s", round, d)
		}
	}
}

// refused learns a message that the wire takes and a rule drops.
func refused(t *testing.T, rule string, m fields) {
	t.Helper()
	db, es := learned(t, m)
	dropped, err := db.Account(account).Dropped(t.Context())
	if err != nil || len(es) != 0 || dropped[rule] != 1 {
		t.Errorf("%v: learned %+v, dropped %v, %v; want %s", m, es, dropped, err, rule)
	}
}

// kept learns a message that no rule drops.
func kept(t *testing.T, m fields) {
	t.Helper()
	if _, es := learned(t, m); len(es) != 1 {
		t.Errorf("%v: learned %+v", m, es)
	}
}

// probed reads the message by which agents try their connection.
func probed(t *testing.T) {
	t.Helper()
	if _, err := ingest.ParseRecord([]byte(`{"testConnectionString":"kafkaInit"}`)); !errors.Is(err, ingest.ErrProbe) {
		t.Errorf("the probe: %v, want it known", err)
	}
	db := openStore(t)
	probe := &ingest.Record{Form: ingest.FormHAR, Data: []byte(`{"testConnectionString":"kafkaInit"}`), Origin: ingest.Origin{Log: logID, Seq: 1}}
	l, stop := start(t, learn.Config{Source: newSource(1, probe), Stores: db})
	if err := l.WaitFor(t.Context(), mark, 1); err != nil {
		t.Fatal(err)
	}
	stop()
	if es := inventoryOf(t, db, account); len(es) != 0 {
		t.Errorf("a probe taught %+v", es)
	}
}
