package datatype

import (
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"sync/atomic"
)

// rules are compiled Definitions. They do not change, but for what is remembered
// of keys.
type rules struct {
	list  []rule // in the order in which they are tried
	types map[Name]Type
	order []Name

	// Sets of rules, by number. A value can only have the type of a rule that is
	// in the sets of its first byte, its last byte and its length.
	byFirst, byLast [256]ruleSet
	byLength        [maxLength + 1]ruleSet
	empty           ruleSet // the value is ""
	keyAlone        ruleSet // the key decides, if it fits: key rules, and OR
	valueAlone      ruleSet // the value decides, if it fits: value rules, and OR
	both            ruleSet
	keyed           bool // some rule looks at keys
	keys            keyCache

	off      builtinSet            // detectors that are turned off or replaced
	ignored  map[string]builtinSet // the same by key
	ignoring []*ignoring           // for what is ignored at single parameters
	selected map[string]bool       // the keys of those
}

// A ruleSet has the bit n of word n/64 for rule n.
type ruleSet []uint64

func (s ruleSet) add(n int) { s[n/64] |= 1 << (n % 64) }

func (r *rules) set() ruleSet { return make(ruleSet, (len(r.list)+63)/64) }

func (s *builtinSet) turnOff(n Name) {
	if i := slices.Index(detected[:], n); i >= 0 {
		*s |= 1 << i
	}
}

// maxLength is the length of values beyond which lengths are not told apart.
const maxLength = 255

// A rule finds values of one type by their key or value.
type rule struct {
	name       Name
	key, value *conditions
	any        bool
	ignore     *ignoring
}

// ignoring says where one type is not looked for.
type ignoring struct {
	name     Name
	keys     map[string]struct{}
	selected map[string]map[ParamID]struct{}
}

func (g *ignoring) at(key string, id *ParamID) bool {
	if g == nil {
		return false
	}
	if _, ok := g.keys[key]; ok {
		return true
	}
	if id == nil || len(g.selected) == 0 {
		return false
	}
	at := *id
	at.Method = strings.ToUpper(at.Method)
	_, ok := g.selected[key][at]
	return ok
}

