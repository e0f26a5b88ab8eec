package extract_test

import (
	"fmt"
	"strings"
	"testing"

	"harken/har"
	"harken/inventory/datatype"
	"harken/inventory/extract"
)

// order is a record of about 2 KB as a shop's API makes them.
func order() *har.Entry {
	var items []string
	for i := range 12 {
		items = append(items, fmt.Sprintf(`{"sku":"A-%d","qty":%d,"price":{"amount":%d.95,"currency":"EUR"},"gift":false,"note":null}`, i, i, i*7))
	}
	body := `{"id":48213,"buyer":{"name":"Jo Lee","email":"jo.lee@example.com","ip":"10.20.30.40"},"items":[` + strings.Join(items, ",") + `]}`
	return &har.Entry{
		Request: har.Request{
			Method: "POST", URL: "https://api.shop.example/shop/orders/48213?expand=items&limit=20",
			Headers: []har.Header{
				{Name: "Host", Value: "api.shop.example"},
				{Name: "Content-Type", Value: "application/json"},
				{Name: "Authorization", Value: "Bearer q7-demo"},
				{Name: "User-Agent", Value: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"},
				{Name: "Accept", Value: "*/*"},
				{Name: "X-Request-Id", Value: "3f2b8c1e-9a4d-4e6f-8b7a-2c1d0e9f8a7b"},
			},
			PostData: &har.PostData{Body: []byte(`{"coupon":"SPRING","lines":[{"sku":"A-1","qty":2}]}`)},
		},
		Response: har.Response{
			Status: 200,
			Headers: []har.Header{
				{Name: "Content-Type", Value: "application/json; charset=utf-8"},
				{Name: "Server", Value: "envoy"},
				{Name: "Date", Value: "Thu, 01 Jan 2026 00:00:00 GMT"},
			},
			Content: har.Content{Body: []byte(body)},
		},
	}
}

func BenchmarkEntry(b *testing.B) {
	e := order()
	size := int64(len(e.Response.Content.Body) + len(e.Request.PostData.Body))
	for _, typed := range []bool{false, true} {
		b.Run(fmt.Sprintf("types=%v", typed), func(b *testing.B) {
			var x extract.Extractor
			var d datatype.Detector
			n := 0
			yield := func(p extract.Param) {
				n++
				if typed {
					p.Type(&d)
				}
			}
			b.ReportAllocs()
			b.SetBytes(size)
			for b.Loop() {
				x.Entry(e, "/shop/orders/INTEGER", yield)
			}
			b.ReportMetric(float64(n)/float64(b.N), "params/op")
		})
	}
}

func BenchmarkBody(b *testing.B) {
	raw := frame("\x08\x96\x01\x12\x04ping\x1a\x06\x08\x01\x12\x02ok")
	for name, e := range map[string]*har.Entry{
		"form": request("application/x-www-form-urlencoded", "a=1&b=hello%20there&c=3&user=jo"),
		"xml":  request("text/xml", `<e:Envelope xmlns:e="u"><e:Body><id>7</id><name>Jo</name></e:Body></e:Envelope>`),
		"grpc": request("application/grpc", string(raw)),
	} {
		b.Run(name, func(b *testing.B) {
			var x extract.Extractor
			b.ReportAllocs()
			b.SetBytes(int64(len(e.Request.PostData.Body)))
			for b.Loop() {
				x.Entry(e, "", func(extract.Param) {})
			}
		})
	}
}

func BenchmarkSplit(b *testing.B) {
	for name, e := range map[string]*har.Entry{
		"nothing": order(),
		"graphql": request("application/json", `{"operationName":"Q","query":"query Q($id: ID!) { user(id: $id) { name email posts(first: 3) { id title } } }","variables":{"id":"5"}}`),
		"call":    request("application/json", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"f","arguments":{"mail":"a@b.de"}}}`),
	} {
		if name != "nothing" {
			e.Request.URL = "https://h/graphql/mcp"
		}
		b.Run(name, func(b *testing.B) {
			var x extract.Extractor
			b.ReportAllocs()
			b.SetBytes(int64(len(e.Request.PostData.Body)))
			for b.Loop() {
				for _, p := range x.Split(e) {
					x.Part(e, &p, "", func(extract.Param) {})
				}
			}
		})
	}
}
