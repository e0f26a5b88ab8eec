package redact_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"harken/har"
	"harken/har/redact"
)

// A maker makes random entries in which every value contains one of its secrets.
type maker struct{ *rand.Rand }

const secretWord = "s3cr"

func (m *maker) secret() string {
	return secretWord + []string{"", "et", " x", "=y", "&z", `"q`, "<b>", "é", "@b.de", ";", "\\n", "+", "%41", ",", "]]"}[m.IntN(15)] + fmt.Sprint(m.IntN(100))
}

func (m *maker) safe() string { return secretWord + fmt.Sprint(m.IntN(1000)) }

func quote(s string) string { b, _ := json.Marshal(s); return string(b) }

func (m *maker) json(depth int) string {
	n := m.IntN(9)
	if depth == 0 {
		n = 8
	}
	if depth > 4 {
		n = m.IntN(5)
	}
	sp := []string{"", " ", "\n "}[m.IntN(3)]
	switch n {
	case 0:
		return fmt.Sprintf("9876543%d", m.IntN(1000)) // see holds
	case 1:
		return []string{"true", "null", "1.50e3"}[m.IntN(3)]
	case 2, 3, 4:
		return quote(m.secret())
	case 5:
		return "[]"
	case 6:
		return "{}"
	case 7:
		var items []string
		for range 1 + m.IntN(3) {
			items = append(items, m.json(depth+1))
		}
		return "[" + sp + strings.Join(items, ","+sp) + "]"
	default:
		var items []string
		for i := range 1 + m.IntN(3) {
			items = append(items, fmt.Sprintf("%q:%s%s", fmt.Sprintf("k%d", i), sp, m.json(depth+1)))
		}
		return "{" + strings.Join(items, ","+sp) + "}"
	}
}

func (m *maker) xml(depth int) string {
	esc := strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;").Replace
	s := fmt.Sprintf(`<n:e a="%s">`, esc(m.secret()))
	for range m.IntN(4) {
		switch m.IntN(6) {
		case 0:
			s += esc(m.secret())
		case 1:
			s += "<![CDATA[" + strings.ReplaceAll(m.secret(), "]]", "") + "]]>"
		case 2:
			s += "<!-- " + m.secret() + " -->"
		case 3:
			s += "<?pi " + m.secret() + "?>"
		default:
			if depth < 4 {
				s += m.xml(depth + 1)
			}
		}
	}
	return s + "</n:e>"
}

func (m *maker) protobuf(depth int) string {
	var b []byte
	for i := range 1 + m.IntN(3) {
		if m.IntN(3) == 0 && depth < 4 {
			inner := m.protobuf(depth + 1)
			b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(i+1)<<3|2), uint64(len(inner)))
			b = append(b, inner...)
			continue
		}
		v := m.secret()
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(i+1)<<3|2), uint64(len(v)))
		b = append(b, v...)
	}
	return string(b)
}

// body gives a content type and a body.
func (m *maker) body() (contentType, body string) {
	switch m.IntN(14) {
	case 0, 1, 2:
		return []string{"application/json", "", "text/plain; x=y", "application/problem+json"}[m.IntN(4)], m.json(0)
	case 3:
		return "application/x-ndjson", m.json(9) + "\n" + strings.ReplaceAll(m.json(0), "\n", "") + "\n"
	case 4:
		return "text/event-stream", "event: " + m.safe() + "\nid: " + m.safe() + "\ndata: " + strings.ReplaceAll(m.json(0), "\n", "\ndata: ") + "\n\n: " + m.safe() + "\ndata: " + m.safe() + "\n\n"
	case 5:
		return "application/x-www-form-urlencoded", "a=" + url.QueryEscape(m.secret()) + "&b=" + url.QueryEscape(m.json(0)) + "&" + m.safe()
	case 6:
		return "multipart/form-data; boundary=XyZ", fmt.Sprintf("%s\r\n--XyZ\r\nContent-Disposition: form-data; name=\"a\"\r\nX-B: %s\r\n\r\n%s\r\n--XyZ\r\nContent-Disposition: form-data; name=\"f\"; filename=\"%s\"\r\nContent-Type: application/json\r\n\r\n%s\r\n--XyZ--\r\n%s",
			m.secret(), m.secret(), m.secret(), m.safe(), m.json(0), m.secret())
	case 7:
		return []string{"text/xml", "application/soap+xml"}[m.IntN(2)], `<?xml version="1.0"?><!DOCTYPE e [<!ENTITY a "` + m.safe() + `">]><n:e xmlns:n="u">` + m.xml(0) + "</n:e>\n"
	case 8:
		p := m.protobuf(0)
		frame := string(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(p)))) + p
		if m.IntN(2) == 0 {
			frame = base64.StdEncoding.EncodeToString([]byte(frame))
		}
		return "application/grpc-web", frame
	case 9:
		return "application/json", `{"query":` + quote(fmt.Sprintf("query Q($a: [A!] = %s) { b: c(d: %s, e: [%s, {f: \"\"\"%s\"\"\"}]) { g } } # %s", quote(m.safe()), quote(m.safe()), quote(m.safe()), m.safe(), m.safe())) + `,"variables":` + m.json(0) + "}"
	case 10:
		return "application/javascript", "cb(" + m.json(0) + ");"
	case 11:
		return "text/html", "<p>" + m.secret()
	case 12:
		return "application/octet-stream", "\xff\x00" + m.secret()
	default:
		return "application/json", m.json(0) + m.secret() // not valid
	}
}

