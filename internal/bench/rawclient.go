package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A rawConn speaks just enough HTTP/1.1 to count answers: net/http's client takes
// about as long for a small call as the server does, and shares its processors.
type rawConn struct {
	c net.Conn
	r *bufio.Reader
}

func dialRaw(ctx context.Context, addr string) (*rawConn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &rawConn{c, bufio.NewReaderSize(c, 64<<10)}, nil
}

// rawRequest is the text of a call of the API.
func rawRequest(addr, name string, body []byte) []byte {
	return fmt.Appendf(nil, "POST /api/%s HTTP/1.1\r\nHost: %s\r\nX-API-KEY: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		name, addr, benchKey, len(body), body)
}

// do sends a request and reads the answer, which must be 200.
func (c *rawConn) do(request []byte) (bytesRead int, err error) {
	if _, err := c.c.Write(request); err != nil {
		return 0, err
	}
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		status := string(line)
		rest, _ := c.r.Peek(c.r.Buffered())
		return 0, fmt.Errorf("%.40s %.600s", status, rest)
	}
	length := -1
	for {
		if line, err = c.r.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			break
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return 0, err
			}
		}
	}
	if length >= 0 {
		return c.r.Discard(length)
	}
	return c.chunks()
}

func (c *rawConn) chunks() (int, error) {
	sum := 0
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return sum, err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return sum, err
		}
		if _, err := c.r.Discard(int(n) + 2); err != nil || n == 0 {
			return sum, err
		}
		sum += int(n)
	}
}

// An apiLoad is calls to make: requests in turn, from each connection another part.
type apiLoad struct {
	addr     string
	requests [][]byte
	conns    int
	rate     float64 // calls a second of all; 0 is one after the other, as fast as they are answered
	calls    int     // 0 is until time is up
	time     time.Duration
}

// A loadResult has the latencies in rising order. With a rate a latency is
// counted from when the call was due, so that none hides behind a slow one.
type loadResult struct {
	took  []time.Duration
	wall  time.Duration
	bytes int
}

func (r *loadResult) rate() float64 { return float64(len(r.took)) / r.wall.Seconds() }
func (r *loadResult) at(q float64) time.Duration {
	return r.took[min(len(r.took)-1, int(float64(len(r.took))*q))]
}

func (l *apiLoad) run(ctx context.Context) (*loadResult, error) {
	conns := make([]*rawConn, l.conns)
	for i := range conns {
		c, err := dialRaw(ctx, l.addr)
		if err != nil {
			return nil, err
		}
		defer c.c.Close()
		if _, err := c.do(l.requests[i%len(l.requests)]); err != nil {
			return nil, err
		}
		conns[i] = c
	}
	out := new(loadResult)
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	began := time.Now()
	for i, c := range conns {
		wg.Go(func() {
			took, n, err := l.one(c, i, began)
			mu.Lock()
			defer mu.Unlock()
			out.took, out.bytes = append(out.took, took...), out.bytes+n
			errs = append(errs, err)
		})
	}
	wg.Wait()
	out.wall = time.Since(began)
	slices.Sort(out.took)
	if len(out.took) == 0 {
		errs = append(errs, io.ErrUnexpectedEOF)
	}
	return out, errors.Join(errs...)
}

// one makes the calls of the i-th connection.
func (l *apiLoad) one(c *rawConn, i int, began time.Time) (took []time.Duration, sum int, err error) {
	for n := i; l.calls == 0 || n < l.calls; n += l.conns {
		due := time.Now()
		if l.rate > 0 {
			due = began.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
		}
		if l.calls == 0 && due.Sub(began) >= l.time {
			break
		}
		time.Sleep(time.Until(due))
		b, err := c.do(l.requests[n%len(l.requests)])
		if err != nil {
			return took, sum, err
		}
		took, sum = append(took, time.Since(due)), sum+b
	}
	return took, sum, nil
}
