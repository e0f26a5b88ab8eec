package e2e

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
)

// The HAR 1.2 members that the tests look at, read by encoding/json so that the
// project's own reader is not its own judge.
type harLog struct {
	Log struct {
		Version string
		Comment string
		Creator struct{ Name, Version string }
		Entries []harEntry
	}
}

type harEntry struct {
	StartedDateTime time.Time
	Time            float64
	Request         struct {
		Method, URL, HTTPVersion string
		Headers, QueryString     []harHeader
		PostData                 *struct{ MimeType, Text, Encoding string }
		HeadersSize, BodySize    int64
	}
	Response struct {
		Status      int
		StatusText  string
		HTTPVersion string
		Headers     []harHeader
		Content     struct {
			Size, Compression        int64
			MimeType, Text, Encoding string
		}
		RedirectURL           string
		HeadersSize, BodySize int64
	}
	Timings struct{ Blocked, DNS, Connect, SSL, Send, Wait, Receive float64 }
	Harken  struct {
		ID, Source, Client, Server, Error string
		Flags                             []string
		TLS                               *struct{ Version, Cipher, SNI, ALPN string }
		RequestBytes, ResponseBytes       int64
	} `json:"_harken"`
}

type harHeader struct{ Name, Value string }

func parseHAR(t *testing.T, r io.Reader) *harLog {
	t.Helper()
	var h harLog
	if err := json.NewDecoder(r).Decode(&h); err != nil {
		t.Fatalf("HAR: %v", err)
	}
	if h.Log.Version != "1.2" {
		t.Fatalf("HAR version %q, want 1.2", h.Log.Version)
	}
	return &h
}

// body returns the response body of an entry as bytes.
func (e *harEntry) body(t *testing.T) []byte {
	t.Helper()
	if e.Response.Content.Encoding != "base64" {
		return []byte(e.Response.Content.Text)
	}
	b, err := base64.StdEncoding.DecodeString(e.Response.Content.Text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// header returns all values of a header field.
func header(hs []harHeader, name string) []string {
	var out []string
	for _, h := range hs {
		if strings.EqualFold(h.Name, name) {
			out = append(out, h.Value)
		}
	}
	return out
}
