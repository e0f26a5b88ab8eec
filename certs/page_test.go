package certs_test

import (
	"bytes"
	"context"
	"flag"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"

	"harken/certs"
)

var update = flag.Bool("update", false, "rewrite golden files")

func ask(t *testing.T, h http.Handler, method, target string) *httptest.ResponseRecorder {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, target, nil))
	return rec
}

func TestInstallPage(t *testing.T) {
	ca := newCA(t)
	h := ca.InstallPage(certs.PageConfig{Proxy: "127.0.0.1:8080"})
	f := func(method, path string, status int, contentType, disposition string) *httptest.ResponseRecorder {
		t.Helper()
		rec := ask(t, h, method, path)
		head := rec.Header()
		if rec.Code != status || contentType != "" && head.Get("Content-Type") != contentType || head.Get("Content-Disposition") != disposition {
			t.Errorf("%s %s = %d %q %q, want %d %q %q", method, path, rec.Code, head.Get("Content-Type"), head.Get("Content-Disposition"), status, contentType, disposition)
		}
		csp := head.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || head.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: policy %q, %q", method, path, csp, head.Get("X-Content-Type-Options"))
		}
		return rec
	}
	f("GET", "/", 200, "text/html; charset=utf-8", "")
	f("GET", "/style.css", 200, "text/css; charset=utf-8", "")
	if b := f("GET", "/harken-ca.pem", 200, "application/x-pem-file", `attachment; filename="harken-ca.pem"`).Body; !bytes.Equal(b.Bytes(), ca.CertPEM()) {
		t.Error("PEM differs")
	}
	if b := f("GET", "/harken-ca.crt", 200, "application/x-x509-ca-cert", `attachment; filename="harken-ca.crt"`).Body; !bytes.Equal(b.Bytes(), ca.CertDER()) {
		t.Error("DER differs")
	}
	if b := f("GET", "/harken-ca.mobileconfig", 200, "application/x-apple-aspen-config", `attachment; filename="harken-ca.mobileconfig"`).Body; !bytes.Equal(b.Bytes(), ca.MobileConfig()) {
		t.Error("profile differs")
	}
	p12 := f("GET", "/harken-ca.p12", 200, "application/x-pkcs12", `attachment; filename="harken-ca.p12"`).Body
	if got, err := pkcs12.DecodeTrustStore(p12.Bytes(), certs.StorePassword); err != nil || len(got) != 1 || !got[0].Equal(ca.Certificate()) {
		t.Errorf("P12 holds %v, %v", got, err)
	}
	for _, path := range []string{"/", "/harken-ca.pem", "/harken-ca.p12"} {
		full, head := ask(t, h, "GET", path), ask(t, h, "HEAD", path)
		if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != full.Header().Get("Content-Length") {
			t.Errorf("HEAD %s = %d, %d bytes, length %s", path, head.Code, head.Body.Len(), head.Header().Get("Content-Length"))
		}
	}
	f("GET", "/nope", 404, "", "")
	f("POST", "/nope", 404, "", "")
	f("GET", "/page/index.html", 404, "", "")
	f("GET", "/ca.key", 404, "", "")
	if rec := f("POST", "/", 405, "", ""); rec.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow = %q", rec.Header().Get("Allow"))
	}
	f("DELETE", "/harken-ca.pem", 405, "", "")
}

