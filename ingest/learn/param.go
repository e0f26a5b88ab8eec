package learn

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"harken/inventory"
	"harken/inventory/datatype"
	"harken/inventory/extract"
)

// param notes one occurrence of a parameter, the one number i of its record. The
// records of an endpoint mostly have the same parameters in the same order, which
// saves looking them up.
func (a *aggregate) param(ep *endpoint, i int, x *extract.Param, o *observed) *typed {
	var p *param
	if i < len(ep.order) && ep.order[i].has(x) {
		p = ep.order[i]
	} else {
		if p = ep.paramOf(x); p == nil {
			p = a.newParam(paramKey{place: x.Place, status: x.Status, name: x.Name})
			ep.addParam(p)
			a.bytes += paramBytes
			ep.size += paramBytes
		}
		if i < len(ep.order) {
			ep.order[i] = p
		} else if i == len(ep.order) && i < maxOrder {
			ep.order = append(ep.order, p)
		}
	}
	hidden := o.redact
	t := p.find(ep, x, hidden)
	if t == nil {
		hidden = hidden || o.hides(x)
		t = a.detect(ep, p, x, o, hidden)
	}
	if t.sketched && !hidden && x.Value != "" {
		t.sketch = t.sketch.Add(inventory.HashValue(x.Value), o.caller)
	}
	if t.count++; t.count == 1 {
		t.first, t.last = o.at, o.at
		return t
	}
	t.first, t.last = min(t.first, o.at), max(t.last, o.at)
	return t
}

// has reports whether x is an occurrence of p.
func (p *param) has(x *extract.Param) bool {
	return p.key.name == x.Name && p.key.place == x.Place && p.key.status == x.Status
}

// fewParams is how many params of an endpoint are looked through: most endpoints
// that an update has come once in it, and would make a map for that.
const fewParams = 32

// paramOf finds a param, nil if there is none.
func (e *endpoint) paramOf(x *extract.Param) *param {
	if e.byKey != nil {
		return e.byKey[paramKey{place: x.Place, status: x.Status, name: x.Name}]
	}
	for _, p := range e.params {
		if p.has(x) {
			return p
		}
	}
	return nil
}

func (e *endpoint) addParam(p *param) {
	e.params = append(e.params, p)
	if e.byKey == nil && len(e.params) > fewParams {
		e.byKey = make(map[paramKey]*param, 2*fewParams)
		for _, p := range e.params {
			e.byKey[p.key] = p
		}
	}
	if e.byKey != nil {
		e.byKey[p.key] = p
	}
}

// expect makes room for what the first record of an endpoint has.
func (e *endpoint) expect(occurrences int) {
	if e.order == nil {
		few := min(occurrences, fewParams/2)
		e.order, e.params, e.types = make([]*param, 0, min(occurrences, maxOrder)), make([]*param, 0, few), make([]*typed, 0, few)
	}
}

// A memory holds values of a param, at most maxKnown, and what they were found to
// be. A byte of each tells most of them from others.
type memory struct {
	tags [maxKnown]byte
	list []remembered
}

// remembered is what a value was found to be.
type remembered struct {
	value string
	t     *typed
	in    int32 // the generation whose values it is among
	kind  extract.Kind
}

// find gives what is remembered of a value, nil if that is nothing.
func (m *memory) find(value string, kind extract.Kind) *remembered {
	if m == nil {
		return nil
	}
	tags, tag := m.tags[:len(m.list)], tagOf(value)
	for from := 0; ; from++ {
		i := bytes.IndexByte(tags[from:], tag)
		if i < 0 {
			return nil
		}
		from += i
		if r := &m.list[from]; r.kind == kind && r.value == value {
			return r
		}
	}
}

// full reports whether no more is remembered.
func (m *memory) full() bool { return m != nil && len(m.list) == maxKnown }

func (m *memory) add(r remembered) {
	if m.list == nil {
		m.list = make([]remembered, 0, 4)
	}
	m.tags[len(m.list)] = tagOf(r.value)
	m.list = append(m.list, r)
}

// tagOf mixes the length, the end and the middle of a value: ids and times begin
// alike.
func tagOf(s string) byte {
	h := uint64(len(s))
	if n := len(s); n >= 8 {
		h = h*31 + word(s[n-8:])
		h = h*0x9e3779b97f4a7c15 ^ word(s[n/2-4:])
	} else {
		for i := range n {
			h = h<<8 | uint64(s[i])
		}
	}
	return byte(h * 0x9e3779b97f4a7c15 >> 56)
}

func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// find returns the type of a value that is known, which it notes.
func (p *param) find(ep *endpoint, x *extract.Param, hidden bool) *typed {
	if p.usual != nil && p.usualKind == x.Kind && p.usualValue == x.Value {
		if p.usualIn != ep.generation && !hidden {
			p.usualIn = ep.generation
			p.note(p.usual, x.Kind, p.usualValue)
		}
		return p.usual
	}
	have := p.known.find(x.Value, x.Kind)
	if have == nil {
		return nil
	}
	if have.in != ep.generation && !hidden {
		have.in = ep.generation
		p.note(have.t, x.Kind, have.value)
	}
	return have.t
}

// note notes a value that is remembered, for the first time in a generation.
func (p *param) note(t *typed, kind extract.Kind, value string) {
	t.observeRange(value)
	if p.adds(kind) {
		t.addValue(value, p.distinct())
	}
}

