package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"harken/ingest"
)

// batches is a Source of a fixed list.
type batches struct {
	list  []ingest.Batch
	fails int
}

func (b *batches) Next(ctx context.Context) (ingest.Batch, error) {
	if b.fails > 0 {
		b.fails--
		return ingest.Batch{}, errors.New("disk on fire")
	}
	if len(b.list) == 0 {
		return ingest.Batch{}, io.EOF
	}
	next := b.list[0]
	b.list = b.list[1:]
	return next, ctx.Err()
}

func records(n int) []*ingest.Record {
	recs := make([]*ingest.Record, n)
	for i := range recs {
		recs[i] = &ingest.Record{Origin: ingest.Origin{Log: "l", Seq: int64(i + 1)}, Data: fmt.Appendf(nil, `{"n":%d}`, i)}
	}
	return recs
}

func pump(t *testing.T, cfg ingest.PumpConfig) *ingest.Pump {
	t.Helper()
	p, err := ingest.NewPump(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func counter(t *testing.T, reg *prometheus.Registry, name string) (n float64) {
	t.Helper()
	fams, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fams {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

func TestPumpRetriesUntilTheSinkTakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		start := time.Now()
		var order []string
		ackFails := 1
		src := &batches{fails: 2, list: []ingest.Batch{
			{Records: records(3), Ack: func(context.Context) error {
				if ackFails--; ackFails >= 0 {
					return errors.New("disk full")
				}
				order = append(order, "ack")
				return nil
			}},
			{Records: records(2)},
		}}
		putFails := 12
		sink := ingest.SinkFunc(func(_ context.Context, recs ...*ingest.Record) error {
			if putFails--; putFails >= 0 {
				return errors.New("broker away")
			}
			order = append(order, fmt.Sprintf("put %d", len(recs)))
			return nil
		})
		p := pump(t, ingest.PumpConfig{Source: src, Sink: sink, Name: "x", Registerer: reg})
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(order); got != "[put 3 ack put 2]" {
			t.Errorf("order %s", got)
		}
		// 0.1 + 0.2 + ... + 25.6 + 3 * 30 s, each between half and whole.
		if d := time.Since(start); d < 70*time.Second || d > 142*time.Second {
			t.Errorf("took %v", d)
		}
		if n := counter(t, reg, "pump_retries_total"); n != 15 {
			t.Errorf("%v retries, want 15", n)
		}
		if n := counter(t, reg, "pump_records_total"); n != 5 {
			t.Errorf("%v records, want 5", n)
		}
	})
}

func TestPumpPassesOverRejectedRecords(t *testing.T) {
	reg := prometheus.NewRegistry()
	acked := 0
	src := &batches{list: []ingest.Batch{{Records: records(3), Ack: func(context.Context) error { acked++; return nil }}}}
	sink := ingest.SinkFunc(func(context.Context, ...*ingest.Record) error {
		return fmt.Errorf("kafka: %w", ingest.Reject(1, "too large"))
	})
	if err := pump(t, ingest.PumpConfig{Source: src, Sink: sink, Registerer: reg}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if acked != 1 || counter(t, reg, "records_dropped_total") != 1 || counter(t, reg, "pump_records_total") != 2 {
		t.Errorf("acked %d, dropped %v, taken %v", acked, counter(t, reg, "records_dropped_total"), counter(t, reg, "pump_records_total"))
	}
}

func TestPumpWaitsAsLongAsItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, tries := time.Now(), 0
		sink := ingest.SinkFunc(func(context.Context, ...*ingest.Record) error {
			if tries++; tries == 1 {
				return &ingest.BusyError{After: 17 * time.Second, Err: errors.New("429")}
			}
			return nil
		})
		if err := pump(t, ingest.PumpConfig{Source: &batches{list: []ingest.Batch{{Records: records(1)}}}, Sink: sink}).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 17*time.Second {
			t.Errorf("waited %v, want 17s", d)
		}
	})
}

func TestPumpStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		sink := ingest.SinkFunc(func(context.Context, ...*ingest.Record) error { return errors.New("away") })
		ack := func(context.Context) error { t.Error("acknowledged"); return nil }
		if err := pump(t, ingest.PumpConfig{Source: &batches{list: []ingest.Batch{{Records: records(1), Ack: ack}}}, Sink: sink}).Run(ctx); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}
