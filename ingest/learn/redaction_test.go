package learn_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"harken/har"
	"harken/ingest"
	"harken/ingest/learn"
	"harken/internal/store/sqlite"
	"harken/inventory"
)

// A planting is a record with a secret in one place.
type planting struct {
	place  string
	change func(e *har.Entry, secret string)
	// typed is whether the place is looked at when one type is redacted: values are
	// replaced then, and not what merely has one somewhere in it.
	typed bool
	raw   func(secret string) []byte // instead of change: what cannot be decoded
}

func secretOf(place string) string {
	return "hush-" + strings.ReplaceAll(place, " ", "") + "-7431"
}

func requestBody(contentType, format string) func(*har.Entry, string) {
	return func(e *har.Entry, s string) {
		e.Request.Method = "POST"
		e.Request.Headers = append(e.Request.Headers, har.Header{Name: "Content-Type", Value: contentType})
		e.Request.PostData = &har.PostData{MimeType: contentType, Body: []byte(strings.ReplaceAll(format, "%", s))}
	}
}

func responseBody(contentType, format string) func(*har.Entry, string) {
	return func(e *har.Entry, s string) {
		e.Response.Headers = append(e.Response.Headers, har.Header{Name: "Content-Type", Value: contentType})
		e.Response.Content = har.Content{MimeType: contentType, Body: []byte(strings.ReplaceAll(format, "%", s))}
	}
}

func onURL(format string) func(*har.Entry, string) {
	return func(e *har.Entry, s string) { e.Request.URL = strings.ReplaceAll(format, "%", s) }
}

func requestHeader(name, format string) func(*har.Entry, string) {
	return func(e *har.Entry, s string) {
		e.Request.Headers = append(e.Request.Headers, har.Header{Name: name, Value: strings.ReplaceAll(format, "%", s)})
	}
}

func responseHeader(name, format string) func(*har.Entry, string) {
	return func(e *har.Entry, s string) {
		e.Response.Headers = append(e.Response.Headers, har.Header{Name: name, Value: strings.ReplaceAll(format, "%", s)})
	}
}

func message(kind, format string) func(*har.Entry, string) {
	return func(e *har.Entry, s string) {
		e.Response.Status = 101
		e.WebSocketMessages = []har.WebSocketMessage{{Type: kind, Opcode: 1, Data: []byte(strings.ReplaceAll(format, "%", s))}}
	}
}

// graphQL makes a request with a document.
func graphQL(document, variables string) func(*har.Entry, string) {
	return func(e *har.Entry, s string) {
		e.Request.URL = "https://api.shop.com/graphql"
		doc, _ := json.Marshal(strings.ReplaceAll(document, "%", s)) //nolint:errchkjson // a string
		requestBody("application/json", `{"query":`+string(doc)+`,"variables":`+variables+`}`)(e, s)
	}
}

func dropped(change func(*har.Entry, string)) func(*har.Entry, string) {
	return func(e *har.Entry, s string) {
		change(e, s)
		e.Response.Status = 404
	}
}

