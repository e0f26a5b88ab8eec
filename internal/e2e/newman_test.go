package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// newman installs newman once and returns its command.
func newman(t *testing.T) string {
	t.Helper()
	dir := cache(t, "newman")
	bin := filepath.Join(dir, "node_modules", ".bin", "newman")
	if _, err := os.Stat(bin); err != nil {
		must(t, dir, os.Environ(), "npm", "install", "--no-fund", "--no-audit", "--prefix", dir, "newman@6")
	}
	return bin
}

type obj = map[string]any

// request is one request of the Postman collection, with what is asserted.
func request(id, method, url string, body obj, headers map[string]string, asserts ...string) obj {
	hs := []obj{{"key": "X-Test-Id", "value": id}}
	for k, v := range headers {
		hs = append(hs, obj{"key": k, "value": v})
	}
	r := obj{"method": method, "url": url, "header": hs}
	if body != nil {
		r["body"] = body
	}
	script := []string{fmt.Sprintf("pm.test(%q, function () {", id)}
	script = append(script, asserts...)
	script = append(script, "});")
	return obj{"name": id, "request": r, "event": []obj{{"listen": "test", "script": obj{"type": "text/javascript", "exec": script}}}}
}

func status(n int) string { return fmt.Sprintf("pm.response.to.have.status(%d);", n) }

func jsonBody(s string) obj { return obj{"mode": "raw", "raw": s} }

// collection is at least 25 requests of every kind, each with an id of its own.
func collection(dir, base, prefix string) []obj {
	js := map[string]string{"Content-Type": "application/json"}
	id := func(s string) string { return prefix + s }
	items := []obj{
		request(id("list"), "GET", base+"/shop/orders?limit=20&expand=items&expand=buyer", nil, nil, status(200), "pm.expect(pm.response.json().length).to.eql(2);", "pm.expect(pm.cookies.get('sid')).to.eql('1');"),
		request(id("list-gzip"), "GET", base+"/shop/orders?enc=gzip", nil, nil, status(200), "pm.expect(pm.response.json()[0].id).to.eql(1);"),
		request(id("list-br"), "GET", base+"/shop/orders?enc=br", nil, nil, status(200), "pm.expect(pm.response.json()[1].id).to.eql(2);"),
		request(id("create"), "POST", base+"/shop/orders", jsonBody(`{"coupon":"SPRING","lines":[{"sku":"A-1","qty":2}]}`), js, status(201), "pm.expect(pm.response.json().coupon).to.eql('SPRING');"),
		request(id("create-unicode"), "POST", base+"/shop/orders", jsonBody(`{"note":"grüße 😀 \" \\ "}`), js, status(201), "pm.expect(pm.response.json().note).to.contain('grüße');"),
		request(id("create-bad"), "POST", base+"/shop/orders", jsonBody(`{"coupon":`), js, status(400)),
		request(id("put"), "PUT", base+"/shop/orders/12", jsonBody(`{"paid":true,"rating":4.5}`), js, status(200)),
		request(id("patch"), "PATCH", base+"/shop/orders/12", jsonBody(`{"paid":false}`), js, status(200)),
		request(id("delete"), "DELETE", base+"/shop/orders/12", nil, nil, status(204)),
		request(id("missing"), "GET", base+"/shop/missing/99", nil, nil, status(404)),
		request(id("broken"), "GET", base+"/shop/broken", nil, nil, status(503)),
		request(id("moved"), "GET", base+"/shop/moved", nil, nil, status(200), "pm.expect(pm.response.json().id).to.eql(5);"),
		request(id("image"), "GET", base+"/shop/image", nil, nil, status(200), "pm.expect(pm.response.stream.length).to.eql(8);"),
		request(id("form"), "POST", base+"/shop/form", obj{"mode": "urlencoded", "urlencoded": []obj{{"key": "coupon", "value": "x&y=z"}, {"key": "note", "value": "hello there"}}}, nil, status(200), "pm.expect(pm.response.json().coupon).to.eql('x&y=z');"),
		request(id("upload"), "POST", base+"/shop/upload", obj{"mode": "formdata", "formdata": []obj{{"key": "title", "value": "A picture", "type": "text"}, {"key": "file", "type": "file", "src": filepath.Join(dir, "upload.bin")}}}, nil, status(200), "pm.expect(pm.response.json().title).to.eql('A picture');"),
	}
	for n := range 5 {
		items = append(items, request(id(fmt.Sprintf("order-%d", n)), "GET", fmt.Sprintf("%s/shop/orders/%d", base, 48213+n), nil, map[string]string{"Authorization": "Bearer q7-demo"}, status(200)))
	}
	return items
}

