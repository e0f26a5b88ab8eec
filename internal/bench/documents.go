package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// A document is an API that somebody described: the truth of the corpus.
type document struct {
	name string
	ops  []operation
}

// An operation is a method and a path of which segments in braces are parameters.
type operation struct {
	method, path string
	types        map[string]string // type and format of each parameter, where the document has them
}

var methods = []string{"get", "put", "post", "delete", "patch", "head"}

// readDocuments reads the OpenAPI and Swagger documents below a directory. What is
// no such document, or has no paths, is left out.
func readDocuments(dir string) ([]document, error) {
	var all []document
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if ops := operationsOf(name, data); len(ops) > 0 {
			all = append(all, document{filepath.Base(name), ops})
		}
		return nil
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%s has no OpenAPI document with paths", dir)
	}
	return all, err
}

func operationsOf(name string, data []byte) (ops []operation) {
	var doc struct {
		Paths      map[string]map[string]any `json:"paths" yaml:"paths"`
		Parameters map[string]any            `json:"parameters" yaml:"parameters"`
		Components struct {
			Parameters map[string]any `json:"parameters" yaml:"parameters"`
			Schemas    map[string]any `json:"schemas" yaml:"schemas"`
		} `json:"components" yaml:"components"`
	}
	decode := yaml.Unmarshal
	if strings.HasSuffix(name, ".json") {
		decode = func(data []byte, v any) error { return json.Unmarshal(data, v) }
	} else if !strings.HasSuffix(name, ".yaml") && !strings.HasSuffix(name, ".yml") {
		return nil
	}
	if decode(data, &doc) != nil {
		return nil
	}
	named := doc.Components.Parameters
	if named == nil {
		named = doc.Parameters
	}
	for path, item := range doc.Paths {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "#?") {
			continue
		}
		for method, op := range item {
			if !slices.Contains(methods, method) {
				continue
			}
			o := operation{method: strings.ToUpper(method), path: path, types: map[string]string{}}
			o.collect(item["parameters"], named, doc.Components.Schemas)
			if m, ok := op.(map[string]any); ok {
				o.collect(m["parameters"], named, doc.Components.Schemas)
			}
			ops = append(ops, o)
		}
	}
	slices.SortFunc(ops, func(a, b operation) int {
		return cmp.Or(strings.Compare(a.path, b.path), strings.Compare(a.method, b.method))
	})
	return ops
}

func (o *operation) collect(params any, named, schemas map[string]any) {
	deref := func(v any, in map[string]any) map[string]any {
		m, _ := v.(map[string]any)
		if ref, ok := m["$ref"].(string); ok {
			m, _ = in[ref[strings.LastIndexByte(ref, '/')+1:]].(map[string]any)
		}
		return m
	}
	list, _ := params.([]any)
	for _, p := range list {
		m := deref(p, named)
		name, _ := m["name"].(string)
		schema := deref(m["schema"], schemas)
		o.types[name] = fmt.Sprint(m["type"], m["format"], schema["type"], schema["format"])
	}
}
