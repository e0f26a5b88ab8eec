package flagenv_test

import (
	"math"
	"testing"

	"harken/internal/flagenv"
)

func TestParseSize(t *testing.T) {
	f := func(in string, want int64) {
		t.Helper()
		if got, err := flagenv.ParseSize(in); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	f("0", 0)
	f("17", 17)
	f("17B", 17)
	f("2GiB", 2<<30)
	f("900KiB", 900<<10)
	f("1MB", 1_000_000)
	f(" 1.5 mib ", 3<<19)
	f("4Ki", 4096)
	f("1kb", 1000)
	f("3TB", 3e12)
	f("1TiB", 1<<40)
	f("9223372036854775807", math.MaxInt64)
	for _, in := range []string{"", "B", "-1", "1K", "1G", "0x10", "1e3", "1.5B", "0.0001KiB", "9223372036854775808", "9007199254740992KiB", "1..2", ".", "1 2", "1PiB", "+1"} {
		if got, err := flagenv.ParseSize(in); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", in, got)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"0", "2GiB", "900KiB", "1.5MiB", "1MB", "x", "9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := flagenv.ParseSize(s)
		if err != nil {
			return
		}
		if n < 0 {
			t.Fatalf("ParseSize(%q) = %d", s, n)
		}
		// What is printed as a default is read back as the same number.
		if back, err := flagenv.ParseSize(flagenv.FormatSize(n)); err != nil || back != n {
			t.Fatalf("ParseSize(FormatSize(%d)) = %d, %v", n, back, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("-listen", "x", "y")
	f.Add("-queue=3", "--", "-x")
	f.Add("-api-key", "secret", "-zz")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		var v settings
		err := newSet(&v, nil).Parse([]string{a, b, c})
		if err == nil {
			return
		}
		for _, r := range err.Error() {
			if r == '\n' || r == 0x1b {
				t.Fatalf("Parse(%q, %q, %q): the error is not one plain line: %q", a, b, c, err)
			}
		}
	})
}
