package learn

import (
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
	k := paramKey{place: x.Place, status: x.Status, name: x.Name}
	var p *param
	if i < len(ep.order) && ep.order[i].key == k {
		p = ep.order[i]
	} else {
		if p = ep.params[k]; p == nil {
			p = a.newParam(k)
			ep.params[k] = p
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

// find returns the type of a value that is known, which it notes.
func (p *param) find(ep *endpoint, x *extract.Param, hidden bool) *typed {
	if p.usual != nil && p.usualKind == x.Kind && p.usualValue == x.Value {
		if p.usualIn != ep.generation && !hidden {
			p.usualIn = ep.generation
			p.usual.note(x.Kind, p.usualValue)
		}
		return p.usual
	}
	for i := range p.known {
		have := &p.known[i]
		if have.value != x.Value || have.kind != x.Kind {
			continue
		}
		if have.in != ep.generation && !hidden {
			have.in = ep.generation
			have.t.note(x.Kind, have.value)
		}
		return have.t
	}
	return nil
}

// note notes a value, which lasts.
func (t *typed) note(kind extract.Kind, value string) {
	t.observeRange(value)
	if kind != extract.Null && kind != extract.EmptyObject {
		t.addValue(value)
	}
}

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
	room := len(p.known) < maxKnown
	if p.usual != nil && (t.full && (long || !room) || !room && slices.Contains(t.values, x.Value)) {
		return t // not worth remembering
	}
	v := a.keep(x.Value)
	a.bytes += int64(len(v)) + valueBytes
	ep.size += int64(len(v)) + valueBytes
	if p.usual == nil {
		p.usual, p.usualKind, p.usualValue, p.usualIn = t, x.Kind, v, ep.generation
	} else if room {
		p.known = append(p.known, remembered{t, v, ep.generation, x.Kind})
	}
	if x.Kind != extract.Null && x.Kind != extract.EmptyObject {
		t.addValue(v)
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

// addValue notes a value that may have been noted before.
func (t *typed) addValue(v string) {
	if t.full {
		return
	}
	if slices.Contains(t.values, v) {
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
