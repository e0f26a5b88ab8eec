// Package redact replaces secrets in HAR entries: in headers, cookies, URLs and
// bodies of JSON, NDJSON, event streams, forms, multipart, XML, GraphQL and gRPC,
// and in WebSocket messages. It rewrites the text around what it replaces as it
// was: order, spacing and numbers stay, and so do all names.
//
// What begins as JSON, XML or gRPC and cannot be read to its end, often because
// the body was cut, is kept up to there, and a mask stands for the rest: secrets
// may be in it.
//
// It does not look for secrets within plain text, in names of members, or in
// what is encoded beyond these forms (base64, files), and it leaves the sizes of
// an entry, content.size and the header content-length among them, as they are:
// they are the truth of what was sent.
package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
	"unsafe"

	"harken/har"
)

// Mask is what secrets are replaced by when there is no key.
const Mask = "****"

// tokenPrefix begins what secrets are replaced by when there is a key.
const tokenPrefix = "tok_"

// MinKey is the length of the shortest key, in bytes: whoever guesses the key can
// find short secrets by trying them.
const MinKey = 16

// Config says what is a secret. The zero value replaces nothing.
type Config struct {
	// All replaces every value: of headers (content-length excepted), cookies, the
	// query, and bodies; addresses; the segments of the path where the template
	// has placeholders; text of people (comment, error). Bodies keep their
	// structure: every leaf of JSON and of XML, every field of a form, every
	// argument of GraphQL is replaced; JSON that cannot be read becomes "{}", and
	// any other body a mask. Host, method, status, times, sizes, flags and tags
	// stay.
	All bool
	// Headers are names, in any case, of headers whose values are replaced: of
	// cookie each cookie's value, of others the whole value. With "cookie" and
	// "set-cookie" go the lists of cookies, with "authorization" what a URL
	// holds before its host, with "location" the redirect URL.
	Headers []string
	// Query are names, in any case, of parameters whose values are replaced: of
	// the query of the URL, of URLs in headers, and of forms.
	Query []string
	// Paths name members of JSON documents (bodies, lines, events, messages) and,
	// alike, the fields of forms, elements and attributes of XML, and fields and
	// arguments of GraphQL. A document in a field of a form or in a string is
	// below its name. A path is made of names joined by points, in any case:
	//
	//	user.email      the member email of the member user of the root
	//	user.*          every member of user; the whole of user is "user"
	//	items[*].card   of each element of items; arrays are also looked through
	//	                without [*], so "items.card" is the same
	//	$..password     the member password at any depth; "$." and "$" are optional
	//	a['b.c']        a name with points
	//
	// Of what is not a leaf all leaves are replaced. In XML the root does not
	// count, nor does the element Body below it.
	Paths []string
	// Types, unless nil, is asked about every value that the rest has not
	// replaced. key is the name of the header, cookie, parameter, member (for the
	// elements of an array that of the array) or element; "param_" and the number
	// of a field of gRPC; the number of a segment of the path, from 0; empty for a
	// body that is plain text. value is decoded; numbers are as written. Neither
	// may be kept. It must be safe for concurrent use if the Redactor is used so.
	Types func(key, value string) bool
	// Key, unless empty, makes secrets be replaced by tokens, so that equal secrets
	// stay equal: "tok_" and 24 characters of base32, of HMAC-SHA-256.
	Key []byte
}

// A Redactor replaces secrets in entries. It is safe for concurrent use.
type Redactor struct {
	all     bool
	headers []string
	query   []string
	paths   []path
	types   func(key, value string) bool
	key     []byte
	workers sync.Pool
}

// New checks the configuration. The error names the field and the element.
func New(c Config) (*Redactor, error) {
	r := &Redactor{all: c.All, types: c.Types, key: append([]byte(nil), c.Key...)}
	if len(c.Key) > 0 && len(c.Key) < MinKey {
		return nil, fmt.Errorf("key of %d bytes, want at least %d", len(c.Key), MinKey)
	}
	var err error
	if r.headers, err = names("header", c.Headers); err != nil {
		return nil, err
	}
	if r.query, err = names("query key", c.Query); err != nil {
		return nil, err
	}
	for _, s := range c.Paths {
		p, err := parsePath(s)
		if err != nil {
			return nil, fmt.Errorf("path %q: %w", s, err)
		}
		r.paths = append(r.paths, p)
	}
	return r, nil
}

