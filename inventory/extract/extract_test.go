package extract_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/har"
	"harken/inventory/datatype"
	"harken/inventory/extract"
)

// show gives the parameters at the places, one a line: name, kind and value.
func show(e *har.Entry, template string, places ...extract.Place) string {
	var x extract.Extractor
	var lines []string
	x.Entry(e, template, func(p extract.Param) {
		if slices.Contains(places, p.Place) {
			lines = append(lines, p.Name+" "+p.Type(&datatype.Detector{})+" "+p.Value)
		}
	})
	return strings.Join(lines, "\n")
}

func request(contentType, body string) *har.Entry {
	e := &har.Entry{Request: har.Request{Method: "POST", URL: "https://api.shop.example/x"}}
	e.Request.PostData = &har.PostData{Body: []byte(body)}
	if contentType != "" {
		e.Request.Headers = []har.Header{{Name: "Content-Type", Value: contentType}}
	}
	return e
}

func response(contentType, body string) *har.Entry {
	e := &har.Entry{Request: har.Request{Method: "GET", URL: "https://api.shop.example/x"}}
	e.Response = har.Response{Status: 200, Content: har.Content{MimeType: contentType, Body: []byte(body)}}
	return e
}

func testBody(t *testing.T, name string, e *har.Entry, want ...string) {
	t.Helper()
	got := show(e, "", extract.RequestBody, extract.ResponseBody)
	if diff := cmp.Diff(strings.Join(want, "\n"), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestShopOrder(t *testing.T) { // R1
	e := &har.Entry{
		Request: har.Request{
			Method: "POST", URL: "https://api.shop.example/shop/orders/48213?expand=items&limit=20",
			Headers: []har.Header{
				{Name: ":authority", Value: "api.shop.example"},
				{Name: "Host", Value: "api.shop.example"},
				{Name: "Content-Type", Value: "application/json"},
				{Name: "Bad Name", Value: "x"},
			},
			PostData: &har.PostData{Body: []byte(`{"coupon":"SPRING","lines":[{"sku":"A-1","qty":2}]}`)},
		},
		Response: har.Response{
			Status:  200,
			Headers: []har.Header{{Name: "content-type", Value: "application/json; charset=utf-8"}},
			Content: har.Content{Body: []byte(`{"id":48213,"buyer":{"email":"jo.lee@example.com"},"paid":true}`)},
		},
	}
	var got []string
	var x extract.Extractor
	x.Entry(e, "/shop/orders/INTEGER", func(p extract.Param) {
		got = append(got, fmt.Sprintf("%d %d %s %s", p.Place, p.Status, p.Name, p.Type(&datatype.Detector{})))
	})
	want := []string{
		"0 -1 host GENERIC", "0 -1 content-type GENERIC", "1 200 content-type GENERIC",
		"5 -1 2 INTEGER_32",
		"3 -1 expand GENERIC", "3 -1 limit INTEGER_32",
		"2 -1 coupon GENERIC", "2 -1 lines#$#sku GENERIC", "2 -1 lines#$#qty INTEGER_32",
		"4 200 id INTEGER_32", "4 200 buyer#email EMAIL", "4 200 paid TRUE",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestJSON(t *testing.T) {
	js := func(name, body string, want ...string) {
		t.Helper()
		testBody(t, name, response("application/json", body), want...)
	}
	js("nested", `{"user":{"emails":[{"v":"x"}]},"tags":["a"]}`, "user#emails#$#v GENERIC x", "tags#$ GENERIC a")
	js("R12", `[{"id":1},{"id":2}]`, "json#$#id INTEGER_32 1", "json#$#id INTEGER_32 2")
	js("array of scalars", ` [1,"a",[true]] `, "json#$ INTEGER_32 1", "json#$ GENERIC a", "json#$#$ TRUE true")
	js("D12", `{"a":true,"b":null,"c":"","d":{},"e":3.9,"f":[]}`,
		"a TRUE true", "b NULL ", "c GENERIC ", "d OTHER ", "e FLOAT 3.9")
	js("D14", `{"totals":{"2024":5}}`, "totals#NUMBER INTEGER_32 5")
	js("empty root", `{}`)
	js("empty array", `[]`)
	js("R15", `{"a":1`)
	js("text", `hello`)
	js("scalar", `"hello"`)
	js("two documents", `{"a":1}{"b":2}`)
	js("late error", `{"a":1,"b":01}`)
	js("no such escape", `{"a":"\x"}`)
	js("control character", "{\"a\":\"\n\"}")
	js("escapes", `{"\u0061\/b":"\"\\\n\u00e9\ud83d\ude00\ud83d"}`, "a/b GENERIC \"\\\né😀\uFFFD")
	js("not UTF-8", "{\"a\":\"\xff\"}", "a GENERIC \uFFFD")
	js("byte order mark", "\uFEFF{\"a\":1}", "a INTEGER_32 1")
	js("letters of others", `{"ключ":1,"№":2,"":3}`, "ключ INTEGER_32 1", "NUMBER INTEGER_32 2", "NUMBER INTEGER_32 3")
	js("numbers", `{"a":-0,"b":1e5,"c":-1.5E+3,"d":9999999999}`, "a INTEGER_32 -0", "b FLOAT 1e5", "c FLOAT -1.5E+3", "d INTEGER_64 9999999999")
	testBody(t, "no content type", request("", `{"a":1}`), "a INTEGER_32 1")
	testBody(t, "R13", response("application/javascript", `cb({"ok":true})`), "ok TRUE true")
	testBody(t, "JSONP with a semicolon", response("", `/**/e.cb({"ok":true});`), "ok TRUE true")
	testBody(t, "JSONP in a request", request("", `cb({"ok":true})`))
	testBody(t, "JSONP cut", response("", `cb({"ok":tr)`))
	testBody(t, "JWT", request("", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln"), "sub INTEGER_32 42")
	testBody(t, "JWT in a response", response("", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln"))
}

func TestForm(t *testing.T) {
	form := func(name, body string, want ...string) {
		t.Helper()
		testBody(t, name, request("application/x-www-form-urlencoded; charset=utf-8", body), want...)
	}
	form("R9", "a=1&b=hello%20there", "a INTEGER_32 1", "b GENERIC hello there")
	form("R10", "q=x%26y%3Dz", "q GENERIC x&y=z")
	form("equals signs", "q=a=b=&r=", "q GENERIC a=b=", "r GENERIC ")
	form("repeated", "q=1&r=2&q=3", "q#$ INTEGER_32 1", "r INTEGER_32 2", "q#$ INTEGER_32 3")
	form("plus", "a+b=c+d", "a b GENERIC c d")
	form("bad encoding", "a=%zz", "a GENERIC %zz")
	form("number", "7=1", "NUMBER INTEGER_32 1")
	form("JSON after all", `{"a":1}`, "a INTEGER_32 1")
	form("no pairs", `hello&you`)
}

func TestMultipart(t *testing.T) {
	const head = "multipart/form-data; boundary=XX"
	body := "--XX\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n" +
		"--XX\r\nContent-Disposition: form-data; name=\"doc\"; filename=\"a.bin\"\r\nContent-Type: image/x\r\n\r\n\xff\x00\r\n--XX--\r\n"
	testBody(t, "fields", request(head, body),
		"note GENERIC hello", "doc#filename GENERIC a.bin", "doc#contentType GENERIC image/x", "doc#content GENERIC /wA=")
	testBody(t, "cut", request(head, body[:len(body)-20]))
	testBody(t, "a form in disguise", request(head, "a=1&b=2"), "a INTEGER_32 1", "b INTEGER_32 2")
	twice := "--XX\r\nContent-Disposition: form-data; name=n\r\n\r\n1\r\n--XX\r\nContent-Disposition: form-data; name=n\r\n\r\n2\r\n--XX--"
	testBody(t, "repeated", request(head, twice), "n#$ INTEGER_32 1", "n#$ INTEGER_32 2")
}

func TestXML(t *testing.T) {
	x := func(name, body string, want ...string) {
		t.Helper()
		testBody(t, name, request("text/xml", body), want...)
	}
	x("R14", `<?xml version="1.0"?><e:Envelope xmlns:e="u"><e:Body><id>7</id></e:Body></e:Envelope>`, "id INTEGER_32 7")
	x("attributes and arrays", `<r a="1"><i>x</i><i n="2">y</i><e/><o><k>3</k></o></r>`,
		"a INTEGER_32 1", "i#$ GENERIC x", "i#$#content GENERIC y", "i#$#n INTEGER_32 2", "e GENERIC ", "o#k INTEGER_32 3")
	x("text alone", `<a>text</a>`, "a GENERIC text")
	x("text alone in a SOAP body", `<e><Body>5</Body></e>`, "Body INTEGER_32 5")
	x("nothing", `<a/>`)
	x("cut", `<r><i>x</i>`)
	x("two roots", `<r><i>x</i></r><r/>`)
	x("crossed", `<r><i>x</r></i>`)
	x("entities", `<!DOCTYPE r [<!ENTITY a "b">]><r><i>&a;</i></r>`)
	x("other encoding", `<?xml version="1.0" encoding="ISO-8859-1"?><r><i>x</i></r>`, "i GENERIC x")
}

func TestGRPC(t *testing.T) {
	const payload = "AAAAAAkIlgESBHBpbmc="
	raw, _ := base64.StdEncoding.DecodeString(payload)
	g := func(name string, body []byte, want ...string) {
		t.Helper()
		testBody(t, name, request("application/grpc+proto", string(body)), want...)
	}
	g("R11", raw, "param_1 INTEGER_32 150", "param_2 GENERIC ping")
	g("base64", []byte(payload), "param_1 INTEGER_32 150", "param_2 GENERIC ping")
	g("two messages", append(slices.Clone(raw), raw...),
		"param_1 INTEGER_32 150", "param_2 GENERIC ping", "param_1 INTEGER_32 150", "param_2 GENERIC ping")
	g("cut", raw[:8])
	g("cut message after a whole one", append(slices.Clone(raw), raw[:8]...))
	g("trailers", append(slices.Clone(raw), 0x80, 0, 0, 0, 2, 'a', ':'), "param_1 INTEGER_32 150", "param_2 GENERIC ping")
	g("nested, repeated and fixed", frame("\x0a\x02\x08\x07\x0a\x02\x08\x09\x15\x00\x00\x80\x3f\x19\x00\x00\x00\x00\x00\x00\x00\x40"),
		"param_1#$#param_1 INTEGER_32 7", "param_1#$#param_1 INTEGER_32 9", "param_2 INTEGER_32 1", "param_3 INTEGER_32 2")
	g("negative", frame("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "param_1 INTEGER_32 -1")

	var z bytes.Buffer
	zw := gzip.NewWriter(&z)
	_, _ = zw.Write(raw[5:])
	_ = zw.Close()
	zipped := frame(z.String())
	zipped[0] = 1
	e := request("application/grpc", string(zipped))
	e.Request.Headers = append(e.Request.Headers, har.Header{Name: "grpc-encoding", Value: "gzip"})
	testBody(t, "gzip", e, "param_1 INTEGER_32 150", "param_2 GENERIC ping")
}

func frame(msg string) []byte {
	return append([]byte{0, 0, 0, byte(len(msg) >> 8), byte(len(msg))}, msg...)
}

func TestQueryAndPath(t *testing.T) {
	e := &har.Entry{Request: har.Request{URL: "https://h.example//a/7//b%2Fc?x=1&x=2&e=&f&a%20b=c+d&=z#g?h=1"}}
	if diff := cmp.Diff("1 INTEGER_32 7\n2 GENERIC b/c\nx INTEGER_32 1\nx INTEGER_32 2\ne GENERIC \nf GENERIC \na b GENERIC c d",
		show(e, "/a/INTEGER/STRING", extract.Query, extract.URLParam)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := show(e, "/a/INTEGER", extract.URLParam); got != "" {
		t.Errorf("template of another length: %q", got)
	}
}

func TestBrokenBodiesAreNotLearned(t *testing.T) {
	make2 := func(flags ...string) string {
		e := request("", `{"a":1}`)
		e.Response = har.Response{Status: 200, Content: har.Content{Body: []byte(`{"b":1}`)}}
		e.Harken = &har.Meta{Flags: flags}
		return show(e, "", extract.RequestBody, extract.ResponseBody)
	}
	for flag, want := range map[string]string{
		har.FlagMidstream: "a INTEGER_32 1\nb INTEGER_32 1", har.FlagRequestTruncated: "b INTEGER_32 1",
		har.FlagResponseTruncated: "a INTEGER_32 1", har.FlagGap: "",
	} {
		if got := make2(flag); got != want {
			t.Errorf("%s: %q, want %q", flag, got, want)
		}
	}
}

func TestKey(t *testing.T) {
	for name, want := range map[string]string{"a#b.c": "c", "tags#$": "tags", "m#$#$": "m", "json#$#id": "id", "k": "k"} {
		p := extract.Param{Place: extract.ResponseBody, Name: name}
		if got := p.Key(); got != want {
			t.Errorf("Key of %q = %q, want %q", name, got, want)
		}
	}
}
