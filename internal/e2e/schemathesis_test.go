package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// schemathesis makes a venv with schemathesis once and returns its command.
func schemathesis(t *testing.T) string {
	t.Helper()
	dir := cache(t, "schemathesis-4.32.5")
	bin := filepath.Join(dir, "bin", "st")
	if _, err := os.Stat(filepath.Join(dir, "ready")); err != nil {
		must(t, dir, os.Environ(), "python3", "-m", "venv", dir)
		must(t, dir, os.Environ(), filepath.Join(dir, "bin", "python3"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "schemathesis==4.32.5")
		writeFile(t, dir, "ready", nil)
	}
	return bin
}

// credential makes a user of a role, as people are made, and returns the header
// that they call the API with. An administrator is there already.
func (c *control) credential(t *testing.T, role string) string {
	t.Helper()
	if role == "ADMIN" {
		return "X-API-KEY: " + c.APIKey
	}
	token := c.join(t, strings.ToLower(role)+"@example.com", "correct7horse", role)
	if role == "GUEST" { // who may make no API token
		return "access-token: " + token
	}
	var made struct {
		APITokenList []struct{ Key string }
	}
	c.call(t, http.StatusOK, "addApiToken", obj{"tokenUtility": "EXTERNAL_API"}, &made, "access-token: "+token)
	return "X-API-KEY: " + made.APITokenList[0].Key
}

// notFuzzed are endpoints whose success would end the credential or the run.
var notFuzzed = []string{"login", "logout", "removeUser", "makeAdmin", "deleteApiToken", "resetUserPassword", "updateUserScopeRoleMapping", "goToAccount", "createNewAccount"}

// destructive endpoints come last, or the others find nothing.
const destructive = `^(delete|redactCollection|toggleRedact|mergeTemplates|splitTemplate)`

// Requests that are made of the document, right and wrong ones, are answered as
// the document says, and never with 500, whoever asks.
func TestDocumentIsTrue(t *testing.T) {
	st := schemathesis(t)
	total := 0
	for _, who := range []struct {
		role, phases string
		examples     int
	}{
		// The phase coverage makes three quarters of all requests: every way in which a
		// value can be wrong. That is found before the role matters.
		{"ADMIN", "examples,coverage,fuzzing", 30}, {"MEMBER", "examples,fuzzing", 30}, {"GUEST", "examples,fuzzing", 20},
	} {
		t.Run(who.role, func(t *testing.T) {
			// Each begins with a full store and settings that let it fill.
			c := startControl(t, t.TempDir(), "-limit-login", "-1", "-limit-invite", "-1")
			credential := c.credential(t, who.role)
			file := writeFile(t, c.dir, who.role+".json", c.hintedDocument(t))
			total += c.fuzz(t, st, file, credential, who.phases, who.examples, "--exclude-operation-id-regex", destructive)
			total += c.fuzz(t, st, file, credential, who.phases, who.examples, "--include-operation-id-regex", destructive)
			if strings.Contains(c.output(), "panic") {
				t.Errorf("something panicked: %s", tail(c.output(), 4000))
			}
		})
	}
	t.Logf("%d requests", total)
}

var generated = regexp.MustCompile(`([\d,]+) generated`)

// fuzz runs schemathesis on some of the operations and returns how many requests
// it made.
func (c *control) fuzz(t *testing.T, st, file, credential, phases string, examples int, selection ...string) int {
	t.Helper()
	args := append([]string{
		"run", file, "-u", "http://" + hostOf(c.Control), "-H", credential, "--phases", phases,
		"-n", strconv.Itoa(examples), "-w", "2", "--continue-on-failure", "--no-shrink", "--seed", "7", "--suppress-health-check", "all", "--warnings", "off",
		// What a business rule refuses is 422 although its form is right, so
		// positive_data_acceptance has no place here.
		"-c", "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance," +
			"response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance,ignored_auth",
	}, selection...)
	for _, id := range notFuzzed {
		args = append(args, "--exclude-operation-id", id)
	}
	began := time.Now()
	out, code := command(t, c.dir, cleanEnv(), st, args...)
	if code != 0 {
		t.Errorf("schemathesis %v: exit %d\n%s", selection, code, tail(out, 12000))
	}
	n := 0
	if m := generated.FindStringSubmatch(out); m != nil {
		n, _ = strconv.Atoi(strings.ReplaceAll(m[1], ",", ""))
	}
	if n == 0 {
		t.Errorf("schemathesis made no request:\n%s", tail(out, 4000))
	}
	t.Logf("%s %s: %d requests in %v", filepath.Base(file), selection[0], n, time.Since(began).Round(time.Second))
	return n
}

// hintedDocument fills the store and returns the document with the names of what
// is in it, so that many requests are about something that exists.
func (c *control) hintedDocument(t *testing.T) []byte {
	t.Helper()
	var batch []any
	for n := range 60 {
		batch = append(batch, obj{
			"startedDateTime": time.Now().UTC().Format(time.RFC3339), "time": 3, "_harken": obj{"source": "MIRRORING", "direction": "1"},
			"request": obj{
				"method": []string{"GET", "POST"}[n%2], "url": fmt.Sprintf("http://shop.example.com/%s/%d?page=%d", []string{"users", "orders", "items"}[n%3], n, n),
				"headers":  []obj{{"name": "host", "value": "shop.example.com"}, {"name": "authorization", "value": "Bearer abc"}},
				"postData": obj{"mimeType": "application/json", "text": fmt.Sprintf(`{"mail":"u%d@example.com","n":%d}`, n, n)},
			},
			"response": obj{"status": 200, "content": obj{"mimeType": "application/json", "text": fmt.Sprintf(`{"id":%d,"phone":"+1 202 555 01%02d"}`, n, n)}},
		})
	}
	c.api(t, "ingestData", obj{"batchData": batch}, nil)
	hand := struct{ APICollectionID int }{}
	c.api(t, "createCollection", obj{"collectionName": fmt.Sprintf("by hand %d", time.Now().UnixNano())}, &hand)
	var id int
	eventually(t, func() error {
		var ok bool
		if id, ok = c.collectionOf(t, "shop.example.com"); !ok || len(c.infos(t, id)) == 0 {
			return fmt.Errorf("nothing is learned yet")
		}
		return nil
	})
	ids, urls := []any{id, hand.APICollectionID, 0}, []any{}
	seen := map[string]bool{}
	for k := range maps.Keys(c.infos(t, id)) {
		_, url, _ := strings.Cut(k, " ")
		if !seen[url] {
			urls = append(urls, url)
		}
		seen[url] = true
	}
	text := func(list []any) []any {
		var out []any
		for _, v := range list {
			out = append(out, fmt.Sprint(v))
		}
		return out
	}
	hints := map[string][]any{
		"apiCollectionId": append(text(ids), ids...), "collection": text(ids), "url": urls, "method": {"GET", "POST", "get"},
		"apiCollectionIds": {fmt.Sprint(hand.APICollectionID, ",", id), hand.APICollectionID},
	}
	req, err := http.NewRequest(http.MethodGet, "http://"+hostOf(c.Control)+"/api/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-KEY", c.APIKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.StatusCode, err)
	}
	var doc obj
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	hintRequests(doc, hints)
	b, err = json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hintRequests puts values that exist beside what fields of requests take.
func hintRequests(doc obj, hints map[string][]any) {
	for name, s := range doc["components"].(obj)["schemas"].(obj) {
		props, ok := s.(obj)["properties"].(obj)
		if !ok || !strings.HasSuffix(name, "Request") && !strings.HasSuffix(name, "Form") {
			continue
		}
		for field, values := range hints {
			if old, ok := props[field].(obj); ok {
				props[field] = hinted(old, values, strings.HasSuffix(name, "Form"))
			}
		}
	}
	for _, item := range doc["paths"].(obj) {
		for _, op := range item.(obj) {
			list, _ := op.(obj)["parameters"].([]any)
			for _, p := range list {
				if values := hints[fmt.Sprint(p.(obj)["name"])]; values != nil {
					p.(obj)["schema"] = hinted(p.(obj)["schema"].(obj), values, true)
				}
			}
		}
	}
}

func hinted(old obj, values []any, text bool) obj {
	var use []any
	for _, v := range values {
		if _, ok := v.(string); ok || !text {
			use = append(use, v)
		}
	}
	return obj{"anyOf": []any{obj{"enum": use}, old}}
}
