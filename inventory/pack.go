package inventory

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

// The first byte of what is packed: facts have factsVersion since they say when
// their members were first seen.
const (
	packVersion  = 1
	factsVersion = 2
)

// ErrPacked says that bytes are not a packed endpoint.
var ErrPacked = errors.New("inventory: not a packed endpoint")

// The bits of the first byte of a packed Param.
const (
	packHeader = 1 << iota
	packURLParam
	packQuery
	packFull
	packRange
	packUnique
	packSketch
	packBits = 1<<iota - 1
)

// packTypes gives each built-in type the number that stands for it. A number that
// was released keeps its meaning; 0 is followed by the name.
func packTypes() []string {
	return []string{
		"", "TRUE", "FALSE", "INTEGER_32", "INTEGER_64", "FLOAT", "NULL", "OTHER", "EMAIL", "URL", "ADDRESS", "SSN",
		"CREDIT_CARD", "VIN", "PHONE_NUMBER", "UUID", "GENERIC", "DICT", "JWT", "IP_ADDRESS",
	}
}

// AppendEndpoint appends everything of e but its key and its traffic:
// AppendFacts, then AppendParams. What is packed is read by every later version.
func AppendEndpoint(dst []byte, e *Endpoint) []byte {
	return AppendParams(AppendFacts(dst, e), e)
}

// AppendFacts appends what listings show of e: all but its key, its params and
// its traffic.
func AppendFacts(dst []byte, e *Endpoint) []byte {
	dst = append(dst, factsVersion)
	dst = binary.AppendVarint(dst, e.Count)
	dst = binary.AppendVarint(dst, e.Discovered)
	dst = binary.AppendVarint(dst, e.LastSeen)
	dst = appendString(dst, e.APIType)
	dst = binary.AppendUvarint(dst, uint64(len(e.AuthTypes)))
	for _, set := range e.AuthTypes {
		dst = appendStrings(dst, set)
	}
	dst = appendStrings(dst, e.AccessTypes)
	dst = binary.AppendUvarint(dst, uint64(len(e.ResponseCodes)))
	for _, c := range e.ResponseCodes {
		dst = binary.AppendVarint(dst, int64(c))
	}
	dst = appendSources(dst, e.Sources)
	dst = appendStrings(dst, e.Origins)
	dst = appendString(dst, e.Description)
	dst = appendSeen(dst, e.AuthSeen, len(e.AuthTypes), e.Discovered)
	dst = appendSeen(dst, e.CodeSeen, len(e.ResponseCodes), e.Discovered)
	return e.Callers.append(dst)
}

// appendSeen appends times of n members, or nothing but 0 if they are not known.
func appendSeen(dst []byte, seen []int64, n int, from int64) []byte {
	if len(seen) != n || n == 0 {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	for _, t := range seen {
		dst = binary.AppendVarint(dst, t-from)
	}
	return dst
}

func appendSources(dst []byte, sources map[string]int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(sources)))
	if len(sources) == 1 { // needs no order
		for s, t := range sources {
			dst = binary.AppendVarint(appendString(dst, s), t)
		}
		return dst
	}
	for _, s := range slices.Sorted(maps.Keys(sources)) {
		dst = binary.AppendVarint(appendString(dst, s), sources[s])
	}
	return dst
}

// AppendParams appends the params of e. They are read together with its facts,
// from which their times are measured.
func AppendParams(dst []byte, e *Endpoint) []byte {
	types := packTypes()
	dst = append(dst, packVersion)
	dst = binary.AppendUvarint(dst, uint64(len(e.Params)))
	names, values := 0, 0 // what reading them takes
	for i := range e.Params {
		names += len(e.Params[i].Name)
		values += len(e.Params[i].Values)
	}
	dst = binary.AppendUvarint(dst, uint64(names))
	dst = binary.AppendUvarint(dst, uint64(values))
	last := ""
	for i := range e.Params {
		p := &e.Params[i]
		dst = append(dst, p.packFlags())
		dst = binary.AppendVarint(dst, int64(p.ResponseCode))
		n := sharedPrefix(last, p.Name)
		dst = binary.AppendUvarint(dst, uint64(n)) //nolint:gosec // a length
		dst = appendString(dst, p.Name[n:])
		last = p.Name
		t := max(0, slices.Index(types, p.Type))
		dst = append(dst, byte(t)) //nolint:gosec // an index of a short list
		if t == 0 {
			dst = appendString(dst, p.Type)
		}
		dst = p.appendRest(p.appendTimes(dst, e.Discovered, e.LastSeen))
	}
	return dst
}

