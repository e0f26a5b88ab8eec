package redact_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/har"
	"harken/har/redact"
)

func must(tb testing.TB, c redact.Config) *redact.Redactor {
	tb.Helper()
	r, err := redact.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// body redacts a response body, twice, and returns it.
func body(t *testing.T, r *redact.Redactor, contentType, in string) string {
	t.Helper()
	once := func(in string) string {
		e := &har.Entry{Response: har.Response{Content: har.Content{MimeType: contentType, Body: []byte(in)}}}
		r.Entry(e, "")
		return string(e.Response.Content.Body)
	}
	out := once(in)
	if again := once(out); again != out {
		t.Errorf("%s: not the same the second time:\n%s\n%s", contentType, out, again)
	}
	return out
}

func TestAll(t *testing.T) { // R21
	e := &har.Entry{
		Request: har.Request{
			Method: "POST", URL: "https://u:p@h/a/77/b;s=1?tok=9&bare&e=#f=1",
			Headers: []har.Header{
				{Name: "Cookie", Value: "s=1; t=2"},
				{Name: "X-Key", Value: "k"},
				{Name: "Content-Length", Value: "25"},
				{Name: "Content-Type", Value: "application/json; charset=utf-8"},
			},
			QueryString: []har.Header{{Name: "tok", Value: "9"}, {Name: "bare"}, {Name: "e"}},
			Cookies:     []har.Cookie{{Name: "s", Value: "1"}},
			PostData:    &har.PostData{Body: []byte(`{"n":[5,{"m":"x"}]}`), Params: []har.Param{{Name: "p", Value: "v"}}},
			BodySize:    25, HeadersSize: 99,
		},
		Response: har.Response{
			Status: 200, StatusText: "OK", RedirectURL: "/x?y=1", BodySize: 7,
			Content: har.Content{Size: 12, MimeType: "text/plain", Body: []byte("hello")},
		},
		ServerIPAddress: "10.0.0.1",
		Harken:          &har.Meta{Client: "10.0.0.2:1", Server: "10.0.0.1:443", Flags: []string{har.FlagPending}},
	}
	want := &har.Entry{
		Request: har.Request{
			Method: "POST", URL: "https://****@h/a/****/b;s=****?tok=****&****&e=****#f=****",
			Headers: []har.Header{
				{Name: "Cookie", Value: "s=****; t=****;"},
				{Name: "X-Key", Value: "****"},
				{Name: "Content-Length", Value: "25"},
				{Name: "Content-Type", Value: "****"},
			},
			QueryString: []har.Header{{Name: "tok", Value: "****"}, {Name: "****"}, {Name: "e", Value: "****"}},
			Cookies:     []har.Cookie{{Name: "s", Value: "****"}},
			PostData: &har.PostData{
				MimeType: "application/json", Body: []byte(`{"n":["****",{"m":"****"}]}`),
				Params: []har.Param{{Name: "p", Value: "****"}},
			},
			BodySize: 25, HeadersSize: 99,
		},
		Response: har.Response{
			Status: 200, StatusText: "OK", RedirectURL: "****", BodySize: 7,
			Content: har.Content{Size: 12, MimeType: "text/plain", Body: []byte("****")},
		},
		ServerIPAddress: "****",
		Harken:          &har.Meta{Client: "****", Server: "****", Flags: []string{har.FlagPending}},
	}
	r := must(t, redact.Config{All: true})
	for range 2 {
		r.Entry(e, "/a/INTEGER/b")
		if diff := cmp.Diff(want, e); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	}
}

func TestAllBodies(t *testing.T) {
	r := must(t, redact.Config{All: true})
	f := func(contentType, in, want string) {
		t.Helper()
		if got := body(t, r, contentType, in); got != want {
			t.Errorf("%s %q\n got %q\nwant %q", contentType, in, got, want)
		}
	}
	const js = "application/json"
	f(js, ` {"a" : [1.50, true,null , "x\""], "b":{}, "c":[]}`, ` {"a" : ["****", "****","****" , "****"], "b":{}, "c":[]}`)
	f(js, `"secret"`, `"****"`)
	f("text/plain", `12345`, `"****"`)
	f(js, `{"a":1`, `{}`)
	f("", `[oops`, `{}`)
	f("", "\uFEFF{\"a\":1}", "\uFEFF{\"a\":\"****\"}")
	f(js, "{\"a\":1}\n{\"b\":", "{\"a\":\"****\"}\n{}")
	f("application/x-ndjson", "{\"a\":1}\r\n\n[2]\n", "{\"a\":\"****\"}\r\n\n[\"****\"]\n")
	f("text/event-stream", ": c\nevent: add\nid: 7\ndata: {\"a\":\ndata: 1}\n\ndata: hi\n\nretry: 5", ":\nevent: ****\nid: ****\ndata: {\"a\":\ndata: \"****\"}\n\ndata: ****\n\nretry: 5")
	f("application/x-www-form-urlencoded", "a=1&b=%7B%7D&c&=x", "a=****&b=****&****&=****")
	f("multipart/form-data; boundary=XX", "pre\r\n--XX\r\nX-Secret: 1\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nv\r\n--XX\r\nContent-Disposition: form-data; name=f; filename=secret.pdf\r\nContent-Type: text/plain; x=secret\r\n\r\nv\nv\r\n--XX--\r\nepilogue",
		"--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n****\r\n--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"****\"\r\nContent-Type: text/plain\r\n\r\n****\r\n--XX--\r\n")
	f("text/xml", `<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "b>">]><!-- c --><r xmlns:x="u" k='1&amp;2'> t<![CDATA[u]]><!-- v --> w <x:i/><y>5</y> </r>`,
		`<?xml version="1.0"?><r xmlns:x="u" k='****'> ****<x:i/><y>****</y> </r>`)
	f("text/xml", `<r><i>x</r></i>`, `****`)
	f("text/html", `<p>hello`, `****`)
	f("application/grpc", "\x00\x00\x00\x00\x02\x08\x05", "****")
	f("image/png", "\x89PNG\xff", "****")
	f("", "", "")
	f("application/javascript", `cb({"a":1})`, "****")
	f(js, strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000), `{}`)
	f(js, strings.Repeat("[", 9_000)+strings.Repeat("]", 9_000), strings.Repeat("[", 9_000)+strings.Repeat("]", 9_000))
}

