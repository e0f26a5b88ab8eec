package filter_test

import (
	"testing"

	"harken/har"
	"harken/ingest/learn/filter"
)

func TestKeep(t *testing.T) {
	f := func(name, method, url string, status int, source, wantRule string, headers ...har.Header) {
		t.Helper()
		e := &har.Entry{Request: har.Request{Method: method, URL: url, Headers: headers}, Response: har.Response{Status: status}}
		keep, rule := filter.Keep(e, source)
		if keep != (wantRule == "") || rule != wantRule {
			t.Errorf("%s: Keep(%s %s %d) = %v, %q, want rule %q", name, method, url, status, keep, rule, wantRule)
		}
	}
	const u = "https://api.shop.example/shop/orders?x=1"
	f("R6", "GET", u, 404, "MIRRORING", filter.Status)
	f("R6", "GET", u, 302, "MIRRORING", "")
	f("R6", "GET", u, 304, "MIRRORING", filter.Status)
	for status, rule := range map[int]string{
		200: "", 204: "", 299: "", 300: filter.Status, 199: filter.Status, 101: filter.Status, 500: filter.Status, 0: filter.Status, -1: filter.Status,
	} {
		f("status", "GET", u, status, "HAR", rule)
	}
	f("Postman without a response", "GET", u, 0, "POSTMAN", "")
	f("Postman without a response", "GET", u, -1, "POSTMAN", "")
	f("Postman with an error", "GET", u, 404, "POSTMAN", "")
	f("R7", "GET", u, 200, "MIRRORING", filter.Ignored, har.Header{Name: "X-Akto-Ignore", Value: "0"})
	f("R7 empty", "GET", u, 200, "MIRRORING", filter.Ignored, har.Header{Name: "x-akto-ignore"})
	f("OPTIONS", "OPTIONS", u, 200, "MIRRORING", filter.Options)
	f("R8", "GET", "/assets/app.js?v=3", 200, "MIRRORING", filter.Extension)
	f("R8", "GET", "/users.json", 200, "MIRRORING", "")

	for path, rule := range map[string]string{
		"/a.PNG": filter.Extension, "/a.js.map": filter.Extension, "/a.map": "", "/a.jsp": "", "/a/woff2": "", "/a.woff2": filter.Extension,
		"/a.js/b": "", "/a?f=x.js": "", "/a.js#x": filter.Extension, "/.html": filter.Extension, "/a.": "", "/favicon.ico": filter.Extension,
		"/a.html?x=/y": filter.Extension, "": "", "/x.pptx": filter.Extension, "/js.map": "",
	} {
		f("extension", "GET", path, 200, "MIRRORING", rule)
		f("extension", "GET", "https://shop.js"+path, 200, "MIRRORING", rule)
	}
	f("script", "POST", u, 200, "MIRRORING", filter.ContentType, har.Header{Name: "Content-Type", Value: "application/JavaScript"})
	f("picture", "POST", u, 200, "MIRRORING", filter.ContentType, har.Header{Name: "content-type", Value: "image/png"})
	f("json", "POST", u, 200, "MIRRORING", "", har.Header{Name: "content-type", Value: "application/json"})
}

func FuzzKeep(f *testing.F) {
	f.Add("GET", "/assets/app.js?v=3", 200, "x-akto-ignore")
	f.Add("OPTIONS", "https://h.js", 0, "")
	f.Fuzz(func(t *testing.T, method, url string, status int, name string) {
		e := &har.Entry{
			Request:  har.Request{Method: method, URL: url, Headers: []har.Header{{Name: name, Value: url}}},
			Response: har.Response{Status: status},
		}
		if keep, rule := filter.Keep(e, "MIRRORING"); keep != (rule == "") {
			t.Fatalf("Keep = %v, %q", keep, rule)
		}
	})
}

func BenchmarkKeep(b *testing.B) {
	e := &har.Entry{
		Request: har.Request{Method: "GET", URL: "https://api.shop.example/shop/orders/48213.json?x=1", Headers: []har.Header{
			{Name: "Host", Value: "api.shop.example"},
			{Name: "Content-Type", Value: "application/json"},
			{Name: "Accept", Value: "*/*"},
			{Name: "Authorization", Value: "Bearer x"},
		}},
		Response: har.Response{Status: 200},
	}
	b.ReportAllocs()
	for b.Loop() {
		filter.Keep(e, "MIRRORING")
	}
}
