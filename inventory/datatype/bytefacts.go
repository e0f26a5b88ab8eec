package datatype

import (
	"math"
	"regexp/syntax"
	"unicode"
	"unicode/utf8"
)

// A byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) add(c byte)      { s[c>>6] |= 1 << (c & 63) }
func (s *byteSet) has(c byte) bool { return s[c>>6]&(1<<(c&63)) != 0 }

func (s byteSet) union(o byteSet) byteSet {
	for i := range s {
		s[i] |= o[i]
	}
	return s
}

func (s byteSet) intersect(o byteSet) byteSet {
	for i := range s {
		s[i] &= o[i]
	}
	return s
}

// Every byte, and those outside ASCII, which are not told apart.
func allBytes() byteSet {
	return byteSet{math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64}
}
func beyondASCII() byteSet { return byteSet{0, 0, math.MaxUint64, math.MaxUint64} }

// byteFacts are what every value that a test holds for has in common. They are
// cheap to check, so that most values never reach the test.
type byteFacts struct {
	first, last byteSet
	shortest    int // bytes
	longest     int
}

const unbounded = math.MaxInt32

func anything() byteFacts {
	return byteFacts{first: allBytes(), last: allBytes(), longest: unbounded}
}

func (f byteFacts) and(o byteFacts) byteFacts {
	return byteFacts{
		first: f.first.intersect(o.first), last: f.last.intersect(o.last),
		shortest: max(f.shortest, o.shortest), longest: min(f.longest, o.longest),
	}
}

func (f byteFacts) or(o byteFacts) byteFacts {
	return byteFacts{
		first: f.first.union(o.first), last: f.last.union(o.last),
		shortest: min(f.shortest, o.shortest), longest: max(f.longest, o.longest),
	}
}

// allow reports whether a value may be one of those.
func (f *byteFacts) allow(s string) bool {
	if s == "" {
		return f.shortest == 0
	}
	return len(s) >= f.shortest && len(s) <= f.longest && f.first.has(s[0]) && f.last.has(s[len(s)-1])
}

// regexpFacts gives the facts about what an expression matches as a whole.
func regexpFacts(re *syntax.Regexp) byteFacts {
	f := anything()
	first, nullable := edge(re, false)
	last, _ := edge(re, true)
	if !nullable {
		f.first, f.last = first, last
	}
	f.shortest, f.longest = lengths(re)
	if !nullable && f.shortest == 0 {
		f.shortest = 1
	}
	return f
}

// edge gives the bytes that a match may begin with, or end with if last is set,
// and whether it may be empty.
func edge(re *syntax.Regexp, last bool) (set byteSet, nullable bool) {
	switch re.Op {
	case syntax.OpLiteral:
		if len(re.Rune) == 0 {
			return set, true
		}
		r := re.Rune[0]
		if last {
			r = re.Rune[len(re.Rune)-1]
		}
		addRune(&set, r, re.Flags&syntax.FoldCase != 0)
		return set, false
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			for c := range byte(utf8.RuneSelf) {
				if re.Rune[i] <= rune(c) && rune(c) <= re.Rune[i+1] {
					set.add(c)
				}
			}
			if re.Rune[i+1] >= utf8.RuneSelf {
				set = set.union(beyondASCII())
			}
		}
		return set, false
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return allBytes(), false
	case syntax.OpCapture, syntax.OpPlus:
		return edge(re.Sub[0], last)
	case syntax.OpStar, syntax.OpQuest:
		set, _ = edge(re.Sub[0], last)
		return set, true
	case syntax.OpRepeat:
		set, nullable = edge(re.Sub[0], last)
		return set, nullable || re.Min == 0
	case syntax.OpConcat:
		return concatEdge(re.Sub, last)
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			s, n := edge(sub, last)
			set, nullable = set.union(s), nullable || n
		}
		return set, nullable
	case syntax.OpNoMatch:
		return set, false
	default: // the empty match and the places between characters
		return set, true
	}
}

func concatEdge(subs []*syntax.Regexp, last bool) (set byteSet, nullable bool) {
	for i := range subs {
		sub := subs[i]
		if last {
			sub = subs[len(subs)-1-i]
		}
		s, n := edge(sub, last)
		set = set.union(s)
		if !n {
			return set, false
		}
	}
	return set, true
}

func addRune(set *byteSet, r rune, fold bool) {
	for c := r; ; {
		if 0 <= c && c < utf8.RuneSelf {
			set.add(byte(c))
		} else {
			*set = set.union(beyondASCII())
		}
		if !fold {
			return
		}
		if c = unicode.SimpleFold(c); c == r {
			return
		}
	}
}

// lengths gives bounds of the length of a match in bytes. A character has one to
// four; a byte that is no UTF-8 counts as one character.
func lengths(re *syntax.Regexp) (shortest, longest int) {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune), 4 * len(re.Rune)
	case syntax.OpCharClass:
		if n := len(re.Rune); n > 0 && re.Rune[n-1] < utf8.RuneSelf {
			return 1, 1
		}
		return 1, 4
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, 4
	case syntax.OpCapture:
		return lengths(re.Sub[0])
	case syntax.OpPlus:
		shortest, _ = lengths(re.Sub[0])
		return shortest, unbounded
	case syntax.OpStar:
		return 0, unbounded
	case syntax.OpQuest:
		_, longest = lengths(re.Sub[0])
		return 0, longest
	case syntax.OpRepeat:
		lo, hi := lengths(re.Sub[0])
		if re.Max < 0 {
			return times(lo, re.Min), unbounded
		}
		return times(lo, re.Min), times(hi, re.Max)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			lo, hi := lengths(sub)
			shortest, longest = min(shortest+lo, unbounded), min(longest+hi, unbounded)
		}
		return shortest, longest
	case syntax.OpAlternate:
		shortest = unbounded
		for _, sub := range re.Sub {
			lo, hi := lengths(sub)
			shortest, longest = min(shortest, lo), max(longest, hi)
		}
		return shortest, longest
	case syntax.OpNoMatch:
		return unbounded, unbounded
	default:
		return 0, 0
	}
}

func times(a, b int) int { return int(min(int64(a)*int64(b), unbounded)) }
