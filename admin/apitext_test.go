package admin

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// textPath holds the words of the document: comments and examples.
const textPath = "apitext.json"

// rewrite stores want in a generated file with -update, and compares them.
func rewrite(t *testing.T, name, want string) {
	t.Helper()
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the sources say (%v); run go test ./admin -update", name, err)
	}
}

// The embedded words are what the sources say, and every row has its sentence,
// its group, and an example when it needs fields.
func TestTexts(t *testing.T) {
	texts := readTexts(t)
	rewrite(t, textPath, encodeTexts(t, texts))
	for i := range routes {
		r := &routes[i]
		e := texts.Endpoints[r.path]
		if len(e.Text) < 12 || !strings.HasSuffix(e.Text, ".") || e.Group == "" {
			t.Errorf("%s: the handler (or, of a toggle, the request type) needs a doc comment that is a sentence; and the row a group", r.path)
		}
		needed := false
		for f := range r.in.Fields() {
			needed = needed || f.Tag.Get("api") == "required"
		}
		if needed && r.verb == "POST" && e.Example == nil {
			t.Errorf("%s: testdata/%s.txtar has no body that succeeds", r.path, path.Base(r.path))
		}
	}
}

func encodeTexts(t *testing.T, texts *apiTexts) string {
	t.Helper()
	line := func(v any) []byte {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		return bytes.TrimSpace(b.Bytes())
	}
	var b strings.Builder
	section := func(keys []string, value func(string) any) {
		for i, k := range keys {
			end := ","
			if i == len(keys)-1 {
				end = ""
			}
			fmt.Fprintf(&b, "%s: %s%s\n", line(k), line(value(k)), end)
		}
	}
	b.WriteString("{\"endpoints\": {\n")
	section(slices.Sorted(maps.Keys(texts.Endpoints)), func(k string) any { return texts.Endpoints[k] })
	b.WriteString("}, \"fields\": {\n")
	section(slices.Sorted(maps.Keys(texts.Fields)), func(k string) any { return texts.Fields[k] })
	b.WriteString("}}\n")
	return b.String()
}

// sources are the comments of packages.
type sources struct {
	funcs, types map[string]string // of package admin
	fields       map[string]string // package.Type.Field
}

func readTexts(t *testing.T) *apiTexts {
	t.Helper()
	src := sources{map[string]string{}, map[string]string{}, map[string]string{}}
	for _, dir := range []string{"../inventory", "../inventory/datatype", "../ingest/learn/filter", "."} {
		src.read(t, dir)
	}
	out := &apiTexts{Endpoints: map[string]endpointText{}, Fields: map[string]string{}}
	known := map[string][]string{}
	for i := range routes {
		for f := range routes[i].in.Fields() {
			known[routes[i].path] = append(known[routes[i].path], jsonName(f))
		}
	}
	rows(t, func(path, group, handler, param string) {
		text := src.funcs[handler]
		if text == "" {
			text = src.types[param]
		}
		out.Endpoints[path] = endpointText{Group: group, Text: text, Example: example(t, path, known[path])}
	})
	// Only what the document can use, so that comments elsewhere change nothing.
	used := newReflector(&apiTexts{})
	var usedTypes []reflect.Type
	for i := range routes {
		usedTypes = append(usedTypes, routes[i].in)
		used.request(routes[i].in)
		used.reply(routes[i].out)
	}
	for _, typ := range used.names {
		usedTypes = append(usedTypes, typ)
	}
	for _, typ := range usedTypes {
		if typ.Kind() != reflect.Struct {
			continue
		}
		for f := range typ.Fields() {
			name := typ.String() + "." + f.Name
			if text := src.fields[name]; text != "" && f.Tag.Get("json") != "" {
				out.Fields[name] = text
			}
		}
	}
	return out
}

func (s *sources) read(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal(dir, files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if dir == "." {
					s.funcs[d.Name.Name] = sentence(d.Name.Name, d.Doc.Text())
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if ts, ok := spec.(*ast.TypeSpec); ok {
						s.typeSpec(f.Name.Name, dir == ".", d, ts)
					}
				}
			}
		}
	}
}

