package capture

import (
	"bytes"
	stdgzip "compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"harken/har"
)

// encode applies a coding, "raw-deflate" being deflate without zlib.
func encode(tb testing.TB, coding string, plain []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch coding {
	case "gzip", "x-gzip":
		w = stdgzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "raw-deflate":
		w, err = flate.NewWriter(&b, 6)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		w, err = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	default:
		tb.Fatalf("coding %q", coding)
	}
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"name":"item %x"},`, r.IntN(1000), r.Uint32())
	}
	return b.Bytes()[:n]
}

func TestDecode(t *testing.T) {
	var d decoder
	for _, n := range []int{0, 1, 1000, 100_000} {
		plain := text(n)
		f := func(codings string, raw []byte) {
			t.Helper()
			got := d.decode(1, strings.Fields(codings), raw, 1<<20)
			if got.err != nil || got.short || got.size != int64(n) || !bytes.Equal(got.body, plain) {
				t.Errorf("decode %s of %d bytes: %d bytes, size %d, short %t, err %v", codings, n, len(got.body), got.size, got.short, got.err)
			}
		}
		f("gzip", encode(t, "gzip", plain))
		f("x-gzip", encode(t, "gzip", plain))
		f("deflate", encode(t, "deflate", plain))
		f("deflate", encode(t, "raw-deflate", plain))
		f("br", encode(t, "br", plain))
		f("zstd", encode(t, "zstd", plain))
		f("gzip br", encode(t, "br", encode(t, "gzip", plain)))
		f("deflate zstd gzip", encode(t, "gzip", encode(t, "zstd", encode(t, "deflate", plain))))
		half := n / 2
		f("gzip", append(encode(t, "gzip", plain[:half]), encode(t, "gzip", plain[half:])...))
		f("gzip", append(encode(t, "gzip", plain), "padding"...))
		f("gzip", append(encode(t, "gzip", plain), 0))
		f("zstd", append(encode(t, "zstd", plain[:half]), encode(t, "zstd", plain[half:])...))
	}
}

// A compressed body that was cut decodes as far as it goes, wherever it was cut.
func TestDecodeCut(t *testing.T) {
	var d decoder
	plain := text(6000)
	for _, codings := range [][]string{{"gzip"}, {"deflate"}, {"raw-deflate"}, {"br"}, {"zstd"}, {"gzip", "br"}, {"zstd", "gzip"}} {
		raw := plain
		for _, c := range codings {
			raw = encode(t, c, raw)
		}
		if codings[0] == "raw-deflate" {
			codings = []string{"deflate"}
		}
		// The tail of gzip and zlib is a checksum: without it the body is whole.
		for n := 1; n < len(raw)-8; n += 7 {
			got := d.decode(0, codings, raw[:n], 1<<20)
			if got.err != nil || !got.short && len(got.body) < len(plain) || !bytes.HasPrefix(plain, got.body) {
				t.Fatalf("decode %v of %d of %d bytes: %d bytes, short %t, err %v", codings, n, len(raw), len(got.body), got.short, got.err)
			}
		}
		if got := d.decode(0, codings, raw[:len(raw)-20], 1<<20); len(codings) == 1 && codings[0] != "zstd" && len(got.body) < 3000 {
			t.Errorf("decode %v of nearly all: only %d bytes", codings, len(got.body))
		}
	}
}

func TestDecodeLimits(t *testing.T) {
	var d decoder
	bomb := make([]byte, 1<<20)
	for _, c := range []string{"gzip", "deflate", "br", "zstd"} {
		raw := encode(t, c, bomb)
		got := d.decode(1, []string{c}, raw, 1000)
		if got.err != nil || !got.short || got.size != -1 || len(got.body) != 1000 {
			t.Errorf("bomb of %s: %d bytes, size %d, short %t, err %v", c, len(got.body), got.size, got.short, got.err)
		}
		got = d.decode(1, []string{c}, raw, 1<<18)
		if got.err != nil || !got.short || got.size != 1<<20 || len(got.body) != 1<<18 {
			t.Errorf("large %s: %d bytes, size %d, short %t, err %v", c, len(got.body), got.size, got.short, got.err)
		}
		twice := encode(t, c, raw)
		if got = d.decode(1, []string{c, c}, twice, 1000); got.err != nil || !got.short || len(got.body) != 1000 {
			t.Errorf("bomb of %s twice: %d bytes, short %t, err %v", c, len(got.body), got.short, got.err)
		}
	}
}

func TestDecodeFails(t *testing.T) {
	var d decoder
	f := func(codings, raw, want string) {
		t.Helper()
		got := d.decode(0, strings.Fields(codings), []byte(raw), 1<<20)
		if got.err == nil || !strings.Contains(got.err.Error(), want) || string(got.body) != raw {
			t.Errorf("decode %s: body %q, err %v, want the raw bytes and %q", codings, got.body, got.err, want)
		}
	}
	f("gzip", `{"plain":"text that only says it is compressed"}`, "decode gzip: ")
	f("zstd", "this is not zstd", "decode zstd: ")
	f("br", "\xff\xff\xff\xff\xff\xff", "decode br: ")
	f("compress", "x", "decode compress: unknown encoding")
	f("gzip utf-8", "x", "decode utf-8: unknown encoding")
	f("gzip gzip gzip gzip gzip", "x", "5 encodings, limit 4")
	broken := encode(t, "gzip", text(1000))
	broken[len(broken)/2] ^= 0xff
	f("gzip", string(broken), "decode gzip: ")
	// What failed leaves the decoder fit for the next body.
	for _, c := range []string{"gzip", "br", "zstd", "deflate"} {
		if got := d.decode(0, []string{c}, encode(t, c, []byte("fine")), 100); string(got.body) != "fine" {
			t.Errorf("decode %s after failures = %q, %v", c, got.body, got.err)
		}
	}
}

func TestCodings(t *testing.T) {
	h := []har.Header{{Name: "content-encoding", Value: "GZip, identity"}, {Name: "X", Value: "br"}, {Name: "Content-Encoding", Value: " br ,"}}
	if got := strings.Join(codings(nil, h), " "); got != "gzip br" {
		t.Errorf("codings = %q, want %q", got, "gzip br")
	}
}

// What the decoder makes of any bytes keeps to the limits, and is the same
// whatever it decoded before.
func FuzzDecode(f *testing.F) {
	for _, c := range []string{"gzip", "deflate", "br", "zstd"} {
		raw := encode(f, c, text(500))
		f.Add(c, raw, 100)
		f.Add(c, raw[:len(raw)/2], 1000)
		f.Add(c+" gzip", encode(f, "gzip", raw), 1000)
	}
	var used decoder
	f.Fuzz(func(t *testing.T, list string, raw []byte, limit int) {
		limit &= 0xffff
		names := strings.Fields(list)
		var fresh decoder
		want := fresh.decode(0, names, raw, int64(limit))
		got := used.decode(0, names, raw, int64(limit))
		if got.size != want.size || got.short != want.short || (got.err == nil) != (want.err == nil) || !bytes.Equal(got.body, want.body) {
			t.Fatalf("used decoder: %d bytes, size %d, short %t, %v; fresh: %d, %d, %t, %v", len(got.body), got.size, got.short, got.err,
				len(want.body), want.size, want.short, want.err)
		}
		if len(names) > 0 && got.err == nil && len(got.body) > limit {
			t.Fatalf("%d bytes, limit %d", len(got.body), limit)
		}
		if got.err == nil && !got.short && got.size != int64(len(got.body)) {
			t.Fatalf("whole body of %d bytes, size %d", len(got.body), got.size)
		}
	})
}
