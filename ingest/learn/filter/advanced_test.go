package filter_test

import (
	"errors"
	"strings"
	"testing"

	"harken/har"
	"harken/ingest/learn/filter"
)

func mustParse(tb testing.TB, doc string) *filter.Advanced {
	tb.Helper()
	a, err := filter.ParseAdvanced([]byte(doc))
	if err != nil {
		tb.Fatalf("ParseAdvanced(%q): %v", doc, err)
	}
	return a
}

func order() *har.Entry {
	e := withBody(entry("POST", "https://api.shop.example:8443/v1/Orders/7?page=2&tag=a%20b", "X-Team: payroll", "accept: */*", "<Content-Type: application/json"),
		"application/json", `{"id":7,"buyer":{"email":"jo@a.example","vip":true},"lines":[{"sku":"A-1"},{"sku":"B-2","x":null}]}`)
	e.Request.PostData = &har.PostData{MimeType: "application/x-www-form-urlencoded", Body: []byte("coupon=SAVE10&n=3")}
	e.Response.Status = 201
	return e
}

func TestConditions(t *testing.T) {
	f := func(tree string, want bool) {
		t.Helper()
		s := filter.NewAdvancedSet(mustParse(t, "id: A\nfilter: "+tree+"\n"))
		d := s.Evaluate(order(), "MIRRORING")
		if got := d.Verdict == filter.Allowed; got != want {
			t.Errorf("%s: holds = %v, want %v", tree, got, want)
		}
	}
	both := func(tree string) { // tree holds, and its negation does not
		t.Helper()
		f(tree, true)
		f("{not: "+tree+"}", false)
	}
	both(`{url: {regex: "^/v1/Orders/[0-9]+"}}`)
	both(`{url: {contains_either: [nope, "/ORDERS/"]}}`)
	both(`{url: {contains_all: [orders, page]}}`)
	f(`{url: {contains_all: [orders, nope]}}`, false)
	both(`{url: {not_contains: [admin, internal]}}`)
	f(`{url: {not_contains_either: [admin, orders]}}`, false)
	both(`{url: {eq: "/v1/orders/7?page=2&tag=a%20b"}}`)
	both(`{url: {not_regex: ["^/v2", "^/v3"]}}`)
	both(`{url: {regex: ["^/v2", "^/v1"]}}`)
	f(`{url: {regex: orders}}`, false) // expressions tell cases apart
	both(`{url: {regex: "(?i)orders"}}`)
	both(`{url: {length: {gt: 10, lte: 31}}}`)
	both(`{method: {eq: [get, post]}}`)
	f(`{method: {neq: [get, post]}}`, false)
	both(`{method: {neq: get}}`)
	both(`{host: {eq: api.shop.example:8443}}`)
	both(`{source: {eq: MIRRORING}}`)
	both(`{response_code: {gte: 200, lt: 300}}`)
	both(`{response_code: {eq: 201}}`)
	both(`{response_code: {eq: [200, "201"]}}`)
	both(`{response_code: {regex: "^20"}}`)
	f(`{response_code: {gt: 201}}`, false)
	f(`{response_code: {lt: 201}}`, false)
	both(`{response_code: {or: [{eq: 500}, {eq: 201}]}}`)
	both(`{response_code: {or: {eq: 500, gt: 200}}}`)
	f(`{response_code: {or: {and: [{eq: 201}, {eq: 500}]}}}`, false)
	both(`{response_code: {not: {eq: 500}}}`)
	both(`{request_headers: {for_one: {key: {eq: x-team}, value: {regex: "^pay"}}}}`)
	f(`{request_headers: {for_one: {key: {eq: accept}, value: {regex: "^pay"}}}}`, false)
	both(`{request_headers: {for_one: {key: host, value: {contains_either: shop}}}}`) // from the URL
	both(`{request_headers: {for_all: {key: {not_contains: cookie}}}}`)
	f(`{request_headers: {for_all: {value: {contains_either: pay}}}}`, false)
	both(`{request_headers: {length: 3}}`)
	both(`{response_headers: {for_one: {key: {eq: content-type}, value: {contains_either: [html, json]}}}}`)
	both(`{response_headers: {for_one: {key: {or: [{eq: a}, {contains_all: [content, type]}]}}}}`)
	both(`{query_param: {for_one: {key: tag, value: a b}}}`)
	both(`{query_param: {for_one: {key: page, value: {gte: 2}}}}`)
	both(`{query_param: {length: {eq: 2}}}`)
	both(`{request_payload: {for_one: {key: coupon, value: {regex: "^SAVE"}}}}`)
	both(`{request_payload: {contains_either: save10}}`)
	both(`{response_payload: {for_one: {key: email, value: {regex: "@a\\.example$"}}}}`)
	both(`{response_payload: {for_one: {key: sku, value: B-2}}}`)
	both(`{response_payload: {for_one: {key: id, value: {eq: 7}}}}`)
	both(`{response_payload: {for_one: {key: vip, value: "true"}}}`)
	both(`{response_payload: {for_one: {key: x, value: "null"}}}`)
	f(`{response_payload: {for_one: {key: buyer}}}`, false)
	both(`{response_payload: {regex: '"vip":true'}}`)
	both(`{response_payload: {length: {gt: 50}}}`)
	both(`{and: [{method: {eq: POST}}, {or: [{url: {regex: nope}}, {response_code: {eq: 201}}]}]}`)
	both(`{or: {method: {eq: GET}, response_code: {eq: 201}}}`)
	f(`{method: {eq: POST}, response_code: {eq: 500}}`, false)
	both(`[{method: {eq: POST}}, {response_code: {eq: 201}}]`)

	empty := filter.NewAdvancedSet(mustParse(t, "id: A\nfilter: {response_headers: {for_all: {key: {eq: x}}}}"))
	if d := empty.Evaluate(&har.Entry{}, ""); d.Verdict != filter.Unmatched {
		t.Errorf("for_all of nothing: %v", d.Verdict)
	}
}

