// Package flagenv defines command-line flags that can also be set from the
// environment. Every flag -some-flag is also HARKEN_SOME_FLAG; a flag may name
// other variables that are read when neither is set. The order is: flag,
// environment, fallback variables, default.
//
// The syntax is that of package flag: -name value, -name=value, one or two
// hyphens, -- ends the flags. What differs is that every error is one line that
// names the flag or the variable, the value and what is accepted, and that the
// flags are listed in groups. The package reads no environment of its own, ends
// no process and prints only where it is told to.
package flagenv

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
)

// Prefix begins the variable of every flag.
const Prefix = "HARKEN_"

// ErrHelp is what Parse returns for -h, -help and --help: the caller prints
// Usage and exits with status 0.
var ErrHelp = errors.New("help requested")

// ErrHelpAll is what Parse returns for -h all. It wraps ErrHelp; the rare flags
// are to be listed, too.
var ErrHelpAll = fmt.Errorf("%w for all flags", ErrHelp)

// Opt holds the rarer properties of a flag. Several given to one flag are
// merged.
type Opt struct {
	// Fallback names variables, without the prefix added, that are read in this
	// order when neither the flag nor its own variable is set. Empty ones count as
	// not set.
	Fallback []string
	// Secret keeps the value out of usage, errors and Flag.Default.
	Secret bool
	// Rare hides the flag from usage unless all is asked for.
	Rare bool
	// Whole keeps the commas of a List: the values of kafka://h1,h2/topic are one.
	// The variable is then split at white space.
	Whole bool
	// Value names the value in usage (ADDR, URL); empty means the type's own name.
	Value string
	// Accepted says what Check accepts, as in "want host:port".
	Accepted string
	// Check refuses a value that the type alone would take; of a List, one element.
	// Its error must not repeat the value.
	Check func(value string) error
}

// A Flag describes one flag, for documentation.
type Flag struct {
	// Name is without hyphen.
	Name string
	// Variable is the flag's own environment variable.
	Variable string
	// Fallback are the other variables, in the order in which they are read.
	Fallback []string
	// Default is the default as a user would write it; empty also when Secret.
	Default string
	// Usage is one or more sentences without a final period.
	Usage string
	// Group is the title under which the flag was defined.
	Group string
	// Value names the type of the value, such as SIZE; empty for a switch.
	Value string
	// Accepted says which values are accepted.
	Accepted string
	// Rare flags are listed only by -h all.
	Rare bool
	// Secret flags show neither default nor value.
	Secret bool
}

// A Set is the flags of one command. It is not safe for concurrent use.
type Set struct {
	name   string
	about  string
	env    func(string) (string, bool)
	group  string
	order  []*entry
	byName map[string]*entry
	args   []string
}

// An entry is one defined flag.
type entry struct {
	Flag
	target  value
	check   func(string) error
	keepEnv bool   // an empty own variable counts as set
	origin  string // "-name" or the variable that set it; empty while at its default
	file    *entry // the flag that names this secret's file
}

// A value is where the text of a flag goes.
type value interface {
	// set parses s. first is true for the first value from one origin, which
	// replaces what was there; fromEnv for a value from the environment.
	set(s string, first, fromEnv bool, check func(string) error) error
}

// New makes a Set for the command name, such as "harken-proxy run". env looks
// up a variable as os.LookupEnv does; nil means that there are none.
func New(name string, env func(string) (string, bool)) *Set {
	if env == nil {
		env = func(string) (string, bool) { return "", false }
	}
	return &Set{name: name, env: env, byName: make(map[string]*entry)}
}

// About sets the lines that Usage prints above the flags: how the command is
// called and what it does.
func (s *Set) About(text string) { s.about = strings.TrimSpace(text) }

// Group begins a group: flags defined from now on are listed under title.
func (s *Set) Group(title string) { s.group = title }

