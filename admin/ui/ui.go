// Package ui is the page of the control plane: plain HTML, CSS and modules that
// are part of the binary. It holds no logic of its own and speaks to nothing but
// the control API.
package ui

import (
	"bytes"
	"embed"
	"hash/fnv"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"time"
)

//go:embed page
var page embed.FS

// Paths returns the paths on which Handler answers: the page, under the names
// that people type and links use, and its files.
func Paths() []string {
	paths := []string{"/", "/login", "/signup"}
	for _, name := range files() {
		if name != "index.html" {
			paths = append(paths, "/ui/"+name)
		}
	}
	return paths
}

func files() []string {
	entries, err := fs.ReadDir(page, "page")
	if err != nil {
		panic(err) // the embedded folder is part of the binary
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

type asset struct {
	body []byte
	kind string
	etag string
}

// Handler serves the page. Everything is revalidated by its hash at each load, so
// that a new version of the program is a new version of the page.
func Handler() http.Handler {
	assets := map[string]asset{}
	for _, name := range files() {
		b, err := page.ReadFile("page/" + name)
		if err != nil {
			panic(err) // the embedded folder is part of the binary
		}
		h := fnv.New64a()
		_, _ = h.Write(b)
		a := asset{b, kind(name), `"` + strconv.FormatUint(h.Sum64(), 36) + `"`}
		assets["/ui/"+name] = a
		if name == "index.html" {
			assets["/"], assets["/login"], assets["/signup"] = a, a, a
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := assets[r.URL.Path]
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		if !ok {
			http.NotFound(w, r)
			return
		}
		h.Set("Content-Type", a.kind)
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", a.etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
	})
}

// kind is fixed here: the mime package would ask the machine that it runs on.
func kind(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return "application/octet-stream"
	}
}
