package learn

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"harken/ingest"
	"harken/inventory"
	"harken/inventory/datatype"
	"harken/inventory/extract"
)

// An aggregate is what some records of a shard taught and is not stored yet.
type aggregate struct {
	shard uint8
	batch int64 // the first one of which it has records
	born  time.Time
	flown bool // it is, or was, on its way to the store

	accounts map[int32]*accountPart
	spans    map[*position]*span // the records that it has
	lately   *position           // of latest
	latest   *span               // the last one of spans that was used

	records   int // that count or were dropped
	endpoints int
	samples   int
	bytes     int64 // estimate of the memory
	sampled   int64 // bytes of the samples

	// Memory for what most records of an endpoint that is not busy bring: it is
	// given back as a whole.
	free []param
	text strings.Builder

	past *aggregate // the one that was stored last, whose endpoints are used again
}

// An accountPart is the part of an aggregate that belongs to one account.
type accountPart struct {
	endpoints map[inventory.EndpointKey]*endpoint
	dropped   map[string]int64
	drops     map[dropKey]*drop
	redacted  map[int32]bool       // whether what was learned of a collection is all redacted
	redaction *inventory.Redaction // of all that was learned; nil until something was
}

func newAggregate() *aggregate {
	return &aggregate{accounts: map[int32]*accountPart{}, spans: map[*position]*span{}}
}

// work estimates what storing costs: rows that are read, merged and written.
func (a *aggregate) work() int { return a.endpoints + a.samples + int(a.sampled>>12) }

func (a *aggregate) account(id int32) *accountPart {
	p := a.accounts[id]
	if p == nil {
		p = &accountPart{
			endpoints: map[inventory.EndpointKey]*endpoint{}, dropped: map[string]int64{}, drops: map[dropKey]*drop{}, redacted: map[int32]bool{},
		}
		a.accounts[id] = p
	}
	return p
}

// An endpoint is what the aggregate holds of one endpoint.
type endpoint struct {
	key         inventory.EndpointKey
	cfg         *accountConfig // by which its types were named first
	count       int64
	first, last int64
	apiType     string
	auth        []seenAuth
	codes       []int
	codeSeen    []int64 // by the index in codes
	access      []string
	traffic     []inventory.TrafficCount // sorted
	callers     inventory.Callers
	sources     []seen
	origins     []string
	params      []*param
	byKey       map[paramKey]*param // params, once they are many
	order       []*param            // as the last records had them, at most maxOrder
	types       []*typed            // of all params; by key if inOrder
	inOrder     bool
	ring        []sensitive // samples with their sensitive parameters, at most MaxSamples
	sampled     int         // samples that were ever put into ring
	sensitive   []sensitive
	size        int64 // its part of aggregate.bytes, samples excepted
	generation  int32 // how often it was renewed; see renew
}

// seen is a source and when it was seen last.
type seen struct {
	source string
	at     int64
}

// A paramKey is a place and a name; the types that are found there are one param
// each.
type paramKey struct {
	place  extract.Place
	status int
	name   string
}

// A param is what was seen at one place under one name.
type param struct {
	key   paramKey
	types []*typed
	// What values were found to be: the first one, and some more, so that a value
	// that comes again costs no detection.
	usualValue string
	usual      *typed
	usualIn    int32 // the generation whose values it is among
	usualKind  extract.Kind
	kinds      uint8 // of the values that types have, as bits
	known      *memory
	// The first of types, and its first value: mostly there are no others.
	first   typed
	firsts  [1]*typed
	firstly [1]string
}

// A typed is a param of one type: what becomes an inventory.Param.
type typed struct {
	key         *paramKey
	name        datatype.Name
	sensitive   bool // samples of it are kept
	redacted    bool // its values are not
	seen        int  // samples of it, if it is sensitive
	sketched    bool // the place has a sketch
	sketch      inventory.Sketch
	count       int64
	first, last int64
	values      []string // distinct, in the order in which they came
	full        bool
	hasRange    bool
	min, max    int64
}

