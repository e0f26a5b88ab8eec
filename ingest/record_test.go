package ingest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/har"
	"harken/ingest"
)

// aktoExample is a record as a sniffer of Akto publishes it.
const aktoExample = `{
  "path": "/shop/orders/48213?expand=items&limit=20",
  "method": "POST",
  "type": "HTTP/1.1",
  "requestHeaders": "{\"host\":\"API.shop.example\",\"Content-Type\":\"application/json\",\"x-n\":[1,2]}",
  "requestPayload": "{\"coupon\":\"SPR\u00dcNG\"}",
  "responseHeaders": "{\"content-type\":\"application/json; charset=utf-8\",\"server\":\"envoy\"}",
  "responsePayload": "{\"id\":48213}",
  "statusCode": "200",
  "status": "200 OK",
  "time": "1767225600",
  "ip": "10.20.30.40:51544",
  "destIp": "10.20.1.9:8443",
  "direction": "2",
  "akto_account_id": "1000000",
  "akto_vxlan_id": "17",
  "is_pending": "true",
  "source": "MIRRORING",
  "process_id": "8123",
  "parentMcpToolNames": ["a"],
  "tag": "{\"app\":\"orders\",\"team\":\"checkout\"}"
}`

func TestParseAkto(t *testing.T) {
	r, err := ingest.ParseRecord([]byte(aktoExample))
	if err != nil {
		t.Fatal(err)
	}
	want := ingest.Record{
		ID: r.ID, Account: "1000000", Collection: 17, Source: "MIRRORING", Direction: "2", Host: "api.shop.example",
		Time: time.Unix(1767225600, 0).UTC(), Flags: ingest.Pending, Form: ingest.FormAkto, Data: []byte(aktoExample),
	}
	if d := cmp.Diff(want, *r); d != "" || r.ID.IsZero() || r.Form.String() != "akto" {
		t.Errorf("record (-want +got)\n%s", d)
	}
	e, err := r.Entry()
	if err != nil {
		t.Fatal(err)
	}
	wantEntry := &har.Entry{
		Started: want.Time, Time: -1, ServerIPAddress: "10.20.1.9",
		Timings: har.Timings{Blocked: -1, DNS: -1, Connect: -1, SSL: -1, Send: -1, Wait: -1, Receive: -1},
		Request: har.Request{
			Method: "POST", URL: "http://API.shop.example/shop/orders/48213?expand=items&limit=20", HTTPVersion: "HTTP/1.1",
			Headers:     []har.Header{{Name: "host", Value: "API.shop.example"}, {Name: "content-type", Value: "application/json"}, {Name: "x-n", Value: "[1,2]"}},
			QueryString: []har.Header{{Name: "expand", Value: "items"}, {Name: "limit", Value: "20"}},
			PostData:    &har.PostData{MimeType: "application/json", Body: []byte(`{"coupon":"SPRÜNG"}`)},
			HeadersSize: -1, BodySize: -1,
		},
		Response: har.Response{
			Status: 200, StatusText: "OK", HTTPVersion: "HTTP/1.1",
			Headers:     []har.Header{{Name: "content-type", Value: "application/json; charset=utf-8"}, {Name: "server", Value: "envoy"}},
			Content:     har.Content{Size: 12, MimeType: "application/json; charset=utf-8", Body: []byte(`{"id":48213}`)},
			HeadersSize: -1, BodySize: -1,
		},
		Harken: &har.Meta{
			ID: r.ID.String(), Account: "1000000", Collection: 17, Source: "MIRRORING", Direction: "2", Client: "10.20.30.40:51544",
			Server: "10.20.1.9:8443", Tags: map[string]string{"app": "orders", "team": "checkout"}, Flags: []string{"pending"},
		},
	}
	if d := cmp.Diff(wantEntry, e); d != "" {
		t.Errorf("entry (-want +got)\n%s", d)
	}
}

