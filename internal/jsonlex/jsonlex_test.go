package jsonlex_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"harken/internal/jsonlex"
)

func TestString(t *testing.T) {
	f := func(s, flaw string, end int, escaped bool) {
		t.Helper()
		gotEnd, gotEscaped, got := jsonlex.String(s, 1)
		if got != flaw || gotEnd != end || gotEscaped != escaped {
			t.Errorf("String(%q) = %d, %v, %q", s, gotEnd, gotEscaped, got)
		}
		if e, x, g := jsonlex.String([]byte(s), 1); e != gotEnd || x != gotEscaped || g != got {
			t.Errorf("String(%q) differs for bytes: %d, %v, %q", s, e, x, g)
		}
	}
	f(` ""`, "", 3, false)
	f(` "a", 1`, "", 4, false)
	f(` "eight bytes and more", 1`, "", 23, false)
	f(` "\n\"\u00e9" `, "", 13, true)
	f(` "`, "string without end", 2, false)
	f(` "eight bytes and more`, "string without end", 22, false)
	f(` "a\`, "unknown escape", 3, true)
	f(` "a\x"`, "unknown escape", 3, true)
	f(` "a\u12"`, "unknown escape", 3, true)
	f(` "a\u12g4"`, "unknown escape", 3, true)
	f(" \"a\tb\"", "control character in a string", 3, false)
	f(" \"é\x7f\"", "", 6, false)
}

func TestAppendUnescaped(t *testing.T) {
	f := func(raw string, limit int, want string) {
		t.Helper()
		if got := string(jsonlex.AppendUnescaped([]byte("x"), raw, limit)); got != "x"+want {
			t.Errorf("AppendUnescaped(%q, %d) = %q, want %q", raw, limit, got, "x"+want)
		}
	}
	f(``, -1, "")
	f(`plain`, -1, "plain")
	f(`\"\\\/\b\f\n\r\t`, -1, "\"\\/\b\f\n\r\t")
	f(`a\u00e9b\u20AC`, -1, "aéb€")
	f(`\ud83d\ude00!`, -1, "😀!")
	f(`\ud83d!`, -1, "\uFFFD!")
	f(`\ud83d\u0041`, -1, "\uFFFDA")
	f(`\ude00\ud83d`, -1, "\uFFFD\uFFFD")
	f(`abcdef\n`, 0, "abcd")
	f(`ab\ncdef\n`, 1, "ab")
	f(strings.Repeat("é", 50), 3, "ééé")
}

func TestNumber(t *testing.T) {
	f := func(s string, end int, ok bool) {
		t.Helper()
		if gotEnd, got := jsonlex.Number(s, 0); gotEnd != end || got != ok {
			t.Errorf("Number(%q) = %d, %v", s, gotEnd, got)
		}
	}
	f("0", 1, true)
	f("-0.5e+10,", 8, true)
	f("120]", 3, true)
	f("01", 1, true) // and what follows is no comma
	f("1E5", 3, true)
	f("", 0, false)
	f("-", 1, false)
	f("-x", 1, false)
	f("1.", 2, false)
	f("1.e5", 2, false)
	f("1e", 2, false)
	f("1e+", 3, false)
	f(".5", 0, false)
	f("+1", 0, false)
}

// What is a string or a number here is one for encoding/json, with the same value.
func FuzzTokens(f *testing.F) {
	for _, s := range []string{`""`, `"a\u00e9\ud83d\ude00\n"`, `"\ud83d"`, `-1.5e3`, `0`, `"unfinished`, "\"\x01\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" || !utf8.ValidString(s) {
			return
		}
		if s[0] != '"' {
			end, ok := jsonlex.Number(s, 0)
			var n json.Number
			// encoding/json takes a number in quotes and white space around it, too.
			if want := strings.Trim(s, " \t\r\n") == s && s[0] != 'n' && json.Unmarshal([]byte(s), &n) == nil; want != (ok && end == len(s)) {
				t.Errorf("Number(%q) = %d, %v; encoding/json: %v", s, end, ok, want)
			}
			return
		}
		end, _, flaw := jsonlex.String(s, 0)
		var want string
		err := json.Unmarshal([]byte(s), &want)
		if strings.TrimRight(s, " \t\r\n") != s {
			return
		}
		if whole := flaw == "" && end == len(s); whole != (err == nil) {
			t.Fatalf("String(%q) = %d, %q; encoding/json: %v", s, end, flaw, err)
		}
		if err == nil {
			if got := string(jsonlex.AppendUnescaped(nil, s[1:end-1], -1)); got != want {
				t.Errorf("AppendUnescaped(%q) = %q, want %q", s, got, want)
			}
		}
	})
}
