package ui_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"harken/admin/ui"
)

func TestHandler(t *testing.T) {
	h := ui.Handler()
	for _, path := range ui.Paths() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		if w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("GET %s = %d with %d bytes", path, w.Code, w.Body.Len())
		}
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s has the headers %v", path, w.Header())
		}
		again := httptest.NewRequest(http.MethodGet, path, http.NoBody)
		again.Header.Set("If-None-Match", w.Header().Get("ETag"))
		if w = httptest.NewRecorder(); true {
			h.ServeHTTP(w, again)
		}
		if w.Code != http.StatusNotModified {
			t.Errorf("GET %s again = %d, want 304", path, w.Code)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/ui/../ui.go", http.NoBody))
	if w.Code != http.StatusNotFound {
		t.Errorf("GET of what is not there = %d", w.Code)
	}
}

// What the policy forbids, and what would make markup of data, is not in the
// sources; and every file that they name is there.
func TestSources(t *testing.T) {
	forbidden := regexp.MustCompile(`(?i)innerHTML|outerHTML|insertAdjacent|document\.write|DOMParser|\beval\b|new Function|javascript:|\son\w+="|\sstyle=|<style|<script>|https?://[a-z]+\.[a-z]`)
	named := regexp.MustCompile(`(?:from '\.|"/ui)/([\w.]+)['"]`)
	files, err := filepath.Glob("page/*")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		src := string(b)
		for _, m := range forbidden.FindAllString(src, -1) {
			if m != "http://www.w" && m != "https://example.c" && m != "http://example.c" { // the SVG namespace, and what the page tells people to fetch
				t.Errorf("%s contains %q", f, m)
			}
		}
		for _, m := range named.FindAllStringSubmatch(src, -1) {
			if _, err := os.Stat("page/" + m[1]); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}
	}
}
