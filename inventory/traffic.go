package inventory

import (
	"cmp"
	"encoding/binary"
	"slices"
)

const (
	hour = 3600
	day  = 24 * hour
)

// HourOf returns the start of the hour of a time, both in Unix seconds.
func HourOf(at int64) int64 { return at - mod(at, hour) }

func dayOf(at int64) int64 { return at - mod(at, day) }

// mod is at modulo n, not below 0.
func mod(at, n int64) int64 { return ((at % n) + n) % n }

// Compare orders counts by start, then days before hours, then by status.
func (c *TrafficCount) Compare(o *TrafficCount) int {
	if v := cmp.Compare(c.Start, o.Start); v != 0 {
		return v
	}
	if c.Day != o.Day {
		if c.Day {
			return -1
		}
		return 1
	}
	return cmp.Compare(c.Status, o.Status)
}

// MergeTraffic returns the sums of two sorted lists of counts, within the bounds
// that TrafficHours and TrafficDays set. Like merging endpoints it does not depend
// on order: what is folded or forgotten is decided by the latest hour alone, and
// that only rises. It may reuse a, not b.
func MergeTraffic(a, b []TrafficCount) []TrafficCount {
	if len(b) == 0 {
		return a
	}
	if !addInPlace(a, b) {
		a = compactTraffic(append(slices.Clone(a), b...))
	}
	latest := a[len(a)-1].Start
	first := &a[0]
	if !first.Day && first.Start > latest-TrafficHours*hour || first.Day && dayOf(latest)-first.Start < TrafficDays*day && !oldHours(a, latest) {
		return a
	}
	for i := range a {
		if c := &a[i]; !c.Day && c.Start <= latest-TrafficHours*hour {
			c.Day, c.Start = true, dayOf(c.Start)
		}
	}
	a = slices.DeleteFunc(a, func(c TrafficCount) bool { return c.Day && dayOf(latest)-c.Start >= TrafficDays*day })
	return compactTraffic(a)
}

func oldHours(a []TrafficCount, latest int64) bool {
	return slices.ContainsFunc(a, func(c TrafficCount) bool { return !c.Day && c.Start <= latest-TrafficHours*hour })
}

// addInPlace adds b to a if a has all its hours: nearly always.
func addInPlace(a, b []TrafficCount) bool {
	for i := range b {
		if _, found := slices.BinarySearchFunc(a, b[i], compareCounts); !found {
			return false
		}
	}
	for i := range b {
		at, _ := slices.BinarySearchFunc(a, b[i], compareCounts)
		a[at].Count += b[i].Count
	}
	return true
}

func compareCounts(x, y TrafficCount) int { return x.Compare(&y) }

// compactTraffic sorts counts and adds up those of the same time and status.
func compactTraffic(a []TrafficCount) []TrafficCount {
	slices.SortFunc(a, compareCounts)
	n := 0
	for i := range a {
		if n > 0 && a[n-1].Compare(&a[i]) == 0 {
			a[n-1].Count += a[i].Count
			continue
		}
		a[n] = a[i]
		n++
	}
	return a[:n]
}

// AppendTraffic appends counts in a packed form, which every later version reads.
func AppendTraffic(dst []byte, counts []TrafficCount) []byte {
	if len(counts) == 0 {
		return dst
	}
	dst = append(dst, packVersion)
	dst = binary.AppendUvarint(dst, uint64(len(counts)))
	last := int64(0)
	for i := range counts {
		c := &counts[i]
		at := 2 * (c.Start / hour)
		if c.Day {
			at++
		}
		dst = binary.AppendVarint(dst, at-last)
		last = at
		dst = binary.AppendVarint(dst, int64(c.Status))
		dst = binary.AppendVarint(dst, c.Count)
	}
	return dst
}

// ParseTraffic reads what AppendTraffic wrote; of nothing, it is nil. It does not
// keep data. Other bytes are ErrPacked.
func ParseTraffic(data []byte) ([]TrafficCount, error) {
	if len(data) == 0 {
		return nil, nil
	}
	u := unpacker{s: string(data)}
	u.version()
	n := u.length()
	counts := make([]TrafficCount, 0, min(n, TrafficHours+TrafficDays))
	last := int64(0)
	for range n {
		last += u.varint()
		counts = append(counts, TrafficCount{Start: (last >> 1) * hour, Day: last&1 != 0, Status: int(u.varint()), Count: u.varint()})
	}
	if err := u.end(); err != nil {
		return nil, err
	}
	return counts, nil
}