func plantings() []planting {
	const js, form, parts = "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=XX"
	all := []planting{
		{place: "path", change: onURL("https://api.shop.com/p/%"), typed: true},
		{place: "query", change: onURL("https://api.shop.com/q?tok=%"), typed: true},
		{place: "user", change: onURL("https://jo:%@api.shop.com/u")},
		{place: "request header", change: requestHeader("X-A", "%"), typed: true},
		{place: "authorization", change: requestHeader("Authorization", "Bearer %"), typed: true},
		{place: "cookie", change: requestHeader("Cookie", "a=1; s=%"), typed: true},
		{place: "response header", change: responseHeader("X-B", "%"), typed: true},
		{place: "set cookie", change: responseHeader("Set-Cookie", "s=%; Path=/"), typed: true},
		{place: "location", change: responseHeader("Location", "https://x.com/cb?code=%"), typed: true},
		{place: "json", change: requestBody(js, `{"a":{"b":["%"]}}`), typed: true},
		{place: "json answer", change: responseBody(js, `[{"a":"%"}]`), typed: true},
		{place: "json in json", change: responseBody(js, `{"a":"{\"b\":\"%\"}"}`), typed: true},
		{place: "cut json", change: responseBody(js, `{"a":"%","b":`), typed: true},
		{place: "plain", change: responseBody("text/plain", "%"), typed: true},
		{place: "plain request", change: requestBody("text/plain", "%"), typed: true},
		{place: "sentence", change: responseBody("text/plain", "the password is % now")},
		{place: "binary", change: responseBody("image/png", "\x89PNG\xff%\x00")},
		{place: "no type", change: responseBody("", "% or so")},
		{place: "form", change: requestBody(form, "a=1&tok=%"), typed: true},
		{place: "json in form", change: requestBody(form, "p={\"a\":\"%\"}"), typed: true},
		{place: "part", change: requestBody(parts, "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n%\r\n--XX--\r\n"), typed: true},
		{place: "file name", change: requestBody(parts, "--XX\r\nContent-Disposition: form-data; name=f; filename=\"%\"\r\n\r\nx\r\n--XX--\r\n"), typed: true},
		{place: "file", change: requestBody(parts, "--XX\r\nContent-Disposition: form-data; name=f; filename=g\r\n\r\nline\n%\n\r\n--XX--\r\n")},
		{place: "xml", change: responseBody("text/xml", "<r><k>%</k></r>"), typed: true},
		{place: "xml attribute", change: responseBody("application/xml", "<r><k a='%'/></r>"), typed: true},
		{place: "cdata", change: responseBody("text/xml", "<r><k><![CDATA[%]]></k></r>"), typed: true},
		{place: "xml comment", change: responseBody("text/xml", "<r><!-- % --><k>1</k></r>")},
		{place: "soap", change: requestBody("application/soap+xml", "<e:Envelope xmlns:e='u'><e:Body><k>%</k></e:Body></e:Envelope>"), typed: true},
		{place: "graphql argument", change: graphQL(`{user(id:"%"){name}}`, "null"), typed: true},
		{place: "graphql input", change: graphQL(`mutation{add(in:{a:[{k:"%"}]}){id}}`, "null"), typed: true},
		{place: "graphql variable", change: graphQL(`query($v:X){user(id:$v){name}}`, `{"v":"%"}`), typed: true},
		{place: "graphql by get", change: onURL(`https://api.shop.com/graphql?query={user(id:"%"){name}}`), typed: true},
		{place: "graphql document", change: func(e *har.Entry, s string) {
			e.Request.URL = "https://api.shop.com/graphql"
			requestBody("application/graphql", `{user(id:"%"){name}}`)(e, s)
		}, typed: true},
		{place: "ndjson", change: responseBody("application/x-ndjson", "{\"a\":1}\n{\"a\":\"%\"}\n"), typed: true},
		{place: "events", change: responseBody("text/event-stream", "data: {\"a\":\"%\"}\n\n"), typed: true},
		{place: "text event", change: responseBody("text/event-stream", "id: 1\ndata: %\n\n"), typed: true},
		{place: "event comment", change: responseBody("text/event-stream", ": %\ndata: {\"a\":1}\n\n")},
		{place: "sent message", change: message("send", `{"a":"%"}`), typed: true},
		{place: "received message", change: message("receive", `{"a":"%"}`), typed: true},
		{place: "text message", change: message("receive", `%`), typed: true},
		{place: "jsonp", change: responseBody("text/javascript", `cb({"a":"%"});`), typed: true},
		{place: "jwt body", change: func(e *har.Entry, s string) {
			requestBody("", "eyJhbGciOiJIUzI1NiJ9."+base64.RawURLEncoding.EncodeToString([]byte(`{"k":"`+s+`"}`))+".c2ln")(e, s)
		}},
		{place: "grpc", change: func(e *har.Entry, s string) {
			m := append([]byte{0x0a, byte(len(s))}, s...)
			frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m)))
			responseBody("application/grpc", "")(e, s)
			e.Response.Content.Body = slices.Concat(frame, m)
		}, typed: true},
		{place: "status text", change: func(e *har.Entry, s string) { e.Response.StatusText = s }},
		{place: "comment", change: func(e *har.Entry, s string) { e.Comment = s }},
		{place: "error", change: func(e *har.Entry, s string) { e.Harken.Error = s }},
		{place: "client", change: func(e *har.Entry, s string) { e.Harken.Client = s }, typed: true},
		{place: "server", change: func(e *har.Entry, s string) { e.Harken.Server, e.ServerIPAddress = s, s }, typed: true},
		{place: "sensitive sample", change: responseBody(js, `{"mail":"%@example.com"}`)},
		{place: "dropped query", change: dropped(onURL("https://api.shop.com/gone?tok=%")), typed: true},
		{place: "dropped path", change: dropped(onURL("https://api.shop.com/gone/%")), typed: true},
		{place: "dropped body", change: dropped(responseBody(js, `{"a":"%"}`)), typed: true},
		{place: "dropped text", change: dropped(responseBody("text/plain", "it is %"))},
		{place: "undecodable", raw: func(s string) []byte { return []byte(`{"request":{"method":"GET","url":"https://api.shop.com/` + s) }, typed: true},
	}
	return all
}

