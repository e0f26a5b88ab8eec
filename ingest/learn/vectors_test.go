package learn_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/inventory"
)

// TestTemplates are the vectors T1 to T19: each path comes alone, with a value of
// the path parameter where there is one.
func TestTemplates(t *testing.T) {
	f := func(method, url, want, param string) {
		t.Helper()
		s := openStore(t)
		if !strings.HasPrefix(url, "http") {
			url = "https://api.shop.com" + url
		}
		x := get(url)
		x.method = method
		learnAll(t, s, x.record(1))
		all := inventoryOf(t, s, inventory.DefaultAccount)
		if len(all) != 1 || all[0].URL != want || all[0].Method != method {
			t.Errorf("%s %s: %+v, want %s", method, url, all, want)
			return
		}
		if param != "" && !slices.ContainsFunc(params(&all[0]), func(p string) bool { return strings.HasPrefix(p, "-1 url "+param) }) {
			t.Errorf("%s: params %q, want %s", url, params(&all[0]), param)
		}
	}
	f("GET", "/shop/orders/48213?x=1", "/shop/orders/INTEGER", "2 INTEGER_32 1x [48213] 48213..48213")
	f("GET", "/shop/orders/-7", "/shop/orders/INTEGER", "2 INTEGER_32 1x [-7] -7..-7")
	f("GET", "/shop/orders/12.75", "/shop/orders/FLOAT", "2 FLOAT 1x [12.75] 12..12")
	f("GET", "/files/64b7f0c2a91e4d3f8c5b6a70", "/files/OBJECT_ID", "1 GENERIC")
	f("GET", "/sessions/3f2b8c1e-9a4d-4e6f-8b7a-2c1d0e9f8a7b/events", "/sessions/STRING/events", "1 UUID")
	f("GET", "/invoices/inv20240017", "/invoices/STRING", "1 GENERIC")
	f("GET", "/devices/ab12", "/devices/ab12", "")
	f("GET", "/v2/customers/991", "/v2/customers/INTEGER", "2 INTEGER_32")
	f("GET", "/contacts/jo.lee@example.com", "/contacts/STRING", "1 EMAIL")
	f("GET", "/contacts/jo.lee%40example.com", "/contacts/STRING", "1 EMAIL 1x [jo.lee@example.com]")
	f("GET", "/hosts/10.20.30.40", "/hosts/STRING", "1 IP_ADDRESS")
	f("GET", "/contacts/+16502530000", "/contacts/STRING", "1 PHONE_NUMBER")
	f("GET", "/files/12345678901234567890", "/files/INTEGER", "1 ")
	f("POST", "/graphql/77", "/graphql/77", "")
	f("GET", "https://api.shop.example/shop/orders/55", "/shop/orders/INTEGER", "2 INTEGER_32 1x [55] 55..55")
	f("GET", "/shop/order-items/getUser", "/shop/order-items/getUser", "")
	f("GET", "/123/summary", "/INTEGER/summary", "0 INTEGER_32")
	f("GET", "/reports/2024-01-15", "/reports/STRING", "1 GENERIC")
}

// TestTemplatesOfTheStore are T17 and T18: what is stored decides.
func TestTemplatesOfTheStore(t *testing.T) {
	s := openStore(t)
	learnAll(t, s, get("https://api.shop.com/shop/orders/5").record(1))
	post := get("https://api.shop.com/shop/orders/5")
	post.method = "POST"
	learnAll(t, s, get("https://api.shop.com/shop/orders/search").record(2), post.record(3), get("https://api.shop.com/shop/orders/77/").record(4))
	var got []string
	for _, e := range inventoryOf(t, s, inventory.DefaultAccount) {
		got = append(got, fmt.Sprint(e.Method, " ", e.URL, " ", e.Count))
	}
	want := []string{"GET /shop/orders/INTEGER 2", "POST /shop/orders/INTEGER 1", "GET /shop/orders/search 1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("endpoints (-want +got):\n%s", d)
	}
}

