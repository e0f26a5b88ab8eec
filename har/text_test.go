package har_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"

	"harken/har"
)

// encodedBody returns the members text and encoding that a response body gets.
func encodedBody(t *testing.T, body []byte) (text, encoding string) {
	t.Helper()
	b := har.AppendEntry(nil, &har.Entry{Response: har.Response{Content: har.Content{Body: body}}})
	var e struct {
		Response struct {
			Content struct{ Text, Encoding string }
		}
	}
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatalf("body %q: %v in %s", body, err, b)
	}
	return e.Response.Content.Text, e.Response.Content.Encoding
}

// Every ASCII byte at every place within the words that are read at a time, alone
// and beside each kind of neighbor.
func TestEscapesAnywhere(t *testing.T) {
	for c := range byte(0x80) {
		for at := range 20 {
			for _, next := range []byte{'x', '"', '!', '#', '\\', ']', '\x00', '\x1f', ' ', c} {
				body := []byte("abcdefghijklmnopqrstuvwxyz")
				body[at], body[at+1] = c, next
				if text, encoding := encodedBody(t, body); text != string(body) || encoding != "" {
					t.Fatalf("body %q became %q, encoding %q", body, text, encoding)
				}
			}
		}
	}
}

func TestEscapesBesideRunes(t *testing.T) {
	for at := range 20 {
		for _, r := range []string{"ä", "€", "😀", "ʢ", "\u2028", "\ufffd"} {
			body := []byte("abcdefghijklmnopqrst"[:at] + r + "\"" + r + "\n\\" + r + "12345678")
			if text, _ := encodedBody(t, body); text != string(body) {
				t.Fatalf("body %q became %q", body, text)
			}
		}
	}
}

// A large text is base64 from where on that is shorter, wherever in it the
// control characters are.
func TestControlCharactersAsBase64(t *testing.T) {
	const size = 6000
	most := (base64.StdEncoding.EncodedLen(size) - size) / (len(`\u0000`) - 1)
	for _, from := range []int{0, 3, size - most - 1} {
		for controls, want := range map[int]string{0: "", most: "", most + 1: "base64"} {
			body := bytes.Repeat([]byte{'x'}, size)
			clear(body[from : from+controls])
			text, encoding := encodedBody(t, body)
			if encoding == "base64" {
				raw, err := base64.StdEncoding.DecodeString(text)
				if err != nil {
					t.Fatal(err)
				}
				text = string(raw)
			}
			if encoding != want || text != string(body) {
				t.Errorf("%d control characters from %d: encoding %q, want %q; same text: %t", controls, from, encoding, want, text == string(body))
			}
		}
	}
}
