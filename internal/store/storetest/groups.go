package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"harken/inventory"
	"harken/inventory/fault"
)

// groupTests are the tests of groups.
func groupTests() []test {
	return []test{
		{"groupOfNew", check.groupOfNew},
		{"groupEdits", check.groupEdits},
		{"groupOfTags", check.groupOfTags},
		{"groupAbsorbs", check.groupAbsorbs},
		{"groupDeletions", check.groupDeletions},
		{"groupReads", check.groupReads},
		{"groupChunks", check.groupChunks},
		{"groupLimits", check.groupLimits},
		{"files", check.files},
	}
}

const groupID = 900

func (k check) group(id int32, conditions ...inventory.Condition) {
	k.t.Helper()
	for i := range conditions {
		if conditions[i].Operator == "" {
			conditions[i].Operator = inventory.Or
		}
	}
	got, err := k.s.Full(account).AddCollection(k.t.Context(), inventory.Collection{
		ID: id, Name: fmt.Sprint("g", id), Type: inventory.TypeGroup, Conditions: conditions,
	})
	if err != nil || got.ID != id {
		k.t.Fatalf("AddCollection = %+v, %v", got, err)
	}
}

func (k check) edit(id int32, edit func(c *inventory.Collection)) {
	k.t.Helper()
	_, err := k.s.Full(account).EditCollections(k.t.Context(), []int32{id}, func(c *inventory.Collection) (bool, error) {
		edit(c)
		return true, nil
	})
	if err != nil {
		k.t.Fatal(err)
	}
}

