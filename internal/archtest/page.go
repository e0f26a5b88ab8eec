package archtest

import (
	"cmp"
	"fmt"
	"iter"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"harken/internal/flagenv"
)

// Section checks that the part of the page at path between the comments
// "generated: name" and "end: name" is want, and rewrites it if update is set.
func Section(tb testing.TB, path, name, want string, update bool) {
	tb.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	begin, end := "<!-- generated: "+name+" -->\n", "<!-- end: "+name+" -->\n"
	before, rest, ok := strings.Cut(string(page), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		tb.Fatalf("%s has no section between %q and %q", path, begin, end)
	}
	if got == want {
		return
	}
	if !update {
		tb.Errorf("%s: %q is not what the code says; run this test with -update", path, name)
		return
	}
	if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil { //nolint:gosec // a page that everyone reads
		tb.Fatal(err)
	}
}

// FlagTables are the flags in Markdown, a table for each group. home, the
// user's directory, is written as ~.
func FlagTables(flags iter.Seq[flagenv.Flag], home string) string {
	var b strings.Builder
	group := ""
	for f := range flags {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(&b, "\n### %s\n\n| flag | default | variables | meaning |\n|---|---|---|---|\n", group)
		}
		name := "`-" + f.Name
		if f.Value != "" {
			name += " " + f.Value
		}
		variables := make([]string, 0, 4)
		for _, v := range append([]string{f.Variable}, f.Fallback...) {
			variables = append(variables, "`"+v+"`")
		}
		usage := f.Usage
		if f.Rare {
			usage += " (listed by `-h all`)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(name+"`"), cell(standard(f, home)), strings.Join(variables, ", "), cell(usage))
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// standard is the default of f as it is on every machine.
func standard(f flagenv.Flag, home string) string {
	switch {
	case f.Name == "log-format": // depends on the terminal; the usage says how
		return "`json`"
	case f.Default == "" || f.Value == "":
		return ""
	}
	return "`" + strings.ReplaceAll(f.Default, home, "~") + "`"
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// describedMetric takes apart what a prometheus.Desc says of itself; the type
// has no other way to tell.
var describedMetric = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: "((?:[^"\\]|\\.)*)"(?:, unit: "[^"]*")?, constLabels: \{(.*)\}, variableLabels: \{([^}]*)\}\}$`)

// MetricTable is what the registry holds in Markdown, by name: also the metrics
// that have no value yet. Those of the Go runtime and the process are left out.
func MetricTable(tb testing.TB, registry *prometheus.Registry) string {
	tb.Helper()
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		registry.Describe(descs)
	}()
	type metric struct{ name, help, labels string }
	var found []metric
	for d := range descs {
		m := describedMetric.FindStringSubmatch(d.String())
		if m == nil {
			tb.Errorf("a metric that describes itself as %s", d)
			continue
		}
		if strings.HasPrefix(m[1], "go_") || strings.HasPrefix(m[1], "process_") {
			continue
		}
		var labels []string
		for l := range strings.SplitSeq(m[3]+","+m[4], ",") {
			if l, _, _ = strings.Cut(l, "="); l != "" {
				labels = append(labels, "`"+l+"`")
			}
		}
		found = append(found, metric{m[1], strings.ReplaceAll(m[2], `\"`, `"`), strings.Join(labels, ", ")})
	}
	slices.SortFunc(found, func(a, b metric) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(b.labels, a.labels)) })
	found = slices.CompactFunc(found, func(a, b metric) bool { return a.name == b.name })
	var b strings.Builder
	b.WriteString("| metric | labels | meaning |\n|---|---|---|\n")
	for _, m := range found {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.name, m.labels, cell(m.help))
	}
	return b.String()
}
