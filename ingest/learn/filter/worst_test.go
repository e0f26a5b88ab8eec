package filter_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"harken/ingest/learn/filter"
)

// The documents that cost the parser most, at the limit of their size.
func TestWorstDocuments(t *testing.T) {
	var deep, wide, fields strings.Builder
	for i := 0; deep.Len() < filter.MaxDocument-300; i++ {
		fmt.Fprintf(&deep, "%sk:\n", strings.Repeat(" ", i))
	}
	for i := 0; wide.Len() < filter.MaxDocument-20; i++ {
		fmt.Fprintf(&wide, "k%d: 1\n", i)
	}
	fields.WriteString("filter:\n  or:\n")
	for fields.Len() < filter.MaxDocument-200 {
		fields.WriteString("  - not: {not: {not: {not: {not: {not: {url: {eq: a}}}}}}}\n")
	}
	for name, doc := range map[string]string{
		"deep": deep.String(), "wide": wide.String(), "fields": fields.String(),
		"quotes":   "a: " + strings.Repeat(`"" `, filter.MaxDocument/3-10),
		"colons":   strings.Repeat("a:", filter.MaxDocument/2),
		"flow":     strings.Repeat("[]", filter.MaxDocument/2),
		"brackets": strings.Repeat(strings.Repeat("[", 60)+strings.Repeat("]", 60)+",", 200),
		"anchors":  strings.Repeat("&a\n", filter.MaxDocument/3),
		"tags":     strings.Repeat("!a\n", filter.MaxDocument/3),
		"dashes":   strings.Repeat("-\n ", filter.MaxDocument/3),
		"question": strings.Repeat("?\n", filter.MaxDocument/2),
		"literal":  "a: |\n" + strings.Repeat(" x\n", filter.MaxDocument/3-10),
		"comments": strings.Repeat("#\n", filter.MaxDocument/2),
		"docs":     strings.Repeat("---\n", filter.MaxDocument/4),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := filter.ParseAdvanced([]byte(doc))
		runtime.ReadMemStats(&after)
		grown := after.TotalAlloc - before.TotalAlloc
		t.Logf("%s: %d bytes, %d allocated, %.100v", name, len(doc), grown, err)
		if grown > 128<<20 {
			t.Errorf("%s: %d bytes were allocated", name, grown)
		}
	}
}
