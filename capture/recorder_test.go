package capture_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"harken/capture"
	"harken/har"
	"harken/ingest"
)

func recorder(tb testing.TB, cfg capture.Config) *capture.Recorder {
	tb.Helper()
	r, err := capture.NewRecorder(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// start runs r and returns a function that stops it and returns Run's error.
func start(tb testing.TB, r *capture.Recorder) (stop func() error) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return func() error { cancel(); return <-done }
}

// get observes one exchange with host, its response body drawn from r.
func get(r *capture.Recorder, host, response string) {
	x := &capture.Exchange{
		Started: noon, Scheme: "http", Host: host, Method: "GET", Target: "/", Status: 200,
		Request: capture.Message{Proto: "HTTP/1.1"}, Response: capture.Message{Proto: "HTTP/1.1", Body: r.Body()},
	}
	_, _ = x.Response.Body.Write([]byte(response))
	r.Observe(x)
}

// balance checks that what was seen is accounted for.
func balance(tb testing.TB, s capture.Stats) {
	tb.Helper()
	sum := s.Put + s.Queued
	for _, n := range s.Dropped {
		sum += n
	}
	if s.Seen != sum {
		tb.Errorf("balance does not close: %+v", s)
	}
}

// A keeper is a Sink that keeps copies of the records.
type keeper struct {
	mu   sync.Mutex
	recs []ingest.Record
}

func (k *keeper) Put(_ context.Context, recs ...*ingest.Record) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range recs {
		c := *r
		c.Data = bytes.Clone(r.Data)
		k.recs = append(k.recs, c)
	}
	return nil
}