var errNoName = errors.New("empty name")

func names(what string, list []string) ([]string, error) {
	var out []string
	for _, n := range list {
		if n = strings.ToLower(strings.TrimSpace(n)); n == "" {
			return nil, fmt.Errorf("%s: %w", what, errNoName)
		}
		out = append(out, n)
	}
	return out, nil
}

// Entry replaces the secrets of e. template is the path template of its
// endpoint; it is only needed with Config.All, and if it is empty the path of the
// URL stays. Doing it twice is doing it once. The bytes of bodies are not written
// to: what changes is replaced.
func (r *Redactor) Entry(e *har.Entry, template string) {
	w := r.worker()
	defer r.workers.Put(w)
	w.entry(e, template)
}

// worker gives one that nobody else uses.
func (r *Redactor) worker() *worker {
	w, _ := r.workers.Get().(*worker)
	if w == nil {
		w = &worker{r: r}
		if len(r.key) > 0 {
			w.mac = hmac.New(sha256.New, r.key)
		}
		w.root = make([]uint64, len(r.paths))
		for i := range w.root {
			w.root[i] = 1
		}
	}
	return w
}

// Value gives what Entry makes of one value: of the header key, or of a
// parameter key. graph says that the URL is one of GraphQL, whose documents come
// as the parameter query. It reports whether the value changes.
func (r *Redactor) Value(header, graph bool, key, value string) (string, bool) {
	w := r.worker()
	defer r.workers.Put(w)
	w.nest, w.arena, w.graph = 0, w.arena[:0], graph
	if !header {
		return w.named(key, value, false)
	}
	hs := []har.Header{{Name: key, Value: value}}
	w.headers(hs)
	return hs[0].Value, hs[0].Value != value
}

// A worker is what one call of Entry needs.
type worker struct {
	r       *Redactor
	mac     hash.Hash
	sum     []byte // of mac
	token   [tokenBytes]byte
	scratch []byte   // scratch
	root    []uint64 // the states at the root of a document
	arena   []uint64 // the states of the levels below it
	graph   bool     // the URL is one of GraphQL
	nest    int      // documents within documents
}

// maxNest bounds documents within strings of documents.
const maxNest = 4

func (w *worker) entry(e *har.Entry, template string) {
	w.nest, w.arena = 0, w.arena[:0] // also after a panic of Config.Types
	base, _, _ := strings.Cut(e.Request.URL, "?")
	w.graph = strings.Contains(base, "graph")
	all := w.r.all
	if p := e.Request.PostData; p != nil {
		p.Body, p.MimeType = w.typedBody(p.Body, e.Request.Headers, p.MimeType, false)
		w.params(p.Params)
	}
	c := &e.Response.Content
	c.Body, c.MimeType = w.typedBody(c.Body, e.Response.Headers, c.MimeType, true)
	for i := range e.WebSocketMessages {
		m := &e.WebSocketMessages[i]
		m.Data = w.message(m.Data)
	}
	w.headers(e.Request.Headers)
	w.headers(e.Response.Headers)
	w.cookies(e.Request.Cookies, "cookie")
	w.cookies(e.Response.Cookies, "set-cookie")
	e.Request.URL = w.url(e.Request.URL, template, true)
	w.queryString(&e.Request)
	if all || listed(w.r.headers, "location") {
		e.Response.RedirectURL = w.optional(e.Response.RedirectURL)
	} else {
		e.Response.RedirectURL = w.url(e.Response.RedirectURL, "", false)
	}
	if !all {
		w.address(e)
		return
	}
	e.ServerIPAddress, e.Connection, e.Comment = w.optional(e.ServerIPAddress), w.optional(e.Connection), w.optional(e.Comment)
	if s := e.Response.StatusText; s != "" && !isStatusText(e.Response.Status, s) {
		e.Response.StatusText = w.mask(s)
	}
	if m := e.Harken; m != nil {
		m.Client, m.Server, m.Error = w.optional(m.Client), w.optional(m.Server), w.optional(m.Error)
	}
}

