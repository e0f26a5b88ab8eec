package inventory

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"harken/inventory/fault"
)

// A Condition selects endpoints for a group by one property. In JSON it is as the
// published API stores it: each type has a member of its own.
type Condition struct {
	Type        string        `json:"type"`
	Operator    string        `json:"operator"` // And or Or
	APIs        []EndpointKey `json:"apisList,omitempty"`
	Method      string        `json:"method,omitempty"`
	Regex       string        `json:"regex,omitempty"`
	HostRegex   string        `json:"host_regex,omitempty"`
	Query       string        `json:"query,omitempty"` // of ByTags and ByAPITags: key=value, or a part of either
	AuthTypes   []string      `json:"authTypes,omitempty"`
	AccessTypes []string      `json:"apiAccessTypes,omitempty"`
}

// The types of conditions, and what they select: endpoints that are listed, with a
// method, whose URL a regular expression finds something in, of a host that one
// matches as a whole, of a collection with a tag, with a tag of their own, that were
// seen with one of some ways to authenticate, or that are reached from somewhere.
const (
	ByList       = "CUSTOM"
	ByMethod     = "METHOD"
	ByRegex      = "REGEX"
	ByHostRegex  = "HOST_REGEX"
	ByTags       = "TAGS"
	ByAPITags    = "API_TAGS"
	ByAuthType   = "AUTH_TYPE"
	ByAccessType = "API_ACCESS_TYPES"
)

// The operators of conditions: all of And hold, and one of Or if there are any.
const (
	And = "AND"
	Or  = "OR"
)

// Bounds of the conditions of one group, and of the groups of an account. Each new
// endpoint is held against all of them.
const (
	MaxConditions     = 50
	MaxGroups         = 200
	MaxListed         = 10_000 // endpoints in lists
	MaxConditionBytes = 1000   // of a regular expression or a query
)

// OtherMethod is the method of endpoints that are called with none of the others.
const OtherMethod = "OTHER"

// Methods are the methods that an endpoint can have.
func Methods() []string {
	return []string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PATCH", OtherMethod, "TRACK", "CONNECT", "WS"}
}

// Method returns the method of the endpoints that requests of a method are of: the one
// of Methods, whatever its letter case; OTHER for what is none of them.
func Method(name string) string {
	upper := strings.ToUpper(strings.TrimSpace(name)) // name itself, nearly always
	switch upper {
	case "", "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PATCH", "TRACK", "CONNECT", "WS":
		return upper
	}
	return OtherMethod
}

// anyCustomAuth stands for all ways to authenticate that people defined.
const anyCustomAuth = "CUSTOM"

// builtInAuth says whether a way to authenticate is not one that people defined.
func builtInAuth(name string) bool {
	switch name {
	case "UNAUTHENTICATED", "BASIC", "AUTHORIZATION_HEADER", "JWT", "API_TOKEN", "BEARER", "API_KEY", "MTLS", "SESSION_TOKEN":
		return true
	}
	return false
}

// A Selector decides which endpoints are in a group. It is safe for concurrent use.
type Selector struct {
	all, any []test
	listed   map[EndpointKey]bool
	only     bool
	within   []int32 // nil is everywhere
}

type test func(e *Endpoint, c *Collection) bool

// NewSelector returns the Selector of conditions; of none it selects nothing. A
// condition that is not whole is fault.Invalid, which names its index. Within
// limits it to some collections, nil does not; endpoints that are listed are
// selected wherever they are.
func NewSelector(conditions []Condition, within []int32) (*Selector, error) {
	s := &Selector{listed: map[EndpointKey]bool{}, within: within}
	if len(conditions) > MaxConditions {
		return nil, fault.New(fault.Invalid, "conditions: at most %d", MaxConditions)
	}
	onlyAll, onlyAny := false, true
	for i := range conditions {
		c := &conditions[i]
		t, err := c.test()
		if err != nil {
			_, msg := fault.Of(err)
			return nil, fault.New(fault.Invalid, "conditions: element %d: %s", i, msg)
		}
		for _, k := range c.APIs {
			s.listed[k] = true
		}
		switch c.Operator {
		case And:
			s.all = append(s.all, t)
			onlyAll = onlyAll || c.Type == ByList
		case Or:
			s.any = append(s.any, t)
			onlyAny = onlyAny && c.Type == ByList
		default:
			return nil, fault.New(fault.Invalid, "conditions: element %d: operator must be AND or OR", i)
		}
	}
	if len(s.listed) > MaxListed {
		return nil, fault.New(fault.Invalid, "conditions: at most %d endpoints can be listed", MaxListed)
	}
	s.only = onlyAll || len(s.any) > 0 && onlyAny || len(conditions) == 0
	return s, nil
}

