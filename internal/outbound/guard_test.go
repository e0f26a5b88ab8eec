package outbound_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"harken/internal/outbound"
)

func guard(t *testing.T, allow ...string) *outbound.Guard {
	t.Helper()
	g, err := outbound.NewGuard(allow)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestCheck(t *testing.T) {
	g := guard(t)
	f := func(want bool, addrs ...string) {
		t.Helper()
		for _, s := range addrs {
			err := g.Check("host.example", netip.MustParseAddr(s))
			if (err == nil) != want {
				t.Errorf("Check(%s) = %v, want allowed: %v", s, err, want)
			}
		}
	}
	f(true, "8.8.8.8", "1.1.1.1", "192.0.0.9", "192.0.0.10", "192.31.196.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "223.255.255.255",
		"2606:4700::1111", "2001:4860::8888", "2001:1::1", "2001:20::1", "2001:30::1", "2001:3::1", "2001:4:112::1", "2620:4f:8000::1",
		"::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1")
	f(false, "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1",
		"192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1",
		"240.0.0.1", "255.255.255.255", "168.63.129.16", "100.100.100.200")
	f(false, "::", "::1", "::2", "::127.0.0.1", "::8.8.8.8", "64:ff9b:1::1", "100::1", "100:0:0:1::1", "2001::1", "2001:0:808:808::1", "2001:2::1", "2001:10::1", "2001:1ff::1",
		"2001:db8::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "ff02::1", "4000::1")
	// What is embedded decides.
	f(false, "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe",
		"2002:a00:1::1", "2002:7f00:1::1", "2002:a9fe:a9fe::", "2002:c0a8:101::5")
}

func TestAllow(t *testing.T) {
	f := func(allow, host, addr string, want bool) {
		t.Helper()
		err := guard(t, strings.Split(allow, ",")...).Check(host, netip.MustParseAddr(addr))
		if (err == nil) != want {
			t.Errorf("with %s, Check(%s, %s) = %v, want allowed: %v", allow, host, addr, err, want)
		}
	}
	f("10.0.0.0/8", "db", "10.1.2.3", true)
	f("10.0.0.0/8", "db", "::ffff:10.1.2.3", true)
	f("::ffff:10.0.0.0/104", "db", "10.1.2.3", true)
	f("10.0.0.0/8", "db", "64:ff9b::10.1.2.3", true)
	f("10.0.0.0/8", "db", "192.168.1.1", false)
	f("192.168.1.1", "db", "192.168.1.1", true)
	f("192.168.1.1", "db", "192.168.1.2", false)
	f("[::1]", "db", "::1", true)
	f("fd00::/8", "db", "fd00::5", true)
	f("localhost", "localhost", "127.0.0.1", true)
	f("LocalHost.", "localhost.", "::1", true)
	f("localhost", "localhost.evil.example", "127.0.0.1", false)
	f("localhost", "127.0.0.1", "127.0.0.1", false)
	f("*.staging.example.com", "a.b.staging.example.com", "10.0.0.1", true)
	f("*.staging.example.com", "staging.example.com", "10.0.0.1", false)
	f("*.staging.example.com", "staging.example.com.evil.example", "10.0.0.1", false)
	f("api-?.example.com", "api-7.example.com", "10.0.0.1", true)
	f("api-?.example.com", "api-77.example.com", "10.0.0.1", false)
	f("*", "anything.example", "10.0.0.1", true)
	f("*", "10.0.0.1", "10.0.0.1", false) // a range is needed for an address
	// Never, by name, address or range.
	f("*", "metadata.example", "169.254.169.254", false)
	f("169.254.169.254", "169.254.169.254", "169.254.169.254", false)
	f("0.0.0.0/0,::/0", "x", "169.254.1.1", false)
	f("0.0.0.0/0,::/0", "x", "fe80::1", false)
	f("0.0.0.0/0,::/0", "x", "168.63.129.16", false)
	f("::/0,*", "x.example", "64:ff9b::a9fe:a9fe", false)
	f("::/0,*", "x.example", "2002:a9fe:a9fe::1", false)
	f("0.0.0.0/0", "x", "127.0.0.1", true)
}

func TestNewGuardErrors(t *testing.T) {
	for _, s := range []string{"", " ", "10.0.0.0/33", "10.*", "10.0.0", "1.2.3.4.5", "a b", "http://x", "x:80", "a/24", "fe80::/129", "ex!ample", strings.Repeat("a", 256)} {
		if _, err := outbound.NewGuard([]string{"localhost", s}); err == nil || !strings.Contains(err.Error(), "target 2") {
			t.Errorf("NewGuard(%q) = %v, want an error that names the entry", s, err)
		}
	}
}

func TestCheckURL(t *testing.T) {
	g := guard(t)
	f := func(s string, want bool) {
		t.Helper()
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.CheckURL(u); (err == nil) != want {
			t.Errorf("CheckURL(%s) = %v, want allowed: %v", s, err, want)
		}
	}
	f("https://example.com/x", true)
	f("http://8.8.8.8:8080/", true)
	f("ftp://example.com/", false)
	f("file:///etc/passwd", false)
	f("gopher://example.com/", false)
	f("https:///x", false)
	f("/x", false)
	f("https:example.com", false)
	f("http://127.0.0.1/", false)
	f("http://[::1]:80/", false)
	f("http://[::ffff:7f00:1]/", false)
	f("http://[fe80::1%25eth0]/", false)
}

// A list that is accepted never opens what is never open, and refuses nothing that
// is public.
func FuzzNewGuard(f *testing.F) {
	for _, s := range []string{"localhost", "*", "10.0.0.0/8", "::/0", "*.a.b,127.0.0.1", "[::1]", "::ffff:0:0/90", "169.254.0.0/16", "a?c", "fe80::1%x"} {
		f.Add(s, "host.example")
	}
	never := []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fe80::1"), netip.MustParseAddr("::ffff:169.254.1.1"), netip.MustParseAddr("64:ff9b::a9fe:a9fe")}
	f.Fuzz(func(t *testing.T, list, host string) {
		g, err := outbound.NewGuard(strings.Split(list, ","))
		if err != nil {
			return
		}
		for _, a := range never {
			if g.Check(host, a) == nil {
				t.Errorf("with %q, %q reaches %s", list, host, a)
			}
		}
		if err := g.Check(host, netip.MustParseAddr("8.8.8.8")); err != nil {
			t.Errorf("with %q, %q: %v", list, host, err)
		}
	})
}
