package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"harken/internal/job"
	"harken/inventory"
	"harken/inventory/pathtmpl"
)

// The evidence of templates has paths and values as they came; it goes with what else is
// stored of a collection, and of an account.
func TestRedactionEmptiesEvidence(t *testing.T) {
	for call, body := range map[string]string{
		"/api/toggleRedactFeature": `{"redactPayload":true}`, "/api/redactCollection": `{"apiCollectionId":7,"redacted":true}`,
	} {
		w := start(t, nil)
		set := pathtmpl.NewSet(pathtmpl.Options{})
		for i := range 20 {
			set.Resolve("GET", fmt.Sprintf("/secrets/9%dsecret", i+1000))
		}
		st := w.db.Full(inventory.DefaultAccount)
		if _, err := st.PutTemplateState(t.Context(), 7, inventory.TemplateState{Data: set.AppendState(nil)}); err != nil {
			t.Fatal(err)
		}
		evidence := func() int {
			s, err := st.TemplateState(t.Context(), 7)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(s.Data), "/secrets/STRING") {
				t.Errorf("%s: the template is gone: %q", call, s.Data)
			}
			return strings.Count(string(s.Data), "1001secret")
		}
		if evidence() == 0 {
			t.Fatal("there is nothing to be emptied")
		}
		w.want(t, 200, "admin", "POST", call, strings.NewReader(body))
		if js, err := w.api.JobsEnded(t.Context(), inventory.DefaultAccount); err != nil || len(js) > 0 && js[0].State != job.Succeeded {
			t.Fatal(js, err)
		}
		if n := evidence(); n > 0 {
			t.Errorf("%s leaves %d values", call, n)
		}
	}
}

// What is stored of endpoints that have values of a type goes when the type is redacted,
// wherever the values stand; other endpoints stay.
func TestRedactedTypeEmptiesEndpoints(t *testing.T) {
	w := start(t, nil)
	st := w.db.Full(inventory.DefaultAccount)
	at := func(url string) inventory.EndpointKey {
		return inventory.EndpointKey{Collection: 7, Method: "GET", URL: url}
	}
	part := &inventory.AccountUpdate{Drops: []inventory.Drop{{Rule: "status", Host: "h", Count: 1, Example: []byte("{}")}}}
	add := func(url, typ, value, body string) {
		e := inventory.Endpoint{EndpointKey: at(url), Count: 1}
		e.Params = []inventory.Param{{
			ParamKey: inventory.ParamKey{ResponseCode: -1, Header: typ == "header", Name: "p", Type: strings.ReplaceAll(typ, "header", "GENERIC")},
			Count:    1, Values: []string{value},
		}}
		part.Endpoints = append(part.Endpoints, e)
		part.Samples = append(part.Samples, inventory.Sample{Endpoint: at(url), Time: now, Account: inventory.DefaultAccount, Data: fmt.Appendf(nil,
			`{"request":{"method":"GET","url":"http://h%s"},"response":{"status":200,"content":{"text":%q}},"_harken":{"account":"1000000"}}`, url, body)})
	}
	add("/typed", "EMAIL", "jo@x.example", "")
	add("/within", "header", "Bearer jo@x.example", "")
	add("/sampled", "GENERIC", "v", `{"a":["jo@x.example"]}`)
	add("/plain", "GENERIC", "v", `{"a":1}`)
	if err := w.db.Apply(t.Context(), &inventory.Update{Accounts: map[int32]*inventory.AccountUpdate{inventory.DefaultAccount: part}}); err != nil {
		t.Fatal(err)
	}
	left := func(url string) string {
		e, err := st.Endpoint(t.Context(), at(url))
		if err != nil {
			t.Fatal(err)
		}
		samples, err := st.Samples(t.Context(), at(url))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(len(e.Params[0].Values), len(samples))
	}
	w.want(t, 200, "admin", "POST", "/api/updateCustomDataType", strings.NewReader(`{"name":"EMAIL","redacted":true}`))
	if js, err := w.api.JobsEnded(t.Context(), inventory.DefaultAccount); err != nil || len(js) != 1 || js[0].State != job.Succeeded {
		t.Fatal(js, err)
	}
	for url, want := range map[string]string{"/typed": "0 0", "/within": "0 0", "/sampled": "0 0", "/plain": "1 1"} {
		if got := left(url); got != want {
			t.Errorf("%s has values and samples %s, want %s", url, got, want)
		}
	}
	drops, err := st.Drops(t.Context())
	for _, d := range drops {
		if err != nil || len(d.Example) > 0 {
			t.Errorf("drop = %v, %v", d, err)
		}
	}
}
