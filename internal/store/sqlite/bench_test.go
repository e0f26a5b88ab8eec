//go:build unix

package sqlite_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"harken/internal/store/sqlite"
	"harken/inventory"
)

// The known inventory of BenchmarkApplyKnown, and what one of its updates has.
const (
	knownEndpoints = 20_000
	knownHosts     = 800
	updateRows     = 650
)

// A learnedUpdate makes updates like those of the learner.
type learnedUpdate struct {
	rand *rand.Rand
	zipf *rand.Zipf
	seq  uint64
	at   int64
}

func newLearned() *learnedUpdate {
	r := rand.New(rand.NewPCG(1, 2))
	return &learnedUpdate{rand: r, zipf: rand.NewZipf(r, 1.1, 40, knownEndpoints-1), at: 1767225600}
}

func knownKey(i int) inventory.EndpointKey {
	return inventory.EndpointKey{
		Collection: int32(1 + i%knownHosts), Method: "POST",
		URL: fmt.Sprintf("/api/v1/tenants/INTEGER/resource-%05d/items", i*7919%knownEndpoints),
	}
}

// params gives the params of an observation, 13 as of one endpoint in the mean.
func (l *learnedUpdate) params(n int64) []inventory.Param {
	var ps []inventory.Param
	for p := range 13 {
		k := inventory.ParamKey{ResponseCode: -1, Name: fmt.Sprintf("order#line%02d#name", p), Type: "GENERIC"}
		if p >= 8 {
			k.ResponseCode = 200
		}
		o := inventory.Param{ParamKey: k, Count: n, FirstSeen: l.at, LastSeen: l.at, Full: p%3 == 0}
		if !o.Full {
			o.Values = []string{fmt.Sprintf("value %d", l.rand.IntN(8))}
		}
		if p < 5 {
			for range n {
				o.Sketch = o.Sketch.Add(l.rand.Uint32(), inventory.CallerOf(uint32(l.rand.IntN(6))))
			}
			o.Unique, o.Public = o.Sketch.Counts()
		}
		ps = append(ps, o)
	}
	slices.SortFunc(ps, func(a, b inventory.Param) int { return a.Compare(&b.ParamKey) })
	return ps
}

// add adds n records of one endpoint.
func (l *learnedUpdate) add(u *inventory.AccountUpdate, i, n int) {
	k := knownKey(i)
	u.Endpoints = append(u.Endpoints, inventory.Endpoint{
		EndpointKey: k, Count: int64(n), Discovered: l.at, LastSeen: l.at, APIType: "REST",
		AuthTypes: [][]string{{"BEARER"}}, AuthSeen: []int64{l.at}, ResponseCodes: []int{200}, CodeSeen: []int64{l.at}, AccessTypes: []string{"PRIVATE"},
		Sources: map[string]int64{"MIRRORING": l.at}, Origins: []string{"https://api.shop.example"}, Params: l.params(int64(n)),
		Traffic: []inventory.TrafficCount{{Start: inventory.HourOf(l.at), Status: 200, Count: int64(n)}},
	})
	for range min(n, inventory.MaxSamples) {
		l.seq++
		s := inventory.Sample{Endpoint: k, Account: inventory.DefaultAccount, Time: l.at, Source: "MIRRORING"}
		copy(s.ID[:], fmt.Sprintf("%016d", l.seq))
		// Like real ones: those of one endpoint differ less than those of several.
		s.Data = bytes.Repeat([]byte("0123456789abcdef"), 90+i%50+l.rand.IntN(12))
		if i%10 == 0 {
			s.Sensitive = []inventory.ParamKey{{ResponseCode: 200, Name: "order#line11#name", Type: "EMAIL"}}
		}
		u.Samples = append(u.Samples, s)
	}
}

func (l *learnedUpdate) next() *inventory.Update {
	l.at += 2
	u := &inventory.AccountUpdate{}
	counts := map[int]int{}
	var order []int
	for n := 0; len(order) < updateRows; n++ {
		i := int(l.zipf.Uint64())
		if counts[i]++; counts[i] == 1 {
			order = append(order, i)
		}
	}
	for _, i := range order {
		l.add(u, i, counts[i])
	}
	return accountUpdate(u)
}

func fillKnown(b *testing.B, db *sqlite.DB, l *learnedUpdate) {
	b.Helper()
	s := db.Account(inventory.DefaultAccount)
	for i := range knownHosts {
		if _, err := s.EnsureCollection(b.Context(), int32(1+i), l.at); err != nil {
			b.Fatal(err)
		}
	}
	// As an inventory grows: samples of one endpoint come at different times.
	for range 5 {
		u := &inventory.AccountUpdate{}
		for i := range knownEndpoints {
			l.add(u, i, 2)
			if len(u.Endpoints) == 1000 || i == knownEndpoints-1 {
				if err := db.Apply(b.Context(), accountUpdate(u)); err != nil {
					b.Fatal(err)
				}
				u = &inventory.AccountUpdate{}
			}
		}
	}
}

// BenchmarkApplyKnown stores what was learned of endpoints that are known, with
// samples: what the control plane does nearly all the time.
func BenchmarkApplyKnown(b *testing.B) {
	db := open(b, filepath.Join(b.TempDir(), "h.db"))
	l := newLearned()
	fillKnown(b, db, l)
	for range 10 {
		if err := db.Apply(b.Context(), l.next()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	var cpu time.Duration
	var written, records int64
	var n int
	for b.Loop() {
		b.StopTimer()
		u := l.next()
		records += int64(len(u.Accounts[inventory.DefaultAccount].Samples))
		n++
		b.StartTimer()
		cpu0, written0 := spent(b)
		if err := db.Apply(b.Context(), u); err != nil {
			b.Fatal(err)
		}
		cpu1, written1 := spent(b)
		cpu, written = cpu+cpu1-cpu0, written+written1-written0
	}
	rows := float64(n * updateRows)
	b.ReportMetric(float64(cpu.Nanoseconds())/rows/1000, "cpu-us/row")
	b.ReportMetric(float64(written)/rows, "written-B/row")
	b.ReportMetric(float64(records)/rows, "samples/row")
}

// spent is the processor time that this process took and how many bytes it wrote.
func spent(b *testing.B) (cpu time.Duration, written int64) {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	text, _ := os.ReadFile("/proc/self/io") // Linux only
	if _, after, ok := bytes.Cut(text, []byte("wchar: ")); ok {
		line, _, _ := bytes.Cut(after, []byte("\n"))
		written, _ = strconv.ParseInt(string(line), 10, 64)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), written
}
