package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"harken/ingest/spool"
	"harken/internal/store/sqlite"
	"harken/inventory"
)

// apiCalls is how often each endpoint is called at least: a p99 of fewer calls says
// nothing.
const apiCalls = 2000

const benchKey = "bench-api-key-0123456789abcdef0123456789"

// api measures reads of the control API, over HTTP and with the real program,
// while that learns as fast as it can.
func (b *learnerBench) api(ctx context.Context) error {
	keys, err := someKeys(ctx, b.data, b.c, 100)
	if err != nil {
		return err
	}
	for _, learning := range []bool{false, true} {
		n := 0
		if learning {
			n = b.records
			if err := spoolOf(ctx, b.data, newTraffic(b.c, 99, drawZipf), n); err != nil {
				return err
			}
		}
		if err := b.apiOnce(ctx, keys, n); err != nil {
			return err
		}
	}
	return os.RemoveAll(filepath.Join(b.data, "log")) // who keeps the directory wants to start from rest
}

func (b *learnerBench) apiOnce(ctx context.Context, keys []inventory.EndpointKey, records int) error {
	p, url, err := startControl(ctx, b.control, b.data)
	if err != nil {
		return err
	}
	defer p.end()
	conn, err := dialRaw(ctx, strings.TrimPrefix(url, "http://"))
	if err != nil {
		return err
	}
	defer conn.c.Close()
	calls := []struct {
		name string
		body func(k *inventory.EndpointKey) any
	}{
		{"loadParamsOfEndpoint", endpointBody},
		{"fetchApiInfosForCollection", func(k *inventory.EndpointKey) any { return map[string]any{"apiCollectionId": k.Collection} }},
		{"fetchSampleData", endpointBody},
		{"getAllCollections", func(*inventory.EndpointKey) any { return map[string]any{} }},
		{"saveEndpointDescription", func(k *inventory.EndpointKey) any {
			return map[string]any{"apiCollectionId": k.Collection, "url": k.URL, "method": k.Method, "description": "of a benchmark"}
		}},
	}
	took := make([][]time.Duration, len(calls))
	r := rand.New(rand.NewPCG(b.corpus.Seed, 5))
	began := time.Now()
	for i := 0; i < apiCalls || time.Since(began) < max(5*time.Second, 3*b.time); i++ {
		k := &keys[r.IntN(len(keys))]
		for j, c := range calls {
			if j == 3 && i%4 != 0 {
				continue // its answer names all collections
			}
			body, err := json.Marshal(c.body(k))
			if err != nil {
				return err
			}
			request := rawRequest(strings.TrimPrefix(url, "http://"), c.name, body)
			at := time.Now()
			if _, err := conn.do(request); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			took[j] = append(took[j], time.Since(at))
		}
	}
	wall := time.Since(began)
	state := "idle"
	if records > 0 {
		left, err := unlearned(b.data, p)
		if err != nil {
			return err
		}
		state = fmt.Sprintf("learning %.0f records/s meanwhile", float64(records-left)/wall.Seconds())
		if left == 0 {
			state = "learning had ended before"
		}
	}
	for j, c := range calls {
		d := took[j]
		slices.Sort(d)
		fmt.Printf("%-44s p50 %v p99 %v max %v, %d calls; %s, load %s\n", c.name, d[len(d)/2].Round(100*time.Microsecond), d[len(d)*99/100].Round(100*time.Microsecond),
			d[len(d)-1].Round(100*time.Microsecond), len(d), state, load())
	}
	return nil
}

func endpointBody(k *inventory.EndpointKey) any {
	return map[string]any{"apiCollectionId": k.Collection, "url": k.URL, "method": k.Method}
}

// someKeys are the endpoints of some hosts of the inventory, of all sizes.
func someKeys(ctx context.Context, data string, c *corpus, hosts int) ([]inventory.EndpointKey, error) {
	db, err := sqlite.Open(ctx, filepath.Join(data, "harken.db"))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var keys []inventory.EndpointKey
	for i := 0; i < len(c.hosts); i += max(1, len(c.hosts)/hosts) {
		err := db.Account(account).Keys(ctx, inventory.HashID(c.hosts[i]), func(k inventory.EndpointKey) error {
			keys = append(keys, k)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s has no endpoints of the corpus", data)
	}
	return keys, nil
}

// startControl starts the control plane on what is in data, and waits until it
// says that it is ready.
func startControl(ctx context.Context, file, data string, more ...string) (*peer, string, error) {
	addr := "127.0.0.1:" + freePort(ctx)
	args := append([]string{"-data", data, "-listen", addr, "-proxy", "", "-log-level", "warn", "-spool-max", "1TiB"}, more...)
	cmd := exec.CommandContext(ctx, file, args...)
	cmd.Env = append(os.Environ(), "HARKEN_ADMIN_API_KEY="+benchKey, "HARKEN_ADMIN_EMAIL=bench@example.com")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	p := &peer{name: "control", cmd: cmd}
	url := "http://" + addr
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(2 * time.Millisecond) {
		c, err := dialRaw(ctx, addr)
		if err != nil {
			continue
		}
		_, err = c.do([]byte("GET /readyz HTTP/1.1\r\nHost: bench\r\n\r\n"))
		c.c.Close()
		if err == nil {
			return p, url, nil
		}
	}
	p.end()
	return nil, "", fmt.Errorf("%s is not ready", file)
}

// freePort is a port that nobody listens on just now.
func freePort(ctx context.Context) string {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "0" // said when it is to be used
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// unlearned ends the control plane and counts what its log had left.
func unlearned(data string, p *peer) (int, error) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
	log, err := spool.Open(spool.Config{Dir: logDir(data), MaxBytes: 1 << 40})
	if err != nil {
		return 0, err
	}
	defer log.Close()
	r, err := log.Reader("learner")
	if err != nil {
		return 0, err
	}
	return int(log.Stats().Last - r.Acked()), nil
}