func TestGraphQL(t *testing.T) {
	f := func(c redact.Config, in, want string) {
		t.Helper()
		r := must(t, c)
		quote := func(s string) string { b, _ := json.Marshal(s); return string(b) }
		for range 2 {
			e := &har.Entry{Request: har.Request{URL: "https://h/graphql", PostData: &har.PostData{MimeType: "application/json"}}}
			e.Request.PostData.Body = []byte(`[{"query":` + quote(in) + `}]`)
			r.Entry(e, "")
			var got []struct{ Query string }
			if err := json.Unmarshal(e.Request.PostData.Body, &got); err != nil || len(got) != 1 || got[0].Query != want {
				t.Errorf("%q\n got %q\nwant %q", in, got, want)
			}
			in = got[0].Query
		}
	}
	all := redact.Config{All: true}
	f(all, "query Q($a: [In!]! = [5], $b: ID) @d(x: 1) { me: user(id:5, e: ADMIN, v: $b) { ...F name(o: {k: \"x\", l: [null]}) ... on A { b } } } # c\nfragment F on U { c }",
		`query Q($a: [In!]! = ["****"], $b: ID) @d(x: "****") { me: user(id:"****", e: "****", v: $b) { ...F name(o: {k: "****", l: ["****"]}) ... on A { b } } } `+"\nfragment F on U { c }")
	f(all, "my secret", "****")
	f(all, "{a(b:1)", "****")
	five := redact.Config{Types: func(_, v string) bool { return v == "5" }}
	f(five, `{a(b:5,c:"5",d:"""5 """,e:6)}`, `{a(b:"****",c:"****",d:"****",e:6)}`)
	f(redact.Config{Paths: []string{"$..password"}}, `{login(user: "u", password: "p") {id}}`, `{login(user: "u", password: "****") {id}}`)
	f(redact.Config{Paths: []string{"query"}}, `{a}`, "****")
}