// record makes the record of a planting: each has a host of its own, so that what
// is dropped has an example each, and its own path.
func (p *planting) record(seq int64, source string) *ingest.Record {
	x := get("https://api.shop.com/x" + fmt.Sprint(seq) + "x")
	x.source, x.collection = source, 5
	r := x.record(seq)
	host := fmt.Sprintf("h%d.shop.com", seq)
	s := secretOf(p.place)
	if p.raw != nil {
		r.Data, r.Host = p.raw(s), host
		return r
	}
	var e har.Entry
	if err := har.DecodeEntry(r.Data, &e); err != nil {
		panic(err)
	}
	e.Harken = &har.Meta{}
	p.change(&e, s)
	e.Request.URL = strings.Replace(e.Request.URL, "api.shop.com", host, 1)
	if i := strings.IndexByte(e.Request.URL, '?'); i >= 0 {
		e.Request.QueryString = har.ParseQuery(e.Request.URL[i+1:])
	}
	r.Data, r.Host = har.AppendEntry(nil, &e), host
	return r
}

// A notingSource gives batches one by one and says when each was learned.
type notingSource struct {
	batches chan []*ingest.Record
	learned chan struct{}
	started bool
}

func newNotingSource() *notingSource {
	return &notingSource{batches: make(chan []*ingest.Record), learned: make(chan struct{}, 10)}
}

// Next is not called again before the last batch was learned.
func (s *notingSource) Next(ctx context.Context) (ingest.Batch, error) {
	if s.started {
		s.learned <- struct{}{}
	}
	s.started = true
	select {
	case rs := <-s.batches:
		return ingest.Batch{Partition: "p", Records: rs}, nil
	case <-ctx.Done():
		return ingest.Batch{}, ctx.Err()
	}
}

func (s *notingSource) give(rs []*ingest.Record) {
	s.batches <- rs
	<-s.learned
}

// stored tells which secrets are in the files of a database, or in its samples, in any
// spelling.
func stored(t *testing.T, dir string) map[string]bool {
	t.Helper()
	var all []byte
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "h.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wholeOf(t, db) { // samples, which are packed in the files
		all = append(all, strings.Join(append(w.Samples, w.Sensitive...), "\n")...)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, p := range plantings() {
		s := secretOf(p.place)
		spellings := []string{s}
		for skip := range 3 { // wherever in base64 it begins
			encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", skip) + s))
			spellings = append(spellings, encoded[4:len(encoded)-4])
		}
		found[p.place] = slices.ContainsFunc(spellings, func(s string) bool { return bytes.Contains(all, []byte(s)) })
	}
	return found
}

// redactLevel is one way to have something redacted.
type redactLevel struct {
	name  string
	set   func(t *testing.T, db *sqlite.DB)
	typed bool
}

