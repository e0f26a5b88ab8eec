package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"harken/ingest"
	"harken/ingest/learn"
	"harken/ingest/spool"
	"harken/internal/store/sqlite"
)

// A learned is what a process that only learns says of itself. Its first records
// are not measured: they fill its caches.
type learned struct {
	Records  int
	Wall     time.Duration
	CPU      time.Duration
	P50, P99 time.Duration // from taken by the learner to committed, by records
	Max      time.Duration
	PeakRSS  int // MiB, of all its life
	Allocs   float64
}

func (l *learned) rate() float64 { return float64(l.Records) / l.Wall.Seconds() }
func (l *learned) perRecord() time.Duration {
	return l.CPU / time.Duration(max(1, l.Records))
}

func (l *learned) String() string {
	return fmt.Sprintf("%8.0f records/s  %6v CPU/record  %5.1f allocations/record  commit p50 %v p99 %v max %v  peak RSS %d MiB",
		l.rate(), l.perRecord().Round(100*time.Nanosecond), l.Allocs, l.P50.Round(time.Millisecond), l.P99.Round(time.Millisecond),
		l.Max.Round(time.Millisecond), l.PeakRSS)
}

// spoolOf makes a log with n records.
func spoolOf(ctx context.Context, dir string, t *traffic, n int) error {
	log, err := spool.Open(spool.Config{Dir: logDir(dir), MaxBytes: 1 << 40})
	if err != nil {
		return err
	}
	recs := make([]*ingest.Record, 256)
	for i := range recs {
		recs[i] = &ingest.Record{}
	}
	if _, err := log.Reader("learner"); err != nil {
		return err
	}
	for n > 0 {
		k := min(n, len(recs))
		for _, r := range recs[:k] {
			t.next(r)
		}
		if err := log.Put(ctx, recs[:k]...); err != nil {
			return err
		}
		n -= k
	}
	return log.Close()
}

func logDir(dir string) string { return filepath.Join(dir, "log", "akto.api.logs") }

// learnChild has another process learn the log in dir into the store in data.
func learnChild(ctx context.Context, dir, data string, warm int, profile string) (*learned, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-role", "learn", "-keep", data, "-records", strconv.Itoa(warm), "-openapi", dir, "-profile", profile)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("learning process: %w", err)
	}
	l := new(learned)
	return l, json.Unmarshal(out, l)
}

// runLearn is the process: it learns all of a log, and prints a learned.
func runLearn(ctx context.Context, dir, data string, warm int, profile string) error {
	debug.SetGCPercent(200) // as harken-control does
	debug.SetMemoryLimit(225 << 20)
	db, err := sqlite.Open(ctx, filepath.Join(data, "harken.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	log, err := spool.Open(spool.Config{Dir: logDir(dir), MaxBytes: 1 << 40})
	if err != nil {
		return err
	}
	defer log.Close()
	reader, err := log.Reader("learner")
	if err != nil {
		return err
	}
	log.Seal()
	src := &timed{source: reader, warm: warm}
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		src.begun = func() { _ = pprof.StartCPUProfile(f) }
		defer pprof.StopCPUProfile()
	}
	l, err := learn.New(learn.Config{Source: src, Stores: db})
	if err != nil {
		return err
	}
	if err := l.Run(ctx); err != nil {
		return err
	}
	out := src.result()
	if profile != "" {
		if err := heapProfile(profile + ".heap"); err != nil {
			return err
		}
	}
	out.PeakRSS = (&peer{cmd: &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}}).peakRSS()
	return json.NewEncoder(os.Stdout).Encode(out)
}

// heapProfile writes what is in memory now.
func heapProfile(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	runtime.GC()
	return errors.Join(pprof.WriteHeapProfile(f), f.Close())
}

// A timed source notes when a batch was taken and when it was committed: its
// acknowledgement comes after the commit of its last record.
type timed struct {
	source ingest.Source
	warm   int
	begun  func()

	mu      sync.Mutex
	taken   int
	waiting []batchTime
	done    []batchTime
	records int
	from    time.Time
	cpu     time.Duration
	mallocs uint64
	to      time.Time
}

type batchTime struct {
	n  int
	at time.Time
	d  time.Duration
}

func (s *timed) Next(ctx context.Context) (ingest.Batch, error) {
	b, err := s.source.Next(ctx)
	if err != nil {
		return b, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.taken += len(b.Records)
	if s.taken > s.warm {
		if s.from.IsZero() {
			s.from, s.cpu, s.mallocs = now, cpuTime(), mallocs()
			if s.begun != nil {
				s.begun()
			}
		}
		s.waiting = append(s.waiting, batchTime{n: len(b.Records), at: now})
		s.records += len(b.Records)
	}
	last, ack := len(s.done)+len(s.waiting), b.Ack
	b.Ack = func(ctx context.Context) error {
		s.mu.Lock()
		now := time.Now()
		n := last - len(s.done)
		for _, w := range s.waiting[:n] {
			w.d = now.Sub(w.at)
			s.done = append(s.done, w)
		}
		s.waiting = slices.Delete(s.waiting, 0, n)
		s.to = now
		s.mu.Unlock()
		return ack(ctx)
	}
	return b, nil
}

func (s *timed) result() *learned {
	out := &learned{Records: s.records, Wall: s.to.Sub(s.from), CPU: cpuTime() - s.cpu}
	out.Allocs = float64(mallocs()-s.mallocs) / float64(max(1, s.records))
	slices.SortFunc(s.done, func(a, b batchTime) int { return cmp.Compare(a.d, b.d) })
	n := 0
	for _, d := range s.done {
		n += d.n
		if n*2 <= s.records {
			out.P50 = d.d
		}
		if n*100 <= s.records*99 {
			out.P99 = d.d
		}
		out.Max = d.d
	}
	return out
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fileSize is the size of a file in MiB.
func fileSize(name string) int64 {
	st, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return st.Size() >> 20
}
