package admin

import (
	"net/http"
	"testing"

	"harken/admin/auth"
)

// What changes something is a POST, for only these are audited.
func TestChangesArePosts(t *testing.T) {
	for i := range routes {
		if r := &routes[i]; r.needs.Access == auth.ReadWrite && r.verb != http.MethodPost {
			t.Errorf("%s is a %s", r.path, r.verb)
		}
	}
}

func TestDescribe(t *testing.T) {
	f := func(name, words, op string) {
		t.Helper()
		if w, o := inWords(name), auditOperation(name); w != words || o != op {
			t.Errorf("%s = %q, %s, want %q, %s", name, w, o, words, op)
		}
	}
	f("addApiToken", "add api token", "CREATE")
	f("toggleOptionsAPIs", "toggle options apis", "UPDATE")
	f("deleteMultipleCollections", "delete multiple collections", "DELETE")
	f("uploadHar", "upload har", "IMPORT")
	f("inviteUsers", "invite users", "INVITE")
	f("/auth/resetPassword", "reset password", "UPDATE")
}

func TestClientClass(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64) Chrome/126": "Browser", "PostmanRuntime/7.39": "Postman", "curl/8.5.0": "curl", "": "Other",
		"python-requests/2.32": "Python", "harken-proxy/1": "Harken", "Go-http-client/1.1": "Go",
	} {
		if got := clientClass(agent); got != want {
			t.Errorf("clientClass(%q) = %s, want %s", agent, got, want)
		}
	}
}
