package certs

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"sync"
)

//go:embed page/index.html page/style.css
var pageFiles embed.FS

// A PageConfig says what the install page tells people.
type PageConfig struct {
	// Proxy is the proxy's address, host:port, that the commands show. Without a
	// host, or with 0.0.0.0 or ::, the page shows the address at which the request
	// reached this machine. Empty means 127.0.0.1:8080.
	Proxy string
	// Dir is the CA's directory as the command that prints the fingerprint needs
	// it; empty means that the command finds it by itself.
	Dir string
}

const (
	pemName    = "harken-ca.pem"
	derName    = "harken-ca.crt"
	p12Name    = "harken-ca.p12"
	mobileName = "harken-ca.mobileconfig"
)

// pageCSP allows the page its own style sheet and nothing else.
const pageCSP = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// A download is one file that the page offers.
type download struct {
	contentType string
	attachment  bool
	body        func() ([]byte, error)
}

type page struct {
	ca    *CA
	proxy string
	dir   string
	html  *template.Template
	files map[string]download
}

// InstallPage serves the page from which people install the CA: the page at
// "/", its style sheet, and the certificate as harken-ca.pem (PEM),
// harken-ca.crt (DER), harken-ca.p12 (password StorePassword) and
// harken-ca.mobileconfig. All links are relative: it can be mounted below any
// path with http.StripPrefix, and then sends a request without the final slash
// to the one with it. GET and HEAD only (405), other paths are 404. Nothing
// secret is served, so it needs no authentication.
func (c *CA) InstallPage(cfg PageConfig) http.Handler {
	if cfg.Proxy == "" {
		cfg.Proxy = "127.0.0.1:8080"
	}
	static := func(data []byte) func() ([]byte, error) {
		return func() ([]byte, error) { return data, nil }
	}
	return &page{
		ca:    c,
		proxy: cfg.Proxy,
		dir:   cfg.Dir,
		html:  template.Must(template.ParseFS(pageFiles, "page/index.html")),
		files: map[string]download{
			"/style.css":     {"text/css; charset=utf-8", false, func() ([]byte, error) { return pageFiles.ReadFile("page/style.css") }},
			"/" + pemName:    {"application/x-pem-file", true, static(c.CertPEM())},
			"/" + derName:    {"application/x-x509-ca-cert", true, static(c.CertDER())},
			"/" + p12Name:    {"application/x-pkcs12", true, sync.OnceValues(func() ([]byte, error) { return c.P12(StorePassword) })},
			"/" + mobileName: {"application/x-apple-aspen-config", true, static(c.MobileConfig())},
		},
	}
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", pageCSP)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	// Another Harken, with another CA, may answer at the same address tomorrow.
	h.Set("Cache-Control", "no-store")
	file, isFile := p.files[r.URL.Path]
	switch {
	case r.URL.Path != "" && r.URL.Path != "/" && !isFile:
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	case isFile:
		p.serveFile(w, r, file)
	case r.URL.Path == "" && mountName(r) != "":
		// Relative links would lead beside the mount point.
		h.Set("Location", mountName(r)+"/")
		w.WriteHeader(http.StatusPermanentRedirect)
	default:
		p.serveHTML(w, r)
	}
}

// mountName is the last part of the path that the client asked for, before any
// prefix was taken off: a redirect relative to it needs no more.
func mountName(r *http.Request) string {
	u, err := url.ParseRequestURI(r.RequestURI)
	if err != nil {
		return ""
	}
	name := path.Base(u.EscapedPath())
	if name == "." || name == "/" {
		return ""
	}
	// "./" keeps a colon in the name from being read as a scheme.
	return "./" + name
}

func (p *page) serveFile(w http.ResponseWriter, r *http.Request, file download) {
	body, err := file.body()
	if err != nil {
		http.Error(w, "the file could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", file.contentType)
	if file.attachment {
		w.Header().Set("Content-Disposition", `attachment; filename="`+r.URL.Path[1:]+`"`)
	}
	send(w, r, body)
}

// pageData is what the template is filled with.
type pageData struct {
	Name, Fingerprint, Expires, Password string
	Dir                                  string
	// Proxy is host:port; Host and Port are its parts.
	Proxy, Host, Port     string
	PEM, DER, P12, Mobile string
	Site, PEMURL          string
}

func (p *page) serveHTML(w http.ResponseWriter, r *http.Request) {
	proxy := reachable(r.Context(), p.proxy)
	host, port, err := net.SplitHostPort(proxy)
	if err != nil {
		host, port = proxy, "8080"
	}
	var b bytes.Buffer
	err = p.html.Execute(&b, pageData{
		Name:        p.ca.name(),
		Fingerprint: p.ca.Fingerprint(),
		Expires:     p.ca.anchor.NotAfter.UTC().Format("2006-01-02"),
		Password:    StorePassword,
		Dir:         p.dir,
		Proxy:       proxy, Host: host, Port: port,
		PEM: pemName, DER: derName, P12: p12Name, Mobile: mobileName,
		Site:   "http://harken.proxy/",
		PEMURL: "http://harken.proxy/" + pemName,
	})
	if err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	send(w, r, b.Bytes())
}

func send(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// reachable puts the address at which the request came in where proxy says only
// "every address".
func reachable(ctx context.Context, proxy string) string {
	host, port, err := net.SplitHostPort(proxy)
	if err != nil {
		return proxy
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return proxy
	}
	host = "127.0.0.1"
	if local, ok := ctx.Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && !local.IP.IsUnspecified() {
		host = local.IP.String()
	}
	return net.JoinHostPort(host, port)
}
