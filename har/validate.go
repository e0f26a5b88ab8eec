package har

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxProblems is how many problems Summarize keeps; Summary.Problems counts all.
const MaxProblems = 1000

// A Problem is where a document departs from HAR 1.2.
type Problem struct {
	Entry  int    // 1-based; 0 is the document
	Member string // "response.content.size"; may be empty
	Msg    string
}

// String returns the problem as a line for people.
func (p Problem) String() string {
	s := p.Msg
	if p.Member != "" {
		s = p.Member + ": " + s
	}
	if p.Entry > 0 {
		s = "entry " + strconv.Itoa(p.Entry) + ": " + s
	}
	return s
}

// A Summary is what a HAR document holds.
type Summary struct {
	Log           Log
	Entries       int            // all, also those that cannot be read
	Unreadable    int            // entries that cannot be read
	Hosts         map[string]int // entries by lower-cased host, with port
	Methods       map[string]int
	Statuses      map[int]int // 0: no response
	First, Last   time.Time   // of startedDateTime; zero if no entry has one
	RequestBytes  int64       // decoded bodies in the document
	ResponseBytes int64
	Messages      int            // WebSocket messages
	Flags         map[string]int // of _harken
	Problems      int
}

// Summarize reads a whole document and returns what it holds and, by entry and
// member, where it breaks a requirement of HAR 1.2. The error is of type
// *DocumentError if the document is not HAR to its end; the summary then is of
// the entries before. Memory does not depend on the number of entries.
func Summarize(r io.Reader) (Summary, []Problem, error) {
	v := validator{sum: Summary{Hosts: map[string]int{}, Methods: map[string]int{}, Statuses: map[int]int{}, Flags: map[string]int{}}}
	rd := NewReader(r)
	for {
		raw, err := rd.Next()
		if _, ok := errors.AsType[*EntryError](err); err != nil && !ok {
			v.sum.Log = rd.Log()
			v.document()
			v.sum.Problems = v.count
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return v.sum, v.problems, err
		}
		v.sum.Entries++
		v.entry = rd.Index()
		if err == nil {
			err = v.read(rd, raw)
		}
		if ee, ok := errors.AsType[*EntryError](err); ok {
			v.sum.Unreadable++
			v.add("", "%v", ee.Err)
		}
	}
}

// Validate returns only the problems of a document. See Summarize.
func Validate(r io.Reader) ([]Problem, error) {
	_, ps, err := Summarize(r)
	return ps, err
}

type validator struct {
	sum      Summary
	problems []Problem
	count    int
	entry    int
}

func (v *validator) add(member, format string, args ...any) {
	v.count++
	if len(v.problems) < MaxProblems {
		v.problems = append(v.problems, Problem{v.entry, member, fmt.Sprintf(format, args...)})
	}
}

func (v *validator) document() {
	v.entry = 0
	l := v.sum.Log
	for _, m := range [...][2]string{{"log.version", l.Version}, {"log.creator.name", l.Creator}, {"log.creator.version", l.CreatorVersion}} {
		if m[1] == "" {
			v.add(m[0], "missing or not a string")
		}
	}
	if l.Version != "" && l.Version != "1.1" && l.Version != Version {
		v.add("log.version", "%q is neither 1.1 nor 1.2", l.Version)
	}
}

func (v *validator) read(rd *Reader, raw []byte) error {
	var e Entry
	if err := rd.Decode(&e); err != nil {
		return err
	}
	v.tally(&e)
	if !json.Valid(raw) {
		v.add("", "read leniently, as it is not JSON")
	}
	d := decoder{b: bytes.Clone(raw)}
	if err := v.object(&d, nil, entryRules); err != nil {
		v.add("", "%v", err)
	}
	return nil
}

func (v *validator) tally(e *Entry) {
	s := &v.sum
	host := ""
	if u, err := url.Parse(e.Request.URL); err == nil {
		host = strings.ToLower(u.Host)
	}
	s.Hosts[host]++
	s.Methods[e.Request.Method]++
	s.Statuses[e.Response.Status]++
	if t := e.Started; !t.IsZero() {
		if s.First.IsZero() || t.Before(s.First) {
			s.First = t
		}
		if t.After(s.Last) {
			s.Last = t
		}
	}
	if e.Request.PostData != nil {
		s.RequestBytes += int64(len(e.Request.PostData.Body))
	}
	s.ResponseBytes += int64(len(e.Response.Content.Body))
	s.Messages += len(e.WebSocketMessages)
	if e.Harken != nil {
		for _, f := range e.Harken.Flags {
			s.Flags[f]++
		}
	}
}

// A rule is what HAR 1.2 asks of one member.
type rule struct {
	name     string
	kind     kind
	optional bool
	members  []rule // of an object, or of each element of an array
}

type kind int

const (
	isString kind = iota
	isNumber
	isSize // a number from -1 on: -1 is "not known" for sizes and phases
	isBool
	isTime
	isObject
	isArray // of objects
)