// maxOrder bounds endpoint.order.
const maxOrder = 256

// maxKnown bounds the values that a param remembers: those that come again are few,
// and looking through many costs as much as finding the type again.
const maxKnown = 16

// Estimates of the memory of one thing, with its share of maps.
const (
	endpointBytes = 1500
	paramBytes    = 250
	valueBytes    = 80
)

// slab is how many params are allocated at once, and textSlab how many bytes of
// values; longer values have memory of their own.
const (
	slab     = 64
	textSlab = 32 << 10
	longText = 2 << 10
)

// newParam gives a param with one type that is not used yet.
func (a *aggregate) newParam(k paramKey) *param {
	if len(a.free) == 0 {
		a.free = make([]param, slab)
	}
	p := &a.free[0]
	a.free = a.free[1:]
	p.key = k
	return p
}

// newType adds a type to those of p.
func (e *endpoint) newType(p *param) *typed {
	var t *typed
	if len(p.types) == 0 {
		t = &p.first
		p.types, t.values = p.firsts[:0], p.firstly[:0]
	} else {
		t = new(typed)
	}
	p.types = append(p.types, t)
	e.types, e.inOrder = append(e.types, t), false
	return t
}

// keep returns a copy of s.
func (a *aggregate) keep(s string) string {
	if len(s) > longText {
		return strings.Clone(s)
	}
	if a.text.Cap()-a.text.Len() < len(s) {
		a.text = strings.Builder{} // what it has given stays as it is
		a.text.Grow(textSlab)
	}
	n := a.text.Len()
	a.text.WriteString(s)
	return a.text.String()[n:]
}

// sample puts a record into the ring.
func (a *aggregate) sample(e *endpoint, r *ingest.Record, account int32, at int64, data []byte, of []counted) {
	slot := e.sampled % inventory.MaxSamples
	if slot == len(e.ring) {
		e.ring = append(e.ring, sensitive{})
		a.samples++
	}
	s := &e.ring[slot]
	e.sampled++
	n := int64(len(data) - len(s.Data))
	a.bytes += n
	a.sampled += n
	s.Sample, s.of = inventory.Sample{Endpoint: e.key, Time: at, ID: r.ID, Account: account, Source: r.Source, Data: data}, of
}

// insert puts v into a sorted set that keeps its smallest limit members.
func insert[T cmp.Ordered](set []T, v T, limit int, clone func(T) T) []T {
	i, found := slices.BinarySearch(set, v)
	if found || i == limit {
		return set
	}
	set = slices.Insert(set, i, clone(v))
	return set[:min(len(set), limit)]
}

func same[T any](v T) T { return v }

// sawSource notes a source.
func (e *endpoint) sawSource(source string, at int64) {
	for i := range e.sources {
		if e.sources[i].source == source {
			e.sources[i].at = max(e.sources[i].at, at)
			return
		}
	}
	e.sources = append(e.sources, seen{strings.Clone(source), at})
}

func (e *endpoint) appendSamples(dst []inventory.Sample) []inventory.Sample {
	n := len(e.ring)
	for i := range n {
		slot := &e.ring[(e.sampled-n+i)%n]
		s := slot.Sample
		s.Sensitive = paramKeys(slot.of)
		dst = append(dst, s)
	}
	return dst
}

// observation gives what was observed, with the params in memory that has room.
func (e *endpoint) observation(params []inventory.Param) inventory.Endpoint {
	o := inventory.Endpoint{
		EndpointKey: e.key, Count: e.count, Discovered: e.first, LastSeen: e.last, APIType: e.apiType,
		ResponseCodes: e.codes, CodeSeen: e.codeSeen, Origins: e.origins, Sources: make(map[string]int64, len(e.sources)),
		AccessTypes: e.access, Traffic: e.traffic, Callers: e.callers,
	}
	for _, s := range e.sources {
		o.Sources[s.source] = s.at
	}
	e.observeAuth(&o)
	if !e.inOrder {
		slices.SortFunc(e.types, func(x, y *typed) int {
			kx, ky := x.paramKey(x.key), y.paramKey(y.key)
			return kx.Compare(&ky)
		})
		e.inOrder = true
	}
	o.Params = params
	for _, t := range e.types {
		if t.count > 0 {
			o.Params = append(o.Params, t.param(t.key))
		}
	}
	return o
}

