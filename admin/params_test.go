package admin_test

import (
	"strings"
	"testing"

	"harken/inventory"
)

// The super type of a text in a path is that of its placeholder.
func TestSuperTypeOfPlaceholder(t *testing.T) {
	w := start(t, nil)
	e := inventory.Endpoint{EndpointKey: inventory.EndpointKey{Collection: 7, Method: "GET", URL: "/VERSIONED/OBJECT_ID/STRING"}, Count: 1}
	for _, name := range []string{"0", "1", "2"} {
		e.Params = append(e.Params, inventory.Param{ParamKey: inventory.ParamKey{ResponseCode: -1, URLParam: true, Name: name, Type: "GENERIC"}, Count: 1})
	}
	u := &inventory.Update{Accounts: map[int32]*inventory.AccountUpdate{inventory.DefaultAccount: {Endpoints: []inventory.Endpoint{e}}}}
	if err := w.db.Apply(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	got := w.want(t, 200, "admin", "POST", "/api/loadParamsOfEndpoint", strings.NewReader(
		`{"apiCollectionId":7,"method":"GET","url":"/VERSIONED/OBJECT_ID/STRING"}`))
	for _, super := range []string{"VERSIONED", "OBJECT_ID", "STRING"} {
		if strings.Count(got, `"superType":"`+super+`"`) != 1 {
			t.Errorf("no parameter of super type %s: %s", super, got)
		}
	}
}
