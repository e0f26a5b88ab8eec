package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"harken/internal/wire"
)

const testKey = "key-0123456789"

// apiServer remembers the last request and gives one answer.
type apiServer struct {
	*httptest.Server
	status       int
	answer       string
	method, path string
	key, body    string
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	s := &apiServer{status: http.StatusOK, answer: `{"a":[1,9007199254740993]}`}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.method, s.path, s.key, s.body = r.Method, r.URL.RequestURI(), r.Header.Get("X-API-KEY"), string(b)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.answer)
	}))
	t.Cleanup(s.Close)
	return s
}

// call runs harken-control api in an empty directory and environment.
func (s *apiServer) call(t *testing.T, in string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	env := map[string]string{"HARKEN_URL": s.URL, "HARKEN_API_KEY": testKey}
	c := apiClient{in: strings.NewReader(in), out: &out, env: func(k string) (string, bool) { v, ok := env[k]; return v, ok }}
	err := c.run(t.Context(), args)
	if err != nil && strings.Contains(err.Error(), testKey) || strings.Contains(out.String(), testKey) {
		t.Errorf("%v tells the key: %v, %s", args, err, &out)
	}
	return out.String(), err
}

func TestAPIRequests(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("x.har", []byte(`{"log":{"entries":[]}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newAPIServer(t)
	f := func(method, path, body string, args ...string) {
		t.Helper()
		out, err := s.call(t, `{"from":"stdin"}`, args...)
		if err != nil || s.method != method || s.path != path || s.body != body || s.key != testKey {
			t.Errorf("%v: %v; %s %s %s with the key %q, want %s %s %s", args, err, s.method, s.path, s.body, s.key, method, path, body)
		}
		if want := "{\n  \"a\": [\n    1,\n    9007199254740993\n  ]\n}\n"; out != want && path != "/api/records.har" && !strings.HasPrefix(path, "/api/records.har?") {
			t.Errorf("%v prints %q, want %q", args, out, want)
		}
	}
	f("POST", "/api/me", `{}`, "me")
	f("POST", "/api/me", `{}`, "/api/me")
	f("POST", "/auth/login", `{"password":"p=q:=","username":"u"}`, "login", "username=u", "password=p=q:=")
	f("POST", "/api/getCollection", `{"apiCollectionId":"7"}`, "getcollection", "apiCollectionId=7")
	f("POST", "/api/getCollection", `{"apiCollectionId":7}`, "getCollection", "apiCollectionId:=7")
	f("POST", "/api/getCollection", `{"from":"stdin"}`, "getCollection", "-")
	f("POST", "/api/updatePartnerIps", `{"partnerIpList":["a","b"]}`, "updatePartnerIps", "partnerIpList=a", "partnerIpList=b")
	f("POST", "/api/updateEndpointRateLimit", `{"endpointRateLimit":{"perMinute":6}}`, "updateEndpointRateLimit", `endpointRateLimit={"perMinute":6}`)
	f("POST", "/api/uploadHar", `{"apiCollectionId":"7","harString":"{\"log\":{\"entries\":[]}}"}`, "uploadHar", "apiCollectionId=7", "harString=@x.har")
	f("POST", "/api/uploadHar", `{"harString":{"log":{"entries":[]}}}`, "uploadHar", "harString:=@x.har")
	f("GET", "/api/records.har", ``, "records.har")
	f("GET", "/api/records.har?collection=7&endpoint=GET+%2Fa", ``, "records.har", "collection=7", "endpoint=GET /a")
	if out, err := s.call(t, "", "records.har"); err != nil || out != s.answer {
		t.Errorf("a file is printed as %q, %v", out, err)
	}
}

// Mistakes end with status 2 before anything is sent, refusals with 1.
func TestAPIErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newAPIServer(t)
	f := func(status int, want string, args ...string) {
		t.Helper()
		s.method = ""
		_, err := s.call(t, "", args...)
		if err == nil || !strings.Contains(err.Error(), want) || wire.Fail(name, err) != status || (s.method != "") != (status == 1) {
			t.Errorf("%v: %v (sent %q), want %q and status %d", args, err, s.method, want, status)
		}
	}
	f(2, "did you mean createCollection", "createColection")
	f(2, "did you mean fetchChanges", "changes")
	f(2, "harken-control api lists all", "nothing-like-it")
	f(2, `has no field "collection"`, "createCollection", "collection=x")
	f(2, "is not key=value", "createCollection", "x")
	f(2, "is not key=value", "createCollection", "=x")
	f(2, "is not JSON", "getCollection", "apiCollectionId:=x")
	f(2, "no such file", "uploadHar", "harString=@gone")
	f(2, "takes no body", "records.har", "-")
	f(2, "is not accepted", "-url", "ftp://a", "me")
	f(2, "unknown flag -nope", "-nope")
	s.status, s.answer = http.StatusUnprocessableEntity, `{"actionErrors":["one","two"]}`
	f(1, "me: one\ntwo (status 422)", "me")
	s.status, s.answer = http.StatusBadGateway, "<html>"
	f(1, "may be no control plane", "me")
	s.status, s.answer = http.StatusFound, ""
	f(1, "status 302", "me")
	s.status, s.answer = http.StatusOK, "no"
	f(1, "not JSON", "me")
}

// The key of first-run.json goes to this machine, and to no other.
func TestAPIKeyOfFirstRun(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, firstRunFile), []byte(`{"apiKey":"k"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(address, given, want string) {
		t.Helper()
		c := apiClient{url: address, key: given, data: dir}
		if err := c.locate(); err != nil || c.key != want {
			t.Errorf("for %q the key is %q (%v), want %q", address, c.key, err, want)
		}
	}
	f("", "", "k")
	f("", "mine", "mine")
	f("http://localhost:1", "", "k")
	f("http://[::1]:1/", "", "k")
	f("http://127.8.8.8:1", "", "k")
	f("https://control.example.com", "", "")
	f("http://10.0.0.1:8081", "", "")
	f("http://127.0.0.1.example.com", "", "")
}

func TestAPIHelp(t *testing.T) {
	s := newAPIServer(t)
	f := func(want string, args ...string) {
		t.Helper()
		if out, err := s.call(t, "", args...); err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: %v, %.300s; want %q in it", args, err, out, want)
		}
	}
	f("  createCollection                  Makes an empty collection\n")
	f("-api-key-file FILE", "-h")
	f("  collectionName            required\n", "createCollection", "-h")
	f("absent or -1 is all", "fetchChanges", "--help")
}
