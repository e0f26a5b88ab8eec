package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A shell script drives the whole life of a collection with harken-control api.
func TestAPIClient(t *testing.T) {
	dir := t.TempDir()
	c := startControl(t, dir)
	env := cleanEnv("HARKEN_URL=" + c.Control)
	call := func(env []string, in string, args ...string) (stdout, stderr string, status int) {
		t.Helper()
		cmd := exec.Command(binaries.control, append([]string{"api"}, args...)...)
		cmd.Dir, cmd.Env, cmd.Stdin = dir, env, strings.NewReader(in)
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String()+errs.String(), c.APIKey) {
			t.Errorf("%v tells the key", args)
		}
		return out.String(), errs.String(), cmd.ProcessState.ExitCode()
	}
	// The key is found in harken-data/first-run.json.
	out, errs, status := call(env, "", "createCollection", "collectionName=from a shell")
	var made struct{ APICollectionID json.Number }
	if err := json.Unmarshal([]byte(out), &made); status != 0 || err != nil || errs != "" || !strings.HasPrefix(out, "{\n  \"") {
		t.Fatalf("createCollection: %d, %s%s", status, out, errs)
	}
	id := made.APICollectionID.String()
	har := writeFile(t, dir, "x.har", []byte(`{"log":{"version":"1.2","creator":{"name":"x","version":"1"},"entries":[{"startedDateTime":"2026-01-02T03:04:05Z","time":1,`+
		`"request":{"method":"GET","url":"http://a.example/users/7","httpVersion":"HTTP/1.1","headers":[],"queryString":[],"cookies":[],"headersSize":-1,"bodySize":0},`+
		`"response":{"status":200,"statusText":"OK","httpVersion":"HTTP/1.1","headers":[],"cookies":[],"content":{"size":2,"mimeType":"application/json","text":"{}"},"redirectURL":"","headersSize":-1,"bodySize":2},"cache":{},"timings":{"send":0,"wait":1,"receive":0}}]}}`))
	if out, errs, status := call(env, "", "uploadHar", "apiCollectionId="+id, "harString=@"+har); status != 0 || !strings.Contains(out, id) {
		t.Errorf("uploadHar: %d, %s%s", status, out, errs)
	}
	if out, errs, status := call(env, "", "records.har", "collection="+id); status != 0 || !strings.Contains(out, "a.example/users/7") {
		t.Errorf("records.har: %d, %.300s%s", status, out, errs)
	}
	if out, _, status := call(env, `{"apiCollectionIds":[`+id+`],"resetEnvTypes":false,"envType":"qa"}`, "updateEnvType", "-"); status != 0 {
		t.Errorf("updateEnvType from standard input: %d, %s", status, out)
	}
	if out, _, status := call(env, "", "deleteCollection", "apiCollectionId="+id); status != 0 || out != "{}\n" {
		t.Errorf("deleteCollection: %d, %s", status, out)
	}
	// Refused by the API, by the key, and here.
	if out, errs, status := call(env, "", "deleteCollection", "apiCollectionId="+id); status != 1 || out != "" || !strings.Contains(errs, id) {
		t.Errorf("deleteCollection again: %d, %s%s", status, out, errs)
	}
	if _, errs, status := call(append(env, "HARKEN_API_KEY=wrong-key"), "", "me"); status != 1 || !strings.Contains(errs, "status 403") || strings.Contains(errs, "wrong-key") {
		t.Errorf("me with a wrong key: %d, %s", status, errs)
	}
	if _, errs, status := call(env, "", "creatCollection"); status != 2 || !strings.Contains(errs, "did you mean createCollection") {
		t.Errorf("a wrong name: %d, %s", status, errs)
	}
	// From elsewhere with a file, which holds a line.
	key := writeFile(t, dir, "key", []byte(c.APIKey+"\n"))
	if out, errs, status := call(env, "", "-data", filepath.Join(dir, "none"), "-api-key-file", key, "me"); status != 0 || !strings.Contains(out, `"role": "ADMIN"`) {
		t.Errorf("me with a key file: %d, %s%s", status, out, errs)
	}
	if _, errs, status := call(env, "", "-data", filepath.Join(dir, "none"), "me"); status != 1 || !strings.Contains(errs, "credential") {
		t.Errorf("me without a key: %d, %s", status, errs)
	}
	out, _, status = call(cleanEnv(), "")
	page, err := os.ReadFile(filepath.Join(repo(), "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Count(out, "\n  "), strings.Count(string(page), "\n## "); status != 0 || got != want {
		t.Errorf("the list has %d endpoints, docs/api.md %d (status %d)", got, want, status)
	}
}
