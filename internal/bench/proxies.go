package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"
)

// A peer is a process to send requests through; direct has none.
type peer struct {
	name  string
	proxy string
	cmd   *exec.Cmd
	stdin io.Closer
}

// A cell is what one round of one peer and size gave.
type cell struct {
	rate     float64       // requests/s
	cpu      time.Duration // of the proxy, per request
	p50, p99 time.Duration
	bytes    float64 // MB/s
}

func benchProxies(ctx context.Context, o options) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "harken-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	up, err := startRole(ctx, self, "upstream", o.h2)
	if err != nil {
		return err
	}
	defer up.end()
	roles := []string{"tunnel", "goproxy", "nethttp"}
	if o.h2 {
		roles = []string{"tunnel", "nethttp"}
	}
	peers := []*peer{{name: "direct"}}
	for _, role := range roles {
		p, err := startRole(ctx, self, role, o.h2)
		if err != nil {
			return err
		}
		defer p.end()
		peers = append(peers, p)
	}
	for _, b := range append([]binary{{"harken", o.proxy}}, o.also...) {
		p, err := startHarken(ctx, b, filepath.Join(dir, b.name))
		if err != nil {
			return err
		}
		defer p.end()
		peers = append(peers, p)
	}

	results := map[string]map[int][]cell{}
	for _, p := range peers {
		results[p.name] = map[int][]cell{}
	}
	for round := range o.rounds + 1 { // the first warms up
		for _, size := range o.sizes {
			for i := range peers {
				p := peers[(i+round)%len(peers)]
				c, err := measure(ctx, o, p, "https://"+up.proxy+"/"+strconv.Itoa(size), size)
				if err != nil {
					return fmt.Errorf("%s, %d bytes: %w", p.name, size, err)
				}
				if round > 0 {
					results[p.name][size] = append(results[p.name][size], c)
				}
			}
		}
	}
	fmt.Printf("medians of %d rounds of %v, %d clients, load after them %s\n", o.rounds, o.time, o.clients, load())
	return printProxies(o.sizes, peers, results)
}

func startRole(ctx context.Context, self, role string, h2 bool) (*peer, error) {
	cmd := exec.CommandContext(ctx, self, "-role", role, "-h2="+strconv.FormatBool(h2))
	cmd.Stderr = io.Discard
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	return &peer{name: role, proxy: strings.TrimSpace(line), cmd: cmd, stdin: in}, nil
}

// startHarken starts the recorder with a sink that takes nothing, so that what
// is measured is recording into the spool.
func startHarken(ctx context.Context, b binary, dir string) (*peer, error) {
	cmd := exec.CommandContext(ctx, b.file, "-listen", "127.0.0.1:0", "-ops", "127.0.0.1:0", "-upstream-insecure", "-sink", "kafka://127.0.0.1:1/none",
		"-ca-dir", filepath.Join(dir, "ca"), "-spool", filepath.Join(dir, "spool"), "-log-level", "error")
	out, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	address := regexp.MustCompile(`proxy\s+http://(\S+)`)
	for sc := bufio.NewScanner(out); sc.Scan(); {
		if m := address.FindStringSubmatch(sc.Text()); m != nil {
			go io.Copy(io.Discard, out)
			return &peer{name: b.name, proxy: m[1], cmd: cmd}, nil
		}
	}
	return nil, fmt.Errorf("%s did not start", b.file)
}

