package learn_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/har"
	"harken/ingest"
	"harken/ingest/learn"
	"harken/internal/store/sqlite"
	"harken/inventory"
)

const account = inventory.DefaultAccount

func configure(t *testing.T, db *sqlite.DB, s inventory.Settings) {
	t.Helper()
	if _, err := db.Full(account).PutSettings(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func define(t *testing.T, db *sqlite.DB, kind, id, doc string) {
	t.Helper()
	if err := db.Full(account).PutDefinition(t.Context(), inventory.Definition{Kind: kind, ID: id, Doc: []byte(doc)}); err != nil {
		t.Fatal(err)
	}
}

// urls lists what an account has, one a line with its count.
func urls(t *testing.T, db inventory.Stores) []string {
	t.Helper()
	var all []string
	for _, e := range inventoryOf(t, db, account) {
		all = append(all, fmt.Sprintf("%s %s %d", e.Method, e.URL, e.Count))
	}
	slices.Sort(all)
	return all
}

func vendor(name, body string) exchange {
	x := get("https://api.shop.com/vendors/" + name + "/stats")
	x.responseType, x.response = "application/json", body
	return x
}

// TestMethods: an endpoint has one of the known methods, so that it can be named by it.
func TestMethods(t *testing.T) {
	db := openStore(t)
	var xs []exchange
	for _, method := range []string{"GET", "get", "Patch", "TRACE", "track", "PROPFIND", "Brew", strings.Repeat("X", 300)} {
		x := get("https://api.shop.com/tea")
		x.method = method
		xs = append(xs, x)
	}
	learnAll(t, db, records(xs...)...)
	want := []string{"GET /tea 2", "OTHER /tea 3", "PATCH /tea 1", "TRACE /tea 1", "TRACK /tea 1"}
	if diff := cmp.Diff(want, urls(t, db)); diff != "" {
		t.Errorf("learned (-want +got):\n%s", diff)
	}
}

// TestLabels: what a recorder labels its traffic with are tags of the host's
// collection, until people have edited these.
func TestLabels(t *testing.T) {
	tagsOf := func(db *sqlite.DB) string {
		t.Helper()
		c, err := db.Account(account).HostCollection(t.Context(), "api.qa.shop.com", 1)
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, tag := range c.AllTags() {
			text += tag.KeyName + "=" + tag.Value + " " + tag.Source + ";"
		}
		return text
	}
	later := func(db *sqlite.DB, m fields) {
		t.Helper()
		rs := wired(t, m)
		rs[0].Origin.Seq = 100 // what was learned before is not learned again
		learnAll(t, db, rs...)
	}
	host := `{"host":"api.qa.shop.com"}`
	labeled := fields{"requestHeaders": host, "tag": `{"team":"checkout","app":"orders","":"x"}`}
	db, _ := learned(t, labeled, fields{"requestHeaders": host, "tag": `{"team":"late"}`})
	if got, want := tagsOf(db), "envType=QA AKTO;app=orders KUBERNETES;team=checkout KUBERNETES;"; got != want {
		t.Errorf("tags are %s, want %s", got, want)
	}
	if _, err := db.Full(account).EditCollections(t.Context(), nil, func(c *inventory.Collection) (bool, error) {
		c.Tags = []inventory.Tag{}
		return true, nil
	}); err != nil {
		t.Fatal(err)
	}
	later(db, labeled)
	if got := tagsOf(db); got != "" {
		t.Errorf("tags that people removed are back: %s", got)
	}
	db, _ = learned(t, fields{"requestHeaders": host}, fields{"requestHeaders": host, "tag": `{"ENVTYPE":"DEMO"}`})
	if got := tagsOf(db); got != "ENVTYPE=DEMO KUBERNETES;" {
		t.Errorf("tags are %s, want the environment that the label tells", got)
	}
}

// TestMerge are M1 to M8 through the learner.
func TestMerge(t *testing.T) {
	names := strings.Fields("zxqv kplm qztw wjxk vbnq hgfz tqpl mzrk dxvw jqkn pwzt")
	f := func(name string, want []string, xs ...exchange) {
		t.Helper()
		db := openStore(t)
		learnAll(t, db, records(xs...)...)
		if d := cmp.Diff(want, urls(t, db)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if c, err := db.Account(account).Collections(t.Context()); err != nil || c[len(c)-1].URLsCount+c[0].URLsCount != len(want) {
			t.Errorf("%s: collections = %+v, %v; want %d URLs", name, c, err, len(want))
		}
	}
	same := func(names []string, body string) (xs []exchange) {
		for _, n := range names {
			xs = append(xs, vendor(n, body))
		}
		return xs
	}
	static := func(names ...string) (want []string) {
		for _, n := range names {
			want = append(want, "GET /vendors/"+n+"/stats 1")
		}
		slices.Sort(want)
		return want
	}
	f("M1", []string{"GET /vendors/STRING/stats 11"}, same(names, `{"a":1}`)...)
	f("M2", static(names[:10]...), same(names[:10], `{"a":1}`)...)
	f("M3", static(names...), append(same(names[:5], `{"a":1,"b":1,"c":1}`), same(names[5:], `{"x":1,"y":1,"z":1}`)...)...)
	var words []exchange
	var want []string
	for w := range strings.FieldsSeq("cart orders users books music films houses trees stones rivers clouds birds lions tables chairs doors windows floors roofs gardens") {
		words = append(words, get("https://api.shop.com/shop/"+w))
		want = append(want, "GET /shop/"+w+" 1")
	}
	slices.Sort(want)
	f("M4", want, words...)
	f("M5", []string{"GET /qztw/x/wjxk 1", "GET /zxqv/x/kplm 1"}, get("https://api.shop.com/zxqv/x/kplm"), get("https://api.shop.com/qztw/x/wjxk"))
	f("M7", []string{"GET /docs/LOCALE/intro 2"}, get("https://api.shop.com/docs/en-US/intro"), get("https://api.shop.com/docs/pt-BR/intro"))
	ten, eight := `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1}`, `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1}`
	f("M8", static(names...), append(same(names[:5], ten), same(names[5:], eight)...)...)
	db := openStore(t)
	no := false
	configure(t, db, inventory.Settings{BodyMatch: &no})
	learnAll(t, db, records(append(same(names[:5], ten), same(names[5:], eight)...)...)...)
	if d := cmp.Diff([]string{"GET /vendors/STRING/stats 11"}, urls(t, db)); d != "" {
		t.Errorf("without body matching (-want +got):\n%s", d)
	}
}

// TestMergeLeftover is M6: what an earlier version left static joins the template
// that covers it.
func TestMergeLeftover(t *testing.T) {
	db := openStore(t)
	c, err := db.Account(account).HostCollection(t.Context(), "api.shop.com", 1)
	if err != nil {
		t.Fatal(err)
	}
	left := inventory.Endpoint{EndpointKey: inventory.EndpointKey{Collection: c.ID, URL: "/shop/orders/7", Method: "GET"}, Count: 5, Discovered: 100, LastSeen: 200}
	u := &inventory.Update{Accounts: map[int32]*inventory.AccountUpdate{account: {Endpoints: []inventory.Endpoint{left}}}}
	if err := db.Apply(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	learnAll(t, db, records(get("https://api.shop.com/shop/orders/8"))...)
	e := inventoryOf(t, db, account)
	if len(e) != 1 || e[0].URL != "/shop/orders/INTEGER" || e[0].Count != 6 || e[0].Discovered != 100 {
		t.Fatalf("inventory = %+v", e)
	}
	want := []string{"-1 url 2 INTEGER_32 6x [7 8] 7..8"}
	if d := cmp.Diff(want, params(&e[0])); d != "" {
		t.Errorf("params (-want +got):\n%s", d)
	}
}

// TestMergeDue merges what another run left over, without traffic.
func TestMergeDue(t *testing.T) {
	db := openStore(t)
	var es []inventory.Endpoint
	c, err := db.Account(account).HostCollection(t.Context(), "api.shop.com", 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []string{"en-US", "pt-BR"} {
		es = append(es, inventory.Endpoint{EndpointKey: inventory.EndpointKey{Collection: c.ID, URL: "/docs/" + l + "/intro", Method: "GET"}, Count: 1})
	}
	u := &inventory.Update{Accounts: map[int32]*inventory.AccountUpdate{account: {Endpoints: es}}}
	u.Reshaped = func(int32, inventory.EndpointKey) bool { return true }
	if err := db.Apply(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	l, stop := start(t, learn.Config{Source: newSource(1), Stores: db, MergeEvery: 4 * time.Millisecond})
	defer stop()
	for ctx := t.Context(); ; {
		due, err := db.MergeDue(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(due) == 0 {
			break
		}
	}
	if d := cmp.Diff([]string{"GET /docs/LOCALE/intro 2"}, urls(t, db)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	_ = l
}

// TestNameMapper is C9.
func TestNameMapper(t *testing.T) {
	db := openStore(t)
	configure(t, db, inventory.Settings{NameMapper: map[string]inventory.NameMapping{"a": {Header: "x-team", Regex: "pay.*", NewName: "payments.example"}}})
	x := get("https://api.shop.com/a")
	x.headers = []string{"x-team: payroll"}
	learnAll(t, db, x.record(1))
	if e := inventoryOf(t, db, account); len(e) != 1 || e[0].Collection != -1232227415 {
		t.Errorf("inventory = %+v, want one endpoint in -1232227415", e)
	}
}

func TestSplitIPHosts(t *testing.T) {
	db := openStore(t)
	configure(t, db, inventory.Settings{SplitIPHosts: true})
	learnAll(t, db, records(get("http://10.20.30.40:80/a"), get("http://10.20.30.40:8080/a"), get("https://[2001:DB8::1]/a"))...)
	var hosts []string
	cs, err := db.Account(account).Collections(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		hosts = append(hosts, c.HostName)
	}
	slices.Sort(hosts)
	if d := cmp.Diff([]string{"", "10.20.30.40", "10.20.30.40:8080", "2001:db8::1"}, hosts); d != "" {
		t.Errorf("hosts (-want +got):\n%s", d)
	}
}

// TestCustomTypes is D15, and a type that is redacted.
func TestCustomTypes(t *testing.T) {
	db := openStore(t)
	define(t, db, inventory.CustomDataTypes, "GEO", `{"name":"GEO","active":true,"sensitiveAlways":true,
		"valueConditions":{"operator":"AND","predicates":[{"type":"REGEX","value":"[a-z]{2}-\\d{3}"}]}}`)
	define(t, db, inventory.DataTypeOverrides, "EMAIL", `{"name":"EMAIL","sensitiveAlways":true,"redacted":true}`)
	x := get("https://api.shop.com/a?zone=fr-204&mail=jo@example.com")
	learnAll(t, db, records(x, x)...)
	e := inventoryOf(t, db, account)[0]
	want := []string{"-1 query mail EMAIL 2x []", "-1 query zone GEO 2x [fr-204]"}
	if d := cmp.Diff(want, params(&e)); d != "" {
		t.Errorf("params (-want +got):\n%s", d)
	}
	samples, err := db.Account(account).Samples(t.Context(), e.EndpointKey)
	if err != nil || len(samples) != 2 || bytes.Contains(samples[0].Data, []byte("jo@")) || !bytes.Contains(samples[0].Data, []byte("fr-204")) {
		t.Errorf("samples = %s, %v; want the e-mail address redacted", samples[0].Data, err)
	}
	sensitive, err := db.Full(account).SensitiveSamples(t.Context(), e.EndpointKey)
	if err != nil || len(sensitive) != 2 || len(sensitive[0].Params) != 2 || bytes.Contains(sensitive[0].Data, []byte("jo@")) {
		t.Errorf("sensitive samples = %+v, %v", sensitive, err)
	}
}

func TestCustomAuth(t *testing.T) {
	db := openStore(t)
	define(t, db, inventory.CustomAuthTypes, "HMAC", `{"name":"HMAC","active":true,"headerKeys":["X-Sig","who"],"payloadKeys":["auth.key"]}`)
	f := func(body string, headers ...string) exchange {
		x := get("https://api.shop.com/a")
		x.headers, x.body = slices.Concat(headers, []string{"content-type: application/json"}), body
		return x
	}
	learnAll(t, db, records(f("", "x-sig: 1", "cookie: who=2"), f(`{"auth":{"key":"1"}}`, "authorization: Bearer x"), f("", "x-sig: 1"))...)
	if got := fmt.Sprint(inventoryOf(t, db, account)[0].AuthTypes); got != "[[BEARER HMAC] [HMAC] [UNAUTHENTICATED]]" {
		t.Errorf("auth = %s", got)
	}
}

// withMeta sets what an exchange of a test does not have.
func withMeta(tb testing.TB, r *ingest.Record, set func(*har.Entry)) *ingest.Record {
	tb.Helper()
	var e har.Entry
	if err := r.DecodeEntry(&e); err != nil {
		tb.Fatal(err)
	}
	if e.Harken == nil {
		e.Harken = &har.Meta{}
	}
	set(&e)
	r.Data = har.AppendEntry(nil, &e)
	return r
}

// TestAccess are R19 and R20.
func TestAccess(t *testing.T) {
	f := func(want, client, server, direction, forwarded string, s inventory.Settings) {
		t.Helper()
		db := openStore(t)
		configure(t, db, s)
		x := get("https://api.partner.com/a")
		if forwarded != "" {
			x.headers = []string{"X-Forwarded-For: " + forwarded}
		}
		learnAll(t, db, withMeta(t, x.record(1), func(e *har.Entry) {
			e.Harken.Client, e.Harken.Server, e.Harken.Direction = client, server, direction
		}))
		if got := strings.Join(inventoryOf(t, db, account)[0].AccessTypes, " "); got != want {
			t.Errorf("%s %s %s %s: %q, want %q", client, server, direction, forwarded, got, want)
		}
	}
	f("PUBLIC", "10.1.1.1:5", "", "1", "8.8.8.8", inventory.Settings{})
	f("THIRD_PARTY", "10.1.1.1:5", "", "2", "8.8.8.8", inventory.Settings{})
	f("PARTNER", "10.1.1.1", "8.8.4.4", "", "", inventory.Settings{PartnerIPs: []string{"8.8.4.0/24"}})
	f("", "", "", "", "", inventory.Settings{})
	f("PUBLIC", "10.1.1.1:5", "192.168.1.1:80", "", "", inventory.Settings{PrivateCIDRs: []string{"10.0.0.0/8"}})
}

// TestRedactCollection is R21.
func TestRedactCollection(t *testing.T) {
	db := openStore(t)
	c, err := db.Account(account).AddCollection(t.Context(), inventory.Collection{ID: 5, Name: "r", Redact: true})
	if err != nil {
		t.Fatal(err)
	}
	x := get("https://api.shop.com/a?tok=9")
	x.method, x.source, x.collection, x.body = "POST", "PCAP", c.ID, `{"n":[5,{"m":"x"}]}`
	x.headers = []string{"cookie: s=1; t=2", "content-type: application/json"}
	learnAll(t, db, withMeta(t, x.record(1), func(e *har.Entry) { e.Harken.Client, e.Harken.Server = "10.0.0.1:5", "10.0.0.2:80" }))
	e := inventoryOf(t, db, account)[0]
	samples, err := db.Account(account).Samples(t.Context(), e.EndpointKey)
	if err != nil || len(samples) != 1 {
		t.Fatalf("samples = %v, %v", samples, err)
	}
	var got har.Entry
	if err := (&ingest.Record{Data: samples[0].Data}).DecodeEntry(&got); err != nil {
		t.Fatal(err)
	}
	cookie, _ := har.HeaderValue(got.Request.Headers, "cookie")
	if got.Request.URL != "https://api.shop.com/a?tok=****" || !strings.Contains(cookie, "s=****;") || !strings.Contains(cookie, "t=****") ||
		string(got.Request.PostData.Body) != `{"n":["****",{"m":"****"}]}` || got.Harken.Client != "****" || got.Harken.Server != "****" {
		t.Errorf("sample = %s", samples[0].Data)
	}
	for i := range e.Params {
		if p := &e.Params[i]; p.Values != nil || p.HasRange {
			t.Errorf("param %+v has values", p)
		}
	}
	if sensitive, err := db.Full(account).SensitiveSamples(t.Context(), e.EndpointKey); err != nil || len(sensitive) != 0 {
		t.Errorf("sensitive samples = %v, %v", sensitive, err)
	}
}

// TestRedactAccount redacts live traffic, never uploads.
func TestRedactAccount(t *testing.T) {
	db := openStore(t)
	configure(t, db, inventory.Settings{RedactPayload: true})
	live, upload, failed := get("https://api.shop.com/a?tok=hush"), get("https://api.shop.com/b?tok=hush"), get("https://api.shop.com/c?tok=hush")
	upload.source, failed.status = "HAR", 404
	learnAll(t, db, records(live, upload, failed)...)
	for _, e := range inventoryOf(t, db, account) {
		samples, err := db.Account(account).Samples(t.Context(), e.EndpointKey)
		if err != nil || len(samples) != 1 || bytes.Contains(samples[0].Data, []byte("hush")) != (e.URL == "/b") {
			t.Errorf("%s has samples %s, %v", e.URL, samples[0].Data, err)
		}
		if hasValues := e.Params[0].Values != nil; hasValues != (e.URL == "/b") {
			t.Errorf("%s has params %+v", e.URL, e.Params)
		}
	}
	drops, err := db.Full(account).Drops(t.Context())
	if err != nil || len(drops) != 1 || drops[0].Host != "api.shop.com" || drops[0].Rule != "status" || !bytes.Contains(drops[0].Example, []byte("tok=****")) {
		t.Errorf("drops = %+v, %v", drops, err)
	}
}

// TestGraphQL is R22.
func TestGraphQL(t *testing.T) {
	db := openStore(t)
	x := get("https://api.shop.com/graphql")
	x.method, x.body, x.headers = "POST", `{"query":"query Q{user(id:5){name} orders{id}}"}`, []string{"content-type: application/json"}
	rpc := get("https://api.shop.com/mcp")
	rpc.method, rpc.body, rpc.headers = "POST", `{"jsonrpc":"2.0","method":"tools/list","id":1}`, x.headers
	learnAll(t, db, records(x, rpc)...)
	want := []string{"POST /graphql/query/Q/orders 1", "POST /graphql/query/Q/user 1", "POST /mcp/tools/list 1"}
	if d := cmp.Diff(want, urls(t, db)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, e := range inventoryOf(t, db, account) {
		var names []string
		for i := range e.Params {
			if p := &e.Params[i]; p.ResponseCode == -1 && !p.Header {
				names = append(names, p.Name)
			}
		}
		if got := strings.Join(names, " "); strings.HasSuffix(e.URL, "/user") && got != "query.user.__args.id query.user.name" {
			t.Errorf("params of %s: %s", e.URL, got)
		}
		if s, err := db.Account(account).Samples(t.Context(), e.EndpointKey); err != nil || len(s) != 1 {
			t.Errorf("%s has %d samples, %v", e.URL, len(s), err)
		}
	}
}

// TestHARBodies are R23 and R24.
func TestHARBodies(t *testing.T) {
	db := openStore(t)
	entry := func(url, response string) *ingest.Record {
		return &ingest.Record{
			Source: "HAR", Time: time.Unix(1767225600, 0), Origin: ingest.Origin{Log: logID, Seq: 1},
			Data: []byte(`{"startedDateTime":"2026-01-01T00:00:00Z","time":1,"request":{"method":"GET","url":"` + url + `","httpVersion":"HTTP/1.1","headers":[]}` + response + `}`),
		}
	}
	base64 := entry("https://a.b/r23", `,"response":{"status":200,"headers":[],"content":{"mimeType":"application/json","encoding":"base64","text":"eyJvayI6MX0="}}`)
	without := entry("https://a.b/r24", "")
	without.Origin.Seq = 2
	learnAll(t, db, base64, without)
	e := inventoryOf(t, db, account)
	if len(e) != 1 || fmt.Sprint(params(&e[0])) != "[200 body ok INTEGER_32 1x [1] 1..1]" {
		t.Errorf("inventory = %+v", e)
	}
	if d, err := db.Account(account).Dropped(t.Context()); err != nil || d["status"] != 1 {
		t.Errorf("dropped = %v, %v", d, err)
	}
}

// TestFilters are rules of settings and YAML, and that every drop is seen.
func TestFilters(t *testing.T) {
	db := openStore(t)
	configure(t, db, inventory.Settings{DenyHosts: []string{"*.internal.com"}, AllowOptions: true, RedundantEndpoints: []string{}})
	doc, err := json.Marshal(map[string]string{"content": "id: DEFAULT_BLOCK_FILTER\nfilter:\n  response_code:\n    gte: 202\n"})
	if err != nil {
		t.Fatal(err)
	}
	define(t, db, inventory.AdvancedFilters, "DEFAULT_BLOCK_FILTER", string(doc))
	define(t, db, inventory.AdvancedFilters, "DEFAULT_ALLOW_FILTER", `{"content":"id: DEFAULT_ALLOW_FILTER\nfilter:\n  url:\n    regex: '.*'\n"}`)
	options, blocked, imported, denied := get("https://api.shop.com/o"), get("https://api.shop.com/b"), get("https://api.shop.com/i"), get("https://x.internal.com/d")
	options.method, blocked.status, imported.status, imported.source = "OPTIONS", 204, 204, "HAR"
	learnAll(t, db, records(options, blocked, imported, denied, get("https://api.shop.com/a.js"))...)
	if d := cmp.Diff([]string{"GET /a.js 1", "GET /i 1", "OPTIONS /o 1"}, urls(t, db)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	drops, err := db.Full(account).Drops(t.Context())
	var got []string
	for _, d := range drops {
		got = append(got, fmt.Sprint(d.Rule, " ", d.Host, " ", d.Count, " ", len(d.Example) > 0))
	}
	slices.Sort(got)
	if d := cmp.Diff([]string{"advanced_block api.shop.com 1 true", "host x.internal.com 1 true"}, got); err != nil || d != "" {
		t.Errorf("drops (-want +got):\n%s%v", d, err)
	}
}

// TestReload sees settings at once.
func TestReload(t *testing.T) {
	db := openStore(t)
	src := newSource(10)
	l, stop := start(t, learn.Config{Source: src, Stores: db, ReloadEvery: 10 * time.Second})
	defer stop()
	step := func(seq int64, x exchange) {
		t.Helper()
		src.add(x.record(seq))
		if err := l.WaitFor(t.Context(), mark, seq); err != nil {
			t.Fatal(err)
		}
	}
	x := get("https://api.shop.com/a")
	x.method = "OPTIONS"
	step(1, x)
	configure(t, db, inventory.Settings{AllowOptions: true})
	l.Reload()
	step(2, x)
	if d := cmp.Diff([]string{"OPTIONS /a 1"}, urls(t, db)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
