package datatype_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"harken/inventory/datatype"
)

func TestAuthTypes(t *testing.T) {
	a, err := datatype.CompileAuth([]datatype.AuthType{
		{Name: "OFF", HeaderKeys: []string{"x-sign"}},
		{Name: "SIGNED", HeaderKeys: []string{"X-Sign", "x-date"}, Active: true},
		{Name: "TOKEN", HeaderKeys: []string{"x-none"}, PayloadKeys: []string{"auth.token", "users[0].id"}, Active: true},
		{Name: "ONE", HeaderKeys: []string{"sid"}, Active: true, APICollectionIDs: []int32{7}},
		{Name: "DOT", PayloadKeys: []string{"clé"}, Active: true},
		{Name: "LIST", PayloadKeys: []string{"[1].k"}, Active: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := func(collection int32, headers, body, want string) {
		t.Helper()
		names := strings.Fields(headers)
		got := a.Match(collection, func(name string) bool { return slices.Contains(names, name) }, []byte(body))
		if got != want {
			t.Errorf("Match(%d, %s, %s) = %q, want %q", collection, headers, body, got, want)
		}
	}
	f(1, "x-sign x-date", "", "SIGNED")
	f(1, "x-sign", "", "")
	f(1, "", `{"auth":{"token":"x"},"users":[{"id":1},{"id":2}]}`, "TOKEN")
	f(1, "", `{"users":[{"id":null}],"a":[[],{}],"auth":{"x":{"y":1},"token":{}}}`, "TOKEN")
	f(1, "", `{"auth":{"token":"x"},"users":[[{"id":1}]]}`, "")
	f(1, "", `{"auth":{"token":"x"},"users":[]}`, "")
	f(1, "", `{"auth":{"\u0074oken":"x"},"users":[{"id":1}]}`, "TOKEN")
	f(1, "", `{"auth":{"token":`, "")
	f(1, "", `auth.token users[0].id`, "")
	f(1, "", `{"cl\u00e9":1}`, "DOT")
	f(1, "", `[0,{"j":{},"k":true}]`, "LIST")
	f(1, "sid", "", "")
	f(7, "sid", "", "ONE")
	if got := (*datatype.AuthTypes)(nil).Match(1, nil, nil); got != "" {
		t.Errorf("nil: Match = %q", got)
	}
}

func TestAuthErrors(t *testing.T) {
	f := func(typ datatype.AuthType, field string) {
		t.Helper()
		var de *datatype.DefinitionError
		if err := datatype.ValidateAuth(typ); !errors.As(err, &de) || de.Field != field {
			t.Errorf("ValidateAuth(%+v) = %v, want field %s", typ, err, field)
		}
	}
	keys := []string{"a"}
	f(datatype.AuthType{HeaderKeys: keys}, "name")
	f(datatype.AuthType{Name: "Bearer", HeaderKeys: keys}, "name")
	f(datatype.AuthType{Name: "A"}, "headerKeys")
	f(datatype.AuthType{Name: "A", HeaderKeys: []string{"a", " "}}, "headerKeys[1]")
	f(datatype.AuthType{Name: "A", PayloadKeys: make([]string, 51)}, "payloadKeys")
	a, err := datatype.CompileAuth([]datatype.AuthType{
		{Name: "A", HeaderKeys: keys, Active: true}, {Name: "A", HeaderKeys: keys, Active: true}, {Name: "B", Active: true},
	})
	if err == nil || !strings.Contains(err.Error(), `type "A": name`) || !strings.Contains(err.Error(), `type "B": headerKeys`) {
		t.Errorf("CompileAuth: %v", err)
	}
	if got := a.Match(0, func(string) bool { return true }, nil); got != "A" {
		t.Errorf("Match = %q, want A", got)
	}
}

// Whatever the body, a key that the body has as a member of its root is found.
func FuzzAuth(f *testing.F) {
	f.Add(`{"a":1,"b":[{"c":2}]}`, "a")
	f.Add(`{"é":{},"b":{"c":[[1]]}}`, "é")
	f.Fuzz(func(t *testing.T, body, key string) {
		a, err := datatype.CompileAuth([]datatype.AuthType{{Name: "A", PayloadKeys: []string{key}, Active: true}})
		if err != nil || key != strings.TrimSpace(key) {
			return
		}
		got := a.Match(1, nil, []byte(body)) != ""
		var root map[string]any
		if json.Unmarshal([]byte(body), &root) != nil || len(body) > 500 {
			return
		}
		if _, ok := root[key].(float64); ok && !got {
			t.Fatalf("%q is not found in %s", key, body)
		}
	})
}

func BenchmarkAuth(b *testing.B) {
	a, err := datatype.CompileAuth([]datatype.AuthType{
		{Name: "SIGNED", HeaderKeys: []string{"x-sign", "x-date"}, Active: true},
		{Name: "TOKEN", PayloadKeys: []string{"auth.token"}, Active: true},
	})
	if err != nil {
		b.Fatal(err)
	}
	has := func(string) bool { return false }
	for name, body := range map[string]string{"without": `{"id":1,"name":"x","lines":[{"sku":"a"}]}`, "with": `{"id":1,"auth":{"token":"x"}}`} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			body := []byte(body)
			for b.Loop() {
				a.Match(1, has, body)
			}
		})
	}
}
