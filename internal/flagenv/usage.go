package flagenv

import (
	"fmt"
	"io"
	"strings"
)

// usageWidth is the column at which the text of a flag is broken.
const usageWidth = 96

// Usage prints what the command does and every flag with its default and its
// variables, in groups; the rare ones only when all is set. The error is w's.
func (s *Set) Usage(w io.Writer, all bool) error {
	var b strings.Builder
	if s.about != "" {
		b.WriteString(s.about + "\n")
	} else {
		fmt.Fprintf(&b, "Usage: %s [flags]\n", s.name)
	}
	hidden := 0
	for _, group := range s.groups() {
		titled := false
		for _, e := range s.order {
			if e.Group != group {
				continue
			}
			if e.Rare && !all {
				hidden++
				continue
			}
			if !titled {
				title := group
				if title == "" {
					title = "Flags"
				}
				fmt.Fprintf(&b, "\n%s:\n", title)
				titled = true
			}
			e.usage(&b)
		}
	}
	b.WriteString("\nEach flag can also be set by the variable beside it; a flag goes before its variable.\n")
	if hidden > 0 {
		fmt.Fprintf(&b, "%d more, rarely needed: %s -h all\n", hidden, s.name)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// groups are the titles in the order in which they were first used.
func (s *Set) groups() []string {
	var out []string
	seen := make(map[string]bool)
	for _, e := range s.order {
		if !seen[e.Group] {
			seen[e.Group] = true
			out = append(out, e.Group)
		}
	}
	return out
}

func (e *entry) usage(b *strings.Builder) {
	fmt.Fprintf(b, "  -%s", e.Name)
	if e.Value != "" {
		b.WriteString(" " + e.Value)
	}
	b.WriteByte('\n')
	def := ""
	if e.Default != "" && e.Default != "false" {
		def = "default " + e.Default + ", "
	}
	variables := strings.Join(append([]string{e.Variable}, e.Fallback...), ", then ")
	wrap(b, fmt.Sprintf("%s (%s%s)", e.Usage, def, variables))
}

// wrap writes text in lines of at most usageWidth, indented by six.
func wrap(b *strings.Builder, text string) {
	const indent = "      "
	col := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case col == 0:
			b.WriteString(indent)
			col = len(indent)
		case col+1+len(word) > usageWidth:
			b.WriteString("\n" + indent)
			col = len(indent)
		default:
			b.WriteByte(' ')
			col++
		}
		b.WriteString(word)
		col += len(word)
	}
	b.WriteByte('\n')
}