func TestRecorderRecord(t *testing.T) {
	var k keeper
	r := recorder(t, capture.Config{Sink: &k, Account: "7", Collection: 5, Tags: map[string]string{"app": "shop"}, BodyMax: 4})
	stop := start(t, r)
	x := exchange()
	x.Request.Body, x.Response.Body = r.Body(), nil
	_, _ = x.Request.Body.Write([]byte("123456"))
	x.Host, x.Direction, x.Source = "API.example.com:443", "2", "PCAP"
	r.Observe(x)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if len(k.recs) != 1 {
		t.Fatalf("%d records, want 1", len(k.recs))
	}
	got := k.recs[0]
	id, data := got.ID, got.Data
	got.ID, got.Data = ingest.ID{}, nil
	want := ingest.Record{
		Account: "7", Collection: 5, Source: "PCAP", Direction: "2", Host: "api.example.com", Time: noon, Flags: ingest.RequestTruncated,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("record (-want +got):\n%s", d)
	}
	for _, part := range []string{id.String(), `"shop"`, har.FlagRequestTruncated} {
		if !json.Valid(data) || !bytes.Contains(data, []byte(part)) {
			t.Errorf("entry without %q: %s", part, data)
		}
	}
	s := r.Stats()
	if balance(t, s); s.Put != 1 || s.QueueBytes != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestRecorderConfig(t *testing.T) {
	sink := &keeper{}
	f := func(cfg capture.Config, want string) {
		t.Helper()
		if _, err := capture.NewRecorder(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewRecorder = %v, want an error with %q", err, want)
		}
	}
	f(capture.Config{}, "no sink")
	f(capture.Config{Sink: sink, QueueBytes: 1}, "queue of 1 bytes")
	f(capture.Config{Sink: sink, BodyMax: -1}, "body limit of -1")
	f(capture.Config{Sink: sink, RecordMax: 1}, "record limit of 1")
	f(capture.Config{Sink: sink, Workers: -1}, "-1 workers")
	f(capture.Config{Sink: sink, Grace: -1}, "grace of -1ns")
	f(capture.Config{Sink: sink, Hosts: []string{"a/b"}}, `hosts: host pattern "a/b"`)
	f(capture.Config{Sink: sink, SkipHosts: []string{"a b"}}, "skip hosts")
	reg := prometheus.NewRegistry()
	recorder(t, capture.Config{Sink: sink, Registerer: reg})
	f(capture.Config{Sink: sink, Registerer: reg}, "register metrics")
}

func TestRecorderHosts(t *testing.T) {
	var k keeper
	r := recorder(t, capture.Config{Sink: &k, Hosts: []string{"*.example.com"}, SkipHosts: []string{"cdn.*"}})
	stop := start(t, r)
	for _, host := range []string{"api.example.com", "cdn.example.com", "other.org"} {
		if want := host == "api.example.com"; r.Wanted(host) != want {
			t.Errorf("Wanted(%q) = %t", host, !want)
		}
		get(r, host, "x")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s := r.Stats()
	if balance(t, s); s.Seen != 3 || s.Put != 1 || s.Dropped["hosts"] != 2 || s.QueueBytes != 0 {
		t.Errorf("stats %+v", s)
	}
}

// While nothing is taken out, bodies are given up first, then exchanges, and the
// memory stays below its bound.
func TestRecorderQueueFull(t *testing.T) {
	const bound = 128 << 10
	var k keeper
	r := recorder(t, capture.Config{Sink: &k, QueueBytes: bound})
	for range 1000 {
		get(r, "h", strings.Repeat("x", 5000))
		if n := r.Stats().QueueBytes; n > bound {
			t.Fatalf("queue of %d bytes, limit %d", n, bound)
		}
	}
	s := r.Stats()
	if balance(t, s); s.Queued < 30 || s.Dropped["queue"] != 1000-s.Queued || s.BodiesDropped == 0 || s.BodiesDropped >= s.Queued {
		t.Errorf("stats %+v", s)
	}
	if err := start(t, r)(); err != nil {
		t.Fatal(err)
	}
	whole, cut := 0, 0
	for _, rec := range k.recs {
		if rec.Flags&ingest.ResponseTruncated != 0 {
			cut++
		} else {
			whole++
		}
	}
	if uint64(cut) != s.BodiesDropped || whole == 0 {
		t.Errorf("%d records whole, %d cut; stats %+v", whole, cut, s)
	}
	if s = r.Stats(); s.QueueBytes != 0 || s.Queued != 0 {
		t.Errorf("after the run: %+v", s)
	}
	get(r, "h", "late")
	if s = r.Stats(); s.Dropped["shutdown"] != 1 || s.QueueBytes != 0 {
		t.Errorf("after a late exchange: %+v", s)
	}
	balance(t, s)
}

func TestRecorderRecordMax(t *testing.T) {
	var k keeper
	r := recorder(t, capture.Config{Sink: &k, RecordMax: 64 << 10})
	stop := start(t, r)
	big := strings.Repeat("x", 100<<10)
	x := exchange()
	x.Request.Body, x.Response.Body = r.Body(), r.Body()
	_, _ = x.Request.Body.Write([]byte("small"))
	_, _ = x.Response.Body.Write([]byte(big))
	r.Observe(x)
	x = exchange()
	x.Target += big
	r.Observe(x)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s := r.Stats()
	if balance(t, s); s.Put != 1 || s.Dropped["record-max"] != 1 || k.recs[0].Flags != ingest.ResponseTruncated || len(k.recs[0].Data) > 64<<10 {
		t.Errorf("stats %+v, record of %d bytes, flags %v", s, len(k.recs[0].Data), k.recs[0].Flags.Texts())
	}
}

// An exchange without a time gets one, in the entry as in the record.
func TestRecorderNow(t *testing.T) {
	var k keeper
	r := recorder(t, capture.Config{Sink: &k, Now: func() time.Time { return noon }})
	stop := start(t, r)
	r.Observe(&capture.Exchange{Scheme: "http", Host: "h:80", Method: "GET", Target: "/"})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if rec := k.recs[0]; !rec.Time.Equal(noon) || rec.Host != "h" || !bytes.Contains(rec.Data, []byte("2026-03-04T12:00:00")) {
		t.Errorf("time %v, host %q, entry %s", rec.Time, rec.Host, rec.Data)
	}
}

// What a sink will never take is dropped and does not hold up the rest.
func TestRecorderRejected(t *testing.T) {
	var k keeper
	sink := ingest.SinkFunc(func(ctx context.Context, recs ...*ingest.Record) error {
		var rejected []ingest.Rejection
		for i, rec := range recs {
			if rec.Host == "bad" {
				rejected = append(rejected, ingest.Rejection{Index: i, Reason: "too bad"})
			} else if err := k.Put(ctx, rec); err != nil {
				return err
			}
		}
		if rejected != nil {
			return &ingest.RejectedError{Records: rejected}
		}
		return nil
	})
	r := recorder(t, capture.Config{Sink: sink})
	for _, host := range []string{"good", "bad", "good", "bad"} {
		get(r, host, "x")
	}
	if err := start(t, r)(); err != nil {
		t.Fatal(err)
	}
	s := r.Stats()
	if balance(t, s); s.Put != 2 || s.Dropped["rejected"] != 2 || len(k.recs) != 2 || s.PutErrors != 0 {
		t.Errorf("stats %+v", s)
	}
}

type panicError struct{}

func (panicError) Error() string { panic("no text") }

func TestRecorderPanic(t *testing.T) {
	var k keeper
	r := recorder(t, capture.Config{Sink: &k})
	stop := start(t, r)
	x := exchange()
	x.Err = panicError{}
	r.Observe(x)
	get(r, "h", "fine")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s := r.Stats()
	if balance(t, s); s.Put != 1 || s.Dropped["panic"] != 1 || s.QueueBytes != 0 {
		t.Errorf("stats %+v", s)
	}
}

// A sink that is out gets its records again with growing pauses, and the log has
// one line for each change.
func TestRecorderBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		var tries []time.Duration
		var k keeper
		begin := time.Now()
		sink := ingest.SinkFunc(func(ctx context.Context, recs ...*ingest.Record) error {
			tries = append(tries, time.Since(begin))
			if len(tries) < 10 {
				return errors.New("disk full")
			}
			return k.Put(ctx, recs...)
		})
		r := recorder(t, capture.Config{Sink: sink, Log: slog.New(slog.NewTextHandler(&logged, nil))})
		stop := start(t, r)
		get(r, "h", "x")
		synctest.Wait()
		if s := r.Stats(); !s.Failing || s.Queued != 1 || s.PutErrors != 1 {
			t.Errorf("while the sink is out: %+v", s)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		ms := time.Millisecond
		want := []time.Duration{0, 50 * ms, 150 * ms, 350 * ms, 750 * ms, 1550 * ms, 3150 * ms, 6350 * ms, 11350 * ms, 16350 * ms}
		if d := cmp.Diff(want, tries); d != "" {
			t.Errorf("tries (-want +got):\n%s", d)
		}
		s := r.Stats()
		if balance(t, s); s.Failing || s.Put != 1 || len(k.recs) != 1 || s.PutErrors != 9 {
			t.Errorf("stats %+v", s)
		}
		if n := strings.Count(logged.String(), "\n"); n != 2 {
			t.Errorf("%d lines logged, want 2:\n%s", n, logged.String())
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

// The end of Run waits for a sink that hangs, but not longer than the grace.
func TestRecorderGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := ingest.SinkFunc(func(ctx context.Context, _ ...*ingest.Record) error {
			<-ctx.Done()
			return ctx.Err()
		})
		r := recorder(t, capture.Config{Sink: sink, Grace: 3 * time.Second})
		stop := start(t, r)
		for range 200 {
			get(r, "h", "x")
		}
		synctest.Wait()
		begin := time.Now()
		err := stop()
		if err == nil || !strings.Contains(err.Error(), "200 exchanges") || time.Since(begin) != 3*time.Second {
			t.Errorf("Run = %v after %v", err, time.Since(begin))
		}
		s := r.Stats()
		if balance(t, s); s.Dropped["shutdown"] != 200 || s.QueueBytes != 0 {
			t.Errorf("stats %+v", s)
		}
		if err := r.Run(t.Context()); err == nil {
			t.Error("second Run worked")
		}
	})
}

// Many observers, a sink that is slow and fails: nothing blocks, memory keeps to
// its bound and every exchange is accounted for, at all times.
func TestRecorderLoad(t *testing.T) {
	const observers, each, bound = 64, 200, 1 << 20
	gate := make(chan struct{})
	var calls, got atomic.Int64
	sink := ingest.SinkFunc(func(ctx context.Context, recs ...*ingest.Record) error {
		n := calls.Add(1)
		if n%3 == 0 {
			return errors.New("now and then")
		}
		if n < 5 {
			select {
			case <-gate:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		for _, rec := range recs {
			if !json.Valid(rec.Data) {
				t.Errorf("record is not JSON: %.200s", rec.Data)
			}
		}
		got.Add(int64(len(recs)))
		return nil
	})
	r := recorder(t, capture.Config{Sink: sink, QueueBytes: bound, BodyMax: 64 << 10, Workers: 2, Grace: time.Minute})
	stop := start(t, r)
	var wg sync.WaitGroup
	for i := range observers {
		wg.Go(func() {
			chunk := bytes.Repeat([]byte{byte('a' + i%26)}, 1500)
			for j := range each {
				x := exchange()
				x.Request.Body, x.Response.Body = r.Body(), r.Body()
				var late sync.WaitGroup
				late.Go(func() { _, _ = x.Request.Body.Write(chunk) })
				for range j % 20 {
					_, _ = x.Response.Body.Write(chunk)
				}
				r.Observe(x)
				late.Wait()
				if s := r.Stats(); s.QueueBytes > bound {
					t.Errorf("queue of %d bytes", s.QueueBytes)
				}
				balance(t, r.Stats())
			}
		})
	}
	wg.Wait() // while the sink is shut: Observe does not wait for it
	close(gate)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s := r.Stats()
	if balance(t, s); s.Seen != observers*each || s.Put != uint64(got.Load()) || s.Queued != 0 || s.QueueBytes != 0 || s.Dropped["queue"] == 0 {
		t.Errorf("stats %+v, sink has %d", s, got.Load())
	}
}

func TestRecorderMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	r := recorder(t, capture.Config{Sink: &keeper{}, Registerer: reg, Hosts: []string{"h"}})
	get(r, "h", "x")
	get(r, "other", "x")
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += "/" + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	want := map[string]float64{
		"recorder_exchanges_total": 2, "recorder_records_total": 0, "recorder_queue_exchanges": 1,
		"recorder_queue_bytes": float64(r.Stats().QueueBytes), "recorder_queue_limit_bytes": 32 << 20,
		"recorder_dropped_total/hosts": 1, "recorder_dropped_total/queue": 0, "recorder_dropped_total/panic": 0, "recorder_dropped_total/rejected": 0,
		"recorder_dropped_total/record-max": 0, "recorder_dropped_total/shutdown": 0,
		"recorder_bodies_dropped_total/queue-bodies": 0, "recorder_put_errors_total": 0,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("metrics (-want +got):\n%s", d)
	}
}