func TestVerdicts(t *testing.T) {
	compile := func(docs ...filter.Document) *filter.AdvancedSet {
		t.Helper()
		s, err := filter.CompileAdvanced(docs)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	f := func(s *filter.AdvancedSet, status int, want filter.Verdict, rule string) {
		t.Helper()
		e := order()
		e.Response.Status = status
		d := s.Evaluate(e, "MIRRORING")
		if d.Verdict != want || d.Rule() != rule {
			t.Errorf("status %d: %v, rule %q, want %v, %q", status, d.Verdict, d.Rule(), want, rule)
		}
	}
	seeds := filter.DefaultDocuments()
	f(nil, 500, filter.Pass, "")
	f(compile(), 500, filter.Pass, "")
	f(compile(seeds...), 200, filter.Allowed, "")
	f(compile(seeds...), 400, filter.Blocked, filter.AdvancedBlock)
	f(compile(seeds[1]), 200, filter.Unmatched, filter.AdvancedUnmatched)
	f(compile(seeds[1]), 404, filter.Blocked, filter.AdvancedBlock)
	edits := filter.Document{ID: "E", Content: "filter: {method: {eq: post}}\nexecute: [{modify_header: {host: new.example}}]"}
	f(compile(append(seeds, edits)...), 200, filter.Modified, "")
	off := seeds[1]
	off.Inactive = true
	f(compile(off), 200, filter.Pass, "")

	// As part of a Filter.
	var plain *filter.Filter
	block := plain.WithAdvanced(compile(filter.Document{ID: filter.DefaultBlockID, Content: "filter: {url: {regex: .*}}"}))
	for source, want := range map[string]string{"MIRRORING": filter.AdvancedBlock, "": filter.AdvancedBlock, "HAR": "", "POSTMAN": "", "OPEN_API": ""} {
		if _, rule := block.Keep(order(), source); rule != want {
			t.Errorf("source %q: rule %q, want %q", source, rule, want)
		}
	}
	e := order()
	if keep, _ := plain.WithAdvanced(compile(edits)).Keep(e, "MIRRORING"); !keep || e.Request.Headers[2].Value != "new.example" {
		t.Errorf("Keep = %v, headers %v", keep, e.Request.Headers)
	}
	if keep, rule := plain.WithAdvanced(nil).Keep(order(), "MIRRORING"); !keep {
		t.Errorf("rule %q without filters", rule)
	}
}

func TestCompileAdvancedErrors(t *testing.T) {
	s, err := filter.CompileAdvanced([]filter.Document{
		{ID: "BAD", Content: "filter: {nope: {eq: 1}}"},
		{ID: "A", Content: "filter: {url: {regex: .*}}"},
		{ID: "B", Content: "id: A\nfilter: {url: {regex: .*}}"},
	})
	if s.Len() != 1 || err == nil || !strings.Contains(err.Error(), `advanced filter "BAD": line 1, column`) || !strings.Contains(err.Error(), `"B": another`) {
		t.Errorf("%d filters, %v", s.Len(), err)
	}
}

func TestEdits(t *testing.T) {
	f := func(execute string, check func(r *har.Request) string, want string) {
		t.Helper()
		s := filter.NewAdvancedSet(mustParse(t, "filter: {url: {regex: .*}}\nexecute: "+execute))
		e := order()
		kept := order()
		e.Request.Headers, e.Request.PostData = kept.Request.Headers, kept.Request.PostData
		d := s.Evaluate(e, "")
		d.Apply(e)
		if got := check(&e.Request); d.Verdict != filter.Modified || got != want {
			t.Errorf("%s: %v, %q, want %q", execute, d.Verdict, got, want)
		}
		if kept.Request.Headers[0].Value != "payroll" || string(kept.Request.PostData.Body) != "coupon=SAVE10&n=3" {
			t.Errorf("%s wrote to the slices of the entry", execute)
		}
	}
	get := func(name string) func(r *har.Request) string {
		return func(r *har.Request) string {
			v, ok := har.HeaderValue(r.Headers, name)
			if !ok {
				return "none"
			}
			return v
		}
	}
	url := func(r *har.Request) string { return r.URL }
	body := func(r *har.Request) string { return string(r.PostData.Body) }
	f(`[{add_header: {x-new: "1"}}]`, get("x-new"), "1")
	f(`[{modify_header: {x-team: shop}}]`, get("x-team"), "shop")
	f(`[{modify_header: {x-none: shop}}]`, get("x-none"), "none")
	f(`[{modify_header: {host: shop.example}}]`, get("host"), "shop.example")
	f(`[{modify_header: {Host: {regex_replace: {regex: ":[0-9]+$", replace_with: ""}}}}]`, get("host"), "api.shop.example")
	f(`[{modify_header: {x-team: {regex_replace: {regex: "(pay)roll", replace_with: "${1}ments"}}}}]`, get("x-team"), "payments")
	f(`[{delete_header: [x-team, accept]}]`, get("x-team"), "none")
	f(`[{delete_header: X-Team, add_header: {y: z}}]`, get("y"), "z")
	f(`[{modify_url: /v2}]`, url, "https://api.shop.example:8443/v2")
	f(`[{modify_url: "https://h/x?y=1"}]`, func(r *har.Request) string { return r.URL + " " + r.QueryString[0].Name }, "https://h/x?y=1 y")
	f(`[{modify_url: {regex_replace: {regex: "^/v[0-9]+/", replace_with: ""}}}]`, url, "https://api.shop.example:8443/Orders/7?page=2&tag=a%20b")
	f(`[{replace_body: {regex_replace: {regex: "SAVE[0-9]+", replace_with: "X"}}}]`, body, "coupon=X&n=3")
	f(`[{replace_body: ""}]`, body, "")
	f(`{type: single, requests: [{req: [{modify_header: {host: shop.example}}]}]}`, get("host"), "shop.example")
}

func TestAdvancedErrors(t *testing.T) {
	f := func(doc string, line, col int, field, reason string) {
		t.Helper()
		_, err := filter.ParseAdvanced([]byte(doc))
		var ae *filter.AdvancedError
		if !errors.As(err, &ae) || ae.Line != line || ae.Column != col || ae.Field != field || !strings.Contains(ae.Reason, reason) {
			t.Errorf("ParseAdvanced(%.200q) = %v (%+v), want line %d, column %d, %s, %q", doc, err, ae, line, col, field, reason)
		}
	}
	f("", 1, 1, "", "one YAML document")
	f("filter: {url: {regex: a}}\n---\nid: b", 1, 1, "", "one YAML document")
	f("- a", 1, 1, "", "want a map")
	f("id: A", 1, 1, "", "filter is missing")
	f("id: [A]\nfilter: {url: {regex: a}}", 1, 5, "id", "want a text")
	f("ids: A", 1, 1, "ids", "unknown")
	f("filter:\n  or:\n    - response_code:\n        gte: many\n", 4, 14, "filter.or[0].response_code.gte", "want a number")
	f("filter:\n  uri:\n    eq: x\n", 2, 3, "filter.uri", "unknown, want url")
	f("filter:\n  url:\n    like: x\n", 3, 5, "filter.url.like", "unknown test")
	f("filter:\n  url:\n", 2, 3, "filter.url", "want a map of tests")
	f("filter: {url: x}", 1, 15, "filter.url", "want a map of tests")
	f("filter: {}", 1, 9, "filter", "want a map")
	f("filter: {or: []}", 1, 14, "filter.or", "want a list")
	f("filter: {url: {for_one: {key: a}}}", 1, 16, "filter.url.for_one", "one text")
	f("filter: {request_headers: {eq: a}}", 1, 28, "filter.request_headers.eq", "for_one")
	f("filter: {request_headers: {for_one: {name: a}}}", 1, 38, "filter.request_headers.for_one.name", "key and value")
	f("filter: {url: {regex: (}}", 1, 23, "filter.url.regex", "RE2")
	f("filter: {url: {regex: \"(?=a)\"}}", 1, 23, "filter.url.regex", "RE2")
	f("filter: {url: {contains_either: \"\"}}", 1, 33, "filter.url.contains_either", "empty")
	f("filter: {url: {eq: {a: b}}}", 1, 20, "filter.url.eq", "want a text")
	f("filter: &a {url: {regex: a}}", 1, 9, "filter", "anchors")
	f("filter: *a", 1, 9, "filter", "anchors")
	f("filter: !!map {url: {regex: a}}", 1, 9, "filter", "tags")
	f("filter:\n  <<: {url: {regex: a}}", 2, 3, "filter", "merge keys")
	f("filter: {url: {regex: a}}\nexecute: []", 2, 10, "execute", "want a list")
	f("filter: {url: {regex: a}}\nexecute: [{modify_method: GET}]", 2, 12, "execute[0].modify_method", "not supported")
	f("filter: {url: {regex: a}}\nexecute: [{modify_url: x}]", 2, 24, "execute[0].modify_url", "path")
	f("filter: {url: {regex: a}}\nexecute: [{add_header: {\"a b\": x}}]", 2, 32, "execute[0].add_header.a b", "no name")
	f("filter: {url: {regex: a}}\nexecute: {type: multiple, requests: [{req: []}]}", 2, 17, "execute.type", "single")
	f("filter: {url: {regex: a}}\nexecute: [{replace_body: {regex_replace: {regex: a, replace_with: \"$1$1$1$1$1$1$1$1$1\"}}}]", 2, 67,
		"execute[0].replace_body.regex_replace.replace_with", "groups")
	f("id: DEFAULT_BLOCK_FILTER\nfilter: {url: {regex: a}}\nexecute: [{replace_body: x}]", 3, 10, "execute", "nothing to edit")
	f("id: \xff", 0, 0, "", "UTF-8")
	f(strings.Repeat("#", filter.MaxDocument+1), 0, 0, "", "at most")
	f(strings.Repeat("[", 30000), 1, 65, "", "nested")
	f(strings.Repeat("- ", 16000), 1, 1, "", "nested")
	f("filter: "+strings.Repeat("{not: ", 40)+"x"+strings.Repeat("}", 40), 1, 196, "filter"+strings.Repeat(".not", 31), "nested")
	f("filter: {url: {eq: ["+strings.Repeat("a,", 5000)+"]}}", 1, 8007, "filter.url.eq[3993]", "more than 4000")
	if _, err := filter.ParseAdvanced([]byte("filter: {url: {regex: a}}\nfilter: {url: {regex: b}}")); err == nil {
		t.Error("a key that is there twice is taken")
	}
}

// Whatever is parsed can be evaluated, and its verdict does not depend on what was
// evaluated before.
func FuzzAdvanced(f *testing.F) {
	f.Add(filter.DefaultAllowFilter, "/a?b=c", `{"a":[1,{"b":"x"}]}`)
	f.Add(filter.DefaultBlockFilter, "https://h/", "")
	f.Add("filter: {request_headers: {for_one: {key: {eq: host}, value: {regex: .*}}}}\nexecute: [{modify_url: {regex_replace: {regex: a, replace_with: $0}}}]", "a", "[")
	f.Add("id: A\nfilter:\n  or:\n    - not: {request_payload: {length: {gt: 3}}}\n    - response_payload:\n        for_all:\n          value: {lte: 5}\n", "/", "[1,2]")
	f.Add("a: &a [*a, !!b c, |\n  x\n]", "", "")
	f.Fuzz(func(t *testing.T, doc, url, body string) {
		a, err := filter.ParseAdvanced([]byte(doc))
		if err != nil {
			if _, ok := errors.AsType[*filter.AdvancedError](err); !ok {
				t.Fatalf("error %T", err)
			}
			return
		}
		e := entry("GET", url, "a: "+body)
		e.Request.PostData = &har.PostData{Body: []byte(body)}
		withBody(e, "application/json", body)
		s := filter.NewAdvancedSet(a)
		d := s.Evaluate(e, "MIRRORING")
		if again := s.Evaluate(e, "MIRRORING"); again.Verdict != d.Verdict {
			t.Fatalf("%v, then %v", d.Verdict, again.Verdict)
		}
		d.Apply(e)
		if d.Verdict == filter.Pass || e.Response.Status != 200 {
			t.Fatal("a filter was not used, or changed the response")
		}
	})
}
