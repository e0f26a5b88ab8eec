package filter_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"harken/har"
	"harken/ingest/learn/filter"
)

func mustCompile(tb testing.TB, s filter.Settings) *filter.Filter {
	tb.Helper()
	f, err := filter.Compile(s)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// entry has status 200 and the host api.shop.example; headers are "name: value",
// those of the response after "<".
func entry(method, url string, headers ...string) *har.Entry {
	e := &har.Entry{Request: har.Request{Method: method, URL: url}, Response: har.Response{Status: 200}}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if response, ok := strings.CutPrefix(name, "<"); ok {
			e.Response.Headers = append(e.Response.Headers, har.Header{Name: response, Value: value})
		} else {
			e.Request.Headers = append(e.Request.Headers, har.Header{Name: name, Value: value})
		}
	}
	return e
}

func withBody(e *har.Entry, mimeType, body string) *har.Entry {
	e.Response.Content = har.Content{MimeType: mimeType, Body: []byte(body)}
	return e
}

const shop = "https://api.shop.example/orders/1"

func TestSettings(t *testing.T) {
	f := func(s filter.Settings, e *har.Entry, source, want string) {
		t.Helper()
		keep, rule := mustCompile(t, s).Keep(e, source)
		if keep != (want == "") || rule != want {
			t.Errorf("%+v: Keep(%s %s, %s) = %v, %q, want %q", s, e.Request.Method, e.Request.URL, source, keep, rule, want)
		}
	}
	live := "MIRRORING"
	allow := filter.Settings{FilterHeaderValueMap: map[string]string{"X-Env": "prod", "x-team": "pay"}}
	f(allow, entry("GET", shop), live, filter.HeaderAllow)
	f(allow, entry("GET", shop, "x-env: prod"), live, "")
	f(allow, entry("GET", shop, "X-ENV: Prod"), live, filter.HeaderAllow) // the value is exact
	f(allow, entry("GET", shop, "<x-team: pay"), live, "")
	f(allow, entry("GET", shop, "x-env: dev", "x-env: prod"), live, "")
	f(allow, entry("GET", shop), "HAR", "")
	f(allow, entry("GET", shop), "", filter.HeaderAllow)

	options := filter.Settings{AllowOptionsAPIs: true}
	f(filter.Settings{}, entry("OPTIONS", shop), live, filter.Options)
	f(options, entry("OPTIONS", shop), live, "")

	hosts := filter.Settings{AllowHosts: []string{"*.Shop.example", "localhost:443"}, DenyHosts: []string{"admin.*", "api.shop.example:9000"}}
	f(hosts, entry("GET", shop), live, "")
	f(hosts, entry("GET", shop, "host: admin.shop.example"), live, filter.Host)
	f(hosts, entry("GET", "/a", "host: API.shop.example:8443"), live, "")
	f(hosts, entry("GET", "/a", "host: API.shop.example:9000"), live, filter.Host)
	f(hosts, entry("GET", "https://localhost/a"), live, "")
	f(hosts, entry("GET", "https://other.example/a"), live, filter.Host)
	f(hosts, entry("GET", "https://other.example/a"), "OPEN_API", "")
	f(hosts, entry("GET", "/a"), live, filter.Host)
	f(filter.Settings{DenyHosts: []string{"::1", "10.*"}}, entry("GET", "http://[::1]:8080/"), live, filter.Host)
	f(filter.Settings{DenyHosts: []string{"10.*"}}, entry("GET", "http://user@10.1.1.1/"), live, filter.Host)

	paths := filter.Settings{DenyPathPrefixes: []string{"/internal/"}}
	f(paths, entry("GET", "https://h/internal/x"), live, filter.PathPrefix)
	f(paths, entry("GET", "/internal/x"), live, filter.PathPrefix)
	f(paths, entry("GET", "https://h/a/internal/x"), live, "")
	f(paths, entry("GET", "https://h/internal/x"), "BURP", "")

	types := filter.Settings{DenyContentTypes: []string{"image/*", "text/html"}}
	f(types, withBody(entry("GET", shop), "Image/PNG", ""), live, filter.ResponseContentType)
	f(types, entry("GET", shop, "<content-type: text/html; charset=utf-8"), live, filter.ResponseContentType)
	f(types, entry("GET", shop, "<content-type: application/json"), live, "")

	list := filter.Settings{AllowRedundantEndpointsList: []string{"js", ".js.map", "CONTENT-TYPE text/html"}}
	f(list, entry("GET", "/a.JS?x"), live, filter.Extension)
	f(list, entry("GET", "/a.js.map"), "HAR", filter.Extension)
	f(list, entry("GET", "/a.map"), live, "")
	f(list, entry("GET", "/a.png"), live, "")
	f(list, entry("GET", "https://shop.js"), live, "")
	f(list, entry("POST", shop, "content-type: image/PNG"), live, filter.ContentType)
	f(list, withBody(entry("GET", shop, "<content-type: Text/HTML"), "", " <p>x</p>\n"), live, filter.Page)
	f(list, withBody(entry("GET", shop, "<content-type: text/html"), "", "plain"), live, "")
	f(list, withBody(entry("POST", shop, "<content-type: text/html"), "", "<p>"), live, "")
	empty := filter.Settings{AllowRedundantEndpointsList: []string{}}
	f(empty, entry("GET", "/a.js"), live, "")
	f(empty, entry("POST", "/a", "content-type: image/png"), live, "")

	key := base64.StdEncoding.EncodeToString([]byte("API.shop.example"))
	payload := filter.Settings{DefaultPayloads: map[string]filter.Payload{key: {Pattern: `<h1>.*</h1>`}}}
	f(payload, withBody(entry("GET", shop), "", "<h1>not\r\nhere</h1>\n"), live, filter.DefaultPayload)
	f(payload, withBody(entry("GET", shop), "", "<h1>x</h1>."), live, "")
	f(payload, withBody(entry("GET", "https://other/"), "", "<h1>x</h1>"), live, "")
	f(payload, withBody(entry("GET", shop), "", "<h1>x</h1>"), "HAR", filter.DefaultPayload)
	// Before the status.
	e := withBody(entry("GET", shop), "", "<h1>x</h1>")
	e.Response.Status = 404
	f(payload, e, live, filter.DefaultPayload)
	// The host is the mapped one.
	payload.APICollectionNameMapper = map[string]filter.NameMapper{"a": {HeaderName: "x-team", Regex: "pay.*", NewName: "api.shop.example"}}
	f(payload, withBody(entry("GET", "https://other/", "x-team: payroll"), "", "<h1>x</h1>"), live, filter.DefaultPayload)

	f(allow, &har.Entry{Response: har.Response{Status: 404}}, "POSTMAN", "")
}

