package admin

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// fill sets all that v holds to random values: of lists and maps some are nil, and
// texts have what encoding/json escapes in its own way.
func fill(rng *rand.Rand, v reflect.Value) {
	texts := []string{"", "plain", `{"a":"b\"\\"}`, "\b\f\n\r\t\x00\x7f", "\u2028 \u2029", "<&>", "\xff\xfe", "ü€😀 and more of it, beyond eight bytes \"\x1f", "\u2027"}
	switch v.Kind() {
	case reflect.Struct:
		for _, f := range v.Fields() {
			fill(rng, f)
		}
	case reflect.Slice:
		if n := rng.IntN(5); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n-1, n-1))
		}
		for i := range v.Len() {
			fill(rng, v.Index(i))
		}
	case reflect.Map:
		n := rng.IntN(5)
		if n == 0 {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for range n - 1 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(rng, key)
			fill(rng, value)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		v.SetString(texts[rng.IntN(len(texts))])
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	default:
		v.SetInt([]int64{0, -1, 7, -1 << 31, 1<<31 - 1}[rng.IntN(5)])
	}
}

// A reply that writes itself is the one that encoding/json writes.
func TestAppenders(t *testing.T) {
	type samples fetchSamplesResponse // without the method
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var r fetchSamplesResponse
		fill(rng, reflect.ValueOf(&r).Elem())
		got := r.appendJSON([]byte("x"))
		want, err := appendReply([]byte("x"), samples(r))
		if err != nil || string(got) != string(want) {
			t.Fatalf("%v\n%s\nwant\n%s", err, got, want)
		}
	}
}
