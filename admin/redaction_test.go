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