// Variable is the environment variable of the flag name.
func Variable(name string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// add defines a flag. A name that is defined twice or is not made of lower-case
// letters, digits and hyphens is a programmer's mistake and panics.
func (s *Set) add(f Flag, target value, opts []Opt) *entry {
	if s.byName[f.Name] != nil {
		panic("flagenv: -" + f.Name + " is defined twice")
	}
	if f.Name == "" || f.Name == "h" || f.Name == "help" || f.Name[0] == '-' ||
		strings.Trim(f.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		panic("flagenv: -" + f.Name + " is not a flag name")
	}
	f.Variable, f.Group = Variable(f.Name), s.group
	e := &entry{Flag: f, target: target}
	for _, o := range opts {
		e.Fallback = append(e.Fallback, o.Fallback...)
		e.Secret = e.Secret || o.Secret
		e.Rare = e.Rare || o.Rare
		if o.Value != "" {
			e.Value = o.Value
		}
		if o.Accepted != "" {
			e.Accepted = o.Accepted
		}
		if o.Check != nil {
			e.check = o.Check
		}
	}
	if e.Secret {
		e.Default = ""
	}
	s.byName[f.Name] = e
	s.order = append(s.order, e)
	return e
}

// Flags yields every flag in the order of definition.
func (s *Set) Flags() iter.Seq[Flag] {
	return func(yield func(Flag) bool) {
		for _, e := range s.order {
			if !yield(e.Flag) {
				return
			}
		}
	}
}

// Args are the arguments after the flags.
func (s *Set) Args() []string { return s.args }

// Origin says what set the flag name: "-name", the name of a variable, or ""
// while it has its default or is not defined.
func (s *Set) Origin(name string) string {
	if e := s.byName[name]; e != nil {
		return e.origin
	}
	return ""
}

// Parse sets the flags from args, without the command's name, and from the
// environment. Its error is ErrHelp, ErrHelpAll or an *Error, which names the
// first thing that is wrong. Parse is called once.
func (s *Set) Parse(args []string) error {
	if err := s.parseArgs(args); err != nil {
		return err
	}
	for _, e := range s.order {
		if err := s.fromEnv(e); err != nil {
			return err
		}
	}
	for _, e := range s.order {
		if err := s.fromFile(e); err != nil {
			return err
		}
	}
	return nil
}

func (s *Set) parseArgs(args []string) error {
	for len(args) > 0 {
		arg := args[0]
		if len(arg) < 2 || arg[0] != '-' {
			break
		}
		args = args[1:]
		if arg == "--" {
			break
		}
		name, val, hasVal := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		if (name == "h" || name == "help") && !hasVal {
			if len(args) > 0 && args[0] == "all" {
				return ErrHelpAll
			}
			return ErrHelp
		}
		e := s.byName[name]
		if e == nil {
			return s.unknown(name)
		}
		if _, isBool := e.target.(*boolValue); isBool && !hasVal {
			val, hasVal = "true", true
		}
		if !hasVal {
			if len(args) == 0 {
				return &Error{Flag: e.Name, Missing: true, Accepted: e.accepted()}
			}
			val, args = args[0], args[1:]
		}
		origin := "-" + e.Name
		if err := e.target.set(val, e.origin != origin, false, e.check); err != nil {
			return e.refuse("", val, err)
		}
		e.origin = origin
	}
	s.args = args
	return nil
}

// fromEnv sets e from its variable or its fallbacks unless it was set already.
func (s *Set) fromEnv(e *entry) error {
	if e.origin != "" || e.file != nil && e.file.origin != "" {
		return nil
	}
	try := func(variable string, keepEmpty bool) (bool, error) {
		val, ok := s.env(variable)
		if !ok || val == "" && !keepEmpty {
			return false, nil
		}
		if err := e.target.set(val, true, true, e.check); err != nil {
			return false, e.refuse(variable, val, err)
		}
		e.origin = variable
		return true, nil
	}
	if done, err := try(e.Variable, e.keepEnv); done || err != nil {
		return err
	}
	for _, variable := range e.Fallback {
		// The file of a secret goes before the fallbacks of the secret.
		if e.file != nil {
			if val, ok := s.env(e.file.Variable); ok && val != "" {
				return nil
			}
		}
		if done, err := try(variable, false); done || err != nil {
			return err
		}
	}
	return nil
}

// fromFile reads the secret of e from the file that was named for it.
func (s *Set) fromFile(e *entry) error {
	if e.file == nil || e.file.origin == "" {
		return nil
	}
	if e.origin != "" {
		if e.origin[0] == '-' && e.file.origin[0] == '-' {
			return &Error{Flag: e.file.Name, Value: *e.file.target.(*stringValue).p, Err: fmt.Errorf("-%s is given too", e.Name), Accepted: "one of the two"} //nolint:forcetypeassert // Secret defines it so
		}
		return nil
	}
	path := *e.file.target.(*stringValue).p //nolint:forcetypeassert // Secret defines it so
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(path)
	if err == nil && len(data) == 0 {
		err = errors.New("the file is empty")
	}
	if err == nil {
		err = e.target.set(strings.TrimRight(string(data), "\r\n"), true, false, e.check)
	}
	if err != nil {
		// The error of reading names the path again; the cause is enough.
		if pathErr, ok := errors.AsType[*os.PathError](err); ok {
			err = pathErr.Err
		}
		return e.file.refuse(variableOf(e.file.origin), path, err)
	}
	e.origin = e.file.origin
	return nil
}

// variableOf is origin if it is a variable.
func variableOf(origin string) string {
	if origin == "" || origin[0] == '-' {
		return ""
	}
	return origin
}
