package har_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/har"
)

// A Decoder gives what DecodeEntry gives, whatever it decoded before.
func TestDecoder(t *testing.T) {
	large := full()
	large.Response.Content.Body = bytes.Repeat([]byte(`a "b" \`), 400_000)
	bare := &har.Entry{Request: har.Request{Method: "GET", URL: "https://a.example/"}}
	inputs := [][]byte{
		har.AppendEntry(nil, typical()), har.AppendEntry(nil, bare), har.AppendEntry(nil, full()), []byte(`{"request":{"method`),
		har.AppendEntry(nil, bare), har.AppendEntry(nil, large), har.AppendEntry(nil, typical()), []byte(`{"_harken":{"tls":{"sni":"x"},"tls":{}}}`),
		[]byte(`{"response":{"content":{"encoding":"base64","text":"%"}}}`), har.AppendEntry(nil, bare),
	}
	var d har.Decoder
	for i, b := range inputs {
		before := bytes.Clone(b)
		var got, want har.Entry
		err, wantErr := d.Decode(b, &got), har.DecodeEntry(b, &want)
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Errorf("input %d: error %v, want %v", i, err, wantErr)
			continue
		}
		if diff := cmp.Diff(want, got); err == nil && diff != "" {
			t.Errorf("input %d: (-DecodeEntry +Decoder)\n%s", i, diff)
		}
		if !bytes.Equal(b, before) {
			t.Errorf("input %d was changed", i)
		}
	}
}

// Most entries need nothing but the memory that is there.
func TestDecoderAllocatesNothing(t *testing.T) {
	e := typical()
	e.Request.QueryString, e.Request.Cookies, e.Response.Cookies, e.Harken.Tags, e.Harken.Flags = nil, nil, nil, nil, nil
	b := har.AppendEntry(nil, e)
	var d har.Decoder
	if n := testing.AllocsPerRun(100, func() { _ = d.Decode(b, e) }); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkDecoder(b *testing.B) {
	buf := har.AppendEntry(nil, typical())
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	var d har.Decoder
	var e har.Entry
	for b.Loop() {
		if err := d.Decode(buf, &e); err != nil {
			b.Fatal(err)
		}
	}
}
