package inventory_test

import (
	"strings"
	"testing"

	"harken/inventory"
	"harken/inventory/fault"
)

func TestSelector(t *testing.T) {
	key := inventory.EndpointKey{Collection: 5, URL: "/users/INTEGER", Method: "GET"}
	e := &inventory.Endpoint{
		EndpointKey: key, AuthTypes: [][]string{{"BEARER", "JWT"}, {"team-key"}}, AccessTypes: []string{"PUBLIC", "THIRD_PARTY"},
	}
	third := &inventory.Endpoint{EndpointKey: key, AuthTypes: [][]string{{"UNAUTHENTICATED"}}, AccessTypes: []string{"THIRD_PARTY"}}
	host := &inventory.Collection{ID: 5, HostName: "api.shop.example", Tags: []inventory.Tag{{KeyName: "Team", Value: "Payments"}}}
	derived := &inventory.Collection{ID: 5, HostName: "api.staging.example"}
	manual := &inventory.Collection{ID: 5, Name: "by hand"}
	asleep := &inventory.Collection{ID: 5, HostName: "api.shop.example", Deactivated: true}

	is := func(c inventory.Condition) inventory.Condition { c.Operator = inventory.And; return c }
	or := func(c inventory.Condition) inventory.Condition { c.Operator = inventory.Or; return c }
	method := func(m string) inventory.Condition { return inventory.Condition{Type: inventory.ByMethod, Method: m} }
	regex := func(s string) inventory.Condition { return inventory.Condition{Type: inventory.ByRegex, Regex: s} }
	hosts := func(s string) inventory.Condition {
		return is(inventory.Condition{Type: inventory.ByHostRegex, HostRegex: s})
	}
	tags := func(s string) inventory.Condition { return is(inventory.Condition{Type: inventory.ByTags, Query: s}) }
	auths := func(s ...string) inventory.Condition {
		return is(inventory.Condition{Type: inventory.ByAuthType, AuthTypes: s})
	}
	access := func(s ...string) inventory.Condition {
		return is(inventory.Condition{Type: inventory.ByAccessType, AccessTypes: s})
	}
	list := func(ks ...inventory.EndpointKey) inventory.Condition {
		return inventory.Condition{Type: inventory.ByList, APIs: ks}
	}
	f := func(name string, e *inventory.Endpoint, c *inventory.Collection, want bool, conditions ...inventory.Condition) {
		t.Helper()
		s, err := inventory.NewSelector(conditions, nil)
		if err != nil || s.Selects(e, c) != want {
			t.Errorf("%s: selected is %v, want %v (%v)", name, !want, want, err)
		}
	}
	f("no conditions", e, host, false)
	f("method", e, host, true, is(method("GET")))
	f("other method", e, host, false, is(method("POST")))
	f("all of AND", e, host, false, is(method("GET")), is(regex("^/orders")))
	f("one of OR", e, host, true, or(method("POST")), or(regex("^/users")))
	f("none of OR", e, host, false, or(method("POST")), or(regex("^/orders")))
	f("AND and one of OR", e, host, true, is(method("GET")), or(method("POST")), or(regex("INT")))
	f("AND but none of OR", e, host, false, is(method("GET")), or(method("POST")))
	f("regex is unanchored", e, host, true, is(regex("sers/I")))
	f("host", e, host, true, hosts(`api\..*`))
	f("host is anchored", e, host, false, hosts(`api`))
	f("alternatives are anchored", e, host, false, hosts(`x|api`))
	f("no host", e, manual, false, hosts(`.*`))
	f("tag", e, host, true, tags("team=pay"))
	f("tag of another value", e, host, false, tags("team=sales"))
	f("tag by key", e, host, true, tags("TEAM"))
	f("tag by value", e, host, true, tags("ments"))
	f("tag of the host", e, derived, true, tags("envType=staging"))
	f("tag of none", e, manual, false, tags("a"))
	f("API tag", e, host, false, is(inventory.Condition{Type: inventory.ByAPITags, Query: "a"}))
	f("auth", e, host, true, auths("jwt"))
	f("other auth", e, host, false, auths("BASIC"))
	f("custom auth", e, host, true, auths("CUSTOM"))
	f("no custom auth", third, host, false, auths("custom"))
	f("access", e, host, true, access("PRIVATE", "PUBLIC"))
	f("other access", e, host, false, access("PRIVATE"))
	f("third party only", e, host, false, access("THIRD_PARTY"))
	f("only third party", third, host, true, access("THIRD_PARTY"))
	f("list", e, host, true, or(list(key)))
	f("another list", e, host, false, or(list(inventory.EndpointKey{Collection: 6, URL: key.URL, Method: "GET"})))
	f("deactivated", e, asleep, false, is(method("GET")))

	for _, c := range []struct {
		conditions []inventory.Condition
		only       bool
	}{
		{nil, true},
		{[]inventory.Condition{or(list(key))}, true},
		{[]inventory.Condition{or(list(key)), or(method("GET"))}, false},
		{[]inventory.Condition{is(list(key)), or(method("GET"))}, true},
		{[]inventory.Condition{or(list(key)), is(method("GET"))}, true},
		{[]inventory.Condition{is(method("GET"))}, false},
	} {
		s, err := inventory.NewSelector(c.conditions, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, only := s.Only(); only != c.only {
			t.Errorf("Only of %+v is %v", c.conditions, only)
		}
	}
	for _, c := range []struct {
		within []int32
		cond   inventory.Condition
		want   bool
	}{
		{[]int32{5}, is(method("GET")), true},
		{[]int32{6}, is(method("GET")), false},
		{[]int32{}, is(method("GET")), false},
		{[]int32{}, or(list(key)), true},
	} {
		s, err := inventory.NewSelector([]inventory.Condition{c.cond}, c.within)
		if err != nil || s.Selects(e, host) != c.want {
			t.Errorf("within %v: %+v selects %v, %v", c.within, c.cond, !c.want, err)
		}
	}
}

func TestSelectorRefuses(t *testing.T) {
	good := inventory.Condition{Type: inventory.ByMethod, Operator: inventory.Or, Method: "GET"}
	for want, c := range map[string]inventory.Condition{
		"type must be":           {Type: "NOPE", Operator: "OR"},
		"operator must be":       {Type: inventory.ByMethod, Operator: "XOR", Method: "GET"},
		"method must be":         {Type: inventory.ByMethod, Operator: "OR", Method: "get"},
		"regex is required":      {Type: inventory.ByRegex, Operator: "OR"},
		"regex is not":           {Type: inventory.ByRegex, Operator: "OR", Regex: "("},
		"regex is longer":        {Type: inventory.ByRegex, Operator: "OR", Regex: strings.Repeat("a", 1001)},
		"host_regex is not":      {Type: inventory.ByHostRegex, Operator: "OR", HostRegex: "a)|(b"},
		"query is required":      {Type: inventory.ByTags, Operator: "OR", Query: " "},
		"query is longer":        {Type: inventory.ByAPITags, Operator: "OR", Query: strings.Repeat("a", 1001)},
		"authTypes is required":  {Type: inventory.ByAuthType, Operator: "OR"},
		"apiAccessTypes is":      {Type: inventory.ByAccessType, Operator: "OR"},
		"apiAccessTypes must be": {Type: inventory.ByAccessType, Operator: "OR", AccessTypes: []string{"WORLD"}},
	} {
		_, err := inventory.NewSelector([]inventory.Condition{good, c}, nil)
		kind, msg := fault.Of(err)
		if err == nil || kind != fault.Invalid || !strings.Contains(msg, "conditions: element 1: "+want) {
			t.Errorf("NewSelector(%+v) = %v, want %q", c, err, want)
		}
	}
	if _, err := inventory.NewSelector(make([]inventory.Condition, inventory.MaxConditions+1), nil); err == nil {
		t.Error("too many conditions are accepted")
	}
	many := inventory.Condition{Type: inventory.ByList, Operator: inventory.Or}
	for i := range inventory.MaxListed + 1 {
		many.APIs = append(many.APIs, inventory.EndpointKey{Collection: int32(i)})
	}
	if _, err := inventory.NewSelector([]inventory.Condition{many}, nil); err == nil {
		t.Error("a list that is too long is accepted")
	}
}

func TestSameButLists(t *testing.T) {
	get := inventory.Condition{Type: inventory.ByMethod, Operator: inventory.And, Method: "GET"}
	post := inventory.Condition{Type: inventory.ByMethod, Operator: inventory.Or, Method: "POST"}
	list := func(op string, n int32) inventory.Condition {
		return inventory.Condition{Type: inventory.ByList, Operator: op, APIs: []inventory.EndpointKey{{Collection: n}}}
	}
	f := func(want bool, a, b []inventory.Condition) {
		t.Helper()
		if got := inventory.SameButLists(a, b); got != want {
			t.Errorf("SameButLists(%+v, %+v) = %v", a, b, got)
		}
	}
	type cs = []inventory.Condition
	f(true, nil, nil)
	f(true, nil, cs{list("OR", 1)})
	f(true, cs{get, list("OR", 1)}, cs{get, list("OR", 2)})
	f(true, cs{get}, cs{get, list("OR", 2)})
	f(false, cs{get, list("OR", 1)}, cs{get}) // now all with GET
	f(false, cs{get, list("AND", 1)}, cs{get})
	f(false, nil, cs{post})
	f(false, cs{post}, cs{get})
}

func TestReplace(t *testing.T) {
	k := func(u string) inventory.EndpointKey {
		return inventory.EndpointKey{Collection: 1, URL: u, Method: "GET"}
	}
	was := []inventory.Condition{{Type: inventory.ByList, APIs: []inventory.EndpointKey{k("/1"), k("/2"), k("/x")}}}
	by := k("/INTEGER")
	got, changed := inventory.Replace(was, func(o inventory.EndpointKey) bool { return o.URL < "/9" }, &by)
	if !changed || len(got[0].APIs) != 2 || got[0].APIs[0] != k("/x") || got[0].APIs[1] != by || len(was[0].APIs) != 3 || was[0].APIs[0] != k("/1") {
		t.Errorf("Replace = %+v, %v; was %+v", got, changed, was)
	}
	if _, changed := inventory.Replace(was, func(inventory.EndpointKey) bool { return false }, nil); changed {
		t.Error("nothing to replace is a change")
	}
}

func TestMethod(t *testing.T) {
	for _, m := range inventory.Methods() {
		if got := inventory.Method(" " + strings.ToLower(m)); got != m {
			t.Errorf("Method(%q) = %q", m, got)
		}
	}
	if got := inventory.Method("PROPFIND"); got != "OTHER" {
		t.Errorf("Method(PROPFIND) = %q, want OTHER", got)
	}
}
