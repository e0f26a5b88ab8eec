package har_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"harken/har"
)

// typical is an API call of about 2.6 KB encoded: 20 headers, JSON bodies.
func typical() *har.Entry {
	e := full()
	e.WebSocketMessages, e.Request.PostData.Params = nil, nil
	e.Request.Headers, e.Response.Headers = nil, nil
	for i := range 10 {
		e.Request.Headers = append(e.Request.Headers, har.Header{Name: fmt.Sprintf("x-request-header-%d", i), Value: "some value of usual length"})
		e.Response.Headers = append(e.Response.Headers, har.Header{Name: fmt.Sprintf("x-response-header-%d", i), Value: "some value of usual length"})
	}
	e.Request.PostData.Body = []byte(`{"user":"alice","items":[1,2,3],"note":"hello"}`)
	e.Response.Content.MimeType = "application/json"
	e.Response.Content.Body = bytes.Repeat([]byte(`{"id":12345,"name":"a name","price":12.5},`), 9)
	return e
}

func BenchmarkAppendEntry(b *testing.B) {
	e := typical()
	buf := har.AppendEntry(nil, e)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = har.AppendEntry(buf[:0], e)
	}
}

// Bodies are most of what there is to write: text without and with bytes to
// escape, and what is not UTF-8.
func BenchmarkAppendEntryBody(b *testing.B) {
	for name, part := range map[string]string{
		"plain": "0123456789abcdef", "json": `{"id":12345,"name":"a name","price":12.5},`,
		"umlauts": "Äpfel, Öl und Übermut. ", "binary": "\xff\x00\x01\x02",
	} {
		b.Run(name, func(b *testing.B) {
			e := typical()
			e.Response.Content.Body = bytes.Repeat([]byte(part), 64<<10/len(part))
			buf := har.AppendEntry(nil, e)
			b.SetBytes(64 << 10)
			b.ReportAllocs()
			for b.Loop() {
				buf = har.AppendEntry(buf[:0], e)
			}
		})
	}
}

func BenchmarkDecodeEntry(b *testing.B) {
	buf := har.AppendEntry(nil, typical())
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	var e har.Entry
	for b.Loop() {
		if err := har.DecodeEntry(buf, &e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeEntryBinary(b *testing.B) {
	e := typical()
	e.Response.Content.Body = bytes.Repeat([]byte{0xff, 0, 1, 2}, 64<<8)
	buf := har.AppendEntry(nil, e)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if err := har.DecodeEntry(buf, e); err != nil {
			b.Fatal(err)
		}
	}
}

// The baseline: the shape of an entry for encoding/json.
type (
	jsonPair struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	jsonEntry struct {
		Started time.Time `json:"startedDateTime"`
		Time    float64   `json:"time"`
		Request struct {
			Method      string     `json:"method"`
			URL         string     `json:"url"`
			HTTPVersion string     `json:"httpVersion"`
			Headers     []jsonPair `json:"headers"`
			QueryString []jsonPair `json:"queryString"`
			Cookies     []jsonPair `json:"cookies"`
			PostData    *struct {
				MimeType string `json:"mimeType"`
				Text     string `json:"text"`
			} `json:"postData"`
			HeadersSize int64 `json:"headersSize"`
			BodySize    int64 `json:"bodySize"`
		} `json:"request"`
		Response struct {
			Status      int        `json:"status"`
			StatusText  string     `json:"statusText"`
			HTTPVersion string     `json:"httpVersion"`
			Headers     []jsonPair `json:"headers"`
			Cookies     []jsonPair `json:"cookies"`
			Content     struct {
				Size     int64  `json:"size"`
				MimeType string `json:"mimeType"`
				Text     string `json:"text"`
				Encoding string `json:"encoding"`
			} `json:"content"`
			RedirectURL string `json:"redirectURL"`
			HeadersSize int64  `json:"headersSize"`
			BodySize    int64  `json:"bodySize"`
		} `json:"response"`
		Timings map[string]float64 `json:"timings"`
		Harken  map[string]any     `json:"_harken"`
	}
)

func BenchmarkBaselineEncodingJSONDecode(b *testing.B) {
	buf := har.AppendEntry(nil, typical())
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		var e jsonEntry
		if err := json.Unmarshal(buf, &e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBaselineEncodingJSONEncode(b *testing.B) {
	var e jsonEntry
	if err := json.Unmarshal(har.AppendEntry(nil, typical()), &e); err != nil {
		b.Fatal(err)
	}
	buf, _ := json.Marshal(&e)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(&e); err != nil {
			b.Fatal(err)
		}
	}
}

func document(b *testing.B, n int) []byte {
	b.Helper()
	var doc bytes.Buffer
	w := har.NewWriter(&doc, har.Head{Version: "1"})
	entry := har.AppendEntry(nil, typical())
	for range n {
		if err := w.Write(entry); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return doc.Bytes()
}

func BenchmarkReaderNext(b *testing.B) {
	benchReader(b, func(rd *har.Reader) error { _, err := rd.Next(); return err })
}

func BenchmarkReaderRead(b *testing.B) {
	var e har.Entry
	benchReader(b, func(rd *har.Reader) error { return rd.Read(&e) })
}

func benchReader(b *testing.B, read func(*har.Reader) error) {
	b.Helper()
	doc := document(b, 1000)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		rd := har.NewReader(bytes.NewReader(doc))
		for {
			if err := read(rd); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkSummarize(b *testing.B) {
	doc := document(b, 1000)
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if _, _, err := har.Summarize(bytes.NewReader(doc)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFileAppend(b *testing.B) {
	for _, batch := range []int{1, 100} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			f, err := har.OpenFile(filepath.Join(b.TempDir(), "a.har"), har.Head{Version: "1"})
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			entry := har.AppendEntry(nil, typical())
			entries := make([][]byte, batch)
			for i := range entries {
				entries[i] = entry
			}
			b.SetBytes(int64(len(entry) * batch))
			b.ReportAllocs()
			for b.Loop() {
				if err := f.Append(entries...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Repair reads a whole file: bytes of it per second.
func BenchmarkRepair(b *testing.B) {
	doc := document(b, 5000)
	path := filepath.Join(b.TempDir(), "a.har")
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		if err := os.WriteFile(path, doc[:len(doc)-100], 0o600); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		rep, err := har.Repair(path)
		if err != nil || rep.Entries != 4999 {
			b.Fatal(rep, err)
		}
	}
}