// observeAuth gives the sets in order. Two of them may have the same names.
func (e *endpoint) observeAuth(o *inventory.Endpoint) {
	slices.SortFunc(e.auth, func(x, y seenAuth) int { return slices.Compare(x.names(), y.names()) })
	for _, s := range e.auth {
		names := s.names()
		if n := len(o.AuthTypes); n > 0 && slices.Equal(o.AuthTypes[n-1], names) {
			o.AuthSeen[n-1] = min(o.AuthSeen[n-1], s.first)
			continue
		}
		o.AuthTypes, o.AuthSeen = append(o.AuthTypes, names), append(o.AuthSeen, s.first)
	}
}

// paramKey is the key of t as the inventory has it.
func (t *typed) paramKey(k *paramKey) inventory.ParamKey {
	return inventory.ParamKey{
		ResponseCode: k.status, Name: k.name, Type: t.name,
		Header: k.place == extract.RequestHeader || k.place == extract.ResponseHeader,
		Query:  k.place == extract.Query, URLParam: k.place == extract.URLParam,
	}
}

func (t *typed) param(k *paramKey) inventory.Param {
	p := inventory.Param{
		ParamKey: t.paramKey(k), Count: t.count, FirstSeen: t.first, LastSeen: t.last, Full: t.full,
		HasRange: t.hasRange, Min: t.min, Max: t.max, Sketch: t.sketch,
	}
	p.Unique, p.Public = t.sketch.Counts()
	if !t.full {
		slices.Sort(t.values)
		p.Values = t.values
	}
	return p
}

// urlValues is Endpoint.URLValues of the observation. It changes nothing, as the
// endpoint may be on its way to the store.
func (e *endpoint) urlValues(segment int) (values, types []string, more int64) {
	name := strconv.Itoa(segment)
	for _, t := range e.types {
		if t.count == 0 || t.key.place != extract.URLParam || t.key.name != name {
			continue
		}
		types = append(types, t.name)
		if t.full {
			unique, _ := t.sketch.Counts()
			more += unique
		} else {
			values = append(values, t.values...)
		}
	}
	return values, types, more
}

// buffers are the bytes of stored samples, to be used again.
type buffers struct {
	free [][]byte
}

const (
	maxFree       = 8192
	maxFreeBuffer = 16 << 10
)

// take takes the bytes of what was stored, and leaves the endpoints that are worth to
// be used again; it returns what these take.
func (b *buffers) take(a *aggregate) (bytes int64) {
	for _, part := range a.accounts {
		for _, e := range part.endpoints {
			for i := range e.ring {
				b.put(e.ring[i].Data)
			}
			for i := range e.sensitive {
				b.put(e.sensitive[i].Data)
			}
			if e.busy() {
				e.renew()
				bytes += e.size
			} else {
				delete(part.endpoints, e.key)
			}
		}
	}
	return bytes
}

func (b *buffers) put(data []byte) {
	if cap(data) > 0 && cap(data) <= maxFreeBuffer && len(b.free) < maxFree {
		b.free = append(b.free, data[:0])
	}
}

// copyOf returns a copy of data, in old if that is large enough.
func (b *buffers) copyOf(data, old []byte) []byte {
	if cap(old) < len(data) {
		b.put(old)
		old = nil
		if n := len(b.free); n > 0 && cap(b.free[n-1]) >= len(data) {
			old, b.free = b.free[n-1], b.free[:n-1]
		}
	}
	return append(old[:0], data...)
}