func TestMapHost(t *testing.T) {
	s := filter.Settings{APICollectionNameMapper: map[string]filter.NameMapper{
		"1": {HeaderName: "X-Team", Regex: "pay.*", NewName: "payments.example"},
		"2": {Regex: `.*\.dev\.example`, NewName: "dev.example"},
		"0": {HeaderName: "x-first", Regex: ".*", NewName: "first.example"},
	}}
	m := mustCompile(t, s)
	f := func(e *har.Entry, want string) {
		t.Helper()
		if got := m.MapHost(e); got != want {
			t.Errorf("MapHost(%v) = %q, want %q", e.Request, got, want)
		}
	}
	f(entry("GET", shop, "x-team: payroll"), "payments.example") // C9
	f(entry("GET", shop, "x-team: repay"), "")
	f(entry("GET", shop, "x-team: payroll", "x-first: "), "first.example")
	f(entry("GET", "/", "Host: a.dev.example"), "dev.example")
	f(entry("GET", "https://a.dev.example/x"), "dev.example")
	f(entry("GET", shop), "")
	if got := (*filter.Filter)(nil).MapHost(entry("GET", shop)); got != "" {
		t.Errorf("nil: MapHost = %q", got)
	}
}

func TestSettingsErrors(t *testing.T) {
	f := func(s filter.Settings, field string) {
		t.Helper()
		c, err := filter.Compile(s)
		var se *filter.SettingsError
		if !errors.As(err, &se) || se.Field != field || c == nil {
			t.Errorf("Compile(%+v) = %v, want field %s", s, err, field)
		}
	}
	f(filter.Settings{FilterHeaderValueMap: map[string]string{"a b": "x"}}, `filterHeaderValueMap["a b"]`)
	f(filter.Settings{APICollectionNameMapper: map[string]filter.NameMapper{"k": {Regex: "(", NewName: "x"}}}, `apiCollectionNameMapper["k"].regex`)
	f(filter.Settings{APICollectionNameMapper: map[string]filter.NameMapper{"k": {Regex: "a"}}}, `apiCollectionNameMapper["k"].newName`)
	f(filter.Settings{APICollectionNameMapper: map[string]filter.NameMapper{"k": {Regex: "a", NewName: "x", HeaderName: "a:b"}}}, `apiCollectionNameMapper["k"].headerName`)
	f(filter.Settings{DefaultPayloads: map[string]filter.Payload{"%": {Pattern: "a"}}}, `defaultPayloads["%"]`)
	f(filter.Settings{DefaultPayloads: map[string]filter.Payload{"YQ==": {Pattern: "(?=a)"}}}, `defaultPayloads["YQ=="].pattern`)
	f(filter.Settings{DefaultPayloads: map[string]filter.Payload{"YQ==": {Pattern: "((a{100}){100}){100}"}}}, `defaultPayloads["YQ=="].pattern`)
	f(filter.Settings{AllowRedundantEndpointsList: []string{"js", "a/b"}}, `allowRedundantEndpointsList[1]`)
	f(filter.Settings{AllowRedundantEndpointsList: []string{"CONTENT-TYPE image/png"}}, `allowRedundantEndpointsList[0]`)
	f(filter.Settings{AllowHosts: []string{"https://a"}}, `allowHosts[0]`)
	f(filter.Settings{DenyHosts: []string{"a", ""}}, `denyHosts[1]`)
	f(filter.Settings{DenyPathPrefixes: []string{"a"}}, `denyPathPrefixes[0]`)
	f(filter.Settings{DenyContentTypes: []string{"text/html; x"}}, `denyContentTypes[0]`)
	f(filter.Settings{EndpointRateLimit: &filter.Rate{}}, `endpointRateLimit.perMinute`)
	f(filter.Settings{EndpointRateLimit: &filter.Rate{PerMinute: 1, Burst: -1}}, `endpointRateLimit.burst`)
	f(filter.Settings{DenyHosts: make([]string, filter.MaxEntries+1)}, `denyHosts`)

	// What is right is used.
	c, err := filter.Compile(filter.Settings{DenyHosts: []string{"a/b", "bad.example"}})
	if err == nil {
		t.Error("no error")
	}
	if keep, _ := c.Keep(entry("GET", "https://bad.example/"), "MIRRORING"); keep {
		t.Error("the pattern beside a bad one is not used")
	}
}