// Compile prepares definitions. A definition that is refused is left out, and the
// error (of *DefinitionErrors, joined) names it: one bad definition must not turn
// the others off. The Detector is never nil. It does not keep d, and does not see
// later changes of it.
func Compile(d Definitions) (*Detector, error) {
	r := &rules{types: make(map[Name]Type, len(builtin)+len(d.Custom)), ignored: map[string]builtinSet{}, selected: map[string]bool{}}
	for i := range builtin {
		r.types[builtin[i].Name] = clone(builtin[i])
		r.order = append(r.order, builtin[i].Name)
	}
	var errs []error
	overrides := r.override(d.Builtins, &errs)
	custom := d.Custom
	if len(custom) > MaxCustomTypes {
		errs = append(errs, &DefinitionError{Field: "customDataTypes", Reason: fmt.Sprintf(
			"%d types, want at most %d; the others are not used", len(custom), MaxCustomTypes)})
		custom = custom[:MaxCustomTypes]
	}
	var plain []rule
	for i := range custom {
		t := &custom[i]
		compiled, err := compileType(t, true)
		if _, twice := r.types[t.Name]; err == nil && twice {
			err = &DefinitionError{Type: t.Name, Field: "name", Reason: "is there twice"}
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		typ := typeOf(t, SuperCustom)
		r.types[t.Name] = typ
		r.order = append(r.order, t.Name)
		switch {
		case !t.Active:
		case typ.SensitiveAlways || len(typ.SensitivePositions) > 0:
			r.list = append(r.list, compiled)
		default:
			plain = append(plain, compiled)
		}
	}
	r.list = append(append(r.list, plain...), overrides...)
	r.index()
	return &Detector{rules: r}, errors.Join(errs...)
}

// override applies the changes of built-in types, and gives the rules that
// replace detectors in the order of the table.
func (r *rules) override(changes []Override, errs *[]error) []rule {
	replaced := map[Name]rule{}
	seen := map[Name]bool{}
	for i := range changes {
		o := &changes[i]
		compiled, err := compileOverride(o)
		if err == nil && seen[o.Name] {
			err = &DefinitionError{Type: o.Name, Field: "name", Reason: "is there twice"}
		}
		if err != nil {
			*errs = append(*errs, err)
			continue
		}
		seen[o.Name] = true
		custom := o.asCustom()
		typ := typeOf(&custom, r.types[o.Name].Super)
		r.types[o.Name] = typ
		hasRule := compiled.key != nil || compiled.value != nil
		if o.Inactive || hasRule {
			r.off.turnOff(o.Name)
		}
		if hasRule && !o.Inactive {
			replaced[o.Name] = compiled
		} else if g := compiled.ignore; g != nil {
			r.ignoring = append(r.ignoring, g)
			for key := range g.keys {
				off := r.ignored[key]
				off.turnOff(o.Name)
				r.ignored[key] = off
			}
		}
	}
	var list []rule
	for i := range builtin {
		if c, ok := replaced[builtin[i].Name]; ok {
			list = append(list, c)
		}
	}
	return list
}

// index fills the sets.
func (r *rules) index() {
	r.empty, r.keyAlone, r.valueAlone, r.both = r.set(), r.set(), r.set(), r.set()
	for c := range 256 {
		r.byFirst[c], r.byLast[c] = r.set(), r.set()
	}
	for n := range r.byLength {
		r.byLength[n] = r.set()
	}
	note := func(g *ignoring) {
		if g != nil {
			for key := range g.selected {
				r.selected[key] = true
			}
		}
	}
	for _, g := range r.ignoring {
		note(g)
	}
	for n := range r.list {
		rule := &r.list[n]
		note(rule.ignore)
		switch {
		case rule.value == nil && rule.key == nil:
			continue
		case rule.value == nil:
			r.keyAlone.add(n)
		case rule.key == nil:
			r.valueAlone.add(n)
		case rule.any:
			r.keyAlone.add(n)
			r.valueAlone.add(n)
		default:
			r.both.add(n)
		}
		r.keyed = r.keyed || rule.key != nil
		if rule.value == nil {
			continue
		}
		f := &rule.value.facts
		if f.allow("") {
			r.empty.add(n)
		}
		for c := range 256 {
			if f.first.has(byte(c)) {
				r.byFirst[c].add(n)
			}
			if f.last.has(byte(c)) {
				r.byLast[c].add(n)
			}
		}
		for length := range r.byLength {
			if length >= min(f.shortest, maxLength) && (length <= f.longest || length == maxLength && f.longest > maxLength) {
				r.byLength[length].add(n)
			}
		}
	}
}

// keyless reports that there is nothing to find, and nothing that depends on the
// parameter: nobody defined more than what is turned off.
func (r *rules) keyless() bool { return len(r.list) == 0 && len(r.ignoring) == 0 }

// find gives the type of the first rule that fits a value, or nothing.
func (r *rules) find(key string, v *value, id *ParamID) Name {
	if len(r.list) == 0 {
		return ""
	}
	var fits ruleSet
	if r.keyed {
		fits = r.keys.of(r, key)
	}
	first, last, length := r.empty, r.empty, r.empty
	if s := v.text; s != "" {
		first, last, length = r.byFirst[s[0]], r.byLast[s[len(s)-1]], r.byLength[min(len(s), maxLength)]
	}
	for w := range r.keyAlone {
		var byKey uint64
		if fits != nil {
			byKey = fits[w]
		}
		sure := byKey & r.keyAlone[w]
		perhaps := first[w] & last[w] & length[w] & (r.valueAlone[w] | r.both[w]&byKey)
		for todo := sure | perhaps; todo != 0; todo &= todo - 1 {
			n := bits.TrailingZeros64(todo)
			rule := &r.list[w*64+n]
			if (sure&(1<<n) != 0 || rule.value.hold(v)) && !rule.ignore.at(key, id) {
				return rule.name
			}
		}
	}
	return ""
}

// A keyCache remembers which rules fit a key: there are few keys, and each comes
// with every record. Each key has one place, by its hash; the last one stays.
type keyCache struct {
	places [512]atomic.Pointer[keyFits]
}

type keyFits struct {
	key  string
	fits ruleSet
}

// maxKey is the length up to which keys are remembered.
const maxKey = 128

func (c *keyCache) of(r *rules, key string) ruleSet {
	if len(key) > maxKey {
		return r.fitting(key)
	}
	place := &c.places[hash(key)%uint32(len(c.places))]
	if k := place.Load(); k != nil && k.key == key {
		return k.fits
	}
	k := &keyFits{key: strings.Clone(key), fits: r.fitting(key)}
	place.Store(k)
	return k.fits
}

func (r *rules) fitting(key string) ruleSet {
	s := r.set()
	v := value{text: key[:min(len(key), MaxValue)], cut: len(key) > MaxValue}
	for n := range r.list {
		if c := r.list[n].key; c != nil && c.hold(&v) {
			s.add(n)
		}
	}
	return s
}

// offAt gives the detectors that are turned off for a key.
func (r *rules) offAt(key string, id *ParamID) builtinSet {
	off := r.off
	if len(r.ignoring) == 0 {
		return off
	}
	off |= r.ignored[key]
	if id != nil && r.selected[key] {
		for _, g := range r.ignoring {
			if g.at(key, id) {
				off.turnOff(g.name)
			}
		}
	}
	return off
}

func compileOverride(o *Override) (rule, error) {
	t, ok := ByName(o.Name)
	if !ok {
		return rule{}, &DefinitionError{Type: o.Name, Field: "name", Reason: "is no built-in type"}
	}
	custom := o.asCustom()
	if err := checkFacts(&custom); err != nil {
		return rule{}, err
	}
	r, err := compileRule(&custom)
	if err != nil {
		return rule{}, err
	}
	replaces := r.key != nil || r.value != nil
	if (o.Inactive || replaces) && t.Name != Address && !slices.Contains(detected[:], t.Name) {
		field := "inactive"
		if replaces {
			field = "valueConditions"
		}
		return rule{}, &DefinitionError{Type: o.Name, Field: field, Reason: "the detector of this type cannot be changed"}
	}
	return r, nil
}

// compileType compiles a custom type; stored says that its name may be as in an
// older document, with characters that new names may not have.
func compileType(t *CustomType, stored bool) (rule, error) {
	if err := checkName(t.Name); err != nil && (!stored || t.Name == "" || len(t.Name) > 4*MaxName || isBuiltin(t.Name)) {
		return rule{}, err
	}
	if err := checkFacts(t); err != nil {
		return rule{}, err
	}
	return compileRule(t)
}

func isBuiltin(name Name) bool {
	_, ok := ByName(strings.ToUpper(strings.TrimSpace(name)))
	return ok
}

func compileRule(t *CustomType) (rule, error) {
	r := rule{name: t.Name, any: t.Operator == opOr}
	var err error
	if r.key, err = compileConditions(t.KeyConditions, t.Name, "keyConditions"); err != nil {
		return rule{}, err
	}
	if r.value, err = compileConditions(t.ValueConditions, t.Name, "valueConditions"); err != nil {
		return rule{}, err
	}
	if d := t.IgnoreData; d != nil && len(d.KeysInAllAPIs)+len(d.KeysInSelectedAPIs) > 0 {
		g := &ignoring{name: t.Name, keys: map[string]struct{}{}, selected: map[string]map[ParamID]struct{}{}}
		for _, key := range d.KeysInAllAPIs {
			g.keys[Key(key)] = struct{}{}
		}
		for key, ids := range d.KeysInSelectedAPIs {
			at := g.selected[Key(key)]
			if at == nil {
				at = map[ParamID]struct{}{}
				g.selected[Key(key)] = at
			}
			for _, id := range ids {
				id.Method = strings.ToUpper(id.Method)
				at[id] = struct{}{}
			}
		}
		r.ignore = g
	}
	return r, nil
}

func typeOf(t *CustomType, super string) Type {
	typ := Type{
		Name: t.Name, Super: super, SensitiveAlways: t.SensitiveAlways, Categories: slices.Clone(t.CategoriesList),
		Priority: t.DataTypePriority, Redacted: t.Redacted, Inactive: !t.Active,
	}
	for _, s := range t.SensitivePosition {
		if p, ok := ParsePosition(s); ok && !slices.Contains(typ.SensitivePositions, p) {
			typ.SensitivePositions = append(typ.SensitivePositions, p)
		}
	}
	return typ
}

// Types gives what is known of every type, the built-in ones first, then the
// custom ones in their order, inactive ones too. The caller may change what it
// gets.
func (d *Detector) Types() []Type {
	if d.rules == nil {
		return All()
	}
	all := make([]Type, len(d.rules.order))
	for i, name := range d.rules.order {
		all[i] = clone(d.rules.types[name])
	}
	return all
}

// ByName finds a type, built-in or custom, by its exact name.
func (d *Detector) ByName(name Name) (Type, bool) {
	if d.rules == nil {
		return ByName(name)
	}
	t, ok := d.rules.types[name]
	return clone(t), ok
}

// Sensitive reports whether a value of the type is sensitive at p. It is false
// for names that it does not know.
func (d *Detector) Sensitive(name Name, p Position) bool {
	if d.rules == nil {
		return Sensitive(name, p)
	}
	t, ok := d.rules.types[name]
	return ok && t.Sensitive(p)
}

// Redacted reports whether values of the type are to be replaced before they are
// stored.
func (d *Detector) Redacted(name Name) bool {
	return d.rules != nil && d.rules.types[name].Redacted
}

// RedactedText reports whether the value of a parameter is of a type that is to be
// replaced.
func (d *Detector) RedactedText(key, value string) bool { return d.Redacted(d.Text(key, value)) }

// RedactedTypes gives the names of the types whose values are to be replaced,
// sorted.
func (d *Detector) RedactedTypes() []Name {
	if d.rules == nil {
		return nil
	}
	var names []Name
	for _, name := range slices.Sorted(maps.Keys(d.rules.types)) {
		if d.rules.types[name].Redacted {
			names = append(names, name)
		}
	}
	return names
}
