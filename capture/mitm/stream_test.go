package mitm_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"harken/capture/mitm"
	"harken/ingest"
)

// Each part has to arrive before the next is sent, whatever the framing is.
func TestStreaming(t *testing.T) {
	for _, length := range []string{"", "events", "15"} {
		t.Run("length "+length, func(t *testing.T) {
			variants(t, func(t *testing.T, e *env, c *http.Client, secure, h2 bool) {
				t.Helper()
				step := make(chan struct{})
				u := e.origin(t, secure, h2, func(w http.ResponseWriter, r *http.Request) {
					switch length {
					case "events":
						w.Header().Set("Content-Type", "text/event-stream")
					case "15":
						w.Header().Set("Content-Length", length)
					}
					w.(http.Flusher).Flush()
					for range 3 {
						select {
						case <-step:
						case <-r.Context().Done():
							return
						}
						_, _ = io.WriteString(w, "part\n")
						w.(http.Flusher).Flush()
					}
				})
				resp, err := c.Get(u.String()) // returns with the header only
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				br := bufio.NewReader(resp.Body)
				for range 3 {
					step <- struct{}{}
					if line, err := br.ReadString('\n'); line != "part\n" {
						t.Fatalf("line = %q, %v", line, err)
					}
				}
				if _, err := br.ReadByte(); err != io.EOF {
					t.Errorf("after the last part: %v, want EOF", err)
				}
				if got, want := resp.ContentLength == 15, length == "15"; got != want {
					t.Errorf("ContentLength = %d", resp.ContentLength)
				}
			})
		})
	}
}

// The client's parts and the server's alternate, as in gRPC.
func TestBidirectional(t *testing.T) {
	variants(t, func(t *testing.T, e *env, c *http.Client, secure, h2 bool) {
		t.Helper()
		u := e.origin(t, secure, h2, func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			w.Header().Set("Trailer", "Announced")
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			br := bufio.NewReader(r.Body)
			for {
				line, err := br.ReadString('\n')
				if err != nil {
					break
				}
				_, _ = io.WriteString(w, "echo "+line)
				w.(http.Flusher).Flush()
			}
			w.Header().Set("Announced", r.Trailer.Get("From-Client"))
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		})
		pr, pw := io.Pipe()
		req, err := http.NewRequest(http.MethodPost, u.String(), pr)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Te", "trailers")
		req.Trailer = http.Header{"From-Client": {"yes"}}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		br := bufio.NewReader(resp.Body)
		for i := range 5 {
			_, _ = fmt.Fprintf(pw, "message %d\n", i)
			if got, err := br.ReadString('\n'); got != fmt.Sprintf("echo message %d\n", i) {
				t.Fatalf("line = %q, %v", got, err)
			}
		}
		_ = pw.Close()
		if _, err := io.Copy(io.Discard, br); err != nil {
			t.Fatal(err)
		}
		if got := resp.Trailer.Get("Grpc-Status"); got != "0" {
			t.Errorf("unannounced trailer = %q", got)
		}
		if got := resp.Trailer.Get("Announced"); got != "yes" {
			t.Errorf("announced trailer = %q", got)
		}
		ex := e.rec.next(t)
		if len(ex.Response.Trailer) != 2 || len(ex.Request.Trailer) != 1 {
			t.Errorf("trailers = %v, %v", ex.Request.Trailer, ex.Response.Trailer)
		}
	})
}

func TestInformational(t *testing.T) {
	variants(t, func(t *testing.T, e *env, c *http.Client, secure, h2 bool) {
		t.Helper()
		u := e.origin(t, secure, h2, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</a.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			_, _ = io.WriteString(w, "done")
		})
		var early []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				early = append(early, fmt.Sprint(code, h.Get("Link")))
				return nil
			},
		})
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		resp, err := c.Do(req)
		if got := read(t, resp, err); got != "done" {
			t.Errorf("body = %q", got)
		}
		if len(early) != 1 || early[0] != "103</a.css>; rel=preload" {
			t.Errorf("informational = %q", early)
		}
		if resp.Header.Get("Link") != "" {
			t.Error("an informational header leaked into the response")
		}
		if ex := e.rec.next(t); ex.Status != 200 {
			t.Errorf("status = %d", ex.Status)
		}
		e.rec.none(t)
	})
}

