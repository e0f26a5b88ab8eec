package admin

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"harken/inventory/fault"
)

// everything is a request with a field of each kind.
type everything struct {
	S    string            `json:"s"`
	N    Int               `json:"n"`
	B    Bool              `json:"b"`
	L    Ints              `json:"l"`
	D    Document          `json:"d"`
	O    []endpointRequest `json:"o"`
	Need string            `json:"need" api:"required"`
}

func decodeJSON(s string) (everything, error) {
	var v everything
	f, err := parseObject([]byte(s))
	if err == nil {
		err = f.decode(&v)
	}
	return v, err
}

func TestDecode(t *testing.T) {
	f := func(in string, want everything) {
		t.Helper()
		want.Need = "x"
		got, err := decodeJSON(`{"need":"x",` + in + `}`)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("decode(%s): %v\n%s", in, err, diff)
		}
	}
	n := func(i int64) everything { return everything{N: Int{i, true}} }
	f(`"n":7`, n(7))
	f(`"n":-1628073687`, n(-1628073687))
	f(`"n":7.0`, n(7))
	f(`"n":1e3`, n(1000))
	f(`"n":"1111111111"`, n(1111111111))
	f(`"n":" -5 "`, n(-5))
	f(`"n":9223372036854775807`, n(9223372036854775807))
	f(`"n":" "`, everything{})
	f(`"n":null`, everything{})
	f(`"n":1,"n":2`, n(2))
	f(`"unknown":{"n":1}`, everything{})
	for _, s := range []string{`true`, `"true"`, `"TRUE"`, `1`, `"1"`, `" True "`} {
		f(`"b":`+s, everything{B: Bool{true, true}})
	}
	for _, s := range []string{`false`, `"False"`, `0`, `"0"`} {
		f(`"b":`+s, everything{B: Bool{false, true}})
	}
	f(`"b":""`, everything{})
	f(`"l":[1,"2",3.0,""]`, everything{L: Ints{1, 2, 3}})
	f(`"l":5`, everything{L: Ints{5}})
	f(`"l":"5"`, everything{L: Ints{5}})
	f(`"l":"5, -6,"`, everything{L: Ints{5, -6}})
	f(`"l":[]`, everything{L: Ints{}})
	f(`"d":"a: b"`, everything{D: "a: b"})
	f(`"d":{"a": [1]}`, everything{D: `{"a": [1]}`})
	f(`"d":[1]`, everything{D: `[1]`})
	f(`"s":"é\u00e9"`, everything{S: "éé"})
	f(`"o":[{"url":"/a","method":"GET","apiCollectionId":"3"}]`, everything{O: []endpointRequest{{Int{3, true}, "/a", "GET"}}})
}

func TestDecodeRefuses(t *testing.T) {
	f := func(in string, kind fault.Kind, part string) {
		t.Helper()
		_, err := decodeJSON(in)
		if k, msg := fault.Of(err); err == nil || k != kind || !strings.Contains(msg, part) {
			t.Errorf("decode(%.60s) = kind %d, %v; want %d with %q", in, k, err, kind, part)
		}
	}
	for _, in := range []string{`{`, `[]`, `7`, `"a"`, `null`, `{} {}`, `{"a":}`, `{"n":01}`, `true`, "\x00"} {
		f(in, fault.Malformed, "")
	}
	f(`{}`, fault.Invalid, "need: is required")
	f(``, fault.Invalid, "need: is required")
	f(`{"need":null}`, fault.Invalid, "need: is required")
	f(`{"need":7}`, fault.Invalid, "need: must be a string")
	f(`{"need":["x"]}`, fault.Invalid, "need: must be a string")
	for _, s := range []string{`1.5`, `"1.5"`, `"1e3"`, `"0x10"`, `"a"`, `true`, `[1]`, `{}`, `1e40`, `"99999999999999999999"`, `"1_0"`} {
		f(`{"n":`+s+`}`, fault.Invalid, "n: must be an integer")
	}
	for _, s := range []string{`2`, `"yes"`, `[]`, `{}`, `1.0`} {
		f(`{"b":`+s+`}`, fault.Invalid, "b: must be true or false")
	}
	for _, s := range []string{`"a"`, `["a"]`, `[1.5]`, `{}`, `true`, `"1,b"`, `[[1]]`} {
		f(`{"l":`+s+`}`, fault.Invalid, "l: must be a list of integers")
	}
	for _, s := range []string{`7`, `true`} {
		f(`{"d":`+s+`}`, fault.Invalid, "d: must be")
	}
	f(`{"o":{}}`, fault.Invalid, "o: ")
	f(`{"o":[7]}`, fault.Invalid, "o: ")
	f(`{"o":[{"url":7}]}`, fault.Invalid, "o: ")

	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	if _, err := decodeJSON(`{"need":"x","d":` + deep(999) + `}`); err != nil {
		t.Errorf("1,000 levels: %v", err)
	}
	f(`{"need":"x","d":`+deep(1000)+`}`, fault.Malformed, "1000 levels")
	if _, err := decodeJSON(`{"need":"x","d":"` + deep(1000) + `","s":"[[{{\"]"}`); err != nil {
		t.Errorf("1,000 levels in a string: %v", err)
	}
	f(`{"need":"x","d":"`+deep(1001)+`"}`, fault.Invalid, "d: nests")
}

