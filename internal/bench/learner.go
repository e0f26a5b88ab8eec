package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// benchLearner measures the learner on SQLite, each time in a process that does
// nothing but learn a log that was written before.
func benchLearner(ctx context.Context, o options) error {
	docs, err := readDocuments(o.openapi)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "harken-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	data := filepath.Join(dir, "data")
	if o.keep != "" {
		data = o.keep
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	b := learnerBench{options: o, docs: docs, dir: dir, data: data}
	if b.c, err = newCorpus(docs, o.corpus); err != nil {
		return err
	}
	fmt.Printf("learner on sqlite, records of about 2 KB, load %s; %s\n", load(), b.c.describe())
	for _, name := range strings.Split(o.steps, ",") {
		step := map[string]func(context.Context) error{"fill": b.fill, "known": b.steady, "new": b.fresh, "api": b.api, "curve": b.sizes}[name]
		if step == nil {
			return fmt.Errorf("-steps %q: want some of fill, known, new, api, curve", name)
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

type learnerBench struct {
	options
	docs      []document
	c         *corpus
	dir, data string
	logs      int
}

// run learns n records after warm others.
func (b *learnerBench) run(ctx context.Context, t *traffic, data string, warm, n int) (*learned, error) {
	b.logs++
	dir := filepath.Join(b.dir, fmt.Sprint("log", b.logs))
	defer os.RemoveAll(dir)
	if err := spoolOf(ctx, dir, t, warm+n); err != nil {
		return nil, err
	}
	profile := b.profile
	if profile != "" {
		profile = fmt.Sprint(profile, ".", b.logs)
	}
	return learnChild(ctx, dir, data, warm, profile)
}

// fill learns the corpus itself.
func (b *learnerBench) fill(ctx context.Context) error {
	l, err := b.run(ctx, newTraffic(b.c, 1, b.draw), b.data, 0, b.records)
	if err != nil {
		return err
	}
	fmt.Printf("%-44s %v; database %d MiB\n", fmt.Sprintf("%d records of %s, from nothing", l.Records, drawNames[b.draw]), l, fileSize(filepath.Join(b.data, "harken.db")))
	return nil
}

// steadyRecords is how many records a measurement has, beside those that warm up.
func (b *learnerBench) steadyRecords() (warm, n int) { return b.records / 10, b.records * 3 / 10 }

// steady learns what is known.
func (b *learnerBench) steady(ctx context.Context) error {
	warm, n := b.steadyRecords()
	for round := range b.rounds {
		for _, how := range []draw{drawZipf, drawUniform} {
			l, err := b.run(ctx, newTraffic(b.c, uint64(10+round*2)+uint64(how), how), b.data, warm, n)
			if err != nil {
				return err
			}
			fmt.Printf("%-44s %v; load %s\n", "known endpoints, "+drawNames[how], l, load())
		}
	}
	return nil
}

// fresh learns endpoints that nobody has seen, into a copy of nothing: it would
// change the inventory that the other steps have.
func (b *learnerBench) fresh(ctx context.Context) error {
	size := b.corpus
	size.Seed += 1000
	c, err := newCorpus(b.docs, size)
	if err != nil {
		return err
	}
	data := filepath.Join(b.dir, "fresh")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(data)
	l, err := b.run(ctx, newTraffic(c, 1, drawTurn), data, 0, size.Endpoints)
	if err != nil {
		return err
	}
	fmt.Printf("%-44s %v\n", "new endpoints only", l)
	return nil
}

// sizes shows what a record costs as the inventory grows. The sizes take turns, so
// that their ratios are those of one machine's mood.
func (b *learnerBench) sizes(ctx context.Context) error {
	type inventory struct {
		c    *corpus
		data string
	}
	var all []inventory
	for _, n := range []int{b.corpus.Endpoints / 10, b.corpus.Endpoints, b.corpus.Endpoints * 3, b.corpus.Endpoints * 10} {
		c, err := newCorpus(b.docs, corpusSize{Seed: b.corpus.Seed, Hosts: max(1, n/25), Endpoints: n})
		if err != nil {
			return err
		}
		in := inventory{c, filepath.Join(b.dir, fmt.Sprint("size", n))}
		if err := os.MkdirAll(in.data, 0o700); err != nil {
			return err
		}
		began := time.Now()
		l, err := b.run(ctx, newTraffic(c, 1, drawTurn), in.data, 0, n)
		if err != nil {
			return err
		}
		fmt.Printf("%-44s %v (%v)\n", fmt.Sprintf("%d endpoints, once each, from nothing", n), l, time.Since(began).Round(time.Second))
		all = append(all, in)
	}
	warm, n := b.steadyRecords()
	for round := range b.rounds {
		for _, how := range []draw{drawZipf, drawUniform} {
			for _, in := range all {
				seed, all := uint64(10+4*round)+uint64(how), len(in.c.ends)
				for _, to := range slices.Compact([]int{all, min(all, b.corpus.Endpoints)}) {
					l, err := b.run(ctx, trafficTo(in.c, to, seed, how), in.data, warm, n/3)
					if err != nil {
						return err
					}
					fmt.Printf("%-52s %v; load %s\n", fmt.Sprintf("%d known endpoints, %s, calls to %d", all, drawNames[how], to), l, load())
				}
			}
		}
	}
	return nil
}
