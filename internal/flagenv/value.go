package flagenv

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// String defines a string flag. Its variable may be set to nothing, which is
// then the value.
func (s *Set) String(p *string, name, def, usage string, opts ...Opt) {
	*p = def
	s.add(Flag{Name: name, Default: def, Usage: usage, Value: "TEXT"}, &stringValue{p}, opts).keepEnv = true
}

// Secret defines a string flag that is never shown, with an empty default, and
// beside it -name-file, a file whose content, without the line end, is the
// value. Giving both flags is an error; in all else the file stands one step
// below the value itself.
func (s *Set) Secret(p *string, name, usage string, opts ...Opt) {
	*p = ""
	e := s.add(Flag{Name: name, Usage: usage, Value: "SECRET", Secret: true}, &stringValue{p}, opts)
	file := s.add(Flag{Name: name + "-file", Usage: "file that holds -" + name, Value: "FILE", Accepted: "a readable file", Rare: e.Rare},
		&stringValue{new(string)}, nil)
	e.file = file
}

// Int defines a flag of a whole number.
func (s *Set) Int(p *int, name string, def int, usage string, opts ...Opt) {
	*p = def
	s.add(Flag{Name: name, Default: strconv.Itoa(def), Usage: usage, Value: "N", Accepted: "a whole number"}, &parsed[int]{p, func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		return n, cause(err)
	}}, opts)
}

// Float defines a flag of a decimal number.
func (s *Set) Float(p *float64, name string, def float64, usage string, opts ...Opt) {
	*p = def
	s.add(Flag{Name: name, Default: strconv.FormatFloat(def, 'g', -1, 64), Usage: usage, Value: "NUMBER", Accepted: "a number"}, &parsed[float64]{p, parseFloat}, opts)
}

// Bool defines a switch: -name alone means true.
func (s *Set) Bool(p *bool, name string, def bool, usage string, opts ...Opt) {
	*p = def
	s.add(Flag{Name: name, Default: strconv.FormatBool(def), Usage: usage, Accepted: "true or false"}, &boolValue{parsed[bool]{p, parseBool}}, opts)
}

// Duration defines a flag of a time span such as 1.5s or 10m. A bare number is
// refused, as its unit would be a guess, and so is a negative one.
func (s *Set) Duration(p *time.Duration, name string, def time.Duration, usage string, opts ...Opt) {
	*p = def
	s.add(Flag{Name: name, Default: formatDuration(def), Usage: usage, Value: "DURATION", Accepted: "a duration such as 500ms, 10s, 5m or 24h"},
		&parsed[time.Duration]{p, parseDuration}, opts)
}

// Size defines a flag of a number of bytes; see ParseSize.
func (s *Set) Size(p *int64, name string, def int64, usage string, opts ...Opt) {
	*p = def
	s.add(Flag{Name: name, Default: FormatSize(def), Usage: usage, Value: "SIZE", Accepted: acceptedSize}, &parsed[int64]{p, ParseSize}, opts)
}

// Enum defines a flag that takes one of values.
func (s *Set) Enum(p *string, name, def, usage string, values []string, opts ...Opt) {
	*p = def
	s.add(Flag{Name: name, Default: def, Usage: usage, Value: strings.Join(values, "|"), Accepted: "one of " + strings.Join(values, ", ")},
		&parsed[string]{p, func(v string) (string, error) {
			if !slices.Contains(values, v) {
				return "", errNotAccepted
			}
			return v, nil
		}}, opts)
}

// List defines a flag that holds several values: it may be repeated, and each
// time be a comma-separated list (see Opt.Whole). Spaces around elements and
// empty elements are dropped, so that an empty value is an empty list.
func (s *Set) List(p *[]string, name string, def []string, usage string, opts ...Opt) {
	*p = slices.Clone(def)
	v := &listValue{p: p}
	for _, o := range opts {
		v.whole = v.whole || o.Whole
	}
	s.add(Flag{Name: name, Default: strings.Join(def, ","), Usage: usage, Value: "LIST"}, v, opts).keepEnv = true
}

// Globs defines a List of patterns as path.Match reads them, for host names:
// lower-cased, * does not end at a dot.
func (s *Set) Globs(p *[]string, name string, def []string, usage string, opts ...Opt) {
	*p = slices.Clone(def)
	s.add(Flag{Name: name, Default: strings.Join(def, ","), Usage: usage, Value: "GLOBS", Accepted: "patterns such as api.example.com or *.example.com"},
		&listValue{p: p, each: func(v string) (string, error) {
			if _, err := path.Match(v, ""); err != nil {
				return "", fmt.Errorf("%q is not a pattern", v)
			}
			return strings.ToLower(v), nil
		}}, opts).keepEnv = true
}

// errNotAccepted says no more than what is accepted does.
var errNotAccepted = errors.New("")

type stringValue struct{ p *string }

func (v *stringValue) set(s string, _, _ bool, check func(string) error) error {
	if check != nil && s != "" {
		if err := check(s); err != nil {
			return err
		}
	}
	*v.p = s
	return nil
}

// parsed is a value of one word.
type parsed[T any] struct {
	p     *T
	parse func(string) (T, error)
}

func (v *parsed[T]) set(s string, _, _ bool, check func(string) error) error {
	s = strings.TrimSpace(s)
	x, err := v.parse(s)
	if err != nil {
		return err
	}
	if check != nil {
		if err := check(s); err != nil {
			return err
		}
	}
	*v.p = x
	return nil
}

type boolValue struct{ parsed[bool] }

type listValue struct {
	p     *[]string
	whole bool
	each  func(string) (string, error)
}

func (v *listValue) set(s string, first, fromEnv bool, check func(string) error) error {
	var parts []string
	switch {
	case !v.whole:
		parts = strings.Split(s, ",")
	case fromEnv:
		parts = strings.Fields(s)
	default:
		parts = []string{s}
	}
	var out []string
	for _, part := range parts {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if v.each != nil {
			var err error
			if part, err = v.each(part); err != nil {
				return err
			}
		}
		if check != nil {
			if err := check(part); err != nil {
				return fmt.Errorf("%q: %w", part, err)
			}
		}
		out = append(out, part)
	}
	if !first {
		out = append(slices.Clip(*v.p), out...)
	}
	*v.p = out
	return nil
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "t", "1", "yes", "on":
		return true, nil
	case "false", "f", "0", "no", "off":
		return false, nil
	}
	return false, errNotAccepted
}

func parseFloat(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	// NaN and infinities pass ParseFloat and no later comparison.
	if err == nil && f-f != 0 {
		return 0, errNotAccepted
	}
	return f, cause(err)
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil && s != "" && strings.Trim(s, "0123456789.") == "":
		return 0, errors.New("the unit is missing")
	case err != nil:
		return 0, errNotAccepted
	case d < 0:
		return 0, errors.New("it is negative")
	}
	return d, nil
}

// formatDuration drops the zero units that Duration.String adds: 1h0m0s is 1h.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// cause is the part of a strconv error that does not repeat the value.
func cause(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, strconv.ErrRange) {
		return errors.New("it is out of range")
	}
	return errNotAccepted
}
