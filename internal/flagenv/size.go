package flagenv

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

const acceptedSize = "a size such as 512B, 900KiB, 1MiB, 2GiB or 1MB"

// units are the suffixes of a size, longest first where one ends in another. A
// bare K, M or G is not among them: half the world means 1000 by it.
var units = []struct {
	suffix string
	bytes  int64
}{
	{"KIB", 1 << 10},
	{"MIB", 1 << 20},
	{"GIB", 1 << 30},
	{"TIB", 1 << 40},
	{"KI", 1 << 10},
	{"MI", 1 << 20},
	{"GI", 1 << 30},
	{"TI", 1 << 40},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
}

// ParseSize reads a number of bytes: digits, with a decimal point if need be,
// and a unit: B, KiB, MiB, GiB, TiB (powers of 1024; also Ki, Mi, ...), KB, MB,
// GB, TB (powers of 1000), in any case. No unit means bytes. Negative sizes and
// parts of bytes are errors.
func ParseSize(s string) (int64, error) {
	num, unit := strings.ToUpper(strings.TrimSpace(s)), int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(num, u.suffix); ok {
			num, unit = strings.TrimRight(rest, " "), u.bytes
			break
		}
	}
	if num == "" || strings.Trim(num, "0123456789.") != "" {
		return 0, errNotAccepted
	}
	if n, err := strconv.ParseInt(num, 10, 64); err == nil {
		if n > math.MaxInt64/unit {
			return 0, errors.New("it is out of range")
		}
		return n * unit, nil
	}
	f, err := strconv.ParseFloat(num, 64)
	if err != nil {
		return 0, cause(err)
	}
	// The largest int64 is no float64: the next one above it is.
	if f *= float64(unit); f >= math.MaxInt64 {
		return 0, errors.New("it is out of range")
	}
	if f != math.Trunc(f) {
		return 0, errors.New("it is not a whole number of bytes")
	}
	return int64(f), nil
}

// FormatSize writes n as ParseSize reads it, in the largest unit that keeps it
// whole, powers of 1024 before powers of 1000.
func FormatSize(n int64) string {
	if n == 0 {
		return "0"
	}
	for _, u := range []struct {
		suffix string
		bytes  int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}} {
		if n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}
