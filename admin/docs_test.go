package admin

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"harken/admin/auth"
	"harken/inventory/datatype"
)

// docPath is the page that describes the rows.
const docPath = "../docs/api.md"

// The page of the API is what the rows say; run with -update to rewrite it.
func TestDocs(t *testing.T) {
	want := docs()
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.MkdirAll("../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(docPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docPath)
	if err != nil || string(got) != want {
		t.Errorf("docs/api.md is not what the rows say (%v); run go test ./admin -update", err)
	}
}

func docs() string {
	var b strings.Builder
	b.WriteString(`# The control API

Generated from admin/routes.go by ` + "`go test ./admin -update`" + `. Every endpoint below ` + "`/api/`" + ` needs a credential: the header
` + "`X-API-KEY`" + `; else the header ` + "`access-token`" + ` of a login, good for two hours and renewed by ` + "`/dashboard/accessToken`" + ` with
the cookie ` + "`refreshToken`" + `; else the session cookie of a login. Cookies need a same-origin ` + "`Origin`" + ` or ` + "`Sec-Fetch-Site`" + `. Requests are JSON objects; forms with the
same field names are read too. Errors are ` + "`{\"actionErrors\": [\"...\"]}`" + `.

Integers may be decimal strings, booleans ` + "`\"true\"`" + ` or ` + "`1`" + `, lists of integers one value or a string with commas, and a document
the JSON itself or a string that holds it. Unknown fields are ignored.

| endpoint | needs | body up to |
|---|---|---|
`)
	for i := range routes {
		r := &routes[i]
		size := "1 MiB"
		if r.uploads {
			size = "`-max-upload`"
		}
		if r.verb == "GET" {
			size = "none"
		}
		fmt.Fprintf(&b, "| [%s %s](#%s) | %s | %s |\n", r.verb, r.url(), anchor(r), permission(r.needs), size)
	}
	for i := range routes {
		r := &routes[i]
		fmt.Fprintf(&b, "\n## %s\n\n`%s %s`, needs %s.\n", strings.TrimPrefix(r.path, "/"), r.verb, r.url(), permission(r.needs))
		if r.in.NumField() > 0 {
			b.WriteString("\n| field | type | |\n|---|---|---|\n")
			for f := range r.in.Fields() {
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", jsonName(f), typeName(f.Type), f.Tag.Get("api"))
			}
		}
		if r.out == reflect.TypeFor[file]() {
			b.WriteString("\nReply: a file.\n")
			continue
		}
		fmt.Fprintf(&b, "\nReply:\n\n```\n%s\n```\n", shape(r.out, ""))
	}
	return b.String()
}

func anchor(r *route) string {
	return strings.ToLower(strings.NewReplacer("/", "", ".", "").Replace(r.path))
}

func permission(p auth.Permission) string {
	switch p.Feature {
	case auth.Open:
		return "nothing"
	case auth.SignedIn:
		return "any credential"
	default:
		return fmt.Sprintf("%s %s", p.Feature, p.Access)
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Int]():
		return "integer"
	case reflect.TypeFor[Bool]():
		return "boolean"
	case reflect.TypeFor[Ints]():
		return "list of integers"
	case reflect.TypeFor[Refs]():
		return "list of {id}"
	case reflect.TypeFor[Strings]():
		return "list of strings"
	case reflect.TypeFor[Text]():
		return "string"
	case reflect.TypeFor[Tags]():
		return "list of {keyName, value}"
	case reflect.TypeFor[APIs]():
		return "list of {apiCollectionId, url, method}"
	case reflect.TypeFor[Document]():
		return "document"
	}
	switch t.Kind() {
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "JSON"
		}
		return "list of " + typeName(t.Elem())
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "number"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "integer"
	default:
		return "string"
	}
}

// shape is the JSON of a reply with type names for values.
func shape(t reflect.Type, indent string) string {
	in := indent + "  "
	switch t.Kind() {
	case reflect.Pointer:
		return shape(t.Elem(), indent)
	case reflect.Slice:
		if t == reflect.TypeFor[json.RawMessage]() {
			return "JSON"
		}
		return "[" + shape(t.Elem(), indent) + "]"
	case reflect.Map:
		return "{key: " + shape(t.Elem(), indent) + "}"
	case reflect.Interface:
		return "any"
	case reflect.Struct:
		if t == reflect.TypeFor[datatype.Predicate]() {
			return "{type, value}"
		}
		var lines []string
		for _, f := range reflect.VisibleFields(t) {
			if jsonName(f) != "" {
				lines = append(lines, fmt.Sprintf("%s%q: %s", in, jsonName(f), shape(f.Type, in)))
			}
		}
		if len(lines) == 0 {
			return "{}"
		}
		return "{\n" + strings.Join(lines, ",\n") + "\n" + indent + "}"
	default:
		return typeName(t)
	}
}