func (m *maker) entry() *har.Entry {
	hs := func(ct string) []har.Header {
		return []har.Header{
			{Name: "content-type", Value: ct},
			{Name: "X-A", Value: m.secret()},
			{Name: "cookie", Value: "a=" + m.safe() + "; b=\"" + m.safe() + "\"; " + m.safe()},
			{Name: "content-length", Value: m.safe()},
		}
	}
	reqType, reqBody := m.body()
	resType, resBody := m.body()
	q := url.QueryEscape(m.secret())
	e := &har.Entry{
		Request: har.Request{
			Method: "POST", URL: "https://" + m.safe() + ":" + m.safe() + "@h.example/graphql/a/" + url.PathEscape(m.secret()) + "/b?x=" + q + "&" + m.safe() + "#y=" + m.safe(),
			Headers: hs(reqType), QueryString: []har.Header{{Name: "x", Value: m.secret()}, {Name: m.safe()}},
			Cookies:  []har.Cookie{{Name: "a", Value: m.secret(), Path: "/" + m.safe()}},
			PostData: &har.PostData{Body: []byte(reqBody), Params: []har.Param{{Name: "p", Value: m.secret(), FileName: m.secret(), ContentType: "text/plain; a=" + m.safe()}}},
		},
		Response: har.Response{
			Status: 200, StatusText: m.secret(), Headers: hs(""), Cookies: []har.Cookie{{Name: "a", Value: m.secret()}},
			Content: har.Content{MimeType: resType, Body: []byte(resBody)}, RedirectURL: "/x/" + m.secret(),
		},
		ServerIPAddress: m.secret(), Connection: m.secret(), Comment: m.secret(),
		Harken: &har.Meta{ID: "0190", Client: m.secret(), Server: m.secret(), Error: m.secret()},
		WebSocketMessages: []har.WebSocketMessage{
			{Type: "send", Opcode: 1, Data: []byte(m.json(0))},
			{Type: "send", Opcode: 2, Data: []byte("\xff" + m.secret())},
			{Type: "receive", Opcode: 1, Data: []byte("42[\"m\"," + m.json(0) + "]")},
			{Type: "receive", Opcode: 1, Data: []byte(m.json(0) + "\x1e" + m.json(0) + "\x1e")},
			{Type: "receive", Opcode: 9, Data: []byte(m.secret())},
		},
	}
	if m.IntN(3) == 0 { // what was cut, or is broken
		b := e.Response.Content.Body
		e.Response.Content.Body = b[:m.IntN(len(b)+1)]
		if n := len(reqBody); n > 0 {
			e.Request.PostData.Body[m.IntN(n)] = "{}[]<>\"\\:,-=&\n\x00"[m.IntN(15)]
		}
	}
	if m.IntN(2) == 0 {
		e.Request.PostData.MimeType = []string{"application/json", "text/plain", "application/x-www-form-urlencoded", "text/xml"}[m.IntN(4)]
	}
	return e
}

// holds reports a secret, plain or in the base64 that AppendEntry writes.
func holds(e *har.Entry) bool {
	b := string(har.AppendEntry(nil, e))
	if strings.Contains(b, secretWord) || strings.Contains(b, "9876543") {
		return true
	}
	bodies := [][]byte{e.Response.Content.Body, e.Request.PostData.Body}
	for _, m := range e.WebSocketMessages {
		bodies = append(bodies, m.Data)
	}
	for _, body := range bodies {
		if strings.Contains(string(body), secretWord) {
			return true
		}
		if d, err := base64.StdEncoding.DecodeString(string(body)); err == nil && strings.Contains(string(d), secretWord) {
			return true
		}
	}
	return false
}

