package redact_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"harken/har"
	"harken/har/redact"
)

// order is a record of about 2 KB as a shop's API makes them.
func order() *har.Entry {
	var items []string
	for i := range 12 {
		items = append(items, fmt.Sprintf(`{"sku":"A-%d","qty":%d,"price":{"amount":%d.95,"currency":"EUR"},"gift":false,"note":null}`, i, i, i*7))
	}
	return &har.Entry{
		Request: har.Request{
			Method: "POST", URL: "https://api.shop.example/shop/orders/48213?expand=items&limit=20",
			Headers: []har.Header{
				{Name: "Host", Value: "api.shop.example"},
				{Name: "Content-Type", Value: "application/json"},
				{Name: "Authorization", Value: "Bearer q7-demo"},
				{Name: "Cookie", Value: "sid=abc; theme=dark"},
			},
			PostData: &har.PostData{MimeType: "application/json", Body: []byte(`{"coupon":"SPRING","lines":[{"sku":"A-1","qty":2}]}`)},
		},
		Response: har.Response{
			Status: 200, Headers: []har.Header{{Name: "Content-Type", Value: "application/json"}},
			Content: har.Content{MimeType: "application/json", Body: []byte(`{"id":48213,"buyer":{"name":"Jo Lee","email":"jo.lee@example.com"},"items":[` + strings.Join(items, ",") + `]}`)},
		},
	}
}

func BenchmarkEntry(b *testing.B) {
	for _, bench := range []struct {
		name string
		c    redact.Config
	}{
		{"nothing", redact.Config{}},
		{"headers", redact.Config{Headers: []string{"authorization", "cookie", "set-cookie"}}},
		{"paths", redact.Config{Headers: []string{"authorization"}, Query: []string{"token"}, Paths: []string{"$..password", "buyer.email", "items[*].card"}}},
		{"paths without a match", redact.Config{Paths: []string{"$..password", "user.email"}}},
		{"types", redact.Config{Types: func(_, v string) bool { return strings.IndexByte(v, '@') > 0 }}},
		{"all", redact.Config{All: true}},
		{"all with key", redact.Config{All: true, Key: []byte("0123456789abcdef")}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := must(b, bench.c)
			clean := order()
			e := order()
			b.ReportAllocs()
			b.SetBytes(int64(len(clean.Response.Content.Body) + len(clean.Request.PostData.Body)))
			for b.Loop() {
				copy(e.Request.Headers, clean.Request.Headers)
				copy(e.Response.Headers, clean.Response.Headers)
				e.Request.URL, e.Request.PostData.Body, e.Response.Content = clean.Request.URL, clean.Request.PostData.Body, clean.Response.Content
				r.Entry(e, "/shop/orders/INTEGER")
			}
		})
	}
}

func TestBodiesAreNotWrittenTo(t *testing.T) {
	for _, c := range []redact.Config{{All: true}, {Paths: []string{"$..email", "items.sku"}}, {Types: func(_, v string) bool { return v != "" }}} {
		e, clean := order(), order()
		body := e.Response.Content.Body
		must(t, c).Entry(e, "")
		if !bytes.Equal(body, clean.Response.Content.Body) {
			t.Error("the bytes of a body were written to")
		}
	}
}

func TestNothingToDoDoesNotAllocate(t *testing.T) {
	e := order()
	for name, c := range map[string]redact.Config{
		"nothing": {}, "headers": {Headers: []string{"x-secret"}}, "paths": {Paths: []string{"$..password", "user.email"}},
	} {
		r := must(t, c)
		least := 1e9
		for range 50 { // a pool may forget what it holds
			least = min(least, testing.AllocsPerRun(1, func() { r.Entry(e, "") }))
		}
		if least > 0 {
			t.Errorf("%s: %v allocations", name, least)
		}
	}
}
