package sqlite

import (
	"encoding/json"
	"reflect"
	"testing"
)

func someIndex() sensitiveIndex {
	return sensitiveIndex{
		params: []sensitiveParam{
			{Code: -1, Header: true, Name: "authorization", Type: "JWT", Seqs: []int64{0, 3, 9}},
			{Code: 200, Name: "user#email", Type: "EMAIL", Seqs: []int64{7}},
			{Code: -1, URLParam: true, Name: "2", Type: "SSN", Seqs: []int64{1 << 40}},
			{Code: -1, Query: true, Name: "q", Type: "EMAIL", Seqs: []int64{5, 6}},
		},
		ringed: map[int64]int64{7: 21, 9: 4},
	}
}

func TestPackedIndex(t *testing.T) {
	x := someIndex()
	for _, want := range []sensitiveIndex{x, {}} {
		got, err := parseIndex(string(appendIndex(nil, &want)))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("parseIndex = %+v, %v; want %+v", got, err, want)
		}
	}
	old, err := json.Marshal(map[string]any{"p": x.params, "r": x.ringed}) // as it was stored before
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseIndex(string(old)); err != nil || !reflect.DeepEqual(got, x) {
		t.Errorf("parseIndex of JSON = %+v, %v; want %+v", got, err, x)
	}
	packed := string(appendIndex(nil, &x))
	for n := range packed {
		if _, err := parseIndex(packed[:n]); err == nil {
			t.Errorf("the first %d bytes of an index are one", n)
		}
	}
}

// FuzzParseIndex checks that what can be read is written and read alike.
func FuzzParseIndex(f *testing.F) {
	x := someIndex()
	f.Add(string(appendIndex(nil, &x)))
	f.Fuzz(func(t *testing.T, text string) {
		x, err := parseIndex(text)
		if err != nil {
			return
		}
		packed := string(appendIndex(nil, &x))
		y, err := parseIndex(packed)
		if err != nil || packed != string(appendIndex(nil, &y)) {
			t.Errorf("%q is packed as %q and read as %+v, %v", text, packed, y, err)
		}
	})
}
