package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"harken/har"
	"harken/ingest"
)

// A draw says which endpoint a record is of.
type draw uint8

const (
	// drawMixed is what a service sees: four of five records by Zipf's law with
	// exponent 1.1, and one of five, for all endpoints in turn, of crawlers, monitors
	// and tests, so that there is an endpoint that nobody ever called in no corpus.
	drawMixed draw = iota
	drawZipf
	drawUniform
	drawTurn // every endpoint once, in turn
)

var drawNames = []string{"mixed", "zipf", "uniform", "turn"}

const zipf = 1.1

// A traffic makes the records of a corpus. The same seed and numbers give the same
// records. Of a hundred records two have an error status.
type traffic struct {
	c     *corpus
	r     *rand.Rand
	z     *rand.Zipf
	n     uint64 // endpoints that are called
	step  uint64 // a permutation of the endpoints, so that popular ones are on all hosts
	turn  uint64
	how   draw
	ms    int64
	entry har.Entry
	url   []byte
	req   []byte
	res   []byte
	names [maxFields]int
	short bool // the last record lacks a member that others of its endpoint have
}

func newTraffic(c *corpus, seed uint64, how draw) *traffic {
	return trafficTo(c, len(c.ends), seed, how)
}

// trafficTo is traffic to the first endpoints only, which are those of some hosts.
func trafficTo(c *corpus, ends int, seed uint64, how draw) *traffic {
	r := rand.New(rand.NewPCG(c.seed, seed))
	n := uint64(ends)
	t := &traffic{c: c, r: r, z: rand.NewZipf(r, zipf, 1, n-1), how: how, n: n, step: 2654435761 % n, ms: 1764547200_000 + int64(seed)*1e9}
	for t.step == 0 || gcd(t.step, n) != 1 {
		t.step++
	}
	return t
}