func (k check) regroup() {
	k.t.Helper()
	if err := k.s.Regroup(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
}

// in fails unless a group has just these endpoints, and counts them right; each is
// the text of its collection and URL.
func (k check) in(group int32, want ...string) {
	k.t.Helper()
	f := k.s.Full(account)
	got := []string{}
	for skip := 0; ; skip += 2 {
		page, err := f.Endpoints(k.t.Context(), group, skip, 2)
		if err != nil {
			k.t.Fatal(err)
		}
		for i := range page {
			if !slices.Contains(page[i].Groups, group) {
				k.t.Errorf("%s says that it is in %v", page[i].URL, page[i].Groups)
			}
			ids, err := f.Memberships(k.t.Context(), page[i].EndpointKey)
			if err != nil || !slices.Equal(ids, page[i].Groups) {
				k.t.Errorf("Memberships of %s = %v, %v; want %v", page[i].URL, ids, err, page[i].Groups)
			}
			got = append(got, fmt.Sprint(page[i].Collection, page[i].URL))
		}
		if len(page) < 2 {
			break
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		k.t.Errorf("group %d has %v, want %v", group, got, want)
	}
	if c, err := f.Collection(k.t.Context(), group); err != nil || c.URLsCount != len(want) {
		k.t.Errorf("group %d is %+v, %v; want %d endpoints", group, c, err, len(want))
	}
}

func byRegex(s string) inventory.Condition {
	return inventory.Condition{Type: inventory.ByRegex, Regex: s}
}

func byList(keys ...inventory.EndpointKey) inventory.Condition {
	return inventory.Condition{Type: inventory.ByList, APIs: keys}
}

// groupOfNew is what learning does: new endpoints, new ways to authenticate.
func (k check) groupOfNew() {
	t := k.t
	apply(t, k.s, update(observed("/early", 1)))
	k.group(groupID, byRegex("^/a"), inventory.Condition{Type: inventory.ByAuthType, AuthTypes: []string{"BASIC"}},
		inventory.Condition{Type: inventory.ByAccessType, AccessTypes: []string{"PUBLIC"}})
	k.group(groupID+1, byRegex("early"))
	k.in(groupID + 1)
	k.regroup()
	k.in(groupID+1, "0/early")
	k.in(groupID)
	if err := k.s.Full(account).Recompute(t.Context(), []int32{groupID, groupID + 1, 0, 4711}); err != nil {
		t.Fatal(err)
	}
	k.regroup()
	k.in(groupID+1, "0/early")

	b, c := observed("/b", 1), observed("/c", 1)
	apply(t, k.s, update(observed("/a", 1), b, c))
	k.in(groupID, "0/a")
	b.AuthTypes, c.AccessTypes = [][]string{{"BASIC"}}, []string{"PUBLIC"}
	apply(t, k.s, update(observed("/a", 2), b, c))
	k.in(groupID, "0/a", "0/b", "0/c")
	apply(t, k.s, update(b)) // nothing new
	k.in(groupID, "0/a", "0/b", "0/c")
	if ids, err := k.s.Full(account).Memberships(t.Context(), key("/none")); err != nil || len(ids) != 0 {
		t.Errorf("Memberships of nothing = %v, %v", ids, err)
	}
	if ids, err := k.s.Full(2000000).Memberships(t.Context(), key("/a")); err != nil || len(ids) != 0 {
		t.Errorf("Memberships in another account = %v, %v", ids, err)
	}
	if _, err := k.s.Full(account).EditEndpoints(t.Context(), []inventory.EndpointKey{key("/a"), key("/c")}, func(e *inventory.Endpoint) (bool, error) {
		e.AccessTypes = nil
		return true, nil
	}); err != nil {
		t.Fatal(err)
	}
	k.in(groupID, "0/a", "0/b")
}

// groupEdits is what people do to the conditions of a group.
func (k check) groupEdits() {
	apply(k.t, k.s, update(observed("/a", 1), observed("/b", 1), observed("/c", 1)))
	k.group(groupID, byRegex("^/a"))
	k.regroup()
	k.in(groupID, "0/a")
	set := func(conditions ...inventory.Condition) {
		for i := range conditions {
			conditions[i].Operator = inventory.Or
		}
		k.changes("an edit of conditions", func() {
			k.edit(groupID, func(c *inventory.Collection) { c.Conditions = conditions })
		})
		if err := k.s.Full(account).Regroup(k.t.Context(), []int32{groupID}); err != nil {
			k.t.Fatal(err)
		}
	}
	set(byRegex("^/b"))
	k.in(groupID, "0/b")
	set(byList(key("/c"), key("/none")))
	k.in(groupID, "0/c")
	set(byList(key("/c")), byList(key("/a")), byRegex("b"))
	k.in(groupID, "0/a", "0/b", "0/c")
	set()
	k.in(groupID)
	k.edit(groupID, func(c *inventory.Collection) {
		c.Conditions, c.Within = []inventory.Condition{{Type: inventory.ByRegex, Operator: inventory.And, Regex: "."}}, []int32{}
	})
	k.regroup()
	k.in(groupID)
	c, err := k.s.Full(account).Collection(k.t.Context(), groupID)
	if err != nil || c.Within == nil || len(c.Within) != 0 || len(c.Conditions) != 1 {
		k.t.Errorf("the group is %+v, %v; want it to be bound to nothing", c, err)
	}
}

// groupOfTags is what edits of collections mean.
func (k check) groupOfTags() {
	t, f := k.t, k.s.Full(account)
	col, err := f.HostCollection(t.Context(), "api.uat.corp.com", 1)
	if err != nil {
		t.Fatal(err)
	}
	e := observed("/h", 1)
	e.Collection = col.ID
	apply(t, k.s, update(e, observed("/a", 1)))
	k.group(groupID, inventory.Condition{Type: inventory.ByTags, Query: "envType=UAT"})
	k.group(groupID+1, inventory.Condition{Type: inventory.ByHostRegex, HostRegex: `.*\.corp\.com`})
	k.regroup()
	one := fmt.Sprint(col.ID, "/h")
	k.in(groupID, one)
	k.in(groupID+1, one)
	k.edit(0, func(c *inventory.Collection) { c.Tags = []inventory.Tag{{KeyName: "envType", Value: "uat"}} })
	k.edit(col.ID, func(c *inventory.Collection) { c.Tags = []inventory.Tag{} })
	k.regroup()
	k.in(groupID, "0/a")
	k.in(groupID+1, one)
	k.edit(col.ID, func(c *inventory.Collection) { c.Deactivated = true })
	k.regroup()
	k.in(groupID + 1)
	k.edit(col.ID, func(c *inventory.Collection) { c.Deactivated = false })
	k.regroup()
	k.in(groupID+1, one)
	if c, err := f.Collection(t.Context(), col.ID); err != nil || c.Tags == nil || len(c.AllTags()) != 0 {
		t.Errorf("a host without tags is %+v, %v", c, err)
	}
}

// groupAbsorbs is what templates do: they join by themselves, and take the place of
// what they absorb in lists.
func (k check) groupAbsorbs() {
	t, f := k.t, k.s.Full(account)
	apply(t, k.s, update(observed("/o/1", 1), observed("/o/2", 1), observed("/p", 1)))
	k.group(groupID, byList(key("/o/1"), key("/p")))
	k.group(groupID+1, byRegex("INTEGER$"))
	k.group(groupID+2, byRegex("/[0-9]$"))
	k.regroup()
	k.in(groupID, "0/o/1", "0/p")
	k.in(groupID+2, "0/o/1", "0/o/2")
	if err := f.Absorb(t.Context(), inventory.Absorption{Method: "GET", Template: "/o/INTEGER", URLs: []string{"/o/1", "/o/2"}}); err != nil {
		t.Fatal(err)
	}
	k.in(groupID, "0/o/INTEGER", "0/p")
	k.in(groupID+1, "0/o/INTEGER")
	k.in(groupID + 2)
	c, err := f.Collection(t.Context(), groupID)
	want := []inventory.EndpointKey{key("/p"), key("/o/INTEGER")}
	if err != nil || len(c.Conditions) != 1 || cmp.Diff(want, c.Conditions[0].APIs) != "" {
		t.Errorf("the list is %+v, %v; want %v", c.Conditions, err, want)
	}
	k.regroup()
	k.in(groupID, "0/o/INTEGER", "0/p")
}

func (k check) groupDeletions() {
	t, f := k.t, k.s.Full(account)
	if _, err := f.EnsureCollection(t.Context(), 1, 1); err != nil {
		t.Fatal(err)
	}
	other := observed("/x", 1)
	other.Collection = 1
	apply(t, k.s, update(observed("/a", 1), observed("/b", 1), other))
	k.group(groupID, byRegex("."), byList(key("/a"), other.EndpointKey))
	k.edit(groupID, func(c *inventory.Collection) { c.Within = []int32{0, 1} })
	k.regroup()
	k.in(groupID, "0/a", "0/b", "1/x")
	if _, err := f.DeleteEndpoints(t.Context(), []inventory.EndpointKey{key("/b")}); err != nil {
		t.Fatal(err)
	}
	k.in(groupID, "0/a", "1/x")
	k.changes("DeleteCollections", func() {
		if n, err := f.DeleteCollections(t.Context(), []int32{1}); err != nil || n != 1 {
			t.Errorf("DeleteCollections = %d, %v", n, err)
		}
	})
	k.in(groupID, "0/a")
	c, err := f.Collection(t.Context(), groupID)
	if err != nil || !slices.Equal(c.Conditions[1].APIs, []inventory.EndpointKey{key("/a")}) || !slices.Equal(c.Within, []int32{0}) {
		t.Errorf("after the deletion of a collection the group is %+v, %v", c, err)
	}
	if n, err := f.DeleteCollections(t.Context(), []int32{groupID}); err != nil || n != 0 {
		t.Errorf("DeleteCollections of a group = %d, %v; want no endpoint", n, err)
	}
	e, err := f.Endpoint(t.Context(), key("/a"))
	if err != nil || len(e.Groups) != 0 {
		t.Errorf("after the deletion of its group: %+v, %v", e, err)
	}
	if page, err := f.Endpoints(t.Context(), groupID, 0, 10); err != nil || len(page) != 0 {
		t.Errorf("a deleted group has %v, %v", page, err)
	}
}

// groupReads is what is read by the id of a group.
func (k check) groupReads() {
	t, f := k.t, k.s.Full(account)
	apply(t, k.s, withAll("/a", 0))
	apply(t, k.s, withAll("/b", 0))
	k.group(groupID, byList(key("/a")))
	k.group(groupID-5, byList(key("/a")))
	k.regroup()
	k.in(groupID, "0/a")
	if err := f.PutSensitiveOverride(t.Context(), inventory.SensitiveOverride{EndpointKey: key("/a"), Param: "q", Sensitive: true}); err != nil {
		t.Fatal(err)
	}
	both := []int32{groupID - 5, groupID}
	e, err := f.Endpoint(t.Context(), key("/a"))
	if err != nil || !slices.Equal(e.Groups, both) {
		t.Errorf("the endpoint is in %v, %v; want %v", e.Groups, err, both)
	}
	var got []string
	note := func(what string, k inventory.EndpointKey, groups []int32) {
		got = append(got, strings.TrimSpace(fmt.Sprintln(what, k.Collection, k.URL, groups)))
	}
	if err := f.Keys(t.Context(), groupID, func(k inventory.EndpointKey) error { note("key", k, nil); return nil }); err != nil {
		t.Fatal(err)
	}
	for _, types := range [][]string{{"EMAIL"}, {"GENERIC", "EMAIL"}} {
		if err := f.WithTypes(t.Context(), []int32{groupID, groupID - 5}, types, func(e *inventory.Endpoint) error {
			note("type", e.EndpointKey, e.Groups)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	changes, n, err := f.Changes(t.Context(), inventory.ChangeFilter{Collections: []int32{groupID}}, 0, 10)
	if err != nil || n != 1 {
		t.Errorf("Changes = %v, %d, %v", changes, n, err)
	}
	for i := range changes {
		note("change", changes[i].EndpointKey, nil)
	}
	over, err := f.SensitiveOverrides(t.Context(), []int32{groupID})
	if err != nil {
		t.Fatal(err)
	}
	for i := range over {
		note("mark", over[i].EndpointKey, over[i].Groups)
	}
	want := []string{"key 0 /a []", "type 0 /a [895 900]", "type 0 /a [895 900]", "change 0 /a []", "mark 0 /a [895 900]"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("what a group has (-want +got):\n%s", d)
	}
	sum, err := f.CollectionTraffic(t.Context(), []int32{groupID})
	if err != nil || len(sum) != 1 || sum[0].Count != 1 {
		t.Errorf("CollectionTraffic = %v, %v; want that of /a", sum, err)
	}
	if sum, err = f.CollectionTraffic(t.Context(), []int32{groupID, 0}); err != nil || len(sum) != 1 || sum[0].Count != 2 {
		t.Errorf("CollectionTraffic = %v, %v; want /a counted once", sum, err)
	}
}

// groupChunks is Regroup of more than it does at once, broken off and gone on with.
func (k check) groupChunks() {
	t, f := k.t, k.s.Full(account)
	var es []inventory.Endpoint
	var want []string
	for i := range 1200 {
		es = append(es, observed(fmt.Sprintf("/%04d", i), 1))
		want = append(want, fmt.Sprintf("0/%04d", i))
	}
	apply(t, k.s, update(es...))
	k.group(groupID, byRegex("^/[0-9]"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Regroup(ctx, nil); err == nil {
		t.Error("Regroup with a canceled context succeeds")
	}
	var done []error
	wait := make(chan error, 3)
	for range 3 {
		go func() { wait <- f.Regroup(t.Context(), []int32{groupID, 4711}) }()
	}
	for range 3 {
		done = append(done, <-wait)
	}
	for _, err := range done {
		if err != nil {
			t.Fatal(err)
		}
	}
	k.in(groupID, want...)
	k.edit(0, func(c *inventory.Collection) { c.Deactivated = true })
	k.regroup()
	k.in(groupID)
}

func (k check) groupLimits() {
	for i := range int32(inventory.MaxGroups) {
		k.group(groupID + i)
	}
	_, err := k.s.Full(account).AddCollection(k.t.Context(), inventory.Collection{ID: 1, Name: "more", Type: inventory.TypeGroup})
	if kind(err) != fault.Invalid {
		k.t.Errorf("one group too many: %v, want Invalid", err)
	}
	if _, err := k.s.Full(account).AddCollection(k.t.Context(), inventory.Collection{ID: 1, Name: "more"}); err != nil {
		k.t.Error(err)
	}
}