// Only returns the endpoints that can be selected, and true, if all of them are
// listed.
func (s *Selector) Only() ([]EndpointKey, bool) {
	if !s.only {
		return nil, false
	}
	keys := make([]EndpointKey, 0, len(s.listed))
	for k := range s.listed {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, EndpointKey.Compare)
	return keys, true
}

// Selects says whether e, of which params are not looked at, is in the group; c is
// its collection. What is deactivated is in no group.
func (s *Selector) Selects(e *Endpoint, c *Collection) bool {
	if c.Deactivated || len(s.all)+len(s.any) == 0 {
		return false
	}
	if s.within != nil && !slices.Contains(s.within, e.Collection) && !s.listed[e.EndpointKey] {
		return false
	}
	for _, t := range s.all {
		if !t(e, c) {
			return false
		}
	}
	return len(s.any) == 0 || slices.ContainsFunc(s.any, func(t test) bool { return t(e, c) })
}

// test checks a condition and makes the function that it is.
func (c *Condition) test() (test, error) {
	switch c.Type {
	case ByList:
		listed := make(map[EndpointKey]bool, len(c.APIs))
		for _, k := range c.APIs {
			listed[k] = true
		}
		return func(e *Endpoint, _ *Collection) bool { return listed[e.EndpointKey] }, nil
	case ByMethod:
		if !slices.Contains(Methods(), c.Method) {
			return nil, fault.New(fault.Invalid, "method must be one of %s", strings.Join(Methods(), ", "))
		}
		return func(e *Endpoint, _ *Collection) bool { return e.Method == c.Method }, nil
	case ByRegex:
		re, err := expression("regex", c.Regex, c.Regex)
		return func(e *Endpoint, _ *Collection) bool { return re.MatchString(e.URL) }, err
	case ByHostRegex:
		re, err := expression("host_regex", c.HostRegex, "^(?:"+c.HostRegex+")$")
		return func(_ *Endpoint, col *Collection) bool { return col.HostName != "" && re.MatchString(col.HostName) }, err
	case ByTags:
		has, err := c.tagTest()
		return func(_ *Endpoint, col *Collection) bool { return slices.ContainsFunc(col.AllTags(), has) }, err
	case ByAPITags:
		// Endpoints have no tags of their own so far, so nothing is selected.
		_, err := c.tagTest()
		return func(*Endpoint, *Collection) bool { return false }, err
	case ByAuthType:
		return c.authTest()
	case ByAccessType:
		return c.accessTest()
	}
	return nil, fault.New(fault.Invalid, "type must be one of %s", strings.Join([]string{
		ByList, ByMethod, ByRegex, ByHostRegex, ByTags, ByAPITags, ByAuthType, ByAccessType,
	}, ", "))
}

// expression compiles a regular expression. Those of package regexp take linear
// time, so users may bring them.
func expression(field, given, whole string) (*regexp.Regexp, error) {
	if given == "" {
		return nil, fault.New(fault.Invalid, "%s is required", field)
	}
	if len(given) > MaxConditionBytes {
		return nil, fault.New(fault.Invalid, "%s is longer than %d bytes", field, MaxConditionBytes)
	}
	// Compiled alone first: "a)|(b" must not become valid by being wrapped.
	if _, err := regexp.Compile(given); err != nil {
		return nil, fault.New(fault.Invalid, "%s is not a regular expression (RE2 syntax)", field)
	}
	re, err := regexp.Compile(whole)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s is not a regular expression (RE2 syntax)", field)
	}
	return re, nil
}

