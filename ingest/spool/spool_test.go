package spool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"harken/ingest"
	"harken/ingest/spool"
)

func open(tb testing.TB, cfg spool.Config) *spool.Log {
	tb.Helper()
	l, err := spool.Open(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	return l
}

func reader(tb testing.TB, l *spool.Log, name string) *spool.Reader {
	tb.Helper()
	r, err := l.Reader(name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = r.Close() })
	return r
}

func record(n int) *ingest.Record {
	now := time.Unix(1767225600+int64(n), 123456789).UTC()
	return &ingest.Record{
		ID: ingest.NewID(now), Account: "1000000", Collection: -7, Source: "MIRRORING", Direction: "1",
		Host: "api.shop.example:8443", Time: now, Flags: ingest.Gap, Form: ingest.FormAkto,
		Data: fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, n, strings.Repeat("x", n%97)),
	}
}

func put(tb testing.TB, l *spool.Log, recs ...*ingest.Record) {
	tb.Helper()
	if err := l.Put(tb.Context(), recs...); err != nil {
		tb.Fatal(err)
	}
}

// clone copies what is valid until the next Next only.
func clone(r *ingest.Record) *ingest.Record {
	c := *r
	c.Data = bytes.Clone(r.Data)
	return &c
}

// drain reads to the end of a sealed log, acknowledging all.
func drain(tb testing.TB, r *spool.Reader) []*ingest.Record {
	tb.Helper()
	var got []*ingest.Record
	for {
		b, err := r.Next(tb.Context())
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			tb.Fatal(err)
		}
		for _, rec := range b.Records {
			got = append(got, clone(rec))
		}
		if err := b.Ack(tb.Context()); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestPutGivesBackEveryField(t *testing.T) {
	l := open(t, spool.Config{Dir: t.TempDir()})
	foreign := record(2)
	foreign.Origin = ingest.Origin{Log: "other", Seq: 41}
	zero := &ingest.Record{Data: []byte("{}")}
	in := []*ingest.Record{record(1), foreign, zero}
	put(t, l, in...)
	l.Seal()
	id := l.Stats().LogID
	want := []*ingest.Record{clone(in[0]), clone(in[1]), clone(in[2])}
	want[0].Origin = ingest.Origin{Log: id, Seq: 1}
	want[2].Origin = ingest.Origin{Log: id, Seq: 3}
	want[2].Time = time.Time{}
	got := drain(t, reader(t, l, "a"))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("records (-want +got)\n%s", d)
	}
	if err := l.Put(t.Context(), record(1)); !errors.Is(err, spool.ErrSealed) {
		t.Errorf("Put on a sealed log = %v, want ErrSealed", err)
	}
}

func TestReaderGoesOnBehindItsAck(t *testing.T) {
	dir := t.TempDir()
	l := open(t, spool.Config{Dir: dir, BatchRecords: 10})
	for i := range 35 {
		put(t, l, record(i))
	}
	r := reader(t, l, "a")
	for range 2 {
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Next(t.Context()); err != nil { // given, not acknowledged
		t.Fatal(err)
	}
	id := l.Stats().LogID
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, spool.Config{Dir: dir})
	if got := l.Stats().LogID; got != id {
		t.Errorf("log id after a clean close = %s, want %s", got, id)
	}
	put(t, l, record(35))
	l.Seal()
	got := drain(t, reader(t, l, "a"))
	if len(got) != 16 || got[0].Origin != (ingest.Origin{Log: id, Seq: 21}) || got[15].Origin.Seq != 36 {
		t.Errorf("%d records from %v, want 16 from 21", len(got), got[0].Origin)
	}
	if got := len(drain(t, reader(t, l, "b"))); got != 36 {
		t.Errorf("a new reader has %d records, want 36", got)
	}
}

