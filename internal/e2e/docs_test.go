package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A browser is a headless Chromium that is driven by its DevTools protocol.
type browser struct {
	conn *websocket.Conn
	id   int
	said []string // what its console and its policies complained of
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	bin, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(bin, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
		"--disable-component-update", "--user-data-dir="+filepath.Join(dir, "profile"), "--remote-debugging-port=0", "--window-size=1300,1000", "about:blank")
	cmd.Env = cleanEnv("HOME=" + dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	b := &browser{}
	eventually(t, func() error {
		port, err := os.ReadFile(filepath.Join(dir, "profile", "DevToolsActivePort"))
		if err != nil {
			return err
		}
		line, _, _ := strings.Cut(string(port), "\n")
		res, err := http.Get("http://127.0.0.1:" + line + "/json")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		var pages []struct{ Type, WebSocketDebuggerURL string }
		if err := json.NewDecoder(res.Body).Decode(&pages); err != nil {
			return err
		}
		for _, p := range pages {
			if p.Type == "page" {
				b.conn, _, err = websocket.Dial(t.Context(), p.WebSocketDebuggerURL, nil) //nolint:bodyclose // closed by Dial
				return err
			}
		}
		return fmt.Errorf("no page among %d", len(pages))
	})
	t.Cleanup(func() { _ = b.conn.CloseNow() })
	b.conn.SetReadLimit(64 << 20)
	for _, domain := range []string{"Page", "Log", "Runtime"} {
		b.send(t, domain+".enable", obj{})
	}
	return b
}

// send calls a method and returns its result.
func (b *browser) send(t *testing.T, method string, params obj) json.RawMessage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b.id++
	msg, err := json.Marshal(obj{"id": b.id, "method": method, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.conn.Write(ctx, websocket.MessageText, msg); err != nil {
		t.Fatal(err)
	}
	for {
		_, data, err := b.conn.Read(ctx)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		var m struct {
			ID     int
			Method string
			Result json.RawMessage
			Params json.RawMessage
		}
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		switch {
		case m.ID == b.id:
			return m.Result
		case m.Method == "Log.entryAdded" || m.Method == "Runtime.exceptionThrown":
			b.said = append(b.said, string(m.Params))
		}
	}
}

// eval runs a script, waits for its promise, and returns what it gives as text.
func (b *browser) eval(t *testing.T, script string) string {
	t.Helper()
	var out struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	raw := b.send(t, "Runtime.evaluate", obj{"expression": script, "awaitPromise": true, "returnByValue": true})
	if err := json.Unmarshal(raw, &out); err != nil || out.ExceptionDetails != nil {
		t.Fatalf("%.200s: %v %s", script, err, out.ExceptionDetails)
	}
	return fmt.Sprint(out.Result.Value)
}

func (b *browser) until(t *testing.T, script, want string) {
	t.Helper()
	eventually(t, func() error {
		if got := b.eval(t, script); got != want {
			return fmt.Errorf("%s is %q, want %q", script, got, want)
		}
		return nil
	})
}

// The page of the API shows all operations to who is signed in, and tries them
// with the session; without one it asks for a key. Its policy breaks nothing.
func TestDocsPage(t *testing.T) {
	c := startControl(t, t.TempDir())
	b := startBrowser(t)
	open := func(url string) { b.send(t, "Page.navigate", obj{"url": url}) }
	count := `String(document.querySelectorAll('.opblock').length)`
	page, err := os.ReadFile(filepath.Join(repo(), "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprint(strings.Count(string(page), "\n## "))

	open(c.Control + "/docs")
	b.until(t, `String(!!document.getElementById('key') && !document.getElementById('key').hidden)`, "true")
	b.said = nil // the refused document is in the log
	b.eval(t, fmt.Sprintf(`document.getElementById('token').value = %q; document.querySelector('#key button').click(); ''`, c.APIKey))
	b.until(t, count, all)

	signIn, err := json.Marshal(obj{"username": c.Email, "password": c.Password})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.eval(t, fmt.Sprintf(`fetch('/auth/login', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: %q}).then(r => String(r.status))`, signIn)); got != "200" {
		t.Fatalf("sign-in = %s", got)
	}
	open("about:blank")
	open(c.Control + "/docs")
	b.until(t, count, all)
	b.eval(t, `(() => {const i = document.querySelector('.operation-filter-input');
		Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(i, 'createcoll'); i.dispatchEvent(new Event('input', {bubbles: true}))})()`)
	b.until(t, count, "1")
	b.eval(t, `document.querySelector('#operations-Collections-createCollection .opblock-summary-control').click(); ''`)
	b.until(t, `String(!!document.querySelector('.try-out__btn'))`, "true")
	b.eval(t, `document.querySelector('.try-out__btn').click(); ''`)
	b.until(t, `String(!!document.querySelector('.execute'))`, "true")
	b.eval(t, `document.querySelector('.execute').click(); ''`)
	b.until(t, `document.querySelector('.live-responses-table tr.response td.response-col_status')?.innerText.trim().slice(0, 3) ?? ''`, "200")
	if len(b.said) > 0 {
		t.Errorf("the browser complains: %s", strings.Join(b.said, "\n"))
	}
	var shot struct{ Data string }
	if err := json.Unmarshal(b.send(t, "Page.captureScreenshot", obj{"format": "png"}), &shot); err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("HARKEN_E2E_SCREENSHOTS"); dir != "" {
		png, err := base64.StdEncoding.DecodeString(shot.Data)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, dir, "docs.png", png)
	}
}
