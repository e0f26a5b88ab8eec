package inventory

import (
	"encoding/binary"
	"slices"
)

// A ParamMerger merges observed params into packed ones without unpacking those
// that were not observed: most of what storing an observation of a known endpoint
// costs. Its zero value is ready; its memory is reused.
type ParamMerger struct {
	// Enough is that of an Update; Reached, after Merge, that a URL parameter has as many
	// values now and had fewer.
	Enough  int
	Reached bool

	name   []byte
	body   []byte
	values []string
	sketch [SketchSize]SketchValue
}

// Merge appends to dst what AppendParams would give of the params that are packed
// after Endpoint.Merge of an observation with params o. was and is are the LastSeen
// of their endpoint before and after; discovered its Discovered, which must be the
// same. Not ok if o has a param that packed has not or that was seen earlier than
// packed says, or packed is damaged: then dst is as it was.
func (m *ParamMerger) Merge(dst []byte, packed string, discovered, was, is int64, o []Param) (_ []byte, ok bool) {
	types := packTypes()
	u := unpacker{s: packed}
	u.version()
	n := u.length()
	names := u.uvarint()
	u.uvarint()
	m.name, m.body, m.Reached = m.name[:0], m.body[:0], false
	values := 0
	for range n {
		p := Param{}
		from := u.s
		flags := m.key(&u, &p, types)
		key := from[:len(from)-len(u.s)]
		p.Count, p.FirstSeen, p.LastSeen = u.varint(), u.varint()+discovered, u.varint()+was
		rest := u.s
		mine := len(o) > 0 && m.isKey(&p, &o[0])
		kept := true
		if mine {
			m.rest(&u, &p, flags)
			kept = keeps(&p, &o[0])
			values += len(p.Values)
		} else {
			values += u.skipRest(flags)
		}
		if u.bad || mine && earliest(p.FirstSeen, o[0].FirstSeen) != p.FirstSeen {
			return dst, false
		}
		switch {
		case !kept:
			values -= len(p.Values)
			had := p.isURLWith(m.Enough)
			p.Merge(&o[0])
			m.Reached = m.Reached || !had && p.isURLWith(m.Enough)
			values += len(p.Values)
			flags = p.packFlags()
		case mine:
			p.Count, p.LastSeen = p.Count+o[0].Count, max(p.LastSeen, o[0].LastSeen)
		}
		m.body = append(append(m.body, flags), key[1:]...)
		m.body = p.appendTimes(m.body, discovered, is)
		if kept {
			m.body = append(m.body, rest[:len(rest)-len(u.s)]...)
		} else {
			m.body = p.appendRest(m.body)
		}
		if mine {
			o = o[1:]
		}
	}
	if len(o) > 0 || u.end() != nil {
		return dst, false
	}
	dst = append(dst, packVersion)
	dst = binary.AppendUvarint(dst, uint64(n)) //nolint:gosec // a length
	dst = binary.AppendUvarint(dst, names)
	dst = binary.AppendUvarint(dst, uint64(values))
	return append(dst, m.body...), true
}

// keeps reports whether merging o into p changes nothing of p but its count and its
// times: so it is with most of what is known well.
func keeps(p, o *Param) bool {
	switch {
	case len(o.Sketch) > 0 && !p.Sketch.has(o.Sketch),
		len(o.Sketch) == 0 && len(p.Sketch) == 0 && (o.Unique != 0 || o.Public != 0),
		o.HasRange && (!p.HasRange || o.Min < p.Min || o.Max > p.Max):
		return false
	case p.Full:
		return len(p.Values) == 0
	}
	if o.Full || len(p.Values) >= MaxValues {
		return false
	}
	for _, v := range o.Values { // few of many
		if _, found := slices.BinarySearch(p.Values, v); !found {
			return false
		}
	}
	return true
}

// key reads the key of a param, its name into m.name.
func (m *ParamMerger) key(u *unpacker, p *Param, types []string) (flags byte) {
	flags = u.octet()
	u.bad = u.bad || flags&^packBits != 0 || flags&packUnique != 0 && flags&packSketch != 0
	p.Header, p.URLParam, p.Query = flags&packHeader != 0, flags&packURLParam != 0, flags&packQuery != 0
	p.Full, p.HasRange = flags&packFull != 0, flags&packRange != 0
	p.ResponseCode = int(u.varint())
	shared := u.uvarint()
	rest := u.text()
	if shared > uint64(len(m.name)) {
		u.bad = true
		return flags
	}
	m.name = append(m.name[:shared], rest...)
	p.Type = u.typeName(types)
	return flags
}

// rest reads what follows the times of a param. It is valid until the next call.
func (m *ParamMerger) rest(u *unpacker, p *Param, flags byte) {
	m.values = m.values[:0]
	for range u.length() {
		m.values = append(m.values, u.text())
	}
	if len(m.values) > 0 {
		p.Values = m.values
	}
	if p.HasRange {
		p.Min, p.Max = u.varint(), u.varint()
	}
	if flags&packSketch != 0 {
		p.Sketch = u.sketch(m.sketch[:0])
		p.Unique, p.Public = p.Sketch.Counts()
	}
	if flags&packUnique != 0 {
		p.Unique, p.Public = u.varint(), u.varint()
	}
}

// skipRest reads what follows the times of a param, and returns how many values
// there are.
func (u *unpacker) skipRest(flags byte) (values int) {
	values = u.length()
	for range values {
		u.text()
	}
	varints := 0
	if flags&packRange != 0 {
		varints += 2
	}
	if flags&packUnique != 0 {
		varints += 2
	}
	for range varints {
		u.uvarint()
	}
	if flags&packSketch != 0 {
		var none [SketchSize]SketchValue
		u.sketch(none[:0])
	}
	return values
}

func (m *ParamMerger) isKey(p, o *Param) bool {
	return p.ResponseCode == o.ResponseCode && p.Header == o.Header && p.URLParam == o.URLParam && p.Query == o.Query &&
		o.Name == string(m.name) && p.Type == o.Type
}
