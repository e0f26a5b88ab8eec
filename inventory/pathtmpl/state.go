package pathtmpl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unsafe"
)

// stateVersion is the first byte of an encoded state.
const stateVersion = 1

// AppendState appends, to dst, what of the set its URLs do not tell: of each
// template the rule, the evidence and whether it is pinned, the static paths that
// are pinned, and the block list. Equal sets give equal bytes. Static paths that
// are not pinned are left out: they are the endpoints of the store.
//
// The form is binary and versioned: a byte 1, then by method, sorted, the URLs
// and the block list. Integers are unsigned varints, texts are preceded by their
// length.
func (s *Set) AppendState(dst []byte) []byte {
	dst = append(dst, stateVersion)
	methods := sortedKeys(s.methods)
	dst = binary.AppendUvarint(dst, uint64(len(methods)))
	for _, method := range methods {
		m := s.methods[method]
		dst = appendText(dst, method)
		var urls []*entry
		for _, key := range sortedKeys(m.templates) {
			urls = append(urls, m.templates[key])
		}
		for _, key := range sortedKeys(m.statics) {
			if e := m.statics[key]; e.rule != 0 {
				urls = append(urls, e)
			}
		}
		dst = binary.AppendUvarint(dst, uint64(len(urls)))
		for _, e := range urls {
			dst = appendText(dst, e.url)
			dst = binary.AppendUvarint(dst, uint64(e.rule))
			dst = binary.AppendUvarint(dst, e.wide)
			dst = e.ev.append(dst)
		}
		blocked := slices.Sorted(maps.Values(m.blocked))
		dst = binary.AppendUvarint(dst, uint64(len(blocked)))
		for _, template := range blocked {
			dst = appendText(dst, template)
		}
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// append writes the number of placeholders plus one, 0 for no evidence, and then
// what is known.
func (ev *evidence) append(dst []byte) []byte {
	if ev == nil {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(ev.values))+1)
	dst = binary.AppendUvarint(dst, uint64(ev.first.count())) //nolint:gosec // not negative
	dst = append(dst, ev.first...)
	for i := range ev.values {
		v := &ev.values[i]
		dst = binary.AppendUvarint(dst, uint64(v.examples.count())) //nolint:gosec // not negative
		dst = append(dst, v.examples...)
		if v.sketch != nil {
			dst = binary.AppendUvarint(dst, exactValues+1)
			dst = append(dst, v.sketch...)
			continue
		}
		dst = binary.AppendUvarint(dst, uint64(len(v.exact)))
		for _, h := range v.exact {
			dst = binary.BigEndian.AppendUint64(dst, h)
		}
	}
	return dst
}

var errState = errors.New("not a valid state")

// ParseState makes a Set of what AppendState wrote. Add to it the URLs of the
// store: their order does not matter, and those that it has are left alone. The
// next Merge looks at all URLs again, once. An error names the byte offset; a
// state that does not fit the bounds of the options is cut to them.
func ParseState(data []byte, opt Options) (*Set, error) {
	s := NewSet(opt)
	r := reader{data: data}
	if v := r.byte(); r.err == nil && v != stateVersion {
		return nil, fmt.Errorf("path templates: %w: version %d, want %d", errState, v, stateVersion)
	}
	for n := r.count(1); n > 0 && r.err == nil; n-- {
		s.readMethod(&r)
	}
	if r.err == nil && r.at != len(data) {
		r.fail("end expected")
	}
	if r.err != nil {
		return nil, r.err
	}
	return s, nil
}

func (s *Set) readMethod(r *reader) {
	method := r.text()
	m := s.method(method)
	for n := r.count(4); n > 0 && r.err == nil; n-- {
		// What is kept of the URL is a copy of its own.
		url, rule, wide := r.passing(), r.uint(uint64(allRules)), r.uint(1<<64-1)
		if url != Normalize(url) {
			r.fail("URL is not normalized")
			return
		}
		ev := r.evidence(countPlaceholders(url))
		if r.err != nil {
			return
		}
		e, made := s.add(method, url, Rule(rule)) //nolint:gosec // at most allRules
		if !made {
			continue
		}
		e.wide = wide
		if ev != nil && e.template && s.bytes+ev.bytes <= s.maxBytes() {
			if s.opt.NoExamples {
				ev.strip()
			}
			e.ev = ev
			s.bytes += ev.bytes
		}
	}
	for n := r.count(1); n > 0 && r.err == nil; n-- {
		template := r.text()
		if template != Normalize(template) {
			r.fail("blocked template is not normalized")
		}
		if !m.isBlocked(template) && r.err == nil {
			m.blocked[m.key(template)] = template
			s.deny(template)
			s.bytes += int64(len(template)) + staticCost
		}
	}
}

// strip drops the texts.
func (ev *evidence) strip() {
	ev.bytes -= ev.first.bytes()
	ev.first = ""
	for i := range ev.values {
		ev.bytes -= ev.values[i].examples.bytes()
		ev.values[i].examples = ""
	}
}

// A reader reads an encoded state up to the first error.
type reader struct {
	data []byte
	at   int
	err  error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("path templates: %w: %s at byte %d", errState, what, r.at)
	}
}