func TestNamed(t *testing.T) {
	r := must(t, redact.Config{Headers: []string{"Authorization", "cookie"}, Query: []string{"token"}})
	e := &har.Entry{
		Request: har.Request{
			URL:         "https://u:p@h/a;token=1?Token=1&x=2#token=3&y=4",
			QueryString: []har.Header{{Name: "Token", Value: "1"}, {Name: "x", Value: "2"}},
			Headers:     []har.Header{{Name: "AUTHORIZATION", Value: "Bearer x"}, {Name: "cookie", Value: `a="1";b`}, {Name: "referer", Value: "https://h/?token=9&z=1#token=8"}, {Name: "link", Value: `<https://h/?token=9>; rel="next"`}},
			Cookies:     []har.Cookie{{Name: "a", Value: "1"}},
			PostData:    &har.PostData{MimeType: "application/x-www-form-urlencoded", Body: []byte("token=1&x=2")},
		},
		Response: har.Response{
			RedirectURL: "/cb?token=5", Headers: []har.Header{{Name: "Location", Value: "/cb?a=1&token=5"}},
			Content: har.Content{MimeType: "application/json", Body: []byte(`{"token":1}`)},
		},
	}
	want := &har.Entry{
		Request: har.Request{
			URL:         "https://****@h/a;token=****?Token=****&x=2#token=****&y=4",
			QueryString: []har.Header{{Name: "Token", Value: "****"}, {Name: "x", Value: "2"}},
			Headers:     []har.Header{{Name: "AUTHORIZATION", Value: "****"}, {Name: "cookie", Value: `a=****; ****;`}, {Name: "referer", Value: "https://h/?token=****&z=1#token=****"}, {Name: "link", Value: `<https://h/?token=****>; rel="next"`}},
			Cookies:     []har.Cookie{{Name: "a", Value: "****"}},
			PostData:    &har.PostData{MimeType: "application/x-www-form-urlencoded", Body: []byte("token=****&x=2")},
		},
		Response: har.Response{
			RedirectURL: "/cb?token=****", Headers: []har.Header{{Name: "Location", Value: "/cb?a=1&token=****"}},
			Content: har.Content{MimeType: "application/json", Body: []byte(`{"token":1}`)},
		},
	}
	for range 2 {
		r.Entry(e, "")
		if diff := cmp.Diff(want, e); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	}
}

