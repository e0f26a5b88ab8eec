package datatype_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	"harken/inventory/datatype"
)

func mustCompile(tb testing.TB, d datatype.Definitions) *datatype.Detector {
	tb.Helper()
	det, err := datatype.Compile(d)
	if err != nil {
		tb.Fatal(err)
	}
	return det
}

func list(op string, predicates ...string) *datatype.Conditions {
	c := &datatype.Conditions{Operator: op}
	for _, p := range predicates {
		kind, value, _ := strings.Cut(p, " ")
		pred := datatype.Predicate{Type: kind, Value: value}
		if strings.HasSuffix(kind, "BELONGS_TO") {
			pred = datatype.Predicate{Type: kind, Values: strings.Split(value, "|")}
		}
		c.Predicates = append(c.Predicates, pred)
	}
	return c
}

func custom(name string, key, value *datatype.Conditions, op string) datatype.CustomType {
	return datatype.CustomType{Name: name, Active: true, KeyConditions: key, ValueConditions: value, Operator: op}
}

func TestD15(t *testing.T) {
	var defs datatype.Definitions
	err := json.Unmarshal([]byte(`{"customDataTypes":[{"_id":"1","name":"GEO","active":true,"operator":"AND",
		"valueConditions":{"operator":"AND","predicates":[{"type":"REGEX","value":"[a-z]{2}-\\d{3}"}]}}]}`), &defs)
	if err != nil {
		t.Fatal(err)
	}
	d := mustCompile(t, defs)
	if got := d.Text("zone", "fr-204"); got != "GEO" {
		t.Errorf("Text = %s, want GEO", got)
	}
	for _, s := range []string{"fr-2045", "xfr-204", "FR-204", "fr-204\n", ""} {
		if got := d.Text("zone", s); got == "GEO" {
			t.Errorf("Text(%q) = GEO", s)
		}
	}
	defs.Custom[0].Active = false
	if got := mustCompile(t, defs).Text("zone", "fr-204"); got != datatype.Generic {
		t.Errorf("inactive: Text = %s", got)
	}
	if got := d.Text("zone", "jo@a.example"); got != datatype.Email {
		t.Errorf("Text = %s, want EMAIL", got)
	}
}

func TestPredicates(t *testing.T) {
	f := func(c *datatype.Conditions, text string, want bool) {
		t.Helper()
		d := mustCompile(t, datatype.Definitions{Custom: []datatype.CustomType{custom("X", nil, c, "")}})
		if got := d.Text("k", text) == "X"; got != want {
			t.Errorf("value %v: Text(%.60q) fits = %v, want %v", c, text, got, want)
		}
		d = mustCompile(t, datatype.Definitions{Custom: []datatype.CustomType{custom("X", c, nil, "")}})
		if got := d.Text(text, "v") == "X"; got != want && !strings.ContainsAny(text, "#.") {
			t.Errorf("key %v: Text(%.60q) fits = %v, want %v", c, text, got, want)
		}
	}
	f(list("AND", "REGEX a|b"), "b", true)
	f(list("AND", "REGEX a|b"), "ab", false)
	f(list("AND", "REGEX (?i)abc"), "aBC", true)
	f(list("AND", "REGEX (?i)k+"), "\u212a", true) // folds with the Kelvin sign
	f(list("AND", "REGEX ^a$"), "a", true)
	f(list("AND", "REGEX a*"), "", true)
	f(list("AND", "REGEX é+"), "éé", true)
	f(list("AND", "REGEX [^a]"), "é", true)
	f(list("AND", "REGEX (?s).{3}"), "é\n\xff", true)
	f(list("AND", "REGEX x{2,300}"), strings.Repeat("x", 280), true)
	f(list("AND", "REGEX x{2,300}"), strings.Repeat("x", 301), false)
	f(list("AND", "REGEX (ab|cde)?f"), "f", true)
	f(list("AND", "REGEX f(ab|cde)?"), "fcde", true)
	f(list("AND", "STARTS_WITH ab"), "abc", true)
	f(list("AND", "STARTS_WITH ab"), "a", false)
	f(list("AND", "STARTS_WITH a"), "a"+strings.Repeat("x", 9000), true)
	f(list("AND", "ENDS_WITH bc"), "abc", true)
	f(list("AND", "ENDS_WITH x"), "a"+strings.Repeat("x", 9000), false)
	f(list("AND", "EQUALS_TO ab"), " ab\t", true)
	f(list("AND", "EQUALS_TO ab"), "\u2003ab", true)
	f(list("AND", "EQUALS_TO ab"), "abc", false)
	f(list("AND", "CONTAINS b.d"), "ab.de", true)
	f(list("AND", "CONTAINS b.d"), "bxd", true) // as an expression, whole
	f(list("AND", "CONTAINS b.d"), "abxde", false)
	f(list("AND", "CONTAINS (?i"), "a(?ib", true) // no expression
	f(list("AND", "IS_NUMBER"), "12", true)
	f(list("AND", "IS_NUMBER"), "-1.5", true)
	f(list("AND", "IS_NUMBER"), "12a", false)
	f(list("AND", "BELONGS_TO red|green"), "green ", true)
	f(list("AND", "BELONGS_TO red|green"), "blue", false)
	f(list("AND", "NOT_BELONGS_TO red|green"), "blue", true)
	f(list("AND", "NOT_BELONGS_TO red|green"), "red", false)
	f(list("AND", "STARTS_WITH a", "ENDS_WITH z"), "abz", true)
	f(list("AND", "STARTS_WITH a", "ENDS_WITH z"), "abc", false)
	f(list("OR", "STARTS_WITH a", "ENDS_WITH z"), "bz", true)
	f(list("OR", "STARTS_WITH a", "ENDS_WITH z"), "bc", false)
	f(list("", "STARTS_WITH a", "ENDS_WITH z"), "abc", false)
	f(&datatype.Conditions{}, "abc", false)
	f(&datatype.Conditions{Operator: "OR"}, "", false)
}

