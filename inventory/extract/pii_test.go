package extract_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"harken/har"
	"harken/inventory/datatype"
	"harken/inventory/extract"
)

// sensitive has a value of every built-in type that is sensitive somewhere.
var sensitive = map[datatype.Name]string{
	datatype.Email:       "jo.lee@example.com",
	datatype.SSN:         "123-45-6789",
	datatype.CreditCard:  "4539 1488 0343 6467",
	datatype.PhoneNumber: "+16502530000",
	datatype.VIN:         "1M8GDM9AXKP042788",
	datatype.JWT:         "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln",
	datatype.IPAddress:   "10.20.30.40",
}

// finds tells whether the entry has the parameter with the type. If part is true
// it must be in a part of the entry.
func finds(e *har.Entry, template string, place extract.Place, name string, typ datatype.Name, part bool) bool {
	var x extract.Extractor
	var d datatype.Detector
	found := false
	yield := func(p extract.Param) { found = found || p.Place == place && p.Name == name && p.Type(&d) == typ }
	if !part {
		x.Entry(e, template, yield)
		return found
	}
	for _, p := range x.Split(e) {
		x.Part(e, &p, template, yield)
	}
	return found
}

func TestEverySensitiveTypeIsFoundEverywhere(t *testing.T) {
	for _, typ := range datatype.All() {
		if _, ok := sensitive[typ.Name]; !ok && typ.Name != datatype.Address && slices.ContainsFunc([]datatype.Position{
			datatype.RequestHeader, datatype.RequestPayload, datatype.ResponseHeader, datatype.ResponsePayload,
		}, typ.Sensitive) {
			t.Errorf("%s is sensitive and not tested", typ.Name)
		}
	}
	for typ, v := range sensitive {
		f := func(where string, e *har.Entry, place extract.Place, name string) {
			t.Helper()
			if !finds(e, "/a/STRING", place, name, typ, false) {
				t.Errorf("%s: %s is not found", where, typ)
			}
		}
		get := func(change func(*har.Entry)) *har.Entry {
			e := &har.Entry{Request: har.Request{Method: "GET", URL: "https://h/a/b"}, Response: har.Response{Status: 200}}
			change(e)
			return e
		}
		f("request header", get(func(e *har.Entry) { e.Request.Headers = []har.Header{{Name: "X-A", Value: v}} }), extract.RequestHeader, "x-a")
		f("response header", get(func(e *har.Entry) { e.Response.Headers = []har.Header{{Name: "X-A", Value: v}} }), extract.ResponseHeader, "x-a")
		cookie := strings.ReplaceAll(v, " ", "%20")
		f("cookie", get(func(e *har.Entry) {
			e.Request.Headers = []har.Header{{Name: "Cookie", Value: "a=1; b=\"" + cookie + "\"; c"}}
		}), extract.RequestHeader, "cookie")
		f("set-cookie", get(func(e *har.Entry) {
			e.Response.Headers = []har.Header{{Name: "Set-Cookie", Value: "b=" + url.PathEscape(v) + "; Path=/"}}
		}), extract.ResponseHeader, "set-cookie")
		f("query", get(func(e *har.Entry) { e.Request.URL = "https://h/a/b?k=" + url.QueryEscape(v) }), extract.Query, "k")
		f("path", get(func(e *har.Entry) { e.Request.URL = "https://h/a/" + url.PathEscape(v) }), extract.URLParam, "1")

		for where, b := range map[string]struct{ contentType, body, name string }{
			"JSON":               {"application/json", `{"u":{"k":"` + v + `"}}`, "u#k"},
			"JSON array":         {"application/json", `[[{"k":["x","` + v + `"]}]]`, "json#$#$#k#$"},
			"JSON without type":  {"", `{"k":"` + v + `"}`, "k"},
			"JSON member number": {"application/json", `{"2024":"` + v + `"}`, "NUMBER"},
			"NDJSON":             {"application/x-ndjson", "{\"a\":1}\n{\"k\":\"" + v + "\"}\n", "k"},
			"form":               {"application/x-www-form-urlencoded", "a=1&k=" + url.QueryEscape(v), "k"},
			"JSON in a form":     {"application/x-www-form-urlencoded", "p=" + url.QueryEscape(`{"k":"`+v+`"}`), "p#k"},
			"multipart":          {"multipart/form-data; boundary=XX", "--XX\r\nContent-Disposition: form-data; name=k\r\n\r\n" + v + "\r\n--XX--", "k"},
			"file name":          {"multipart/form-data; boundary=XX", "--XX\r\nContent-Disposition: form-data; name=f; filename=\"" + v + "\"\r\n\r\nx\r\n--XX--", "f#filename"},
			"XML text":           {"text/xml", "<r><u><k>\n " + v + " </k></u></r>", "u#k"},
			"XML attribute":      {"application/xml", `<r><u k="` + v + `"/></r>`, "u#k"},
			"XML root":           {"application/xml", "<k>" + v + "</k>", "k"},
			"SOAP":               {"application/soap+xml", "<e:Envelope xmlns:e='u'><e:Header/><e:Body><k>" + v + "</k></e:Body></e:Envelope>", "k"},
			"gRPC":               {"application/grpc", string(frame("\x0a" + string(rune(len(v)+2)) + "\x12" + string(rune(len(v))) + v)), "param_1#param_2"},
		} {
			f(where+" request", request(b.contentType, b.body), extract.RequestBody, b.name)
			f(where+" response", response(b.contentType, b.body), extract.ResponseBody, b.name)
		}
		f("JSONP", response("text/javascript", `cb({"k":"`+v+`"});`), extract.ResponseBody, "k")
		f("events", response("text/event-stream", "event: a\ndata: {\"k\":\ndata: \""+v+"\"}\n\n"), extract.ResponseBody, "k")
		f("JWT", request("", "eyJhbGciOiJIUzI1NiJ9."+base64.RawURLEncoding.EncodeToString([]byte(`{"k":"`+v+`"}`))+".c2ln"), extract.RequestBody, "k")
		message := []byte("\x0a" + string(rune(len(v)+2)) + "\x12" + string(rune(len(v))) + v)
		var packed bytes.Buffer
		zw := gzip.NewWriter(&packed)
		if _, err := zw.Write(message); err != nil {
			t.Fatal(err)
		}
		if err := zw.Close(); err != nil {
			t.Fatal(err)
		}
		f("gRPC in base64", response("application/grpc-web-text", base64.StdEncoding.EncodeToString(frame(string(message)))), extract.ResponseBody, "param_1#param_2")
		const trailers = "\x80\x00\x00\x00\x10grpc-status: 0\r\n"
		f("gRPC in chunks of base64", response("application/grpc-web-text", base64.StdEncoding.EncodeToString(frame(string(message)))+
			base64.StdEncoding.EncodeToString([]byte(trailers))), extract.ResponseBody, "param_1#param_2")
		f("gRPC with trailers", response("application/grpc-web+proto", string(frame(string(message)))+trailers), extract.ResponseBody, "param_1#param_2")
		zipped := response("application/grpc", frames(1, packed.Bytes()))
		zipped.Response.Headers = append(zipped.Response.Headers, har.Header{Name: "Grpc-Encoding", Value: "gzip"})
		f("gRPC with gzip", zipped, extract.ResponseBody, "param_1#param_2")
		f("JSON behind a guard", response("application/json", ")]}',\n{\"k\":\""+v+"\"}"), extract.ResponseBody, "k")
		f("JSON sequence", response("application/json-seq", "\x1e{\"a\":1}\n\x1e{\"k\":\""+v+"\"}\n"), extract.ResponseBody, "k")
		f("NDJSON that does not say so", request("application/json", "{\"index\":{}}\n{\"k\":\""+v+"\"}\n"), extract.RequestBody, "k")
		f("JSON in a part", request("multipart/form-data; boundary=XX",
			"--XX\r\nContent-Disposition: form-data; name=p\r\n\r\n{\"k\":\""+v+"\"}\r\n--XX--"), extract.RequestBody, "p#k")
		f("Socket.IO", get(func(e *har.Entry) {
			e.WebSocketMessages = []har.WebSocketMessage{{Type: "send", Opcode: 1, Data: fmt.Appendf(nil, `42["say",{"k":%q}]`, v)}}
		}), extract.RequestBody, "json#$#k")
		f("SignalR", get(func(e *har.Entry) {
			e.WebSocketMessages = []har.WebSocketMessage{{Type: "receive", Opcode: 1, Data: fmt.Appendf(nil, "{\"type\":6}\x1e{\"k\":%q}\x1e", v)}}
		}), extract.ResponseBody, "k")
		for kind, place := range map[string]extract.Place{"send": extract.RequestBody, "receive": extract.ResponseBody} {
			f(kind, get(func(e *har.Entry) {
				e.WebSocketMessages = []har.WebSocketMessage{{Type: kind, Opcode: 1, Data: fmt.Appendf(nil, `{"k":%q}`, v)}}
			}), place, "k")
		}

		for where, b := range map[string]struct{ url, body, name string }{
			"GraphQL argument": {"https://h/graphql", fmt.Sprintf(`{"query":%q}`, fmt.Sprintf("{a{b(c:{k:%q})}}", v)), "query.a.b.__args.c#k"},
			"GraphQL variable": {"https://h/graphql", fmt.Sprintf(`{"query":"query($v:X){a(c:$v)}","variables":{"v":{"k":%q}}}`, v), "query.a.__args.c#k"},
			"JSON-RPC":         {"https://h/mcp", fmt.Sprintf(`{"jsonrpc":"2.0","method":"m","params":{"k":%q}}`, v), "params#k"},
		} {
			e := request("application/json", b.body)
			e.Request.URL = b.url
			if !finds(e, "", extract.RequestBody, b.name, typ, true) {
				t.Errorf("%s: %s is not found", where, typ)
			}
		}
	}
	e := response("application/json", `{"n":4539148803436467}`)
	if !finds(e, "", extract.ResponseBody, "n", datatype.CreditCard, false) {
		t.Error("a card number that is a number is not found")
	}
	e = response("application/grpc", string(frame(string(binary.AppendUvarint([]byte{8}, 4539148803436467)))))
	if !finds(e, "", extract.ResponseBody, "param_1", datatype.CreditCard, false) {
		t.Error("a card number that is a varint is not found")
	}
}
