package sqlite

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// The first byte of a packed index of sensitive samples. Before it was packed it
// was JSON, which begins with a brace and is still read.
const indexVersion = 1

// The bits of the first byte of a packed sensitiveParam.
const (
	indexHeader = 1 << iota
	indexURLParam
	indexQuery
)

var errIndex = errors.New("index of sensitive samples is damaged")

// appendIndex appends x, all but next: every update of an endpoint with sensitive
// samples writes it, and JSON took longer than the rest of that.
func appendIndex(dst []byte, x *sensitiveIndex) []byte {
	dst = append(dst, indexVersion)
	dst = binary.AppendUvarint(dst, uint64(len(x.params)))
	for i := range x.params {
		p := &x.params[i]
		var flags byte
		if p.Header {
			flags |= indexHeader
		}
		if p.URLParam {
			flags |= indexURLParam
		}
		if p.Query {
			flags |= indexQuery
		}
		dst = binary.AppendVarint(append(dst, flags), int64(p.Code))
		dst = append(binary.AppendUvarint(dst, uint64(len(p.Name))), p.Name...)
		dst = append(binary.AppendUvarint(dst, uint64(len(p.Type))), p.Type...)
		dst = binary.AppendUvarint(dst, uint64(len(p.Seqs)))
		last := int64(0)
		for _, s := range p.Seqs {
			dst = binary.AppendVarint(dst, s-last)
			last = s
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(x.ringed)))
	last := int64(0)
	for _, at := range slices.Sorted(maps.Keys(x.ringed)) {
		dst = binary.AppendVarint(dst, at-last)
		dst = binary.AppendVarint(dst, x.ringed[at])
		last = at
	}
	return dst
}

// parseIndex reads what appendIndex wrote, or JSON.
func parseIndex(text string) (sensitiveIndex, error) {
	if len(text) > 0 && text[0] == '{' {
		var j struct {
			Params []sensitiveParam `json:"p"`
			Ringed map[int64]int64  `json:"r"`
		}
		if err := json.Unmarshal([]byte(text), &j); err != nil {
			return sensitiveIndex{}, fmt.Errorf("index of sensitive samples: %w", err)
		}
		return sensitiveIndex{params: j.Params, ringed: j.Ringed}, nil
	}
	r := indexReader{s: text}
	if r.octet() != indexVersion {
		return sensitiveIndex{}, errIndex
	}
	var x sensitiveIndex
	if n := r.length(); n > 0 {
		x.params = make([]sensitiveParam, n)
	}
	for i := range x.params {
		x.params[i] = r.param()
	}
	if n := r.length(); n > 0 {
		x.ringed = make(map[int64]int64, n)
		last := int64(0)
		for range n {
			last += r.varint()
			x.ringed[last] = r.varint()
		}
	}
	if r.bad || r.s != "" {
		return sensitiveIndex{}, errIndex
	}
	return x, nil
}

// An indexReader takes the parts of a packed index off the front of s.
type indexReader struct {
	s   string
	bad bool
}

func (r *indexReader) param() sensitiveParam {
	flags := r.octet()
	p := sensitiveParam{
		Header: flags&indexHeader != 0, URLParam: flags&indexURLParam != 0, Query: flags&indexQuery != 0,
		Code: int(r.varint()), Name: r.text(), Type: r.text(),
	}
	n := r.length()
	p.Seqs = make([]int64, n, n+1)
	last := int64(0)
	for i := range p.Seqs {
		last += r.varint()
		p.Seqs[i] = last
	}
	return p
}

func (r *indexReader) octet() byte {
	if r.s == "" {
		r.bad = true
		return 0
	}
	b := r.s[0]
	r.s = r.s[1:]
	return b
}

func (r *indexReader) uvarint() uint64 {
	var v uint64
	for i := range min(len(r.s), binary.MaxVarintLen64) {
		b := r.s[i]
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			r.s = r.s[i+1:]
			return v
		}
	}
	r.s, r.bad = "", true
	return 0
}

func (r *indexReader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// length reads the length of a list or text: each member takes a byte or more.
func (r *indexReader) length() int {
	n := r.uvarint()
	if n > uint64(len(r.s)) {
		r.s, r.bad = "", true
		return 0
	}
	return int(n) //nolint:gosec // at most len(r.s)
}

func (r *indexReader) text() string {
	n := r.length()
	t := r.s[:n]
	r.s = r.s[n:]
	return t
}
