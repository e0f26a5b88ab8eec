package glob_test

import (
	"strings"
	"testing"

	"harken/internal/glob"
)

func TestMatch(t *testing.T) {
	f := func(pattern, s string, want bool) {
		t.Helper()
		if got := glob.Match(pattern, s); got != want {
			t.Errorf("Match(%q, %q) = %v", pattern, s, got)
		}
	}
	f("", "", true)
	f("", "a", false)
	f("*", "", true)
	f("**", "abc", true)
	f("?", "", false)
	f("?", "a", true)
	f("a?c", "aBc", true)
	f("*.example.com", "API.Example.com", true)
	f("*.example.com", "example.com", false)
	f("*.example.com", "api.example.com.evil", false)
	f("a*b*c", "axxbyyc", true)
	f("a*b*c", "axxcyyb", false)
	f("a*", "a", true)
	// Without going back to the latest * only this would not end.
	f(strings.Repeat("*a", 100)+"b", strings.Repeat("a", 10_000), false)
}

func TestMatchHost(t *testing.T) {
	f := func(pattern, host string, want bool) {
		t.Helper()
		if got := glob.MatchHost([]string{"other", pattern}, host); got != want {
			t.Errorf("MatchHost(%q, %q) = %v", pattern, host, got)
		}
	}
	f("localhost", "localhost:3000", true)
	f("localhost:3000", "localhost:3000", true)
	f("localhost:3000", "localhost", false)
	f("localhost:3000", "localhost:3001", false)
	f("::1", "[::1]:80", true)
	f("::1", "[::1]", true)
	f("::1", "::1", true)
	f("::*", "::1", true)
	if glob.MatchHost(nil, "a") {
		t.Error("no pattern matches")
	}
}
