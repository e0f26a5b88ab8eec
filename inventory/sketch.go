package inventory

import (
	"encoding/binary"
	"math"
	"slices"
)

// A Sketch says how many distinct values a parameter has, and how many of these
// more than one caller sent: of the values, as hashes, the SketchSize smallest. Up
// to that many it is exact, beyond that an estimate (k minimum values) with an
// error of about a quarter. A value that is among the smallest of the whole is
// among the smallest of every part, so nothing that is kept was ever forgotten,
// and the sketch of a union does not depend on how it was made. It is sorted.
type Sketch []SketchValue

// A SketchValue is one value.
type SketchValue struct {
	Hash uint32
	Callers
}

// Callers say who sent something.
type Callers struct {
	Caller uint32 // the smallest hash of a caller, below 1<<31; 0 if none is known
	Public bool   // there were several callers
}

// Merge adds those of o to c.
func (c *Callers) Merge(o Callers) {
	c.Public = c.Public || o.Public || c.Caller != 0 && o.Caller != 0 && c.Caller != o.Caller
	if c.Caller == 0 || o.Caller != 0 && o.Caller < c.Caller {
		c.Caller = o.Caller
	}
}

// CallerOf gives the Callers of one caller, named by a hash that may be 0.
func CallerOf(hash uint32) Callers { return Callers{Caller: hash & math.MaxInt32} }

// SketchSize is the number of values that a Sketch holds.
const SketchSize = 16

// Add notes a value, by its hash. It may reuse s.
func (s Sketch) Add(value uint32, by Callers) Sketch {
	if len(s) == SketchSize && value > s[SketchSize-1].Hash {
		return s
	}
	i, found := slices.BinarySearchFunc(s, value, func(v SketchValue, h uint32) int { return compareHash(v.Hash, h) })
	if found {
		s[i].Merge(by)
		return s
	}
	s = slices.Insert(s, i, SketchValue{Hash: value, Callers: by})
	return s[:min(len(s), SketchSize)]
}

func compareHash(a, b uint32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// merge returns the sketch of both. It changes neither.
func (s Sketch) merge(o Sketch) Sketch {
	all := make(Sketch, 0, min(SketchSize, len(s)+len(o)))
	for len(all) < SketchSize && (len(s) > 0 || len(o) > 0) {
		switch {
		case len(o) == 0 || len(s) > 0 && s[0].Hash < o[0].Hash:
			all, s = append(all, s[0]), s[1:]
		case len(s) == 0 || o[0].Hash < s[0].Hash:
			all, o = append(all, o[0]), o[1:]
		default:
			v := s[0]
			v.Merge(o[0].Callers)
			all, s, o = append(all, v), s[1:], o[1:]
		}
	}
	return all
}

// has reports whether merging o into s changes nothing.
func (s Sketch) has(o Sketch) bool {
	full := len(s) == SketchSize
	for len(o) > 0 {
		switch {
		case len(s) == 0:
			return full
		case s[0].Hash == o[0].Hash:
			c := s[0].Callers
			if c.Merge(o[0].Callers); c != s[0].Callers {
				return false
			}
			s, o = s[1:], o[1:]
		case s[0].Hash > o[0].Hash:
			return false
		default:
			s = s[1:]
		}
	}
	return true
}

// Counts estimates the distinct values, and those of several callers.
func (s Sketch) Counts() (unique, public int64) {
	n := float64(len(s))
	for i := range s {
		if s[i].Public {
			public++
		}
	}
	if len(s) < SketchSize {
		return int64(len(s)), public
	}
	all := (n - 1) * (1 << 32) / (float64(s[len(s)-1].Hash) + 1)
	return int64(math.Round(all)), int64(math.Round(all * float64(public) / n))
}

// HashValue hashes a value, or what tells a caller, for a Sketch. It is the same
// in every process, because what is made of it is stored.
func HashValue(s string) uint32 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	// FNV-1a leaves the upper bits of short texts alike; the finalizer of
	// MurmurHash3, which is in the public domain, spreads them.
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return uint32(h >> 32)
}

func appendSketch(dst []byte, s Sketch) []byte {
	dst = append(dst, byte(len(s))) //nolint:gosec // at most SketchSize
	last := uint32(0)
	for i := range s {
		dst = binary.AppendUvarint(dst, uint64(s[i].Hash-last))
		last = s[i].Hash
		dst = s[i].append(dst)
	}
	return dst
}

func (c Callers) append(dst []byte) []byte {
	v := uint64(c.Caller) << 1
	if c.Public {
		v |= 1
	}
	return binary.AppendUvarint(dst, v)
}

func (u *unpacker) callers() Callers {
	v := u.uvarint()
	if v > math.MaxUint32 {
		u.bad = true
		return Callers{}
	}
	return Callers{Caller: uint32(v >> 1), Public: v&1 != 0}
}

func (u *unpacker) sketch(into Sketch) Sketch {
	n := int(u.octet())
	if n == 0 || n > SketchSize {
		u.bad = true
		return nil
	}
	s := slices.Grow(into, n)[:n]
	last := uint64(0)
	for i := range s {
		d := u.uvarint()
		last += d
		if d == 0 && i > 0 || last > math.MaxUint32 {
			u.bad = true
			return nil
		}
		s[i] = SketchValue{Hash: uint32(last), Callers: u.callers()}
	}
	return s
}