// appendTimes appends what follows the key of a packed Param.
func (p *Param) appendTimes(dst []byte, discovered, last int64) []byte {
	dst = binary.AppendVarint(dst, p.Count)
	dst = binary.AppendVarint(dst, p.FirstSeen-discovered)
	return binary.AppendVarint(dst, p.LastSeen-last)
}

// appendRest appends what follows the times of a packed Param.
func (p *Param) appendRest(dst []byte) []byte {
	dst = appendStrings(dst, p.Values)
	if p.HasRange {
		dst = binary.AppendVarint(dst, p.Min)
		dst = binary.AppendVarint(dst, p.Max)
	}
	switch {
	case len(p.Sketch) > 0:
		dst = appendSketch(dst, p.Sketch)
	case p.Unique != 0 || p.Public != 0:
		dst = binary.AppendVarint(dst, p.Unique)
		dst = binary.AppendVarint(dst, p.Public)
	}
	return dst
}

func (p *Param) packFlags() byte {
	var b byte
	for _, f := range [...]struct {
		on  bool
		bit byte
	}{
		{p.Header, packHeader},
		{p.URLParam, packURLParam},
		{p.Query, packQuery},
		{p.Full, packFull},
		{p.HasRange, packRange},
		{len(p.Sketch) == 0 && (p.Unique != 0 || p.Public != 0), packUnique},
		{len(p.Sketch) > 0, packSketch},
	} {
		if f.on {
			b |= f.bit
		}
	}
	return b
}

func sharedPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendStrings(dst []byte, ss []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ss)))
	for _, s := range ss {
		dst = appendString(dst, s)
	}
	return dst
}

// ParseEndpoint reads what AppendEndpoint wrote into e, all but its key. It does
// not keep data. Bytes that are not a packed endpoint are ErrPacked, and e is then
// undefined.
func ParseEndpoint(data []byte, e *Endpoint) error {
	u := unpacker{s: string(data)}
	u.facts(e)
	u.params(e)
	return u.end()
}

// ParseFacts reads what AppendFacts wrote into e, all but its key; Params becomes
// nil.
func ParseFacts(data []byte, e *Endpoint) error {
	u := unpacker{s: string(data)}
	u.facts(e)
	e.Params = nil
	return u.end()
}

// ParseParams reads what AppendParams wrote into e, whose facts were read before. Of
// a string, e keeps parts.
func ParseParams[T []byte | string](data T, e *Endpoint) error {
	u := unpacker{s: string(data)}
	u.params(e)
	return u.end()
}

// An unpacker cuts its strings out of one copy of the input: an endpoint with
// sixty parameters costs a handful of allocations.
type unpacker struct {
	s   string
	bad bool
}

func (u *unpacker) end() error {
	if u.bad || u.s != "" {
		return ErrPacked
	}
	return nil
}

func (u *unpacker) facts(e *Endpoint) {
	v := u.octet()
	u.bad = u.bad || v < packVersion || v > factsVersion
	e.Count, e.Discovered, e.LastSeen = u.varint(), u.varint(), u.varint()
	e.APIType = u.text()
	e.AuthTypes = nil
	if n := u.length(); n > 0 {
		e.AuthTypes = make([][]string, n)
		for i := range e.AuthTypes {
			e.AuthTypes[i] = u.texts()
		}
	}
	e.AccessTypes = u.texts()
	e.ResponseCodes = nil
	if n := u.length(); n > 0 {
		e.ResponseCodes = make([]int, n)
		for i := range e.ResponseCodes {
			e.ResponseCodes[i] = int(u.varint())
		}
	}
	e.Sources = nil
	if n := u.length(); n > 0 {
		e.Sources = make(map[string]int64, n)
		for range n {
			s := u.text()
			e.Sources[s] = u.varint()
		}
	}
	e.Origins = u.texts()
	e.Description = u.text()
	e.AuthSeen, e.CodeSeen, e.Callers = nil, nil, Callers{}
	if v == packVersion {
		// What was known before times were kept is as old as the endpoint.
		e.AuthSeen, e.CodeSeen = fillTimes(len(e.AuthTypes), e.Discovered), fillTimes(len(e.ResponseCodes), e.Discovered)
		return
	}
	e.AuthSeen = u.seen(len(e.AuthTypes), e.Discovered)
	e.CodeSeen = u.seen(len(e.ResponseCodes), e.Discovered)
	e.Callers = u.callers()
}

func fillTimes(n int, at int64) []int64 {
	if n == 0 {
		return nil
	}
	return slices.Repeat([]int64{at}, n)
}

func (u *unpacker) seen(n int, from int64) []int64 {
	switch known := u.octet(); {
	case known > 1 || known == 1 && n == 0:
		u.bad = true
		return nil
	case known == 0 || u.bad:
		return nil
	}
	seen := make([]int64, n)
	for i := range seen {
		seen[i] = u.varint() + from
	}
	return seen
}