func gcd(a, b uint64) uint64 {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// next makes one record, reusing the memory of rec, and names its endpoint.
func (t *traffic) next(rec *ingest.Record) (end int) {
	n := t.n
	var rank uint64
	switch {
	case t.how == drawTurn, t.how == drawMixed && t.r.IntN(5) == 0:
		rank = t.turn % n
		t.turn++
	case t.how == drawUniform:
		rank = t.r.Uint64N(n)
	default:
		rank = t.z.Uint64()
	}
	end = int(rank * t.step % n)
	t.make(&t.c.ends[end], t.c.endSeed(end))
	rec.SetEntry(&t.entry, t.entry.Started)
	return end
}

func (c *corpus) endSeed(end int) uint64 {
	h := uint64(14695981039346656037)
	for _, x := range [...]uint64{c.seed, uint64(end)} {
		for range 8 {
			h = (h ^ x&0xff) * 1099511628211
			x >>= 8
		}
	}
	return h
}

// url is what a record's endpoint was called by, without the query.
func (t *traffic) path() []byte { return t.url[len("https://")+len(t.entry.Request.Headers[0].Value):] }

// kept reports whether a learner counts the record.
func (t *traffic) kept() bool { return t.entry.Response.Status < 300 }

// A field is a member of the bodies that services speak.
type field struct {
	name string
	put  func(dst []byte, r *rand.Rand) []byte
}

const maxFields = 8

func quoted(f func(dst []byte, r *rand.Rand) []byte) func([]byte, *rand.Rand) []byte {
	return func(dst []byte, r *rand.Rand) []byte { return append(f(append(dst, '"'), r), '"') }
}

func idOf(k kind) func([]byte, *rand.Rand) []byte {
	return quoted(func(dst []byte, r *rand.Rand) []byte { return appendID(dst, k, r) })
}

func words(n int) func([]byte, *rand.Rand) []byte {
	return quoted(func(dst []byte, r *rand.Rand) []byte {
		for i := range n {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = append(append(append(dst, oneOf(r, adjectives)...), ' '), oneOf(r, nouns)...)
		}
		return dst
	})
}

func enum(values string) func([]byte, *rand.Rand) []byte {
	list := strings.Fields(values)
	return quoted(func(dst []byte, r *rand.Rand) []byte { return append(dst, oneOf(r, list)...) })
}

func number(limit int64) func([]byte, *rand.Rand) []byte {
	return func(dst []byte, r *rand.Rand) []byte { return strconv.AppendInt(dst, r.Int64N(limit), 10) }
}

func truth(dst []byte, r *rand.Rand) []byte { return strconv.AppendBool(dst, r.IntN(2) == 0) }

func amount(dst []byte, r *rand.Rand) []byte {
	return strconv.AppendFloat(dst, float64(r.IntN(100_000))/100, 'f', 2, 64)
}

func nullOr(f func([]byte, *rand.Rand) []byte) func([]byte, *rand.Rand) []byte {
	return func(dst []byte, r *rand.Rand) []byte {
		if r.IntN(4) == 0 {
			return append(dst, "null"...)
		}
		return f(dst, r)
	}
}

// fields are what bodies are made of. Of the types that are sensitive there is an
// e-mail address in one of twelve, a telephone number in fewer.
var fields = []field{
	{"id", number(1e6)},
	{"uuid", idOf(kUUID)},
	{"externalId", idOf(kPrefixed)},
	{"name", words(1)},
	{"title", words(2)},
	{"description", words(9)},
	{"summary", words(5)},
	{"note", words(7)},
	{"email", idOf(kEmail)},
	{"createdAt", idOf(kTimestamp)},
	{"updatedAt", idOf(kTimestamp)},
	{"dueOn", idOf(kDate)},
	{"status", enum("active pending closed failed")},
	{"state", enum("open done blocked")},
	{"type", enum("basic plus pro team")},
	{"currency", enum("EUR USD GBP JPY PLN")},
	{"country", enum("DE US GB JP PL NG BR IN")},
	{"language", idOf(kLocale)},
	{"amount", amount},
	{"total", amount},
	{"price", amount},
	{"tax", amount},
	{"quantity", number(50)},
	{"count", number(5000)},
	{"version", number(30)},
	{"priority", number(5)},
	{"position", number(100)},
	{"weight", amount},
	{"enabled", truth},
	{"archived", truth},
	{"verified", truth},
	{"public", truth},
	{"ownerId", idOf(kUUID)},
	{"parentId", number(1e6)},
	{"accountId", idOf(kObjectID)},
	{"reference", idOf(kCode)},
	{"checksum", idOf(kHash)},
	{"slug", idOf(kSlug)},
	{"label", words(1)},
	{"category", enum("a b c d e f")},
	{"score", amount},
	{"rating", number(6)},
	{"latitude", amount},
	{"longitude", amount},
	{"city", words(1)},
	{"street", words(1)},
	{"zip", number(99999)},
	{"locale", idOf(kLocale)},
	{"release", idOf(kSemver)},
	{"deletedAt", nullOr(idOf(kTimestamp))},
	{"assignee", nullOr(idOf(kHandle))},
	{"color", enum("red green blue")},
	{"size", number(1e7)},
	{"duration", number(1e5)},
	{"retries", number(4)},
	{"tokenId", idOf(kNano)},
	{"region", enum("eu-west-1 us-east-1 ap-south-1")},
	{"level", number(9)},
	{"comment", words(6)},
	{"phone", quoted(func(dst []byte, r *rand.Rand) []byte { return fmt.Appendf(dst, "+1650253%04d", r.IntN(10000)) })},
}

// choose gives the fields of a body of an endpoint, always the same.
func (t *traffic) choose(seed uint64, from, n int) []int {
	var own rand.PCG
	own.Seed(seed, uint64(from))
	r := rand.New(&own)
	at, step := r.IntN(len(fields)), []int{7, 11, 13, 17, 19, 23}[r.IntN(6)]
	for i := range n {
		t.names[i] = (at + i*step) % len(fields)
	}
	return t.names[:n]
}

// object appends an object; seed gives the names, r the values. One of ten
// endpoints leaves a member out now and then, as services do with what is optional.
func (t *traffic) object(dst []byte, names []int, optional bool) []byte {
	dst = append(dst, '{')
	first := true
	for i, n := range names {
		if optional && i == len(names)-1 && i > 0 && t.r.IntN(3) == 0 {
			t.short = true
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(append(dst, '"'), fields[n].name...), `":`...)
		dst = fields[n].put(dst, t.r)
	}
	return append(dst, '}')
}

var (
	agents = []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
		"okhttp/4.12.0", "python-requests/2.32.3", "Go-http-client/2.0", "axios/1.7.9", "PostmanRuntime/7.43.0",
	}
	queries = []string{"", "", "", "?page=%d&limit=20", "?expand=items&since=%d", "?q=lamp&offset=%d", "?limit=%d"}
)

