package har_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/har"
)

func TestAppendHeaders(t *testing.T) {
	got := har.AppendHeaders(nil, http.Header{"B": {"2", "1"}, "A": {"x"}})
	got = har.AppendHeaders(got, http.Header{"Trailer-A": {"t"}})
	if d := cmp.Diff([]har.Header{{"A", "x"}, {"B", "2"}, {"B", "1"}, {"Trailer-A", "t"}}, got); d != "" {
		t.Error(d)
	}
	if v, ok := har.HeaderValue(got, "b"); v != "2" || !ok {
		t.Errorf("HeaderValue(b) = %q, %v", v, ok)
	}
	if v, ok := har.HeaderValue(got, "c"); v != "" || ok {
		t.Errorf("HeaderValue(c) = %q, %v", v, ok)
	}
}

func TestParseQuery(t *testing.T) {
	f := func(in string, want ...har.Header) {
		t.Helper()
		if d := cmp.Diff(want, har.ParseQuery(in)); d != "" {
			t.Errorf("ParseQuery(%q): %s", in, d)
		}
	}
	f("")
	f("b=2&a=1&b=", har.Header{"b", "2"}, har.Header{"a", "1"}, har.Header{"b", ""})
	f("a;b=1;c&&flag", har.Header{"a;b", "1;c"}, har.Header{"flag", ""})
	f("a%20b+c=%C3%A9%26&x=%zz%41%", har.Header{"a b c", "é&"}, har.Header{"x", "%zzA%"})
	f("a=b=c", har.Header{"a", "b=c"})
}

func TestCookies(t *testing.T) {
	got := har.RequestCookies([]har.Header{{"Cookie", `a=1; b="x y" ;; c`}, {"x", "y"}, {"cookie", "a=2="}})
	if d := cmp.Diff([]har.Cookie{{Name: "a", Value: "1"}, {Name: "b", Value: "x y"}, {Value: "c"}, {Name: "a", Value: "2="}}, got); d != "" {
		t.Error(d)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	got = har.ResponseCookies([]har.Header{
		{"Set-Cookie", "sid=1; Path=/; Domain=x.org; Max-Age=60; Expires=Wed, 21 Oct 2015 07:28:00 GMT; Secure; HttpOnly; SameSite=Lax"},
		{"set-cookie", "old=; expires=Wed, 21-Oct-2015 07:28:00 GMT"},
		{"set-cookie", "gone=; Max-Age=-5"},
		{"set-cookie", "odd; expires=never"},
	}, now)
	want := []har.Cookie{
		{Name: "sid", Value: "1", Path: "/", Domain: "x.org", Expires: now.Add(time.Minute), Secure: true, HTTPOnly: true, SameSite: "Lax"},
		{Name: "old", Expires: time.Date(2015, 10, 21, 7, 28, 0, 0, time.UTC)},
		{Name: "gone", Expires: now},
		{Value: "odd"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestHTTPVersion(t *testing.T) {
	f := func(major, minor int, want string) {
		t.Helper()
		if got := har.HTTPVersion(major, minor); got != want {
			t.Errorf("HTTPVersion(%d, %d) = %s, want %s", major, minor, got, want)
		}
	}
	f(1, 0, "HTTP/1.0")
	f(1, 1, "HTTP/1.1")
	f(2, 0, "HTTP/2.0")
	f(3, 0, "HTTP/3.0")
}

func TestJoinURL(t *testing.T) {
	f := func(target, want string) {
		t.Helper()
		if got := har.JoinURL("https", "h:8443", target); got != want {
			t.Errorf("JoinURL(%q) = %s, want %s", target, got, want)
		}
	}
	f("/a?b=c#d", "https://h:8443/a?b=c")
	f("/r?u=http://x/", "https://h:8443/r?u=http://x/")
	f("", "https://h:8443/")
	f("*", "https://h:8443/")
	f("http://other/x", "http://other/x")
	f("x", "https://h:8443/x")
}
