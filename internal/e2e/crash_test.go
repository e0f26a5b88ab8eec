package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// kill -9 of control under load, twenty times: every exchange whose response
// the client had 200 ms before is recorded once and counted once.
func TestKill(t *testing.T) {
	const rounds, clients, perRound = 20, 32, 10_000
	up := newUpstream(t)
	c := startControl(t, t.TempDir(), "-upstream-ca", up.caFile, "-log-keep", "8GiB")
	answered := map[int]bool{} // ids that must be there
	for round := range rounds {
		got := load(t, c, up, round*perRound, perRound, clients, time.Duration(300+rand.IntN(1500))*time.Millisecond)
		for id := range got {
			answered[id] = true
		}
		c.restart(t)
	}
	total := settle(t, c)
	checkOnce(t, c, answered, total)
	t.Logf("%d kills, %d exchanges had to be there, %d are", rounds, len(answered), total)
}

// load sends numbered requests and kills control after a while. It returns the
// ids whose whole response was received 200 ms before the kill.
func load(t *testing.T, c *control, up *upstream, first, n, clients int, after time.Duration) map[int]time.Time {
	t.Helper()
	var mu sync.Mutex
	at := map[int]time.Time{}
	next := make(chan int)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range clients {
		client := c.client(t, w%2 == 0)
		base := up.url(w%4 < 2)
		wg.Go(func() {
			for id := range next {
				res, err := client.Get(fmt.Sprintf("%s/numbered/%d", base, id))
				if err != nil {
					continue
				}
				_, err = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if err == nil && res.StatusCode == http.StatusOK {
					mu.Lock()
					at[id] = time.Now()
					mu.Unlock()
				}
			}
		})
	}
	var killed time.Time
	timer := time.AfterFunc(after, func() {
		killed = time.Now()
		c.kill(t)
		close(stop)
	})
	for i := range n {
		select {
		case next <- first + i:
			continue
		case <-stop:
		}
		break
	}
	close(next)
	wg.Wait()
	if timer.Stop() { // all were sent before its time
		time.Sleep(10 * time.Millisecond)
		killed = time.Now()
		c.kill(t)
	} else {
		<-stop
	}
	for id, when := range at {
		if killed.Sub(when) < 200*time.Millisecond {
			delete(at, id)
		}
	}
	return at
}

// settle waits until the inventory's counts no longer rise, and returns their sum.
func settle(t *testing.T, c *control) int {
	t.Helper()
	last, same := -1, 0
	eventually(t, func() error {
		n := counted(t, c)
		if n == last && n > 0 {
			same++
		} else {
			last, same = n, 0
		}
		if same < 40 {
			return fmt.Errorf("counts still rise: %d", n)
		}
		return nil
	})
	return last
}

// counted is the sum of the counts of all numbered endpoints.
func counted(t *testing.T, c *control) int {
	t.Helper()
	var cols struct {
		APICollections []struct{ ID int } `json:"apiCollections"`
	}
	c.api(t, "getAllCollections", obj{}, &cols)
	n := 0
	for _, col := range cols.APICollections {
		for k, info := range c.infos(t, col.ID) {
			if strings.Contains(k, "/numbered/INTEGER") {
				n += info.Count
			}
		}
	}
	return n
}

// checkOnce compares records.har with the ids that must be in it and with what
// the inventory counted.
func checkOnce(t *testing.T, c *control, answered map[int]bool, total int) {
	t.Helper()
	seen := map[int]int{}
	learnable := 0
	for _, e := range c.records(t, "").Log.Entries {
		if !strings.Contains(e.Request.URL, "/numbered/") {
			continue
		}
		id, err := strconv.Atoi(trimID(e.Request.URL))
		if err != nil {
			t.Fatal(err)
		}
		seen[id]++
		if e.Response.Status == http.StatusOK {
			learnable++
		}
	}
	missing, twice := 0, 0
	for id := range answered {
		if seen[id] == 0 {
			missing++
		}
	}
	for _, n := range seen {
		if n > 1 {
			twice++
		}
	}
	if missing > 0 || twice > 0 {
		t.Errorf("%d of %d exchanges are missing, %d are there twice", missing, len(answered), twice)
	}
	if learnable != total {
		t.Errorf("records.har has %d exchanges, the inventory counted %d", learnable, total)
	}
}