func (s *sources) typeSpec(pkg string, own bool, d *ast.GenDecl, ts *ast.TypeSpec) {
	if own {
		s.types[ts.Name.Name] = sentence(ts.Name.Name, d.Doc.Text())
	}
	st, ok := ts.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range st.Fields.List {
		text := f.Comment.Text()
		if text == "" {
			text = f.Doc.Text()
		}
		for _, n := range f.Names {
			if text := strings.TrimSpace(sentence(n.Name, text)); text != "" {
				s.fields[pkg+"."+ts.Name.Name+"."+n.Name] = text
			}
		}
	}
}

// sentence is a doc comment without the name that it begins with.
func sentence(name, doc string) string {
	doc = strings.Join(strings.Fields(doc), " ")
	if rest, ok := strings.CutPrefix(doc, name+" "); ok && rest != "" {
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, "are "), "is ")
		return strings.ToUpper(rest[:1]) + rest[1:]
	}
	return doc
}

var groupComment = regexp.MustCompile(`^// ([A-Z][^.]*)\.$`)

// rows reads the table in routes.go: each row's path, the comment line above its
// group, the function that it gives, and the type that it gives to a generic one.
func rows(t *testing.T, yield func(path, group, handler, param string)) {
	t.Helper()
	fset := gotoken.NewFileSet()
	f, err := parser.ParseFile(fset, "routes.go", nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	groupAt := func(pos gotoken.Pos) string {
		group := ""
		for _, c := range f.Comments {
			if m := groupComment.FindStringSubmatch(c.List[0].Text); m != nil && c.Pos() < pos {
				group = m[1]
			}
		}
		return group
	}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != gotoken.VAR {
			continue
		}
		for _, row := range g.Specs[0].(*ast.ValueSpec).Values[0].(*ast.CompositeLit).Elts {
			cells := row.(*ast.CompositeLit).Elts
			p, err := strconv.Unquote(cells[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			handler, param := handlerOf(cells[2], "")
			yield(p, groupAt(row.Pos()), handler, param)
		}
	}
}

// handlerOf finds the function inside calls such as upload(post((*API).x)).
func handlerOf(e ast.Expr, param string) (handler, typ string) {
	switch e := e.(type) {
	case *ast.CallExpr:
		if ix, ok := e.Fun.(*ast.IndexExpr); ok {
			if id, ok := ix.Index.(*ast.Ident); ok {
				param = id.Name
			}
		}
		// limited(byLogins, post((*API).x)) has something else in front.
		arg := e.Args[len(e.Args)-1]
		for _, a := range e.Args {
			if _, ok := a.(*ast.CallExpr); ok {
				arg = a
			}
		}
		return handlerOf(arg, param)
	case *ast.SelectorExpr:
		return e.Sel.Name, param
	case *ast.Ident:
		return e.Name, param
	default:
		return "", param
	}
}

// example is the first JSON body with which a row's script succeeds, without
// fields that the row does not have: those are ignored.
func example(t *testing.T, row string, known []string) json.RawMessage {
	t.Helper()
	name := path.Base(row)
	a, err := txtar.ParseFile("testdata/" + name + ".txtar")
	if err != nil {
		return nil // another test says so
	}
	body := func(file string) json.RawMessage {
		for _, f := range a.Files {
			var all map[string]json.RawMessage
			if f.Name != file || json.Unmarshal(f.Data, &all) != nil {
				continue
			}
			var out members
			for _, name := range known {
				if raw, ok := all[name]; ok {
					raw = bytes.ReplaceAll(raw, []byte("${TAKEN}"), []byte("that-of-the-link"))
					out = append(out, member{name, raw})
				}
			}
			if b, err := json.Marshal(out); err == nil {
				return b
			}
		}
		return nil
	}
	for line := range strings.Lines(string(a.Comment)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 4 && words[0] == "api" && words[2] == row:
			if b := body(words[3]); b != nil {
				return b
			}
		case len(words) > 4 && words[0] == "http" && words[2] == "POST" && path.Base(words[3]) == name && words[len(words)-1][0] == '@':
			if b := body(words[len(words)-1][1:]); b != nil {
				return b
			}
		}
	}
	return nil
}