// Mounted below a path, a request without the final slash must get it, or the
// relative links lead elsewhere.
func TestInstallPageMounted(t *testing.T) {
	h := http.StripPrefix("/x/ca", newCA(t).InstallPage(certs.PageConfig{}))
	rec := ask(t, h, "GET", "/x/ca")
	if rec.Code != http.StatusPermanentRedirect || rec.Header().Get("Location") != "./ca/" {
		t.Errorf("GET /x/ca = %d to %q, want 308 to ./ca/", rec.Code, rec.Header().Get("Location"))
	}
	if rec := ask(t, h, "GET", "/x/ca/harken-ca.pem"); rec.Code != 200 {
		t.Errorf("GET /x/ca/harken-ca.pem = %d", rec.Code)
	}
	// A proxied request without a path is the page itself.
	req := httptest.NewRequestWithContext(t.Context(), "GET", "http://harken.proxy", nil)
	rec = httptest.NewRecorder()
	newCA(t).InstallPage(certs.PageConfig{}).ServeHTTP(rec, req)
	if rec.Code != 200 {
		t.Errorf("GET http://harken.proxy = %d", rec.Code)
	}
}

func TestInstallPageAddress(t *testing.T) {
	ca := newCA(t)
	f := func(proxy, want string) {
		t.Helper()
		req := httptest.NewRequestWithContext(
			context.WithValue(t.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 80}), "GET", "/", nil)
		rec := httptest.NewRecorder()
		ca.InstallPage(certs.PageConfig{Proxy: proxy}).ServeHTTP(rec, req)
		if !strings.Contains(rec.Body.String(), "<dd><code>"+want+"</code></dd>") {
			t.Errorf("page of %q does not show %s", proxy, want)
		}
	}
	f("", "127.0.0.1:8080")
	f("proxy.example:3128", "proxy.example:3128")
	f("0.0.0.0:9000", "192.0.2.7:9000")
	f("[::]:9000", "192.0.2.7:9000")
	f(":9000", "192.0.2.7:9000")
	f("<script>:1", "&lt;script&gt;:1")
}

func TestInstallPageText(t *testing.T) {
	ca := newCA(t)
	body := ask(t, ca.InstallPage(certs.PageConfig{Proxy: "127.0.0.1:8080"}), "GET", "/").Body.String()
	for old, repl := range map[string]string{
		ca.Fingerprint():                                     "FINGERPRINT",
		ca.Certificate().Subject.CommonName:                  "NAME",
		ca.Certificate().NotAfter.UTC().Format("2006-01-02"): "DATE",
	} {
		if !strings.Contains(body, old) {
			t.Errorf("the page lacks %q", old)
		}
		body = strings.ReplaceAll(body, old, repl)
	}
	// Nothing that the policy would block, and no absolute links.
	if m := regexp.MustCompile(`(?i)<script|\sstyle=|<style|\son\w+=|(href|src)="(/|http)`).FindString(body); m != "" {
		t.Errorf("the page holds %q", m)
	}
	for _, topic := range []string{"Postman", "curl", "Node.js", "requests", "httpx", "Java", "Go", "Chrome", "Firefox", "macOS", "Windows", "iPhone", "Android", "Debian", "Alpine"} {
		if !regexp.MustCompile(`<summary>[^<]*` + topic).MatchString(body) {
			t.Errorf("the page has no steps for %s", topic)
		}
	}
	golden := filepath.Join("testdata", "page.html")
	if *update {
		if err := os.WriteFile(golden, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), body); d != "" {
		t.Errorf("page (-want +got), rewrite with -update:\n%s", d)
	}
}

// The command on the page prints the fingerprint of the CA that the page shows,
// wherever that is.
func TestInstallPageDir(t *testing.T) {
	ca := newCA(t)
	f := func(dir, want string) {
		t.Helper()
		body := ask(t, ca.InstallPage(certs.PageConfig{Dir: dir}), "GET", "/").Body.String()
		if !strings.Contains(body, "<code>"+want+"</code>") {
			t.Errorf("the page of %q does not show %s", dir, want)
		}
	}
	f("", "harken-proxy ca -fingerprint")
	f("", "sudo harken-proxy ca -ca-dir ~/.config/harken -install") // sudo looks in root's home
	f("harken-data/ca", "sudo harken-proxy ca -ca-dir harken-data/ca -install")
	f("harken-data/ca", "harken-proxy ca -ca-dir harken-data/ca -fingerprint")
}
