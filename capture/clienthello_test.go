package capture_test

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"harken/capture"
)

// clientHello returns what Go's client sends first.
func clientHello(tb testing.TB, name string, alpn ...string) []byte {
	tb.Helper()
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		defer client.Close()
		_ = tls.Client(client, &tls.Config{ServerName: name, NextProtos: alpn, InsecureSkipVerify: name == ""}).Handshake()
	}()
	b := make([]byte, 16<<10)
	n, err := server.Read(b)
	if err != nil {
		tb.Fatal(err)
	}
	return b[:n]
}

// split cuts the one record of hello into records of n bytes.
func split(hello []byte, n int) []byte {
	var out []byte
	for frag := range slices.Chunk(hello[5:], n) {
		out = append(out, 22, 3, 1, byte(len(frag)>>8), byte(len(frag)))
		out = append(out, frag...)
	}
	return out
}

func TestParseClientHello(t *testing.T) {
	f := func(b []byte, want capture.ClientHello) {
		t.Helper()
		got, more, err := capture.ParseClientHello(b)
		if err != nil || more {
			t.Fatalf("ParseClientHello = more %t, %v", more, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("ParseClientHello (-want +got):\n%s", d)
		}
		for i := range len(b) {
			if _, more, err := capture.ParseClientHello(b[:i]); !more || err != nil {
				t.Fatalf("ParseClientHello of %d of %d bytes = more %t, %v, want more", i, len(b), more, err)
			}
		}
	}
	want := capture.ClientHello{ServerName: "api.example.com", ALPN: []string{"h2", "http/1.1"}}
	hello := clientHello(t, "API.example.com", "h2", "http/1.1")
	f(hello, want)
	f(split(hello, 1), want)
	f(split(hello, 3), want)
	f(split(hello, 100), want)
	f(clientHello(t, ""), capture.ClientHello{})
	if _, more, err := capture.ParseClientHello(append(slices.Clone(hello), "GET / what follows"...)); more || err != nil {
		t.Errorf("with bytes after it: more %t, %v", more, err)
	}
}

func TestParseClientHelloRefuses(t *testing.T) {
	f := func(b, want string) {
		t.Helper()
		_, more, err := capture.ParseClientHello([]byte(b))
		if more || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseClientHello(%.20q) = more %t, %v, want an error with %q", b, more, err, want)
		}
	}
	f("GET / HTTP/1.1\r\n", "record type 71 at byte 0")
	f("SSH-2.0-x", "record type")
	f("\x16\x02", "record version 2")
	f("\x16\x03\x01\x00\x00", "record of 0 bytes")
	f("\x16\x03\x01\xff\xff", "record of 65535 bytes")
	f("\x16\x03\x01\x00\x04\x02\x00\x00\x00", "handshake message 2")
	f("\x16\x03\x01\x00\x04\x01\x01\x00\x00", "limit 65536")
	f("\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03", "random is cut")
	f(strings.Repeat("\x16\x03\x01\x00\x01\x01", 1)+strings.Repeat("\x16\x03\x01\x00\x01\x00", 12000), "random is cut")
	f("\x16\x03\x01\x00\x04\x01\x00\xf0\x00"+strings.Repeat("\x16\x03\x01\x00\x01\x00", 12000), "not complete within")
	bad := strings.Replace(string(clientHello(t, "api.example.com")), "api.example", "api/example", 1)
	f(bad, "server_name has byte 0x2f at 3")
	if _, _, err := capture.ParseClientHello([]byte("GET")); !errors.Is(err, capture.ErrNotClientHello) {
		t.Errorf("error of plain HTTP = %v, want ErrNotClientHello", err)
	}
}

func sameHello(a, b capture.ClientHello) bool {
	return a.ServerName == b.ServerName && slices.Equal(a.ALPN, b.ALPN)
}

// Cutting the handshake into other records changes nothing, and a beginning of
// what was understood is never refused.
func FuzzParseClientHello(f *testing.F) {
	hello := clientHello(f, "api.example.com", "h2")
	f.Add(hello, 7)
	f.Add(split(hello, 50), 300)
	f.Add([]byte("\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03"), 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		got, more, err := capture.ParseClientHello(b)
		if more && err != nil {
			t.Fatalf("more and %v", err)
		}
		if more || err != nil {
			return
		}
		if n &= 0x3fff; n < len(b) {
			if again, more, err := capture.ParseClientHello(b[:n]); err != nil || !more && !sameHello(got, again) {
				t.Fatalf("of %d bytes: %+v, %v; of all: %+v", n, again, err, got)
			}
		}
		if size := int(b[3])<<8 | int(b[4]); n > 0 && 6*size < 60<<10 && len(b) >= 5+size {
			again, more, err := capture.ParseClientHello(append(split(b[:5+size], n), b[5+size:]...))
			if more || err != nil || !sameHello(got, again) {
				if len(b)+6*size < 60<<10 {
					t.Fatalf("in records of %d: %+v, %t, %v; want %+v", n, again, more, err, got)
				}
			}
		}
	})
}