func TestNumbers(t *testing.T) {
	f := func(predicate, raw string, want bool) {
		t.Helper()
		d := mustCompile(t, datatype.Definitions{Custom: []datatype.CustomType{custom("X", nil, list("AND", predicate), "")}})
		if got := d.Number("k", raw) == "X"; got != want {
			t.Errorf("%s: Number(%s) fits = %v, want %v", predicate, raw, got, want)
		}
	}
	f("REGEX [0-9]+", "12", false)
	f("IS_NUMBER", "1e5", true)
	f("STARTS_WITH 12", "123", true)
	f("EQUALS_TO 12", "12", true)
	f("BELONGS_TO 12|13", "13", true)
	f("CONTAINS [0-9]+", "12", false)
}

func TestKeysAndValues(t *testing.T) {
	key, value := list("AND", "EQUALS_TO zone"), list("AND", `REGEX [a-z]{2}-\d{3}`)
	f := func(typ datatype.CustomType, key, text string, want datatype.Name) {
		t.Helper()
		d := mustCompile(t, datatype.Definitions{Custom: []datatype.CustomType{typ}})
		if got := d.Text(key, text); got != want {
			t.Errorf("Text(%q, %q) = %s, want %s", key, text, got, want)
		}
	}
	and, or := custom("GEO", key, value, "AND"), custom("GEO", key, value, "OR")
	f(and, "zone", "fr-204", "GEO")
	f(and, "shop#zone", "fr-204", "GEO")
	f(and, "shop.zone", "fr-204", "GEO")
	f(and, "zone#$", "fr-204", "GEO")
	f(and, "a#$#zone#$#$", "fr-204", "GEO")
	f(and, "zone_queryParam", "fr-204", "GEO")
	f(and, "zone", "x", datatype.Generic)
	f(and, "zones", "fr-204", datatype.Generic)
	f(or, "zone", "x", "GEO")
	f(or, "k", "fr-204", "GEO")
	f(or, "k", "x", datatype.Generic)
	f(custom("GEO", key, nil, "AND"), "zone", "", "GEO")
	f(custom("GEO", nil, nil, "AND"), "zone", "fr-204", datatype.Generic)
	f(custom("GEO", &datatype.Conditions{}, value, "AND"), "zone", "fr-204", datatype.Generic)
	f(custom("GEO", &datatype.Conditions{}, value, "OR"), "zone", "fr-204", "GEO")
	// Before the built-in types.
	f(custom("GEO", key, nil, "AND"), "zone", "jo@a.example", "GEO")
	long := strings.Repeat("k", 500)
	f(custom("GEO", list("AND", "STARTS_WITH kkk"), nil, "AND"), long, "v", "GEO")
}

