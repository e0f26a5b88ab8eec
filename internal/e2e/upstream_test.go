package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/coder/websocket"
)

// An upstream is the API under observation: one handler on HTTP and on HTTPS
// (HTTP/1.1 and HTTP/2), with a CA of its own.
type upstream struct {
	plain, tls *httptest.Server
	caFile     string

	mu       sync.Mutex
	sent     map[string][]byte // X-Test-Id to the decoded response body sent
	aborted  chan string       // path of each request whose context ended early
	requests atomic.Int64
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{sent: map[string][]byte{}, aborted: make(chan string, 64)}
	quiet := log.New(io.Discard, "", 0)
	u.plain = httptest.NewUnstartedServer(u.handler())
	u.plain.Config.ErrorLog = quiet
	u.plain.Start()
	u.tls = httptest.NewUnstartedServer(u.handler())
	u.tls.Config.ErrorLog = quiet
	u.tls.EnableHTTP2 = true
	cert, caPEM := testCA(t)
	u.tls.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	u.tls.StartTLS()
	u.caFile = filepath.Join(t.TempDir(), "upstream-ca.pem")
	if err := os.WriteFile(u.caFile, caPEM, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.plain.Close(); u.tls.Close() })
	return u
}

// url is the address by name, so that the collection is that of a host.
func (u *upstream) url(secure bool) string {
	s := u.plain
	if secure {
		s = u.tls
	}
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return map[bool]string{false: "http", true: "https"}[secure] + "://localhost:" + port
}

// testCA makes a CA and a certificate for localhost that it signed.
func testCA(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "upstream test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	check(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost", "shop.test"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	check(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
}

// send answers with body and remembers it under the request's X-Test-Id.
func (u *upstream) send(w http.ResponseWriter, r *http.Request, status int, ctype string, body []byte) {
	if id := r.Header.Get("X-Test-Id"); id != "" {
		u.mu.Lock()
		u.sent[id] = body
		u.mu.Unlock()
		w.Header().Set("X-Test-Id", id)
	}
	w.Header().Set("Content-Type", ctype)
	var out []byte
	switch enc := r.URL.Query().Get("enc"); enc {
	case "gzip":
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(body)
		z.Close()
		out = b.Bytes()
		w.Header().Set("Content-Encoding", enc)
	case "br":
		var b bytes.Buffer
		z := brotli.NewWriter(&b)
		z.Write(body)
		z.Close()
		out = b.Bytes()
		w.Header().Set("Content-Encoding", enc)
	default:
		out = body
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	w.WriteHeader(status)
	w.Write(out)
}

func (u *upstream) json(w http.ResponseWriter, r *http.Request, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	u.send(w, r, status, "application/json", b)
}

func (u *upstream) handler() http.Handler {
	mux := http.NewServeMux()
	u.shop(mux)
	u.streams(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.requests.Add(1)
		mux.ServeHTTP(w, r)
	})
}

// shop is an ordinary JSON API.
func (u *upstream) shop(mux *http.ServeMux) {
	order := func(id string) map[string]any {
		n, _ := strconv.Atoi(id)
		return map[string]any{"id": n, "buyer": map[string]any{"email": "jo.lee@example.com"}, "paid": true, "total": 12.5}
	}
	mux.HandleFunc("GET /shop/orders", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("X-Multi", "one")
		w.Header().Add("X-Multi", "two")
		w.Header().Add("Set-Cookie", "sid=1; Path=/; HttpOnly")
		w.Header().Add("Set-Cookie", "theme=dark")
		u.json(w, r, 200, []any{order("1"), order("2")})
	})
	mux.HandleFunc("POST /shop/orders", func(w http.ResponseWriter, r *http.Request) {
		var in map[string]any
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			u.json(w, r, 400, map[string]any{"error": err.Error()})
			return
		}
		w.Header().Set("Location", "/shop/orders/77")
		u.json(w, r, 201, in)
	})
	mux.HandleFunc("GET /shop/orders/{id}", func(w http.ResponseWriter, r *http.Request) { u.json(w, r, 200, order(r.PathValue("id"))) })
	mux.HandleFunc("PUT /shop/orders/{id}", u.echo)
	mux.HandleFunc("PATCH /shop/orders/{id}", u.echo)
	mux.HandleFunc("DELETE /shop/orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Test-Id", r.Header.Get("X-Test-Id"))
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /shop/missing/{id}", func(w http.ResponseWriter, r *http.Request) {
		u.json(w, r, 404, map[string]any{"error": "no such order"})
	})
	mux.HandleFunc("GET /shop/broken", func(w http.ResponseWriter, r *http.Request) { u.json(w, r, 503, map[string]any{"error": "down"}) })
	mux.HandleFunc("GET /shop/moved", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Test-Id", r.Header.Get("X-Test-Id"))
		http.Redirect(w, r, "/shop/orders/5", http.StatusFound)
	})
	mux.HandleFunc("GET /shop/image", func(w http.ResponseWriter, r *http.Request) {
		u.send(w, r, 200, "application/octet-stream", []byte{0, 1, 2, 0xff, 0xfe, 'P', 'N', 'G'})
	})
	mux.HandleFunc("POST /shop/form", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			u.json(w, r, 400, map[string]any{"error": err.Error()})
			return
		}
		u.json(w, r, 200, map[string]any{"coupon": r.PostForm.Get("coupon"), "note": r.PostForm.Get("note")})
	})
	mux.HandleFunc("POST /shop/upload", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1 << 20); err != nil {
			u.json(w, r, 400, map[string]any{"error": err.Error()})
			return
		}
		u.json(w, r, 200, map[string]any{"title": r.FormValue("title")})
	})
	mux.HandleFunc("GET /numbered/{id}", func(w http.ResponseWriter, r *http.Request) {
		u.json(w, r, 200, map[string]any{"n": r.PathValue("id")})
	})
	mux.HandleFunc("POST /numbered/{id}", u.echo)
}

