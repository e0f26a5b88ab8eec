package filter_test

import (
	"encoding/base64"
	"fmt"
	"testing"

	"harken/har"
	"harken/ingest/learn/filter"
)

// typical are settings as a large account has them.
func typical() filter.Settings {
	s := filter.Settings{
		AllowRedundantEndpointsList: []string{"js", "css", "png", "svg", "woff2", "js.map", "CONTENT-TYPE text/html"},
		APICollectionNameMapper: map[string]filter.NameMapper{
			"1": {HeaderName: "x-team", Regex: "pay.*", NewName: "payments.example"},
			"2": {Regex: `.*\.dev\.example`, NewName: "dev.example"},
		},
		DenyHosts:        []string{"*.internal", "10.*", "localhost"},
		DenyPathPrefixes: []string{"/metrics", "/health"},
		DenyContentTypes: []string{"image/*", "font/*", "video/*"},
		DefaultPayloads:  map[string]filter.Payload{},
	}
	for i := range 10 {
		host := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "h%d.example", i))
		s.DefaultPayloads[host] = filter.Payload{Pattern: "<html>.*not found.*</html>"}
	}
	return s
}

func benchEntry() *har.Entry {
	return withBody(entry("GET", "https://api.shop.example/shop/orders/48213.json?x=1",
		"Host: api.shop.example", "Content-Type: application/json", "Accept: */*", "Authorization: Bearer x",
		"User-Agent: Mozilla/5.0", "Accept-Encoding: gzip", "X-Request-Id: 123", "Cookie: a=b",
		"<Date: x", "<Content-Type: application/json", "<Server: x", "<Cache-Control: no-cache"), "application/json", `{"id":48213,"ok":true}`)
}

func BenchmarkKeepSettings(b *testing.B) {
	seeds, err := filter.CompileAdvanced(filter.DefaultDocuments())
	if err != nil {
		b.Fatal(err)
	}
	rules, err := filter.CompileAdvanced(append(filter.DefaultDocuments(), filter.Document{ID: "HOSTS", Content: `
filter:
  or:
    - request_headers: {for_one: {key: {eq: host}, value: {regex: "localhost"}}}
    - response_headers: {for_one: {key: {eq: content-type}, value: {contains_either: [html, text/html]}}}
    - url: {contains_either: [/api/v1, /api/v2]}
    - method: {eq: [PUT, DELETE]}
execute:
  - modify_header: {host: merged.example}
`}))
	if err != nil {
		b.Fatal(err)
	}
	f := mustCompile(b, typical())
	e := benchEntry()
	for _, c := range []struct {
		name string
		f    *filter.Filter
	}{{"none", nil}, {"typical", f}, {"seeds", f.WithAdvanced(seeds)}, {"rules", f.WithAdvanced(rules)}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if keep, rule := c.f.Keep(e, "MIRRORING"); !keep {
					b.Fatal(rule)
				}
			}
		})
	}
}

func BenchmarkLimiter(b *testing.B) {
	l := filter.NewLimiter(&filter.Rate{PerMinute: 600})
	e := benchEntry()
	b.ReportAllocs()
	i := uint64(0)
	for b.Loop() {
		l.Allow(i&1023, e.Started)
		i++
	}
}

func BenchmarkParseAdvanced(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(filter.DefaultBlockFilter)))
	for b.Loop() {
		if _, err := filter.ParseAdvanced([]byte(filter.DefaultBlockFilter)); err != nil {
			b.Fatal(err)
		}
	}
}