func (r *reader) take(n int) []byte {
	if r.err != nil || n > len(r.data)-r.at {
		r.fail("cut short")
		return nil
	}
	r.at += n
	return r.data[r.at-n : r.at]
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// uint reads an integer of at most limit, in its shortest form.
func (r *reader) uint(limit uint64) uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.data[r.at:])
	if n <= 0 || v > limit || n > 1 && r.data[r.at+n-1] == 0 {
		r.fail("bad number")
		return 0
	}
	r.at += n
	return v
}

// count reads how many things follow, each of at least size bytes.
func (r *reader) count(size int) int {
	return int(r.uint(uint64((len(r.data) - r.at) / size))) //nolint:gosec // at most len(data)
}

// text gives a text that is kept.
func (r *reader) text() string { return string(r.take(r.count(1))) }

// passing gives a text that is not kept longer than the data.
func (r *reader) passing() string { return view(r.take(r.count(1))) }

// view is b as a text: b is not written to again.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // saves an allocation for each text
}

// several reads distinct texts.
func (r *reader) several(most, longest int) (out texts, bytes int64) {
	n := int(r.uint(uint64(most))) //nolint:gosec // at most most
	start := r.at
	for range n {
		before := texts(view(r.data[start:r.at]))
		t := r.passing()
		if r.err == nil && (len(t) > longest || before.has(t)) {
			r.fail("bad text")
		}
		if r.err != nil {
			return "", 0
		}
		bytes += int64(len(t)) + textCost
	}
	return texts(r.data[start:r.at]), bytes
}

// evidence reads that of a template with n placeholders.
func (r *reader) evidence(n int) *evidence {
	has := r.uint(uint64(n) + 1) //nolint:gosec // not negative
	if has == 0 || r.err != nil {
		return nil
	}
	if has != uint64(n)+1 { //nolint:gosec // not negative
		r.fail("wrong number of placeholders")
		return nil
	}
	ev := &evidence{values: make([]values, n), bytes: 48 + 96*int64(n)}
	var grown int64
	ev.first, grown = r.several(maxFirst, maxFirstPath)
	ev.bytes += grown
	for i := range ev.values {
		v := &ev.values[i]
		v.examples, grown = r.several(maxExamples, maxExample)
		ev.bytes += grown
		k := int(r.uint(exactValues + 1)) //nolint:gosec // small
		if k > exactValues {
			v.sketch = slices.Clone(r.take(registers))
			ev.bytes += registers
			if slices.ContainsFunc(v.sketch, func(b byte) bool { return b > 57 }) {
				r.fail("bad sketch")
			}
			ev.bytes += v.recall()
			continue
		}
		if k > 0 && r.err == nil {
			v.exact = make([]uint64, 0, k)
		}
		for range k {
			b := r.take(8)
			if b == nil {
				return nil
			}
			h := binary.BigEndian.Uint64(b)
			if len(v.exact) > 0 && h <= v.exact[len(v.exact)-1] {
				r.fail("values are not sorted")
				return nil
			}
			v.exact = append(v.exact, h)
			ev.bytes += 8
		}
		ev.bytes += v.recall()
	}
	return ev
}