func TestPaths(t *testing.T) {
	f := func(path, contentType, in, want string) {
		t.Helper()
		if got := body(t, must(t, redact.Config{Paths: []string{"no.such", path}}), contentType, in); got != want {
			t.Errorf("%s of %q\n got %q\nwant %q", path, in, got, want)
		}
	}
	const js = "application/json"
	f("user.email", js, `{"user":{"email":"a","x":1e5},"email":2}`, `{"user":{"email":"****","x":1e5},"email":2}`)
	f("$.USER", js, `{"user":{"email":["a",{"b":1}],"x":{}},"email":2}`, `{"user":{"email":["****",{"b":"****"}],"x":{}},"email":2}`)
	f("items[*].card", js, `{"items":[{"card":1},{"card":2,"z":[3]}]}`, `{"items":[{"card":"****"},{"card":"****","z":[3]}]}`)
	f("$[*].card", js, `[{"card":1}]`, `[{"card":"****"}]`)
	f("$..password", js, `{"a":[{"password":1}],"pass\u0077ord":2}`, `{"a":[{"password":"****"}],"pass\u0077ord":"****"}`)
	f("..a.b", js, `{"a":{"a":{"b":1}},"b":2}`, `{"a":{"a":{"b":"****"}},"b":2}`)
	f("a.*.c", js, `{"a":{"b":{"c":1},"d":2}}`, `{"a":{"b":{"c":"****"},"d":2}}`)
	f("$['a.b'][\"c\"]", js, `{"a.b":{"c":1}}`, `{"a.b":{"c":"****"}}`)
	f("$..password", js, `{"body":"{\"password\":\"x\",\"n\":1}"}`, `{"body":"{\"password\":\"****\",\"n\":1}"}`)
	f("$..password", js, `{"a":1,"password":"sec`, `{"a":1,"password":****`)
	f("$..password", js, `{"a":123`, `{"a":****`)
	f("$..password", "text/plain", `{{password}} [x]`, `{{password}} [x]`)
	f("$..password", "application/x-ndjson", "{\"password\":1}\n{\"password\":\"", "{\"password\":\"****\"}\n{\"password\":****")
	f("$..password", "text/event-stream", "data: {\"password\":1}\n\n", "data: {\"password\":\"****\"}\n\n")
	f("$..password", "application/x-www-form-urlencoded", `password=1&p={"password":2}&q={"password":"`, `password=****&p=%7B%22password%22%3A%22****%22%7D&q=%7B%22password%22%3A****`)
	f("login.password", "text/xml", `<e:E><e:Body a="1"><login password="1"><u>2</u><password>3</password></login></e:Body></e:E>`, `<e:E><e:Body a="1"><login password="****"><u>2</u><password>****</password></login></e:Body></e:E>`)
	f("$..password", "text/xml", `<r><password>secr`, `<r><password>****`)
	f("$..password", "text/xml", `<r><password>sec</password><b c="1`, `<r><password>****</password>****`)
	f("m.password", "multipart/form-data; boundary=X", "--X\r\nContent-Disposition: form-data; name=m\r\n\r\n{\"password\":1}\r\n--X\r\nX: y\r\n\r\nz", "--X\r\nContent-Disposition: form-data; name=m\r\n\r\n{\"password\":\"****\"}\r\n--X\r\nX: y\r\n\r\nz")
	f("a", "application/javascript", `cb({"a":1,"b":2});`, `cb({"a":"****","b":2});`)
	f("a", js, ")]}',\n{\"a\":1}", ")]}',\n{\"a\":\"****\"}")

	for _, bad := range []string{"", "$", "a.", "a..", ".a.", "a[0]", "a[", "a['']", "$a", "a...b", strings.Repeat("a.", 40) + "b", "a]b[*]c"} {
		if r, err := redact.New(redact.Config{Paths: []string{bad}}); err == nil {
			t.Errorf("New takes the path %q: %v", bad, r)
		}
	}
}