// make fills t.entry with an exchange of an endpoint.
func (t *traffic) make(e *endpoint, seed uint64) {
	r, en := t.r, &t.entry
	host := t.c.hosts[e.host]
	t.url = append(append(t.url[:0], "https://"...), host...)
	t.url = e.appendPath(t.url, r)
	path := string(t.url)
	if q := queries[seed%uint64(len(queries))]; q != "" && e.method == "GET" {
		path += strings.Replace(q, "%d", strconv.Itoa(r.IntN(1000)), 1)
	}
	t.ms += int64(r.IntN(5))
	when := time.UnixMilli(t.ms).UTC()
	write := e.method == "POST" || e.method == "PUT" || e.method == "PATCH"
	status, text := statusOf(e.method)
	failed := r.IntN(50) == 0
	if failed {
		status, text = 404, "Not Found"
	}
	t.req, t.res, t.short = t.req[:0], t.res[:0], false
	k := 3 + int(seed>>8%4) // members of the response's object
	optional := seed>>16%10 == 0
	if write {
		t.req = t.object(t.req, t.choose(seed, 1, 2+int(seed>>12%3)), optional)
	}
	switch names := t.choose(seed, 2, k); {
	case failed:
		t.res = append(t.res, `{"error":"not found"}`...)
	case status == 204 || e.method == "HEAD":
	case e.method == "GET" && (len(e.segs) == 0 || e.segs[len(e.segs)-1].literal != ""): // a list
		t.res = append(t.res, `{"items":[`...)
		for i := range 3 + int(seed>>20%5) {
			if i > 0 {
				t.res = append(t.res, ',')
			}
			t.res = t.object(t.res, names, false)
		}
		t.res = append(strconv.AppendInt(append(t.res, `],"total":`...), r.Int64N(5000), 10), '}')
	default:
		t.res = t.object(t.res, names, optional)
	}
	client := "10." + strconv.Itoa(r.IntN(4)) + "." + strconv.Itoa(r.IntN(256)) + "." + strconv.Itoa(1+r.IntN(254)) + ":50000"
	user := r.Uint64N(400)
	*en = har.Entry{
		Started: when, Time: time.Duration(1+r.IntN(200)) * time.Millisecond, ServerIPAddress: "10.9.0.7", Connection: "17",
		Request: har.Request{
			Method: e.method, URL: path, HTTPVersion: "HTTP/1.1", HeadersSize: 700, BodySize: int64(len(t.req)),
			Headers: append(en.Request.Headers[:0], har.Header{Name: "Host", Value: host}, har.Header{Name: "User-Agent", Value: agents[user%uint64(len(agents))]},
				har.Header{Name: "Authorization", Value: bearer(seed^uint64(e.host), user)}),
		},
		Response: har.Response{
			Status: status, StatusText: text, HTTPVersion: "HTTP/1.1", HeadersSize: 160, BodySize: int64(len(t.res)),
			Headers: append(en.Response.Headers[:0], har.Header{Name: "Date", Value: when.Format("Mon, 02 Jan 2006 15:04:05 GMT")}),
			Content: har.Content{Size: int64(len(t.res)), Body: t.res},
		},
		Timings: har.Timings{Blocked: -1, DNS: -1, Connect: -1, SSL: -1, Send: time.Millisecond, Wait: 9 * time.Millisecond, Receive: time.Millisecond},
		Harken: &har.Meta{
			ID: idAt(t.ms, r), Account: "1000000", Source: "MIRRORING", Direction: "1", Client: client, Server: "10.9.0.7:443",
			TLS: &har.TLS{Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", SNI: host, ALPN: "http/1.1"},
		},
	}
	if write {
		en.Request.Headers = append(en.Request.Headers, har.Header{Name: "Content-Type", Value: "application/json"})
		en.Request.PostData = &har.PostData{MimeType: "application/json", Body: t.req}
	}
	if len(t.res) > 0 {
		en.Response.Content.MimeType = "application/json; charset=utf-8"
		en.Response.Headers = append(en.Response.Headers, har.Header{Name: "Content-Type", Value: "application/json; charset=utf-8"})
	}
}

func statusOf(method string) (int, string) {
	switch method {
	case "POST":
		return 201, "Created"
	case "DELETE":
		return 204, "No Content"
	}
	return 200, "OK"
}

// bearer is a token with a handful of claims; a user keeps it.
func bearer(host, user uint64) string {
	var own rand.PCG
	own.Seed(host&0xff, user)
	r := rand.New(&own)
	b := []byte("Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MjAwMDAwIiwiaXNzIjoiaHR0cHM6Ly9pZC5leGFtcGxlLmNvbS8iLCJhdWQiOiJhcGki")
	b = from(b, r, base62, 120)
	b = append(b, '.')
	return string(from(b, r, base62+"_-", 86))
}

// idAt is the UUIDv7 of a time.
func idAt(ms int64, r *rand.Rand) string {
	return fmt.Sprintf("%08x-%04x-7%03x-8%03x-%012x", ms>>16, ms&0xffff, r.IntN(1<<12), r.IntN(1<<12), r.Uint64N(1<<48))
}
