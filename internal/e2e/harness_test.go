package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var binaries struct{ proxy, control string }

// TestMain builds both binaries once, as the release does.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "harken-e2e-")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"proxy", "control"} {
		cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "harken-"+name), "./cmd/"+name)
		cmd.Dir = repo()
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build", name, err)
			os.Exit(1)
		}
	}
	binaries.proxy, binaries.control = filepath.Join(dir, "harken-proxy"), filepath.Join(dir, "harken-control")
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// repo is the project's root folder.
func repo() string {
	wd, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return filepath.Dir(filepath.Dir(wd))
}

// cache is where npm, pip and Maven downloads stay between runs.
func cache(t *testing.T, name string) string {
	t.Helper()
	base := os.Getenv("HARKEN_E2E_CACHE")
	if base == "" {
		base = filepath.Join(repo(), "internal", "e2e", "cache")
	}
	dir := filepath.Join(base, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A process is a started binary whose output is kept.
type process struct {
	cmd    *exec.Cmd
	mu     sync.Mutex
	out    bytes.Buffer
	done   chan struct{}
	waited error
	told   []string // secrets that it may print once
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// start starts a binary, and ends it with the test if it still runs.
func start(t *testing.T, dir, bin string, args ...string) *process {
	t.Helper()
	return startWith(t, cleanEnv(), dir, bin, args...)
}

// startWith is start with an environment.
func startWith(t *testing.T, env []string, dir, bin string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(bin, args...), done: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.Env = env
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.waited = p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() {
		select {
		case <-p.done:
		default:
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-p.done:
			case <-time.After(time.Minute):
				_ = p.cmd.Process.Kill()
				<-p.done
				t.Errorf("%s did not stop after SIGTERM", filepath.Base(bin))
			}
		}
		p.checkSecrets(t)
		if t.Failed() {
			t.Logf("output of %s:\n%s", filepath.Base(bin), tail(p.output(), 4000))
		}
	})
	return p
}

func tail(s string, n int) string {
	if len(s) > n {
		return "..." + s[len(s)-n:]
	}
	return s
}

// cleanEnv is the environment without proxy settings of the machine.
func cleanEnv(extra ...string) []string {
	var env []string
	for _, e := range os.Environ() {
		k, _, _ := strings.Cut(e, "=")
		switch strings.ToUpper(k) {
		case "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "JAVA_TOOL_OPTIONS":
			continue
		}
		env = append(env, e)
	}
	return append(env, extra...)
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.done
}

// stop sends SIGTERM and returns the exit status.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	return p.wait(t, time.Minute)
}

func (p *process) wait(t *testing.T, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		t.Fatalf("still running after %v; output:\n%s", limit, tail(p.output(), 4000))
		return -1
	}
}

// status returns a number of /proc/PID/status in bytes (VmRSS, VmHWM).
func (p *process) status(t *testing.T, field string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for sc := bufio.NewScanner(bytes.NewReader(b)); sc.Scan(); {
		if rest, ok := strings.CutPrefix(sc.Text(), field+":"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(rest, "kB") {
				n <<= 10
			}
			return n
		}
	}
	t.Fatalf("no %s in /proc status", field)
	return 0
}

// A control is a running harken-control with what its first start wrote.
type control struct {
	*process
	Email, Password, APIKey, Proxy, Control, CA string
	dir                                         string
	args                                        []string
	env                                         []string // beside cleanEnv
}

// startControl starts harken-control in dir on free ports and waits until it is
// ready. A second start in the same dir uses the same ports.
func startControl(t *testing.T, dir string, args ...string) *control {
	t.Helper()
	c := &control{dir: dir}
	proxy, ctl := freeAddr(t), freeAddr(t)
	c.args = append([]string{"-data", filepath.Join(dir, "harken-data"), "-listen", ctl, "-proxy", proxy, "-log-format", "text"}, args...)
	c.restart(t)
	return c
}

func (c *control) restart(t *testing.T) {
	t.Helper()
	c.process = startWith(t, cleanEnv(c.env...), c.dir, binaries.control, c.args...)
	file := filepath.Join(c.dir, "harken-data", "first-run.json")
	eventually(t, func() error {
		select {
		case <-c.done:
			t.Fatalf("harken-control ended: %s", c.output())
		default:
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, c); err != nil {
			return err
		}
		res, err := http.Get("http://" + hostOf(c.Control) + "/readyz")
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz %d", res.StatusCode)
		}
		conn, err := net.Dial("tcp", hostOf(c.Proxy))
		if err != nil && c.Proxy != "" {
			return err
		}
		if conn != nil {
			conn.Close()
		}
		return nil
	})
	plant(c.Password, c.APIKey)
	c.mayTell(c.Password, c.APIKey)
	if !filepath.IsAbs(c.CA) {
		c.CA = filepath.Join(c.dir, c.CA)
	}
}

func hostOf(addr string) string {
	if u, err := url.Parse(addr); err == nil && u.Host != "" {
		return u.Host
	}
	return addr
}

func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// patience is how long anything is waited for: a limit against hanging, as slow
// machines have slow minutes, and no claim about speed.
const patience = 2 * time.Minute

// eventually calls f until it gives no error.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %v", patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// api calls an endpoint of the control API with the administrator's key.
func (c *control) api(t *testing.T, name string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+hostOf(c.Control)+"/api/"+name, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-API-KEY", c.APIKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d: %s", name, res.StatusCode, b)
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			t.Fatalf("%s: %v in %s", name, err, b)
		}
	}
}

// records fetches records.har.
func (c *control) records(t *testing.T, query string) *harLog {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+hostOf(c.Control)+"/api/records.har"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-KEY", c.APIKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("records.har: status %d", res.StatusCode)
	}
	return parseHAR(t, res.Body)
}

// client is an HTTP client that goes through the proxy and trusts its CA.
func (c *control) client(t *testing.T, h2 bool) *http.Client {
	t.Helper()
	return proxyClient(t, c.Proxy, c.CA, h2)
}

func proxyClient(t *testing.T, proxy, ca string, h2 bool) *http.Client {
	t.Helper()
	tr := &http.Transport{
		Proxy:               http.ProxyURL(&url.URL{Scheme: "http", Host: hostOf(proxy)}),
		TLSClientConfig:     &tls.Config{RootCAs: pool(t, ca)},
		ForceAttemptHTTP2:   h2,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 64,
	}
	if !h2 {
		tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 2 * time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func pool(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		t.Fatalf("%s holds no certificate", file)
	}
	return p
}

// command runs a program and returns its output and exit status.
func command(t *testing.T, dir string, env []string, name string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// must is command for programs that have to succeed.
func must(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	out, code := command(t, dir, env, name, args...)
	if code != 0 {
		t.Fatalf("%s %s: exit %d\n%s", name, strings.Join(args, " "), code, tail(out, 6000))
	}
	return out
}

func writeFile(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// connectDialer dials through an HTTP proxy by CONNECT.
func connectDialer(proxy string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", proxy)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", addr, addr)
		res, err := http.ReadResponse(bufio.NewReader(io.LimitReader(oneByte{conn}, 4096)), &http.Request{Method: http.MethodConnect})
		if err != nil {
			return nil, err
		}
		if res.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("CONNECT: %s", res.Status)
		}
		return conn, nil
	}
}

// oneByte reads single bytes, so that nothing behind a head is read with it.
type oneByte struct{ r io.Reader }

func (o oneByte) Read(b []byte) (int, error) { return o.r.Read(b[:1]) }
