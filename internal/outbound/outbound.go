// Package outbound is the HTTP client for addresses that a user gave: it reaches
// what is public, and of the rest only what the operator allowed. The address that
// is judged is the one that is dialed, after DNS and at every redirect; time and
// size are bounded. What is sent and what an answer means is its callers' business.
package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Defaults of Config.
const (
	DefaultConnectTimeout = 10 * time.Second
	DefaultTimeout        = 30 * time.Second
	DefaultMaxBody        = 5 << 20
)

const (
	streamTime   = 20 * time.Second // an event stream does not end by itself
	maxHeader    = 256 << 10
	maxRedirects = 10
)

// A Resolver finds the addresses of a host; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// A Config says what a Client may do. Zero values mean the defaults above.
type Config struct {
	Guard          *Guard        // nil allows only what is public
	ConnectTimeout time.Duration // for DNS and TCP; TLS has as long again
	Timeout        time.Duration // of a whole exchange
	MaxBody        int64         // bytes kept of an answer's body, decompressed
	// Redirects is how many are followed; with 0 the answer that redirects is the
	// answer. Headers of a request that may be secret go to its own origin only.
	Redirects int
	UserAgent string      // for requests that have none
	TLS       *tls.Config // nil: the roots of the system

	Resolver Resolver // nil is net.DefaultResolver
	// Dial connects to an address that was judged; nil is that of a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// A Client makes requests. It is safe for concurrent use.
type Client struct {
	cfg  Config
	http *http.Client
}

// A Response is an answer with as much of its body as is kept.
type Response struct {
	Status    int
	Proto     string // such as HTTP/1.1
	Header    http.Header
	Body      []byte
	Truncated bool // the body was longer, or went on for too long
}

// New checks cfg and returns a Client.
func New(cfg Config) (*Client, error) {
	if cfg.ConnectTimeout < 0 || cfg.Timeout < 0 || cfg.MaxBody < 0 || cfg.Redirects < 0 || cfg.Redirects > maxRedirects {
		return nil, fmt.Errorf("outbound: a number of Config is negative, or there are more than %d redirects", maxRedirects)
	}
	if cfg.Guard == nil {
		cfg.Guard = &Guard{}
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = DefaultConnectTimeout
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "harken"
	}
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{}).DialContext
	}
	c := &Client{cfg: cfg}
	c.http = &http.Client{
		CheckRedirect: c.redirect,
		Transport: &http.Transport{
			// No proxy: it would dial for us what was not judged.
			DialContext: c.dial, TLSClientConfig: cfg.TLS, TLSHandshakeTimeout: cfg.ConnectTimeout,
			MaxResponseHeaderBytes: maxHeader, ForceAttemptHTTP2: true,
			MaxIdleConns: 20, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
		},
	}
	return c, nil
}

// CloseIdle closes the connections that wait for further requests.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// Do sends a request and reads the answer, whatever its status: at most MaxBody
// bytes of it, and of an event stream what comes within 20 seconds. An error does
// not show path, query or credentials of the URL; it is a RefusedError if the guard
// refused a target.
func (c *Client) Do(req *http.Request) (*Response, error) {
	if err := c.cfg.Guard.CheckURL(req.URL); err != nil {
		return nil, err
	}
	parent := req.Context()
	ctx, cancel := context.WithTimeout(parent, c.cfg.Timeout)
	defer cancel()
	req = req.Clone(ctx)
	if _, ok := req.Header["User-Agent"]; !ok {
		if req.Header == nil {
			req.Header = http.Header{}
		}
		req.Header.Set("User-Agent", c.cfg.UserAgent)
	}
	res, err := c.http.Do(req) //nolint:gosec // G704 is what dial is for
	if err != nil {
		return nil, c.describe(req, err)
	}
	defer res.Body.Close()
	out := &Response{Status: res.StatusCode, Proto: res.Proto, Header: res.Header}
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind == "text/event-stream" {
		stop := time.AfterFunc(min(streamTime, c.cfg.Timeout), cancel)
		defer stop.Stop()
		out.Body, err = io.ReadAll(io.LimitReader(res.Body, c.cfg.MaxBody+1))
		if err != nil && ctx.Err() != nil && parent.Err() == nil {
			out.Truncated, err = true, nil
		}
	} else {
		out.Body, err = io.ReadAll(io.LimitReader(res.Body, c.cfg.MaxBody+1))
	}
	if err != nil {
		return nil, c.describe(req, fmt.Errorf("read the answer: %w", err))
	}
	if int64(len(out.Body)) > c.cfg.MaxBody {
		out.Body, out.Truncated = out.Body[:c.cfg.MaxBody], true
	}
	return out, nil
}

// describe leaves out the URL, in which there may be secrets.
func (c *Client) describe(req *http.Request, err error) error {
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s: %w", c.cfg.Timeout, err)
	}
	return fmt.Errorf("%s %s: %w", req.Method, req.URL.Host, err)
}

func (c *Client) redirect(req *http.Request, via []*http.Request) error {
	if c.cfg.Redirects == 0 {
		return http.ErrUseLastResponse
	}
	if len(via) > c.cfg.Redirects {
		return fmt.Errorf("more than %d redirects", c.cfg.Redirects)
	}
	if err := c.cfg.Guard.CheckURL(req.URL); err != nil {
		return err
	}
	if first := via[0].URL; first.Scheme != req.URL.Scheme || first.Host != req.URL.Host {
		// net/http drops the credentials that it knows, and no header such as X-API-KEY.
		keep := http.Header{}
		for _, name := range []string{"Accept", "Accept-Language", "Content-Type", "User-Agent"} {
			if v, ok := req.Header[name]; ok {
				keep[name] = v
			}
		}
		req.Header = keep //nolint:gosec // G119 is what keep leaves out
	}
	return nil
}

// dial resolves the host and connects to the first of its addresses that may be
// reached and answers. Nothing between the judgment and the connection resolves
// again, so a name that changes its address gains nothing.
func (c *Client) dial(ctx context.Context, network, target string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	addrs, err := c.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var refused, failed error
	for i, a := range addrs {
		if err := c.cfg.Guard.Check(host, a); err != nil {
			if refused == nil {
				refused = err
			}
			continue
		}
		conn, err := c.try(ctx, network, net.JoinHostPort(a.String(), port), len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		if failed == nil {
			failed = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if failed != nil {
		return nil, failed
	}
	return nil, refused
}

// try gives one of several addresses its share of the time that is left.
func (c *Client) try(ctx context.Context, network, addr string, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return c.cfg.Dial(ctx, network, addr)
}

func (c *Client) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	addrs, err := c.cfg.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("%s has no address", host)
	}
	return addrs, nil
}