// address replaces the addresses of the peers if they are of a type that is to be
// replaced.
func (w *worker) address(e *har.Entry) {
	if w.r.types == nil {
		return
	}
	f := func(key, s string) string {
		host := s
		if i := strings.LastIndexByte(s, ':'); i > 0 && (s[0] == '[' || strings.IndexByte(s, ':') == i) {
			host = strings.Trim(s[:i], "[]")
		}
		if s != "" && !w.masked(s) && (w.r.types(key, s) || w.r.types(key, host)) {
			return w.mask(s)
		}
		return s
	}
	e.ServerIPAddress = f("serverIPAddress", e.ServerIPAddress)
	if m := e.Harken; m != nil {
		m.Client, m.Server = f("client", m.Client), f("server", m.Server)
	}
}

// A scope is where in a document the worker is.
type scope struct {
	hide   bool   // everything is replaced
	key    string // the name of the innermost member
	states []uint64
}

// top is the scope of the root of a document.
func (w *worker) top() scope { return scope{hide: w.r.all, states: w.root} }

// enter gives the scope of a member. What it takes of the arena is given back by
// the caller.
func (w *worker) enter(sc scope, key string) scope {
	sc.key = key
	if sc.hide || len(w.r.paths) == 0 {
		return sc
	}
	from := len(w.arena)
	for i := range w.r.paths {
		next, found := w.r.paths[i].step(sc.states[i], key)
		sc.hide = sc.hide || found
		w.arena = append(w.arena, next)
	}
	sc.states = w.arena[from:]
	return sc
}

// text gives what a value is to be replaced by, and whether it is another.
func (w *worker) text(sc scope, v string) (string, bool) {
	if sc.hide {
		if v == Mask {
			return v, false
		}
		m := w.mask(v)
		return m, m != v
	}
	if w.masked(v) {
		return v, false
	}
	if w.r.types != nil && w.r.types(sc.key, v) {
		return w.mask(v), true
	}
	if len(v) > 2 && (v[0] == '{' || v[0] == '[') && w.nest < maxNest {
		return w.document(sc, v)
	}
	return v, false
}

// document is text for what may be a JSON document of its own. Fields of forms
// may have lost its end.
func (w *worker) document(sc scope, v string) (string, bool) {
	w.nest++
	defer func() { w.nest-- }()
	j := rewriter{w: w, s: v}
	switch {
	case j.document(sc):
		if !j.changed() {
			return v, false
		}
		return view(j.finish()), true
	case strings.HasPrefix(v, `{"`), strings.HasPrefix(v, `[{"`):
		out := view(j.cut())
		return out, out != v
	}
	return v, false
}

// optional masks a text that may be empty.
func (w *worker) optional(s string) string {
	if s == "" {
		return ""
	}
	return w.mask(s)
}

// mask gives what stands for v, which is v itself if it already is that.
func (w *worker) mask(v string) string {
	switch {
	case w.mac == nil:
		return Mask
	case w.masked(v):
		return v
	}
	copy(w.token[:], w.digest(v))
	w.tag()
	w.scratch = encoding.AppendEncode(append(w.scratch[:0], tokenPrefix...), w.token[:])
	return string(w.scratch)
}

// A token is the beginning of the secret's HMAC, and a tag that tells it from
// what only looks like a token: other services have tokens that begin so, too.
const (
	digestBytes = 12
	tokenBytes  = 15
	tokenLen    = len(tokenPrefix) + tokenBytes*8/5
)

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// masked reports whether v stands for a secret.
func (w *worker) masked(v string) bool {
	if v == Mask {
		return true
	}
	if w.mac == nil || len(v) != tokenLen || !strings.HasPrefix(v, tokenPrefix) {
		return false
	}
	token, err := encoding.DecodeString(v[len(tokenPrefix):])
	if err != nil {
		return false
	}
	copy(w.token[:], token)
	w.tag()
	return hmac.Equal(w.token[:], token)
}

// digest gives the HMAC of a text; it is overwritten by the next.
func (w *worker) digest(v string) []byte {
	w.mac.Reset()
	_, _ = w.mac.Write(unsafe.Slice(unsafe.StringData(v), len(v))) //nolint:gosec // a hash only reads
	w.sum = w.mac.Sum(w.sum[:0])
	return w.sum
}

// tag completes the token that is being made.
func (w *worker) tag() {
	const domain = "harken token\x00"
	w.scratch = append(append(w.scratch[:0], domain...), w.token[:digestBytes]...)
	copy(w.token[digestBytes:], w.digest(view(w.scratch)))
}

// view gives b as a string that shares its memory: b is not written to.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // bodies are large, and only read here
}

func listed(list []string, name string) bool {
	for _, n := range list {
		if len(n) == len(name) && strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}