// TestCollections are the vectors C1 to C8 and what the rules add.
func TestCollections(t *testing.T) {
	f := func(x exchange, want int32, host string) {
		t.Helper()
		s := openStore(t)
		x.method, x.status = "GET", 200
		learnAll(t, s, x.record(1))
		all := inventoryOf(t, s, inventory.DefaultAccount)
		if len(all) != 1 || all[0].Collection != want {
			t.Errorf("%+v: endpoints %+v, want one in collection %d", x, all, want)
			return
		}
		c, err := s.Account(inventory.DefaultAccount).Collection(t.Context(), want)
		if err != nil || c.HostName != host {
			t.Errorf("%+v: collection %+v, %v; want host %q", x, c, err, host)
		}
	}
	host := func(h string) []string { return []string{"Host: " + h} }
	const url = "http://10.9.8.7/a"
	f(exchange{url: url, headers: host("API.Shop.Example")}, 1591742918, "api.shop.example")
	f(exchange{url: url, headers: host("api.shop.example:8443")}, 1152232367, "api.shop.example:8443")
	f(exchange{url: url, headers: host("10.20.30.40:8080")}, 0, "")
	f(exchange{url: url, headers: host("[::1]:8080")}, 0, "")
	f(exchange{url: url, headers: host("fe80::1")}, 0, "")
	f(exchange{url: url, headers: host("api.shop.example"), source: "HAR", collection: 1767225600}, 1767225600, "")
	f(exchange{url: url, headers: host("a<b.example")}, 1264658667, "special_char_host")
	f(exchange{url: url, headers: []string{":authority: api.shop.example"}}, 1591742918, "api.shop.example")
	f(exchange{url: url, headers: []string{"authority: api.shop.example"}}, 1591742918, "api.shop.example")
	f(exchange{url: "https://api.shop.example/a"}, 1591742918, "api.shop.example")
	f(exchange{url: url, headers: host("api.shop.example"), source: "SDK", collection: 12}, 1591742918, "api.shop.example")
	f(exchange{url: "http://api.shop.example/a", headers: host("api.shop.example:80")}, 1591742918, "api.shop.example")
	f(exchange{url: "https://api.shop.example/a", headers: host("api.shop.example:443")}, 1591742918, "api.shop.example")
	f(exchange{url: "https://x/a", headers: host("api.shop.example:80")}, inventory.HashID("api.shop.example:80"), "api.shop.example:80")
	f(exchange{url: "https://x/a", headers: host("12-34:8080"), collection: 7}, 7, "")
}

// TestCollectionClash is C6, with a restart of learner and store cache.
func TestCollectionClash(t *testing.T) {
	s := openStore(t)
	learnAll(t, s, records(get("http://pan.example/a"), get("http://pc0.example/b"))...)
	learnAll(t, s, get("http://pc0.example/b").record(3))
	got := map[string]string{}
	for _, e := range inventoryOf(t, s, inventory.DefaultAccount) {
		got[e.URL] = fmt.Sprint(e.Collection, " ", e.Count)
	}
	if d := cmp.Diff(map[string]string{"/a": "-991632103 1", "/b": "-991632102 2"}, got); d != "" {
		t.Errorf("endpoints (-want +got):\n%s", d)
	}
}

func shopOrder() exchange {
	return exchange{
		method: "POST", url: "https://api.shop.example/shop/orders/48213?expand=items&limit=20",
		headers: []string{
			"host: api.shop.example", "content-type: application/json", "authorization: Bearer q7-demo", "x-forwarded-for: 203.0.113.9",
		},
		body:   `{"coupon":"SPRING","lines":[{"sku":"A-1","qty":2}]}`,
		status: 200, responseType: "application/json; charset=utf-8",
		response:      `{"id":48213,"buyer":{"email":"jo.lee@example.com"},"paid":true}`,
		responseHeads: []string{"server: envoy"}, at: 1767225600,
	}
}

// TestShopOrder is the endpoint of R1.
func TestShopOrder(t *testing.T) {
	s := openStore(t)
	r := shopOrder().record(1)
	learnAll(t, s, r)
	k := inventory.EndpointKey{Collection: 1591742918, URL: "/shop/orders/INTEGER", Method: "POST"}
	e, err := s.Account(inventory.DefaultAccount).Endpoint(t.Context(), k)
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
	e.Params = nil
	facts := inventory.Endpoint{
		EndpointKey: k, Count: 1, Discovered: 1767225600, LastSeen: 1767225600, APIType: "REST", AuthTypes: [][]string{{"BEARER"}},
		AuthSeen: []int64{1767225600}, Callers: inventory.CallerOf(inventory.HashValue("Bearer q7-demo")), AccessTypes: []string{"PRIVATE"}, ResponseCodes: []int{200}, CodeSeen: []int64{1767225600},
		Sources: map[string]int64{"MIRRORING": 1767225600}, Origins: []string{"https://api.shop.example"},
		Traffic: []inventory.TrafficCount{{Start: 1767225600, Status: 200, Count: 1}},
	}
	if d := cmp.Diff(facts, e); d != "" {
		t.Errorf("facts (-want +got):\n%s", d)
	}
	samples, err := s.Account(inventory.DefaultAccount).Samples(t.Context(), k)
	if err != nil || len(samples) != 1 || string(samples[0].Data) != string(r.Data) || samples[0].ID != r.ID || samples[0].Source != "MIRRORING" {
		t.Errorf("samples = %+v, %v", samples, err)
	}
}