func TestExpectContinue(t *testing.T) {
	e := start(t, func(c *mitm.Config) { c.ContinueTimeout = patience })
	read1 := make(chan string, 2)
	u := e.origin(t, true, false, func(w http.ResponseWriter, r *http.Request) {
		read1 <- r.Header.Get("Expect")
		if r.URL.Path == "/refused" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		b, _ := io.ReadAll(r.Body)
		_, _ = w.Write(b)
	})
	tr := e.transport(false)
	tr.ExpectContinueTimeout = patience
	defer tr.CloseIdleConnections()
	do := func(path string) (*http.Response, *strings.Reader) {
		body := strings.NewReader("content")
		req, _ := http.NewRequest(http.MethodPut, u.String()+path, io.NopCloser(body))
		req.ContentLength = 7
		req.Header.Set("Expect", "100-continue")
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp, body
	}
	resp, _ := do("/accepted")
	if got := read(t, resp, nil); got != "content" {
		t.Errorf("body = %q", got)
	}
	if got := <-read1; got != "100-continue" {
		t.Errorf("upstream's Expect = %q", got)
	}
	resp, body := do("/refused")
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden || body.Len() != 7 {
		t.Errorf("status %d with %d of 7 bytes left to send, want 403 and all", resp.StatusCode, body.Len())
	}
}

func TestClientHangsUp(t *testing.T) {
	for _, streaming := range []bool{false, true} {
		t.Run(fmt.Sprint("streaming ", streaming), func(t *testing.T) {
			variants(t, func(t *testing.T, e *env, c *http.Client, secure, h2 bool) {
				t.Helper()
				arrived, gone := make(chan struct{}), make(chan struct{})
				u := e.origin(t, secure, h2, func(w http.ResponseWriter, r *http.Request) {
					if streaming {
						_, _ = io.WriteString(w, "part")
						w.(http.Flusher).Flush()
					}
					close(arrived)
					<-r.Context().Done()
					close(gone)
				})
				ctx, cancel := context.WithCancel(t.Context())
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
				failed := make(chan error, 1)
				go func() {
					resp, err := c.Do(req)
					if err == nil {
						_, err = io.Copy(io.Discard, resp.Body)
						_ = resp.Body.Close()
					}
					failed <- err
				}()
				<-arrived
				cancel()
				if err := <-failed; err == nil {
					t.Error("the client saw no error")
				}
				select {
				case <-gone:
				case <-time.After(patience):
					t.Fatal("the upstream was not told")
				}
				ex := e.rec.next(t)
				if ex.Flags&ingest.Aborted == 0 || ex.Err == nil {
					t.Errorf("flags %b, error %v; want aborted", ex.Flags, ex.Err)
				}
				e.rec.none(t)
			})
		})
	}
}

func TestUpstreamAborts(t *testing.T) {
	for _, length := range []string{"", "1000"} {
		t.Run("length "+length, func(t *testing.T) {
			variants(t, func(t *testing.T, e *env, c *http.Client, secure, h2 bool) {
				t.Helper()
				u := e.origin(t, secure, h2, func(w http.ResponseWriter, r *http.Request) {
					if length != "" {
						w.Header().Set("Content-Length", length)
					}
					_, _ = io.WriteString(w, "part")
					w.(http.Flusher).Flush()
					panic(http.ErrAbortHandler)
				})
				resp, err := c.Get(u.String())
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				if err == nil {
					t.Error("the response ended cleanly")
				}
				ex := e.rec.next(t)
				if ex.Flags&ingest.Aborted == 0 || ex.Err == nil || ex.Status != 200 {
					t.Errorf("status %d, flags %b, error %v; want 200, aborted", ex.Status, ex.Flags, ex.Err)
				}
				e.rec.none(t)
			})
		})
	}
}

func TestLargeBodies(t *testing.T) {
	size := 32 << 20
	content := make([]byte, size)
	_, _ = rand.Read(content[:1<<20])
	variants(t, func(t *testing.T, e *env, c *http.Client, secure, h2 bool) {
		t.Helper()
		u := e.origin(t, secure, h2, func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			if r.ContentLength >= 0 {
				w.Header().Set("Content-Length", fmt.Sprint(r.ContentLength))
			}
			_, _ = io.Copy(w, r.Body)
		})
		resp, err := c.Post(u.String(), "application/octet-stream", bytes.NewReader(content))
		if got := read(t, resp, err); got != string(content) {
			t.Errorf("the body came back different (%d bytes)", len(got))
		}
		if resp.ContentLength != int64(size) {
			t.Errorf("ContentLength = %d, want %d", resp.ContentLength, size)
		}
		ex := e.rec.next(t)
		if ex.Request.Body.Size() != int64(size) || ex.Response.Body.Size() != int64(size) || ex.Flags != 0 {
			t.Errorf("recorded sizes %d and %d, flags %b", ex.Request.Body.Size(), ex.Response.Body.Size(), ex.Flags)
		}
	})
}

