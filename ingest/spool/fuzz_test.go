package spool_test

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"harken/ingest"
	"harken/ingest/spool"
)

func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// Whatever is in a segment file, the log opens, takes records, and gives those.
func FuzzSegment(f *testing.F) {
	_, segs := fill(f, 3, 0)
	whole, err := os.ReadFile(segs[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(append(whole[:60:60], whole[50:]...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "00000000000000000001.log"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := spool.Open(spool.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		put(t, l, record(7))
		l.Seal()
		got := drain(t, reader(t, l, "a"))
		if n, ok := isRecord(got[len(got)-1]); !ok || n != 7 {
			t.Errorf("the new record is %q", got[len(got)-1].Data)
		}
		last := ingest.Origin{}
		for _, r := range got {
			if r.Origin.Log == last.Log && r.Origin.Seq <= last.Seq {
				t.Errorf("origin %v after %v", r.Origin, last)
			}
		}
	})
}
