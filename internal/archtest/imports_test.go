package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "harken/"

// mayImport is the import table: each package and the project's own packages
// that it may import. A package that is not listed fails the test; internal/obs
// is open to all and not repeated.
var mayImport = map[string][]string{
	"har":                     {},
	"certs":                   {},
	"inventory/fault":         {},
	"inventory/datatype":      {},
	"inventory/pathtmpl":      {},
	"admin/ui":                {},
	"internal/flagenv":        {},
	"internal/obs":            {},
	"internal/job":            {},
	"internal/outbound":       {},
	"internal/archtest":       {"internal/flagenv"},
	"ingest":                  {"har"},
	"ingest/importer":         {"har", "inventory/fault"},
	"ingest/learn/filter":     {"har"},
	"inventory":               {"har", "inventory/fault", "inventory/datatype"},
	"inventory/extract":       {"har", "inventory/datatype"},
	"har/redact":              {"har"},
	"capture":                 {"har", "ingest"},
	"ingest/spool":            {"ingest"},
	"ingest/kafka":            {"ingest"},
	"ingest/importer/harfile": {"ingest/importer", "har", "inventory/fault"},
	"ingest/learn":            {"ingest", "ingest/learn/filter", "har", "har/redact", "inventory", "inventory/extract", "inventory/datatype", "inventory/pathtmpl"},
	"admin/auth":              {"inventory", "inventory/fault"},
	"capture/mitm":            {"capture", "capture/mitm/xconnect", "har", "ingest"},
	"capture/mitm/xconnect":   {},
	"admin": {
		"admin/auth", "admin/ui", "inventory", "inventory/datatype", "inventory/pathtmpl", "inventory/fault",
		"ingest", "ingest/importer", "ingest/importer/harfile", "ingest/learn/filter", "inventory/extract", "har", "har/redact", "certs",
		"internal/job", "internal/outbound",
	},
	"internal/store/sqlite":    {"inventory", "admin/auth", "inventory/fault", "inventory/datatype", "har", "ingest", "internal/job"},
	"internal/store/storetest": {"inventory", "admin/auth", "inventory/fault", "inventory/datatype", "har", "ingest", "internal/job"},
	"internal/wire": {
		"capture", "capture/mitm", "ingest", "ingest/spool", "ingest/kafka", "har", "certs", "internal/flagenv",
	},
	"cmd/proxy": {
		"capture", "capture/mitm", "certs", "har", "ingest", "ingest/spool", "ingest/kafka",
		"internal/wire", "internal/flagenv",
	},
	"cmd/control": {
		"admin", "admin/auth", "admin/ui", "capture", "capture/mitm", "certs", "har", "ingest", "ingest/spool", "ingest/kafka",
		"ingest/learn", "inventory", "inventory/fault", "internal/store/sqlite", "internal/wire", "internal/flagenv",
		"internal/outbound",
	},
}

// mustNotLink keeps the recorder small: module prefixes that a binary must not
// reach.
var mustNotLink = map[string][]string{
	"cmd/proxy": {"go.mongodb.org/", "github.com/gin-gonic/", "modernc.org/sqlite"},
}

// owner names the one package that may import a third-party module.
var owner = map[string]string{
	"github.com/elazarl/goproxy":    "capture/mitm",
	"github.com/google/gopacket":    "capture/sniff",
	"github.com/segmentio/kafka-go": "ingest/kafka",
	"github.com/gin-gonic/gin":      "admin",
	"go.mongodb.org/mongo-driver":   "internal/store/mongo",
	"modernc.org/sqlite":            "internal/store/sqlite",
}

type pkg struct {
	ImportPath    string
	Dir           string
	Doc           string
	GoFiles       []string
	TestGoFiles   []string
	XTestGoFiles  []string
	Imports, Deps []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Doc,GoFiles,TestGoFiles,XTestGoFiles,Imports,Deps", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func TestImports(t *testing.T) {
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed, listed := mayImport[name]
		if !listed {
			t.Errorf("%s: not in the import table; add a row and say why in docs/architecture.md", name)
		}
		for _, imp := range p.Imports {
			own, ok := strings.CutPrefix(imp, module)
			if ok && own != "internal/obs" && !slices.Contains(allowed, own) {
				t.Errorf("%s may not import %s", name, own)
			}
			for dep, want := range owner {
				if name != want && (imp == dep || strings.HasPrefix(imp, dep+"/")) {
					t.Errorf("%s may not import %s: only %s does", name, imp, want)
				}
			}
		}
		for _, bad := range mustNotLink[name] {
			if i := slices.IndexFunc(p.Deps, func(d string) bool { return strings.HasPrefix(d, bad) }); i >= 0 {
				t.Errorf("%s must not link %s", name, p.Deps[i])
			}
		}
	}
}

// A package comment stands in exactly one file, the one named after the package
// (main.go in commands).
func TestPackageComments(t *testing.T) {
	for _, p := range list(t) {
		var with []string
		for _, f := range p.GoFiles {
			b, err := os.ReadFile(filepath.Join(p.Dir, f))
			if err != nil {
				t.Fatal(err)
			}
			if hasPackageComment(string(b)) {
				with = append(with, f)
			}
		}
		if len(with) != 1 {
			t.Errorf("%s: package comment in %v, want it in exactly one file", p.ImportPath, with)
		}
	}
}

func hasPackageComment(src string) bool {
	before, _, ok := strings.Cut(src, "\npackage ")
	if !ok {
		return false
	}
	lines := strings.Split(before, "\n")
	last := lines[len(lines)-1]
	return strings.HasPrefix(last, "//") && !strings.HasPrefix(last, "//go:")
}

func TestFileSizes(t *testing.T) {
	for _, p := range list(t) {
		check := func(files []string, limit int) {
			for _, f := range files {
				b, err := os.ReadFile(filepath.Join(p.Dir, f))
				if err != nil {
					t.Fatal(err)
				}
				if n := strings.Count(string(b), "\n"); n > limit {
					t.Errorf("%s/%s has %d lines; the limit is %d", p.ImportPath, f, n, limit)
				}
			}
		}
		check(p.GoFiles, 500)
		check(append(p.TestGoFiles, p.XTestGoFiles...), 800)
	}
}