// An upstream may answer before it has read the request.
func TestEarlyResponse(t *testing.T) {
	e := start(t, nil)
	u := e.origin(t, true, false, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	})
	pr, pw := io.Pipe()
	defer pw.Close()
	req, _ := http.NewRequest(http.MethodPost, u.String(), pr)
	go func() {
		_, _ = pw.Write([]byte("some"))
	}()
	resp, err := e.client(t, true).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status = %d", resp.StatusCode)
	}
	if ex := e.rec.next(t); ex.Status != http.StatusRequestEntityTooLarge || ex.Flags&ingest.RequestTruncated == 0 {
		t.Errorf("status %d, flags %b, err %v", ex.Status, ex.Flags, ex.Err)
	}
}

func TestUpstreamFailures(t *testing.T) {
	e := start(t, nil)
	c := e.client(t, false)
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := refused.Addr().String()
	_ = refused.Close()
	silent := e.origin(t, false, false, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })

	check := func(url string, status int, text string) {
		t.Helper()
		resp, err := c.Get(url)
		body := read(t, resp, err)
		if resp.StatusCode != status || !strings.Contains(body, text) || strings.Count(body, "\n") != 1 {
			t.Errorf("%s: %d %q, want %d %q", url, resp.StatusCode, body, status, text)
		}
		if ex := e.rec.next(t); ex.Err == nil || ex.Status != 0 {
			t.Errorf("%s: recorded status %d, error %v", url, ex.Status, ex.Err)
		}
		e.rec.none(t)
	}
	check("http://"+closed+"/", http.StatusBadGateway, "refused the connection")
	check("https://"+closed+"/", http.StatusBadGateway, "refused the connection")
	check(silent.String(), http.StatusBadGateway, "closed the connection")
	// Its certificate is for a name, and we ask by address.
	strange := start(t, nil)
	u := strange.origin(t, true, true, func(http.ResponseWriter, *http.Request) {})
	check(u.String(), http.StatusBadGateway, "unknown authority")
	check("https://"+silent.Host, http.StatusBadGateway, "TLS handshake")
}

func TestUpstreamTimesOut(t *testing.T) {
	e := start(t, func(c *mitm.Config) {
		c.DialTimeout = 50 * time.Millisecond
		c.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	resp, err := e.client(t, false).Get("https://slow.test/")
	if body := read(t, resp, err); resp.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("%d %q, want 504", resp.StatusCode, body)
	}
	if ex := e.rec.next(t); ex.Err == nil || errors.Is(ex.Err, context.Canceled) {
		t.Errorf("err = %v", ex.Err)
	}
}

// Responses that their client does not read do not hold up another one that
// shares the connection to the upstream.
func TestStalledStreams(t *testing.T) {
	e := start(t, nil)
	content := make([]byte, 16<<20)
	u := e.origin(t, true, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/small" {
			_, _ = io.WriteString(w, "small")
			return
		}
		_, _ = w.Write(content)
	})
	c := e.client(t, true)
	for range 10 {
		resp, err := c.Get(u.String() + "/large")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, u.String()+"/small", nil)
	resp, err := c.Do(req)
	if got := read(t, resp, err); got != "small" {
		t.Errorf("body = %q", got)
	}
}

// gRPC without TLS: HTTP/2 by prior knowledge within CONNECT, on both sides.
func TestUnencryptedHTTP2(t *testing.T) {
	e := start(t, nil)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/grpc")
		_, _ = fmt.Fprintf(w, "%s %s %s", r.Proto, r.Header.Get("Te"), b)
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	}))
	s.Config.Protocols = &protocols
	s.Start()
	defer s.Close()
	tr := &http.Transport{
		Protocols: &protocols,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			c, _ := e.connect(t, s.Listener.Addr().String(), "")
			return c, nil
		},
	}
	defer tr.CloseIdleConnections()
	req, _ := http.NewRequest(http.MethodPost, s.URL+"/svc/Method", strings.NewReader("message"))
	req.Header.Set("Te", "trailers")
	resp, err := tr.RoundTrip(req)
	if got := read(t, resp, err); got != "HTTP/2.0 trailers message" || resp.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("body = %q, trailer %v", got, resp.Trailer)
	}
	if ex := e.rec.next(t); ex.Scheme != "http" || ex.Target != "/svc/Method" || ex.Response.Proto != "HTTP/2.0" || len(ex.Response.Trailer) != 1 {
		t.Errorf("exchange = %+v", ex)
	}
	// The proxy's own port does not take it.
	tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", e.addr)
	}
	tr.CloseIdleConnections()
	resp, err = tr.RoundTrip(req.Clone(t.Context()))
	if _ = read(t, resp, err); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("status = %d", resp.StatusCode)
	}
}
