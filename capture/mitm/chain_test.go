package mitm_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"harken/capture/mitm"
)

// socks is the least of a SOCKS5 server (RFC 1928) with a password (RFC 1929).
// Every name is at loopback.
func socks(t *testing.T, user, password string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	serve := func(c net.Conn) {
		defer c.Close()
		read := func(n int) []byte {
			b := make([]byte, n)
			_, _ = io.ReadFull(c, b)
			return b
		}
		read(int(read(2)[1]))
		_, _ = c.Write([]byte{5, 2})
		read(1)
		gotUser := string(read(int(read(1)[0])))
		gotPassword := string(read(int(read(1)[0])))
		if gotUser != user || gotPassword != password {
			_, _ = c.Write([]byte{1, 1})
			return
		}
		_, _ = c.Write([]byte{1, 0})
		if head := read(4); head[3] == 3 {
			read(int(read(1)[0]))
		} else {
			read(4)
		}
		port := int(binary.BigEndian.Uint16(read(2)))
		up, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			_, _ = c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		defer up.Close()
		_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		go func() { _, _ = io.Copy(up, c) }()
		_, _ = io.Copy(c, up)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return ln.Addr().String()
}

func TestUpstreamSOCKS(t *testing.T) {
	addr := socks(t, "a", "b")
	for password, status := range map[string]int{"b": http.StatusOK, "c": http.StatusBadGateway} {
		e := start(t, func(c *mitm.Config) {
			c.UpstreamProxy = &url.URL{Scheme: "socks5", Host: addr, User: url.UserPassword("a", password)}
		})
		for _, secure := range []bool{false, true} {
			u := e.origin(t, secure, true, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "far") })
			resp, err := e.client(t, true).Get(u.String())
			if got := read(t, resp, err); resp.StatusCode != status || status == http.StatusOK && got != "far" {
				t.Errorf("password %q: %d %q", password, resp.StatusCode, got)
			}
		}
	}
}

func TestUpstreamProxyIsChecked(t *testing.T) {
	for _, u := range []string{"ftp://h", "http://", "h:80"} {
		p, err := url.Parse(u)
		if err != nil {
			continue
		}
		if _, err := mitm.New(mitm.Config{Issuer: newAuthority(t), UpstreamProxy: p}); err == nil {
			t.Errorf("New with the upstream proxy %q gave no error", u)
		}
	}
}

func TestUpstreamTLS(t *testing.T) {
	private := newAuthority(t)
	mine, err := private.Leaf(t.Context(), "client.test")
	if err != nil {
		t.Fatal(err)
	}
	var keys strings.Builder
	e := start(t, func(c *mitm.Config) {
		c.UpstreamInsecure = true
		c.ClientCert = mine
		c.KeyLog = &keys
	})
	other := start(t, nil)
	u := other.origin(t, true, true, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strconv.Itoa(len(r.TLS.PeerCertificates)))
	}, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert })
	resp, err := e.client(t, false).Get(u.String())
	if got := read(t, resp, err); got != "1" {
		t.Errorf("certificates that the upstream saw: %s", got)
	}
	e.stop()
	if !strings.Contains(keys.String(), "CLIENT_TRAFFIC_SECRET_0 ") {
		t.Error("no session keys were logged")
	}
}

// Some clients look at a pinned certificate only after the handshake.
func TestClientThatHangsUpAfterTheHandshake(t *testing.T) {
	e := start(t, nil)
	u := e.origin(t, true, true, func(http.ResponseWriter, *http.Request) {})
	attempt := func() bool {
		conn, _ := e.connect(t, u.Host, "")
		c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: "api.test"})
		if err := c.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		_, err := c.ConnectionState().PeerCertificates[0].Verify(verifyBy(e.upstreamCA))
		return err == nil
	}
	for range 2 {
		if attempt() {
			t.Fatal("the client was not intercepted")
		}
	}
	eventually(t, "the tunneling after two refusals", attempt)
}

// A shutdown waits for nothing where nothing is under way.
func TestShutdownWhenIdle(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		e := start(t, func(c *mitm.Config) { c.ShutdownGrace = time.Hour })
		u := e.origin(t, true, h2, func(http.ResponseWriter, *http.Request) {})
		resp, err := e.client(t, h2).Get(u.String())
		_ = read(t, resp, err)
		e.connect(t, u.Host, "") // never says a word
		e.stop()
	}
}