func TestParseHAR(t *testing.T) {
	e := entry()
	r := ingest.NewRecord(e, time.Unix(1, 0))
	got, err := ingest.ParseRecord(r.Data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, got); d != "" {
		t.Errorf("what NewRecord made and ParseRecord read (-made +read)\n%s", d)
	}
	if got.Host != "api.example:8443" || got.Flags != ingest.Gap || got.Account != "42" || got.Collection != 9 {
		t.Errorf("record %+v", got)
	}
	// An entry of another tool has no member _harken.
	got, err = ingest.ParseRecord([]byte(`{"request":{"method":"GET","url":"HTTPS://u:p@X.example:443?q"},"response":{"status":204}}`))
	if err != nil || got.Host != "x.example" || got.Source != "OTHER" || got.Account != "" || got.Time.IsZero() {
		t.Errorf("record %+v, %v", got, err)
	}
}

func TestParseDoesNotAllocateForEqualRecords(t *testing.T) {
	data := ingest.NewRecord(entry(), time.Unix(1, 0)).Data
	var r ingest.Record
	n := testing.AllocsPerRun(100, func() {
		if err := r.Parse(data); err != nil {
			t.Fatal(err)
		}
	})
	if n > 12 {
		t.Errorf("Parse allocates %v times", n)
	}
}

func TestParseRefuses(t *testing.T) {
	f := func(old, replacement, want string) {
		t.Helper()
		in := strings.Replace(aktoExample, old, replacement, 1)
		if in == aktoExample {
			t.Fatalf("%q is not in the example", old)
		}
		_, err := ingest.ParseRecord([]byte(in))
		if (want == "") != (err == nil) || want != "" && !strings.Contains(err.Error(), want) {
			t.Errorf("%s -> %s: error %v, want %q", old, replacement, err, want)
		}
	}
	f(`"statusCode": "200",`, ``, "statusCode: missing")
	f(`"statusCode": "200"`, `"statusCode": null`, "statusCode: missing")
	f(`"statusCode": "200"`, `"statusCode": "ok"`, "statusCode: not a number")
	f(`"statusCode": "200"`, `"statusCode": 200`, "")
	f(`"time": "1767225600"`, `"time": "soon"`, "time: not a number")
	f(`"time": "1767225600"`, `"time": "0"`, "")
	f(`"time": "1767225600",`, ``, "")
	f(`"is_pending": "true"`, `"is_pending": true`, "is_pending: a boolean")
	f(`"source": "MIRRORING"`, `"source": "MAGIC"`, "source: \"MAGIC\" is unknown")
	f(`"akto_account_id": "1000000"`, `"akto_account_id": "me"`, "account")
	f(`"akto_account_id": "1000000"`, `"akto_account_id": 1000000`, "akto_account_id: not a string")
	f(`"akto_vxlan_id": "17"`, `"akto_vxlan_id": "-1"`, "")
	f(`\"server\":\"envoy\"`, `\"server\":null`, `responseHeaders: value of "server" is null`)
	f(`\"server\":\"envoy\"`, `\"server\":`, "responseHeaders: not JSON")
	f(`"{\"content-type\":\"application/json; charset=utf-8\",\"server\":\"envoy\"}"`, `{"server":"envoy"}`, "responseHeaders: not a string")
	f(`"requestPayload": "`, `"requestPayload": null, "x": "`, "")
	f(`"responsePayload": "{\"id\":48213}"`, `"responsePayload": {"id":48213}`, "responsePayload: not a string")
	f(`"path": "/shop`, `"paht": "/shop`, "path: missing")
	f(`"method": "POST"`, `"method": 1`, "method: not a string")
	f(`"method": "POST",`, `"method": "POST"`, "not JSON at byte")
	f("\n}", "\n}}", "bytes behind the object")

	g := func(in, want string) {
		t.Helper()
		_, err := ingest.ParseRecord([]byte(in))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", in, err, want)
		}
	}
	g(``, "not a JSON object")
	g(`[{}]`, "not a JSON object")
	g("{\"a\":\"\xff\"}", "not UTF-8")
	g(`{"request":{"method":"GET"},"response":{"status":200}}`, "request.url: missing")
	g(`{"request":{"method":7,"url":"http://x/"},"response":{"status":200}}`, "request.method")
	g(`{"request":{"method":"GET","url":"http://x/"}}`, "response: missing")
	g(`{"request":{"method":"GET","url":"http://x/"},"response":{"status":"200"}}`, "response.status")
	g(`{"request":{"method":"GET","url":"http://x/"},"response":{"status":200},"startedDateTime":"now"}`, "startedDateTime")
	g(`{"request":{"method":"GET","url":"http://x/"},"response":{"status":200},"_harken":{"source":"X"}}`, "source")
	g(`{"request":{"method":"GET","url":"http://x/"},"response":{"status":200},"_harken":{"account":7}}`, "_harken.account")
	g(strings.Repeat(`{"a":`, 100), "nested too deep")
}