func TestUncleanOpenBeginsANewLogID(t *testing.T) {
	dir := t.TempDir()
	l := open(t, spool.Config{Dir: dir})
	put(t, l, record(1))
	copied := t.TempDir()
	if err := os.CopyFS(filepath.Join(copied, "log"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	l2 := open(t, spool.Config{Dir: filepath.Join(copied, "log")})
	put(t, l2, record(2))
	l2.Seal()
	got := drain(t, reader(t, l2, "a"))
	if len(got) != 2 || got[0].Origin.Log != l.Stats().LogID || got[1].Origin.Log == got[0].Origin.Log || got[1].Origin.Seq != 2 {
		t.Errorf("records after an unclean open: %v", got)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, spool.Config{Dir: dir})
	_, err := spool.Open(spool.Config{Dir: dir})
	if !errors.Is(err, spool.ErrInUse) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("Open = %v, want the directory and the pid", err)
	}
}

func TestNextWaits(t *testing.T) {
	l := open(t, spool.Config{Dir: t.TempDir()})
	r := reader(t, l, "a")
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error)
	go func() {
		b, err := r.Next(ctx)
		if err == nil && len(b.Records) != 1 {
			err = fmt.Errorf("%d records, want 1", len(b.Records))
		}
		got <- err
		_, err = r.Next(ctx)
		got <- err
	}()
	put(t, l, record(1))
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("Next of a done context = %v", err)
	}
}

func TestRetentionKeepsAndDrops(t *testing.T) {
	reg := prometheus.NewRegistry()
	l := open(t, spool.Config{Dir: t.TempDir(), SegmentBytes: 4 << 10, MaxBytes: 32 << 10, KeepBytes: 8 << 10, Registerer: reg})
	slow := reader(t, l, "slow")
	const all = 1000
	for i := range all {
		put(t, l, record(i))
		if s := l.Stats(); s.Bytes > 32<<10 {
			t.Fatalf("%d bytes on disk, limit 32 KiB", s.Bytes)
		}
	}
	l.Seal()
	got := drain(t, slow)
	if len(got) == 0 || got[len(got)-1].Origin.Seq != all {
		t.Fatalf("%d records, want the newest", len(got))
	}
	if d := metric(t, reg, "records_dropped_total", "spool-full"); int(d)+len(got) != all {
		t.Errorf("%v dropped + %d read, want %d", d, len(got), all)
	}
	if s := l.Stats(); s.Unsent != 0 || s.Bytes > 16<<10 || s.Segments < 2 {
		t.Errorf("after all was acknowledged: %+v", s)
	}
	if n := metric(t, reg, "spool_records_appended_total", ""); n != all {
		t.Errorf("appended = %v, want %d", n, all)
	}
}