// TestParams are D14 and D16, R12 and numbers.
func TestParams(t *testing.T) {
	s := openStore(t)
	body := func(seq int64, text string) exchange {
		x := get("https://api.shop.com/a")
		x.responseType, x.response, x.at = "application/json", text, 1767225600+seq
		return x
	}
	var xs []exchange
	xs = append(xs, body(1, `{"totals":{"2024":5},"n":null,"e":{}}`), body(2, `[{"id":1},{"id":2}]`))
	for i := range 60 {
		xs = append(xs, body(3, fmt.Sprintf(`{"word":"w%d","num":%d.5,"few":%d}`, i, i-30, i%3)))
	}
	learnAll(t, s, records(xs...)...)
	e := inventoryOf(t, s, inventory.DefaultAccount)[0]
	want := []string{
		"200 header content-type GENERIC 62x [application/json]",
		"200 body e OTHER 1x []",
		"200 body few INTEGER_32 60x [0 1 2] 0..2",
		"200 body json#$#id INTEGER_32 2x [1 2] 1..2",
		"200 body n NULL 1x []",
		"200 body num FLOAT 60x [] -30..29",
		"200 body totals#NUMBER INTEGER_32 1x [5] 5..5",
		"200 body word GENERIC 60x []",
	}
	if d := cmp.Diff(want, params(&e)); d != "" {
		t.Errorf("params (-want +got):\n%s", d)
	}
	domains := map[string]string{}
	for i := range e.Params {
		domains[e.Params[i].Name] = e.Params[i].Domain()
	}
	if domains["word"] != "ANY" || domains["num"] != "RANGE" || domains["few"] != "ENUM" {
		t.Errorf("domains = %v", domains)
	}
}

// TestAuth are R16 to R18 and the rest of the rules.
func TestAuth(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln"
	f := func(want string, headers ...string) {
		t.Helper()
		s := openStore(t)
		x := get("https://api.shop.com/a")
		x.headers = headers
		learnAll(t, s, x.record(1))
		e := inventoryOf(t, s, inventory.DefaultAccount)[0]
		if got := fmt.Sprint(e.AuthTypes); got != "[["+want+"]]" {
			t.Errorf("%q: %s, want %s", headers, got, want)
		}
	}
	f("UNAUTHENTICATED")
	f("UNAUTHENTICATED", "x-akto-installer-key: Bearer x")
	f("API_KEY BASIC", "authorization: Basic YTpi", "x-api-key: k")
	f("BEARER", "Authorization: bearer "+jwt)
	f("BEARER", "x-other: Bearer abc")
	f("AUTHORIZATION_HEADER", "authorization: Digest a=b, c=d")
	f("AUTHORIZATION_HEADER", "auth: secret")
	f("JWT", "cookie: sid="+jwt)
	f("JWT", "x-token: "+jwt)
	f("API_KEY", "X-Pass_Key: 1")
	f("MTLS", "X-SSL-Client-Cert: MII")
	f("UNAUTHENTICATED", "X-SSL-Client-Cert: ")
	f("SESSION_TOKEN", "Cookie: a=1; app_SessionID=2")
	f("SESSION_TOKEN", "X-Session-Token: 2")
	f("UNAUTHENTICATED", "cookie: obsession=1; sessions=2")

	s := openStore(t) // R17
	bearer := get("https://api.shop.com/a")
	bearer.headers = []string{"authorization: Bearer x"}
	learnAll(t, s, records(get("https://api.shop.com/a"), bearer, bearer)...)
	if got := fmt.Sprint(inventoryOf(t, s, inventory.DefaultAccount)[0].AuthTypes); got != "[[BEARER] [UNAUTHENTICATED]]" {
		t.Errorf("auth of two requests = %s", got)
	}
}

func TestAPIType(t *testing.T) {
	f := func(want, url, contentType string) {
		t.Helper()
		s := openStore(t)
		x := get("https://api.shop.com" + url)
		x.headers = []string{"content-type: " + contentType}
		learnAll(t, s, x.record(1))
		if got := inventoryOf(t, s, inventory.DefaultAccount)[0].APIType; got != want {
			t.Errorf("%s of %s: %s, want %s", contentType, url, got, want)
		}
	}
	f("GRAPHQL", "/graphql", "application/json")
	f("REST", "/a", "multipart/form-data; boundary=x")
	f("SOAP", "/a", "text/XML")
	f("GRPC", "/a", "application/grpc")
	f("REST", "/a", "text/plain")
}
