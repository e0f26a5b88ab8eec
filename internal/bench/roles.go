package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/elazarl/goproxy"
)

// runRole runs one peer until ctx is done. Its first line of output is the
// address that it listens on.
func runRole(ctx context.Context, role, listen string, h2 bool) error {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	h, err := roleHandler(role, h2)
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	if role == "upstream" {
		cert, err := selfSigned()
		if err != nil {
			return err
		}
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: alpn(h2)})
	}
	srv := &http.Server{Handler: h}
	context.AfterFunc(ctx, func() { srv.Close() })
	// A peer never outlives the benchmark that started it.
	go func() { io.Copy(io.Discard, os.Stdin); srv.Close() }()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func roleHandler(role string, h2 bool) (http.Handler, error) {
	cert, err := selfSigned()
	if err != nil {
		return nil, err
	}
	switch role {
	case "upstream":
		return upstream(), nil
	case "tunnel":
		return tunnel(), nil
	case "goproxy":
		return stockGoproxy(cert), nil
	case "nethttp":
		return bareMITM(cert, h2), nil
	}
	return nil, fmt.Errorf("no role %q", role)
}

func alpn(h2 bool) []string {
	if h2 {
		return []string{"h2"}
	}
	return []string{"http/1.1"}
}

// transport is what both MITM peers send requests on with.
func transport(h2 bool) *http.Transport {
	return &http.Transport{
		MaxIdleConns: 1024, MaxIdleConnsPerHost: 256, DisableCompression: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: protocols(h2),
	}
}

// upstream answers /N with N bytes.
func upstream() http.Handler {
	big := bytes.Repeat([]byte("0123456789abcdef"), (8<<20)/16)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil || n > len(big) {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(n))
		w.Write(big[:n])
	})
}

// tunnel joins the two ends of a CONNECT and opens nothing.
func tunnel() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { io.Copy(up, conn); up.Close() }()
		io.Copy(conn, up)
		conn.Close()
	})
}

// stockGoproxy is goproxy's own MITM as it comes, but with a pooled transport.
func stockGoproxy(ca tls.Certificate) http.Handler {
	p := goproxy.NewProxyHttpServer()
	p.Tr = transport(false)
	action := &goproxy.ConnectAction{Action: goproxy.ConnectMitm, TLSConfig: goproxy.TLSConfigFromCA(&ca)}
	p.OnRequest().HandleConnect(goproxy.FuncHttpsHandler(func(host string, _ *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) { return action, host }))
	return p
}

// bareMITM is the least that a MITM on net/http does: no recording, no checks.
func bareMITM(cert tls.Certificate, h2 bool) http.Handler {
	tr := transport(h2)
	conf := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: alpn(h2)}
	inner := make(chan net.Conn)
	buffers := sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Scheme, r.URL.Host, r.RequestURI = "https", r.Host, ""
		res, err := tr.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		for k, v := range res.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(res.StatusCode)
		b := buffers.Get().(*[]byte)
		io.CopyBuffer(struct{ io.Writer }{w}, res.Body, *b)
		buffers.Put(b)
	})}
	go srv.Serve(chanListener{inner})
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		inner <- tls.Server(conn, conf)
	})
}

type chanListener struct{ c chan net.Conn }

func (l chanListener) Accept() (net.Conn, error) { return <-l.c, nil }
func (chanListener) Close() error                { return nil }
func (chanListener) Addr() net.Addr              { return &net.TCPAddr{} }

// selfSigned is a certificate that is CA and leaf for localhost at once; the
// clients do not verify it.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "bench"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:  x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}