func TestTypes(t *testing.T) {
	var keys []string
	r := must(t, redact.Config{Types: func(key, v string) bool {
		if v == "a@b.de" || v == "4539148803436467" {
			keys = append(keys, key)
			return true
		}
		return false
	}})
	e := &har.Entry{
		Request: har.Request{
			URL:         "https://h/users/a%40b.de?mail=a%40b.de&n=1",
			QueryString: []har.Header{{Name: "mail", Value: "a@b.de"}},
			Headers:     []har.Header{{Name: "X-Mail", Value: "a@b.de"}, {Name: "From", Value: "Jo <a@b.de>, a@b.de; q=a@b.de"}, {Name: "Cookie", Value: "x=1; m=a%40b.de"}},
			Cookies:     []har.Cookie{{Name: "m", Value: "a%40b.de"}},
			PostData:    &har.PostData{MimeType: "application/grpc", Body: []byte("\x00\x00\x00\x00\x0c\x08\x05\x12\x08\x0a\x06a@b.de")},
		},
		Response: har.Response{Content: har.Content{MimeType: "application/json", Body: []byte(`{"u":[{"mail":["a@b.de"],"card":4539148803436467,"n":5.10}]}`)}},
		WebSocketMessages: []har.WebSocketMessage{
			{Type: "send", Opcode: 1, Data: []byte(`42["m",{"e":"a@b.de"}]`)},
			{Type: "send", Opcode: 1, Data: []byte("{\"a\":1}\x1e{\"e\":\"a@b.de\"}\x1e")},
		},
	}
	r.Entry(e, "")
	want := &har.Entry{
		Request: har.Request{
			URL:         "https://h/users/****?mail=****&n=1",
			QueryString: []har.Header{{Name: "mail", Value: "****"}},
			Headers:     []har.Header{{Name: "X-Mail", Value: "****"}, {Name: "From", Value: "Jo <a@b.de>, ****; q=****"}, {Name: "Cookie", Value: "x=1; m=****"}},
			Cookies:     []har.Cookie{{Name: "m", Value: "****"}},
			PostData:    &har.PostData{MimeType: "application/grpc", Body: []byte("\x00\x00\x00\x00\x0a\x08\x05\x12\x06\x0a\x04****")},
		},
		Response: har.Response{Content: har.Content{MimeType: "application/json", Body: []byte(`{"u":[{"mail":["****"],"card":"****","n":5.10}]}`)}},
		WebSocketMessages: []har.WebSocketMessage{
			{Type: "send", Opcode: 1, Data: []byte(`42["m",{"e":"****"}]`)},
			{Type: "send", Opcode: 1, Data: []byte("{\"a\":1}\x1e{\"e\":\"****\"}\x1e")},
		},
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff("param_1 mail card e e X-Mail From From m m 1 mail mail", strings.Join(keys, " ")); diff != "" {
		t.Errorf("keys -want +got:\n%s", diff)
	}
	for in, want := range map[string]string{
		`{"group":"x","n":1}, {"group":"y"}`: `{"group":"x","n":1}, {"group":"y"}`,
		`{"mail":"a@b.de","n":1.0}`:          `{"mail":"****","n":1.0}`,
		`for="a@b.de";by=x`:                  `for="****";by=x`,
		`Bearer abc==`:                       `Bearer abc==`,
	} {
		e := &har.Entry{Request: har.Request{Headers: []har.Header{{Name: "x", Value: in}}}}
		if r.Entry(e, ""); e.Request.Headers[0].Value != want {
			t.Errorf("header %s: %s, want %s", in, e.Request.Headers[0].Value, want)
		}
	}
	if got := body(t, r, "text/plain", " a@b.de\n"); got != "****" {
		t.Errorf("plain text: %q", got)
	}
}

func TestTokens(t *testing.T) {
	key := []byte("0123456789abcdef")
	r := must(t, redact.Config{All: true, Key: key})
	one := body(t, r, "application/json", `["x",5,"5","tok_aaaaaaaaaaaaaaaaaaaaaaaa"]`)
	var got []string
	if err := json.Unmarshal([]byte(one), &got); err != nil {
		t.Fatal(err)
	}
	if got[0] == got[1] || got[1] != got[2] || len(got[0]) != 28 || !strings.HasPrefix(got[0], "tok_") || got[3] == "tok_aaaaaaaaaaaaaaaaaaaaaaaa" {
		t.Errorf("tokens %q", got)
	}
	e := &har.Entry{Request: har.Request{URL: "https://h/?a=x", Headers: []har.Header{{Name: "cookie", Value: `s="x"`}}, Cookies: []har.Cookie{{Name: "s", Value: "x"}}}}
	r.Entry(e, "")
	if e.Request.URL != "https://h/?a="+got[0] || e.Request.Headers[0].Value != "s="+got[0]+";" || e.Request.Cookies[0].Value != got[0] {
		t.Errorf("equal secrets have other tokens than %s: %+v", got[0], e.Request)
	}
	other := body(t, must(t, redact.Config{All: true, Key: []byte("another key, 16+")}), "application/json", `["x"]`)
	if strings.Contains(other, got[0]) {
		t.Errorf("another key gives the same token")
	}
	for _, c := range []redact.Config{{Key: key[:15]}, {Headers: []string{" "}}, {Query: []string{""}}} {
		if _, err := redact.New(c); err == nil {
			t.Errorf("New takes %+v", c)
		}
	}
}
