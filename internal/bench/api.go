package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"harken/inventory"
)

// benchAPI measures the control API of the real program on a large inventory.
func benchAPI(ctx context.Context, o options) error {
	if o.keep == "" {
		return errors.New("-only api needs -keep: a directory that -only learner -steps fill has filled with the same corpus")
	}
	docs, err := readDocuments(o.openapi)
	if err != nil {
		return err
	}
	c, err := newCorpus(docs, o.corpus)
	if err != nil {
		return err
	}
	b := &apiBench{options: o, c: c}
	if b.keys, err = someKeys(ctx, o.keep, c, len(c.hosts)); err != nil {
		return err
	}
	rand.New(rand.NewPCG(o.corpus.Seed, 6)).Shuffle(len(b.keys), func(i, j int) { b.keys[i], b.keys[j] = b.keys[j], b.keys[i] })
	fmt.Printf("control API: database of %d MiB, %d hosts, calls of %d endpoints in turn, %d connections, load %s\n",
		fileSize(filepath.Join(o.keep, "harken.db")), len(c.hosts), len(b.keys), b.conns(), load())
	if err := b.starts(ctx); err != nil {
		return err
	}
	return b.calls(ctx)
}

type apiBench struct {
	options
	c    *corpus
	keys []inventory.EndpointKey
	p    *peer
	url  string
	ops  string
	runs int
}

func (b *apiBench) conns() int { return min(b.clients, 32) }

// starts measures how long the program takes until it says that it is ready, with
// its file in the page cache as far as the machine keeps it there.
func (b *apiBench) starts(ctx context.Context) error {
	var took []time.Duration
	for range 11 {
		began := time.Now()
		p, _, err := startControl(ctx, b.control, b.keep)
		if err != nil {
			return err
		}
		took = append(took, time.Since(began))
		p.end()
	}
	took = took[1:] // the first makes the administrator, or moves a database to a new version
	slices.Sort(took)
	fmt.Printf("%-44s median %v max %v of %d; load %s\n", "start to ready", took[len(took)/2].Round(time.Millisecond),
		took[len(took)-1].Round(time.Millisecond), len(took), load())
	return nil
}

// A hotCall is an endpoint with what it has to reach.
type hotCall struct {
	name string
	aim  float64 // calls a second
	body func(k *inventory.EndpointKey, i int) any
	only int // connections; 0 is all
}

func hotCalls() []hotCall {
	named := func(k *inventory.EndpointKey, more map[string]any) any {
		more["apiCollectionId"] = k.Collection
		return more
	}
	return []hotCall{
		{"loadParamsOfEndpoint", 5000, func(k *inventory.EndpointKey, _ int) any { return endpointBody(k) }, 0},
		{"fetchSampleData", 5000, func(k *inventory.EndpointKey, _ int) any { return endpointBody(k) }, 0},
		{"getAllCollections", 0, func(*inventory.EndpointKey, int) any { return map[string]any{} }, 1},
		{"saveEndpointDescription", 1000, func(k *inventory.EndpointKey, i int) any {
			return named(k, map[string]any{"url": k.URL, "method": k.Method, "description": fmt.Sprint("described ", i)})
		}, 0},
		{"saveCollectionDescription", 1000, func(k *inventory.EndpointKey, i int) any {
			return named(k, map[string]any{"description": fmt.Sprint("described ", i)})
		}, 0},
		{"updateEnvType", 1000, func(k *inventory.EndpointKey, _ int) any {
			return map[string]any{"apiCollectionIds": []int32{k.Collection}, "resetEnvTypes": false, "envType": []any{
				map[string]any{"keyName": "envType", "value": "STAGING"},
			}}
		}, 0},
	}
}

// calls measures each endpoint: first as fast as it is answered, then at a
// constant rate of half of that aim.
func (b *apiBench) calls(ctx context.Context) error {
	var err error
	b.ops = "127.0.0.1:" + freePort(ctx)
	if b.p, b.url, err = startControl(ctx, b.control, b.keep, "-ops", b.ops); err != nil {
		return err
	}
	defer b.p.end()
	b.settle()
	for _, h := range hotCalls() {
		if b.calling != "" && !slices.Contains(strings.Split(b.calling, ","), h.name) {
			continue
		}
		l := apiLoad{addr: strings.TrimPrefix(b.url, "http://"), conns: cmp.Or(h.only, b.conns()), time: b.time}
		for i := range b.keys {
			body, err := json.Marshal(h.body(&b.keys[i], i+b.runs))
			if err != nil {
				return err
			}
			l.requests = append(l.requests, rawRequest(l.addr, h.name, body))
		}
		for round := range b.rounds {
			if err := b.measure(ctx, h.name, "as fast as answered", &l, round == 0); err != nil {
				return fmt.Errorf("%s: %w", h.name, err)
			}
		}
		if h.aim == 0 {
			continue
		}
		l.rate = h.aim / 2
		for range b.rounds {
			if err := b.measure(ctx, h.name, fmt.Sprintf("%.0f/s, constant", l.rate), &l, false); err != nil {
				return fmt.Errorf("%s: %w", h.name, err)
			}
		}
	}
	return nil
}

// settle waits until the program has merged what was left to merge when the
// directory was filled: that takes a processor for a while.
func (b *apiBench) settle() {
	const look = 2 * time.Second
	for range 60 {
		before := b.p.cpu()
		time.Sleep(look)
		if b.p.cpu()-before < look/20 {
			return
		}
	}
}

// measure runs one load and prints a line.
func (b *apiBench) measure(ctx context.Context, name, how string, l *apiLoad, profiled bool) error {
	b.runs++
	profiled = profiled && b.profile != ""
	saved := make(chan error, 1)
	if profiled {
		go func() { saved <- b.saveProfile(ctx, fmt.Sprint(b.profile, ".", name), l.time) }()
	}
	cpu, own := b.p.cpu(), cpuTime()
	r, err := l.run(ctx)
	if err != nil {
		return err
	}
	cpu, own = b.p.cpu()-cpu, cpuTime()-own
	n := time.Duration(len(r.took))
	fmt.Printf("%-26s %-20s %7.0f/s  p50 %7v p99 %7v max %7v  CPU a call %v and %v of the client (%.0f %% of a CPU)  %d bytes  load %s\n",
		name, how, r.rate(), r.at(.5).Round(10*time.Microsecond), r.at(.99).Round(10*time.Microsecond), r.at(1).Round(10*time.Microsecond),
		(cpu / n).Round(time.Microsecond), (own / n).Round(time.Microsecond), 100*own.Seconds()/r.wall.Seconds(), r.bytes/len(r.took), load())
	if profiled {
		return <-saved
	}
	return nil
}

// saveProfile writes a CPU profile of the program under load.
func (b *apiBench) saveProfile(ctx context.Context, name string, d time.Duration) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", b.ops, max(1, int(d.Seconds()))), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, res.Body)
	return errors.Join(err, f.Close())
}