// adds reports whether values of a kind are kept, and notes the kind.
func (p *param) adds(kind extract.Kind) bool {
	if kind == extract.Null || kind == extract.EmptyObject {
		return false
	}
	p.kinds |= 1 << kind
	return true
}

// distinct reports whether a value that was not noted in this generation, as far as
// is remembered, is not among the values of a type: the same text may be there as
// one of another kind.
func (p *param) distinct() bool { return p.kinds&(p.kinds-1) == 0 }

// detect finds the type of a value, and notes the value.
func (a *aggregate) detect(ep *endpoint, p *param, x *extract.Param, o *observed, hidden bool) *typed {
	name := typeOf(ep, x, o.cfg.detector)
	var t *typed
	for _, have := range p.types {
		if have.name == name {
			t = have
		}
	}
	if t == nil {
		t = ep.newType(p)
		t.key, t.name, t.redacted = &p.key, name, o.cfg.detector.Redacted(name)
		t.sensitive = o.cfg.sensitive(ep, p, x, name)
		t.sketched = !t.redacted && (x.Place == extract.URLParam || x.Place == extract.Query || x.Place == extract.RequestBody)
	}
	if hidden || t.redacted {
		return t
	}
	t.observeRange(x.Value)
	long := len(x.Value) > inventory.MaxValueBytes
	if long {
		t.full, t.values = true, nil
	}
	forgotten := p.usual != nil && (long || p.known.full())
	if forgotten && (t.full || slices.Contains(t.values, x.Value)) {
		return t
	}
	v := a.keep(x.Value)
	a.bytes += int64(len(v)) + valueBytes
	ep.size += int64(len(v)) + valueBytes
	switch {
	case forgotten:
	case p.usual == nil:
		p.usual, p.usualKind, p.usualValue, p.usualIn = t, x.Kind, v, ep.generation
	default:
		if p.known == nil {
			p.known = &memory{}
		}
		p.known.add(remembered{value: v, t: t, in: ep.generation, kind: x.Kind})
	}
	if p.adds(x.Kind) {
		t.addValue(v, forgotten || p.distinct())
	}
	return t
}

// hides reports whether a value is not of a type that is redacted but has one in
// it: credentials behind "Bearer ", a cookie, a document in a string.
func (o *observed) hides(x *extract.Param) bool {
	if o.cfg.typed == nil || x.Kind != extract.Text {
		return false
	}
	header := x.Place == extract.RequestHeader || x.Place == extract.ResponseHeader
	_, changed := o.cfg.typed.Value(header, strings.Contains(o.entry.Request.URL, "graph"), x.Key(), x.Value)
	return changed
}

// typeOf names the type of a value; definitions may say that a type is not looked
// for at some parameters.
func typeOf(ep *endpoint, x *extract.Param, d *datatype.Detector) datatype.Name {
	if x.Kind != extract.Text && x.Kind != extract.Number {
		return x.Type(d)
	}
	key := x.Key()
	var id *datatype.ParamID
	if d.IgnoresSome(key) {
		id = &datatype.ParamID{
			URL: ep.key.URL, Method: ep.key.Method, ResponseCode: x.Status, Param: x.Name, APICollectionID: ep.key.Collection,
			IsHeader: x.Place == extract.RequestHeader || x.Place == extract.ResponseHeader, IsURLParam: x.Place == extract.URLParam,
		}
	}
	if x.Kind == extract.Number {
		return d.NumberAt(key, x.Value, id)
	}
	return d.TextAt(key, x.Value, id)
}

// sensitive reports whether samples of a parameter are kept.
func (c *accountConfig) sensitive(ep *endpoint, p *param, x *extract.Param, name datatype.Name) bool {
	if len(c.overrides) > 0 {
		header := p.key.place == extract.RequestHeader || p.key.place == extract.ResponseHeader
		if word, ok := c.overrides[overrideKey{ep.key, p.key.status, header, p.key.name}]; ok {
			return word
		}
	}
	return c.detector.Sensitive(name, x.Place.Position())
}

// addValue notes a value, unless it is not distinct and was noted before.
func (t *typed) addValue(v string, distinct bool) {
	if t.full || !distinct && slices.Contains(t.values, v) {
		return
	}
	if len(t.values) == inventory.MaxValues-1 {
		t.full, t.values = true, nil
		return
	}
	t.values = append(t.values, v)
}

// observeRange widens the range by a number, of which the fraction is cut.
func (t *typed) observeRange(value string) {
	switch t.name {
	case datatype.Integer32, datatype.Integer64, datatype.Float:
	default:
		return
	}
	n, ok := number(value)
	if !ok {
		return
	}
	if !t.hasRange {
		t.hasRange, t.min, t.max = true, n, n
		return
	}
	t.min, t.max = min(t.min, n), max(t.max, n)
}

// number reads the whole part of a number, the nearest that there is.
func number(s string) (int64, bool) {
	if t := s; len(t) <= 18 && strings.IndexByte(t, '.') < 0 {
		neg := strings.HasPrefix(t, "-")
		t = strings.TrimPrefix(t, "-")
		var n int64
		for i := range len(t) {
			c := t[i] - '0'
			if c > 9 {
				return float(s)
			}
			n = n*10 + int64(c)
		}
		if neg {
			n = -n
		}
		return n, t != ""
	}
	if strings.ContainsAny(s, ".eE") {
		return float(s)
	}
	n, err := strconv.ParseInt(s, 10, 64) // which gives the nearest number when it is out of range
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

func float(s string) (int64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(f) {
		return 0, false
	}
	return clampInt(f), true
}

func clampInt(f float64) int64 {
	switch {
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}
