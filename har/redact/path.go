package redact

import (
	"errors"
	"fmt"
	"strings"
)

// maxSteps is the length of the longest path: its states are the bits of a word.
const maxSteps = 32

// A path is a list of steps. State i means that the steps before i are behind.
type path []step

type step struct {
	name string
	any  bool // every member
	deep bool // at any depth
}

var errLong = errors.New("too many steps")

// parsePath reads the subset of JSONPath that Config.Paths describes.
func parsePath(s string) (path, error) {
	var p path
	rest := strings.TrimPrefix(s, "$")
	deep, name := false, rest == s && !strings.HasPrefix(s, "..") // a path may begin with a name
	for rest != "" {
		at := len(s) - len(rest)
		var st step
		switch {
		case !name && strings.HasPrefix(rest, ".."):
			deep, name, rest = true, true, rest[2:]
			continue
		case !name && rest[0] == '.':
			name, rest = true, rest[1:]
			continue
		case strings.HasPrefix(rest, "[*]"):
			rest, name = rest[3:], false // arrays are looked through anyway
			continue
		case rest[0] == '[':
			var ok bool
			if st.name, rest, ok = quotedName(rest); !ok {
				return nil, fmt.Errorf("byte %d: want [*] or ['name']", at)
			}
		case name:
			n := strings.IndexAny(rest, ".[")
			if n < 0 {
				n = len(rest)
			}
			if n == 0 {
				return nil, fmt.Errorf("byte %d: %w", at, errNoName)
			}
			st.name, rest = rest[:n], rest[n:]
			st.any = st.name == "*"
		default:
			return nil, fmt.Errorf("byte %d: want a point or a bracket", at)
		}
		st.deep, deep, name = deep, false, false
		if p = append(p, st); len(p) > maxSteps {
			return nil, errLong
		}
	}
	if name || deep || len(p) == 0 {
		return nil, fmt.Errorf("byte %d: %w", len(s), errNoName)
	}
	return p, nil
}

// quotedName reads a name in brackets and quotes.
func quotedName(s string) (name, rest string, ok bool) {
	if len(s) < 2 || s[1] != '\'' && s[1] != '"' {
		return "", s, false
	}
	name, rest, ok = strings.Cut(s[2:], s[1:2]+"]")
	return name, rest, ok && name != ""
}

// step gives the states in a member of that name, and whether the path ends
// there.
func (p path) step(states uint64, name string) (next uint64, found bool) {
	for i := range p {
		if states>>i&1 == 0 {
			continue
		}
		if p[i].deep {
			next |= 1 << i
		}
		if p[i].any || strings.EqualFold(p[i].name, name) {
			if i == len(p)-1 {
				found = true
			} else {
				next |= 1 << (i + 1)
			}
		}
	}
	return next, found
}
