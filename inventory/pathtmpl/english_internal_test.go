package pathtmpl

import (
	"runtime"
	"testing"
	"time"
)

// The word list is made so that a lazy load is not felt and its memory is small;
// a larger list must not change that unseen.
func TestVocabularyCost(t *testing.T) {
	start := time.Now()
	w := loadVocabulary()
	t.Logf("loaded in %v: %d bytes of text, %d bytes of table", time.Since(start), len(w.text), 4*len(w.slots))
	if n := cap(w.text) + 4*cap(w.slots); n > 8<<20 {
		t.Errorf("the word list takes %d bytes, want at most 8 MiB", n)
	}
	if len(w.text) >= 1<<24 {
		t.Error("the text does not fit the offsets of the table")
	}
	used := 0
	for _, s := range w.slots {
		if s != 0 {
			used++
		}
	}
	if used*4 > len(w.slots)*3 {
		t.Errorf("%d of %d slots are used, want at most three quarters", used, len(w.slots))
	}
	runtime.KeepAlive(w)
}
