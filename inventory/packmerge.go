package inventory

import "encoding/binary"

// A ParamMerger merges observed params into packed ones without unpacking those
// that were not observed: most of what storing an observation of a known endpoint
// costs. Its zero value is ready; its memory is reused.
type ParamMerger struct {
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
func (m *ParamMerger) Merge(dst, packed []byte, discovered, was, is int64, o []Param) (_ []byte, ok bool) {
	types := packTypes()
	u := unpacker{s: string(packed)}
	u.version()
	n := u.length()
	names := u.uvarint()
	u.uvarint()
	m.name, m.body = m.name[:0], m.body[:0]
	values := 0
	for range n {
		p := Param{}
		from := u.s
		flags := m.key(&u, &p, types)
		key := from[:len(from)-len(u.s)]
		p.Count, p.FirstSeen, p.LastSeen = u.varint(), u.varint()+discovered, u.varint()+was
		m.rest(&u, &p, flags)
		if u.bad {
			return dst, false
		}
		if len(o) > 0 && m.isKey(&p, &o[0]) {
			if earliest(p.FirstSeen, o[0].FirstSeen) != p.FirstSeen {
				return dst, false
			}
			p.Merge(&o[0])
			o = o[1:]
		}
		values += len(p.Values)
		m.body = append(append(m.body, p.packFlags()), key[1:]...)
		m.body = p.appendRest(m.body, discovered, is)
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

func (m *ParamMerger) isKey(p, o *Param) bool {
	return p.ResponseCode == o.ResponseCode && p.Header == o.Header && p.URLParam == o.URLParam && p.Query == o.Query &&
		o.Name == string(m.name) && p.Type == o.Type
}
