package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"harken/ingest/spool"
	"harken/internal/store/sqlite"
	"harken/inventory"
)

const benchKey = "bench-api-key-0123456789abcdef0123456789"

// api measures reads of the control API, over HTTP and with the real program,
// while that learns as fast as it can.
func (b *learnerBench) api(ctx context.Context) error {
	keys, err := someKeys(ctx, b.data, b.c)
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
	calls := []struct {
		name string
		body func(k *inventory.EndpointKey) any
	}{
		{"loadParamsOfEndpoint", endpointBody},
		{"fetchApiInfosForCollection", func(k *inventory.EndpointKey) any { return map[string]any{"apiCollectionId": k.Collection} }},
		{"fetchSampleData", endpointBody},
		{"getAllCollections", func(*inventory.EndpointKey) any { return map[string]any{} }},
	}
	took := make([][]time.Duration, len(calls))
	r := rand.New(rand.NewPCG(b.corpus.Seed, 5))
	began := time.Now()
	for i := 0; time.Since(began) < max(5*time.Second, 3*b.time); i++ {
		k := &keys[r.IntN(len(keys))]
		for j, c := range calls {
			if j == 3 && i%20 != 0 {
				continue // its answer names all collections
			}
			at := time.Now()
			if err := post(ctx, url+"/api/"+c.name, c.body(k)); err != nil {
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

// someKeys are endpoints of the inventory, of all sizes of hosts.
func someKeys(ctx context.Context, data string, c *corpus) ([]inventory.EndpointKey, error) {
	db, err := sqlite.Open(ctx, filepath.Join(data, "harken.db"))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var keys []inventory.EndpointKey
	for i := 0; i < len(c.hosts); i += max(1, len(c.hosts)/100) {
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

// startControl starts the control plane on what is in data.
func startControl(ctx context.Context, file, data string) (*peer, string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	addr := ln.Addr().String()
	ln.Close()
	cmd := exec.CommandContext(ctx, file, "-data", data, "-listen", addr, "-proxy", "", "-log-level", "warn", "-spool-max", "1TiB")
	cmd.Env = append(os.Environ(), "HARKEN_ADMIN_API_KEY="+benchKey, "HARKEN_ADMIN_EMAIL=bench@example.com")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	p := &peer{name: "control", cmd: cmd}
	url := "http://" + addr
	for range 600 {
		if res, err := http.Get(url + "/readyz"); err == nil {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return p, url, nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.end()
	return nil, "", fmt.Errorf("%s is not ready", file)
}

func post(ctx context.Context, url string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Api-Key", benchKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %.200s", res.StatusCode, out)
	}
	return err
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
