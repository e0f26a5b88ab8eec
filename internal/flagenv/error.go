package flagenv

import (
	"fmt"
	"strconv"
	"strings"
)

// An Error says in one line which flag or variable has a value that is not
// accepted, or which flag does not exist. The command prints it and exits with
// status 2.
type Error struct {
	// Flag is the flag's name without hyphen.
	Flag string
	// Variable is the environment variable that the value came from; empty when it
	// came from the command line.
	Variable string
	// Value is the value as given; **** for a secret.
	Value string
	// Unknown says that there is no such flag.
	Unknown bool
	// Missing says that the flag came last, without its value.
	Missing bool
	// Accepted says what is accepted, without "want".
	Accepted string
	// Err is the reason, if there is more to say than Accepted does.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.Unknown:
		return fmt.Sprintf("unknown flag -%s; %s", clip(e.Flag), e.Accepted)
	case e.Missing:
		fmt.Fprintf(&b, "-%s: the value is missing", e.Flag)
	case e.Variable != "":
		fmt.Fprintf(&b, "%s (-%s): %s is not accepted", e.Variable, e.Flag, quote(e.Value))
	default:
		fmt.Fprintf(&b, "-%s: %s is not accepted", e.Flag, quote(e.Value))
	}
	if e.Err != nil && e.Err.Error() != "" {
		fmt.Fprintf(&b, ": %s", strings.ReplaceAll(e.Err.Error(), "\n", " "))
	}
	if e.Accepted != "" {
		fmt.Fprintf(&b, "; want %s", e.Accepted)
	}
	return b.String()
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

const secretMark = "****"

func quote(s string) string {
	if s == secretMark {
		return "the value " + secretMark
	}
	return strconv.Quote(clip(s))
}

func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "..."
	}
	return s
}

func (e *entry) refuse(variable, val string, err error) error {
	if e.Secret {
		val = secretMark
	}
	return &Error{Flag: e.Name, Variable: variable, Value: val, Accepted: e.accepted(), Err: err}
}

func (e *entry) accepted() string {
	if e.Accepted == "" && e.Value != "" {
		return "a value: " + e.Value
	}
	return e.Accepted
}

// unknown names the flag that was probably meant.
func (s *Set) unknown(name string) error {
	best, distance := "", len(name)/3+2
	for _, e := range s.order {
		if d := EditDistance(name, e.Name, distance); d < distance {
			best, distance = e.Name, d
		}
	}
	accepted := "-h lists the flags of " + s.name
	if best != "" {
		accepted = "did you mean -" + best + "? " + accepted
	}
	return &Error{Flag: strings.ToValidUTF8(strings.Map(printable, name), ""), Unknown: true, Accepted: accepted}
}

func printable(r rune) rune {
	if !strconv.IsPrint(r) {
		return -1
	}
	return r
}

// EditDistance is Levenshtein's distance of two texts in bytes, or limit if it is
// not below that.
func EditDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return min(row[len(b)], limit)
}