func TestOrder(t *testing.T) {
	v := list("AND", "STARTS_WITH a")
	first, second, sensitive := custom("FIRST", nil, v, ""), custom("SECOND", nil, v, ""), custom("SENSITIVE", nil, v, "")
	sensitive.SensitivePosition = []string{"RESPONSE_PAYLOAD"}
	f := func(want datatype.Name, types ...datatype.CustomType) {
		t.Helper()
		if got := mustCompile(t, datatype.Definitions{Custom: types}).Text("k", "abc"); got != want {
			t.Errorf("Text = %s, want %s", got, want)
		}
	}
	f("FIRST", first, second)
	f("SECOND", second, first)
	f("SENSITIVE", first, second, sensitive)
	first.Active = false
	f("SECOND", first, second)
}

// Many types, so that a set has several words.
func TestManyTypes(t *testing.T) {
	var defs datatype.Definitions
	for i := range 300 {
		defs.Custom = append(defs.Custom, custom(fmt.Sprintf("T%d", i), nil, list("AND", fmt.Sprintf("EQUALS_TO v%d", i)), ""))
	}
	d := mustCompile(t, defs)
	for i := range 300 {
		if got := d.Text("k", fmt.Sprintf("v%d", i)); got != fmt.Sprintf("T%d", i) {
			t.Errorf("Text(v%d) = %s", i, got)
		}
	}
	if got := d.Text("k", "v300"); got != datatype.Generic {
		t.Errorf("Text = %s", got)
	}
}

func TestOverrides(t *testing.T) {
	d := mustCompile(t, datatype.Definitions{Builtins: []datatype.Override{
		{Name: "EMAIL", SensitivePosition: []string{"REQUEST_PAYLOAD"}, Redacted: true, CategoriesList: []string{"MINE"}, DataTypePriority: "LOW"},
		{Name: "SSN", Inactive: true},
		{Name: "VIN", KeyConditions: &datatype.Conditions{Operator: "AND"}, SensitiveAlways: true},
		{Name: "PHONE_NUMBER", SensitiveAlways: true, ValueConditions: list("AND", `REGEX \d{10}`)},
		{Name: "ADDRESS", KeyConditions: list("AND", "EQUALS_TO address"), SensitiveAlways: true},
		{Name: "CREDIT_CARD", Inactive: true, KeyConditions: list("AND", "EQUALS_TO card")},
		{Name: "UUID", IgnoreData: &datatype.IgnoreData{
			KeysInAllAPIs: []string{"trace"},
			KeysInSelectedAPIs: map[string][]datatype.ParamID{
				"id": {{URL: "/a", Method: "get", ResponseCode: 200, Param: "x#id", APICollectionID: 7}},
			},
		}},
		{Name: "GENERIC", SensitiveAlways: true},
	}})
	f := func(key, text string, want datatype.Name) {
		t.Helper()
		if got := d.Text(key, text); got != want {
			t.Errorf("Text(%q, %q) = %s, want %s", key, text, got, want)
		}
	}
	const id = "3f2b8c1e-9a4d-4e6f-8b7a-2c1d0e9f8a7b"
	f("k", "jo@a.example", datatype.Email)
	f("k", "123-45-6789", datatype.Generic)
	f("k", "6502530000", datatype.PhoneNumber)
	f("k", "+16502530000", datatype.Generic)
	f("k", "1M8GDM9AXKP042788", datatype.VIN)
	f("shop#address", "anywhere", datatype.Address)
	f("card", "4539148803436467", datatype.Integer64)
	f("k", id, datatype.UUID)
	f("trace", id, datatype.Generic)
	f("x#id", id, datatype.UUID)
	at := datatype.ParamID{URL: "/a", Method: "GET", ResponseCode: 200, Param: "x#id", APICollectionID: 7}
	if !d.IgnoresSome("x#id") || d.IgnoresSome("trace") {
		t.Error("IgnoresSome is wrong")
	}
	if got := d.TextAt("x#id", id, &at); got != datatype.Generic {
		t.Errorf("TextAt = %s, want GENERIC", got)
	}
	at.URL = "/b"
	if got := d.TextAt("x#id", id, &at); got != datatype.UUID {
		t.Errorf("TextAt = %s, want UUID", got)
	}
	if got := d.Number("card", "4539148803436467"); got != datatype.Integer64 {
		t.Errorf("Number = %s", got)
	}
	if d.Sensitive("EMAIL", datatype.ResponsePayload) || !d.Sensitive("EMAIL", datatype.RequestPayload) || !d.Sensitive("GENERIC", datatype.RequestHeader) {
		t.Error("sensitivity is not that of the override")
	}
	if !d.Redacted("EMAIL") || d.Redacted("URL") || !reflect.DeepEqual(d.RedactedTypes(), []string{"EMAIL"}) {
		t.Error("redacted types are wrong")
	}
	typ, ok := d.ByName("EMAIL")
	if !ok || typ.Super != datatype.SuperString || typ.Priority != "LOW" || typ.Categories[0] != "MINE" {
		t.Errorf("ByName = %+v, %v", typ, ok)
	}
	if typ, _ := d.ByName("SSN"); !typ.Inactive {
		t.Error("SSN is not inactive")
	}
}