// shape is a document with all leaves alike.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = shape(v[k])
		}
		return v
	case []any:
		for i := range v {
			v[i] = shape(v[i])
		}
		return v
	}
	return 0
}

func checkShape(t *testing.T, before, after []byte) {
	t.Helper()
	if !json.Valid(before) {
		return
	}
	if !json.Valid(after) {
		t.Fatalf("valid JSON became invalid:\n%s\n%s", before, after)
	}
	var a, b any
	_, _ = json.Unmarshal(before, &a), json.Unmarshal(after, &b)
	x, _ := json.Marshal(shape(a))
	y, _ := json.Marshal(shape(b))
	if string(x) != string(y) {
		t.Fatalf("the structure changed:\n%s\n%s", before, after)
	}
}

func TestNoSecretIsLeft(t *testing.T) {
	rounds := uint64(3000 / slower)
	if testing.Short() {
		rounds = 300
	}
	secret := func(_, v string) bool {
		return strings.Contains(v, secretWord) || strings.Contains(v, "9876543")
	}
	key := []byte("0123456789abcdef0123")
	for name, c := range map[string]redact.Config{
		"all": {All: true}, "all with key": {All: true, Key: key},
		"types": {Types: secret}, "types with key": {Types: secret, Key: key},
	} {
		r := must(t, c)
		for seed := range rounds {
			m := maker{Rand: rand.New(rand.NewPCG(seed, 1))}
			e := m.entry()
			before := [][]byte{slices.Clone(e.Request.PostData.Body), slices.Clone(e.Response.Content.Body)}
			in := string(har.AppendEntry(nil, e))
			r.Entry(e, "/graphql/a/STRING/b")
			once := string(har.AppendEntry(nil, e))
			if c.All && holds(e) {
				t.Fatalf("%s, seed %d: a secret is left:\n%s\n%s", name, seed, in, once)
			}
			checkShape(t, before[0], e.Request.PostData.Body)
			checkShape(t, before[1], e.Response.Content.Body)
			r.Entry(e, "/graphql/a/STRING/b")
			if twice := string(har.AppendEntry(nil, e)); twice != once {
				t.Fatalf("%s, seed %d: not the same the second time:\n%s\n%s\n%s", name, seed, in, once, twice)
			}
		}
	}
}

// aside is what is not a value: comments of GraphQL and event streams, what has no
// name in a form, headers and surroundings of multipart, and in XML instructions
// and the document type.
var aside = regexp.MustCompile(`(?s)\} # s3cr\d+|(?m:^: s3cr\d+$)|&s3cr\d+$|^[^{]*\r\n--XyZ\r\n|X-B: [^\r]*\r\n|--XyZ--.*$|<\?pi .*?\?>|<!DOCTYPE .*?\]>`)

// What is asked for by type is replaced in every encoding, and nothing else is.
func TestTypesInEveryBody(t *testing.T) {
	hide := must(t, redact.Config{Types: func(_, v string) bool {
		return strings.Contains(v, secretWord) || strings.Contains(v, "9876543")
	}})
	nothing := must(t, redact.Config{Types: func(_, _ string) bool { return false }, Paths: []string{"$..none"}, Query: []string{"none"}, Headers: []string{"none"}})
	for seed := range uint64(3000 / slower) {
		m := maker{Rand: rand.New(rand.NewPCG(seed, 2))}
		ct, in := m.body()
		e := &har.Entry{Request: har.Request{URL: "https://h/graphql", PostData: &har.PostData{MimeType: ct, Body: []byte(in)}}}
		nothing.Entry(e, "")
		broken := ct == "application/x-ndjson" || ct == "application/json" && !json.Valid([]byte(in))
		if got := string(e.Request.PostData.Body); got != in && !broken {
			t.Fatalf("seed %d: %s changed:\n%s\n%s", seed, ct, in, got)
		}
		if ct == "application/octet-stream" || ct == "text/html" {
			continue // not UTF-8, or free text: asked about as a whole
		}
		e.Request.PostData.Body = []byte(in)
		hide.Entry(e, "")
		got := string(e.Request.PostData.Body)
		if d, err := base64.StdEncoding.DecodeString(got); err == nil {
			got = string(d)
		}
		got = aside.ReplaceAllString(got, "")
		if strings.Contains(got, secretWord) || strings.Contains(got, "9876543") {
			t.Fatalf("seed %d: %s still has a secret:\n%s\n%s", seed, ct, in, got)
		}
	}
}