func (u *unpacker) params(e *Endpoint) {
	types := packTypes()
	u.version()
	e.Params = nil
	n := u.length()
	nameBytes, valueCount := u.uvarint(), u.uvarint()
	if n == 0 {
		return
	}
	// Names and values are cut out of one piece of memory each, when all are
	// there: a slice for every parameter was half of the cost of reading.
	e.Params = make([]Param, n)
	names := make([]byte, 0, min(nameBytes, 4*uint64(len(u.s))))
	values := make([]string, 0, min(valueCount, uint64(len(u.s))))
	ends := make([]struct{ name, values int }, n)
	last := 0 // where the name before begins
	for i := range e.Params {
		if u.bad {
			return
		}
		p := &e.Params[i]
		flags := u.octet()
		u.bad = u.bad || flags&^packBits != 0 || flags&packUnique != 0 && flags&packSketch != 0
		p.Header, p.URLParam, p.Query = flags&packHeader != 0, flags&packURLParam != 0, flags&packQuery != 0
		p.Full, p.HasRange = flags&packFull != 0, flags&packRange != 0
		p.ResponseCode = int(u.varint())
		from := len(names)
		names = u.name(names, last)
		last = from
		p.Type = u.typeName(types)
		p.Count = u.varint()
		p.FirstSeen = u.varint() + e.Discovered
		p.LastSeen = u.varint() + e.LastSeen
		for range u.length() {
			values = append(values, u.text())
		}
		if p.HasRange {
			p.Min, p.Max = u.varint(), u.varint()
		}
		if flags&packSketch != 0 {
			p.Sketch = u.sketch(nil)
			p.Unique, p.Public = p.Sketch.Counts()
		}
		if flags&packUnique != 0 {
			p.Unique, p.Public = u.varint(), u.varint()
		}
		ends[i].name, ends[i].values = len(names), len(values)
	}
	all, name, value := string(names), 0, 0
	for i := range e.Params {
		p, end := &e.Params[i], ends[i]
		p.Name, name = all[name:end.name], end.name
		if value < end.values {
			p.Values, value = values[value:end.values:end.values], end.values
		}
	}
}

func (u *unpacker) version() {
	if u.octet() != packVersion {
		u.bad = true
	}
}

// name appends a name that shares a prefix with the one before it, which begins at
// last and ends where dst does.
func (u *unpacker) name(dst []byte, last int) []byte {
	n := u.uvarint()
	rest := u.text()
	if n > uint64(len(dst[last:])) {
		u.bad = true
		return dst
	}
	dst = append(dst, dst[last:last+int(n)]...) //nolint:gosec // at most the length of a name
	return append(dst, rest...)
}

func (u *unpacker) typeName(types []string) string {
	t := int(u.octet())
	switch {
	case t >= len(types):
		u.bad = true
		return ""
	case t == 0:
		return u.text()
	}
	return types[t]
}

func (u *unpacker) octet() byte {
	if u.s == "" {
		u.bad = true
		return 0
	}
	b := u.s[0]
	u.s = u.s[1:]
	return b
}

func (u *unpacker) uvarint() uint64 {
	if len(u.s) > 0 && u.s[0] < 0x80 { // most of them
		v := u.s[0]
		u.s = u.s[1:]
		return uint64(v)
	}
	return u.longUvarint()
}

func (u *unpacker) longUvarint() uint64 {
	var v uint64
	for i := 0; i < len(u.s) && i < binary.MaxVarintLen64; i++ {
		b := u.s[i]
		if b < 0x80 {
			if i == binary.MaxVarintLen64-1 && b > 1 {
				break
			}
			u.s = u.s[i+1:]
			return v | uint64(b)<<(7*i)
		}
		v |= uint64(b&0x7f) << (7 * i)
	}
	u.bad, u.s = true, ""
	return 0
}

func (u *unpacker) varint() int64 {
	v := u.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// length reads the length of a list. Each element takes at least one byte, so a
// list cannot be longer than what is left: damaged input makes no big slices.
func (u *unpacker) length() int {
	n := u.uvarint()
	if n > uint64(len(u.s)) {
		u.bad, u.s = true, ""
		return 0
	}
	return int(n) //nolint:gosec // at most len(u.s)
}

func (u *unpacker) text() string {
	n := u.length()
	t := u.s[:n]
	u.s = u.s[n:]
	return t
}

func (u *unpacker) texts() []string {
	n := u.length()
	if n == 0 {
		return nil
	}
	ss := make([]string, n)
	for i := range ss {
		ss[i] = u.text()
	}
	return ss
}