func TestCustomFacts(t *testing.T) {
	typ := custom("GEO", nil, list("AND", "STARTS_WITH a"), "")
	typ.SensitiveAlways, typ.Redacted, typ.CategoriesList = true, true, []string{"PII"}
	typ.IgnoreData = &datatype.IgnoreData{KeysInAllAPIs: []string{"shop#name"}}
	off := custom("OFF", nil, list("AND", "STARTS_WITH a"), "")
	off.Active = false
	d := mustCompile(t, datatype.Definitions{Custom: []datatype.CustomType{typ, off}})
	if got := d.Text("name", "abc"); got != datatype.Generic {
		t.Errorf("ignored key: Text = %s", got)
	}
	at := datatype.ParamID{URL: "/a", Method: "POST", ResponseCode: -1, Param: "shop#title", APICollectionID: 3}
	typ.IgnoreData.KeysInSelectedAPIs = map[string][]datatype.ParamID{"title": {at}}
	selected := mustCompile(t, datatype.Definitions{Custom: []datatype.CustomType{typ}})
	if got := selected.TextAt("shop#title", "abc", &at); got != datatype.Generic || !selected.IgnoresSome("shop#title") {
		t.Errorf("ignored parameter: TextAt = %s", got)
	}
	if got := selected.Text("shop#title", "abc"); got != "GEO" {
		t.Errorf("other parameter: Text = %s", got)
	}
	if !d.Sensitive("GEO", datatype.RequestHeader) || !d.Redacted("GEO") || d.Sensitive("NONE", datatype.RequestHeader) {
		t.Error("facts are wrong")
	}
	all := d.Types()
	if n := len(datatype.All()); len(all) != n+2 || all[n].Name != "GEO" || all[n].Super != datatype.SuperCustom || !all[n+1].Inactive {
		t.Errorf("Types() = %+v", all)
	}
	all[len(all)-2].Categories[0] = "X"
	if got, _ := d.ByName("GEO"); got.Categories[0] != "PII" {
		t.Error("a caller can change the types")
	}
	var zero datatype.Detector
	if !zero.Sensitive("EMAIL", datatype.RequestHeader) || zero.Redacted("EMAIL") || len(zero.Types()) != len(datatype.All()) {
		t.Error("the zero Detector does not know the built-in types")
	}
}