func TestDecodeForm(t *testing.T) {
	in := fields{
		"need": {text: []string{"first", "x"}}, "n": {text: []string{" 12 "}}, "b": {text: []string{"TRUE"}},
		"l": {text: []string{"1,2", "3"}}, "d": {text: []string{`{"a":1}`}}, "o": {text: []string{`[{"url":"/a"}]`}},
	}
	var got everything
	err := in.decode(&got)
	want := everything{
		Need: "x", N: Int{12, true}, B: Bool{true, true}, L: Ints{1, 2, 3}, D: `{"a":1}`,
		O: []endpointRequest{{URL: "/a"}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for _, in := range []fields{{"n": {text: []string{"x"}}}, {"o": {text: []string{"x"}}}, {"o": {text: []string{strings.Repeat("[", 2000)}}}} {
		if k, _ := fault.Of(in.decode(&got)); k != fault.Invalid {
			t.Errorf("decode(%v) is no fault.Invalid", in)
		}
	}
}

// Whatever comes: no panic, every error has a kind that is the caller's, and what
// is accepted reads the same from its canonical form.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"need":"x","n":"7","b":1,"l":"1,2","d":{"a":[1]},"o":[{"url":"/a"}],"s":"\ud800"}`))
	f.Add([]byte(`{"need":"x","n":1e2,"n":null,"l":[1,"2"]}`))
	f.Add([]byte("\xef\xbb\xbf {}"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := decodeJSON(string(in))
		if err != nil {
			if k, _ := fault.Of(err); k != fault.Malformed && k != fault.Invalid {
				t.Fatalf("error of kind %d: %v", k, err)
			}
			return
		}
		canonical := map[string]any{"need": got.Need, "s": got.S, "d": string(got.D), "l": []int64(got.L)}
		if got.N.Set {
			canonical["n"] = got.N.N
		}
		if got.B.Set {
			canonical["b"] = got.B.B
		}
		b, err := json.Marshal(canonical)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeJSON(string(b))
		again.O = got.O
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Fatalf("%+v became %+v, %v", got, again, err)
		}
	})
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(2, time.Now)
		a, b := netAddr("192.0.2.1"), netAddr("192.0.2.2")
		try := func(want time.Duration) {
			t.Helper()
			err := l.try(a)
			if got := retryAfter(err); got != want || (err != nil) != (want > 0) {
				t.Errorf("try = %v, wait %v, want %v", err, got, want)
			}
		}
		try(0)
		time.Sleep(10 * time.Minute)
		try(0)
		try(50 * time.Minute)
		if l.try(b) != nil {
			t.Error("another address is refused too")
		}
		time.Sleep(49 * time.Minute)
		try(time.Minute)
		time.Sleep(time.Minute)
		try(0)
		try(0)
		try(time.Hour)

		// Memory is bounded: the oldest windows go first.
		for i := range maxAddrs + 10 {
			_ = l.try(netAddr4(i))
		}
		if len(l.addrs) > maxAddrs+1 || len(l.order) != len(l.addrs) {
			t.Errorf("%d addresses and %d windows are kept", len(l.addrs), len(l.order))
		}
		if newLimiter(-1, time.Now).try(a) != nil {
			t.Error("a negative limit limits")
		}
	})
}

// A learner that is slow is not waited for longer than a minute, and that is told.
func TestAwaitLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		a := &API{cfg: Config{Learned: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}}
		h := &harImport{}
		if err := a.awaitLearned(t.Context(), h); err != nil || len(h.lines) != 1 || time.Since(start) != time.Minute {
			t.Errorf("awaitLearned = %v after %v with the lines %q", err, time.Since(start), h.lines)
		}
		a.cfg.Learned = func(context.Context) error { return errors.New("broken") }
		if err := a.awaitLearned(t.Context(), h); err == nil {
			t.Error("an error of the learner is swallowed")
		}
	})
}
