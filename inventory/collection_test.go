package inventory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"harken/inventory"
	"harken/inventory/fault"
)

func TestHashID(t *testing.T) {
	f := func(in string, want int32) {
		t.Helper()
		if got := inventory.HashID(in); got != want {
			t.Errorf("HashID(%q) = %d, want %d", in, got, want)
		}
	}
	f("", 0)
	f("api.example.com", -1628073687)
	f("petstore.swagger.io", 335433302)
	f("OpenAPI Swagger Petstore", -1417239544)
	f("12345678-abcd-ef01-2345-67890abcdef0", -1909289375)
	f("é😀", 1996812)
	f("api.shop.example", 1591742918)
	f("api.shop.example:8443", 1152232367)
	f("special_char_host", 1264658667)
	f("pan.example", -991632103)
	f("pc0.example", -991632103)
}

func TestProbeID(t *testing.T) {
	for n, want := range []int32{7, 8, 10, 13, 17} {
		if got := inventory.ProbeID(7, n); got != want {
			t.Errorf("ProbeID(7, %d) = %d, want %d", n, got, want)
		}
	}
}

func TestEnvType(t *testing.T) {
	f := func(host, want string) {
		t.Helper()
		if got := inventory.EnvType(host); got != want {
			t.Errorf("EnvType(%q) = %q, want %q", host, got, want)
		}
	}
	f("api.staging.example.com", "STAGING")
	f("api.QA.shop.com:8443", "QA")
	f("x.device.io", "")
	f("x.dev.io", "DEV")
	f("dev.shop.io", "") // the first label is the name of the thing itself
	f("a.local.uat.io", "UAT")
	f("a.preprod.io", "PREPROD")
	f("a.integ.io", "INTEG")
	f("api.shop.example", "STAGING")
	f("api.kubernetes.shop.com", "INTERNAL")
	f("my-internal.shop.com", "INTERNAL")
	f("api.shop.com", "")
	f("", "")
}

func TestNewCollection(t *testing.T) {
	c, err := inventory.NewCollection("My API 1.0-a_b")
	if err != nil || c.Name != "My API 1.0-a_b" || !c.SampleCollectionsDropped {
		t.Errorf("NewCollection = %+v, %v", c, err)
	}
	for name, want := range map[string]string{
		"":                      "invalid",
		"  ":                    "invalid",
		strings.Repeat("a", 61): "too long",
		"a/b":                   "illegal",
		"é":                     "illegal",
		"a\nb":                  "illegal",
	} {
		_, err := inventory.NewCollection(name)
		if k, msg := fault.Of(err); k != fault.Invalid || !strings.Contains(msg, want) {
			t.Errorf("NewCollection(%q) = %v, want an error of kind Invalid with %q", name, err, want)
		}
	}
}

func TestLabels(t *testing.T) {
	var l inventory.Labels
	learn := func(want bool, direction, access string, at int64, tags ...string) {
		t.Helper()
		m := map[string]string{}
		for _, tag := range tags {
			k, v, _ := strings.Cut(tag, "=")
			m[k] = v
		}
		before := slices.Clone(l.Tags)
		was := l.Tags
		if got := l.Learn(direction, m, at); got != want || l.AccessType != access {
			t.Errorf("Learn(%q, %v, %d) = %v, access type %q; want %v, %q", direction, tags, at, got, l.AccessType, want, access)
		}
		if !slices.Equal(was, before) {
			t.Error("former tags were written to")
		}
	}
	tags := func(want string) {
		t.Helper()
		var got []string
		for _, tag := range l.Tags {
			got = append(got, tag.KeyName+"="+tag.Value+"/"+tag.Source)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("tags = %s, want %s", s, want)
		}
	}
	learn(false, "", "", 1)
	learn(true, "2", inventory.ThirdParty, 1)
	learn(true, "1", inventory.Internal, 1)
	learn(false, "2", inventory.Internal, 1)
	l.Tags = []inventory.Tag{{KeyName: "envType", Value: "DEV", Source: "AKTO"}, {KeyName: "mine", Value: "a", Source: "USER"}}
	learn(true, "1", inventory.Internal, 1000, "team=x", "app=y", "envType=PRODUCTION", "mine=b", "=z", strings.Repeat("k", 300)+"=1")
	tags("envType=PRODUCTION/KUBERNETES mine=a/USER app=y/KUBERNETES team=x/KUBERNETES")
	learn(false, "1", inventory.Internal, 2000, "team=z") // which instances may differ in
	learn(true, "1", inventory.Internal, 5000, "team=z", "app=y")
	tags("envType=PRODUCTION/KUBERNETES mine=a/USER app=y/KUBERNETES team=z/KUBERNETES")
	for i := range 100 {
		l.Learn("1", map[string]string{fmt.Sprint(i): "v"}, 5000)
	}
	if len(l.Tags) != 50 {
		t.Errorf("there are %d tags", len(l.Tags))
	}
}