func TestErrors(t *testing.T) {
	f := func(typ datatype.CustomType, field, reason string) {
		t.Helper()
		err := datatype.Validate(typ)
		var de *datatype.DefinitionError
		if !errors.As(err, &de) || de.Field != field || !strings.Contains(err.Error(), reason) {
			t.Errorf("Validate(%+v) = %v, want field %s and %q", typ, err, field, reason)
		}
	}
	ok := list("AND", "STARTS_WITH a")
	val := func(p string) datatype.CustomType { return custom("GEO", nil, list("AND", p), "") }
	f(custom("", nil, ok, ""), "name", "missing")
	f(custom("EMAIL", nil, ok, ""), "name", "built-in")
	f(custom("email", nil, ok, ""), "name", "built-in")
	f(custom("A$B", nil, ok, ""), "name", "$")
	f(custom(" A", nil, ok, ""), "name", "white space")
	f(custom(strings.Repeat("A", 65), nil, ok, ""), "name", "64")
	f(custom("GEO", nil, ok, "XOR"), "operator", "AND or OR")
	f(custom("GEO", nil, nil, ""), "valueConditions", "neither")
	f(custom("GEO", &datatype.Conditions{}, ok, ""), "keyConditions.predicates", "empty")
	f(custom("GEO", nil, list("NOR", "STARTS_WITH a"), ""), "valueConditions.operator", "AND or OR")
	f(val("REGEX (?=a)b"), "valueConditions.predicates[0].value", "RE2")
	f(val("REGEX a)|(b"), "valueConditions.predicates[0].value", "RE2")
	f(val(`REGEX (\w{100}){100}`), "valueConditions.predicates[0].value", "")
	f(val(`REGEX (abc){900}(def){900}`), "valueConditions.predicates[0].value", "too large")
	f(val("REGEX "+strings.Repeat("a", 3000)), "valueConditions.predicates[0].value", "2048")
	f(val("REGEX"), "valueConditions.predicates[0].value", "missing")
	f(val("LIKE a"), "valueConditions.predicates[0].type", "LIKE")
	empty := &datatype.Conditions{Predicates: []datatype.Predicate{{Type: "IS_NUMBER"}, {Type: "BELONGS_TO"}}}
	f(custom("GEO", empty, nil, ""), "keyConditions.predicates[1].value", "0 texts")
	many := &datatype.Conditions{Predicates: make([]datatype.Predicate, 101)}
	f(custom("GEO", many, nil, ""), "keyConditions.predicates", "100")
	bad := custom("GEO", nil, ok, "")
	bad.SensitivePosition = []string{"REQUEST_HEADER", "BODY"}
	f(bad, "sensitivePosition[1]", "BODY")
	bad = custom("GEO", nil, ok, "")
	bad.DataTypePriority = "URGENT"
	f(bad, "dataTypePriority", "URGENT")
	if err := datatype.Validate(custom("GEO", nil, ok, "AND")); err != nil {
		t.Errorf("Validate = %v", err)
	}

	for name, o := range map[string]datatype.Override{
		"name":                               {Name: "GEO"},
		"inactive":                           {Name: "INTEGER_32", Inactive: true},
		"valueConditions":                    {Name: "TRUE", KeyConditions: ok},
		"valueConditions.predicates[0].type": {Name: "SSN", ValueConditions: list("AND", "X")},
	} {
		var de *datatype.DefinitionError
		if err := datatype.ValidateOverride(o); !errors.As(err, &de) || de.Field != name {
			t.Errorf("ValidateOverride(%+v) = %v, want field %s", o, err, name)
		}
	}
}

