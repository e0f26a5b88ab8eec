package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const goClient = `package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	res, err := http.Get(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	b, _ := io.ReadAll(res.Body)
	fmt.Println(res.StatusCode, string(b))
}
`

// pythonRequests makes a venv with requests once and returns its python.
func pythonRequests(t *testing.T) string {
	t.Helper()
	dir := cache(t, "python")
	bin := filepath.Join(dir, "bin", "python3")
	if _, err := os.Stat(filepath.Join(dir, "ready")); err != nil {
		must(t, dir, os.Environ(), "python3", "-m", "venv", dir)
		must(t, dir, os.Environ(), bin, "-m", "pip", "install", "-q", "--disable-pip-version-check", "requests")
		writeFile(t, dir, "ready", nil)
	}
	return bin
}

// Each client runs unchanged below harken-proxy run: it trusts the proxy's CA,
// is recorded, and its exit status is passed on.
func TestRun(t *testing.T) {
	up := newUpstream(t)
	dir := t.TempDir()
	writeFile(t, dir, "main.go", []byte(goClient))
	writeFile(t, dir, "go.mod", []byte("module client\n\ngo 1.24\n"))
	must(t, dir, cleanEnv("GOFLAGS="), "go", "build", "-o", "client", ".")
	// Go's client never sends loopback names to a proxy, so the target has a name
	// of its own, which only the commands of this test can resolve.
	hosts := writeFile(t, dir, "hosts", []byte("127.0.0.1 localhost shop.test\n"))
	url := strings.Replace(up.url(true), "localhost", "shop.test", 1) + "/shop/orders/7"
	doc, err := json.Marshal(obj{
		"info": obj{"name": "one", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
		"item": []obj{request("one", "GET", url, nil, nil, status(200))},
	})
	if err != nil {
		t.Fatal(err)
	}
	collection := writeFile(t, dir, "one.json", doc)
	f := func(name string, argv ...string) {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out.har")
			args := append([]string{"-m", "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, hosts, binaries.proxy, "run", "-upstream-ca", up.caFile, "-ca-dir", filepath.Join(dir, "ca"), "-sink", "har:" + out, "--"}, argv...)
			said := must(t, dir, cleanEnv("HOME="+dir, "GOFLAGS="), "unshare", args...)
			b, err := os.ReadFile(out)
			if err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			h := parseHAR(t, strings.NewReader(string(b)))
			if len(h.Log.Entries) != 1 || h.Log.Entries[0].Response.Status != 200 || h.Log.Entries[0].Request.URL != url {
				t.Errorf("%d entries, want the one of %s; %s", len(h.Log.Entries), url, said)
			}
		})
	}
	f("curl", "curl", "-sSf", url)
	f("node", "node", "-e", fmt.Sprintf("require('https').get('%s', r => { r.resume(); process.exitCode = r.statusCode === 200 ? 0 : 1 }).on('error', e => { console.error(e); process.exitCode = 1 })", url))
	f("node-fetch", "node", "-e", fmt.Sprintf("fetch('%s').then(r => r.text().then(() => process.exit(r.status === 200 ? 0 : 1))).catch(e => { console.error(e); process.exit(1) })", url))
	f("newman", newman(t), "run", collection, "--color", "off")
	f("python", pythonRequests(t), "-c", fmt.Sprintf("import requests,sys; r = requests.get('%s'); sys.exit(0 if r.status_code == 200 else 1)", url))
	f("go", filepath.Join(dir, "client"), url)

	out := filepath.Join(t.TempDir(), "status.har")
	if text, code := command(t, dir, cleanEnv("HOME="+dir), binaries.proxy, "run", "-ca-dir", filepath.Join(dir, "ca"), "-sink", "har:"+out, "--", "sh", "-c", "exit 7"); code != 7 {
		t.Errorf("exit status %d, want the command's 7; %s", code, text)
	}
	if text, code := command(t, dir, cleanEnv("HOME="+dir), binaries.proxy, "har", out); code != 0 || !strings.Contains(text, "0 entries") {
		t.Errorf("harken-proxy har: exit %d, %s", code, text)
	}
}