func TestSettingsJSON(t *testing.T) {
	var s filter.Settings
	err := json.Unmarshal([]byte(`{"filterHeaderValueMap":{"a":"b"},"apiCollectionNameMapper":{"k":{"regex":"r","newName":"n","headerName":"h"}},
		"defaultPayloads":{"YQ==":{"id":"a","pattern":"p","author":"x","createdTs":1,"updatedTs":2,"scannedExistingData":true}},
		"allowRedundantEndpointsList":[],"allowOptionsAPIs":true}`), &s)
	if err != nil || s.AllowRedundantEndpointsList == nil || !s.AllowOptionsAPIs || s.DefaultPayloads["YQ=="].CreatedTs != 1 ||
		s.APICollectionNameMapper["k"].NewName != "n" || s.FilterHeaderValueMap["a"] != "b" {
		t.Errorf("Unmarshal = %+v, %v", s, err)
	}
	if err := json.Unmarshal([]byte(`{"allowRedundantEndpointsList":null}`), &s); err != nil || s.AllowRedundantEndpointsList != nil {
		t.Errorf("Unmarshal = %+v, %v", s, err)
	}
}

func TestRules(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range filter.Rules() {
		if seen[r] || r == "" {
			t.Errorf("rule %q is there twice", r)
		}
		seen[r] = true
	}
}

func TestLimiter(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	l := filter.NewLimiter(&filter.Rate{PerMinute: 60, Burst: 2})
	f := func(endpoint uint64, after time.Duration, want bool) {
		t.Helper()
		if got := l.Allow(endpoint, at.Add(after)); got != want {
			t.Errorf("Allow(%d, %v) = %v, want %v", endpoint, after, got, want)
		}
	}
	f(1, 0, true)
	f(1, 0, true)
	f(1, 0, false)
	f(2, 0, true)
	f(1, 500*time.Millisecond, false)
	f(1, time.Second, true)
	f(1, 0, false) // a late record adds nothing
	f(1, time.Hour, true)
	f(1, time.Hour, true)
	f(1, time.Hour, false)
	// Many endpoints: the memory is bounded, and what comes all the time stays.
	for i := range uint64(100_000) {
		l.Allow(i+10, at)
	}
	if filter.NewLimiter(nil).Allow(1, at) != true || filter.NewLimiter(&filter.Rate{}) != nil {
		t.Error("a Limiter without a rate limits")
	}
}

// Any settings compile into a Filter that can be used, and what it drops it names.
func FuzzSettings(f *testing.F) {
	f.Add("api.*", "/a", "image/*", "js.map", "a+", "https://api.example/a.js.map?x", "text/html")
	f.Add("[::1]:80", "/", "*", "CONTENT-TYPE text/html", ".*", "http://[::1]/", "<p>\n</p>")
	f.Fuzz(func(t *testing.T, host, path, media, item, pattern, url, text string) {
		c, _ := filter.Compile(filter.Settings{
			DenyHosts: []string{host}, AllowHosts: []string{"*", host}, DenyPathPrefixes: []string{path}, DenyContentTypes: []string{media},
			AllowRedundantEndpointsList: []string{item}, FilterHeaderValueMap: map[string]string{"a": text},
			DefaultPayloads:         map[string]filter.Payload{base64.StdEncoding.EncodeToString([]byte(host)): {Pattern: pattern}},
			APICollectionNameMapper: map[string]filter.NameMapper{"1": {Regex: pattern, NewName: "new.example", HeaderName: "x"}},
		})
		e := withBody(entry("GET", url, "a: "+text, "x: "+text, "<content-type: "+text), text, text)
		if got := c.MapHost(e); got != "" && got != "new.example" {
			t.Fatalf("MapHost = %q", got)
		}
		if keep, rule := c.Keep(e, ""); keep != (rule == "") || rule != "" && !slices.Contains(filter.Rules(), rule) {
			t.Fatalf("Keep = %v, %q", keep, rule)
		}
	})
}
