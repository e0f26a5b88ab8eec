package admin

import (
	"os"
	"path"
	"testing"
)

// Every row has its script, and there is none without a row.
func TestRoutesHaveScripts(t *testing.T) {
	rows := map[string]bool{}
	for i := range routes {
		name := path.Base(routes[i].path) + ".txtar"
		if rows[name] {
			t.Errorf("two rows share the script %s", name)
		}
		rows[name] = true
		if _, err := os.Stat("testdata/" + name); err != nil {
			t.Errorf("%s: %v", routes[i].path, err)
		}
	}
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !f.IsDir() && !rows[f.Name()] {
			t.Errorf("testdata/%s belongs to no row", f.Name())
		}
	}
}