func metric(tb testing.TB, reg *prometheus.Registry, name, label string) float64 {
	tb.Helper()
	fams, err := reg.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range fams {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

func TestABlockedReaderDoesNotHoldAnother(t *testing.T) {
	l := open(t, spool.Config{Dir: t.TempDir(), SegmentBytes: 4 << 10})
	reader(t, l, "blocked")
	fast := reader(t, l, "fast")
	for i := range 300 {
		put(t, l, record(i))
	}
	l.Seal()
	if n := len(drain(t, fast)); n != 300 {
		t.Errorf("fast reader has %d records, want 300", n)
	}
	if s := l.Stats(); s.Unsent != 300 || s.First != 1 {
		t.Errorf("the blocked reader's records are gone: %+v", s)
	}
}

func TestPutRefusesWhatItCannotHold(t *testing.T) {
	l := open(t, spool.Config{Dir: t.TempDir(), SegmentBytes: 1 << 20, BatchBytes: 64 << 10})
	giant := record(1)
	giant.Data = make([]byte, spool.MaxRecordBytes+1)
	large := record(2)
	large.Data = bytes.Repeat([]byte("x"), 3<<20)
	header := record(3)
	header.Host = strings.Repeat("h", 70<<10)
	err := l.Put(t.Context(), giant, large, header, record(4))
	rejected, ok := errors.AsType[*ingest.RejectedError](err)
	if !ok || len(rejected.Records) != 2 || rejected.Records[0].Index != 0 || rejected.Records[1].Index != 2 {
		t.Fatalf("Put = %v, want records 0 and 2 rejected", err)
	}
	l.Seal()
	got := drain(t, reader(t, l, "a"))
	if len(got) != 2 || !bytes.Equal(got[0].Data, large.Data) || !bytes.Equal(got[1].Data, record(4).Data) {
		t.Errorf("%d records, want the two that fit", len(got))
	}
}

func TestScan(t *testing.T) {
	l := open(t, spool.Config{Dir: t.TempDir(), SegmentBytes: 2 << 10})
	var want []string
	for i := range 100 {
		r := record(i)
		if i%2 == 1 {
			r.Origin = ingest.Origin{Log: "agent", Seq: int64(i/10 + 1)} // many repeats
		}
		put(t, l, r)
		if (i%2 == 0 || i%10 == 1) && i >= 10 && i < 50 {
			want = append(want, string(r.Data))
		}
	}
	var got []string
	err := l.Scan(t.Context(), record(10).Time, record(50).Time, func(r *ingest.Record) error {
		got = append(got, string(r.Data))
		return nil
	})
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("Scan = %v (-want +got)\n%s", err, d)
	}
	stop := errors.New("stop")
	if err := l.Scan(t.Context(), time.Time{}, time.Time{}, func(*ingest.Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Scan = %v, want yield's error", err)
	}
}

// Several writers and readers, retention and scans at once: each reader has every
// record once, and each writer's records in its order.
func TestConcurrentUse(t *testing.T) {
	l := open(t, spool.Config{Dir: t.TempDir(), SegmentBytes: 16 << 10, BatchRecords: 32, KeepBytes: 32 << 10})
	const writers, each, readers = 4, 500, 3
	var wg, writing sync.WaitGroup
	results := make([][]*ingest.Record, readers)
	for i := range readers {
		r := reader(t, l, fmt.Sprintf("r%d", i))
		wg.Go(func() { results[i] = drain(t, r) })
	}
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				r := record(i)
				r.Host = fmt.Sprintf("w%d", w)
				if err := l.Put(t.Context(), r); err != nil {
					t.Error(err)
				}
				if i%100 == 0 {
					if err := l.Scan(t.Context(), time.Time{}, time.Time{}, func(*ingest.Record) error { return nil }); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	writing.Wait()
	l.Seal()
	wg.Wait()
	for i, got := range results {
		if len(got) != writers*each {
			t.Fatalf("reader %d has %d records, want %d", i, len(got), writers*each)
		}
		next := map[string]int{}
		for j, r := range got {
			if r.Origin.Seq != int64(j+1) {
				t.Fatalf("record %d has number %d", j, r.Origin.Seq)
			}
			if want := record(next[r.Host]).Data; !bytes.Equal(r.Data, want) {
				t.Fatalf("writer %s, record %d: %s, want %s", r.Host, next[r.Host], r.Data, want)
			}
			next[r.Host]++
		}
	}
}

func TestForgetAndNames(t *testing.T) {
	dir := t.TempDir()
	l := open(t, spool.Config{Dir: dir, SegmentBytes: 2 << 10})
	r := reader(t, l, "old")
	if err := l.Forget("old"); err == nil {
		t.Error("Forget of an open reader succeeded")
	}
	if _, err := l.Reader("old"); err == nil {
		t.Error("a name was opened twice")
	}
	for _, bad := range []string{"", "../x", ".x", "A", strings.Repeat("x", 65)} {
		if _, err := l.Reader(bad); err == nil {
			t.Errorf("Reader(%q) succeeded", bad)
		}
	}
	put(t, l, record(1))
	b, err := r.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	if err := b.Ack(t.Context()); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("Ack of a closed reader = %v", err)
	}
	if err := l.Forget("old"); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.ack"))
	if err != nil || len(names) != 0 {
		t.Errorf("positions left: %v %v", names, err)
	}
}

func TestSegmentNamesSort(t *testing.T) {
	dir := t.TempDir()
	l := open(t, spool.Config{Dir: dir, SegmentBytes: 1 << 10})
	for i := range 100 {
		put(t, l, record(i))
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	if len(names) < 10 || !slices.IsSorted(names) || filepath.Base(names[0]) != "00000000000000000001.log" {
		t.Errorf("segments %v", names)
	}
}
