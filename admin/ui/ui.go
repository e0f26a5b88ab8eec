// Package ui is the page of the control plane, and the page that shows and tries
// its API: plain HTML, CSS and modules that are part of the binary. It holds no
// logic of its own and speaks to nothing but the control API.
package ui

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/swaggest/swgui/v5/static"
)

//go:embed page
var page embed.FS

// viewer is the path of the files of Swagger UI, which shows the API.
const viewer = "/docs/viewer/"

// viewerFiles are those of its files that are used.
var viewerFiles = []string{"swagger-ui-bundle.js", "swagger-ui.css"}

// Paths returns the paths on which Handler answers: the pages, under the names
// that people type and links use, and their files.
func Paths() []string {
	paths := []string{"/", "/login", "/signup", "/docs"}
	for _, name := range files() {
		if path.Ext(name) != ".html" {
			paths = append(paths, "/ui/"+name)
		}
	}
	for _, name := range viewerFiles {
		paths = append(paths, viewer+name)
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

// The policies of the pages. Swagger UI makes markup of strings and has images in
// its style sheet, so it gets a page of its own; no page may run what is not a
// file of this binary.
const (
	policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
	viewerPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

// Handler serves the pages. Everything is revalidated by its hash at each load, so
// that a new version of the program is a new version of the page.
func Handler() http.Handler {
	assets := load()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := assets[r.URL.Path]
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		if strings.HasPrefix(r.URL.Path, "/docs") {
			h.Set("Content-Security-Policy", viewerPolicy)
		}
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		if !ok {
			http.NotFound(w, r)
			return
		}
		a.ServeHTTP(w, r)
	})
}

func load() map[string]*Asset {
	assets := map[string]*Asset{}
	for _, name := range files() {
		b, err := page.ReadFile("page/" + name)
		if err != nil {
			panic(err) // the embedded folder is part of the binary
		}
		a, err := NewAsset(kind(name), b)
		if err != nil {
			panic(err) // compressing into memory cannot fail
		}
		switch name {
		case "index.html":
			assets["/"], assets["/login"], assets["/signup"] = a, a, a
		case "docs.html":
			assets["/docs"] = a
		default:
			assets["/ui/"+name] = a
		}
	}
	for _, name := range viewerFiles {
		b, err := static.FS.ReadFile(name + ".gz")
		if err != nil {
			panic(err) // part of the binary, too
		}
		assets[viewer+name] = NewPackedAsset(kind(name), b)
	}
	return assets
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
