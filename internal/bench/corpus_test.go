package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"harken/ingest"
)

func smallCorpus(t *testing.T, size corpusSize) *corpus {
	t.Helper()
	dir := os.Getenv("HARKEN_CASES")
	if dir == "" {
		t.Skip("HARKEN_CASES is not set")
	}
	docs, err := readDocuments(filepath.Join(dir, "openapi"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCorpus(docs, size)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestQuality(t *testing.T) {
	c := smallCorpus(t, corpusSize{Seed: 1, Hosts: 40, Endpoints: 1000})
	t.Log(c.describe())
	// As often as the large corpus calls an endpoint.
	for _, noWords := range []bool{false, true} {
		db, seen, err := learnCorpus(t.Context(), c, t.TempDir(), 20_000, drawMixed, noWords)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		q, err := measureQuality(t.Context(), c, db, seen, true)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("no words %v: %v", noWords, q)
		if q.rulePrecision() < 0.995 || q.ruleRecall() < 0.995 {
			t.Errorf("no words %v: of what the rules can find precision %.4f, recall %.4f, want 0.995 for both", noWords, q.rulePrecision(), q.ruleRecall())
		}
		// What only names that people chose tell apart is not found by a few requests.
		if q.precision() < 0.96 || q.recall() < 0.99 {
			t.Errorf("no words %v: precision %.4f, recall %.4f, want 0.96 and 0.99", noWords, q.precision(), q.recall())
		}
	}
}

// The same seed gives the same bytes.
func TestTrafficIsReproducible(t *testing.T) {
	size := corpusSize{Seed: 7, Hosts: 20, Endpoints: 500}
	a, b := newTraffic(smallCorpus(t, size), 3, drawMixed), newTraffic(smallCorpus(t, size), 3, drawMixed)
	var x, y ingest.Record
	total := 0
	for range 2000 {
		if i, j := a.next(&x), b.next(&y); i != j || !bytes.Equal(x.Data, y.Data) {
			t.Fatalf("endpoint %d: %s\nendpoint %d: %s", i, x.Data, j, y.Data)
		}
		total += len(x.Data)
	}
	if mean := total / 2000; mean < 1800 || mean > 2200 {
		t.Errorf("records have %d bytes, want about 2,000", mean)
	}
}