var (
	pairRules   = []rule{{name: "name"}, {name: "value"}}
	cookieRules = []rule{
		{name: "name"},
		{name: "value"},
		{name: "path", optional: true},
		{name: "domain", optional: true},
		{name: "expires", kind: isTime, optional: true},
		{name: "httpOnly", kind: isBool, optional: true},
		{name: "secure", kind: isBool, optional: true},
	}
	paramRules = []rule{
		{name: "name"},
		{name: "value", optional: true},
		{name: "fileName", optional: true},
		{name: "contentType", optional: true},
	}
	requestRules = []rule{
		{name: "method"},
		{name: "url"},
		{name: "httpVersion"},
		{name: "cookies", kind: isArray, members: cookieRules},
		{name: "headers", kind: isArray, members: pairRules},
		{name: "queryString", kind: isArray, members: pairRules},
		{name: "postData", kind: isObject, optional: true, members: []rule{
			{name: "mimeType"},
			{name: "params", kind: isArray, optional: true, members: paramRules},
			{name: "text", optional: true},
		}},
		{name: "headersSize", kind: isSize},
		{name: "bodySize", kind: isSize},
	}
	responseRules = []rule{
		{name: "status", kind: isNumber},
		{name: "statusText"},
		{name: "httpVersion"},
		{name: "cookies", kind: isArray, members: cookieRules},
		{name: "headers", kind: isArray, members: pairRules},
		{name: "content", kind: isObject, members: []rule{
			{name: "size", kind: isSize},
			{name: "compression", kind: isNumber, optional: true},
			{name: "mimeType"},
			{name: "text", optional: true},
			{name: "encoding", optional: true},
		}},
		{name: "redirectURL"},
		{name: "headersSize", kind: isSize},
		{name: "bodySize", kind: isSize},
	}
	entryRules = []rule{
		{name: "startedDateTime", kind: isTime},
		{name: "time", kind: isSize},
		{name: "request", kind: isObject, members: requestRules},
		{name: "response", kind: isObject, members: responseRules},
		{name: "cache", kind: isObject},
		{name: "timings", kind: isObject, members: []rule{
			{name: "blocked", kind: isSize, optional: true},
			{name: "dns", kind: isSize, optional: true},
			{name: "connect", kind: isSize, optional: true},
			{name: "send", kind: isSize},
			{name: "wait", kind: isSize},
			{name: "receive", kind: isSize},
			{name: "ssl", kind: isSize, optional: true},
		}},
		{name: "serverIPAddress", optional: true},
		{name: "connection", optional: true},
		{name: "pageref", optional: true},
		{name: "comment", optional: true},
	}
)

// A path is where a value stands, as a list from the inside out: most values are
// right, and then nobody spells it.
type path struct {
	in    *path
	name  string
	index int // of an element, if name is empty
}

func (p *path) String() string {
	switch {
	case p == nil:
		return ""
	case p.name == "":
		return p.in.String() + "[" + strconv.Itoa(p.index) + "]"
	case p.in == nil:
		return p.name
	}
	return p.in.String() + "." + p.name
}

// An objectCheck is an object that is being compared with its rules.
type objectCheck struct {
	v     *validator
	at    *path
	rules []rule
	seen  [16]bool
}

// object reads the object that comes next; its members may be anything.
func (v *validator) object(d *decoder, at *path, rules []rule) *DecodeError {
	o := objectCheck{v: v, at: at, rules: rules}
	err := object(d, &o, func(d *decoder, o *objectCheck, name string) *DecodeError {
		for i := range o.rules {
			if r := &o.rules[i]; r.name == name {
				o.seen[i] = true
				return o.v.value(d, &path{in: o.at, name: r.name}, r)
			}
		}
		return d.skip()
	})
	for i := range rules {
		if !o.seen[i] && !rules[i].optional {
			v.add((&path{in: at, name: rules[i].name}).String(), "missing")
		}
	}
	return err
}

func (v *validator) value(d *decoder, at *path, r *rule) *DecodeError {
	c := d.peek()
	switch found := kindOf(c); {
	case r.kind == isObject && c == '{':
		return v.object(d, at, r.members)
	case r.kind == isArray && c == '[':
		n := 0
		_, err := array(d, nil, func(d *decoder, _ *struct{}) *DecodeError {
			n++
			return v.value(d, &path{in: at, index: n - 1}, &rule{kind: isObject, members: r.members})
		})
		return err
	case r.kind == isBool && found == "a boolean", r.kind == isNumber && found == "a number", r.kind == isString && c == '"':
		return d.skip()
	case r.kind == isSize && found == "a number":
		b, err := d.scalar()
		if n, _ := fixedPoint(b, 6); n < 0 && n != -1e6 {
			v.add(at.String(), "%s is negative", b)
		}
		return err
	case r.kind == isTime && c == '"':
		b, err := d.text()
		v.time(at, string(b), r.optional)
		return err
	default:
		v.add(at.String(), "want %s, found %s", [...]string{"a string", "a number", "a number", "a boolean", "a date", "an object", "an array"}[r.kind], found)
		return d.skip()
	}
}

func (v *validator) time(at *path, s string, optional bool) {
	if _, err := time.Parse(time.RFC3339, s); err == nil || optional && s == "" {
		return
	}
	v.add(at.String(), "%s is not a date of RFC 3339", strconv.Quote(s[:min(len(s), 40)]))
}

// SortedKeys returns the keys of one of a Summary's maps, the most frequent
// first, equal ones in order.
func SortedKeys[K int | string](m map[K]int) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b K) int {
		switch {
		case m[a] != m[b]:
			return m[b] - m[a]
		case a < b:
			return -1
		default:
			return 1
		}
	})
	return keys
}