func redactLevels() []redactLevel {
	return []redactLevel{
		{name: "account", set: func(t *testing.T, db *sqlite.DB) {
			t.Helper()
			configure(t, db, inventory.Settings{RedactPayload: true})
		}},
		{name: "collection", set: func(t *testing.T, db *sqlite.DB) {
			t.Helper()
			full := db.Full(account)
			for seq := range len(plantings()) + 1 { // of records that are dropped, too
				if _, err := full.HostCollection(t.Context(), fmt.Sprintf("h%d.shop.com", seq), 1); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := full.EnsureCollection(t.Context(), 5, 1); err != nil {
				t.Fatal(err)
			}
			if _, err := full.EditCollections(t.Context(), nil, func(c *inventory.Collection) (bool, error) {
				c.Redact = true
				return true, nil
			}); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "type", typed: true, set: func(t *testing.T, db *sqlite.DB) {
			t.Helper()
			define(t, db, inventory.CustomDataTypes, "HUSH", `{"name":"HUSH","active":true,"redacted":true,
				"valueConditions":{"operator":"AND","predicates":[{"type":"REGEX","value":"hush-[a-z]+-7431"}]}}`)
		}},
	}
}

// TestRedaction plants a secret in every place, has it redacted at every level,
// before it is learned and while it waits to be stored, and looks for it in the
// files of the store.
func TestRedaction(t *testing.T) {
	all := plantings()
	batch := func(source string, first int64) []*ingest.Record {
		var rs []*ingest.Record
		for i := range all {
			r := all[i].record(int64(i+1), source)
			r.Origin.Seq += first
			rs = append(rs, r)
		}
		return rs
	}
	run := func(t *testing.T, source string, change func(*testing.T, *sqlite.DB), when string) (found map[string]bool) {
		t.Helper()
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) { // nothing is stored while the settings change
			db, err := sqlite.Open(t.Context(), filepath.Join(dir, "h.db"))
			if err != nil {
				t.Fatal(err)
			}
			src := newNotingSource()
			if when == "before" {
				change(t, db)
			}
			l, stop := start(t, learn.Config{Source: src, Stores: db, FlushEvery: 5 * time.Second, ReloadEvery: 10 * time.Second})
			src.give(batch(source, 0))
			switch when {
			case "in the window":
				change(t, db)
			case "in the window, and more came": // one aggregate, learned by two configurations
				change(t, db)
				l.Reload()
				src.give(batch(source, 1000))
			}
			stop()
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			found = stored(t, dir)
		})
		return found
	}
	for _, source := range []string{"MIRRORING", "PCAP"} {
		t.Run(source, func(t *testing.T) {
			for place, found := range run(t, source, func(*testing.T, *sqlite.DB) {}, "before") {
				if !found && place != "user" { // of which nothing is kept anyway
					t.Errorf("nothing is redacted, and the secret of %q is not there: the test finds nothing", place)
				}
			}
			for _, level := range redactLevels() {
				for _, when := range []string{"before", "in the window", "in the window, and more came"} {
					found := run(t, source, level.set, when)
					for _, p := range all {
						if found[p.place] && (!level.typed || p.typed || when == "in the window") {
							t.Errorf("%s redacted %s: the secret of %q is stored", level.name, when, p.place)
						}
					}
				}
			}
		})
	}
}

// TestRedactAccountSparesUploads keeps what was uploaded while the account is
// redacted in the window.
func TestRedactAccountSparesUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t)
		src := newNotingSource()
		_, stop := start(t, learn.Config{Source: src, Stores: db, FlushEvery: 5 * time.Second})
		upload, live := get("https://a.b/up?tok=hush"), get("https://a.b/live?tok=hush")
		upload.source = "HAR"
		src.give(records(upload, live))
		configure(t, db, inventory.Settings{RedactPayload: true})
		stop()
		for _, e := range inventoryOf(t, db, account) {
			samples, err := db.Account(account).Samples(t.Context(), e.EndpointKey)
			if err != nil {
				t.Fatal(err)
			}
			if kept := e.URL == "/up"; (len(samples) == 1) != kept || (e.Params[0].Values != nil) != kept || e.Count != 1 {
				t.Errorf("%s: %d samples, params %v", e.URL, len(samples), params(&e))
			}
		}
	})
}

// TestRedactTypeOfBusyEndpoint has a type redacted while an endpoint is learned all
// the time: what the learner remembers of it from before must not outlive that.
func TestRedactTypeOfBusyEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t)
		src := newNotingSource()
		l, stop := start(t, learn.Config{Source: src, Stores: db, FlushEvery: 5 * time.Second, ReloadEvery: 10 * time.Second})
		seq := int64(0)
		give := func(secret string) {
			t.Helper()
			var rs []*ingest.Record
			for range 10 {
				seq++
				x := get("https://a.b/busy?q=" + secret + fmt.Sprint(seq%4))
				rs = append(rs, x.record(seq))
			}
			src.give(rs)
		}
		const typed = `{"name":"HUSH","active":true,"redacted":%t,"valueConditions":{"operator":"AND","predicates":[{"type":"REGEX","value":"hush[0-9]+"}]}}`
		define(t, db, inventory.CustomDataTypes, "HUSH", fmt.Sprintf(typed, false))
		give("hush")
		define(t, db, inventory.CustomDataTypes, "HUSH", fmt.Sprintf(typed, true))
		l.Reload()
		for range 3 {
			give("hush")
			if err := l.WaitFor(t.Context(), mark, seq); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		for _, e := range inventoryOf(t, db, account) {
			for i := range e.Params {
				if p := &e.Params[i]; p.Type != "HUSH" || p.Count != seq || p.Values != nil {
					t.Errorf("%s: %v, want no values of HUSH", e.URL, params(&e))
				}
			}
		}
	})
}