// A bad definition is named and left out; the others work.
func TestCompileErrors(t *testing.T) {
	good := custom("GOOD", nil, list("AND", "STARTS_WITH a"), "")
	d, err := datatype.Compile(datatype.Definitions{
		Custom:   []datatype.CustomType{custom("BAD", nil, list("AND", "REGEX (?<!a)b"), ""), good, good},
		Builtins: []datatype.Override{{Name: "NOPE"}, {Name: "SSN"}, {Name: "SSN", Inactive: true}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`type "BAD": valueConditions.predicates[0].value`, `type "GOOD": name: is there twice`, `type "NOPE": name`, `type "SSN": name`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	if got := d.Text("k", "abc"); got != "GOOD" {
		t.Errorf("Text = %s, want GOOD", got)
	}
	if got := d.Text("k", "123-45-6789"); got != datatype.SSN {
		t.Errorf("Text = %s, want SSN", got)
	}
	if _, err := datatype.Compile(datatype.Definitions{Custom: make([]datatype.CustomType, datatype.MaxCustomTypes+1)}); err == nil {
		t.Error("no error for too many types")
	}
}

func TestJSON(t *testing.T) {
	const doc = `{"name":"A","sensitiveAlways":true,"sensitivePosition":null,"creatorId":5,"timestamp":6,"active":true,` +
		`"keyConditions":{"operator":"OR","predicates":[{"type":"BELONGS_TO","value":["a","b"]},{"type":"IS_NUMBER"}]},"operator":"AND",` +
		`"ignoreData":{"ignoredKeysInAllAPIs":["k"],"ignoredKeysInSelectedAPIs":{"z":[{"url":"/a","method":"GET","responseCode":-1,` +
		`"isHeader":false,"param":"z","apiCollectionId":3,"isUrlParam":false}]}},"redacted":false,"sampleDataFixed":true,` +
		`"dataTypePriority":"HIGH","categoriesList":["PII"],"iconString":"i"}`
	var typ datatype.CustomType
	if err := json.Unmarshal([]byte(doc), &typ); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(typ)
	if err != nil || string(b) != doc {
		t.Errorf("Marshal = %s, %v, want %s", b, err, doc)
	}
	var p datatype.Predicate
	if err := json.Unmarshal([]byte(`{"type":"EQUALS_TO","value":5}`), &p); err != nil || p.Value != "5" {
		t.Errorf("Unmarshal = %+v, %v", p, err)
	}
	for _, bad := range []string{`{"type":"BELONGS_TO","value":[{"url":"/a"}]}`, `{"type":"REGEX","value":{}}`, `{"type":5}`, `{"type":"REGEX","value":true}`} {
		if err := json.Unmarshal([]byte(bad), &p); err == nil {
			t.Errorf("Unmarshal(%s) = nil", bad)
		}
	}
}

func TestNormalized(t *testing.T) {
	typ := custom(" geo ", &datatype.Conditions{}, list("or", "starts_with a"), "")
	typ.DataTypePriority = "high"
	n := typ.Normalized()
	if n.Name != "GEO" || n.KeyConditions != nil || n.Operator != "AND" || n.ValueConditions.Operator != "OR" ||
		n.ValueConditions.Predicates[0].Type != "STARTS_WITH" || n.DataTypePriority != "HIGH" {
		t.Errorf("Normalized = %+v", n)
	}
	if typ.ValueConditions.Operator != "or" || datatype.Validate(n) != nil {
		t.Error("Normalized changed its argument, or its result is not valid")
	}
}

func TestDetectorConcurrently(t *testing.T) {
	d := mustCompile(t, datatype.Definitions{Custom: []datatype.CustomType{
		custom("GEO", list("AND", "ENDS_WITH 7"), list("AND", "STARTS_WITH a"), "AND"),
	}})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 5000 {
				want := datatype.Generic
				if i%10 == 7 {
					want = "GEO"
				}
				if got := d.Text(fmt.Sprintf("k%d", i), "abc"); got != want {
					t.Errorf("Text(k%d) = %s, want %s", i, got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

// What the quick checks rule out, the expression rules out too.
func FuzzRegex(f *testing.F) {
	f.Add(`[a-z]{2}-\d{3}`, "fr-204")
	f.Add(`(?i)k|ſ`, "K")
	f.Add(`(a|bc)*d?$`, "bca")
	f.Add(`\bx\B.`, "xy")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
		if err != nil || len(text) > 1000 {
			return
		}
		d, err := datatype.Compile(datatype.Definitions{Custom: []datatype.CustomType{custom("X", nil,
			&datatype.Conditions{Predicates: []datatype.Predicate{{Type: "REGEX", Value: pattern}}}, "")}})
		if err != nil {
			return
		}
		if got, want := d.Text("k", text) == "X", re.MatchString(text); got != want {
			t.Fatalf("%q on %q: %v, want %v", pattern, text, got, want)
		}
	})
}