func (p *peer) end() {
	if p.stdin != nil {
		p.stdin.Close()
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// cpu is the processor time that the peer's threads have used, in the scheduler's
// nanoseconds: the clock ticks of /proc/PID/stat are a tenth of what a short round
// of a small body takes.
func (p *peer) cpu() time.Duration {
	if p.cmd == nil {
		return 0
	}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	var sum time.Duration
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		ran, _, _ := strings.Cut(string(b), " ")
		n, _ := strconv.ParseInt(ran, 10, 64)
		sum += time.Duration(n)
	}
	return sum
}

func (p *peer) peakRSS() int {
	if p.cmd == nil {
		return 0
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	n, _ := strconv.Atoi(strings.Fields(rest)[0])
	return n >> 10
}

// measure sends requests from all clients for a while.
func measure(ctx context.Context, o options, p *peer, target string, size int) (cell, error) {
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: o.clients, DisableCompression: true,
		Protocols: protocols(o.h2), ReadBufferSize: 64 << 10,
	}
	if p.proxy != "" {
		tr.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: p.proxy})
	}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	clients := o.clients
	if size >= 8<<20 {
		clients = 4
	}
	// Connections are made before the clock starts.
	var warm sync.WaitGroup
	errs := make(chan error, clients)
	for range clients {
		warm.Go(func() {
			if _, err := get(ctx, client, target, size); err != nil {
				errs <- err
			}
		})
	}
	warm.Wait()
	if len(errs) > 0 {
		return cell{}, <-errs
	}
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	cpu, began := p.cpu(), time.Now()
	for range clients {
		wg.Go(func() {
			var own []time.Duration
			for time.Since(began) < o.time {
				d, err := get(ctx, client, target, size)
				if err != nil {
					errs <- err
					return
				}
				own = append(own, d)
			}
			mu.Lock()
			all = append(all, own...)
			mu.Unlock()
		})
	}
	wg.Wait()
	took := time.Since(began)
	if len(errs) > 0 {
		return cell{}, <-errs
	}
	slices.Sort(all)
	n := len(all)
	return cell{
		rate: float64(n) / took.Seconds(), cpu: (p.cpu() - cpu) / time.Duration(n), p50: all[n/2], p99: all[n*99/100],
		bytes: float64(n) * float64(size) / took.Seconds() / 1e6,
	}, nil
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

func get(ctx context.Context, c *http.Client, target string, size int) (time.Duration, error) {
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, err
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b := buffers.Get().(*[]byte)
	defer buffers.Put(b)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, *b)
	if err == nil && (n != int64(size) || res.StatusCode != http.StatusOK) {
		err = fmt.Errorf("status %d, %d bytes", res.StatusCode, n)
	}
	return time.Since(began), err
}

func median[T float64 | time.Duration](cells []cell, f func(cell) T) T {
	var v []T
	for _, c := range cells {
		v = append(v, f(c))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// protocols are those of one side: HTTP/2 alone, or HTTP/1.1 alone.
func protocols(h2 bool) *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(!h2)
	p.SetHTTP2(h2)
	return &p
}

func printProxies(sizes []int, peers []*peer, results map[string]map[int][]cell) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, size := range sizes {
		fmt.Fprintf(w, "%d KB\trequests/s\tMB/s\tCPU/request\tp50\tp99\tpeak RSS\tof goproxy\tof net/http\tCPU of net/http\t\n", size>>10)
		rate := func(name string) float64 { return median(results[name][size], func(c cell) float64 { return c.rate }) }
		cpu := func(name string) time.Duration {
			return median(results[name][size], func(c cell) time.Duration { return c.cpu })
		}
		for _, p := range peers {
			cells := results[p.name][size]
			fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%v\t%v\t%v\t%d MB\t%s\t%s\t%s\t\n", p.name, rate(p.name),
				median(cells, func(c cell) float64 { return c.bytes }), cpu(p.name).Round(time.Microsecond),
				median(cells, func(c cell) time.Duration { return c.p50 }).Round(10*time.Microsecond),
				median(cells, func(c cell) time.Duration { return c.p99 }).Round(10*time.Microsecond), p.peakRSS(),
				// The ratio of one round is free of the load that came and went between rounds.
				ratio(cells, results["goproxy"][size], func(c cell) float64 { return c.rate }),
				ratio(cells, results["nethttp"][size], func(c cell) float64 { return c.rate }),
				ratio(cells, results["nethttp"][size], func(c cell) float64 { return float64(c.cpu) }))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// ratio is the median of the ratios round by round.
func ratio(cells, of []cell, f func(cell) float64) string {
	var v []float64
	for i := range of {
		if d := f(of[i]); d > 0 {
			v = append(v, f(cells[i])/d)
		}
	}
	if len(v) == 0 {
		return "-"
	}
	slices.Sort(v)
	return strconv.FormatFloat(v[len(v)/2], 'f', 2, 64)
}
