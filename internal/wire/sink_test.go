package wire_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"harken/har"
	"harken/ingest"
	"harken/ingest/spool"
	"harken/internal/flagenv"
	"harken/internal/obs"
	"harken/internal/wire"
)

func deps() wire.Deps {
	return wire.Deps{Log: slog.New(slog.DiscardHandler), Registry: obs.NewRegistry("test")}
}

func record(t *testing.T, path string) *ingest.Record {
	t.Helper()
	return ingest.NewRecord(&har.Entry{Started: time.Now(), Request: har.Request{Method: "GET", URL: "http://api.example" + path}}, time.Now())
}

// deliver runs a delivery to the sinks until everything put is taken.
func deliver(t *testing.T, dir string, sinks *wire.Sinks, urls []string, paths ...string) {
	t.Helper()
	log, err := spool.Open(spool.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	d := deps()
	var named []wire.NamedSink
	for _, u := range urls {
		s, err := sinks.Open(d, u)
		if err != nil {
			t.Fatal(err)
		}
		named = append(named, s)
	}
	del, err := wire.NewDelivery(d, log, named)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		if err := log.Put(t.Context(), record(t, p)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := del.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if n := del.Unsent(); n != 0 {
		t.Fatalf("%d records unsent", n)
	}
}

func TestDelivery(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	sinks := &wire.Sinks{}
	a, b := filepath.Join(dir, "a.ndjson"), filepath.Join(dir, "b.ndjson")
	got := func(file string) string {
		t.Helper()
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var paths []string
		for line := range strings.Lines(string(data)) {
			var e har.Entry
			if err := har.DecodeEntry([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, strings.TrimPrefix(e.Request.URL, "http://api.example"))
		}
		return strings.Join(paths, " ")
	}
	deliver(t, log, sinks, []string{"ndjson:" + a}, "/1", "/2")
	// A second sink beside the first begins with what comes now.
	deliver(t, log, sinks, []string{"ndjson:" + a, "ndjson:" + b}, "/3")
	if g := got(a); g != "/1 /2 /3" {
		t.Errorf("a holds %q", g)
	}
	if g := got(b); g != "/3" {
		t.Errorf("b holds %q, want what was recorded since it is named", g)
	}
	// A sink that replaces others gets nothing that they have taken.
	c := filepath.Join(dir, "c.har")
	deliver(t, log, sinks, []string{"har:" + c}, "/4")
	f, err := os.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if sum, _, err := har.Summarize(f); err != nil || sum.Entries != 1 {
		t.Errorf("c.har has %d entries, %v; want 1", sum.Entries, err)
	}
}

// What a former sink did not take goes to its successor.
func TestDeliveryTakesOver(t *testing.T) {
	dir := t.TempDir()
	logDir := filepath.Join(dir, "log")
	log, err := spool.Open(spool.Config{Dir: logDir})
	if err != nil {
		t.Fatal(err)
	}
	away := ingest.SinkFunc(func(context.Context, ...*ingest.Record) error { return errors.New("away") })
	if _, err := wire.NewDelivery(deps(), log, []wire.NamedSink{{Name: "kafka://away/t", Sink: away}}); err != nil {
		t.Fatal(err)
	}
	if err := log.Put(t.Context(), record(t, "/waits")); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out.ndjson")
	deliver(t, logDir, &wire.Sinks{}, []string{"ndjson:" + out}, "/new")
	data, err := os.ReadFile(out)
	if err != nil || strings.Count(string(data), "\n") != 2 {
		t.Errorf("the new sink holds %q, %v; want two records", data, err)
	}
}

func TestSinkURLs(t *testing.T) {
	var out bytes.Buffer
	s := &wire.Sinks{Stdout: &out}
	for _, bad := range []string{"", "ftp://h/", "har:", "ndjson:", "kafka://", "kafka://user:secret@h/t", "kafka://h/t?nope=1", "http://"} {
		_, err := s.Open(deps(), bad)
		if _, ok := errors.AsType[*flagenv.Error](err); !ok || !strings.Contains(err.Error(), "-sink") {
			t.Errorf("Open(%q) = %v, want an error of -sink", bad, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%q) tells the password: %v", bad, err)
		}
	}
	n, err := s.Open(deps(), "ndjson:-")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Sink.Put(t.Context(), record(t, "/x")); err != nil || !strings.HasSuffix(out.String(), "}\n") {
		t.Errorf("ndjson:- wrote %q, %v", out.String(), err)
	}
}
