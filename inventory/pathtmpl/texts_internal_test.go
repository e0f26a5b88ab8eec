package pathtmpl

import (
	"slices"
	"strings"
	"testing"
)

func TestTexts(t *testing.T) {
	var have texts
	want := []string{"a", "", strings.Repeat("b", 127), strings.Repeat("c", 128), strings.Repeat("d", 1024)}
	var grown int64
	for _, s := range append(want, "a", "", "e") {
		grown += have.add(s, len(want))
	}
	if got := have.list(); !slices.Equal(got, want) {
		t.Errorf("have %q, want %q", got, want)
	}
	if n := have.bytes(); n != grown || n < int64(len(have)) {
		t.Errorf("%d bytes, said to be %d, then %d", len(have), grown, n)
	}
	if have.count() != len(want) || have.has("e") || !have.has("") {
		t.Errorf("count %d, has e: %t, has the empty text: %t", have.count(), have.has("e"), have.has(""))
	}
}
