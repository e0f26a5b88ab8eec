package extract_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/har"
	"harken/inventory/datatype"
	"harken/inventory/extract"
)

// parts gives the URLs of the parts, each followed by the parameters of its body.
func parts(e *har.Entry) string {
	var x extract.Extractor
	var lines []string
	for _, p := range x.Split(e) {
		lines = append(lines, p.URL)
		x.Part(e, &p, "", func(p extract.Param) {
			if p.Place == extract.RequestBody {
				lines = append(lines, "  "+p.Name+" "+p.Type(&datatype.Detector{})+" "+p.Value)
			}
		})
	}
	return strings.Join(lines, "\n")
}

func testParts(t *testing.T, name, url, contentType, body string, want ...string) {
	t.Helper()
	e := request(contentType, body)
	e.Request.URL = url
	if body == "" {
		e.Request.PostData = nil
	}
	if diff := cmp.Diff(strings.Join(want, "\n"), parts(e)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestSplitGraphQL(t *testing.T) {
	g := func(name, body string, want ...string) {
		t.Helper()
		testParts(t, name, "https://h/graphql", "application/json", body, want...)
	}
	g("R22", `{"query":"query Q{user(id:5){name}}"}`,
		"https://h/graphql/query/Q/user", "  query.user.__args.id INTEGER_32 5", "  query.user.name TRUE true")
	g("alias, nested arguments, fragments", `{"operationName":"Q","query":"query Q { me: user { ...F posts(first: 3) { id } } version } fragment F on User { email ... on Admin { level } ... @include(if: true) { x } }"}`,
		"https://h/graphql/query/Q/user", "  operationName GENERIC Q", "  query.user.email TRUE true", "  query.user.level TRUE true", "  query.user.x TRUE true",
		"  query.user.posts.__args.first INTEGER_32 3", "  query.user.posts.id TRUE true",
		"https://h/graphql/query/Q/version", "  operationName GENERIC Q", "  query.version TRUE true")
	g("fragments at the top", `{"query":"mutation { ...M } fragment M on Mutation { logout }"}`, "https://h/graphql/mutation/logout", "  query.logout TRUE true")
	g("variables", `{"query":"mutation M($in: [In!]! = [], $n: Int = 7, $u: ID) { add(in: $in, n: $n, u: $u) { id } }","variables":{"in":[{"email":"a@b.de"}]}}`,
		"https://h/graphql/mutation/M/add", "  variables#in#$#email EMAIL a@b.de",
		"  query.add.__args.in#$#email EMAIL a@b.de", "  query.add.__args.n INTEGER_32 7", "  query.add.__args.u NULL ", "  query.add.id TRUE true")
	g("values", `{"query":"{ f(a: \"x\\\"\\u0041\", b: \"\"\" block \"\"\", c: ADMIN, d: [1.5, null], e: {k: true, m: {}}, f: -1e3) # { comment\n}"}`,
		"https://h/graphql/query/f", `  query.f.__args.a GENERIC x"A`, "  query.f.__args.b GENERIC block", "  query.f.__args.c GENERIC ADMIN",
		"  query.f.__args.d#$ FLOAT 1.5", "  query.f.__args.d#$ NULL ", "  query.f.__args.e#k TRUE true", "  query.f.__args.e#m OTHER ", "  query.f.__args.f FLOAT -1e3", "  query.f TRUE true")
	g("batch", `[{"query":"{a}"},{"query":"subscription S{b}"},{"other":1}]`, "https://h/graphql/query/a", "  query.a TRUE true", "https://h/graphql/subscription/S/b", "  query.b TRUE true")
	g("several operations", `{"query":"query A{a} query B{b}"}`, "https://h/graphql/query/A/a", "  query.a TRUE true", "https://h/graphql/query/B/b", "  query.b TRUE true")
	for _, bad := range []string{
		`{"query":"shoes"}`, `{"query":"{a"}`, `{"query":"{}"}`, `{"query":"{a}} "}`, `{"query":5}`, `{"query":"{a(b:)}"}`, `{"query":"{a`,
		`{"query":"type A {b}"}`, `query`, `{"query":"{a(b:\"x\n\")}"}`, `{"query":"{...F} fragment F on X {...F}"}`, `{"query":"{a(x:1.)}"}`,
	} {
		g("not valid", bad)
	}
	testParts(t, "GET", "https://h/graph?query=query%20Q%7Bu(e%3A%24e)%7D&variables=%7B%22e%22:%22a%40b.de%22%7D&x=1#f", "", "",
		"https://h/graph/query/Q/u?query=query%20Q%7Bu(e%3A%24e)%7D&variables=%7B%22e%22:%22a%40b.de%22%7D&x=1#f", "  variables#e EMAIL a@b.de", "  query.u.__args.e EMAIL a@b.de", "  query.u TRUE true")
	testParts(t, "the document alone", "https://h/graphql/", "application/graphql", "{ query: a }", "https://h/graphql/query/a", "  query.a TRUE true")
	testParts(t, "a form", "https://h/graphql", "application/x-www-form-urlencoded", "query={a}&variables=x", "https://h/graphql/query/a", "  query.a TRUE true")
	testParts(t, "another URL", "https://h/search", "application/json", `{"query":"{a}"}`)
}

func TestSplitCalls(t *testing.T) {
	testParts(t, "one", "https://h/mcp?s=1", "application/json", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"f","arguments":{"mail":"a@b.de"}}}`,
		"https://h/mcp/tools/call?s=1", "  jsonrpc FLOAT 2.0", "  id INTEGER_32 1", "  method GENERIC tools/call", "  params#name GENERIC f", "  params#arguments#mail EMAIL a@b.de")
	testParts(t, "batch", "https://h/messages/", "", `[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","result":1},{"jsonrpc":"2.0","method":"b c"},{"jsonrpc":"2.0","method":"/b"}]`,
		"https://h/messages/a", "  jsonrpc FLOAT 2.0", "  method GENERIC a", "https://h/messages/b", "  jsonrpc FLOAT 2.0", "  method GENERIC /b")
	testParts(t, "no method", "https://h/sse", "", `{"jsonrpc":"2.0","id":1,"result":{}}`)
	testParts(t, "not JSON", "https://h/sse", "", `{"jsonrpc":"2.0","method":"a"`)
	testParts(t, "elsewhere", "https://h/rpc", "", `{"jsonrpc":"2.0","method":"a"}`)

	e := request("", `{"jsonrpc":"2.0","method":"a"}`)
	e.Request.URL, e.Harken = "https://h/mcp", &har.Meta{Flags: []string{har.FlagRequestTruncated}}
	if got := parts(e); got != "" {
		t.Errorf("of a request that was cut: %s", got)
	}
}

func TestPartHasTheRest(t *testing.T) {
	e := request("application/json", `{"query":"{a}"}`)
	e.Request.URL = "https://h/graphql?x=1"
	e.Response = har.Response{Status: 200, Content: har.Content{Body: []byte(`{"data":{"a":1}}`)}}
	var x extract.Extractor
	var got []string
	x.Part(e, &x.Split(e)[0], "", func(p extract.Param) { got = append(got, fmt.Sprint(p.Place, " ", p.Status, " ", p.Name)) })
	if diff := cmp.Diff([]string{"0 -1 content-type", "3 -1 x", "2 -1 query.a", "4 200 data#a"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSplitIsBounded(t *testing.T) {
	f := func(name, url, body string, wantParts int) {
		t.Helper()
		e := request("application/json", body)
		e.Request.URL = url
		var x extract.Extractor
		start, n := time.Now(), 0
		ps := x.Split(e)
		for i := range ps {
			x.Part(e, &ps[i], "", func(extract.Param) { n++ })
		}
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("%s: it took %v", name, d)
		}
		if len(ps) != wantParts || n > extract.MaxParts*(extract.MaxValues+10) {
			t.Errorf("%s: %d parts with %d parameters, want %d parts", name, len(ps), n, wantParts)
		}
	}
	const deep = 100_000
	q := func(doc string) string { return `{"query":"` + doc + `"}` }
	f("deep selections", "/graphql", q(strings.Repeat("{a", deep)+strings.Repeat("}", deep)), 0)
	f("deep lists", "/graphql", q("{a(b:"+strings.Repeat("[", deep)+strings.Repeat("]", deep)+")}"), 0)
	f("deep types", "/graphql", q("query($a:"+strings.Repeat("[", deep)+"A"+strings.Repeat("]", deep)+"){a}"), 1)
	f("open strings", "/graphql", q(strings.Repeat(`{a(b:\"\"\"`, deep)), 0)
	f("many fields", "/graphql", q("{"+strings.Repeat("a ", 15_000)+"}"), extract.MaxParts)
	f("too many fields", "/graphql", q("{"+strings.Repeat("a ", deep)+"}"), 0)
	var bomb strings.Builder
	bomb.WriteString("{x{...F0}}")
	for i := range 40 {
		fmt.Fprintf(&bomb, "fragment F%d on A{a ...F%d ...F%d}", i, i+1, i+1)
	}
	f("fragments of fragments", "/graphql", q(bomb.String()), 1)
	f("fragment of itself", "/graphql", q("{x{...F}} fragment F on A{a ...F}"), 1)
	f("a million calls", "/mcp", "["+strings.Repeat(`{"jsonrpc":"2.0","method":"a"},`, 1_000_000)+`{}]`, 2)
	f("many calls", "/mcp", "["+strings.Repeat(`{"jsonrpc":"2.0","method":"a"},`, 10_000)+`{}]`, extract.MaxParts)
	f("50 MB", "/mcp", `{"jsonrpc":"2.0","method":"a","x":"`+strings.Repeat("x", 50<<20)+`"}`, 0)
	f("batch of documents", "/graphql", "["+strings.Repeat(q("{a}")+",", 10_000)+q("{b}")+"]", extract.MaxParts)
}

func TestSplitDoesNotAllocate(t *testing.T) {
	for _, url := range []string{"https://h/shop/orders/1?expand=graph", "https://h/messages/5", "https://h/graph"} {
		e := request("application/json", `{"coupon":"SPRING"}`)
		e.Request.URL = url
		var x extract.Extractor
		if n := testing.AllocsPerRun(100, func() { x.Split(e) }); n != 0 {
			t.Errorf("Split of %s allocates %v times", url, n)
		}
	}
}
