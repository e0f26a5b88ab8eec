package storetest

import (
	"testing"

	"harken/inventory"
)

// learnedBefore applies an observation of /a, and one of /up that an upload told,
// with what dropped records look like.
func learnedBefore(t *testing.T, s inventory.Stores, r inventory.Redaction) {
	t.Helper()
	value := inventory.Param{ParamKey: inventory.ParamKey{ResponseCode: -1, Query: true, Name: "q", Type: "GENERIC"}, Count: 1, Values: []string{"v"}}
	one := func(url, source string) inventory.Endpoint {
		return inventory.Endpoint{EndpointKey: key(url), Count: 1, Sources: map[string]int64{source: 1}, Params: []inventory.Param{value}}
	}
	u := update(one("/a", "SDK"), one("/up", "HAR"))
	part := u.Accounts[account]
	for url, source := range map[string]string{"/a": "SDK", "/up": "HAR"} {
		sample := inventory.Sample{Endpoint: key(url), Time: 1, Source: source, Data: []byte("d")}
		part.Samples = append(part.Samples, sample)
		part.Sensitive = append(part.Sensitive, inventory.SensitiveSample{Sample: sample, Params: []inventory.ParamKey{{Name: "m", Type: "EMAIL"}}})
	}
	part.Drops = []inventory.Drop{{Rule: "status", Host: "h", Count: 1, Last: 1, Example: []byte("d")}}
	part.Redaction = r
	apply(t, s, u)
}

// clear tells what is there of an endpoint: values, samples, sensitive samples, and
// examples of dropped records.
func (k check) clear(url string, want [4]int) {
	k.t.Helper()
	f := k.s.Full(account)
	e, err := f.Endpoint(k.t.Context(), key(url))
	if err != nil || e.Count == 0 || len(e.Params) != 1 {
		k.t.Fatalf("%s = %+v, %v", url, e, err)
	}
	samples, err := f.Samples(k.t.Context(), key(url))
	if err != nil {
		k.t.Fatal(err)
	}
	sensitive, err := f.SensitiveSamples(k.t.Context(), key(url))
	if err != nil {
		k.t.Fatal(err)
	}
	drops, err := f.Drops(k.t.Context())
	if err != nil || len(drops) != 1 {
		k.t.Fatalf("drops = %+v, %v", drops, err)
	}
	got := [4]int{len(e.Params[0].Values), len(samples), len(sensitive), min(len(drops[0].Example), 1)}
	if got != want {
		k.t.Errorf("%s has values, samples, sensitive samples and examples %v, want %v", url, got, want)
	}
}

// redactedAccount is an observation on its way while the account is redacted.
func (k check) redactedAccount() {
	if _, err := k.s.Full(account).PutSettings(k.t.Context(), inventory.Settings{RedactPayload: true}); err != nil {
		k.t.Fatal(err)
	}
	learnedBefore(k.t, k.s, inventory.Redaction{})
	k.clear("/a", [4]int{0, 0, 0, 0})
	k.clear("/up", [4]int{1, 1, 1, 0})
	learnedBefore(k.t, k.s, inventory.Redaction{Live: true})
	k.clear("/a", [4]int{1, 1, 1, 1})
}

// redactedType is an observation on its way while a type is redacted.
func (k check) redactedType() {
	f := k.s.Full(account)
	def := inventory.Definition{Kind: inventory.CustomDataTypes, ID: "T", Doc: []byte(`{"name":"T","redacted":true}`)}
	if err := f.PutDefinition(k.t.Context(), def); err != nil {
		k.t.Fatal(err)
	}
	learnedBefore(k.t, k.s, inventory.Redaction{})
	k.clear("/a", [4]int{0, 0, 0, 0})
	k.clear("/up", [4]int{0, 0, 0, 0})
	now := inventory.RedactionOf(&inventory.Settings{}, []inventory.Definition{def}, nil)
	learnedBefore(k.t, k.s, now.With(inventory.Redaction{})) // by two configurations
	k.clear("/up", [4]int{0, 0, 0, 0})
	learnedBefore(k.t, k.s, now)
	k.clear("/up", [4]int{1, 1, 1, 1})
	if err := f.DeleteDefinition(k.t.Context(), inventory.CustomDataTypes, "T"); err != nil {
		k.t.Fatal(err)
	}
	learnedBefore(k.t, k.s, now) // more than now is redacted
	k.clear("/a", [4]int{1, 2, 2, 1})
}

// dropRedactable empties what was stored in the clear: an upload keeps its samples, and
// its values unless live traffic may have told them.
func (k check) dropRedactable() {
	f := k.s.Full(account)
	learnedBefore(k.t, k.s, inventory.Redaction{})
	both := inventory.Endpoint{EndpointKey: key("/up"), Count: 1, Sources: map[string]int64{"SDK": 1}}
	for _, want := range [][4]int{{1, 1, 1, 0}, {0, 1, 1, 0}} {
		if err := f.DropRedactable(k.t.Context(), []int32{0, 7}); err != nil {
			k.t.Fatal(err)
		}
		k.clear("/a", [4]int{})
		k.clear("/up", want)
		apply(k.t, k.s, update(both))
	}
	if c, err := f.Collection(k.t.Context(), 0); err != nil || c.SampleCollectionsDropped {
		k.t.Errorf("collection = %+v, %v; want one that is not redacted itself", c, err)
	}
	learnedBefore(k.t, k.s, inventory.Redaction{Live: true})
	k.clear("/a", [4]int{1, 1, 1, 1})
}

// dropSamplesOf empties some endpoints.
func (k check) dropSamplesOf() {
	learnedBefore(k.t, k.s, inventory.Redaction{})
	if err := k.s.Full(account).DropSamplesOf(k.t.Context(), []inventory.EndpointKey{key("/a"), key("/none")}); err != nil {
		k.t.Fatal(err)
	}
	k.clear("/a", [4]int{})
	k.clear("/up", [4]int{1, 1, 1, 0})
}
