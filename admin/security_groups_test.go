package admin_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// Of the list of a group a caller sees what they see elsewhere, and what is in the
// group now; the rest is neither shown, nor told apart from nothing, nor lost when
// they change the group.
func TestListsOfGroups(t *testing.T) {
	w := start(t, nil)
	const hidden = `{"apiCollectionId":8,"url":"/vendors/zxqv","method":"GET"}` // of a deactivated collection
	const member = `{"apiCollectionId":-1628073687,"url":"/users/INTEGER","method":"GET"}`
	b := w.call(t, 200, "admin", "createCustomCollection",
		`{"collectionName":"mixed","conditions":[{"type":"CUSTOM","operator":"OR","data":{"apiList":[`+member+`]}}]}`)
	id := regexp.MustCompile(`"id":(\d+)`).FindStringSubmatch(b)[1]
	w.call(t, 200, "admin", "addApisToCustomCollection", `{"collectionName":"mixed","apiList":[`+hidden+`]}`)
	limited, err := w.db.UserByEmail(t.Context(), "limited@example.com")
	if err != nil {
		t.Fatal(err)
	}
	w.call(t, 200, "admin", "updateUserCollections", fmt.Sprintf(`{"userCollectionMap":{"%d":[7,%s]}}`, limited.ID, id))
	one := `{"apiCollectionId":` + id + `}`
	sees := func(who, name, body string, want bool) {
		t.Helper()
		b := w.call(t, 200, who, name, body)
		if strings.Contains(b, "zxqv") != want || !strings.Contains(b, "/users/INTEGER") {
			t.Errorf("%s of %s = %s, want what is hidden: %v", name, who, b, want)
		}
	}
	sees("admin", "getCollection", one, true)
	sees("limited", "getCollection", one, false)
	sees("limited", "getAllCollections", "", false)
	sees("limited", "computeCustomCollections", `{"collectionName":"mixed"}`, false)
	sees("limited", "addApisToCustomCollection", `{"collectionName":"mixed"}`, false)
	missing := strings.Replace(hidden, "zxqv", "nothing", 1)
	for _, list := range []string{hidden, missing} {
		got := w.call(t, 422, "limited", "removeApisFromCustomCollection", `{"collectionName":"mixed","apiList":[`+list+`]}`)
		if got != `{"actionErrors":["apiList: none of the 1 elements is in the group's list"]}` {
			t.Errorf("removing %s is answered %s", list, got)
		}
	}
	sees("limited", "updateCustomCollection", `{"apiCollectionId":`+id+`,"conditions":[{"type":"CUSTOM","operator":"OR","data":{"apiList":[`+member+`]}}]}`, false)
	sees("limited", "deactivateCollections", `{"apiCollections":[{"id":`+id+`}]}`, false)
	sees("limited", "activateCollections", `{"apiCollections":[{"id":`+id+`}]}`, false)
	sees("admin", "getCollection", one, true)
}
