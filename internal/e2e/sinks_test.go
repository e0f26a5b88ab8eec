package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// One recorder feeds a HAR file, ndjson and a control plane; each has every
// exchange once, also when the control plane was away for a while.
func TestSinks(t *testing.T) {
	const n = 300
	up := newUpstream(t)
	c := startControl(t, t.TempDir(), "-proxy", "")
	dir := t.TempDir()
	harFile, lines := filepath.Join(dir, "x.har"), filepath.Join(dir, "x.ndjson")
	key := writeFile(t, dir, "key", []byte(c.APIKey+"\n"))
	r := startProxy(t, nil, "-upstream-ca", up.caFile, "-sink", "har:"+harFile, "-sink", "ndjson:"+lines,
		"-sink", "http://"+hostOf(c.Control)+"/", "-api-key-file", key)
	numbered(t, r, up, 0, n, 0)
	waitCounted(t, c, n)
	c.kill(t)
	numbered(t, r, up, n, n, 2*time.Second)
	c.restart(t)
	waitCounted(t, c, 2*n)
	if h := c.records(t, ""); len(h.Log.Entries) != 2*n {
		t.Errorf("records.har has %d entries, want %d", len(h.Log.Entries), 2*n)
	}
	if code := r.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	b, err := os.ReadFile(harFile)
	if err != nil {
		t.Fatal(err)
	}
	if h := parseHAR(t, strings.NewReader(string(b))); len(h.Log.Entries) != 2*n {
		t.Errorf("the HAR file has %d entries, want %d", len(h.Log.Entries), 2*n)
	}
	if b, err = os.ReadFile(lines); err != nil || strings.Count(string(b), "\n") != 2*n {
		t.Errorf("ndjson has %d lines, %v; want %d", strings.Count(string(b), "\n"), err, 2*n)
	}
	if strings.Contains(r.output(), c.APIKey) {
		t.Error("the API key is in the output")
	}
}

// Exchanges of a recorder that is killed reach its sink at the next start.
func TestKilledRecorder(t *testing.T) {
	const n = 200
	up := newUpstream(t)
	dir := t.TempDir()
	args := []string{"-upstream-ca", up.caFile, "-sink", "kafka://127.0.0.1:1/nowhere", "-spool", filepath.Join(dir, "spool")}
	r := startProxy(t, nil, args...)
	numbered(t, r, up, 0, n, 0)
	eventually(t, func() error { // all are in the spool
		segments, err := filepath.Glob(filepath.Join(dir, "spool", "*", "*.log"))
		have := 0
		for _, s := range segments {
			b, err := os.ReadFile(s)
			if err != nil {
				return err
			}
			have += strings.Count(string(b), "/numbered/")
		}
		if err == nil && have < n {
			err = fmt.Errorf("%d of %d records", have, n)
		}
		return err
	})
	r.kill(t)
	out := filepath.Join(dir, "out.har")
	args[3] = "har:" + out
	r = startProxy(t, nil, args...)
	eventually(t, func() error {
		b, err := os.ReadFile(out)
		if err == nil && strings.Count(string(b), "/numbered/") < n {
			err = fmt.Errorf("%d bytes so far", len(b))
		}
		return err
	})
	r.stop(t)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if h := parseHAR(t, strings.NewReader(string(b))); len(h.Log.Entries) != n {
		t.Errorf("%d entries, want %d", len(h.Log.Entries), n)
	}
}
