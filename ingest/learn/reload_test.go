package learn_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"harken/ingest/learn"
	"harken/inventory"
)

// counting counts the passes of merging that were stored.
type counting struct {
	*memory
	passes atomic.Int64
}

func (c *counting) Full(int32) inventory.FullStore {
	return &countingAccount{memoryAccount{m: c.memory}, c}
}

type countingAccount struct {
	memoryAccount
	c *counting
}

func (a *countingAccount) PutTemplateState(ctx context.Context, id int32, s inventory.TemplateState) (int64, error) {
	a.c.passes.Add(1)
	return a.memoryAccount.PutTemplateState(ctx, id, s)
}

// Where an inventory has no room in memory, collections are read again and again:
// they are not looked through for look-alikes each time.
func TestReadAgainWithoutMerging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counting{memory: newMemory()}
		src := newSource(1)
		_, stop := start(t, learn.Config{Source: src, Stores: c, CacheBytes: 1 << 10})
		for i := range 20 {
			src.add(get(fmt.Sprintf("https://host-%d.example/%s/x", i%2, strings.Repeat("y", 600))).record(int64(i + 1)))
			time.Sleep(2 * learn.DefaultMergeEvery)
			synctest.Wait()
		}
		stop()
		if n := c.total(); n != 20 {
			t.Errorf("%d records are stored, want 20", n)
		}
		if n := c.passes.Load(); n != 2 {
			t.Errorf("%d passes over two collections, want one each", n)
		}
	})
}

// What was due for merging when its memory was needed is merged all the same, even
// if nothing more comes for it.
func TestMergeOfWhatHadToGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counting{memory: newMemory()}
		src := newSource(1)
		_, stop := start(t, learn.Config{Source: src, Stores: c, CacheBytes: 1 << 10})
		for i := range 5 {
			src.add(get(fmt.Sprintf("https://host-%d.example/%s/x", i, strings.Repeat("y", 600))).record(int64(i + 1)))
			synctest.Wait()
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := c.passes.Load(); n != 5 {
			t.Errorf("%d passes over five collections within 10 s, want one each", n)
		}
		stop()
	})
}
