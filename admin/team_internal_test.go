package admin

import (
	"encoding/json"
	"reflect"
	"testing"
)

// What is read as a mapping of roles or as lists by user is read the same from
// what it encodes to.
func FuzzTeamMaps(f *testing.F) {
	f.Add([]byte(`{"API":"ADMIN","dast":" guest"}`))
	f.Add([]byte(`{"7":[1,"2"],"-8":"3,4","9":null}`))
	f.Add([]byte(`"{\"API\":\"GUEST\"}"`))
	f.Add([]byte(`{"1":[],"01":[2]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if !json.Valid(in) || len(in) == 0 || in[0] <= ' ' || string(in) == "null" {
			return
		}
		var roles, roles2 Roles
		if roles.UnmarshalJSON(in) == nil && roles != nil {
			b, err := json.Marshal(map[string]string(roles))
			if err != nil {
				t.Fatal(err)
			}
			if err := roles2.UnmarshalJSON(b); err != nil || !reflect.DeepEqual(roles, roles2) {
				t.Fatalf("%v became %v, %v", roles, roles2, err)
			}
		}
		var lists, lists2 IDLists
		if lists.UnmarshalJSON(in) == nil && lists != nil {
			b, err := json.Marshal(map[int32]Ints(lists))
			if err != nil {
				t.Fatal(err)
			}
			if err := lists2.UnmarshalJSON(b); err != nil || !reflect.DeepEqual(lists, lists2) {
				t.Fatalf("%v became %v, %v", lists, lists2, err)
			}
		}
	})
}
