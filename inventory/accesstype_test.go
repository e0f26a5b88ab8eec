package inventory_test

import (
	"strings"
	"testing"

	"harken/inventory"
)

func TestAccessType(t *testing.T) {
	f := func(name string, partner []string, direction, want string, peers ...string) {
		t.Helper()
		p, err := inventory.NewAccessPolicy(nil, partner)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Type(direction, peers...); got != want {
			t.Errorf("%s: Type(%s, %v) = %s, want %s", name, direction, peers, got, want)
		}
	}
	f("R1", nil, "1", "PRIVATE", "10.4.0.9:51000", "203.0.113.9:443")
	f("R19", nil, "1", "PUBLIC", "8.8.8.8", "10.1.1.1:5")
	f("R19", nil, "2", "THIRD_PARTY", "8.8.8.8", "10.1.1.1:5")
	f("R20", []string{"8.8.4.0/24"}, "1", "PARTNER", "10.1.1.1", "8.8.4.4")
	f("a partner's address", []string{"8.8.4.4"}, "2", "PARTNER", "8.8.4.4:1", "10.1.1.1:5")
	f("public wins", []string{"8.8.4.4"}, "1", "PUBLIC", "8.8.4.4:1", "9.9.9.9")
	f("nothing", nil, "1", "", "", "null", "unknown", "_hidden", "[", ":80", "0.0.0.0", "::")
	f("all ranges", nil, "", "PRIVATE", "172.16.0.1, 192.168.3.4,127.0.0.1:80", "100.64.0.1", "[::1]:80", "fe80::1%eth0", "fd00::5", "::ffff:10.0.0.1")
	f("IPv6", nil, "", "PUBLIC", "[2001:4860::8888]:443")
	f("IPv6 without brackets", []string{"2001:4860::/32"}, "", "PARTNER", "2001:4860::8888")
	f("a later one of a list", nil, "", "PUBLIC", "10.0.0.1, 8.8.8.8")
}

func TestNewAccessPolicyNamesWhatIsWrong(t *testing.T) {
	p, err := inventory.NewAccessPolicy([]string{"10.0.0.0/8", "x", "::ffff:172.16.0.0/108"}, []string{"1.2.3.4/40", "8.8.8.8"})
	if err == nil || !strings.Contains(err.Error(), "privateCidrList[1]") || !strings.Contains(err.Error(), "partnerIpList[0]") {
		t.Errorf("NewAccessPolicy = %v", err)
	}
	for peer, want := range map[string]string{"10.1.1.1": "PRIVATE", "172.16.3.3": "PRIVATE", "192.168.1.1": "PUBLIC", "8.8.8.8": "PARTNER"} {
		if got := p.Type("1", peer); got != want {
			t.Errorf("Type(%s) = %s, want %s", peer, got, want)
		}
	}
}

func TestEffectiveAccess(t *testing.T) {
	f := func(want string, types ...string) {
		t.Helper()
		if got := inventory.EffectiveAccess(types); got != want {
			t.Errorf("EffectiveAccess(%v) = %s, want %s", types, got, want)
		}
	}
	f("")
	f("PRIVATE", "PRIVATE")
	f("THIRD_PARTY", "PRIVATE", "THIRD_PARTY")
	f("PARTNER", "PARTNER", "THIRD_PARTY")
	f("PUBLIC", "PARTNER", "PUBLIC", "THIRD_PARTY")
}

func FuzzAccessType(f *testing.F) {
	f.Add("[::1]:80, 8.8.8.8", "fe80::1%eth0")
	f.Fuzz(func(t *testing.T, a, b string) {
		p, err := inventory.NewAccessPolicy(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		// The order of peers does not matter.
		if x, y := p.Type("1", a, b), p.Type("1", b, a); x != y {
			t.Fatalf("%q and %q: %s in one order, %s in the other", a, b, x, y)
		}
	})
}
