package pathtmpl

import (
	"encoding/binary"
	"iter"
	"strings"
)

// texts are a few texts in one piece of memory, as they are in an encoded state: each
// is preceded by its length, an unsigned varint. A set has some ten of them for each
// template, which as strings of their own took most of its memory.
type texts string

// textCost is what a text takes beside its bytes, at most.
const textCost = 2

// cut gives the first of at least one text, and the others.
func (t texts) cut() (string, texts) {
	n, i := uint64(t[0]&0x7f), 1
	for shift := 7; t[i-1] >= 0x80; i, shift = i+1, shift+7 {
		n |= uint64(t[i]&0x7f) << shift
	}
	end := i + int(n)
	return string(t[i:end]), t[end:]
}

// all yields the texts, which are part of t.
func (t texts) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		for rest := t; rest != ""; {
			var s string
			if s, rest = rest.cut(); !yield(s) {
				return
			}
		}
	}
}

func (t texts) count() (n int) {
	for range t.all() {
		n++
	}
	return n
}

func (t texts) has(s string) bool {
	for have := range t.all() {
		if have == s {
			return true
		}
	}
	return false
}

// list gives copies of the texts; nil if there are none.
func (t texts) list() (out []string) {
	for s := range t.all() {
		out = append(out, strings.Clone(s))
	}
	return out
}

// add adds a text unless it is there or there are limit already, and gives the bytes
// that this took.
func (t *texts) add(s string, limit int) (grown int64) {
	if t.has(s) || t.count() >= limit {
		return 0
	}
	b := make([]byte, 0, len(*t)+len(s)+textCost)
	b = append(binary.AppendUvarint(append(b, *t...), uint64(len(s))), s...)
	*t = texts(b)
	return int64(len(s)) + textCost
}

// bytes is what add said of all.
func (t texts) bytes() (n int64) {
	for s := range t.all() {
		n += int64(len(s)) + textCost
	}
	return n
}
