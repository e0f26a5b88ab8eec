package datatype_test

import (
	"fmt"
	"testing"

	"harken/inventory/datatype"
)

// fifty are the packaged types and others as users write them, all active.
func fifty() datatype.Definitions {
	var defs datatype.Definitions
	for _, t := range datatype.Catalog() {
		t.Active = true
		defs.Custom = append(defs.Custom, t)
	}
	for i := len(defs.Custom); i < 50; i++ {
		name := fmt.Sprintf("TYPE %d", i)
		switch i % 5 {
		case 0:
			defs.Custom = append(defs.Custom, custom(name, nil, list("AND", fmt.Sprintf(`REGEX cus_%d[A-Za-z0-9]{14}`, i)), ""))
		case 1:
			defs.Custom = append(defs.Custom, custom(name, list("AND", fmt.Sprintf("EQUALS_TO field%d", i)), nil, ""))
		case 2:
			defs.Custom = append(defs.Custom, custom(name, list("AND", "REGEX (?i).*(secret|token).*"), list("AND", fmt.Sprintf("REGEX .{%d}", i+10)), "AND"))
		case 3:
			defs.Custom = append(defs.Custom, custom(name, nil, list("OR", fmt.Sprintf("STARTS_WITH ORD-%d", i), fmt.Sprintf("CONTAINS acct%d:", i)), ""))
		default:
			defs.Custom = append(defs.Custom, custom(name, nil, list("AND", "BELONGS_TO red|green|blue"), ""))
		}
	}
	return defs
}

func BenchmarkDetector(b *testing.B) {
	values := map[string]string{
		"word": "pending", "sentence": "the quick brown fox jumps over the lazy dog", "integer": "48213",
		"uuid": "3f2b8c1e-9a4d-4e6f-8b7a-2c1d0e9f8a7b", "date": "2026-03-01T10:20:30Z", "url": "https://shop.example/a/b",
	}
	keys := []string{"id", "user#name", "lines#$#sku", "createdAt"}
	for _, types := range []int{0, 50} {
		var d *datatype.Detector
		if types == 0 {
			d = new(datatype.Detector)
		} else {
			d = mustCompile(b, fifty())
		}
		for name, v := range values {
			b.Run(fmt.Sprintf("types=%d/%s", types, name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(v)))
				i := 0
				for b.Loop() {
					d.Text(keys[i&3], v)
					i++
				}
			})
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	defs := fifty()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := datatype.Compile(defs); err != nil {
			b.Fatal(err)
		}
	}
}
