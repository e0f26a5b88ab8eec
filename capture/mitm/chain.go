package mitm

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/proxy"
)

// A dialFunc connects to addr, a host:port.
type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// A refusedError is an upstream proxy's refusal to connect.
type refusedError struct{ status string }

func (e *refusedError) Error() string { return "upstream proxy answered " + e.status }

// chain returns a dialer that connects through the proxy at u: by CONNECT for
// http and https, also to plain HTTP servers, or by SOCKS5. Names are resolved
// there.
func chain(u *url.URL, dial dialFunc, tlsConfig *tls.Config) (dialFunc, error) {
	port := map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	if port == "" || u.Hostname() == "" {
		return nil, fmt.Errorf("upstream proxy %q: want http://, https:// or socks5:// and a host", u.Redacted())
	}
	if u.Port() != "" {
		port = u.Port()
	}
	addr := net.JoinHostPort(u.Hostname(), port)
	if u.Scheme == "socks5" || u.Scheme == "socks5h" {
		return chainSOCKS(u, addr, dial)
	}
	return func(ctx context.Context, network, target string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if u.Scheme == "https" {
			cfg := tlsConfig.Clone()
			cfg.ServerName = u.Hostname()
			t := tls.Client(c, cfg)
			if err := t.HandshakeContext(ctx); err != nil {
				_ = c.Close()
				return nil, &tlsError{err}
			}
			c = t
		}
		if err := connectThrough(ctx, c, u, target); err != nil {
			_ = c.Close()
			return nil, err
		}
		return c, nil
	}, nil
}

// connectThrough asks the proxy at the other end of c for target.
func connectThrough(ctx context.Context, c net.Conn, u *url.URL, target string) error {
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	req := &http.Request{
		Method: http.MethodConnect,
		URL:    &url.URL{Opaque: target},
		Host:   target,
		Header: http.Header{"User-Agent": nil},
	}
	if u.User != nil {
		password, _ := u.User.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
	if err := req.Write(c); err != nil {
		return fmt.Errorf("ask upstream proxy: %w", err)
	}
	// One byte at a time: what follows the header is the target's.
	resp, err := http.ReadResponse(bufio.NewReaderSize(oneByte{c}, 16), req)
	if err != nil {
		return fmt.Errorf("ask upstream proxy: %w", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return &refusedError{resp.Status}
	}
	if !stop() {
		return context.Cause(ctx)
	}
	return nil
}

// oneByte reads no further than it is asked to.
type oneByte struct{ net.Conn }

// Read implements io.Reader.
func (o oneByte) Read(p []byte) (int, error) {
	if len(p) > 1 {
		p = p[:1]
	}
	return o.Conn.Read(p)
}

func chainSOCKS(u *url.URL, addr string, dial dialFunc) (dialFunc, error) {
	var auth *proxy.Auth
	if u.User != nil {
		password, _ := u.User.Password()
		auth = &proxy.Auth{User: u.User.Username(), Password: password}
	}
	d, err := proxy.SOCKS5("tcp", addr, auth, contextDialer(dial))
	if err != nil {
		return nil, fmt.Errorf("upstream proxy: %w", err)
	}
	cd, ok := d.(proxy.ContextDialer)
	if !ok {
		return nil, errors.New("upstream proxy: SOCKS5 dialer takes no context")
	}
	return cd.DialContext, nil
}

// A contextDialer is a dialFunc as the SOCKS5 client wants it.
type contextDialer dialFunc

// DialContext implements proxy.ContextDialer.
func (d contextDialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return d(ctx, network, addr)
}

// Dial implements proxy.Dialer; the SOCKS5 client prefers DialContext.
func (contextDialer) Dial(string, string) (net.Conn, error) {
	return nil, errors.New("dial without a context")
}