func TestParseOtherMessages(t *testing.T) {
	_, err := ingest.ParseRecord([]byte(`{"testConnectionString":"kafkaInit"}`))
	if !errors.Is(err, ingest.ErrProbe) {
		t.Errorf("probe: %v", err)
	}
	_, err = ingest.ParseRecord([]byte(`{"group_name":"shop","vxlanId":17,"vpc_cidr":["10.0.0.0/8","fd00::/8"],"account_id":1000000}`))
	c, ok := errors.AsType[*ingest.ControlError](err)
	want := &ingest.ControlError{GroupName: "shop", VxlanID: 17, VPCCIDR: []string{"10.0.0.0/8", "fd00::/8"}, Account: "1000000"}
	if d := cmp.Diff(want, c); !ok || d != "" || !errors.Is(err, ingest.ErrControl) {
		t.Errorf("control message: %v\n%s", err, d)
	}
}

func TestIDs(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	var mu sync.Mutex
	seen := map[ingest.ID]bool{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var last ingest.ID
			for range 2000 {
				id := ingest.NewID(now)
				if bytes.Compare(id[:], last[:]) <= 0 {
					t.Errorf("%v after %v", id, last)
				}
				last = id
				mu.Lock()
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 8000 {
		t.Errorf("%d different ids, want 8000", len(seen))
	}
	id := ingest.NewID(now)
	s := id.String()
	if s[14] != '7' || !strings.ContainsRune("89ab", rune(s[19])) || id.Time().Sub(now).Abs() > 10*time.Second {
		t.Errorf("%s is not a UUIDv7 of %v", s, now)
	}
	if got, err := ingest.ParseID(strings.ToUpper(s)); err != nil || got != id {
		t.Errorf("ParseID(%s) = %v, %v", s, got, err)
	}
	if b, _ := id.AppendText(nil); string(b) != s {
		t.Errorf("AppendText = %s, want %s", b, s)
	}
	for _, bad := range []string{"", "x", s[1:] + "0", s + "0", strings.Replace(s, "7", "g", 1)} {
		if _, err := ingest.ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) succeeded", bad)
		}
	}
	// A clock that was set back far begins anew, so that ids tell the truth.
	past := now.Add(-time.Hour)
	if got := ingest.NewID(past).Time(); got.Sub(past).Abs() > 10*time.Second {
		t.Errorf("id an hour back is of %v", got)
	}
}

func TestOrigins(t *testing.T) {
	o := ingest.Origin{Log: "0123abcd", Seq: 77}
	if o.String() != "0123abcd/77" || o.IsZero() || (ingest.Origin{}).String() != "" {
		t.Errorf("String = %s", o)
	}
	if got, err := ingest.ParseOrigin("akto.api.logs:3/77"); err != nil || got != (ingest.Origin{Log: "akto.api.logs:3", Seq: 77}) {
		t.Errorf("ParseOrigin = %v, %v", got, err)
	}
	for _, bad := range []string{"", "a", "a/", "/1", "a/0", "a/-1", "a/+1", "a/01", "a/1/2", "a b/1", "ä/1", "a/99999999999999999999", strings.Repeat("a", 271) + "/1"} {
		if _, err := ingest.ParseOrigin(bad); err == nil {
			t.Errorf("ParseOrigin(%q) succeeded", bad)
		}
	}
}

func TestFlags(t *testing.T) {
	all := ingest.RequestTruncated | ingest.ResponseTruncated | ingest.Gap | ingest.OneSided | ingest.Midstream |
		ingest.Undecoded | ingest.Aborted | ingest.Passthrough | ingest.Pending
	if got := ingest.ParseFlags(append(all.Texts(), "from-the-future")); got != all || len(all.Texts()) != 9 {
		t.Errorf("ParseFlags(%v) = %b", all.Texts(), got)
	}
	if ingest.Flags(0).Texts() != nil {
		t.Error("no flags have texts")
	}
}

