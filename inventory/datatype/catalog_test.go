package datatype_test

import (
	"testing"

	"harken/inventory/datatype"
)

// catalogCases are good and bad values of each packaged type; the empty name is
// of values that are of none of them.
var catalogCases = map[string]struct{ good, bad []string }{
	"PAN CARD": {
		good: []string{"ABCDE1234F", "ZZZZZ0000Z"},
		bad:  []string{"abcde1234f", "ABCD1234F", "ABCDE12345", "ABCDE1234FX", " ABCDE1234F"},
	},
	"US MEDICARE HEALTH INSURANCE CLAIM NUMBER": {
		good: []string{"123456789A", "123456789a", "123456789C1", "000000000TA"},
		bad:  []string{"12345678A", "123456789", "123456789A-", "123456789AAA"},
	},
	"INDIAN UNIQUE HEALTH IDENTIFICATION": {good: []string{"91123412341234"}, bad: []string{"9112341234123", "911234123412345", "91-1234-1234-1234"}},
	"UNITED KINGDOM NATIONAL INSURANCE NUMBER": {
		good: []string{"AB123456C", "JG103759A", "ZY000000D", "NA999999B", "BB123456A", "GY123456A", "TZ123456A", "KK123456A"},
		bad: []string{
			"BG123456A", "GB123456A", "NK123456A", "KN123456A", "NT123456A", "TN123456A", "ZZ123456A", "AO123456A",
			"DA123456A", "FA123456A", "IA123456A", "QA123456A", "UA123456A", "VA123456A", "AD123456A", "AV123456A",
			"AB123456E", "AB12345C", "AB1234567C", "ab123456c",
		},
	},
	"FINNISH PERSONAL IDENTITY NUMBER": {
		good: []string{"131052-308T", "010190+123a", "311299A0028", "000100a8999"},
		bad:  []string{"321052-308T", "131352-308T", "130052-308T", "131052-908T", "131052-001T", "131052-009T", "131052-308Z", "131052B308T"},
	},
	"CANADIAN SOCIAL INSURANCE NUMBER": {good: []string{"046454286"}, bad: []string{"046 454 286", "04645428", "0464542860"}},
	"GERMAN INSURANCE IDENTITY NUMBER": {
		good: []string{"65070649C103", "15310799m999"}, bad: []string{"65320649C103", "65071349C103", "65070649103", "6507064C103"},
	},
	"JAPANESE SOCIAL INSURANCE NUMBER": {good: []string{"123456789012"}, bad: []string{"12345678901", "1234-5678-9012"}},
	"IBAN EUROPE": {
		good: []string{"DE89 3704 0044 0532 0130 00", "DE89370400440532013000", "AT61 1904 3002 3457 3201", "LT121000011101001000"},
		bad:  []string{"de89370400440532013000", "DE89370400440532", "DE89-3704-0044-0532-0130-00", "GB29NWBK60161331926819"},
	},
	"US ADDRESS": {
		good: []string{"1600 Pennsylvania Ave NW, Washington, DC 20500", "1 Main St., Springfield, IL 62701"},
		bad:  []string{"Main St, Springfield, IL 62701", "1 Main St, Springfield, il 62701", "1 Main St, Springfield IL 6270", "123456 Main, IL 62701"},
	},
	"IMAGE":     {good: []string{"a.png", "photo.JPG", "x/y.jpeg", "logo.svg"}, bad: []string{"my photo.png", ".png", "a.png.txt2", "apng"}},
	"DATA FILE": {good: []string{"a.pdf", "app.min.js", "x.CSS", "f.woff", "r.txt"}, bad: []string{"a b.pdf", ".pdf", "a.woff2", "a.json"}},
}

func TestCatalog(t *testing.T) {
	types := datatype.Catalog()
	if len(types) != len(catalogCases) {
		t.Errorf("%d types, want %d", len(types), len(catalogCases))
	}
	for _, typ := range types {
		if typ.Active || typ.SensitiveAlways || len(typ.SensitivePosition) > 0 {
			t.Errorf("%s is active or sensitive", typ.Name)
		}
		if typ.DataTypePriority == "" {
			t.Errorf("%s has no priority", typ.Name)
		}
		if err := datatype.Validate(typ); err != nil {
			t.Errorf("Validate(%s): %v", typ.Name, err)
		}
		inactive := mustCompile(t, datatype.Definitions{Custom: []datatype.CustomType{typ}})
		typ.Active = true
		d := mustCompile(t, datatype.Definitions{Custom: []datatype.CustomType{typ}})
		c := catalogCases[typ.Name]
		for _, s := range c.good {
			if got := d.Text("k", s); got != typ.Name {
				t.Errorf("%s: Text(%q) = %s", typ.Name, s, got)
			}
			if got := inactive.Text("k", s); got == typ.Name {
				t.Errorf("%s: Text(%q) finds the inactive type", typ.Name, s)
			}
		}
		for _, s := range c.bad {
			if got := d.Text("k", s); got == typ.Name {
				t.Errorf("%s: Text(%q) = %s", typ.Name, s, got)
			}
		}
	}
	types[0].Name = "X"
	if datatype.Catalog()[0].Name == "X" {
		t.Error("a caller can change the catalog")
	}
}

func TestCatalogEntry(t *testing.T) {
	f := func(e datatype.CatalogEntry, key, value string, want bool) {
		t.Helper()
		e.Name, e.Active = "thing", true
		d := mustCompile(t, datatype.Definitions{Custom: []datatype.CustomType{e.Type()}})
		if got := d.Text(key, value) == "THING"; got != want {
			t.Errorf("%+v: Text(%q, %q) fits = %v, want %v", e, key, value, got, want)
		}
	}
	onKey := datatype.CatalogEntry{RegexPattern: "(?i)pin(code)?", OnKey: true}
	f(onKey, "address#PinCode", "x", true)
	f(onKey, "spin", "x", false)
	both := datatype.CatalogEntry{RegexPattern: "pin", OnKeyAndPayload: true, RegexPatternOnValue: `\d{6}`}
	f(both, "pin", "123456", true)
	f(both, "pin", "12345", false)
	f(both, "pan", "123456", false)
	f(datatype.CatalogEntry{RegexPattern: `\d{6}`}, "k", "123456", true)
}