// A collection of Postman runs through the proxy; the records and the inventory
// hold exactly what it did.
func TestNewman(t *testing.T) {
	up := newUpstream(t)
	dir := t.TempDir()
	c := startControl(t, dir, "-upstream-ca", up.caFile)
	if err := os.WriteFile(filepath.Join(dir, "upload.bin"), []byte{1, 2, 3, 0, 0xff}, 0o644); err != nil {
		t.Fatal(err)
	}
	items := append(collection(dir, up.url(false), "http-"), collection(dir, up.url(true), "https-")...)
	doc, err := json.Marshal(obj{"info": obj{"name": "shop", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"}, "item": items})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "shop.json")
	if err := os.WriteFile(file, doc, 0o644); err != nil {
		t.Fatal(err)
	}
	out := must(t, dir, cleanEnv("HTTP_PROXY="+c.Proxy, "HTTPS_PROXY="+c.Proxy, "http_proxy="+c.Proxy, "https_proxy="+c.Proxy, "NO_PROXY=", "NODE_EXTRA_CA_CERTS="+c.CA),
		newman(t), "run", file, "--color", "off")
	if strings.Contains(out, "ECONN") {
		t.Fatalf("newman: %s", out)
	}
	// Two redirects were followed, so there are two exchanges more than items.
	checkNewmanRecords(t, c, up, len(items)+2)
	for _, base := range []string{up.url(false), up.url(true)} {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		checkInventory(t, c, u.Host)
	}
}

func checkNewmanRecords(t *testing.T, c *control, up *upstream, want int) {
	t.Helper()
	var h *harLog
	eventually(t, func() error {
		if h = c.records(t, ""); len(h.Log.Entries) < want {
			return fmt.Errorf("%d entries of %d", len(h.Log.Entries), want)
		}
		return nil
	})
	if len(h.Log.Entries) != want {
		t.Errorf("records.har has %d entries, want %d", len(h.Log.Entries), want)
	}
	seen := map[string]int{}
	for i := range h.Log.Entries {
		e := &h.Log.Entries[i]
		id := strings.Join(header(e.Request.Headers, "X-Test-Id"), ",") + " " + e.Request.URL
		if seen[id]++; seen[id] > 1 {
			t.Errorf("%s is recorded %d times", id, seen[id])
		}
		checkEntry(t, e, up)
	}
}

// checkEntry compares one entry with what the server knows it sent.
func checkEntry(t *testing.T, e *harEntry, up *upstream) {
	t.Helper()
	id := strings.Join(header(e.Response.Headers, "X-Test-Id"), ",")
	up.mu.Lock()
	want, ok := up.sent[id]
	up.mu.Unlock()
	if ok && !strings.HasSuffix(e.Request.URL, "/shop/moved") {
		if got := e.body(t); string(got) != string(want) {
			t.Errorf("%s: body %q, want %q", id, got, want)
		}
		if e.Response.Content.Size != int64(len(want)) {
			t.Errorf("%s: content.size %d, want %d", id, e.Response.Content.Size, len(want))
		}
		if cl := header(e.Response.Headers, "Content-Length"); len(cl) != 1 || cl[0] != fmt.Sprint(e.Response.BodySize) {
			t.Errorf("%s: bodySize %d, Content-Length %v", id, e.Response.BodySize, cl)
		}
	}
	if e.Time <= 0 || e.Time > 10_000 || time.Since(e.StartedDateTime) > 5*time.Minute || e.Timings.Wait < 0 || e.Timings.Send < 0 || e.Timings.Receive < 0 {
		t.Errorf("%s: time %v, started %v, timings %+v", id, e.Time, e.StartedDateTime, e.Timings)
	}
	sum := e.Timings.Send + e.Timings.Wait + e.Timings.Receive + max(0, e.Timings.Blocked) + max(0, e.Timings.DNS) + max(0, e.Timings.Connect)
	if sum > e.Time+1 || sum < e.Time-1 {
		t.Errorf("%s: timings %+v add up to %v, time is %v", id, e.Timings, sum, e.Time)
	}
	if len(e.Harken.Flags) > 0 || e.Harken.Error != "" {
		t.Errorf("%s: flags %v, error %q", id, e.Harken.Flags, e.Harken.Error)
	}
	switch {
	case strings.HasSuffix(id, "-list"):
		if got := header(e.Response.Headers, "X-Multi"); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("X-Multi = %v", got)
		}
		if got := header(e.Response.Headers, "Set-Cookie"); len(got) != 2 {
			t.Errorf("Set-Cookie = %v", got)
		}
		if len(e.Request.QueryString) != 3 {
			t.Errorf("queryString = %v", e.Request.QueryString)
		}
	case strings.HasSuffix(id, "-create"):
		if e.Request.PostData == nil || e.Request.PostData.Text != `{"coupon":"SPRING","lines":[{"sku":"A-1","qty":2}]}` {
			t.Errorf("postData = %+v", e.Request.PostData)
		}
	case strings.HasSuffix(id, "gzip"), strings.HasSuffix(id, "-br"):
		if e.Response.BodySize == e.Response.Content.Size {
			t.Errorf("%s: wire size equals decoded size %d", id, e.Response.BodySize)
		}
	}
}

type endpointKey struct {
	APICollectionID int    `json:"apiCollectionId"`
	URL             string `json:"url"`
	Method          string `json:"method"`
}

type apiInfo struct {
	ID            endpointKey
	Count         int
	ResponseCodes []int
}

type apiParam struct {
	Param         string
	ResponseCode  int
	IsHeader      bool
	IsURLParam    bool `json:"isUrlParam"`
	IsQueryParam  bool
	SubTypeString string
	Count         int
	Sensitive     bool
	Values        struct{ Elements []string }
}

// collectionOf is the id of the collection of a host.
func (c *control) collectionOf(t *testing.T, host string) (int, bool) {
	t.Helper()
	var cols struct {
		APICollections []struct {
			ID        int
			HostName  string
			URLsCount int
		} `json:"apiCollections"`
	}
	c.api(t, "getAllCollections", obj{}, &cols)
	for _, col := range cols.APICollections {
		if col.HostName == host {
			return col.ID, true
		}
	}
	return 0, false
}

// infos is the inventory of one collection by "METHOD url".
func (c *control) infos(t *testing.T, id int) map[string]apiInfo {
	t.Helper()
	var infos struct {
		APIInfoList []apiInfo `json:"apiInfoList"`
	}
	c.api(t, "fetchApiInfosForCollection", obj{"apiCollectionId": id}, &infos)
	out := map[string]apiInfo{}
	for _, i := range infos.APIInfoList {
		out[i.ID.Method+" "+i.ID.URL] = i
	}
	return out
}

func checkInventory(t *testing.T, c *control, host string) {
	t.Helper()
	want := map[string]int{
		"GET /shop/orders": 3, "POST /shop/orders": 2, "GET /shop/orders/INTEGER": 6, "PUT /shop/orders/INTEGER": 1,
		"PATCH /shop/orders/INTEGER": 1, "DELETE /shop/orders/INTEGER": 1, "GET /shop/moved": 1, "GET /shop/image": 1,
		"POST /shop/form": 1, "POST /shop/upload": 1,
	}
	var id int
	eventually(t, func() error {
		var ok bool
		if id, ok = c.collectionOf(t, host); !ok {
			return fmt.Errorf("no collection of %s", host)
		}
		infos := c.infos(t, id)
		for k, n := range want {
			if infos[k].Count != n {
				return fmt.Errorf("%s has count %d, want %d (all: %v)", k, infos[k].Count, n, infos)
			}
		}
		if len(infos) != len(want) {
			return fmt.Errorf("%d endpoints, want %d: %v", len(infos), len(want), infos)
		}
		return nil
	})
	var params struct {
		Data struct{ Params []apiParam }
	}
	c.api(t, "loadParamsOfEndpoint", obj{"apiCollectionId": id, "url": "/shop/orders/INTEGER", "method": "GET"}, &params)
	got := map[string]apiParam{}
	for _, p := range params.Data.Params {
		got[fmt.Sprintf("%s/%d/%v/%v", p.Param, p.ResponseCode, p.IsHeader, p.IsURLParam)] = p
	}
	for key, typ := range map[string]string{
		"2/-1/false/true": "INTEGER_32", "buyer#email/200/false/false": "EMAIL", "paid/200/false/false": "TRUE",
		"total/200/false/false": "FLOAT", "id/200/false/false": "INTEGER_32", "authorization/-1/true/false": "GENERIC",
	} {
		if p := got[key]; p.SubTypeString != typ {
			t.Errorf("param %s has type %q, want %q", key, p.SubTypeString, typ)
		}
	}
	if p := got["id/200/false/false"]; p.Count != 6 {
		t.Errorf("id has count %d, want 6", p.Count)
	}
	if !got["buyer#email/200/false/false"].Sensitive {
		t.Errorf("an e-mail address is not marked sensitive")
	}
	var samples struct {
		SampleDataList []struct{ Samples []string }
	}
	c.api(t, "fetchSampleData", obj{"apiCollectionId": id, "url": "/shop/orders/48213", "method": "get"}, &samples)
	if len(samples.SampleDataList) != 1 || len(samples.SampleDataList[0].Samples) != 6 {
		t.Errorf("samples = %+v, want 6 of one endpoint", samples)
	}
}