func (u *upstream) echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	u.send(w, r, 200, r.Header.Get("Content-Type"), b)
}

// streams are the endpoints whose timing or size matters.
func (u *upstream) streams(mux *http.ServeMux) {
	mux.HandleFunc("GET /big", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		io.Copy(w, newPattern(n))
	})
	mux.HandleFunc("POST /big", func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		n, err := io.Copy(h, r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		u.json(w, r, 200, map[string]any{"n": n, "sha256": hex.EncodeToString(h.Sum(nil))})
	})
	slow := func(ctype string, line func(int) string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", ctype)
			began := time.Now()
			for i := range 3 {
				wait(r.Context(), time.Until(began.Add(time.Duration(i)*300*time.Millisecond)))
				io.WriteString(w, line(i))
				http.NewResponseController(w).Flush()
			}
		}
	}
	mux.HandleFunc("GET /sse", slow("text/event-stream", func(i int) string { return fmt.Sprintf("data: {\"i\":%d}\n\n", i) }))
	mux.HandleFunc("GET /ndjson", slow("application/x-ndjson", func(i int) string { return fmt.Sprintf("{\"i\":%d}\n", i) }))
	mux.HandleFunc("GET /known-length", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "24")
		slow("text/plain", func(i int) string { return fmt.Sprintf("part %d.\n", i) })(w, r)
	})
	mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(1 << 24)
		for {
			typ, b, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if err := c.Write(r.Context(), typ, b); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("GET /trailers", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Checksum")
		io.WriteString(w, "body")
		w.Header().Set("X-Checksum", "abc")
		w.Header().Set(http.TrailerPrefix+"X-Late", "late")
	})
	mux.HandleFunc("GET /hints", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "done")
	})
	mux.HandleFunc("POST /continue", u.echo)
	mux.HandleFunc("GET /hang", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("head") != "" {
			w.WriteHeader(200)
			http.NewResponseController(w).Flush()
		}
		select {
		case <-r.Context().Done():
			u.aborted <- r.URL.String()
		case <-time.After(2 * time.Minute):
		}
	})
}

func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// newPattern is n bytes that do not compress to nothing and are cheap to make.
func newPattern(n int64) io.Reader { return io.LimitReader(&pattern{}, n) }

type pattern struct{ at uint64 }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(p.at * 0x9e3779b97f4a7c15 >> 29)
		p.at++
	}
	return len(b), nil
}

// trimID is the id of a numbered record in a URL.
func trimID(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// pemOf is a key in PKCS #8 and its certificate, as one PEM file.
func pemOf(t *testing.T, cert tls.Certificate) []byte {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})...)
}