func TestShrink(t *testing.T) {
	f := func(form ingest.Form, req, resp, limit int, wantReq, wantResp bool, flags ingest.Flags) {
		t.Helper()
		e := entry()
		e.Harken.Flags = nil
		e.Request.PostData.Body = bytes.Repeat([]byte("q"), req)
		e.Response.Content.Body = bytes.Repeat([]byte("s"), resp)
		r := ingest.NewRecord(e, time.Unix(1, 0))
		if form == ingest.FormAkto {
			b, err := ingest.AppendAkto(nil, r)
			if err != nil {
				t.Fatal(err)
			}
			r.Form, r.Data = form, b
		}
		small, changed, err := ingest.Shrink(r, limit)
		if err != nil {
			t.Fatal(err)
		}
		got, err := small.Entry()
		if err != nil {
			t.Fatal(err)
		}
		hasReq := got.Request.PostData != nil && len(got.Request.PostData.Body) > 0
		if hasResp := len(got.Response.Content.Body) > 0; len(small.Data) > limit || changed != (flags != 0) || hasReq != wantReq ||
			hasResp != wantResp || small.Flags != flags || ingest.ParseFlags(got.Harken.Flags) != flags {
			t.Errorf("%d+%d bytes, limit %d: %d bytes, changed %v, bodies %v %v, flags %v", req, resp, limit, len(small.Data), changed, hasReq, hasResp, got.Harken.Flags)
		}
		if flags&ingest.ResponseTruncated != 0 && got.Response.Content.Size != int64(resp) {
			t.Errorf("size %d of the body that is left out, want %d", got.Response.Content.Size, resp)
		}
		if flags&ingest.RequestTruncated != 0 && got.Harken.RequestBytes != int64(req) {
			t.Errorf("request bytes %d, want %d", got.Harken.RequestBytes, req)
		}
	}
	for _, form := range []ingest.Form{ingest.FormHAR, ingest.FormAkto} {
		f(form, 100, 100, 10000, true, true, 0)
		f(form, 100, 20000, 10000, true, false, ingest.ResponseTruncated)
		f(form, 20000, 100, 10000, false, true, ingest.RequestTruncated)
		f(form, 20000, 20001, 10000, false, false, ingest.RequestTruncated|ingest.ResponseTruncated)
	}
	e := entry()
	e.Request.Headers = append(e.Request.Headers, har.Header{Name: "x", Value: strings.Repeat("v", 1<<20)})
	r := ingest.NewRecord(e, time.Unix(1, 0))
	if small, _, err := ingest.Shrink(r, 10000); err != nil || len(small.Data) > 10000 {
		t.Errorf("a giant header: %v", err)
	}
	if _, _, err := ingest.Shrink(r, 10); err == nil {
		t.Error("a record of 10 bytes was made")
	}
}

func TestRecordsAreJSON(t *testing.T) {
	b, err := ingest.AppendAkto(nil, ingest.NewRecord(entry(), time.Unix(1, 0)))
	var m map[string]string
	if err != nil || json.Unmarshal(b, &m) != nil {
		t.Errorf("%s is no map of strings: %v", b, err)
	}
}

// A record that somebody wrote in several lines becomes the one line that is an entry
// of a file.
func TestParseSeveralLines(t *testing.T) {
	const one = `{"request":{"method":"GET","url":"http://a.example/x y"},"response":{"status":200}}`
	for _, text := range []string{
		one, " " + one + "\n", "{ " + one[1:], strings.ReplaceAll(one, ",", ",\n\t"), strings.ReplaceAll(one, ":{", ":\r\n{"),
	} {
		r, err := ingest.ParseRecord([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if string(r.Data) != one {
			t.Errorf("%q becomes %q", text, r.Data)
		}
		if err := har.NewWriter(io.Discard, har.Head{}).Write(r.Data); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, bad := range []string{"{\n", "[\n{}]", "", "\n"} {
		if _, err := ingest.ParseRecord([]byte(bad)); err == nil {
			t.Errorf("%q is a record", bad)
		}
	}
}