func (c *Condition) tagTest() (func(Tag) bool, error) {
	if strings.TrimSpace(c.Query) == "" {
		return nil, fault.New(fault.Invalid, "query is required")
	}
	if len(c.Query) > MaxConditionBytes {
		return nil, fault.New(fault.Invalid, "query is longer than %d bytes", MaxConditionBytes)
	}
	key, value, pair := strings.Cut(strings.ToLower(c.Query), "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	return func(t Tag) bool {
		inKey := strings.Contains(strings.ToLower(t.KeyName), key)
		if pair {
			return inKey && strings.Contains(strings.ToLower(t.Value), value)
		}
		return inKey || strings.Contains(strings.ToLower(t.Value), key)
	}, nil
}

func (c *Condition) authTest() (test, error) {
	if len(c.AuthTypes) == 0 {
		return nil, fault.New(fault.Invalid, "authTypes is required")
	}
	custom := slices.ContainsFunc(c.AuthTypes, func(t string) bool { return strings.EqualFold(t, anyCustomAuth) })
	chosen := func(name string) bool {
		return custom && !builtInAuth(name) || slices.ContainsFunc(c.AuthTypes, func(t string) bool { return strings.EqualFold(t, name) })
	}
	return func(e *Endpoint, _ *Collection) bool {
		return slices.ContainsFunc(e.AuthTypes, func(set []string) bool { return slices.ContainsFunc(set, chosen) })
	}, nil
}

func (c *Condition) accessTest() (test, error) {
	if len(c.AccessTypes) == 0 {
		return nil, fault.New(fault.Invalid, "apiAccessTypes is required")
	}
	for _, t := range c.AccessTypes {
		switch t {
		case AccessPublic, AccessPrivate, AccessPartner, AccessThirdParty:
		default:
			return nil, fault.New(fault.Invalid, "apiAccessTypes must be some of PUBLIC, PRIVATE, PARTNER, THIRD_PARTY")
		}
	}
	if len(c.AccessTypes) == 1 && c.AccessTypes[0] == AccessThirdParty {
		return func(e *Endpoint, _ *Collection) bool {
			return len(e.AccessTypes) == 1 && e.AccessTypes[0] == AccessThirdParty
		}, nil
	}
	return func(e *Endpoint, _ *Collection) bool {
		return slices.ContainsFunc(e.AccessTypes, func(t string) bool { return slices.Contains(c.AccessTypes, t) })
	}, nil
}

// Replace puts the endpoint by in the place of those in lists that gone names, and
// says whether there were any; without by they are left out. conditions is not
// changed, the result may share its parts.
func Replace(conditions []Condition, gone func(EndpointKey) bool, by *EndpointKey) ([]Condition, bool) {
	changed := false
	out := slices.Clone(conditions)
	for i := range out {
		c := &out[i]
		if !slices.ContainsFunc(c.APIs, gone) {
			continue
		}
		changed = true
		c.APIs = slices.DeleteFunc(slices.Clone(c.APIs), gone)
		if by != nil && !slices.Contains(c.APIs, *by) {
			c.APIs = append(c.APIs, *by)
		}
	}
	return out, changed
}

// SameButLists says whether b selects no more than a and what b lists: apart from
// the endpoints in lists, and new lists of Or, they are the same.
func SameButLists(a, b []Condition) bool {
	isOrList := func(c Condition) bool { return c.Type == ByList && c.Operator == Or }
	if slices.ContainsFunc(a, isOrList) && !slices.ContainsFunc(b, isOrList) {
		return false // what holds And of it only is selected then
	}
	return slices.EqualFunc(rules(a), rules(b), func(x, y Condition) bool { return reflect.DeepEqual(x, y) })
}

// rules are conditions without lists, except that a list that all members are in is
// one.
func rules(conditions []Condition) []Condition {
	var out []Condition
	for i := range conditions {
		c := conditions[i]
		c.APIs = nil
		if c.Type != ByList || c.Operator == And {
			out = append(out, c)
		}
	}
	return out
}
